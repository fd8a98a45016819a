#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_format.sh ROOT: clang-format would change nothing.
set -u
shopt -s nullglob globstar
cd "$1" || exit 1
if ! command -v clang-format >/dev/null; then
    echo "skipped: clang-format is not installed"
    exit 77
fi
clang-format --dry-run --Werror {patterns,demos,bench,plots,tests}/**/*.{c,h,cc}
