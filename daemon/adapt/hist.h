/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading log-linear histograms (layout: bpf/qos_abi.h). Pure. */
#pragma once

#include <stdint.h>

/* The bucket that counts a value. The BPF side has its own copy of this rule, since it must build
 * without us; tests hold the two together. */
uint32_t qos_hist_bucket(uint64_t ns);

/* The upper edge of a bucket: the least value that it does not count; UINT64_MAX for the last. */
uint64_t qos_hist_edge(uint32_t bucket);

/* The value below which `ppm` millionths of the counted values lie, as the upper edge of its
 * bucket (so never too low, and too high by at most 1/8, but in the two open buckets); 0 if nothing
 * was counted. `buckets` has QOS_HIST_BUCKETS entries. */
uint64_t qos_hist_quantile(const uint32_t *buckets, uint32_t ppm);

/* Number of counted values. */
uint64_t qos_hist_count(const uint32_t *buckets);

/* dst = now - before, bucket by bucket (counters wrap). */
void qos_hist_delta(uint32_t *dst, const uint32_t *now, const uint32_t *before);
