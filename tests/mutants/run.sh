#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Bugs planted into the library, each of which a test must find.
#
#   run.sh [--dir BUILD] [NAME...]    all, or those: a table; exit code 1 when one is not found
#   run.sh --build NAME DIR TARGET    builds TARGET of build/dev (a demo, a test) with the bug NAME
#                                     into DIR and prints the path of the program
#
# A bug is a file NN_name.txt beside this script:
#
#   # what is broken, in a sentence                   (comments, for the reader)
#   file: patterns/sync/cond.c                        the source that has it
#   caught-by: [VARIABLE=value...] sim_cond signals   the test that must fail, with its arguments
#   how: hang                                         not to end counts as found, too
#   limit: 15                                         seconds the test may take, if not 60
#   cores: 2                                          not tried where there are fewer
#   recompile: patterns/sync/chan.c ...               if the file is a header: who gets the bug
#   old:
#   text that stands in the file exactly once
#   new:
#   text in its place
#   end:
#
# with more of old: … end:, and file: before them, where needed. A text and not a patch: it still
# applies when the lines around it change. When it no longer stands in the file this fails, and says
# so: then the bug has to be planted anew.
#
# The sources and the build are not touched. The file with the bug is compiled on its own and linked
# in front of the library, which is built already.
set -euo pipefail
export LC_ALL=C

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$here/../..")
build=$root/build/dev

scratch=
trap 'if [[ -n $scratch ]]; then rm -rf -- "$scratch"; fi' EXIT

die() {
    printf 'mutants: %s\n' "$1" >&2
    exit 2
}

# ---------------------------------------------------------------- one bug

