# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# ./dev vm: a command as root under a kernel of its own, over the host's files. The idea is that a
# kernel's complaint counts as much as the command's exit code. Parts: tests/vm/.
#
# Weakness: everything is emulated, so real time means little in the guest; what judges time uses
# --virtual-time.

for part in apt cache stock lab closed initramfs qemu judge; do
  # shellcheck source=/dev/null
  . "tests/vm/$part.sh" || exit 1
done

vm_failed=125 # the lab, not the command

vm_die() {
  printf 'dev: vm: %s\n' "$*" >&2
  exit "$vm_failed"
}

# The directory of a kernel of the lab, made if it is not there yet.
kernel_dir() { # KERNEL
  case $1 in
  rt) stock_kernel 6.12 ;;
  rt61) stock_kernel 6.1 ;;
  lab) lab_kernel ;;
  *)
    say "there is no kernel \"$1\"; it is one of rt rt61 lab"
    return 1
    ;;
  esac
}

vm_number() { # OPTION VALUE
  [[ ${2:-} =~ ^[0-9]+$ ]] || vm_die "$1 takes a number, not \"${2:-}\""
}

# Sets vm_machine, vm_systemd, vm_timeout, vm_out, vm_list, vm_command.
vm_options() {
  local virtual='' shift='' cpus='' memory=2048 seed=''
  vm_systemd='' vm_timeout=300 vm_out=build/vm/out vm_list='' vm_command=()
  while [ $# -gt 0 ]; do
    case $1 in
    --virtual-time) virtual=yes ;;
    --systemd) vm_systemd=yes ;;
    --shift) vm_number "$@" && shift=$2 && shift ;;
    --cpus) vm_number "$@" && cpus=$2 && shift ;;
    --memory) vm_number "$@" && memory=$2 && shift ;;
    --timeout) vm_number "$@" && vm_timeout=$2 && shift ;;
    --out) vm_out=${2:-} && shift ;;
    --closed) vm_list=${2:-} && shift ;;
    --seed) vm_number "$@" && seed=$2 && shift ;;
    --) vm_command=("${@:2}") && break ;;
    *) vm_die "there is no option \"$1\"; a command comes after --" ;;
    esac
    shift
  done
  [ ${#vm_command[@]} -gt 0 ] || vm_die "no command; it comes after --"
  [ -n "$vm_out" ] || vm_die "--out takes a directory"
  [ -z "$vm_list$seed" ] || [ -n "$virtual" ] || vm_die "--closed and --seed go with --virtual-time"
  [ -z "$seed" ] || [ -n "$vm_list" ] || vm_die "--seed goes with --closed"
  [ -z "$vm_systemd" ] || [ -z "$vm_list" ] || vm_die "--closed has no systemd"
  [ -z "$virtual" ] || [ -z "$cpus" ] || vm_die "virtual time is for one CPU: no --cpus"
  [ -n "$virtual" ] || [ -z "$shift" ] || vm_die "--shift goes with --virtual-time"
  if [ -n "$virtual" ]; then
    vm_machine=$(qemu_virtual_time "${shift:-1}")
  else
    vm_machine=$(qemu_real_time "${cpus:-2}")
  fi
  vm_machine+=" -m $memory"
  [ -n "$vm_list" ] || return 0
  [ -r "$vm_list" ] || vm_die "--closed takes a list of files, not \"$vm_list\""
  vm_machine+=" $(qemu_closed "${seed:-1}")" vm_out=
}

# A directory that no other run has: build/vm/KERNEL, KERNEL.2, ... What it holds stays until the next
# run takes it. Sets vm_run; the lock lasts as long as this process.
vm_take_run() { # KERNEL
  local i
  as_user mkdir -p build/vm || vm_die "cannot make build/vm"
  for ((i = 1; i < 100; i++)); do
    vm_run=$PWD/build/vm/$1
    [ "$i" -eq 1 ] || vm_run+=.$i
    exec {vm_lock}>"$vm_run.lock" || vm_die "cannot write $vm_run.lock"
    flock -n "$vm_lock" && break
    exec {vm_lock}>&-
  done
  rm -rf "$vm_run"
  mkdir "$vm_run" || vm_die "cannot make $vm_run"
}

# What the guest has to know, as assignments; the first line is for a shell without arrays.
vm_stage() { # KERNEL-DIR KERNEL
  local name run=$vm_run ENVIRONMENT COMMAND=("${vm_command[@]}")
  [ -z "$vm_list" ] || run= # nothing that another run of the same would have otherwise
  ENVIRONMENT=(QOS_VM="$2" QOS_VM_OUT="${vm_out:-/tmp}" QOS_VM_KDIR="$1/kdir")
  for name in CI "${!QOS_@}"; do
    [[ ! -v $name || $name = QOS_VM* ]] || ENVIRONMENT+=("$name=${!name}")
  done
  printf 'TOP=%q RUN=%q OUT=%q KERNEL=%q P9=%q CLOSED=%s SYSTEMD=%s\n' "$PWD" "$run" "$vm_out" "$1" \
    "$(qemu_9p_options)" "${vm_list:+/stdin}" "$vm_systemd"
  declare -p ENVIRONMENT COMMAND
}

vm_stop() {
  qemu_stop
  qemu_wait
  give_back build/vm
  vm_die "interrupted"
}

# What this shell's children, which is QEMU for the most, had of the CPUs: who hears that a guest hung
# wants to know whether it stood still or was starved.
vm_cpu_seconds() { # FILE: what the builtin times said
  awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += 60 * t[1] + t[2] } printf "%d", s }' "$1"
}

