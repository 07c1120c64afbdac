#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Process 1 of the guest, over the host's files: makes a system of them, runs the command, sends its
# output and its exit code out through ports of their own, and ends the guest. With SYSTEMD, systemd
# becomes process 1 (tests/vm/guest_systemd.sh), and starts this file again as a service for the rest.
# shellcheck source=/dev/null
. "$1" # TOP RUN OUT KERNEL P9 CLOSED SYSTEMD COMMAND ENVIRONMENT
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

tell() {
  echo "lab: $*" >/dev/kmsg
}

# The device of a port, by the name that the host gave it.
port() { # NAME
  local file
  for file in /sys/class/virtio-ports/*/name; do
    [ "$(<"$file")" != "$1" ] || echo "/dev/$(basename "$(dirname "$file")")"
  done
}

mount_all() {
  mkdir -p /dev/pts /dev/shm
  mount -t devpts -o gid=5,mode=620 devpts /dev/pts
  mount -t tmpfs -o mode=1777 shm /dev/shm
  mount -t tmpfs -o mode=755 run /run
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t bpf bpf /sys/fs/bpf
  mount -t debugfs debugfs /sys/kernel/debug
  mount -t tracefs tracefs /sys/kernel/tracing
  [ -n "$CLOSED" ] || mkdir -p "$OUT"
  [ -n "$CLOSED" ] || mount -t 9p -o "rw,$P9,cache=none" out "$OUT" || tell "no directory for results"
  [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
  ln -sf /proc/self/fd/0 /dev/stdin
  ln -sf /proc/self/fd/1 /dev/stdout
  ln -sf /proc/self/fd/2 /dev/stderr
}

# The host has no modules of this kernel in the usual place, nor what they are built against.
mount_modules() {
  local release
  [ -z "$CLOSED" ] || return 0
  release=$(uname -r)
  mkdir -p "/lib/modules/$release"
  mount --bind "$KERNEL/lib/modules/$release" "/lib/modules/$release"
  ln -sfn "$KERNEL/kdir" "/lib/modules/$release/build"
}

become_a_system() {
  mount_all 2>&1 | while IFS= read -r line; do tell "$line"; done
  mount_modules
  hostname qos-lab
  ip link set lo up
}

run_command() {
  cd "$TOP" || exit 125
  export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM=dumb LC_ALL=C.UTF-8
  export "${ENVIRONMENT[@]}"
  exec setsid --wait "${COMMAND[@]}" <"${CLOSED:-/dev/null}"
}

# What was started in the background may hold the pipes open for ever, so wait only a little for
# the end of the output.
drain() { # PID...
  local i
  for ((i = 0; i < 20; i++)); do
    kill -0 "$@" 2>/dev/null || return
    sleep 0.1
  done
}

# Through pipes, because a port can be opened only once, and programs open /dev/stderr again.
command_with_ports() {
  local status pids
  mkfifo /run/lab.out /run/lab.err
  cat /run/lab.out >"$(port out)" &
  pids=($!)
  cat /run/lab.err >"$(port err)" &
  pids+=($!)
  (run_command) >/run/lab.out 2>/run/lab.err
  status=$?
  drain "${pids[@]}"
  return "$status"
}

# An object counts as leaked only when it is 5 s old and two scans missed it.
look_for_leaks() {
  local leaks=/sys/kernel/debug/kmemleak
  [ -e "$leaks" ] || return 0
  sleep 6
  if ! { echo scan && sleep 1 && echo scan; } >"$leaks"; then
    tell "BUG: kmemleak is off"
    return
  fi
  while IFS= read -r line; do tell "$line"; done <"$leaks"
}

# After its first complaint, lockdep looks no more; it may also run out of memory for what it saw.
look_at_lockdep() {
  [ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1' /proc/lockdep_stats ||
    tell "BUG: lockdep is off"
}

if [ $$ -eq 1 ]; then
  become_a_system
  # shellcheck source=tests/vm/guest_systemd.sh
  [ -z "$SYSTEMD" ] || . "$TOP/tests/vm/guest_systemd.sh"
fi
command_with_ports
status=$?
look_for_leaks
look_at_lockdep
echo "$status" >"$(port status)"
exec busybox reboot -f # QEMU ends at a reboot, whatever the kernel knows of the machine's power
