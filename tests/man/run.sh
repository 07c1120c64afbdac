#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh QOSCTL: the manual pages. Each complete contract in the EXAMPLES of qos-contract(5) and
# qos-rules(7) must pass `qosctl check`; one that a comment `.\" wrong` precedes must be refused. The
# settings in qosd.yaml(5) must be read. Every page must be clean under mandoc. What a page shows can
# so never drift from what the parser takes.
set -euo pipefail

qosctl=$(readlink -f "${1:?usage: run.sh QOSCTL}")
cd "$(dirname "$(readlink -f "$0")")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# result NAME TRUTH [LOG]
result() {
  if [ "$2" = yes ]; then
    passed=$((passed + 1))
    echo "ok      $1"
  else
    failed=$((failed + 1))
    echo "failed  $1"
    [ ! -f "${3-}" ] || sed 's/^/  /' "$3"
  fi
}

truth() {
  if "$@"; then echo yes; else echo no; fi
}

# Displays of EXAMPLES into DIR/right/N.yaml and DIR/wrong/N.yaml, roff's escapes undone. A directory
# for each page and kind, because contracts of one directory must have different names.
# extract PAGE DIR
extract() {
  mkdir -p "$2/right" "$2/wrong"
  awk -v dir="$2" '
    /^\.Sh / { inside = ($2 == "EXAMPLES"); next }
    !inside { next }
    /^\.\\" wrong/ { kind = "wrong"; next }
    /^\.Bd -literal/ { file = sprintf("%s/%s/%02d.yaml", dir, kind ? kind : "right", ++n); next }
    /^\.Ed/ { if (file) close(file); file = ""; kind = ""; next }
    file { gsub(/\\&/, ""); gsub(/\\-/, "-"); gsub(/\\\(dq/, "\""); gsub(/\\e/, "\\"); print > file }
  ' "$1"
}

# check PAGE FILE EXPECTED_STATUS [OPTION...]
check() {
  local status=0 log=$dir/log
  "$qosctl" check "${@:4}" "$2" >"$log" 2>&1 || status=$?
  echo "exit status $status, expected $3" >>"$log"
  result "$1: example $(basename "$(dirname "$2")")/$(basename "$2")" "$(truth [ "$status" -eq "$3" ])" \
    "$log"
}

# Each page has examples of its own. examples PAGE RIGHT_AT_LEAST WRONG_AT_LEAST
examples() {
  local name file right wrong
  name=$(basename "$1")
  extract "$1" "$dir/$name"
  right=("$dir/$name/right"/*.yaml) wrong=("$dir/$name/wrong"/*.yaml)
  result "$name has examples" "$(truth [ $((${#right[@]} >= $2 && ${#wrong[@]} >= $3)) -eq 1 ])"
  for file in "${right[@]}"; do
    check "$name" "$file" 0
  done
  for file in "${wrong[@]}"; do
    check "$name" "$file" 2
  done
}

# The first command of qosctl(1), anywhere.
policies() {
  local status=0
  grep -q '^\.Dl \$ qosctl check policies/$' man/qosctl.1 || status=99
  "$qosctl" check policies/ >"$dir/log" 2>&1 || status=$?
  result "qosctl.1: qosctl check policies/" "$(truth [ "$status" -eq 0 ])" "$dir/log"
}

# Settings are read before any contract is. What is none (a unit's drop-in) begins otherwise.
settings() {
  local file n=0
  extract man/qosd.yaml.5 "$dir/qosd.yaml.5"
  for file in "$dir/qosd.yaml.5/right"/*.yaml; do
    grep -q '^version:' "$file" || continue
    n=$((n + 1))
    check "qosd.yaml.5, settings $(basename "$file")" "$dir/qos-contract.5/right/01.yaml" 0 --config "$file"
  done
  result "qosd.yaml.5 has examples" "$(truth [ "$n" -ge 4 ])"
}

shopt -s nullglob
examples man/qos-contract.5 3 1
examples man/qos-rules.7 2 1
settings
policies

for page in man/*.[1-8]; do
  lint=no
  if mandoc -Tlint -Wwarning "$page" >"$dir/log" 2>&1; then lint=yes; fi
  result "$page" "$lint" "$dir/log"
  # A macro that takes the rest of its line into its quotes: nothing that lint tells.
  mandoc -T utf8 "$page" | col -bx | tr -s ' \n' ' ' | grep -o '“[^”]*“.\{,20\}' >"$dir/log" || true
  result "$page: quotes within quotes" "$(truth [ ! -s "$dir/log" ])" "$dir/log"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
