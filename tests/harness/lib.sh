# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What every verb of dev uses. Sourced at the top of the tree; changes nothing but the environment.

# Debian keeps bpftool and others where a plain user's PATH does not look.
export PATH="$PATH:/usr/sbin:/sbin"
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

# Under sudo the checkout belongs to somebody else than the process, which git refuses by default.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$PWD"

say() {
  printf '== %s\n' "$*" >&2
}

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

is_root() {
  [ "$(id -u)" -eq 0 ]
}

need_root() {
  is_root || die "$1 sets scheduling policies, which needs root: sudo ./dev $1"
}

# As the user who called sudo, in his own groups; without sudo as whoever runs this.
drop_to_caller() {
  local home
  home=$(getent passwd "$SUDO_UID" | cut -d: -f6)
  setpriv --reuid "$SUDO_UID" --regid "$SUDO_GID" --init-groups \
    env HOME="${home:-/nonexistent}" "$@"
}

# A checkout that the caller of sudo cannot write (root made it) is built by root.
caller_builds() {
  is_root && [ "${SUDO_UID:-0}" -ne 0 ] && drop_to_caller test -w .
}

as_user() {
  if caller_builds; then
    drop_to_caller "$@"
  else
    "$@"
  fi
}

# Gives back to the caller what root had to write inside his build directory.
give_back() {
  if caller_builds; then
    chown -R --from=0 "$SUDO_UID:$SUDO_GID" "$@"
  fi
}

# The project's files that match the patterns: tracked ones and new ones, no ignored ones.
tree_files() {
  local file
  as_user git ls-files -co --exclude-standard -- "$@" | sort -u | while IFS= read -r file; do
    [ ! -f "$file" ] || printf '%s\n' "$file"
  done
}
