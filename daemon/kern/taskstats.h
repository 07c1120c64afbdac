/* SPDX-License-Identifier: GPL-2.0-only */
/* Telemetry over generic netlink: the TASKSTATS family, asked per thread with libnl. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"

struct qos_taskstats;

/* -ENOENT: the kernel has no such family; -EPERM: no CAP_NET_ADMIN in the initial namespace. */
int qos_taskstats_new(struct qos_taskstats **ret);
void qos_taskstats_free(struct qos_taskstats *taskstats);
QOS_DEFINE_CLEANUP(struct qos_taskstats *, qos_taskstats_free)
#define _cleanup_taskstats_ QOS_CLEANUP(qos_taskstats_freep)

struct qos_taskstats_sample {
	uint64_t cpu_run_ns;   /* CPU time, all */
	uint64_t cpu_delay_ns; /* waited on a run queue; 0 without delay accounting */
	uint64_t voluntary_switches;
	uint64_t involuntary_switches;
};
/* 0, -ESRCH, or -errno. */
int qos_taskstats_read(struct qos_taskstats *taskstats, pid_t tid,
		       struct qos_taskstats_sample *ret);
