# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every executable of tests/bench is a bench: a table for people, one JSON object with --json, exit
# code 1 if a bound is missed.

# bench [--json] [NAME [OPTION]...]: what follows a name is that bench's
bench() {
  local name='' failed=0 file options=() except=()
  while [ $# -gt 0 ] && [ -z "$name" ]; do
    case $1 in
    --json) options+=(--json) ;;
    -*) die "bench takes --json and a name, not \"$1\"; options of a bench come after its name" ;;
    *) name=$1 ;;
    esac
    shift
  done
  options+=("$@")
  [ -n "$name" ] || except=(! -name 'costs.*' ! -name 'kills.*' ! -name 'soak.*') # it runs the others; tests of 20 minutes
  mapfile -t files < <(find tests/bench -maxdepth 1 -type f -perm -u+x -name "${name:-*}.*" "${except[@]}" | sort)
  [ ${#files[@]} -gt 0 ] || die "there is no bench \"${name:-*}\" in tests/bench"
  for file in "${files[@]}"; do
    say "bench $(basename "$file")"
    QOS_BUILD="$PWD/build" "$file" ${options[@]+"${options[@]}"} || failed=$((failed + 1))
  done
  [ "$failed" -eq 0 ] || die "$failed of ${#files[@]} benches missed a bound"
}
