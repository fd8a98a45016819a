#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_targets.sh PROGRAM ENGINE: every row of conc-targets for a millisecond on one engine, for its
# result alone; ENGINE go: the rows of the Go program beside it, which must be the same.
set -u
program=$1
engine=$2
go=${program%/*}/targets-go
if [[ $engine == go && ! -x $go ]]; then
    echo 'skipped: targets-go is not built, for want of Go or its packages'
    exit 77
fi
failures=0
ran=0
printed= # the rows that a run of another row has printed
while read -r row _; do
    if [[ $printed == *" $row "* ]]; then continue; fi
    if [[ $engine == go ]]; then
        output=$("$go" "${row/#blocked_100k_*/blocked_100k}" --ms 1 2>&1)
    else
        output=$("$program" "$row" --engine "$engine" --ms 1 2>&1)
    fi
    code=$?
    # A row that this engine does not have says so and is refused.
    if ((code == 2)) && [[ $output == *': there is no textbook '* || $output == *': not on threads'* ]]; then
        echo "without $row"
        continue
    fi
    if ((code != 0)) || [[ ! $output =~ ^$row\ [0-9.]+($|$'\n') ]]; then
        printf 'FAILED: %s: exit code %d: %s\n' "$row" "$code" "$output"
        failures=$((failures + 1))
    fi
    printed+=" ${output//[$'\n ']/ } "
    ran=$((ran + 1))
done < <("$program" --list)
echo "$ran rows, $failures wrong"
exit $((failures > 0 || ran == 0))
