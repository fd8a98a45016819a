#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_scripts.sh ROOT: shellcheck has nothing to say.
set -u
shopt -s nullglob globstar
cd "$1" || exit 1
if ! command -v shellcheck >/dev/null; then
    echo "skipped: shellcheck is not installed"
    exit 77
fi
shellcheck conc .ci/run docs/*.sh tests/**/*.sh
