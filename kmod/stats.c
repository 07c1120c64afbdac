// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters and histograms of a thread. They are written under the lock of the thread's CPU and read
 * without it: a reader sees each counter whole, but not all at one moment. A stream's are the sum
 * over its threads and over those that it had. The layout of the histograms is that of the BPF
 * monitor (bpf/hist.bpf.h), so that a daemon need not know who counted.
 */
#include "hist.h"
#include "qos.h"

void qos_stats_job(struct qos_stats *stats, u64 deadline_ns, u64 response_ns, u64 used_ns)
{
	stats->jobs++;
	qos_hist_add(stats->response, response_ns);
	qos_hist_add(stats->used, used_ns);
	if (response_ns > stats->response_max_ns)
		stats->response_max_ns = response_ns;
	if (response_ns > deadline_ns)
		stats->late++;
	else
		qos_hist_add(stats->slack, deadline_ns - response_ns);
}

void qos_stats_overrun(struct qos_stats *stats)
{
	stats->overruns++;
}

void qos_stats_latency(struct qos_stats *stats, u64 limit_ns, u64 ns)
{
	qos_hist_add(stats->latency, ns);
	if (ns > stats->latency_max_ns)
		stats->latency_max_ns = ns;
	if (limit_ns && ns > limit_ns)
		stats->latency_passed++;
}

static void hist_fold(u32 *sum, const u32 *buckets)
{
	int i;

	for (i = 0; i < QOS_DWCS_HIST_BUCKETS; i++)
		sum[i] += READ_ONCE(buckets[i]);
}

static u64 larger(u64 a, u64 b)
{
	return a > b ? a : b;
}

void qos_stats_fold(struct qos_stats *sum, const struct qos_stats *stats)
{
	sum->jobs += READ_ONCE(stats->jobs);
	sum->late += READ_ONCE(stats->late);
	sum->served += READ_ONCE(stats->served);
	sum->lost += READ_ONCE(stats->lost);
	sum->windows += READ_ONCE(stats->windows);
	sum->violations += READ_ONCE(stats->violations);
	sum->used_ns += READ_ONCE(stats->used_ns);
	sum->overruns += READ_ONCE(stats->overruns);
	sum->latency_passed += READ_ONCE(stats->latency_passed);
	sum->mandatory += READ_ONCE(stats->mandatory);
	sum->mandatory_lost += READ_ONCE(stats->mandatory_lost);
	sum->spare_ns += READ_ONCE(stats->spare_ns);
	sum->drifts += READ_ONCE(stats->drifts);
	sum->last_release_ns = larger(sum->last_release_ns, READ_ONCE(stats->last_release_ns));
	sum->response_max_ns = larger(sum->response_max_ns, READ_ONCE(stats->response_max_ns));
	sum->latency_max_ns = larger(sum->latency_max_ns, READ_ONCE(stats->latency_max_ns));
	hist_fold(sum->response, stats->response);
	hist_fold(sum->slack, stats->slack);
	hist_fold(sum->used, stats->used);
	hist_fold(sum->latency, stats->latency);
}
