# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# All tests. A suite is a command; what it prints goes to build/logs/NAME.log, and its counts come
# from its last line, "N passed, N failed[, N skipped]". A command without that line counts as one
# test: exit code 0 passed, 77 skipped, else failed. Suites that judge timing run alone, after the
# others; since the machine may be anybody's, a failed one has a second try, which is said and counted.

test_logs=build/logs

counts_of() { # LOG STATUS
  local line passed failed skipped
  line=$(tail -n 1 "$1")
  if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
    passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[4]:-0}
    [ "$2" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  else
    passed=$(($2 == 0)) skipped=$(($2 == 77)) failed=$(($2 != 0 && $2 != 77))
  fi
  echo "$passed $failed $skipped"
}

run_suite() { # NAME COMMAND...
  local name=$1 status=0 begin=$SECONDS counts
  shift
  ("$@") >"$test_logs/$name.log" 2>&1 </dev/null || status=$?
  counts=$(counts_of "$test_logs/$name.log" "$status")
  echo "$counts" >"$test_logs/$name.counts"
  # shellcheck disable=SC2086
  say "$(printf '%-18s %4d passed %3d failed %3d skipped  %4d s' "$name" $counts $((SECONDS - begin)))"
}

failures_of() { # NAME
  local failed
  read -r _ failed _ <"$test_logs/$1.counts"
  echo "$failed"
}

# A suite that judges timing.
run_timed() { # NAME COMMAND...
  run_suite "$@"
  [ "$(failures_of "$1")" -gt 0 ] || return 0
  mv "$test_logs/$1.log" "$test_logs/$1.first-try"
  say "$1 failed; a second try (the first: $test_logs/$1.first-try)"
  run_suite "$@"
}

in_parallel() { # run_suite|run_timed NAME COMMAND...
  while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
    wait -n || true
  done
  "$@" &
}

meson_suite() { # RUNNER BUILD SUITE [TEST]
  local log=$3${4:+-$4}
  "$1" meson test -C "$2" --no-rebuild --suite "$3" --logbase "$log" -t 2 --print-errorlogs ${4:+"$4"}
  "$1" python3 tests/harness/meson_count.py "$2/meson-logs/$log.json"
}

sanitized_suite() {
  build build-asan -Db_sanitize=address,undefined -Dbuildtype=debug
  as_user meson test -C build-asan --no-rebuild --suite unit --suite property --logbase sanitized -t 4 \
    --print-errorlogs
  as_user python3 tests/harness/meson_count.py build-asan/meson-logs/sanitized.json
}

script_suite() { # RUNNER SCRIPT [ARGUMENT]...
  [ -x "$2" ] || {
    echo "$2 is missing or cannot be run"
    return 1
  }
  "$@"
}

# One test: is it there, or can it be built?
lab_kernel_suite() {
  is_root || {
    echo "skipped: the lab reads all of the host's files, which needs root"
    return 77
  }
  kernel_dir lab
}

# Builds, with lintian and rpmlint as judges, and what comes of it.
package_suite() {
  package build/package && tests/package/run.sh build/package
}

# What a user without any right sees in a clone of his own.
clone_suite() {
  local clone status=0
  is_root || {
    echo "skipped: becoming another user needs root"
    return 77
  }
  clone=$(mktemp -d) && cp -r policies build/cli/qosctl "$clone" &&
    chown -R nobody:nogroup "$clone" || return 1
  setpriv --reuid nobody --regid nogroup --clear-groups \
    env -C "$clone" ./qosctl check policies/ || status=$?
  rm -r "$clone"
  return "$status"
}

live_suite() { # COMMAND...
  is_root || {
    echo "skipped: the live kernel needs root"
    return 77
  }
  "$@"
}

# Without QOS_LAB the lab kernel has to be there already.
wants_lab() {
  [ -n "${QOS_LAB:-}" ] || lab_is_kept
}

# The lab kernel takes longest, so where it is to be built that begins at once, nicely.
suites_together() {
  if wants_lab; then
    in_parallel run_suite lab-kernel lab_kernel_suite
  else
    say "the lab kernel is not built: QOS_LAB=1 builds it and runs all suites (lab, stress-lab, module-rt61)"
  fi
  in_parallel run_timed vm script_suite env tests/vm/selftest.sh rt rt61
  in_parallel run_suite sanitized sanitized_suite
  in_parallel run_suite lint lint
  in_parallel run_suite fuzz fuzz 60
  in_parallel run_suite checks checks
  in_parallel run_suite unit meson_suite as_user build unit
  in_parallel run_suite property meson_suite as_user build property
  in_parallel run_suite golden script_suite as_user tests/golden/run.sh build/cli/qosctl
  in_parallel run_suite package package_suite
  in_parallel run_suite man script_suite as_user tests/man/run.sh build/cli/qosctl
  in_parallel run_suite bench as_user python3 -B tests/bench/test_violations.py
  in_parallel run_suite policies as_user build/cli/qosctl check policies/
  in_parallel run_suite policies-nobody clone_suite
  wait
}

