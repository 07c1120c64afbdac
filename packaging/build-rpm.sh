#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# build-rpm.sh [DIR]: builds the RPM packages and puts them into DIR (default: build/package); also on
# Debian, whose rpm knows of no installed package, so build dependencies are not asked for there.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=packaging/tree.sh
. packaging/tree.sh
out=${1:-build/package}
work=$PWD/build/rpm
version=$(sed -n 's/^Version: *//p' packaging/rpm/qosd.spec)

rm -rf "$work"
mkdir -p "$work/SOURCES" "$work/qosd-$version" "$out"
copy_tree "$work/qosd-$version"
tar -C "$work" -czf "$work/SOURCES/qosd-$version.tar.gz" "qosd-$version"

nodeps=()
[ ! -e /etc/debian_version ] || nodeps=(--nodeps)
rpmbuild -bb --define "_topdir $work" "${nodeps[@]}" packaging/rpm/qosd.spec

mapfile -t packages < <(find "$work/RPMS" -name '*.rpm')
if command -v rpmlint >/dev/null; then
  rpmlint --strict --config packaging/rpm/rpmlint.toml packaging/rpm/qosd.spec "${packages[@]}"
fi
for package in "${packages[@]}"; do
  mv "$package" "$out/"
  echo "$out/${package##*/}"
done
rm -rf "$work"
