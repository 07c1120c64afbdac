#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Does the lab tell what happened? On each kernel: exit codes, a good module, and faults on purpose,
# which it must find by the kernel's own words. selftest.sh [KERNEL]..., all by default; the lab kernel
# is built first if it is missing, which takes a quarter of an hour and more. Two guests at a time; nothing here measures time.
set -u
cd "$(dirname "$0")/../.." || exit 1
results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 1' INT TERM

probe() { # KERNEL
  echo "build/kmod/$1.probe/qos_probe.ko"
}

# NAME CODE TEXT VM-ARGUMENT...: does it end with this code, and say each line of TEXT?
try() {
  local name=$1 want=$2 text=$3 output code=0 line begin=$SECONDS
  shift 3
  output=$(./dev vm "$@" 2>&1) || code=$?
  while IFS= read -r line; do
    [[ $output == *"$line"* ]] || want="$want with \"$line\""
  done <<<"$text"
  if [ "$code" = "$want" ]; then
    echo "ok      $name ($((SECONDS - begin)) s)"
    touch "$results/$name.ok"
  else
    printf 'failed  %s: code %s, not %s:\n%s\n' "$name" "$code" "$want" "$output"
    touch "$results/$name.failed"
  fi
}

# At most two at a time.
case_of() { # NAME CODE TEXT VM-ARGUMENT...
  while [ "$(jobs -pr | wc -l)" -ge 2 ]; do
    wait -n
  done
  try "$@" &
}

# With its files in memory a guest does the same each time, whatever runs beside it; and not with another seed.
try_closed() {
  local name="rt: closed, twice" list=$results/list first second other begin=$SECONDS
  echo tests/vm/init >"$list"
  once() { # SEED
    echo "its stdin" | ./dev vm rt --virtual-time --closed "$list" --seed "$1" --timeout 200 -- \
      sh -c "cat && cd /proc && cat sys/kernel/random/uuid uptime schedstat timer_list $PWD/tests/vm/init"
  }
  first=$(once 1) && second=$(once 1) && other=$(once 2)
  if [[ $first == "its stdin"* && $first == "$second" && -n $other && $first != "$other" ]]; then
    echo "ok      $name ($((SECONDS - begin)) s)"
    touch "$results/$name.ok"
  else
    printf 'failed  %s:\n%s\n' "$name" "$(diff <(echo "$first") <(echo "$second"); echo "$other" | head -n 3)"
    touch "$results/$name.failed"
  fi
}

# What holds for every kernel; those without type information for modules have no /sys/kernel/btf.
cases_of_each() { # KERNEL
  local module
  module=$(probe "$1")
  case_of "$1: true" 0 "" "$1" -- true
  case_of "$1: a module, exit 7" 7 "as root in $PWD" "$1" -- \
    sh -c "insmod $module && rmmod qos_probe && echo \"as \$(id -un) in \$PWD\" && exit 7"
  case_of "$1: a warning" 125 "$(printf 'complained\nWARNING: ')" "$1" -- insmod "$module" warn=1
}

cases_of_rt() {
  case_of "rt: kfuncs" 0 "FUNC 'qos_probe_answer'" rt -- \
    sh -c "insmod $(probe rt) && bpftool btf dump file /sys/kernel/btf/qos_probe"
  case_of "rt: an oops" 125 "BUG: kernel NULL pointer" rt -- insmod "$(probe rt)" oops=1
  case_of "rt: a hang" 125 "it hung" rt --timeout 20 -- sleep 1000
  case_of "rt: no end" 125 "without an exit code" rt -- busybox reboot -f
  case_of "rt: systemd" 7 "$(printf 'systemd\nrunning')" rt --systemd -- \
    sh -c "cat /proc/1/comm; systemctl is-system-running; exit 7"
  case_of "rt: virtual time" 0 "1 CPU" rt --virtual-time --timeout 100 -- \
    sh -c "sleep 1000 && echo \"\$(nproc) CPU\""
  try_closed &
}

cases_of_lab() {
  case_of "lab: what the checkers find" 125 \
    "$(printf '%s\n' "sleeping function called" "possible circular locking" "KASAN: slab-out-of-bounds" "unreferenced object")" \
    lab -- insmod "$(probe lab)" atomic=1 deadlock=1 overrun=1 leak=1
  case_of "lab: kfuncs and sched_ext" 0 "$(printf "disabled\nFUNC 'qos_probe_answer'")" lab -- \
    sh -c "insmod $(probe lab) && cat /sys/kernel/sched_ext/state &&
      bpftool btf dump file /sys/kernel/btf/qos_probe"
}

kernels=("$@")
[ $# -gt 0 ] || kernels=(rt rt61 lab)

for kernel in "${kernels[@]}"; do
  if ./dev kmod "$kernel" tests/vm/probe; then
    cases_of_each "$kernel"
    [ "$kernel" = rt61 ] || "cases_of_$kernel"
  else
    touch "$results/$kernel.failed"
  fi
done
wait
echo "$(find "$results" -name '*.ok' | wc -l) passed, $(find "$results" -name '*.failed' | wc -l) failed, 0 skipped"
[ -z "$(find "$results" -name '*.failed')" ]
