#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh DIR: the packages in DIR, made by `./dev package`: what they bring, whether they come, are
# upgraded and go without a trace, and whether DKMS builds the module from what they bring. Installed
# is in a copy of this system that vanishes (an overlay in a mount namespace of its own), without a
# service manager. Building the packages has lintian and rpmlint as judges already.
set -uo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
debs=$(readlink -f "${1:?usage: run.sh DIR}")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for part in lib vm kmod; do
  # shellcheck source=/dev/null
  . "tests/harness/$part.sh" || exit 1
done
version=$(sed -n "s/^ *version: '\(.*\)',$/\1/p" meson.build)
passed=0 failed=0 skipped=0

# result NAME COMMAND...: 77: skipped
result() {
  local name=$1 status=0
  shift
  ("$@") >"$dir/log" 2>&1 || status=$?
  case $status in
  0) passed=$((passed + 1)) && echo "ok      $name" ;;
  77) skipped=$((skipped + 1)) && echo "skipped $name" && cat "$dir/log" ;;
  *) failed=$((failed + 1)) && echo "failed  $name" && cat "$dir/log" ;;
  esac
}

versions_agree() {
  local deb rpm
  deb=$(sed -n '1s/^qosd (\(.*\)).*/\1/p' packaging/debian/changelog)
  rpm=$(sed -n 's/^Version: *//p' packaging/rpm/qosd.spec)
  echo "meson $version, Debian $deb, RPM $rpm"
  [ "$deb" = "$version" ] && [ "$rpm" = "$version" ]
}

# What the sources say may be changed by a site is a conffile; nothing of it is in another place.
conffiles() {
  [ "$(dpkg-deb --info "$debs/qosd_${version}_"*.deb conffiles)" = /etc/apparmor.d/usr.sbin.qosd ]
}

apparmor_parses() {
  apparmor_parser --skip-kernel-load --skip-cache packaging/apparmor/usr.sbin.qosd
}

unpack() { # PACKAGE DIR
  dpkg-deb -x "$debs/$1_${version}_"*.deb "$2"
}

# In scratch directories, against the headers of the lab's stock kernel; builds, and knows whom it is for.
dkms_run() { # VERB KERNEL [OPTION]...
  local verb=$1 kernel=$2
  shift 2
  dkms "$verb" -m qos_dwcs -v "$version" -k "$kernel" --dkmstree "$dir/dkms" --sourcetree "$dir/tree/usr/src" \
    --installtree "$dir/modules" "$@"
}

dkms_builds() {
  local kdir kernel
  kdir=$(kmod_kdir rt) || return 77
  kernel=$(cat "$kdir/include/config/kernel.release") || return 1
  mkdir -p "$dir/tree" "$dir/dkms" "$dir/modules" && unpack qos-dwcs-dkms "$dir/tree" || return 1
  dkms add -m qos_dwcs -v "$version" --dkmstree "$dir/dkms" --sourcetree "$dir/tree/usr/src" || return 1
  dkms_run build "$kernel" --kernelsourcedir "$kdir" || return 1
  modinfo -F vermagic "$(find "$dir/dkms" -name 'qos_dwcs.ko*' | head -n 1)" | grep -F "$kernel" || return 1
  mkdir "$dir/other" && echo "# CONFIG_PREEMPT_RT is not set" >"$dir/other/.config" || return 1
  ! dkms_run build 6.12.0-other --kernelsourcedir "$dir/other" >"$dir/passed-over" 2>&1 &&
    cat "$dir/passed-over" && grep -q "BUILD_EXCLUSIVE" "$dir/passed-over"
}

comes_and_goes() {
  is_root || {
    echo "skipped: another root directory needs root"
    return 77
  }
  unshare --mount --pid --fork tests/package/installed.sh "$debs" "$version"
}

result "versions agree" versions_agree
result "conffiles" conffiles
result "the AppArmor profile" apparmor_parses
result "install, upgrade, remove, purge" comes_and_goes
result "DKMS builds for PREEMPT_RT, and for no other" dkms_builds
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
