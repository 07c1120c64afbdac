/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How an overrun is cut, in numbers that admission, monitor and manager share. A managed thread's
 * task clock is sampled; the sample that finds the budget used up is at most one sample late, and
 * telling the daemon, and the daemon's change of policy, are given another. So a job gets at most
 * two samples more than its budget, and admission charges them.
 */
#pragma once

#include <stdint.h>

#define QOS_SAMPLE_MIN_NS 25000ULL /* a sample costs about 1 us */
#define QOS_SAMPLE_MAX_NS 250000ULL

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
	return 2 * qos_sample_ns(budget_ns);
}
