/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sample costs about 1 us where the timer is the CPU's own, 20 us and more where each interrupt
 * leaves a virtual machine. At spacing s a job of c is charged c + cost * c/s + 2s and a constant,
 * which is least at s = sqrt(c * cost / 2): 100 us for 1 ms at 20 us. So a twentieth of what was
 * granted, but never less than five times the cost. That is close to the least charge for the jobs
 * of 0.1 to 10 ms that contracts are about, and no thread gives more than a fifth of its time for
 * being watched.
 *
 * Weakness: the samples follow the thread's CPU time, not its jobs, so a job that stays far within
 * its budget meets them too. An event cannot be armed anew from a BPF program, and a system call a
 * job would cost more than the samples do.
 */
#include "admit/enforce.h"

uint64_t qos_sample_ns(uint64_t granted_ns, uint64_t cost_ns)
{
	uint64_t least = QOS_SAMPLE_COSTS * cost_ns, sample = granted_ns / 20;

	if (sample < QOS_SAMPLE_MIN_NS)
		sample = QOS_SAMPLE_MIN_NS;
	if (sample > QOS_SAMPLE_MAX_NS)
		sample = QOS_SAMPLE_MAX_NS;
	return sample < least ? least : sample;
}

/* The first may be due at once, and they take time in which further ones fall due: n samples lie in
 * a stretch of granted + n * cost, so n <= (granted + n * cost) / spacing + 1. */
uint64_t qos_sampling_ns(uint64_t granted_ns, uint64_t cost_ns)
{
	uint64_t sample = qos_sample_ns(granted_ns, cost_ns);

	return cost_ns * ((granted_ns + sample) / (sample - cost_ns));
}

uint64_t qos_enforcement_ns(uint64_t granted_ns, uint64_t cost_ns)
{
	return qos_sampling_ns(granted_ns, cost_ns) + 2 * qos_sample_ns(granted_ns, cost_ns) +
	       QOS_REACTION_NS;
}

uint64_t qos_kernel_runtime_ns(const struct qos_cpu_stream *wish,
			       const struct qos_stream_grant *grant, uint64_t cost_ns)
{
	uint64_t runtime = grant->granted_ns;

	if (wish->overrun != QOS_OVERRUN_ALLOW)
		runtime += qos_enforcement_ns(runtime, cost_ns);
	return runtime < wish->deadline_ns ? runtime : wish->deadline_ns;
}

bool qos_is_cut(const struct qos_cpu_stream *wish, const struct qos_stream_grant *grant)
{
	return grant->policy == QOS_POLICY_FIFO ||
	       (grant->policy == QOS_POLICY_DEADLINE && wish->overrun != QOS_OVERRUN_ALLOW);
}

uint64_t qos_budget_ns(const struct qos_cpu_stream *wish, const struct qos_stream_grant *grant,
		       uint64_t cost_ns, uint64_t cap_ppb)
{
	uint64_t most = (uint64_t)((unsigned __int128)wish->period.ns * cap_ppb / 1000000000);
	uint64_t own = grant->granted_ns + qos_sampling_ns(grant->granted_ns, cost_ns);

	if (grant->policy == QOS_POLICY_DEADLINE)
		return qos_kernel_runtime_ns(wish, grant, cost_ns);
	if (wish->overrun != QOS_OVERRUN_ALLOW || most < own)
		return own;
	return most;
}