# Guests whose kernels check everything starve beside others.
suites_of_lab() {
  run_timed lab live_suite script_suite env tests/vm/selftest.sh lab
  run_timed stress-lab stress --loads 30 --messages 2000 --seconds 8 --hotplugs 5 --removals 4 --changes 100
}

suites_alone() {
  local script program name
  run_suite kmod-rt61 live_suite kmod rt61 # its tests run with QOS_LAB only, but it has to build
  run_timed stress-rt stress rt --loads 5 --messages 500 --seconds 8 --hotplugs 3 --removals 3 --changes 60
  if wants_lab; then
    suites_of_lab
  fi
  run_timed module-rt module_suite rt --timeout 600 -- tests/vm/test_module.py
  [ -z "${QOS_LAB:-}" ] || run_timed module-rt61 module_suite rt61 --timeout 600 -- tests/vm/test_module.py
  run_timed extensions-rt module_suite rt --timeout 600 -- tests/vm/test_extensions.py
  run_timed storm-rt module_suite rt --cpus 8 --timeout 300 -- tests/vm/test_extensions.py storm
  run_timed claims-rt module_suite rt --virtual-time --shift 3 -- tests/vm/test_module.py bundle_runs
  run_timed qdisc-rt module_suite rt --virtual-time --shift 3 --timeout 600 -- tests/vm/test_qdisc.py
  [ -z "${QOS_LAB:-}" ] || run_timed qdisc-rt61 module_suite rt61 --virtual-time --shift 3 --timeout 600 -- tests/vm/test_qdisc.py
  run_timed flows-rt module_suite rt --virtual-time --shift 3 --timeout 600 -- tests/vm/test_flows.py 12
  run_timed windows-rt module_suite rt --virtual-time --shift 3 --timeout 600 -- tests/vm/windows.py
  for program in build/tests/test_live_*; do
    name=${program##*/test_live_}
    [ -d "$program" ] || run_timed "live-${name//_/-}" live_suite meson_suite env build live "$name"
  done
  run_timed daemon-rt module_suite rt --cpus 1 --timeout 1200 -- tests/vm/test_daemon.py
  run_timed paranoid-rt module_suite rt --cpus 1 --timeout 600 -- tests/vm/test_paranoid.py
  run_timed rules-rt module_suite rt --cpus 1 --timeout 900 -- tests/vm/test_rules.py
  run_timed net-rt module_suite rt --cpus 1 --timeout 600 -- tests/vm/test_net.py
  run_timed net-rules-rt module_suite rt --cpus 1 --timeout 600 -- tests/vm/test_net_rules.py
  [ -z "${QOS_LAB:-}" ] || run_timed package-rt package_guest_suite
  [ -z "${QOS_LAB:-}" ] || run_timed dkms-rt module_suite rt --systemd --timeout 3000 -- tests/vm/test_dkms.py
  run_timed proofs-rt module_suite rt --virtual-time --shift 3 --timeout 500 -- tests/vm/test_claims.py
  for script in tests/live/test_*.py; do
    run_timed "$(basename "$script" .py)" live_suite script_suite env "$script"
  done
  run_timed demo live_suite script_suite env tests/demo/accept.py
}

# Each suite is a process group of its own, so that an interrupt takes all of it down.
stop_suites() {
  local group
  for group in $(jobs -p); do
    kill -TERM -- "-$group" 2>/dev/null
  done
  give_back build/logs build/meson-logs
  die "interrupted"
}

show_failures() {
  local counts failed skipped log
  for counts in "$test_logs"/*.counts; do
    read -r _ failed skipped <"$counts"
    log=${counts%.counts}.log
    [ "$failed" -eq 0 ] || printf '\n-- failed, %s:\n%s\n' "$log" "$(tail -n 80 "$log")"
    [ "$skipped" -eq 0 ] || printf '\n-- skipped, %s:\n%s\n' "$log" "$(grep -i skip "$log" | head -n 20)"
  done
}

show_second_tries() {
  local first
  for first in "$test_logs"/*.first-try; do
    [ ! -e "$first" ] || printf '\n-- failed at the first try, %s:\n%s\n' "$first" "$(tail -n 40 "$first")"
  done
}

test_all() {
  local passed failed skipped
  as_user rm -rf "$test_logs"
  as_user mkdir -p "$test_logs" || die "cannot make $test_logs"
  export QOS_BUILD="$PWD/build"
  QOS_PROMTOOL=$(promtool_path) || say "promtool is not to be had: nobody judges the metrics"
  export QOS_PROMTOOL
  trap stop_suites INT TERM
  say "suites that run side by side (logs in $test_logs)"
  set -m
  suites_together
  set +m
  say "suites that run alone"
  suites_alone
  give_back build/logs build/meson-logs
  show_failures
  show_second_tries
  read -r passed failed skipped < <(cat "$test_logs"/*.counts |
    awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }')
  [ "${CI:-}" != true ] || [ "$skipped" -eq 0 ] || echo "CI=true: whatever was skipped counts against this run"
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ] && { [ "${CI:-}" != true ] || [ "$skipped" -eq 0 ]; }
}