find_bug() { # NAME, NN or NN_NAME: the path of its file
    local file name
    for file in "$here"/[0-9][0-9]_*.txt; do
        name=$(basename "$file" .txt)
        if [[ $name == "$1" || ${name#*_} == "$1" || ${name%%_*} == "$1" ]]; then
            printf '%s\n' "$file"
            return
        fi
    done
    die "no '$1': the names are those of the files in $here"
}

field() { # BUG NAME: the value of the first line NAME:
    sed -n "/^old:/q; s/^$2: *//p" "$1" | head -n 1
}

# Writes the changed files to DIR/src. Prints the sources that have to be compiled.
plant() { # BUG DIR
    local line state='head' file='' old='' new='' text rest times
    while IFS= read -r line; do
        case $state:$line in
        head:'file: '*)
            file=${line#file: }
            [[ -e $root/$file ]] || die "$1: no file '$file'"
            ;;
        head:old:) state=old old='' new='' ;;
        head:*) ;;
        old:new:) state=new ;;
        old:*) old+=$line$'\n' ;;
        new:end:)
            state='head'
            mkdir -p "$2/src/$(dirname "$file")"
            [[ -e $2/src/$file ]] || cp "$root/$file" "$2/src/$file"
            text=$(cat "$2/src/$file" && printf x)
            text=${text%x}
            rest=${text//"$old"/}
            [[ -n $old ]] || die "$1: an old text is empty"
            times=$(((${#text} - ${#rest}) / ${#old}))
            ((times == 1)) || die "$1: the old text stands in $file $times times, not once:
$old"
            printf '%s' "${text/"$old"/"$new"}" >"$2/src/$file"
            if [[ $file == *.c ]]; then printf '%s\n' "$file"; fi
            ;;
        new:*) new+=$line$'\n' ;;
        esac
    done <"$1"
    [[ $state == head && -d $2/src ]] || die "$1: no old: … new: … end:"
    for file in $(field "$1" recompile); do printf '%s\n' "$file"; done
}

# Builds TARGET with the bug into DIR. Prints the path of the program.
build_with() { # BUG DIR TARGET
    local bug=$1 dir=$2 target=$3 source command object program link sources objects=()
    rm -rf -- "$dir"
    mkdir -p "$dir"
    plant "$bug" "$dir" >"$dir/sources" || return
    mapfile -t sources < <(sort -u "$dir/sources")
    ninja -C "$build" -t commands libconc.a >"$dir/commands"
    for source in "${sources[@]}"; do
        command=$(grep -F -- " -c $root/$source" "$dir/commands" | head -n 1)
        [[ $command =~ ^(.*)\ -MD\ .*\ -o\ ([^ ]+)\ -c\  ]] ||
            die "how $source is compiled: '$command'"
        object=$dir/$(basename "${BASH_REMATCH[2]}")
        command=${BASH_REMATCH[1]/ -Werror/}
        # The changed headers go before the unchanged. A source that is not changed itself lies beside
        # them, for its own directory is where #include "..." looks first.
        if [[ ! -e $dir/src/$source ]]; then
            mkdir -p "$dir/src/$(dirname "$source")"
            cp "$root/$source" "$dir/src/$source"
        fi
        command="${command/ -I/ -I$dir/src/patterns -I} -w -o $object -c $dir/src/$source"
        (cd "$build" && eval "$command") >"$dir/log" 2>&1 || {
            cat "$dir/log" >&2
            die "$bug: $source does not compile"
        }
        objects+=("$object")
    done
    link=$(ninja -C "$build" -t commands "$target" | tail -n 1)
    [[ $link =~ ^(.*\ -o\ )([^ ]+)(\ .*)$ ]] || die "how $target is linked: '$link'"
    program=$dir/$(basename "${BASH_REMATCH[2]}")
    link="${BASH_REMATCH[1]}$program ${objects[*]}${BASH_REMATCH[3]}"
    (cd "$build" && eval "$link") >"$dir/log" 2>&1 || {
        cat "$dir/log" >&2
        die "$bug: $target cannot be linked"
    }
    printf '%s\n' "$program"
}

# ---------------------------------------------------------------- all of them

# Splits "VARIABLE=value... program argument..." into settings, test and arguments.
split_test() {
    settings=() arguments=()
    while [[ $1 == *=* ]]; do
        settings+=("$1")
        shift
    done
    test=$1
    shift
    arguments=("$@")
}

run_test() { # PROGRAM OUTPUT SECONDS: the exit code
    local rc=0
    timeout -k 5 "$3" env "${settings[@]}" "$1" "${arguments[@]}" >"$2" 2>&1 </dev/null || rc=$?
    return "$rc"
}

# One line of the table, to DIR/line; DIR/lost when the bug was not found.
try_bug() { # BUG DIR
    local bug=$1 dir=$2 name words shown program rc=0 how limit cores found begun
    name=$(basename "$bug" .txt)
    read -ra words <<<"$(field "$bug" caught-by)"
    [[ ${#words[@]} -gt 0 ]] || die "$bug: no caught-by:"
    how=$(field "$bug" how)
    limit=$(field "$bug" limit)
    split_test "${words[@]}"
    shown="$test ${arguments[*]}"
    if [[ ${settings[*]} =~ CONC_ENGINE=([a-z]+) ]]; then shown="$test, ${BASH_REMATCH[1]}"; fi
    mkdir -p "$dir"
    cores=$(field "$bug" cores)
    if ((${cores:-1} > $(nproc))); then
        printf '%-29s %-44s %s\n' "$name" "$shown" "skipped: needs $cores cores" >"$dir/line"
        return
    fi
    touch "$dir/lost"
    if ! program=$(build_with "$bug" "$dir/build" "$test" 2>"$dir/why"); then
        printf '%-29s %-44s %s\n' "$name" "$shown" 'NOT BUILT' >"$dir/line"
        return
    fi
    begun=${EPOCHREALTIME/./}
    run_test "$program" "$dir/output" "${limit:-60}" || rc=$?
    case $rc in
    0) found='NOT FOUND: it passes' ;;
    77) found='NOT FOUND: it is skipped' ;;
    124 | 137)
        found='NOT FOUND: it does not end'
        if [[ $how == hang ]]; then found='hangs'; fi
        ;;
    *) found=$(sed -n 's/^.*: \(schedule [0-9]*\) fails: /\1: /p;T;q' "$dir/output")
        [[ -n $found ]] || found="exit code $rc" ;;
    esac
    if [[ $found != NOT* ]]; then
        rm "$dir/lost"
    else
        tail -n 20 "$dir/output" >"$dir/why"
    fi
    begun=$(((${EPOCHREALTIME/./} - begun) / 100000))
    printf '%-29s %-44s %-40s %3d.%d s\n' "$name" "$shown" "$found" \
        $((begun / 10)) $((begun % 10)) >"$dir/line"
    rm -rf -- "$dir/build"
}

# Without the bug the same test passes.
try_clean() { # DIR WORD...
    local dir=$1 rc=0
    shift
    split_test "$@"
    mkdir -p "$dir"
    run_test "$build/tests/$test" "$dir/output" 60 || rc=$?
    if ((rc != 0)); then
        printf '%s: exit code %d without any bug:\n' "$*" "$rc" >"$dir/lost"
        tail -n 20 "$dir/output" >>"$dir/lost"
    fi
}

at_once() { # COMMAND...: in the background, as many as there are processors
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    "$@" &
}

command_run() { # NAME...
    local bugs=() bug dir lost=0 n=0 name tests=() words
    if (($#)); then
        for name in "$@"; do bugs+=("$(find_bug "$name")"); done
    else
        bugs=("$here"/[0-9][0-9]_*.txt)
    fi
    for bug in "${bugs[@]}"; do
        read -ra words <<<"$(field "$bug" caught-by)"
        split_test "${words[@]}"
        tests+=("$test")
    done
    ninja -C "$build" "${tests[@]}" >/dev/null
    scratch=$(mktemp -d)
    for bug in "${bugs[@]}"; do
        at_once try_bug "$bug" "$scratch/$(basename "$bug" .txt)"
    done
    while read -r -a words; do
        n=$((n + 1))
        at_once try_clean "$scratch/clean.$n" "${words[@]}"
    done < <(for bug in "${bugs[@]}"; do field "$bug" caught-by; done | sort -u)
    wait
    printf '%-29s %-44s %s\n' 'planted bug' 'found by' 'how'
    for bug in "${bugs[@]}"; do
        dir=$scratch/$(basename "$bug" .txt)
        if [[ -e $dir/line ]]; then cat "$dir/line"; fi
        if [[ -e $dir/lost ]]; then
            lost=$((lost + 1))
            sed 's/^/    /' "$dir/why"
        fi
    done
    for dir in "$scratch"/clean.*; do
        if [[ -e $dir/lost ]]; then
            lost=$((lost + 1))
            cat "$dir/lost"
        fi
    done
    printf '%d planted, %d wrong\n' "${#bugs[@]}" "$lost"
    ((lost == 0))
}

command_build() { # NAME DIR TARGET
    local bug dir
    bug=$(find_bug "$1")
    mkdir -p "$2"
    dir=$(basename "$bug" .txt)
    dir=$(readlink -f "$2")/${dir#*_}
    mkdir -p "$root/build"
    flock "$root/build/.dev.lock" ninja --quiet -C "$build" "$3" >&2
    build_with "$bug" "$dir" "$3"
}

case ${1-} in
--build)
    (($# == 4)) || die '--build NAME DIR TARGET'
    shift
    command_build "$@"
    ;;
*)
    if [[ ${1-} == --dir ]]; then
        build=$(readlink -f "$2")
        shift 2
    fi
    [[ -e $build/build.ninja ]] || die "no build in $build: ./conc test, or --dir"
    command_run "$@"
    ;;
esac
