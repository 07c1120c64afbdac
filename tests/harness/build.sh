# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Build directories: build, build-asan, build-fuzz. All belong to the caller of sudo.

build_targets=()

# Only what can be told better here than by the compiler.
check_buildable() {
  [ -r /sys/kernel/btf/vmlinux ] || die "this kernel has no type information
  (/sys/kernel/btf/vmlinux): the BPF monitor cannot be built. It needs CONFIG_DEBUG_INFO_BTF=y."
  [ ! -e "$1" ] || as_user test -w "$1" ||
    die "$1 belongs to $(stat -c %U "$1"); remove it with: sudo rm -r $1"
}

# configure DIR [MESON OPTION]...: sets up, or looks for new sources; a broken directory is remade.
configure() {
  local dir=$1
  shift
  if [ ! -f "$dir/build.ninja" ]; then
    as_user meson setup "$dir" "$@"
  else
    as_user meson setup --reconfigure "$dir" "$@" || as_user meson setup --wipe "$dir" "$@"
  fi
}

# build DIR [MESON OPTION]...: logs to DIR/logs/build.log and shows the end of it on failure. A
# caller that wants less than everything sets the array build_targets.
build() {
  local dir=$1 log=$1/logs/build.log
  check_buildable "$dir"
  as_user mkdir -p "$dir/logs" || die "cannot make $dir here"
  say "building in $dir (log: $log)"
  if ! { configure "$@" && as_user ninja -C "$dir" "${build_targets[@]}"; } \
    </dev/null 2>&1 | as_user tee "$log" >/dev/null; then
    tail -n 40 "$log" >&2
    die "the build in $dir failed; the whole log is $log"
  fi
}

package() {
  as_user mkdir -p "$1" || die "cannot make $1"
  say "packaging into $1"
  as_user packaging/build-deb.sh "$1" || die "packaging/build-deb.sh failed"
  as_user packaging/build-rpm.sh "$1" || die "packaging/build-rpm.sh failed"
}
