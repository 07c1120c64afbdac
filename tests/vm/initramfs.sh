# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a kernel of the lab starts from: busybox, the modules that it needs to reach the host's files,
# tests/vm/init, and what this run is about. With --closed: all of the guest's files (tests/vm/closed.sh).

initramfs_modules() { # KERNEL-DIR NAME...
  local release name
  release=$(<"$1/release")
  for name in "${@:2}"; do
    modprobe -d "$1" -S "$release" --show-depends "$name" || return 1
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Numbered, so that init loads them by a glob.
initramfs_add_modules() { # KERNEL-DIR ROOT NAME...
  local module file i=10
  mkdir "$2/modules" || return 1
  for module in $(initramfs_modules "$1" "${@:3}"); do
    file=$2/modules/$i-$(basename "${module%.xz}")
    case $module in
    *.xz) xz -dc "$module" >"$file" || return 1 ;;
    *) cp "$module" "$file" || return 1 ;;
    esac
    i=$((i + 1))
  done
}

# initramfs KERNEL-DIR RUN [LIST]: makes RUN/initrd; the file RUN/stage goes into it, and with LIST closed_add()'s. To unpack
# all of those takes an emulated machine longer than this one, so they are not compressed.
initramfs() {
  local kernel=$1 run=$2 root=$2/initramfs modules=(virtio_pci virtio_console) pack=cat
  [ -n "${3:-}" ] || modules+=(9pnet_virtio 9p overlay) pack="gzip -1n"
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,proc,sys,lower,upper,merged} || return 1
  cp "$(command -v busybox)" "$root/bin/busybox" &&
    cp tests/vm/init "$root/init" && chmod 755 "$root/init" &&
    cp "$run/stage" "$root/stage" &&
    initramfs_add_modules "$kernel" "$root" "${modules[@]}" || return 1
  [ -z "${3:-}" ] || closed_add "$root" "$3" || return 1
  (cd "$root" && find . | sort | cpio -o -H newc --quiet --reproducible -R 0:0 | $pack) >"$run/initrd" || return 1
  rm -r "$root"
}
