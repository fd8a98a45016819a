#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_explored.sh DRIVER PITFALLS: what a head claims by "@explore N" holds: under N schedules of the
# sim engine broken.c fails, and does so again when it is repeated; under as many fixed.c does not.
set -u
shopt -s nullglob
driver=$1
cd "$2" || exit 1
failures=0

complain() { # PITFALL WHAT
    printf '%s: %s\n' "$1" "$2"
    printf '    %s\n' "${says//$'\n'/$'\n'    }"
    failures=$((failures + 1))
}

for source in P*/broken.c; do
    schedules=$(sed -n 's/^ \* @explore //p' "$source")
    if [[ -z $schedules ]]; then continue; fi
    number=${source:0:3}
    says=$("$driver" explore "$number" --schedules "$schedules")
    code=$?
    ((code == 1)) || complain "$number" "$schedules schedules, and none fails: exit code $code"
    [[ $says != *'did not repeat'* ]] || complain "$number" 'does not repeat'
    repeat=$(sed -n 's/^to repeat it: //p' <<<"$says")
    (cd ../.. && env -S "$repeat" >/dev/null 2>&1) && complain "$number" "does not fail by: $repeat"
    says=$("$driver" explore "$number" --fixed --schedules "$schedules") ||
        complain "$number" 'the fixed program fails'
done
echo "$failures wrong"
exit $((failures > 0))
