/* SPDX-License-Identifier: GPL-2.0-only */
/* Scheduling policy and affinity of one thread: sched(7), thin and typed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cpus.h"

/* Flags of sched_setattr(2) that qosd knows; all others are masked on reading. */
#define QOS_SCHED_RESET_ON_FORK 0x01
#define QOS_SCHED_RECLAIM	0x02
#define QOS_SCHED_DL_OVERRUN	0x04
#define QOS_SCHED_FLAGS		(QOS_SCHED_RESET_ON_FORK | QOS_SCHED_RECLAIM | QOS_SCHED_DL_OVERRUN)

struct qos_sched_attr {
	uint32_t policy; /* SCHED_OTHER ... SCHED_DEADLINE, without flags */
	uint64_t flags;	 /* QOS_SCHED_* */
	int32_t nice;	 /* read under every policy; set only with the fair ones */
	uint32_t priority;
	uint64_t
		runtime_ns; /* SCHED_DEADLINE; under the fair ones the slice (kernel 6.12), 0: default */
	uint64_t deadline_ns;
	uint64_t period_ns;
};

/* 0 or -errno (-ESRCH: gone; -EPERM, -EBUSY, -EINVAL: see qos_errno_advice). */
int qos_sched_get(pid_t tid, struct qos_sched_attr *ret);
int qos_sched_set(pid_t tid, const struct qos_sched_attr *attr);
int qos_sched_get_affinity(pid_t tid, struct qos_cpus *ret);
int qos_sched_set_affinity(pid_t tid, const struct qos_cpus *cpus);

/* Same policy with the same parameters and the same RESET_ON_FORK. `nice` and the fair slice are
 * not compared: qosd never changes them. */
bool qos_sched_same(const struct qos_sched_attr *a, const struct qos_sched_attr *b);

/* Has a SCHED_DEADLINE thread runtime left in its current period, or never run in one? From
 * /proc/TID/sched. False: it is or was throttled, or the kernel does not tell (before 6.15 without
 * CONFIG_SCHED_DEBUG), or the thread is gone or has another policy. */
bool qos_sched_is_unthrottled(pid_t tid);

/* The CPUs that are online. 0 or -errno. */
int qos_sched_online(struct qos_cpus *ret);

/* The call's name for qos_errno_advice: "sched_setattr(DEADLINE)", ... */
const char *qos_sched_call_name(uint32_t policy);
