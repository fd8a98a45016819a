#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_layering.sh ROOT: the arrows of the tree. demos, bench, tests -> patterns -> patterns/sync ->
# patterns/runtime; plots knows nothing of conc. A pattern may be built on another, in no circle. And
# above patterns/runtime nobody starts threads, sleeps, reads clocks or draws random numbers past the
# engine.
set -u
shopt -s nullglob globstar extglob
cd "$1" || exit 1
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
    tests/cli/* | tests/consumer/*) [[ -e ${1%/*}/$2 ]] ;;
    tests/*) [[ $2 == @(tests|demos|bench|plots)/* || -e tests/$2 || -e patterns/$2 ]] ;;
    *) false ;;
    esac
}

# Calls that belong to the runtime. Whoever measures (bench/shim) or is what we compare with
# (bench/baselines) makes them too, and so does what shows how threads go wrong (demos/pitfalls) or
# runs programs (demos/driver); tests may start threads of their own, but not sleep.
threads='pthread_[a-z_]+|thrd_[a-z]+'
time='clock_gettime|clock_nanosleep|nanosleep|usleep|sleep|rand|rand_r|srand|random|srandom'
above_runtime="(^|[^a-z0-9_])(($threads|$time)[[:space:]]*\(|SYS_futex)|<(pthread|threads)\.h>"
in_tests="(^|[^a-z0-9_])($time)[[:space:]]*\("
forbidden() { # FILE CODE
    case $1 in
    patterns/runtime/* | bench/shim/* | bench/baselines/* | plots/*) false ;;
    demos/driver/* | demos/pitfalls/*) false ;;
    tests/*) [[ $2 =~ $in_tests ]] ;;
    *) [[ $2 =~ $above_runtime ]] ;;
    esac
}

# Of the code, without its comments, the lines that may matter: file, tab, line.
candidates() { # FILE...
    awk -v words="$threads|$time|SYS_futex" '
        FNR == 1 { comment = 0 }
        {
            code = ""
            rest = $0
            while (rest != "") {
                if (comment) {
                    end = index(rest, "*/")
                    rest = end ? substr(rest, end + 2) : ""
                    comment = !end
                } else if (match(rest, /\/\*|\/\/|"([^"\\]|\\.)*"/)) {
                    token = substr(rest, RSTART, 2)
                    string = substr(token, 1, 1) == "\""
                    code = code substr(rest, 1, RSTART - 1)
                    if (string)
                        code = code substr(rest, RSTART, RLENGTH)
                    comment = token == "/*"
                    rest = token == "//" ? "" : substr(rest, RSTART + RLENGTH)
                } else {
                    code = code rest
                    rest = ""
                }
            }
        }
        code ~ /^[ \t]*#[ \t]*include/ || code ~ words { printf "%s\t%s\n", FILENAME, code }' "$@"
}

files=({patterns,demos,bench,plots,tests}/**/*.{c,h,cc})
((${#files[@]})) || complain "$1" '' 'no sources there'
include='^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]+)"'
built_on=() # pairs: a pattern and one that it includes
while IFS=$'\t' read -r file code; do
    if [[ $code =~ $include ]]; then
        included=${BASH_REMATCH[1]}
        may_include "$file" "$included" ||
            complain "$file" "$code" 'an arrow that points up or sideways'
        if [[ $file == patterns/+([a-z0-9_]).[ch] && $file != patterns/conc.h &&
            $included != */* ]]; then
            stem=${file##*/}
            built_on+=("${stem%.*}" "${included%.h}")
        fi
    elif forbidden "$file" "$code"; then
        complain "$file" "$code" 'belongs to patterns/runtime'
    fi
done < <(candidates "${files[@]}")
if ! circle=$(printf '%s\n' "${built_on[@]}" | tsort 2>&1 >/dev/null); then
    complain patterns "${circle//$'\n'/ }" 'patterns built on each other in a circle'
fi
echo "${#files[@]} files, $failures wrong"
exit $((failures > 0))
