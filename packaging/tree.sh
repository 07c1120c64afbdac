# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A copy of the tree, so that neither debian/ nor objects appear in the checkout: what git knows or
# would take, or, without git, everything but build directories. Sourced at the top of the tree.

tree_files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -name 'build*' -prune -type d -o -type f -print0
  fi
}

# A listed file may be gone from the disk: deleted, and not yet committed.
existing() {
  local file
  while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
  done
}

copy_tree() { # DIR
  tree_files | existing | tar --null --files-from=- -cf - | tar -xf - -C "$1"
}
