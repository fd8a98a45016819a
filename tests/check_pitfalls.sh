#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_pitfalls.sh ROOT: each pitfall has both programs and a page, which is whole; and no page is left
# of one that is gone.
set -u
shopt -s nullglob
cd "$1" || exit 1
failures=0

complain() { # FILE WHAT
    printf '%s: %s\n' "$1" "$2"
    failures=$((failures + 1))
}

sections=('## The schedule' '## What the tools say' '## The fix' '## In review' '## Where it comes from')
blocks=('<!-- reports -->' '<!-- end reports -->' '<!-- changes -->' '<!-- end changes -->')
for directory in demos/pitfalls/P*/; do
    name=$(basename "$directory")
    page=docs/pitfalls/$name.md
    [[ -e $directory/fixed.c ]] || complain "$directory" 'no fixed.c'
    title=$(sed -n 's/^ \* \(P[0-9][0-9]\): /\1 /p' "$directory/broken.c")
    if [[ ! -e $page ]]; then
        complain "$page" 'there is no such page'
        continue
    fi
    [[ $(head -n 1 "$page") == "# $title" ]] || complain "$page" "the title is not '# $title'"
    for line in "${sections[@]}" "${blocks[@]}"; do
        grep -qxF -e "$line" "$page" || complain "$page" "no line '$line'"
    done
    [[ $(sed -n '/<!-- reports/,/<!-- end reports/p' "$page" | wc -l) -gt 3 ]] ||
        complain "$page" 'nothing of the tools: ./conc pitfall verify --pages'
    for place in 1 2; do
        grep -q "/\* place $place: " "$directory/broken.c" || complain "$directory/broken.c" "no place $place"
    done
done
for page in docs/pitfalls/P*.md; do
    [[ -d demos/pitfalls/$(basename "$page" .md) ]] || complain "$page" 'of no pitfall'
done
echo "$failures wrong"
exit $((failures > 0))
