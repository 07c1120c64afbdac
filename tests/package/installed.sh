#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# installed.sh DEBS VERSION: in a mount namespace of its own. This system's root with a layer above it
# that holds whatever is written; installs, upgrades, removes and purges the packages there.
set -euo pipefail

debs=$1 version=$2
layer=$(mktemp -d)
trap 'umount -R "$layer/all" 2>/dev/null; umount "$layer"; rmdir "$layer"' EXIT
mount -t tmpfs -o mode=755 qosd-test "$layer"
mkdir "$layer"/{above,scratch,all}
mount -t overlay -o "lowerdir=/,upperdir=$layer/above,workdir=$layer/scratch" qosd-test "$layer/all"
mount -t proc proc "$layer/all/proc"
mount -t tmpfs run "$layer/all/run"

inside() {
  chroot "$layer/all" env DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# The same packages, of a higher version.
higher() {
  local deb
  for deb in "$debs"/*_"$version"_*.deb; do
    rm -rf "$layer/next"
    dpkg-deb -R "$deb" "$layer/next"
    sed -i "s/^Version: .*/Version: $version.1/; s/(= $version)/(= $version.1)/" "$layer/next/DEBIAN/control"
    dpkg-deb -b "$layer/next" "$layer/all/next/"
  done
}

# What a package may leave: the log and lists of dpkg and of systemd's helper, the group, caches of
# others' triggers.
left() {
  (cd "$layer/above" && find . ! -type d) | grep -E 'qos' |
    grep -vE '^\./var/(lib/dpkg|log|cache)/' || true
}

# Files that a purge takes away stand in the layer as character devices 0:0, if they were there before.
check() { # WHAT COMMAND...
  echo "$1"
  "${@:2}"
}

mkdir -p "$layer/all/debs" "$layer/all/next"
cp "$debs"/*_"$version"_*.deb "$layer/all/debs/"
higher
inside dpkg --purge qosd qosctl qos-dwcs-dkms >/dev/null 2>&1 || true
inside sh -c 'dpkg -i /debs/*.deb'
check "its own contracts are right" inside qosctl check /usr/share/qosd/policies
check "nothing is under contract" inside sh -c 'find /etc/qosd/contracts.d -maxdepth 0 -empty | grep -q .'
check "the group is there" inside getent group qos
check "the run directory is there" test -d "$layer/all/run/qosd/contracts.d"
check "the service is enabled" test -L "$layer/all/etc/systemd/system/multi-user.target.wants/qosd.service"
check "undoing is not" test ! -e "$layer/all/etc/systemd/system/multi-user.target.wants/qosd-undo.service"
check "DKMS knows the module" inside sh -c "dkms status | grep -F 'qos_dwcs/$version'"
echo "# a site's own line" >>"$layer/all/etc/apparmor.d/usr.sbin.qosd"
echo "version: 1" >"$layer/all/etc/qosd/qosd.yaml"
inside sh -c 'dpkg -i /next/*.deb'
check "a site's files stay" grep -q "own line" "$layer/all/etc/apparmor.d/usr.sbin.qosd"
check "its settings too" test -s "$layer/all/etc/qosd/qosd.yaml"
inside dpkg --remove qosd qosctl qos-dwcs-dkms
check "settings outlive the package" test -s "$layer/all/etc/qosd/qosd.yaml"
inside dpkg --purge qosd qosctl qos-dwcs-dkms
rm -r "$layer/all/debs" "$layer/all/next"
left=$(left)
check "nothing is left: $left" test -z "$left"
check "nor in the run directory" test ! -e "$layer/all/run/qosd"
