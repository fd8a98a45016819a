#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD COMPILER: installs the build into a prefix of its own and uses it from outside, by
# pkg-config and by find_package(conc), shared and static.
set -eu
build=$1 compiler=$2
here=$(dirname "$(readlink -f "$0")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Moved after the installation: nothing in it may remember where it was.
cmake --install "$build" --prefix "$scratch/first" >"$scratch/log" || {
    cat "$scratch/log"
    exit 1
}
prefix=$scratch/prefix
mv "$scratch/first" "$prefix"
pc=$(find "$prefix" -name conc.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=${pc%/*}

for header in conc.h sync/chan.h runtime/config.h; do
    [[ -e $prefix/include/conc/$header ]] || {
        echo "not installed: $header"
        exit 1
    }
done
if grep -rn '#include "' "$prefix/include"; then
    echo "an installed header depends on the reader's include path"
    exit 1
fi

run() {
    echo "-- $*"
    "$@"
}

read -ra flags < <(pkg-config --cflags conc)
read -ra libs < <(pkg-config --libs conc)
cd "$scratch"
strict=(-std=gnu17 -Wall -Wextra -Werror "-I$here")
run "$compiler" "${strict[@]}" "${flags[@]}" "$here/main.c" "${libs[@]}" -o by_pkg_config
run env LD_LIBRARY_PATH="$libdir" ./by_pkg_config
ldd ./by_pkg_config | grep -q 'libconc\.so\.' || {
    echo "the program does not use the shared library by its soname"
    exit 1
}
run "$compiler" "${strict[@]}" "${flags[@]}" "$here/main.c" "$libdir/libconc.a" -pthread -o by_archive
run ./by_archive

# The README's example is a program too.
run "$compiler" "${strict[@]}" "${flags[@]}" "$here/squares.c" "${libs[@]}" -o squares
[[ $(LD_LIBRARY_PATH="$libdir" ./squares) == $'1\n4\n9' ]] || {
    echo "the README's example does not print 1, 4, 9"
    exit 1
}

# What conc says of a program that is wrong, it says of any.
run "$compiler" "${strict[@]}" "${flags[@]}" "$here/wrong.c" "${libs[@]}" -o wrong
says() { # HOW EXIT-CODE WORDS
    local code=0
    CONC_CHECK=1 LD_LIBRARY_PATH="$libdir" ./wrong "$1" 2>said || code=$?
    if ((code != $2)) || [[ $(<said) != *"$3"* ]]; then
        echo "wrong $1: exit code $code, and says:"
        cat said
        exit 1
    fi
}
says deadlock 3 'all tasks are asleep – deadlock!'
says leak 4 'left – leak!'
says lock-order 1 'conc: lock order: '
says nothing 0 ''

# Every header alone, as the program sees it.
while IFS= read -r header; do
    printf '#include <%s>\n' "$header" |
        "$compiler" "${strict[@]}" "${flags[@]}" -fsyntax-only -x c -
done < <(cd "$prefix/include" && find conc -name '*.h')

run cmake -S "$here" -B by_cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" >log ||
    {
        cat log
        exit 1
    }
run cmake --build by_cmake >log || {
    cat log
    exit 1
}
run by_cmake/consumer
run by_cmake/consumer_static
