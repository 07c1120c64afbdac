/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct qos_host: the facts of a machine that contracts are checked and admitted against. Facts
 * are passed in: kern/probe.c reads them here, `--host FILE` from another machine's dump.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/cpus.h"
#include "util/diag.h"

/* What a kernel may have or lack. qosctl doctor has a line for each. */
enum qos_feature {
	QOS_FEATURE_BTF,	/* CONFIG_DEBUG_INFO_BTF */
	QOS_FEATURE_BPF,	/* tp_btf programs load (privilege and CONFIG_BPF_EVENTS) */
	QOS_FEATURE_BPFFS,	/* a place for pins */
	QOS_FEATURE_TASK_CLOCK, /* perf software events: overruns are cut in time */
	QOS_FEATURE_UPROBES,	/* job: {begin: uprobe...} */
	QOS_FEATURE_DEADLINE,	/* SCHED_DEADLINE may be set */
	QOS_FEATURE_RT,		/* SCHED_FIFO may be set */
	QOS_FEATURE_PREEMPT_RT,
	QOS_FEATURE_CGROUP2,
	QOS_FEATURE_CPUSET_PARTITION, /* cgroup v2 cpuset controller */
	QOS_FEATURE_TASKSTATS,	      /* generic netlink family TASKSTATS answers */
	QOS_FEATURE_DELAYACCT,	      /* sysctl kernel.task_delayacct = 1 */
	QOS_FEATURE_MODULE,	      /* qos_dwcs is loaded */
	QOS_FEATURE_SCHED_EXT,
	QOS_FEATURE_SANDBOX, /* user namespaces and seccomp: rules in a process */
	QOS_FEATURE_DRIFT,   /* fexit programs: changes by others are told at once, with author */
	QOS_FEATURE_COUNT,
};

enum qos_feature_state { QOS_UNKNOWN, QOS_ABSENT, QOS_OFF, QOS_DENIED, QOS_PRESENT };

/* Lower-case names for JSON and messages, by value: "btf", "bpf", ... / "unknown", "absent", ... */
extern const char *const qos_feature_names[QOS_FEATURE_COUNT];
extern const char *const qos_feature_state_names[];

/* Real-time work on this machine that qosd does not own. */
#define QOS_FOREIGN_MAX 64
struct qos_foreign {
	int32_t tid;
	char comm[16];
	int policy; /* SCHED_FIFO, SCHED_RR, SCHED_DEADLINE */
	int priority;
	uint64_t runtime_ns; /* SCHED_DEADLINE only */
	uint64_t period_ns;
	uint32_t used_ppm; /* of one CPU: average since its start, for FIFO and RR */
	struct qos_cpus cpus;
};

struct qos_interface {
	char name[16];
	uint64_t speed_bps; /* 0: cannot be asked */
	uint64_t
		largest_bytes; /* that is sent at one go, segmentation offload included; 0: not known */
	char qdisc[16]; /* kind of a queue that somebody set up on it; "": the kernel's own */
};

#define QOS_SAMPLE_COST_DEFAULT 1000	/* not known: a machine with a timer in the CPU */
#define QOS_SAMPLE_COST_MAX	1000000 /* ns */

struct qos_host {
	char *release; /* uname -r; may be NULL */
	struct qos_cpus online;
	struct qos_cpus isolated;
	uint32_t hz;	       /* CONFIG_HZ, 0 if not known */
	int64_t rt_runtime_us; /* -1: no limit */
	uint64_t rt_period_us;
	uint64_t fair_runtime_ns; /* fair server, largest of all CPUs; 0: none or not known */
	uint64_t fair_period_ns;
	uint64_t dl_period_min_ns; /* kernel.sched_deadline_period_{min,max}_us */
	uint64_t dl_period_max_ns;
	int64_t perf_paranoid; /* kernel.perf_event_paranoid: named, and watched; a trial decides */
	/* What one sample of a thread's task clock takes from the thread; at most QOS_SAMPLE_COST_MAX.
	 * admit/enforce.h is built on it. */
	uint64_t sample_cost_ns;
	enum qos_feature_state feature[QOS_FEATURE_COUNT];
	struct qos_foreign foreign[QOS_FOREIGN_MAX];
	size_t n_foreign;
	bool foreign_truncated;
	struct qos_interface *interfaces;
	size_t n_interfaces;
	char **users; /* names that exist; NULL with n == 0: not known, so not checked */
	size_t n_users;
	char **groups;
	size_t n_groups;
};

/* An empty host: no CPU online, all features unknown, the rest at its defaults. */
int qos_host_new(struct qos_host **ret);
void qos_host_free(struct qos_host *host);
QOS_DEFINE_CLEANUP(struct qos_host *, qos_host_free)
#define _cleanup_host_ QOS_CLEANUP(qos_host_freep)

/* JSON text (malloc'ed, ends in a newline) of `doctor --dump-host`, and back. host_parse refuses
 * unknown keys and wrong types with a located diagnostic. 0, -EINVAL, -ENOMEM. */
int qos_host_print(const struct qos_host *host, char **ret);
int qos_host_parse(const char *file, const char *text, size_t len, struct qos_diag *diag,
		   struct qos_host **ret);

bool qos_host_has(const struct qos_host *host, enum qos_feature feature);
