#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_readme.sh ROOT: the README has the line of every catalogue entry, and its links lead somewhere.
set -u
cd "$1" || exit 1
failures=0
while IFS='|' read -r number slug title _ sentence; do
    if [[ $number == '#'* || -z $number ]]; then continue; fi
    read -r number <<<"$number"
    read -r slug <<<"$slug"
    read -r title <<<"$title"
    read -r sentence <<<"$sentence"
    grep -qF "| $number | [$title](docs/${number}_$slug.md) | $sentence |" README.md || {
        echo "README.md: no line for ${number}_$slug as in catalogue.txt"
        failures=$((failures + 1))
    }
done <catalogue.txt
while IFS= read -r link; do
    [[ $link == *://* || -e ${link%%#*} ]] || {
        echo "README.md: no such file: $link"
        failures=$((failures + 1))
    }
done < <(grep -oE '\]\([^)]+\)' README.md | sed 's/^](//; s/)$//')
exit $((failures > 0))
