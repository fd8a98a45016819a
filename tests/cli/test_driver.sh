#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_driver.sh DRIVER CATALOGUE: list, run, explore and doctor. The demos are scripts beside a copy of the
# driver, so that they can fail, block and be interrupted at will.
# shellcheck source=tests/cli/check.sh
. "$(dirname "$(readlink -f "$0")")/check.sh"
catalogue=$2
mkdir "$scratch/my demos"
driver="$scratch/my demos/conc-driver"
cp "$1" "$driver"

names=() titles=()
while IFS='|' read -r number slug title _; do
    if [[ $number == '#'* || -z $number ]]; then continue; fi
    names+=("${number// /}_${slug// /}")
    titles+=("$(sed 's/^ *//; s/ *$//' <<<"$title")")
done <"$catalogue"

demo() { # NAME: what it does comes from stdin
    { echo '#!/usr/bin/env bash' && cat; } >"$scratch/my demos/$1"
    chmod +x "$scratch/my demos/$1"
}
for name in "${names[@]}"; do
    # shellcheck disable=SC2016 # the demo expands it
    demo "$name" <<<'echo "$(basename "$0") $*"'
done

# list
try "$driver" list
exits 0
silent stderr
for i in "${!names[@]}"; do
    grep -q "^${names[i]%%_*} *${names[i]#*_} *${titles[i]}\$" "$scratch/stdout" ||
        wrong "no line for ${names[i]}"
done
[[ $(wc -l <"$scratch/stdout") == "${#names[@]}" ]] || wrong 'not one line per entry'
try "$driver" list --json
exits 0
[[ $(grep -c '"slug": ' "$scratch/stdout") == "${#names[@]}" ]] || wrong 'not one object per entry'
for key in number title tags line; do
    [[ $(grep -c "\"$key\": " "$scratch/stdout") == "${#names[@]}" ]] || wrong "no $key in each"
done
try "$driver" list surplus
refused
# shellcheck disable=SC2317 # called by try
full() {
    "$driver" list "$@" >/dev/full
}
try full
exits 1
try full --json
exits 1

# run
for way in 3 03 worker_pool; do
    try "$driver" run $way --items 5 'two words'
    exits 0
    prints '03_worker_pool --items 5 two words'
done
for name in '' 0 99 -3 3x 03_worker_pool nonesuch; do
    try "$driver" run "$name"
    refused
    says stderr "'$name'"
done
try "$driver" run
refused
try "$driver"
refused
try "$driver" nonesuch
refused
for want in 1 2 3 4; do
    demo 03_worker_pool <<<"exit $want"
    try "$driver" run 03
    exits $want
done
rm "$scratch/my demos/03_worker_pool"
try "$driver" run 03
exits 1
says stderr 03_worker_pool

# run all
try "$driver" run all
exits 1
demo 03_worker_pool <<<'exit 0'
try "$driver" run all --items 7
exits 0
for i in "${!names[@]}"; do
    says stdout "== ${names[i]%%_*} ${titles[i]}"
done
says stdout '02_bounded_queue --items 7'
says stdout "== ${#names[@]} of ${#names[@]} passed"
demo 03_worker_pool <<<'exit 3'
try "$driver" run all
exits 1
says stderr '03_worker_pool: exit code 3'
says stdout '17_retry'
demo 01_producer_consumer <<<'echo "no such flag" >&2; exit 2'
try "$driver" run all --nonesuch
exits 2
[[ $(wc -l <"$scratch/stderr") == 1 ]] || wrong 'more than one line on stderr'
for flag in --trace=f --gantt; do
    try "$driver" run all $flag f
    refused
done

# A signal sent to the driver alone reaches the demo, and no other demo begins.
demo 01_producer_consumer <<'EOF'
trap 'echo interrupted; exit 5' INT
touch "$(dirname "$0")/ready"
while :; do sleep 0.01; done
EOF
tried='run all, interrupted'
"$driver" run all >"$scratch/stdout" 2>"$scratch/stderr" &
pid=$!
if await "$scratch/my demos/ready"; then
    kill -INT $pid
    wait $pid
    code=$?
    exits 130
    says stdout interrupted
    if grep -q 02_bounded "$scratch/stdout"; then wrong 'goes on after SIGINT'; fi
else
    kill $pid
fi

# explore: a demo whose outcome depends on its schedule alone
demo 02_bounded_queue <<'EOF'
[[ $CONC_ENGINE == sim && $1 == --items ]] || exit 9
echo "result ${CONC_SCHEDULE/#31/x}" | sed 's/[0-9].*//' # one of them prints something else
if [[ -n ${CONC_SCHEDULE_LOG-} ]]; then
    printf '%s\t1\tmain\tto lock mutex\tdir/m.c:7\t2\tother\n' 4 9 >"$CONC_SCHEDULE_LOG"
    [[ $CONC_SCHEDULE != 20 ]] ||
        printf '1\t1\tmain\tfor its turn\t-\t2\tother\n' >"$CONC_SCHEDULE_LOG"
fi
case $CONC_SCHEDULE in
17 | 20) echo 'all asleep' >&2 && exit 3 ;;
40) kill -SEGV $$ ;;
esac
EOF
try "$driver" explore 02 --schedules 16 --items 5
exits 0
says stdout '16 schedules from 1'
says stdout ', 0 failed'
try "$driver" explore bounded_queue --items 5 --seed 10 --schedules 31
exits 1
says stdout '31 schedules from 10'
says stdout ', 4 failed'
says stdout 'first:    schedule 17: deadlock'
says stdout 'shortest: schedule 20: deadlock, after 1 turns'
says stdout 'could go on'
says stdout 'all asleep'
says stdout 'to repeat it: CONC_SCHEDULE=20 '
says stdout 'conc run 02 --engine sim --items 5'
if grep -q 'did not repeat' "$scratch/stdout"; then wrong 'it did repeat'; fi
try "$driver" explore 02 --items 5 --seed 17 --schedules 1
exits 1
says stdout 'waits to lock mutex, at m.c:7'
try "$driver" explore --program "$scratch/my demos/02_bounded_queue" --items --schedules 31 --seed 10
exits 1
says stdout ', 4 failed'
try "$driver" explore --program "$scratch/my demos/02_bounded_queue" --items "a b" "it's" '' --seed 17 --schedules 1
exits 1
says stdout "CONC_ENGINE=sim '$scratch/my demos/02_bounded_queue' --items 'a b' 'it'\\''s' ''"
try "$driver" explore --program /bin/true
refused
says stderr 'does not run on sim'
for wrong_flags in '' '99' '02 --schedules' '02 --schedules 0' '02 --schedules x' '02 --seed -1' '02 --seed 18446744073709551615' \
    '--program' '--program /nonexistent'; do
    # shellcheck disable=SC2086 # words
    try "$driver" explore $wrong_flags
    refused
done
demo 02_bounded_queue <<<'echo "no such flag" >&2; exit 2'
try "$driver" explore 02 --nonesuch
refused

# doctor
try "$driver" doctor
exits 0
says stdout gcc
says stdout cores
try env PATH=/nonexistent "$driver" doctor
exits 0
says stdout 'missing  valgrind'
try "$driver" doctor surplus
refused
for command in list run explore doctor; do
    try "$driver" $command --help
    exits 0
    says stdout "$command"
done
finish
