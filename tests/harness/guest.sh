# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Suites that run in kernels of the lab, each building the module for its kernel first.

# module_suite KERNEL [VM-OPTION]... -- SCRIPT [ARGUMENT]...
module_suite() {
  local kernel=$1 options=()
  shift
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  is_root || {
    echo "skipped: the lab reads all of the host's files, which needs root"
    return 77
  }
  (kmod "$kernel") || return 1
  ./dev vm "$kernel" "${options[@]}" -- python3 -B "$@"
}
