/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an overrun is cut, in numbers that admission, monitor and manager share. A managed thread's
 * task clock is sampled; the sample that finds the budget used up is at most one spacing late, the
 * next may be the first that sees it, and the enforcer takes a moment to act. Admission charges each
 * job with all of that, and with the samples themselves.
 *
 * cost_ns: what one sample takes, a fact of the host (struct qos_host).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "admit/grant.h"

#define QOS_SAMPLE_MIN_NS 25000ULL
#define QOS_SAMPLE_MAX_NS 250000ULL
#define QOS_SAMPLE_COSTS  5	   /* least spacing, in costs of a sample; above 1 */
#define QOS_REACTION_NS	  50000ULL /* of service/enforcer.c: waking up and one system call */

/* Spacing of samples for what was granted. */
uint64_t qos_sample_ns(uint64_t granted_ns, uint64_t cost_ns);

/* What the samples of one job take at most. */
uint64_t qos_sampling_ns(uint64_t granted_ns, uint64_t cost_ns);

/* How far a job may get beyond what it was granted, samples included, before it is cut. */
uint64_t qos_enforcement_ns(uint64_t granted_ns, uint64_t cost_ns);

/* SCHED_DEADLINE's own runtime for a stream: enough above what was granted that a job which is cut,
 * and whose excess the kernel takes off its next period, still has all of its grant there. */
uint64_t qos_kernel_runtime_ns(const struct qos_cpu_stream *wish,
			       const struct qos_stream_grant *grant, uint64_t cost_ns);

/* Is a stream's budget watched at all? Reclaiming under SCHED_DEADLINE takes only what is left. */
bool qos_is_cut(const struct qos_cpu_stream *wish, const struct qos_stream_grant *grant);

/* What one request may use before it is cut, > 0: what was granted and its samples. cap_ppb: the cap
 * of one CPU. `allow` lets a job run on, but not into the share that is left for everything else. */
uint64_t qos_budget_ns(const struct qos_cpu_stream *wish, const struct qos_stream_grant *grant,
		       uint64_t cost_ns, uint64_t cap_ppb);
