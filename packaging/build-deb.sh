#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-deb.sh [DIR]: builds the Debian packages and puts them into DIR (default: build/package).
# Works in a copy of the tree, so that neither debian/ nor objects appear in the checkout. The copy
# has what git knows or would take, or, without git, everything but build directories.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
out=${1:-build/package}
work=build/packages

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

version=$(sed -n '1s/^qosd (\(.*\)).*/\1/p' packaging/debian/changelog)
copy=$work/qosd-$version
rm -rf "$work"
mkdir -p "$copy" "$out"
tree_files | existing | tar --null --files-from=- -cf - | tar -xf - -C "$copy"
cp -a "$copy/packaging/debian" "$copy/debian"

(
  cd "$copy"
  # The tests have their own verb and ran there.
  DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc) ${DEB_BUILD_OPTIONS-}" \
    dpkg-buildpackage --build=binary --no-sign
)

if command -v lintian >/dev/null; then
  lintian --fail-on error "$work"/*.changes
fi
for package in "$work"/*.deb; do
  mv "$package" "$out/"
  echo "$out/${package##*/}"
done
rm -rf "$work"
