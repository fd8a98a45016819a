#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_tsan.sh PROBE PROGRAM [ARGUMENT...]: runs a program built with ThreadSanitizer.
#
# Where the kernel spreads mappings over more bits than TSan's shadow expects (vm.mmap_rnd_bits = 32),
# the program dies before main. Then the spreading is switched off for it; where that is forbidden
# too, the test is skipped.
set -u
probe=$1
shift
export TSAN_OPTIONS="second_deadlock_stack=1 ${TSAN_OPTIONS-}"
if "$probe" 2>/dev/null; then
    exec "$@"
elif setarch -R "$probe" 2>/dev/null; then
    exec setarch -R "$@"
fi
echo "skipped: ThreadSanitizer does not start on this kernel (vm.mmap_rnd_bits), nor under setarch -R"
exit 77
