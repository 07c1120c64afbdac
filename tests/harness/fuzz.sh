# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# libFuzzer targets: executables fuzz_NAME of the build with -Dfuzz=true. The tree's corpus
# (tests/fuzz/corpus/NAME or tests/fuzz/corpus) is copied, so that a run never changes the tree.

fuzz_targets() {
  find build-fuzz -type f -name 'fuzz_*' -perm -u+x | sort
}

# fuzz_one TARGET SECONDS: a crash is kept in build-fuzz/crashes and shown.
fuzz_one() {
  local target=$1 seconds=$2 name corpus crashes seeds
  name=$(basename "$target")
  name=${name#fuzz_}
  corpus=build-fuzz/corpus/$name
  crashes=build-fuzz/crashes/$name-
  seeds=tests/fuzz/corpus/$name
  [ -d "$seeds" ] || seeds=tests/fuzz/corpus
  as_user mkdir -p "$corpus" build-fuzz/crashes || return 1
  [ ! -d "$seeds" ] || as_user find "$seeds" -type f -exec cp -t "$corpus" {} + || return 1
  say "fuzzing $name for $seconds s"
  as_user "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$crashes" "$corpus" >"build-fuzz/logs/$name.log" 2>&1 && return
  tail -n 40 "build-fuzz/logs/$name.log"
  find build-fuzz/crashes -name "$name-*" -printf 'kept: %p (%s bytes)\n'
  return 1
}

# fuzz SECONDS, over all targets together.
fuzz() {
  local seconds=$1 passed=0 failed=0 target
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz takes a number of seconds, not \"$seconds\""
  CC=clang build build-fuzz -Dfuzz=true -Db_lundef=false -Db_sanitize=address,undefined
  mapfile -t targets < <(fuzz_targets)
  [ ${#targets[@]} -gt 0 ] || die "build-fuzz has no target fuzz_*"
  for target in "${targets[@]}"; do
    if fuzz_one "$target" $((seconds / ${#targets[@]} + 1)); then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done
  echo "$passed passed, $failed failed, 0 skipped"
  [ "$failed" -eq 0 ]
}
