#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_targets.sh PROGRAM: what conc-targets takes, prints and writes. Of the speeds it says nothing:
# the Go program here is a script that knows its figures by heart.
# shellcheck source=tests/cli/check.sh
. "$(dirname "$(readlink -f "$0")")/check.sh"
mkdir "$scratch/bin"
cp "$1" "$scratch/bin/conc-targets"
targets=$scratch/bin/conc-targets
cd "$scratch" || exit 1

# Wrong command lines.
while IFS= read -r line; do
    read -ra words <<<"$line"
    try "$targets" "${words[@]}"
    refused
done <<'END'
nonesuch
semaphore map_get
semaphore --engine nonesuch
semaphore --engine sim
semaphore --engine
semaphore --ms 0
semaphore --ms 5x
semaphore --nonesuch
blocked_100k --engine threads
blocked_100k --engine pthread
--all nonesuch
--all --nonesuch
--all --json
--all semaphore --json /nonesuch/file
END
try "$targets"
refused
mkdir directory
try "$targets" --all semaphore --json directory
refused
try "$targets" --help
exits 0
says stdout 'usage: conc-targets ROW'
try "$targets" --list
exits 0
says stdout 'blocked_100k_memory    bytes'

# One row.
for engine in fibers threads pthread; do
    try "$targets" semaphore --engine $engine --ms 1
    exits 0
    silent stderr
    [[ $(cat stdout) =~ ^semaphore\ [0-9]+\.[0-9]+$ ]] || wrong 'not the row and a figure'
done

# A link stays, and what it leads to is replaced; a pipe is written to.
echo old >led_to
ln -s led_to link
mkfifo pipe
cat pipe >from_pipe &
for file in link pipe; do
    try "$targets" --all --quick --json $file context_poll
    exits 0
done
wait
[[ -L link && -p pipe ]] || wrong 'a link or a pipe is replaced'
for file in led_to from_pipe; do
    grep -q '"context_poll"' $file || wrong "no result in $file"
done

# Without Go: it says so, and leaves its columns empty.
try "$targets" --all --quick --json 'a file' semaphore context_poll
exits 0
silent stderr
says stdout 'Without Go: golang-go'
says stdout 'semaphore              threads '
says stdout 'targets met'
number='[0-9.e+-]+'
maybe="(null|$number)"
shape="\{\"id\":\"(semaphore|context_poll)\",\"engine\":\"(fibers|threads)\",\"ns\":$number,"
shape+="\"textbook_ns\":$number,\"go_ns\":null,\"ratio_go\":null,\"target_ns\":$maybe,"
shape+="\"limit_ns\":$number\}"
[[ $(tr -d ' \n' <'a file') =~ ^\[$shape,$shape,$shape,$shape\]$ ]] ||
    wrong "not an array of the four rows: $(cat 'a file')"
[[ $(stat -c %a 'a file') == 644 ]] || wrong 'not readable for others'

# The better of the two Gos; the limit of the semaphore is 9.2 and its target 10.
cat >bin/targets-go <<'END'
#!/usr/bin/env bash
if [[ -e fail ]]; then
    echo 'no result today' >&2
    exit 1
fi
if [[ -e mute ]]; then exit; fi
if [[ $GOMAXPROCS == 1 ]]; then echo "$1 4000.0"; else echo "$1 3000.0"; fi
END
chmod +x bin/targets-go
try "$targets" --all --quick semaphore --json result
exits 0
says stdout ' 3000 '
[[ $(tr -d ' \n' <result) == *'"go_ns":3000.0,'*'"target_ns":10.0,"limit_ns":9.2'* ]] ||
    wrong "not Go's figure, the target and the limit: $(cat result)"

# A row that fails is named, the others go on, and the old file stays.
cp result before
for way in fail mute; do
    touch $way
    try "$targets" --all --quick semaphore --json result
    exits 1
    says stdout 'semaphore              fibers '
    says stderr 'conc-targets: semaphore, Go: '
    cmp -s before result || wrong 'an old result was lost to a failure'
    rm $way
done
leftovers=$(find . -name 'result.*' -o -name 'a file.*')
[[ -z $leftovers ]] || wrong "left behind: $leftovers"
finish
