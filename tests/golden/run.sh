#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Golden tests. Of every diagnostic: each broken/NAME.yaml (or directory) is given to `qosctl check`
# and what it prints is compared with NAME.expected. NAME.args holds further options.
# Of the stages of the rule compiler: compile/NAME.yaml and NAME.STAGE.expected.
# Files that are too large to be kept are made here; they must end soon, and in little memory.
#
#   run.sh QOSCTL            compare
#   UPDATE=1 run.sh QOSCTL   write the .expected files anew
set -u
export LC_ALL=C NO_COLOR=1

memory=$((64 << 20))
seconds=2

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
  echo "usage: ${0##*/} QOSCTL" >&2
  exit 64
fi
qosctl=$(realpath "$1")
golden=$(realpath "$(dirname "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A copy of our own: its owner and mode are the same on every machine, so warnings about them are.
cp -r "$golden/." "$work/"
chmod -R go-w "$work"
cd "$work/broken" || exit 1

passed=0
failed=0
pass() {
  passed=$((passed + 1))
}
fail() {
  failed=$((failed + 1))
  echo "FAILED $1: $2"
}

# Runs qosctl check; leaves $rc, and in $work/output what it printed, errors first. Whoever is not
# root is told that files belong to him: not what is tested here.
check() {
  "$@" >"$work/stdout" 2>"$work/stderr"
  rc=$?
  cat "$work/stderr" "$work/stdout" |
    sed '/files belong to a user other than root/,+1d' >"$work/output"
}

golden_case() {
  local target=$1 name=${1%.yaml} args=()
  if [ -e "$name.args" ]; then
    read -ra args <"$name.args"
  fi
  check timeout 10 "$qosctl" check "${args[@]}" "$target"
  if [ "$rc" -ne 2 ]; then
    fail "$name" "exit $rc, not 2"
  elif ! grep -q '^[^ ].*: error: ' "$work/output" || ! grep -q '^  hint: ' "$work/output"; then
    fail "$name" "no error with a place, or no hint"
  elif [ -n "${UPDATE:-}" ]; then
    cp "$work/output" "$golden/broken/$name.expected" && pass
  elif diff -u "$name.expected" "$work/output"; then
    pass
  else
    fail "$name" "the output differs (UPDATE=1 to take it)"
  fi
}

compile_case() {
  local name=$1 stage=$2 expected=$1.$2.expected
  if ! timeout 10 "$qosctl" compile "$name.yaml" --stage "$stage" >"$work/output" 2>&1; then
    fail "compile $name $stage" "$(head -n 3 "$work/output")"
  elif [ -n "${UPDATE:-}" ]; then
    cp "$work/output" "$golden/compile/$expected" && pass
  elif diff -u "$expected" "$work/output"; then
    pass
  else
    fail "compile $name $stage" "the output differs (UPDATE=1 to take it)"
  fi
}

# A made file: it is refused in time, and in the memory, and the first error says why.
bounded_case() {
  local file=$1 expected=$2
  check timeout "$seconds" "${limit[@]}" "$qosctl" check "$file"
  if [ "$rc" -ne 2 ]; then
    fail "$file" "exit $rc, not 2 (limits: $seconds s, $memory bytes)"
  elif head -n 1 "$work/output" | grep -q "$expected"; then
    pass
  else
    fail "$file" "expected '$expected', got: $(head -c 300 "$work/output")"
  fi
}

for target in *.yaml two-names; do
  golden_case "$target"
done
shopt -s nullglob
for expected in *.expected; do
  if [ ! -e "${expected%.expected}.yaml" ] && [ ! -d "${expected%.expected}" ]; then
    fail "$expected" "belongs to no file"
  fi
done

cd "$work/compile" || exit 1
for target in *.yaml; do
  for stage in tokens tree types ir insns; do
    compile_case "${target%.yaml}" "$stage"
  done
done
cd "$work/broken" || exit 1

# A program with AddressSanitizer reserves terabytes: there only the time is bounded.
limit=(prlimit "--as=$memory" --)
if grep -q __asan_init "$qosctl"; then
  echo "a program with AddressSanitizer: its memory is not bounded here"
  limit=(env)
fi
repeat() {
  head -c "$2" /dev/zero | sed "s/\x00/$1/g"
}
{
  echo 'version: 1'
  yes '# ten megabytes of this' | head -c 10000000
} >big-comment.yaml
{
  echo 'version: 1'
  yes 'key: value' | head -c 10000000
} >big-map.yaml
yes 'key: value' | head -c 1000000 >many-duplicates.yaml
yes -- '- x' | head -c 1000000 | sed '1i match:' >many-values.yaml
repeat x 1000000 >one-word.yaml
{
  echo -n 'match: '
  repeat '[' 1000
  repeat ']' 1000
} >deep-lists.yaml
repeat '{a: ' 1000 >deep-maps.yaml
for ((i = 0; i < 1000; i++)); do
  printf '%*sa:\n' "$i" ''
done >deep-block.yaml
{
  echo 'match:'
  repeat '- ' 1000
  echo 'x: y'
} >deep-dashes.yaml
bounded_case big-comment.yaml 'error: is larger than 1 MiB'
bounded_case big-map.yaml 'error: is larger than 1 MiB'
bounded_case many-duplicates.yaml 'error: duplicate key'
bounded_case many-values.yaml 'error: more than'
bounded_case one-word.yaml 'error: the document must be a map'
bounded_case deep-lists.yaml 'error: nested deeper'
bounded_case deep-maps.yaml 'error: nested deeper'
bounded_case deep-block.yaml 'error: nested deeper'
bounded_case deep-dashes.yaml 'error: nested deeper'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
