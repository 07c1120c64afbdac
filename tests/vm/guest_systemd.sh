# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Makes systemd the guest's process 1, over whatever of it is installed here. It goes to basic.target,
# without what an emulated machine has no use for and would wait for, and then runs the rest of
# guest.sh, and so the command, as a service. Sourced by guest.sh, and does not return.

lab_units=/run/systemd/system

# What takes long, wants devices or a network, or works at times of its own; and where an image forbids
# packages to start services, that.
leave_out() {
  local unit
  for unit in apparmor packagekit systemd-{binfmt,firstboot,journal-flush,machine-id-commit,modules-load,pstore} \
    systemd-{random-seed,repart,timesyncd,update-utmp} kmod-static-nodes; do
    ln -s /dev/null "$lab_units/$unit.service"
  done
  ln -s /dev/null "$lab_units/timers.target"
  ln -s /dev/null "$lab_units/proc-sys-fs-binfmt_misc.automount"
  rm -f /usr/sbin/policy-rc.d /var/lib/man-db/auto-update
}

write_unit() { # STAGE
  cat >"$lab_units/lab.service" <<TEXT
[Unit]
Requires=basic.target dbus.socket
After=basic.target dbus.socket
[Service]
ExecStart=/bin/bash $TOP/tests/vm/guest.sh $1
TEXT
}

mkdir -p "$lab_units" /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\n' >/run/systemd/journald.conf.d/lab.conf
leave_out
write_unit "$1"
exec /lib/systemd/systemd --unit=lab.service --show-status=0 --log-level=notice