# The command's exit code, or 125 and why.
vm_verdict() { # KERNEL QEMU-STATUS
  local log=$vm_run/kernel.log bad status
  bad=$(judge "$1" "$log")
  status=$(tr -dc 0-9 <"$vm_run/status" 2>/dev/null)
  [ -z "$bad" ] || vm_die "the kernel complained (log: $log; exit code: ${status:-none}):
$bad"
  case $2 in
  0) ;;
  124 | 137) vm_die "it hung: QEMU was ended after $vm_timeout s, of which it ran $(vm_cpu_seconds "$vm_run/times") s (log: $log)" ;;
  *) vm_die "QEMU failed: $(tail -n 3 "$vm_run/qemu.log")" ;;
  esac
  [ -n "$status" ] || vm_die "the guest ended without an exit code (log: $log):
$(tail -n 5 "$log")"
  return "$status"
}

# QEMU lets a CPU run an instruction that another has just patched back; the kernel, which knows that
# no processor does, dies of the breakpoint. It is the emulator's fault, and rare.
vm_tripped() {
  grep -qa 'Oops: int3' "$vm_run/kernel.log" 2>/dev/null
}

# Sets vm_status.
vm_boot() { # KERNEL-DIR
  local try
  for try in 1 2 3; do
    rm -f "$vm_run/status" "$vm_run/kernel.log"
    # shellcheck disable=SC2086
    qemu_start "$1" "$vm_run" "$vm_out" "$vm_timeout" $vm_machine
    vm_status=0
    qemu_wait || vm_status=$?
    times >"$vm_run/times"
    vm_tripped || return 0
    say "vm: QEMU tripped over patched code, run $try of 3"
  done
}

vm() { # KERNEL OPTION... -- COMMAND...
  local kernel=${1:-} dir
  [ $# -eq 0 ] || shift
  vm_options "$@"
  [ -n "$vm_list" ] || {
    as_user mkdir -p "$vm_out" || vm_die "cannot make $vm_out"
    vm_out=$(realpath "$vm_out")
  }
  [[ $PWD$vm_out =~ ^[A-Za-z0-9/._+~@%-]+$ ]] || vm_die "a path has a character that QEMU may not like: $PWD"
  dir=$(kernel_dir "$kernel") || vm_die "no kernel \"$kernel\""
  vm_take_run "$kernel"
  vm_stage "$dir" "$kernel" >"$vm_run/stage"
  initramfs "$dir" "$vm_run" "$vm_list" || vm_die "cannot make the initramfs"
  trap vm_stop INT TERM
  vm_boot "$dir"
  give_back build/vm ${vm_out:+"$vm_out"}
  vm_verdict "$kernel" "$vm_status"
}
