/* SPDX-License-Identifier: GPL-2.0-only */
/* What admission answers: three numbers a stream, where and how it runs, and how sure that is. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "contract/contract.h"
#include "util/cpus.h"

enum qos_policy {
	QOS_POLICY_NONE,     /* manage: observe */
	QOS_POLICY_DEADLINE, /* SCHED_DEADLINE on all CPUs that are not isolated */
	QOS_POLICY_FIFO,     /* SCHED_FIFO on `cpus` (one CPU), `priority` */
	QOS_POLICY_DWCS,     /* by the module on `cpus` (one CPU), `ordering` */
};

extern const char *const qos_policy_names[]; /* none deadline fifo dwcs */

struct qos_stream_grant {
	/* Reserved, never below the contract's `runtime` while supply lasts; 0 if observed. */
	uint64_t guaranteed_ns;
	uint64_t granted_ns; /* in force now */
	uint64_t wanted_ns;  /* asked for: `runtime`, the slow loop's or a person's wish */
	enum qos_policy policy;
	struct qos_cpus cpus; /* where it may run */
	uint32_t priority;    /* SCHED_FIFO: within the band; else 0 */
	uint32_t ordering;    /* of the CPU under the module: enum dwcs_ordering */
	enum qos_guarantee guarantee;
	/* Static name of what says so: "gfb", "edf-demand", "rta", "windows-...", "none". */
	const char *test;
	uint64_t
		plan; /* of its CPU under the module: another one wants other claims; 0: no proof */
	uint64_t response_ns; /* proven bound on the response time of a job; 0: only the deadline */
};

/* One network stream's. */
struct qos_net_grant {
	uint64_t guaranteed_bps; /* reserved; 0 if observed, or while its interface is awaited */
	uint64_t granted_bps;	 /* in force now */
	uint64_t wanted_bps;
	enum qos_guarantee guarantee;
	const char *test;  /* "link-levels", "link-edf", "none" */
	uint64_t delay_ns; /* proven bound on a packet's delay; 0: only the deadline, or nothing */
	uint32_t level;	   /* of strict priority on its link, 0 first */
	bool waits;	   /* there is no such interface now */
};

/* The grant of one contract; streams[i] belongs to contract->cpu[i]. */
struct qos_grant {
	struct qos_stream_grant *streams;
	size_t n_streams;
	struct qos_net_grant *net; /* [i] belongs to contract->net[i] */
	size_t n_net;
	enum qos_guarantee guarantee; /* its streams' weakest; PROVEN if it schedules none */
};
