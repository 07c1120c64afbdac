# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What a kernel of the lab starts from: busybox, the modules that it needs to reach the host's files,
# tests/vm/init, and what this run is about.

initramfs_modules() { # KERNEL-DIR
  local release name
  release=$(<"$1/release")
  for name in virtio_pci 9pnet_virtio 9p overlay virtio_console; do
    modprobe -d "$1" -S "$release" --show-depends "$name" || return 1
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# Numbered, so that init loads them by a glob.
initramfs_add_modules() { # KERNEL-DIR ROOT
  local module file i=10
  mkdir "$2/modules" || return 1
  for module in $(initramfs_modules "$1"); do
    file=$2/modules/$i-$(basename "${module%.xz}")
    case $module in
    *.xz) xz -dc "$module" >"$file" || return 1 ;;
    *) cp "$module" "$file" || return 1 ;;
    esac
    i=$((i + 1))
  done
}

# initramfs KERNEL-DIR RUN: makes RUN/initrd; the file RUN/stage goes into it.
initramfs() {
  local kernel=$1 run=$2 root=$2/initramfs
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,proc,sys,lower,upper,merged} || return 1
  cp "$(command -v busybox)" "$root/bin/busybox" &&
    cp tests/vm/init "$root/init" && chmod 755 "$root/init" &&
    cp "$run/stage" "$root/stage" &&
    initramfs_add_modules "$kernel" "$root" || return 1
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$run/initrd" || return 1
  rm -r "$root"
}
