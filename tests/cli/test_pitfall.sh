#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_pitfall.sh DRIVER: the pitfall laboratory. The programs are scripts in a small tree of their own,
# so that they can be wrong, crash and hang at will.
# shellcheck source=tests/cli/check.sh
. "$(dirname "$(readlink -f "$0")")/check.sh"
tree="$scratch/a tree"
driver="$tree/build/own/demos/conc-driver"
mkdir -p "$tree/build/own/demos" "$tree/docs/pitfalls"
cp "$1" "$driver"

# A pitfall whose two programs are given; the head of broken.c comes from stdin, without what all have.
pitfall() { # NAME BROKEN FIXED
    local source=$tree/demos/pitfalls/$1 program=$tree/build/own/pitfalls/$1
    mkdir -p "$source" "$program"
    {
        printf '/* SPDX-License-Identifier: MIT */\n/*\n'
        sed 's/^/ * /'
        printf ' * @family classic\n * @kind race\n * @rule One rule\n *     in two lines.\n */\n'
        printf '#include "x.h"\nint a;\n/* place 1: here */\nint b;\n'
    } >"$source/broken.c"
    printf '/* SPDX */\n#include "x.h"\nint a;\nint c;\n' >"$source/fixed.c"
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"$program/broken"
    printf '#!/usr/bin/env bash\n%s\n' "$3" >"$program/fixed"
    chmod +x "$program"/*
}

fine='echo "right: yes"'
pitfall P01_wrong 'echo "wrong: no"; exit 1' "$fine" <<<$'P01: Says no\n@detect native:wrong'
pitfall P02_crash 'kill -SEGV $$' "$fine" <<<$'P02: Crashes\n@detect native:crash'
pitfall P03_abort 'kill -ABRT $$' "$fine" <<<$'P03: Aborts\n@detect native:abort'
pitfall P04_deadlock 'exit 3' "$fine" <<<$'P04: Deadlocks\n@detect native:deadlock'
pitfall P05_leak 'exit 4' "$fine" <<<$'P05: Leaks\n@detect native:leak'
pitfall P06_hang 'exec sleep 1000' "$fine" <<<$'P06: Hangs\n@detect native:hang'
# shellcheck disable=SC2016 # the program expands it
pitfall P12_checked '[[ ${CONC_CHECK-} != 1 ]] || echo "conc: lock order: a, b"' "$fine" \
    <<<$'P12: Is checked\n@detect conc:lock-order'
# shellcheck disable=SC2016
pitfall P13_perhaps '((RANDOM % 2)) || exit 3' "$fine" <<<$'P13: Perhaps\n@detect native:deadlock?'

# list and find
try "$driver" pitfall list
exits 0
says stdout 'P02  race         Crashes'
[[ $(wc -l <"$scratch/stdout") == 8 ]] || wrong 'not a line for each'
try "$driver" pitfall list --json
exits 0
[[ $(grep -c '"slug": ' "$scratch/stdout") == 8 ]] || wrong 'not an object for each'
for name in P01 p1 1 wrong; do
    try "$driver" pitfall $name
    exits 0
    says stdout 'P01  Says no'
    says stdout 'wrong: no'
    says stdout 'Exit code 1'
    says stdout 'One rule in two lines.'
    says stdout 'broken.c:13   int b;'
    says stdout 'fixed.c:4   + int c;'
done
try "$driver" pitfall P01 --fixed
says stdout 'right: yes'
try "$driver" pitfall P06
says stdout 'It hangs'
try "$driver" pitfall P12 --tool conc
says stdout 'lock-order'
try env PATH=/nonexistent "$driver" pitfall P01 --tool drd
exits 77
says stderr 'drd is not installed'
for wrong_flags in '' 'P99' 'nonesuch' 'P01 P02' 'P01 --tool' 'P01 --tool gdb' 'verify --repeat 0' \
    'verify --repeat x' '--nonesuch' 'P01 --nonesuch'; do
    # shellcheck disable=SC2086 # words
    try "$driver" pitfall $wrong_flags
    refused
done

# verify: what is claimed holds, and again
try "$driver" pitfall verify --tool native,conc --repeat 2
exits 0
says stdout '32 claims, 64 runs, 0 claims do not hold'
try "$driver" pitfall verify --tool native --only P01,p02 --json
exits 0
[[ $(grep -c '"holds": true' "$scratch/stdout") == 4 ]] || wrong 'not an object for each claim'
try "$driver" pitfall verify --tool native --only P01 --scoreboard "$scratch/board.md"
exits 0
grep -qF '| [P01](P01_wrong.md) | Says no | wrong |' "$scratch/board.md" || wrong 'no row for P01'
try "$driver" pitfall verify --tool native --only P01 --json /nonexistent/file
exits 1
try "$driver" pitfall verify --tool native --only P99
exits 77

# A page: its blocks are filled, and it stays as it is when they are not there.
page=$tree/docs/pitfalls/P01_wrong.md
printf '# P01\n\n<!-- reports -->\n<!-- end reports -->\n\n<!-- changes -->\nold\n<!-- end changes -->\nend\n' >"$page"
try "$driver" pitfall verify --tool native,conc --only P01 --pages
exits 0
cp "$page" "$scratch/page"
try "$driver" pitfall verify --tool native,conc --only P01 --pages
cmp -s "$page" "$scratch/page" || wrong 'a second time the page is another'
for line in '**native**: wrong' 'Silent: conc.' '+   4  int c;' 'end'; do
    grep -qxF -e "$line" "$page" || wrong "no '$line' in the page"
done
if grep -q old "$page"; then wrong 'what was in the block is still there'; fi
printf '# P01\n<!-- reports -->\n' >"$page"
try "$driver" pitfall verify --tool native --only P01 --pages
exits 1
[[ $(cat "$page") == $'# P01\n<!-- reports -->' ]] || wrong 'a page without its blocks was changed'

# A claim that does not hold, either way, is named.
pitfall P14_silent "$fine" "$fine" <<<$'P14: Is silent\n@detect native:hang'
try "$driver" pitfall verify --tool native --only P14
exits 1
says stderr 'P14 broken.c under native: claimed hang, reported -'
pitfall P14_silent "$fine" 'exit 4' <<<$'P14: Is not\n@detect native:-'
try "$driver" pitfall verify --tool native --only P14
exits 1
says stderr 'P14 fixed.c under native: claimed -, reported leak'
rm -r "$tree/demos/pitfalls/P14_silent"

# Heads that are not in order.
for head in '@detect native:wrong' $'P14: x\n@detect gdb:race' $'P14: x\n@detect race' \
    $'P14: x\n@nonesuch 1' $'P14: x\n@family other'; do
    pitfall P14_head "$fine" "$fine" <<<"$head"
    try "$driver" pitfall list
    exits 2
    says stderr P14_head
done
rm -r "$tree/demos/pitfalls/P14_head"

# Ctrl-C in the middle.
"$driver" pitfall verify --tool native --only P06 >"$scratch/stdout" 2>"$scratch/stderr" &
pid=$!
tried='verify, interrupted'
for ((i = 0; i < 1000; i++)); do
    if pgrep -P $pid >/dev/null; then break; fi
    sleep 0.01
done
kill -INT $pid
wait $pid
code=$?
exits 130
# explore takes a pitfall by number, and no flag that is not its own.
try "$driver" explore P01 --nonesuch
refused
says stderr "unexpected '--nonesuch'"

finish
