#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_layering.sh must find each of these, and must not complain about the others.
set -u
here=$(dirname "$(readlink -f "$0")")
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
failures=0

try() { # EXPECTED-EXIT-CODE FILE TEXT [FILE TEXT]
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{patterns/runtime,patterns/sync,demos,bench/baselines,plots,tests}
    touch "$tree/patterns/runtime/task.h" "$tree/patterns/sync/chan.h" "$tree/patterns/pool.h"
    touch "$tree/demos/demo.h" "$tree/bench/bench.h" "$tree/plots/stats.h"
    printf '%s\n' "$3" >"$tree/$2"
    if (($# == 5)); then printf '%s\n' "$5" >"$tree/$4"; fi
    "$here/check_layering.sh" "$tree" >"$tree/said"
    local code=$?
    if ((code != $1)); then
        echo "$2: $3: exit code $code, not $1"
        cat "$tree/said"
        failures=$((failures + 1))
    fi
}

try 0 patterns/runtime/task.c '#include "runtime/task.h"'
try 1 patterns/runtime/task.c '#include "sync/chan.h"'
try 1 patterns/runtime/task.c '#include "pool.h"'
try 0 patterns/sync/chan.c '#include "runtime/task.h"'
try 1 patterns/sync/chan.c '#include "pool.h"'
try 1 patterns/sync/chan.c '#include "../pool.h"'
try 0 patterns/pool.c '#include "pool.h"'
try 0 patterns/other.c '#include "pool.h"'
try 1 patterns/pool.h '#include "other.h"' patterns/other.c '#include "pool.h"'
try 1 patterns/other.c '#include "demo.h"'
try 1 patterns/pool.c '#  include "demos/demo.h"'
try 0 demos/01_pool.c '#include "pool.h"'
try 1 demos/01_pool.c '#include "bench/bench.h"'
try 1 bench/01_pool.c '#include "demos/demo.h"'
try 1 plots/stats.c '#include "runtime/task.h"'
try 0 plots/stats.c '#include "stats.h"'
try 0 tests/test_pool.c '#include "sync/chan.h"'
try 0 patterns/runtime/task.c 'int f(void) { return pthread_create(0, 0, 0, 0); }'
try 1 patterns/pool.c 'int f(void) { return pthread_create(0, 0, 0, 0); }'
try 1 patterns/pool.c '#include <pthread.h>'
try 1 patterns/sync/chan.c 'int f(void) { return usleep (1); }'
try 1 patterns/pool.c 'int f(void) { return rand(); }'
try 0 patterns/pool.c 'int f(void) { return conc_sleep(1) + brand(); }'
try 0 patterns/pool.c '/* nanosleep(2) would block the worker, #include "demos/demo.h" */'
try 0 bench/baselines/pool.c 'int f(void) { return pthread_create(0, 0, 0, 0); }'
try 1 demos/01_pool.c 'int f(void) { return sleep(1); }'
try 1 tests/test_pool.c 'int f(void) { return sleep(1); }'
exit $((failures > 0))
