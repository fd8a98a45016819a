#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# with_valgrind.sh TOOL PROGRAM [ARGUMENT...]: TOOL is helgrind, drd or memcheck. Exit code 99 for any
# report. Every test of check runs in a process of its own, which Valgrind follows: an error there
# ends that process with 99, and check counts the test as failed.
set -u
tool=$1
shift
if ! command -v valgrind >/dev/null; then
    echo "skipped: valgrind is not installed"
    exit 77
fi
options=(-q --error-exitcode=99 --fair-sched=yes --max-threads=4000 --num-callers=24
    --suppressions="$(dirname "$0")/valgrind.supp")
if [[ $tool == memcheck ]]; then
    kinds=definite,indirect,possible
    options+=(--leak-check=full --show-leak-kinds="$kinds" --errors-for-leak-kinds="$kinds")
fi
exec valgrind --tool="$tool" "${options[@]}" "$@"
