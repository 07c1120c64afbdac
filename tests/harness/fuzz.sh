# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# libFuzzer targets: tests/fuzz/fuzz_NAME.c, built with clang and -Dfuzz=true. The tree's corpus
# (tests/fuzz/corpus/NAME or tests/fuzz/corpus) is copied, so that a run never changes the tree.

fuzz_targets() {
  find tests/fuzz -name 'fuzz_*.c' -printf '%P\n' | sed 's/\.c$//; s/^/tests\/fuzz\//' | sort
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
  local seconds=$1 share passed=0 failed=0 target build_targets
  [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz takes a number of seconds, not \"$seconds\""
  mapfile -t build_targets < <(fuzz_targets)
  [ ${#build_targets[@]} -gt 0 ] || die "tests/fuzz has no target fuzz_*.c"
  CC=clang build build-fuzz -Dfuzz=true
  share=$(((seconds + ${#build_targets[@]} - 1) / ${#build_targets[@]}))
  for target in "${build_targets[@]}"; do
    if fuzz_one "build-fuzz/$target" "$share"; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done
  echo "$passed passed, $failed failed, 0 skipped"
  [ "$failed" -eq 0 ]
}
