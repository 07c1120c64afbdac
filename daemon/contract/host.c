/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The facts of a machine as a struct. The defaults are the kernel's own, so that a host of which
 * little is known is judged like a stock one.
 */
#include "contract/host.h"

#include <errno.h>
#include <stdlib.h>

const char *const qos_feature_names[QOS_FEATURE_COUNT] = {
	[QOS_FEATURE_BTF] = "btf",
	[QOS_FEATURE_BPF] = "bpf",
	[QOS_FEATURE_BPFFS] = "bpffs",
	[QOS_FEATURE_TASK_CLOCK] = "task_clock",
	[QOS_FEATURE_UPROBES] = "uprobes",
	[QOS_FEATURE_DEADLINE] = "deadline",
	[QOS_FEATURE_RT] = "rt",
	[QOS_FEATURE_PREEMPT_RT] = "preempt_rt",
	[QOS_FEATURE_CGROUP2] = "cgroup2",
	[QOS_FEATURE_CPUSET_PARTITION] = "cpuset_partition",
	[QOS_FEATURE_TASKSTATS] = "taskstats",
	[QOS_FEATURE_DELAYACCT] = "delayacct",
	[QOS_FEATURE_MODULE] = "module",
	[QOS_FEATURE_SCHED_EXT] = "sched_ext",
	[QOS_FEATURE_SANDBOX] = "sandbox",
	[QOS_FEATURE_DRIFT] = "drift_events",
};

const char *const qos_feature_state_names[] = {
	[QOS_UNKNOWN] = "unknown", [QOS_ABSENT] = "absent",   [QOS_OFF] = "off",
	[QOS_DENIED] = "denied",   [QOS_PRESENT] = "present", NULL,
};

int qos_host_new(struct qos_host **ret)
{
	struct qos_host *host = calloc(1, sizeof(*host));

	if (!host)
		return -ENOMEM;
	host->rt_runtime_us = 950000;
	host->rt_period_us = 1000000;
	host->dl_period_min_ns = 100000;
	host->dl_period_max_ns = UINT64_C(4194304000);
	host->perf_paranoid = 2;
	host->sample_cost_ns = QOS_SAMPLE_COST_DEFAULT;
	*ret = host;
	return 0;
}

static void names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

void qos_host_free(struct qos_host *host)
{
	if (!host)
		return;
	free(host->release);
	free(host->interfaces);
	names_free(host->users, host->n_users);
	names_free(host->groups, host->n_groups);
	free(host);
}

bool qos_host_has(const struct qos_host *host, enum qos_feature feature)
{
	return host->feature[feature] == QOS_PRESENT;
}
