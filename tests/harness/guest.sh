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

# The packages that the suite `package` built, and the same sources with a higher version.
package_guest_suite() {
  local version
  is_root || {
    echo "skipped: the lab reads all of the host's files, which needs root"
    return 77
  }
  version=$(sed -n '1s/^qosd (\(.*\)).*/\1/p' packaging/debian/changelog)
  as_user rm -rf build/package.next && as_user packaging/build-deb.sh build/package.next "$version.1" || return 1
  ./dev vm rt --systemd --virtual-time --shift 3 --timeout 3000 -- python3 -B tests/vm/test_package.py
}

# What the abuse of the module has at least to be, and how long that may take.
stress_full=(--loads 1000 --messages 100000 --seconds 180 --hotplugs 100 --removals 100 --changes 1000)

# stress [--full] [KERNEL] [FIGURE-OR-NAME]...
stress() {
  local kernel=lab timeout=1800 figures=()
  [ "${1:-}" != --full ] || {
    figures=("${stress_full[@]}") timeout=14400
    shift
  }
  case ${1:-} in
  rt | rt61 | lab) kernel=$1 && shift ;;
  esac
  module_suite "$kernel" --timeout "$timeout" -- tests/vm/stress_module.py "${figures[@]}" "$@"
}
