#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs/pull.sh must fill in what it should, the same at every run, and its --check must find each of
# these faults, and none in a tree that has none.
set -u
pull=$(readlink -f "$(dirname "$0")/../docs/pull.sh")
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree" "$tree.said" "$tree.before"' EXIT
failures=0

wrong() { # WHAT
    echo "$1"
    if [[ -s $tree.said ]]; then cat "$tree.said"; fi
    failures=$((failures + 1))
}

# A tree in good order, filled in.
plant() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{docs,demos}
    cat >"$tree/catalogue.txt" <<'END'
# number | slug | title | tags | in one line
01 | pool | Worker pool | pool | Many hands.
02 | pipeline | Pipeline | channel | One after another.
END
    cat >"$tree/demos/01_pool.c" <<'END'
int before;
/* snippet: whole */
int whole;
/* end snippet */
static void f(void)
{
    /* snippet: part */
    if (whole)

        before = 1;
    /* end snippet */
}
END
    printf '# Tree\n\n<!-- catalogue -->\n<!-- end catalogue -->\n' >"$tree/README.md"
    cp "$tree/README.md" "$tree/docs/README.md"
    cat >"$tree/docs/01_pool.md" <<'END'
# 01 Worker pool

<!-- code: demos/01_pool.c part -->

Text, [a link](../README.md#tree), [one away](https://example.org/x) and `[no](link)`.

```
<!-- code: demos/none.c shown -->
[no](link)
```

<!-- code: demos/01_pool.c whole -->
<!-- end code -->
The last line.
END
    printf '# 02 Pipeline\n' >"$tree/docs/02_pipeline.md"
    "$pull" "$tree" >"$tree.said" || wrong "a tree in good order cannot be filled in"
}

# What --check must say: a pattern for a whole line; "" for nothing.
expect() { # PATTERN
    "$pull" --check "$tree" >"$tree.said" 2>&1
    local code=$? want=$((${#1} > 0))
    ((code == want)) || wrong "exit code $code, not $want, looking for: $1"
    if [[ $1 ]] && ! grep -qxE "$1" "$tree.said"; then wrong "not found: $1"; fi
}

# The same fault, and nothing else is said.
only() { # PATTERN
    expect "$1"
    (($(wc -l <"$tree.said") == 1)) || wrong "more is said than: $1"
}

page=docs/01_pool.md
plant
expect ''
diff "$tree/$page" - <<'END' || wrong "$page is not filled in as it should be"
# 01 Worker pool

<!-- code: demos/01_pool.c part -->
```c
if (whole)

    before = 1;
```
<!-- end code -->

Text, [a link](../README.md#tree), [one away](https://example.org/x) and `[no](link)`.

```
<!-- code: demos/none.c shown -->
[no](link)
```

<!-- code: demos/01_pool.c whole -->
```c
int whole;
```
<!-- end code -->
The last line.
END
grep -qxF '| 02 | [Pipeline](02_pipeline.md) | One after another. |' "$tree/docs/README.md" ||
    wrong "docs/README.md: no table"
grep -qxF '| 01 | [Worker pool](docs/01_pool.md) | Many hands. |' "$tree/README.md" ||
    wrong "README.md: no table"

cp -r "$tree/docs" "$tree.before"
"$pull" "$tree" >"$tree.said" || wrong "the second run fails"
diff -r "$tree/docs" "$tree.before" || wrong "the second run changes something"
rm -rf "$tree.before"

# Faults of the first kind: pages that are not current. --check must not mend them.
sed -i 's/int whole/long whole/' "$tree/demos/01_pool.c"
only "$page: not current: .*"
only "$page: not current: .*"
"$pull" "$tree" >"$tree.said" || wrong "a changed snippet is not taken over"
expect ''
plant
sed -i 's/^02 .*/02 | pipeline | Pipeline | channel | Otherwise./' "$tree/catalogue.txt"
expect 'README.md: not current: .*'
expect 'docs/README.md: not current: .*'
plant
sed -i 's/^int whole;$/int holed;/' "$tree/$page"
only "$page: not current: .*"

# Markers.
plant
sed -i 's/snippet: whole/snippet: hole/' "$tree/demos/01_pool.c"
only "$page:18: demos/01_pool.c has no snippet whole"
"$pull" "$tree" >"$tree.said" && wrong "a snippet that is not there is filled in"
grep -qxF 'int whole;' "$tree/$page" || wrong "a page with a fault was changed"
plant
mv "$tree/demos/01_pool.c" "$tree/demos/01_pond.c"
expect "$page:3: no such file: demos/01_pool.c"
plant
sed -i 's/snippet: whole/snippet: part/' "$tree/demos/01_pool.c"
expect "$page:3: demos/01_pool.c has more than one snippet part"
plant
sed -i '0,/end snippet/{/end snippet/d}' "$tree/demos/01_pool.c"
expect "$page:18: demos/01_pool.c: snippet part begins inside snippet whole"
plant
sed -i '/snippet: part/,${/end snippet/d}' "$tree/demos/01_pool.c"
only "$page:3: demos/01_pool.c: snippet part has no end"
plant
sed -i '/^int whole;$/d' "$tree/demos/01_pool.c"
only "$page:18: demos/01_pool.c: snippet whole is empty"
plant
sed -i '/^<!-- end code -->$/d' "$tree/$page"
expect "$page:17: this marker comes before .*"
expect "$page:[0-9]*: no <!-- end code -->"
plant
sed -i 's/^<!-- code: demos.01_pool.c whole -->$/<!-- code: demos whole-->/' "$tree/$page"
expect "$page:18: not a marker, .*"
plant
printf '\n<!-- end code -->\n' >>"$tree/$page"
only "$page:25: not a marker, .*"
plant
sed -i '/catalogue -->/d' "$tree/README.md"
only 'README.md:[0-9]*: no <!-- catalogue -->'
plant
sed -i '/end catalogue -->/d' "$tree/docs/README.md"
only 'docs/README.md:[0-9]*: no <!-- end catalogue -->'

# Pages that are not there, and links to them.
plant
rm "$tree/docs/02_pipeline.md"
expect 'docs/02_pipeline.md: no such page'
expect 'README.md:7: leads nowhere: docs/02_pipeline.md'
expect 'docs/README.md:7: leads nowhere: 02_pipeline.md'
plant
rm "$tree/docs/README.md"
expect 'docs/README.md: no such file'
# shellcheck disable=SC2016
for link in '[a](none.md)' '![a](none.png "a title")' '[`a`](none.md#part) [b](01_pool.md)' \
    '[a]: none.md' '<img src="none.png">' 'two: [b](01_pool.md) and [a](../docs/none.md)'; do
    plant
    printf '\n%s\n' "$link" >>"$tree/docs/02_pipeline.md"
    only 'docs/02_pipeline.md:3: leads nowhere: .*none.*'
done

# Length.
plant
for ((i = 2; i <= 120; i++)); do echo "line $i"; done >>"$tree/docs/02_pipeline.md"
expect ''
echo 'line 121' >>"$tree/docs/02_pipeline.md"
only 'docs/02_pipeline.md: 121 lines, .*'

# Bad usage.
for arguments in --chek '--check /nowhere' '. .'; do
    # shellcheck disable=SC2086
    "$pull" $arguments >"$tree.said" 2>&1
    code=$?
    ((code == 2)) || wrong "docs/pull.sh $arguments: exit code $code, not 2"
done
exit $((failures > 0))
