# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# ./dev kmod: the module in kmod/ for a kernel of the lab, with W=1 and warnings as errors. Nothing is
# written beside the sources: the build directory has a Kbuild that says where they are.

# What make -C takes to build a module for that kernel.
kmod_kdir() { # KERNEL
  local dir
  dir=$(kernel_dir "$1") && realpath "$dir/kdir"
}

kmod_out() { # KERNEL SOURCE
  local name
  name=$(basename "$2")
  [ "$name" = kmod ] && echo "$PWD/build/kmod/$1" || echo "$PWD/build/kmod/$1.$name"
}

# kbuild (before 6.13) builds in the directory of the Kbuild file, from sources beside it. So that file
# is one of ours, with a rule of its own, and reads the real one with $(src) as that expects it.
kmod_write_kbuild() { # SOURCE
  cat <<TEXT
# made by ./dev kmod
src := $1
include \$(src)/Kbuild

\$(obj)/%.o: \$(src)/%.c FORCE
	\$(call if_changed_rule,cc_o_c)
TEXT
}

# Prints the modules that it made.
kmod() { # KERNEL [SOURCE-DIRECTORY]
  local kernel=${1:-} source=${2:-kmod} kdir out
  [ -f "$source/Kbuild" ] || die "$source has no Kbuild file: there is no module to build"
  source=$(realpath "$source")
  kdir=$(kmod_kdir "$kernel") || die "no kernel \"$kernel\""
  out=$(kmod_out "$kernel" "$source")
  as_user mkdir -p "$out" || die "cannot make $out"
  kmod_write_kbuild "$source" | as_user tee "$out/Kbuild" >/dev/null
  say "building $source for $kernel in $out"
  as_user make -j "$(nproc)" -C "$kdir" M="$out" W=1 KCFLAGS=-Werror modules >&2 ||
    die "the module does not build for $kernel"
  find "$out" -maxdepth 1 -name '*.ko'
}
