# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the tests of the command line. `try` runs a command and keeps what it did; the others
# compare.
set -u
failures=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

try() { # COMMAND...
    tried=$*
    "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null
    code=$?
}

wrong() { # WHAT
    echo "FAILED: $tried: $1"
    sed 's/^/  stdout: /' "$scratch/stdout" | head -n 20
    sed 's/^/  stderr: /' "$scratch/stderr" | head -n 20
    failures=$((failures + 1))
}

exits() { # CODE
    ((code == $1)) || wrong "exit code $code, not $1"
}

# A wrong command line: exit code 2, one line on stderr, nothing on stdout.
refused() {
    exits 2
    local lines
    lines=$(wc -l <"$scratch/stderr")
    ((lines == 1)) || wrong "$lines lines on stderr, not 1"
    [[ ! -s $scratch/stdout ]] || wrong "writes to stdout"
}

says() { # stdout|stderr TEXT: a line with TEXT in it
    grep -qF -e "$2" "$scratch/$1" || wrong "no '$2' on $1"
}

prints() { # TEXT: stdout is TEXT and a newline
    [[ $(cat "$scratch/stdout") == "$1" ]] || wrong "stdout is not '$1'"
}

silent() { # stdout|stderr
    [[ ! -s $scratch/$1 ]] || wrong "writes to $1"
}

# Waits for a file to appear: 30 seconds at most, which is a failure and not a pace.
await() { # FILE
    local tries
    for ((tries = 0; tries < 3000; tries++)); do
        if [[ -e $1 ]]; then return 0; fi
        sleep 0.01
    done
    tried="await $1"
    wrong 'it never appeared'
    return 1
}

finish() {
    echo "$failures wrong"
    exit $((failures > 0))
}
