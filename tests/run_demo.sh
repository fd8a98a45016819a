#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run_demo.sh EXPECTED PROGRAM [ARGUMENT...]: the program must succeed, and print what the file
# EXPECTED holds, byte for byte, where that file exists.
set -u
expected=$1
shift
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
"$@" >"$scratch/stdout" 2>"$scratch/stderr"
code=$?
if ((code != 0)); then
    echo "exit code $code"
    tail -n 100 "$scratch/stderr"
    exit "$code"
fi
[[ ! -e $expected ]] || diff -u "$expected" "$scratch/stdout"
