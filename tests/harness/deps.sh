# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The Debian packages that each verb needs, and how they come in.

packages_of() {
  local build="git gcc libc6-dev meson ninja-build pkg-config clang bpftool libbpf-dev libnl-3-dev
    libnl-genl-3-dev libyaml-dev libsystemd-dev libjansson-dev libncurses-dev libcmocka-dev libseccomp-dev"
  local demo="rt-app rt-tests stress-ng procps python3"
  local lint="clang-format clang-tidy cppcheck shellcheck mandoc yamllint python3 binutils
    sparse make perl xz-utils systemd"
  local fuzz="libclang-rt-dev llvm"
  local lab="python3 qemu-system-x86 busybox-static cpio kmod xz-utils make gcc dwarves
    flex bison bc perl libssl-dev libelf-dev systemd dbus"
  local package="debhelper dpkg-dev lintian dh-apparmor dh-dkms dkms rpm rpmlint apparmor systemd"
  case $1 in
  build) echo "$build" ;;
  demo) echo "$build $demo" ;;
  lint) echo "$build $lint" ;;
  fuzz) echo "$build $fuzz" ;;
  bench) echo "$build $demo linux-perf libbpf-tools bpftrace strace ffmpeg iperf3 iputils-ping ethtool" ;;
  package) echo "$build $package" ;;
  vm | kmod) echo "$lab" ;;
  test) echo "$build $demo $lint $fuzz $lab ffmpeg $package jq iproute2 ethtool curl dbus-daemon polkitd libglib2.0-bin python3-prometheus-client zsh fish" ;;
  *) die "deps: no verb \"$1\"; it is one of build test demo lint fuzz bench vm kmod package" ;;
  esac
}

# Its package starts a service where it is installed, so the program is kept alone.
promtool_fill() { # DIR
  apt_download "$1/debs" prometheus && dpkg-deb --fsys-tarfile "$1"/debs/*.deb | tar -x -C "$1" --strip-components=3 ./usr/bin/promtool &&
    rm -r "${1:?}/debs"
}

promtool_path() {
  local dir
  command -v promtool && return
  dir=$(cached "promtool_$(hash_of "$(declare -f promtool_fill)")" promtool_fill) && echo "$dir/promtool"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status} ' "$1" 2>/dev/null | cut -d' ' -f1)" = installed ]
}

missing_of() {
  local package
  for package in $(packages_of "$1"); do
    is_installed "$package" || echo "$package"
  done | sort -u | xargs
}

install_packages() {
  local quiet=(-q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600)
  DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" update >&2 ||
    die "apt-get update failed; is there a network?"
  DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" install --no-install-recommends "$@" >&2 ||
    die "apt-get could not install: $*"
}

deps() {
  local missing
  packages_of "$1" >/dev/null
  command -v dpkg-query >/dev/null ||
    die "this is no Debian; install the counterparts of: $(packages_of "$1" | xargs)"
  missing=$(missing_of "$1") || exit 1
  if [ -z "$missing" ]; then
    say "packages: all that $1 needs are installed ($(packages_of "$1" | xargs | wc -w))"
    return
  fi
  is_root || die "missing packages; install them with
  sudo apt-get install --no-install-recommends $missing"
  say "packages: installing $missing"
  # shellcheck disable=SC2086
  install_packages $missing
}
