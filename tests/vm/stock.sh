# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Debian's own PREEMPT_RT kernels, with their headers: downloaded and unpacked into the cache, never
# installed.

# The newest release of a series that apt offers, as uname -r has it.
stock_newest() { # SERIES
  apt-cache pkgnames "linux-image-$1." | grep -xE 'linux-image-[0-9]+(\.[0-9]+)+[^ ]*-rt-amd64' |
    sed 's/^linux-image-//' | sort -V | tail -n 1
}

# The newest one in the cache: what is left when apt knows none, as without a network.
stock_kept() { # SERIES
  find "$(lab_cache)" -maxdepth 1 -type d -name "$1.*-rt-amd64_*" 2>/dev/null | sort -V | tail -n 1
}

stock_packages() { # RELEASE
  echo "linux-image-$1 linux-headers-$1"
  apt-cache depends "linux-headers-$1" | sed -n 's/^  Depends: \(linux-\(headers\|kbuild\)-.*\)/\1/p'
}

# Debian's headers find each other by absolute paths.
stock_relocate() { # DIR FINAL RELEASE
  sed -i "s|/usr/src/|$2/usr/src/|" "$1/usr/src/linux-headers-$3/Makefile" || return 1
  ln -sfn "../../../usr/src/linux-headers-$3" "$1/lib/modules/$3/build"
  rm -f "$1/lib/modules/$3/source"
  ln -s "usr/src/linux-headers-$3" "$1/kdir"
  ln -s "boot/vmlinuz-$3" "$1/vmlinuz"
}

stock_fill() { # RELEASE DIR FINAL
  local release=$1 dir=$2 final=$3 debs=$2/debs deb packages
  say "lab: downloading the kernel $release"
  mapfile -t packages < <(stock_packages "$release" | xargs -n 1)
  apt_download "$debs" "${packages[@]}" || return 1
  for deb in "$debs"/*.deb; do
    dpkg-deb -x "$deb" "$dir" || return 1
  done
  rm -r "$debs"
  stock_relocate "$dir" "$final" "$release" || return 1
  depmod -b "$dir" "$release" || return 1
  echo "$release" >"$dir/release"
}

stock_kernel() { # SERIES
  local release
  release=$(stock_newest "$1")
  if [ -n "$release" ] &&
    cached "${release}_$(hash_of "$(declare -f stock_packages stock_relocate stock_fill)")" stock_fill "$release"; then
    return
  fi
  stock_kept "$1" | grep .
}
