#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_layering.sh ROOT: the arrows of the tree. demos, bench, tests -> patterns -> patterns/sync ->
# patterns/runtime; plots knows nothing of conc. A pattern may be built on another, in no circle. And
# above patterns/runtime nobody starts threads, sleeps, reads clocks or draws random numbers past the
# engine.
set -u
shopt -s nullglob globstar extglob
root=$1
cd "$root" || exit 1
failures=0

complain() { # FILE LINE-OF-SOURCE WHY
    printf '%s: %s: %s\n' "$1" "$2" "$3"
    failures=$((failures + 1))
}

may_include() { # FILE INCLUDED
    case $1 in
    patterns/runtime/*) [[ $2 == runtime/* ]] ;;
    patterns/sync/*) [[ $2 == runtime/* || $2 == sync/* ]] ;;
    patterns/*) [[ $2 == runtime/* || $2 == sync/* || ($2 != */* && -e patterns/$2) ]] ;;
    demos/*) [[ $2 == demos/* || $2 == driver/catalogue_data.h || -e patterns/$2 ]] ;;
    bench/*) [[ $2 == bench/* || -e patterns/$2 ]] ;;
    plots/*) [[ $2 == plots/* || -e plots/$2 ]] ;;
    tests/*) [[ $2 == @(tests|demos|bench|plots)/* || -e tests/$2 || -e patterns/$2 ]] ;;
    *) false ;;
    esac
}

# Calls that belong to the runtime. Whoever measures (bench/shim) or is what we compare with
# (bench/baselines) makes them too; tests may start threads of their own, but not sleep.
threads='pthread_[a-z_]+|thrd_[a-z]+'
time='clock_gettime|clock_nanosleep|nanosleep|usleep|sleep|rand|rand_r|srand|random|srandom'
forbidden_in() { # FILE
    case $1 in
    patterns/runtime/* | bench/shim/* | bench/baselines/* | plots/*) ;;
    tests/*) printf "%s\n" "\b($time)[[:space:]]*\(" ;;
    *) printf "%s\n" "\b($threads|$time)[[:space:]]*\(|\bSYS_futex\b|<(pthread|threads)\.h>" ;;
    esac
}

# The code without its comments; nothing else is expanded.
code_of() {
    case $1 in
    *.cc) gcc -x c++ -fpreprocessed -dD -E -P "$1" ;;
    *) gcc -x c -fpreprocessed -dD -E -P "$1" ;;
    esac
}

count=0
built_on=() # pairs: pattern, pattern it includes
for file in {patterns,demos,bench,plots,tests}/**/*.{c,h,cc}; do
    count=$((count + 1))
    code=$(code_of "$file" 2>/dev/null) || complain "$file" "" "cannot be read"
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]*\#[[:space:]]*include[[:space:]]*\"([^\"]+)\" ]] || continue
        may_include "$file" "${BASH_REMATCH[1]}" ||
            complain "$file" "$line" "an arrow that points up or sideways"
        if [[ $file == patterns/+([a-z0-9_]).[ch] && $file != patterns/conc.h &&
            ${BASH_REMATCH[1]} != */* ]]; then
            stem=${file##*/}
            built_on+=("${stem%.*}" "${BASH_REMATCH[1]%.h}")
        fi
    done <<<"$code"
    forbidden=$(forbidden_in "$file")
    if [[ -n $forbidden ]]; then
        while IFS= read -r line; do
            complain "$file" "$line" "belongs to patterns/runtime"
        done < <(grep -E "$forbidden" <<<"$code")
    fi
done
if ! circle=$(printf '%s\n' "${built_on[@]}" | tsort 2>&1 >/dev/null); then
    complain patterns "${circle//$'\n'/ }" "patterns built on each other in a circle"
fi
if ((count == 0)); then complain "$root" "" "no sources there"; fi
echo "$count files, $failures wrong"
exit $((failures > 0))
