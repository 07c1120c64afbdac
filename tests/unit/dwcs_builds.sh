#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kmod/dwcs.h: its orders and its adjustment build for BPF, without a division; the whole of it builds
# as plain C when included twice.
# usage: dwcs_builds.sh SOURCE-DIRECTORY
set -eu

command -v clang >/dev/null || {
  echo "skipped: no clang"
  exit 77
}
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT

cat >"$out/dwcs.bpf.c" <<'C'
#include <linux/types.h>
#include "dwcs.h"

struct dwcs_stream a, b;
int ordering, result;

int dwcs_test(void)
{
	result = dwcs_order(ordering, &a, &b);
	if (dwcs_check(&a) && !dwcs_is_doomed(&a))
		dwcs_reset(&b);
	return dwcs_adjust(&a, result < 0);
}
C
cat >"$out/twice.c" <<'C'
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef long long __s64;
#include "dwcs.h"
#include "dwcs.h"

struct dwcs_stream *pick(struct dwcs_queue *q, __u64 now);
struct dwcs_stream *pick(struct dwcs_queue *q, __u64 now)
{
	return dwcs_pick(q, now);
}
C

arch=/usr/include/$(uname -m)-linux-gnu
clang -O2 -Wall -Wextra -Werror -target bpf -I "$1/kmod" -idirafter "$arch" -S "$out/dwcs.bpf.c" \
  -o "$out/dwcs.s"
grep -q dwcs_test "$out/dwcs.s"
if grep -E '[rw][0-9]+ s?[/%]= ' "$out/dwcs.s"; then
  echo "dwcs.h divides"
  exit 1
fi
clang -O2 -Wall -Wextra -Werror -target bpf -I "$1/kmod" -idirafter "$arch" \
  -c "$out/dwcs.bpf.c" -o "$out/dwcs.o"
for standard in gnu11 c99; do
  "${CC:-cc}" -std=$standard -O2 -Wall -Wextra -Werror -pedantic -I "$1/kmod" -c "$out/twice.c" \
    -o "$out/twice.o"
done
