#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_bad_flags.sh DEMO: every wrong command line ends with exit code 2, one line on stderr and
# nothing on stdout; --help succeeds.
set -u
demo=$1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
failures=0

refuses() {
    "$demo" "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
    local code=$? lines
    lines=$(wc -l <"$scratch/stderr")
    if ((code != 2 || lines != 1)) || [[ -s $scratch/stdout ]]; then
        echo "$*: exit code $code, $lines lines on stderr, $(wc -c <"$scratch/stdout") bytes on stdout"
        failures=$((failures + 1))
    fi
}

refuses --nonesuch
refuses --nonesuch 3
refuses --workers
refuses --workers x
refuses --workers ''
refuses --workers -1
refuses --workers 0
refuses --workers 1.5
refuses --workers '3 '
refuses --workers=10001
refuses --workers 99999999999999999999
refuses --items -1
refuses --items 100000001
refuses --seed -1
refuses --seed 18446744073709551616
refuses --engine none
refuses --engine
refuses --trace
refuses --trace ''
refuses --trace /nonexistent/file
refuses --gantt
refuses --gantt /nonexistent/file.svg
refuses --quiet=1
refuses -x
refuses surplus
refuses --items 1 surplus

if ! "$demo" --help >"$scratch/stdout" 2>"$scratch/stderr"; then
    echo "--help: fails"
    failures=$((failures + 1))
fi
for flag in workers items engine seed trace gantt quiet help; do
    if ! grep -q -e "--$flag" "$scratch/stdout"; then
        echo "--help: says nothing of --$flag"
        failures=$((failures + 1))
    fi
done
exit $((failures > 0))
