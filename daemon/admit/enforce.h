/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an overrun is cut, in numbers that admission, monitor and manager share. A managed thread's
 * task clock is sampled; the sample that finds the budget used up is at most one sample late, the
 * next may be the first that sees it, and the enforcer takes a moment to act. Admission charges each
 * job with all of that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "admit/grant.h"

#define QOS_SAMPLE_MIN_NS 25000ULL /* a sample costs about 1 us */
#define QOS_SAMPLE_MAX_NS 250000ULL
#define QOS_REACTION_NS	  50000ULL /* of service/enforcer.c: waking up and one system call */

/* Spacing of samples for a budget: a twentieth of it, within the bounds. */
static inline uint64_t qos_sample_ns(uint64_t budget_ns)
{
	uint64_t sample = budget_ns / 20;

	if (sample < QOS_SAMPLE_MIN_NS)
		return QOS_SAMPLE_MIN_NS;
	return sample < QOS_SAMPLE_MAX_NS ? sample : QOS_SAMPLE_MAX_NS;
}

/* How far a job may get beyond its budget before it is cut. */
static inline uint64_t qos_enforcement_ns(uint64_t budget_ns)
{
	return 2 * qos_sample_ns(budget_ns) + QOS_REACTION_NS;
}

/* SCHED_DEADLINE's own runtime for a stream: enough above what was granted that a job which is cut,
 * and whose excess the kernel takes off its next period, still has all of its grant there. */
static inline uint64_t qos_kernel_runtime_ns(const struct qos_cpu_stream *wish,
					     const struct qos_stream_grant *grant)
{
	uint64_t runtime = grant->granted_ns;

	if (wish->overrun != QOS_OVERRUN_ALLOW)
		runtime += qos_enforcement_ns(runtime);
	return runtime < wish->deadline_ns ? runtime : wish->deadline_ns;
}

/* Is a stream's budget watched at all? Reclaiming under SCHED_DEADLINE takes only what is left. */
static inline bool qos_is_cut(const struct qos_cpu_stream *wish,
			      const struct qos_stream_grant *grant)
{
	return grant->policy == QOS_POLICY_FIFO ||
	       (grant->policy == QOS_POLICY_DEADLINE && wish->overrun != QOS_OVERRUN_ALLOW);
}

/* What one request may use before it is cut, > 0; cap_ppb: the cap of one CPU. `allow` lets a job
 * run on, but not into the share that is left for everything else. */
static inline uint64_t qos_budget_ns(const struct qos_cpu_stream *wish,
				     const struct qos_stream_grant *grant, uint64_t cap_ppb)
{
	uint64_t most = (uint64_t)((unsigned __int128)wish->period.ns * cap_ppb / 1000000000);

	if (grant->policy == QOS_POLICY_DEADLINE)
		return qos_kernel_runtime_ns(wish, grant);
	if (wish->overrun != QOS_OVERRUN_ALLOW || most < grant->granted_ns)
		return grant->granted_ns;
	return most;
}
