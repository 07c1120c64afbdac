#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-deb.sh [DIR [VERSION]]: builds the Debian packages and puts them into DIR (default: build/package).
# With VERSION the same sources call themselves that: what an upgrade needs to be tried.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=packaging/tree.sh
. packaging/tree.sh
out=${1:-build/package}
work=build/packages

own=$(sed -n '1s/^qosd (\(.*\)).*/\1/p' packaging/debian/changelog)
version=${2:-$own}
copy=$work/qosd-$version
rm -rf "$work"
mkdir -p "$copy" "$out"
copy_tree "$copy"
sed -i "1s/($own)/($version)/" "$copy/packaging/debian/changelog"
sed -i "s/^  version: '$own',\$/  version: '$version',/" "$copy/meson.build"
cp -a "$copy/packaging/debian" "$copy/debian"

(
  cd "$copy"
  # The tests have their own verb and ran there.
  DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc) ${DEB_BUILD_OPTIONS-}" \
    dpkg-buildpackage --build=binary --no-sign
)

if command -v lintian >/dev/null; then
  lintian --pedantic --fail-on error,warning,info,pedantic "$work"/*.changes
fi
for package in "$work"/*.deb; do
  mv "$package" "$out/"
  echo "$out/${package##*/}"
done
rm -rf "$work"
