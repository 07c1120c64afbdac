# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packages as files, not installed.

apt_fetch() { # DIR PACKAGE...
  (cd "$1" && apt-get -q -o APT::Sandbox::User=root download "${@:2}")
}

# Lists that are older than the archive name packages that it has no more.
apt_download() { # DIR PACKAGE...
  mkdir -p "$1" || return 1
  apt_fetch "$@" && return
  is_root && apt-get -q -o DPkg::Lock::Timeout=600 update && apt_fetch "$@" && return
  say "lab: apt-get could not download: ${*:2}"
  return 1
}
