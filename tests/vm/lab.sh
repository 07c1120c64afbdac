# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The lab's own kernel: Debian's 6.12 sources with tests/vm/lab.config, which has sched_ext and every
# checker that a scheduling module should fear. What is kept is what boots and what modules are built
# against, not the objects. It takes 15 minutes of CPU time and 4 GiB, once.

lab_source=linux-source-6.12
lab_config=$PWD/tests/vm/lab.config

lab_version() {
  apt-cache show --no-all-versions "$lab_source" 2>/dev/null | sed -n 's/^Version: //p'
}

# Names the options that did not become what lab.config says: a dependency is off, or a name changed.
lab_check_config() { # CONFIG
  local wrong
  wrong=$(grep -E '^(# )?CONFIG_' "$lab_config" | grep -vxF -f "$1")
  [ -z "$wrong" ] || {
    say "lab: tests/vm/lab.config asks for what this kernel's configuration does not take:"
    printf '%s\n' "$wrong" >&2
    return 1
  }
}

# Nicely, since tests run beside it.
lab_make() { # SOURCE TARGET...
  nice make -s -C "$1" O="$1.build" -j "$(nproc)" "${@:2}"
}

lab_unpack() { # VERSION DIR
  say "lab: unpacking $lab_source $1"
  apt_download "$2/debs" "$lab_source=$1" && dpkg-deb -x "$2"/debs/*.deb "$2/debs" &&
    tar -C "$2" -xf "$2/debs/usr/src/$lab_source.tar.xz" && rm -r "$2/debs"
}

lab_compile() { # SOURCE LOG
  say "lab: building the kernel, which takes a while (log: $2)"
  lab_make "$1" KCONFIG_ALLCONFIG="$lab_config" allnoconfig >"$2" 2>&1 || return 1
  lab_check_config "$1.build/.config" && lab_make "$1" all >>"$2" 2>&1
}

# The kernel's own script picks what modules are built against; without debugging information, of
# vmlinux only the type information and the symbols stay.
lab_keep() { # SOURCE DIR FINAL
  local release
  release=$(<"$1.build/include/config/kernel.release")
  lab_make "$1" run-command \
    KBUILD_RUN_COMMAND="+\$(srctree)/scripts/package/install-extmod-build $2/kdir" &&
    objcopy --strip-debug "$1.build/vmlinux" "$2/kdir/vmlinux" &&
    cp "$1.build/.config" "$2/kdir/" && cp "$1.build/arch/x86/boot/bzImage" "$2/vmlinuz" &&
    cp "$1.build/System.map" "$2/" &&
    lab_make "$1" INSTALL_MOD_PATH="$2" modules_install &&
    ln -sfn ../../../kdir "$2/lib/modules/$release/build" &&
    rm -f "$2/lib/modules/$release/source" && echo "$release" >"$2/release"
}

lab_fill() { # VERSION DIR FINAL
  local source=$2/$lab_source log=$3.log
  lab_unpack "$1" "$2" || return 1
  if ! { lab_compile "$source" "$log" && lab_keep "$source" "$2" >>"$log" 2>&1; }; then
    say "lab: the kernel could not be built; the end of $log:"
    tail -n 20 "$log" >&2
    return 1
  fi
  rm -rf "$source" "$source.build"
}

# Whatever decides what the build makes; the comments of the configuration do not.
lab_recipe() {
  grep -E '^(# )?CONFIG_' "$lab_config"
  declare -f lab_make lab_compile lab_keep
  gcc -dumpfullversion
}

# Is it built already?
lab_is_kept() {
  [ -d "$(lab_cache)/lab_$(lab_version)_$(hash_of "$(lab_recipe)")" ]
}

lab_kernel() {
  local version hash kept
  version=$(lab_version)
  hash=$(hash_of "$(lab_recipe)")
  if [ -z "$version" ]; then
    kept=$(find "$(lab_cache)" -maxdepth 1 -type d -name "lab_*_$hash" | sort -V | tail -n 1)
    [ -n "$kept" ] && echo "$kept"
    return
  fi
  cached "lab_${version}_$hash" lab_fill "$version"
}
