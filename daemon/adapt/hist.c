/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quantiles of log-linear histograms. Edges are computed, not stored: the layout in qos_abi.h is
 * the only home of it. A quantile is its bucket's upper edge, so that what is reserved by it is
 * enough. Weakness: the last bucket is open, its edge is "for ever".
 */
#include "adapt/hist.h"

#include <linux/types.h>

#include "qos_abi.h"

#define SUB (1U << QOS_HIST_SUB_BITS)

uint32_t qos_hist_bucket(uint64_t ns)
{
	unsigned int shift, sub;

	if (ns >> QOS_HIST_SHIFT_MIN == 0)
		return 0;
	if (ns >> QOS_HIST_SHIFT_MAX)
		return QOS_HIST_BUCKETS - 1;
	shift = 63 - (unsigned int)__builtin_clzll(ns);
	sub = (unsigned int)(ns >> (shift - QOS_HIST_SUB_BITS)) & (SUB - 1);
	return 1 + ((shift - QOS_HIST_SHIFT_MIN) << QOS_HIST_SUB_BITS) + sub;
}

uint64_t qos_hist_edge(uint32_t bucket)
{
	unsigned int shift;

	if (bucket == 0)
		return UINT64_C(1) << QOS_HIST_SHIFT_MIN;
	if (bucket >= QOS_HIST_BUCKETS - 1)
		return UINT64_MAX;
	shift = QOS_HIST_SHIFT_MIN + ((bucket - 1) >> QOS_HIST_SUB_BITS);
	return (uint64_t)(SUB + ((bucket - 1) & (SUB - 1)) + 1) << (shift - QOS_HIST_SUB_BITS);
}

uint64_t qos_hist_count(const uint32_t *buckets)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < QOS_HIST_BUCKETS; i++)
		sum += buckets[i];
	return sum;
}

uint64_t qos_hist_quantile(const uint32_t *buckets, uint32_t ppm)
{
	/* 210 * 2^32 values * 10^6 stay below 2^60 */
	uint64_t rank = (qos_hist_count(buckets) * ppm + 999999) / 1000000, seen = 0;

	if (rank == 0)
		rank = 1;
	for (uint32_t i = 0; i < QOS_HIST_BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= rank)
			return qos_hist_edge(i);
	}
	return 0;
}

void qos_hist_delta(uint32_t *dst, const uint32_t *now, const uint32_t *before)
{
	for (uint32_t i = 0; i < QOS_HIST_BUCKETS; i++)
		dst[i] = now[i] - before[i];
}
