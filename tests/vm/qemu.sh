# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# One run of QEMU, in software emulation, so that it works and means the same wherever it runs. The
# host's root is there read-only over 9p. The kernel's log has the serial line for itself; the
# command's output and exit code come through virtio ports, so that neither can garble the other.

# How the guest mounts what qemu_share offers.
qemu_9p_options() {
  echo "trans=virtio,version=9p2000.L,msize=262144"
}

qemu_share() { # NAME PATH [OPTION]
  echo "-fsdev local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}"
  echo "-device virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

qemu_port() { # NAME PATH
  echo "-chardev file,id=$1,path=$2 -device virtserialport,chardev=$1,name=$1"
}

# With virtual time the guest's clock counts executed instructions, 2^SHIFT ns each; idle time is
# skipped. It is the same whatever else the machine does, and there is one CPU.
qemu_virtual_time() { # SHIFT
  echo "-smp 1 -accel tcg,thread=single -icount shift=$1,sleep=off"
}

qemu_real_time() { # CPUS
  echo "-smp $1 -accel tcg,thread=multi"
}

# With virtual time: two runs are the same to the instruction. Nothing may come in from outside but at an instruction
# that asks for it; so there are no shares, the processor itself does what a port is asked for (no ioeventfd), its
# clock and its random numbers begin as they are told.
qemu_closed() { # SEED
  echo "-global virtio-serial-pci.ioeventfd=off -rtc base=2026-01-01T00:00:00,clock=vm -seed $1"
}

# All but the kernel and its command line, one line each. Paths must have no comma or blank.
qemu_machine() { # RUN OUT STDOUT-FD STDERR-FD MACHINE-OPTION...; OUT may be empty: no shares
  {
    echo "-name qos-lab -nodefaults -no-user-config -display none -no-reboot -cpu max ${*:5}"
    [ -z "$2" ] || {
      qemu_share root / ,readonly=on
      qemu_share out "$2"
    }
    echo "-add-fd fd=$3,set=1 -add-fd fd=$4,set=2 -device virtio-serial-pci"
    qemu_port out /dev/fdset/1,append=on
    qemu_port err /dev/fdset/2,append=on
    qemu_port status "$1/status"
    echo "-serial file:$1/kernel.log -initrd $1/initrd"
  } | xargs -n 1
}

# Sets qemu_pid, and qemu_cats, which pass on what the command prints.
# no_timer_check: on a busy machine the guest's clock may miss what the kernel expects of it at boot.
qemu_start() { # KERNEL-DIR RUN OUT TIMEOUT MACHINE-OPTION...
  local kernel=$1 run=$2 out=$3 timeout=$4 machine
  shift 4
  exec {stdout}> >(cat)
  qemu_cats=($!)
  exec {stderr}> >(cat >&2)
  qemu_cats+=($!)
  mapfile -t machine < <(qemu_machine "$run" "$out" "$stdout" "$stderr" "$@")
  timeout --foreground -k 10 "$timeout" qemu-system-x86_64 "${machine[@]}" \
    -kernel "$kernel/vmlinuz" -append "console=ttyS0 panic=-1 oops=panic reboot=t no_timer_check rdinit=/init" \
    </dev/null >"$run/qemu.log" 2>&1 &
  qemu_pid=$!
  exec {stdout}>&- {stderr}>&-
}

# Until it ends by itself or by timeout(1), whose code 124 or 137 then is this one's.
qemu_wait() {
  local status=0
  wait "$qemu_pid" || status=$?
  wait "${qemu_cats[@]}"
  return "$status"
}

qemu_stop() {
  [ -z "${qemu_pid:-}" ] || kill "$qemu_pid" 2>/dev/null
}
