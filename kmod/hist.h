/* SPDX-License-Identifier: GPL-2.0-only */
/* Histograms of times, in the layout of the BPF monitor (bpf/hist.bpf.h). Whoever adds holds a lock. */
#pragma once

#include <linux/log2.h>
#include <linux/types.h>

#include "uapi/qos_dwcs.h"

#define QOS_HIST_SHIFT_MIN 10
#define QOS_HIST_SHIFT_MAX 36
#define QOS_HIST_SUB_BITS  3

static inline u32 qos_hist_bucket(u64 ns)
{
	u32 log;

	if (ns >> QOS_HIST_SHIFT_MAX)
		return QOS_DWCS_HIST_BUCKETS - 1;
	if (!(ns >> QOS_HIST_SHIFT_MIN))
		return 0;
	log = ilog2(ns);
	return 1 + ((log - QOS_HIST_SHIFT_MIN) << QOS_HIST_SUB_BITS) +
	       ((ns >> (log - QOS_HIST_SUB_BITS)) & ((1 << QOS_HIST_SUB_BITS) - 1));
}

static inline void qos_hist_add(u32 *buckets, u64 ns)
{
	buckets[qos_hist_bucket(ns)]++;
}
