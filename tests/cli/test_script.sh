#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# test_script.sh ROOT: the entry script, in a tree of its own (fixture/) that builds in a second, with
# an apt-get that only writes down what it was asked for.
# shellcheck source=tests/cli/check.sh
. "$(dirname "$(readlink -f "$0")")/check.sh"
root=$1
chmod 755 "$scratch"
unset FIXTURE_FAIL FIXTURE_BLOCK

tree="$scratch/a tree"
mkdir -p "$tree/bench" "$scratch/fake" "$scratch/else where"
cp "$root/conc" "$root/packages.txt" "$root/CMakePresets.json" "$tree"
cp "$root"/tests/cli/fixture/* "$tree"
printf '%s\n' '# a comment' '01 | alpha | A | t | One.' '02 | beta | B | t | Two.' \
    '03 | gamma | C | t | Three, without a benchmark.' >"$tree/catalogue.txt"
touch "$tree/bench/01_alpha.c" "$tree/bench/02_beta.c"
conc="$tree/conc"

# dpkg-query finds all packages but those in the file `missing`; apt-get install empties it.
cat >"$scratch/fake/dpkg-query" <<'EOF'
#!/usr/bin/env bash
for name in "${@:3}"; do
    grep -qx "$name" "$(dirname "$0")/../missing" || echo "installed $name"
done
EOF
cat >"$scratch/fake/apt-get" <<'EOF'
#!/usr/bin/env bash
here=$(dirname "$0")/..
echo "apt-get $*" >>"$here/asked"
if [[ -e $here/broken ]]; then
    echo 'E: no network'
    exit 100
fi
if [[ $1 == install ]]; then : >"$here/missing"; fi
EOF
cat >"$scratch/fake/sudo" <<'EOF'
#!/usr/bin/env bash
echo "sudo" >>"$(dirname "$0")/../asked"
exec "$@"
EOF
chmod +x "$scratch"/fake/*
: >"$scratch/missing"
: >"$scratch/asked"
export PATH="$scratch/fake:$PATH"
cd "$scratch/else where" || exit 1

# Wrong command lines are refused before anything is installed or built.
echo gcc >"$scratch/missing"
while IFS= read -r line; do
    read -ra words <<<"$line"
    try "$conc" "${words[@]}"
    refused
done <<'EOF'
nonesuch
pitfalls P01
pitfall P01 --tool
explore 03 --mutant
explore nonesuch --mutant lost_wake
--nonesuch
test nonesuch
test --preset
test --preset nonesuch
test --nonesuch
bench 99
bench nonesuch
bench 03
bench 01 02
bench 01 --nonesuch
bench 01 --json
bench targets --nonesuch
bench targets --json
report surplus
report --nonesuch
report --out
EOF
try "$conc"
refused
try "$conc" --help
exits 0
for command in report test list run bench explore pitfall doctor; do
    says stdout "  $command "
    "$conc" $command --help >"$scratch/help" 2>&1 || wrong "$command --help fails"
    grep -q "usage: ./conc $command" "$scratch/help" || wrong "$command --help has no usage"
done
for command in 'bench targets' 'explore 02' 'pitfall P01' 'report --quick'; do
    # shellcheck disable=SC2086 # two words
    "$conc" $command --help >"$scratch/help" 2>&1 || wrong "$command --help fails"
    grep -q "usage: ./conc ${command%% *}" "$scratch/help" || wrong "$command --help has no usage"
done
[[ ! -s $scratch/asked ]] || wrong 'asks apt-get before there is a command to run'
[[ ! -e $tree/build ]] || wrong 'builds before there is a command to run'

# What is missing is installed once, after an update; then nothing is asked for.
printf '%s\n' gcc libjansson-dev valgrind >"$scratch/missing"
try "$conc" list --json
exits 0
prints 'conc-driver list --json'
says stderr 'gcc libjansson-dev'
grep -qx 'apt-get update' "$scratch/asked" || wrong 'no apt-get update'
grep -q 'apt-get install .*gcc libjansson-dev$' "$scratch/asked" || wrong 'not just what is missing'
: >"$scratch/asked"
try "$conc" list
exits 0
silent stderr
[[ ! -s $scratch/asked ]] || wrong 'asks apt-get again'

# A group that a command needs; the same without root.
if ((EUID == 0)); then
    chmod -R a+rwX "$scratch"
    other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
else
    other=(env)
fi
echo valgrind >"$scratch/missing"
chmod a+rw "$scratch/missing" "$scratch/asked"
try "${other[@]}" "$conc" test --preset valgrind unit
exits 0
says stderr 'installing with sudo: valgrind'
[[ $(head -n 1 "$scratch/asked") == sudo ]] || wrong 'does not call sudo'
echo gcc >"$scratch/missing"
touch "$scratch/broken"
try "$conc" list
exits 1
silent stdout
says stderr 'E: no network'
rm "$scratch/broken"
: >"$scratch/missing"

# run, explore, pitfall and doctor are handed on with their arguments; exit codes come back.
try "$conc" run 01 'two words' --flag
prints 'conc-driver run 01 two words --flag'
try "$conc" explore 01 --schedules=5 --flag
prints 'conc-driver explore 01 --schedules 5 --flag'
try "$conc" pitfall list
prints 'conc-driver pitfall list'
try "$conc" pitfall P01 --tool=tsan --raw
prints 'conc-driver pitfall P01 --tool tsan --raw'
[[ -e $tree/build/tsan/build.ninja ]] || wrong 'has not built for the tool'
try "$conc" doctor
prints 'conc-driver doctor'
try env FIXTURE_FAIL=conc-driver "$conc" run 01
exits 1

# test: ctest's summary comes last; a label selects.
try "$conc" test
exits 0
[[ $(tail -n 1 "$scratch/stdout") == 'Total Test time (real) ='* ]] || wrong 'no summary at the end'
says stdout '0 tests failed out of 2'
try "$conc" test unit
exits 0
says stdout '0 tests failed out of 1'
try "$conc" test unit cli
says stdout '0 tests failed out of 2'
try "$conc" test stress
exits 1
try env FIXTURE_FAIL=conc-driver "$conc" test
exits 1

# bench: by number or slug; files are relative to the caller.
for way in 1 01 alpha; do
    try "$conc" bench $way --quick
    exits 0
    prints '01_alpha --quick'
done
try "$conc" bench beta --json 'my file'
exits 0
prints '02_beta --json my file'
[[ -e "$scratch/else where/my file" ]] || wrong 'no file where the caller is'
try "$conc" bench all --json=both
exits 0
[[ $(tr -d '\n' <both) == '[{"name": "01_alpha"},{"name": "02_beta"}]' ]] || wrong 'no JSON array'
mkfifo pipe
cat pipe >from_pipe &
try "$conc" bench --json pipe
exits 0
wait
[[ -p pipe ]] || wrong 'a pipe is replaced'
cmp -s both from_pipe || wrong 'not the same through a pipe'
try "$conc" bench all --json /nonexistent/file
refused
try env FIXTURE_FAIL=02_beta "$conc" bench --json=never
exits 1
[[ ! -e never ]] || wrong 'half a result file'

# bench targets: flags and rows are handed on. It wants Go, and goes on where there is none to have.
try "$conc" bench targets --quick unbuffered --json='my targets'
exits 0
prints 'conc-targets --all --quick unbuffered --json my targets'
[[ -e "$scratch/else where/my targets" ]] || wrong 'no file where the caller is'
echo golang-golang-x-sync-dev >"$scratch/missing"
: >"$scratch/asked"
touch "$scratch/broken"
try "$conc" bench targets
exits 0
prints 'conc-targets --all'
says stderr 'without'
rm "$scratch/broken"
try "$conc" bench targets
grep -q 'apt-get install .*golang-golang-x-sync-dev$' "$scratch/asked" || wrong 'does not want Go'
try env FIXTURE_FAIL=conc-targets "$conc" bench targets
exits 1

# report: whole or not at all, and never over files that are not a report.
try "$conc" report --quick --out 'my report'
exits 0
prints "$PWD/my report/index.html"
grep -q '02_beta.json' 'my report/index.html' || wrong 'a benchmark is missing'
touch 'my report/old'
try env FIXTURE_FAIL=02_beta "$conc" report --out 'my report'
exits 1
[[ -e 'my report/old' ]] || wrong 'a report was lost to a failure'
try "$conc" report --out 'my report'
exits 0
[[ ! -e 'my report/old' && -e 'my report/index.html' ]] || wrong 'the old report was not replaced'
mkdir precious empty
touch precious/thesis
for place in precious precious/thesis; do
    try "$conc" report --out $place
    refused
done
[[ -e precious/thesis ]] || wrong 'files were lost'
try "$conc" report --out empty
exits 0
try env FIXTURE_FAIL=conc-report "$conc" report --out new
exits 1
[[ ! -e new ]] || wrong 'half a report'
tried='report, interrupted'
set -m # a process group of its own, in which SIGINT is not ignored
FIXTURE_BLOCK=02_beta FIXTURE_READY=$scratch/ready "$conc" report --out 'my report' \
    >"$scratch/stdout" 2>"$scratch/stderr" &
pid=$!
set +m
if await "$scratch/ready"; then
    kill -INT -- -$pid
    wait $pid
    code=$?
    exits 130
fi
[[ -e 'my report/index.html' ]] || wrong 'a report was lost to Ctrl-C'
leftovers=$(find . -name '*.new.*')
[[ -z $leftovers ]] || wrong "left behind: $leftovers"

# What the compiler says is shown when it fails, and only then.
echo '#error broken on purpose' >>"$tree/fixture.c"
try "$conc" list
exits 1
silent stdout
says stderr 'broken on purpose'
sed -i '$d' "$tree/fixture.c"

# The tree may be moved, and reached by a link.
mv "$tree" "$scratch/moved"
ln -s "$scratch/moved/conc" "$scratch/link"
try "$scratch/link" list
exits 0
prints 'conc-driver list'
finish
