/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters and histograms of one stream. Several threads of a stream count on several CPUs at once,
 * so every addition is atomic; a reader sees each counter whole, but not all at one moment.
 * Plain C: compiled into the programs, and into the tests that hold it against an oracle.
 */
#pragma once

#include "inline.bpf.h"

QOS_INLINE __u32 hist_log2(__u64 value)
{
	__u32 log = 0;

	for (__u32 step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			log += step;
		}
	}
	return log;
}

__u32 qos_hist_bucket(__u64 ns);
QOS_GLOBAL __u32 qos_hist_bucket(__u64 ns)
{
	__u32 log;

	if (ns >> QOS_HIST_SHIFT_MAX)
		return QOS_HIST_BUCKETS - 1;
	if (!(ns >> QOS_HIST_SHIFT_MIN))
		return 0;
	log = hist_log2(ns);
	return 1 + ((log - QOS_HIST_SHIFT_MIN) << QOS_HIST_SUB_BITS) +
	       ((ns >> (log - QOS_HIST_SUB_BITS)) & ((1 << QOS_HIST_SUB_BITS) - 1));
}

QOS_INLINE void hist_add(__u32 *buckets, __u64 ns, __u32 n)
{
	__u64 bucket = qos_hist_bucket(ns);

	QOS_OPAQUE(bucket);
	if (bucket < QOS_HIST_BUCKETS)
		__sync_fetch_and_add(&buckets[bucket], n);
}

/* Two CPUs may raise it at once: the one that loses tries again, and three in a row do not lose. */
QOS_INLINE void raise_to(__u64 *max, __u64 value)
{
	for (int i = 0; i < 3; i++) {
		__u64 seen = *(volatile __u64 *)max;

		if (value <= seen || __sync_val_compare_and_swap(max, seen, value) == seen)
			return;
	}
}
