#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# docs/pull.sh [--check] [ROOT]: fills in what the pages do not write themselves.
#
#   code    below a line  <!-- code: demos/05_pipeline.c stages -->  comes what stands in that file
#           between  /* snippet: stages */  and  /* end snippet */, without their common indent, and
#           then  <!-- end code -->
#   tables  between  <!-- catalogue -->  and  <!-- end catalogue -->  comes the table of the patterns,
#           in README.md and docs/README.md, out of catalogue.txt
#
# Run it after a change to a snippet or to the catalogue; running it again changes nothing. A page
# with a fault is left as it is. Inside a fenced block a marker is text.
#
# --check writes nothing and says what is wrong, a line each: pages that are not current, snippets
# and files that are not there, patterns without a page, relative links that lead nowhere, pages of
# more than 120 lines. Exit code 0: nothing; 1: something; 2: bad usage.
set -u
shopt -s nullglob extglob
max_lines=120

check=0
if [[ ${1-} == --check ]]; then
    check=1
    shift
fi
root=${1:-$(dirname "$(readlink -f "$0")")/..}
if (($# > 1)) || [[ ${1-} == -* ]] || ! cd "$root" 2>/dev/null || [[ ! -r catalogue.txt ]]; then
    echo "docs/pull.sh: usage: docs/pull.sh [--check] [ROOT], ROOT with a catalogue.txt in it" >&2
    exit 2
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
faults=0
complain() { # TEXT
    printf '%s\n' "$1"
    faults=$((faults + 1))
}

# The page as it should be, on stdout; faults on stderr, and exit code 1.
# shellcheck disable=SC2016
fill='
function fault(text) {
    printf "%s:%d: %s\n", page, NR, text >"/dev/stderr"
    faults = 1
}
function pull(file, name,    line, got, word, n, i, at, found, open, indent, text) {
    found = open = n = 0
    indent = 1000
    while ((got = (getline line <file)) > 0) {
        if (line ~ /^[ \t]*\/\* snippet: [^ ]+ \*\/[ \t]*$/) {
            split(line, word, " ")
            if (open)
                fault(file ": snippet " word[3] " begins inside snippet " name)
            open = word[3] == name
            found += open
        } else if (line ~ /^[ \t]*\/\* end snippet \*\/[ \t]*$/) {
            open = 0
        } else if (open) {
            text[++n] = line
            at = match(line, /[^ \t]/)
            if (at > 0 && at < indent)
                indent = at
        }
    }
    close(file)
    if (got < 0)
        fault("no such file: " file)
    else if (found != 1)
        fault(file " has " (found ? "more than one" : "no") " snippet " name)
    else if (open)
        fault(file ": snippet " name " has no end")
    else if (indent == 1000)
        fault(file ": snippet " name " is empty")
    print "```c"
    for (i = 1; i <= n; i++)
        print substr(text[i], indent)
    print "```"
    print "<!-- end code -->"
}
function trim(text) {
    gsub(/^[ \t]+|[ \t]+$/, "", text)
    return text
}
function table(    line, part) {
    print "| | pattern | in one line |"
    print "|---|---|---|"
    while ((getline line <"catalogue.txt") > 0) {
        if (line ~ /^[ \t]*(#|$)/)
            continue
        split(line, part, "|")
        printf "| %s | [%s](%s%s_%s.md) | %s |\n", trim(part[1]), trim(part[3]), to_docs,
            trim(part[1]), trim(part[2]), trim(part[5])
    }
    close("catalogue.txt")
}
BEGIN { wants = (page == "README.md" || page == "docs/README.md"); to_docs = page ~ /\// ? "" : "docs/" }

# What the last run put there goes.
block != "" {
    if ($0 == "<!-- end " block " -->") {
        if (block == "catalogue")
            print
        block = ""
    } else if (/^<!-- (code|catalogue)/) {
        fault("this marker comes before the <!-- end " block " --> of the one above")
    }
    next
}
below && /^```/ { block = "code"; below = 0; next }
below && $0 == "<!-- end code -->" { below = 0; next }
{ below = 0 }

/^ *(```|~~~)/ { fenced = !fenced }
fenced { print; next }
/^<!-- code: [^ ]+ [^ ]+ -->$/ { print; pull($3, $4); below = 1; next }
/^<!-- catalogue -->$/ { print; table(); wants = 0; block = "catalogue"; next }
/^ *<!-- *(end )?(code|catalogue)/ { fault("not a marker, or one too many: " $0) }
{ print }
END {
    if (block != "")
        fault("no <!-- end " block " -->")
    if (wants)
        fault("no <!-- catalogue -->")
    exit faults
}'

# The targets of the links of a page, outside of code: line and target.
# shellcheck disable=SC2016
links='
/^ *(```|~~~)/ { fenced = !fenced }
fenced { next }
{
    gsub(/`[^`]*`/, "")
    while (match($0, /\]\([^) ]+|^\[[^]]+\]: *[^ ]+|(href|src|srcset)="[^" ]+/)) {
        target = substr($0, RSTART, RLENGTH)
        sub(/^(\]\(|\[[^]]*\]: *|[a-z]+=")/, "", target)
        print NR, target
        $0 = substr($0, RSTART + RLENGTH)
    }
}'

for page in README.md docs/README.md docs/!(README).md; do
    if [[ ! -r $page ]]; then
        complain "$page: no such file"
        continue
    fi
    if ! awk -v page="$page" "$fill" "$page" >"$work/page" 2>"$work/faults"; then
        while IFS= read -r line; do complain "$line"; done <"$work/faults"
    elif ! cmp -s "$page" "$work/page"; then
        if ((check)); then
            complain "$page: not current: run docs/pull.sh"
        else
            # Into the old file, which keeps its mode.
            cat "$work/page" >"$page" || exit 1
            echo "$page: filled in"
        fi
    fi
    if ((!check)); then continue; fi

    lines=$(wc -l <"$page")
    if [[ $page == docs/* ]] && ((lines > max_lines)); then
        complain "$page: $lines lines, at most $max_lines are meant"
    fi
    while read -r at target; do
        case $target in
        *:* | '#'*) ;;
        *)
            path=${target%%[#?]*}
            [[ -e $(dirname "$page")/$path ]] || complain "$page:$at: leads nowhere: $target"
            ;;
        esac
    done < <(awk "$links" "$page")
done

if ((check)); then
    while IFS='|' read -r number slug _; do
        if [[ $number =~ ^[[:space:]]*(#|$) ]]; then continue; fi
        read -r number <<<"$number"
        read -r slug <<<"$slug"
        [[ -r docs/${number}_$slug.md ]] || complain "docs/${number}_$slug.md: no such page"
    done <catalogue.txt
fi
exit $((faults > 0))
