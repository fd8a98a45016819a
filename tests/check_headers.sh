#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_headers.sh COMPILER PATTERNS GENERATED: every header below PATTERNS compiles alone, and twice;
# and conc.h names every pattern and everything in sync/.
set -u
shopt -s nullglob
compiler=$1 patterns=$2 generated=$3
cd "$patterns" || exit 1
failures=0
for header in *.h sync/*.h runtime/*.h; do
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$compiler" -std=gnu17 -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Werror \
            -fsyntax-only -I. -I"$generated" -x c - || {
        echo "$header does not stand alone"
        failures=$((failures + 1))
    }
done
for header in *.h sync/*.h; do
    [[ $header == conc.h || $header == *_internal.h ]] || grep -qF "#include \"$header\"" conc.h || {
        echo "conc.h does not include $header"
        failures=$((failures + 1))
    }
done
exit $((failures > 0))
