# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Where the lab keeps its kernels: outside the tree, one directory a kernel, named by version and by
# a hash of whatever decides what is in it. A directory is filled under another name and renamed when
# it is complete, so that an interrupted build leaves nothing that looks finished. Nothing here is
# ever removed but by hand.
#
# Each has: vmlinuz, release (what uname -r will say), kdir (to build modules against), lib/modules.

lab_cache() {
  if [ -n "${QOS_CACHE:-}" ]; then
    printf '%s\n' "$QOS_CACHE"
  elif is_root; then
    printf '%s\n' "${XDG_CACHE_HOME:-/var/cache}/qosd"
  else
    printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/qosd"
  fi
}

hash_of() { # TEXT...
  printf '%s\n' "$@" | sha256sum | cut -c 1-12
}

# Fills $final by way of a directory beside it; in a subshell, which an interrupt ends.
fill() { # FINAL COMMAND...: called with the directory to fill and its final name
  local final=$1 partial
  shift
  rm -rf "$(dirname "$final")/.partial.$(basename "$final")".*
  partial=$(mktemp -d "$(dirname "$final")/.partial.$(basename "$final").XXXXXX") || return 1
  # shellcheck disable=SC2064
  trap "rm -rf '$partial'" EXIT
  trap 'exit 1' INT TERM
  "$@" "$partial" "$final" && chmod 755 "$partial" && mv -T "$partial" "$final"
}

# Prints the directory of that name; what is not there yet, the command fills. Two that want the same
# take turns, and the second one finds it done.
cached() { # NAME COMMAND...
  local dir
  dir=$(lab_cache)/$1
  shift
  if [ ! -d "$dir" ]; then
    mkdir -p "$(dirname "$dir")" || return 1
    (
      flock 9
      [ -d "$dir" ] || fill "$dir" "$@"
    ) 9>"$dir.lock" >&2 || return 1
  fi
  printf '%s\n' "$dir"
}
