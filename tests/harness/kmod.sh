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
	\$(call cmd,force_checksrc)
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

# Of the newest stock kernel; its self-tests too. Checked at each run, also what is built already.
kmod_sparse() {
  local kdir out=$PWD/build/kmod/sparse
  kdir=$(kmod_kdir rt) || return 77
  as_user mkdir -p "$out/selftest" || return 1
  kmod_write_kbuild "$PWD/kmod" | as_user tee "$out/Kbuild" >/dev/null
  as_user make -s -j "$(nproc)" -C "$kdir" M="$out" QOS_DEBUG=1 C=2 CHECK="sparse -Wsparse-error" qos_dwcs.o
}

# checkpatch.pl comes only with the kernel's sources; of these it is kept alone.
checkpatch_fill() { # VERSION DIR FINAL
  # shellcheck disable=SC2154 # tests/vm/lab.sh has it
  local tar=usr/src/$lab_source.tar.xz
  apt_download "$2/debs" "$lab_source=$1" && dpkg-deb --fsys-tarfile "$2"/debs/*.deb | tar -x -C "$2" "./$tar" &&
    tar -C "$2" -xf "$2/$tar" --strip-components=2 \
      "$lab_source"/scripts/{checkpatch.pl,spelling.txt,const_structs.checkpatch} &&
    rm -r "${2:?}"/{debs,usr}
}

checkpatch_dir() {
  local version
  version=$(lab_version)
  if [ -n "$version" ]; then
    cached "checkpatch_${version}_$(hash_of "$(declare -f checkpatch_fill)")" checkpatch_fill "$version"
  else
    find "$(lab_cache)" -maxdepth 1 -type d -name 'checkpatch_*' | sort -V | tail -n 1 | grep .
  fi
}

# The rules that are not followed are the rows of the table in kmod/README.md, which has the reasons.
kmod_checkpatch() {
  local dir ignored
  dir=$(checkpatch_dir) || return 77
  ignored=$(sed -nE 's/^\| ([A-Z_]+) \|.*/\1/p' kmod/README.md | paste -s -d ,)
  perl "$dir/checkpatch.pl" --strict --no-tree --no-summary --terse --show-types --ignore "$ignored" \
    -f kmod/*.[ch] kmod/uapi/*.h kmod/selftest/*.c
}
