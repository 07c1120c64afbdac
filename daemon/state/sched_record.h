/* SPDX-License-Identifier: GPL-2.0-only */
/* How a thread is scheduled, as it is kept in the kernel (bpf/qos_abi.h): policy and affinity. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/types.h>
#include <sys/types.h>

#include "kern/sched.h"
#include "qos_abi.h"
#include "util/cpus.h"

/* Of a thread as it is now. 0 or -errno. */
int qos_record_look(pid_t tid, struct qos_sched_record *ret);

struct qos_cpus qos_record_cpus(const struct qos_sched_record *record);

void qos_record_set_cpus(struct qos_sched_record *record, const struct qos_cpus *cpus);

bool qos_record_same_cpus(const struct qos_sched_record *a, const struct qos_sched_record *b);

/* Everything but the affinity. */
struct qos_sched_attr qos_record_attr(const struct qos_sched_record *record);

void qos_record_set_attr(struct qos_sched_record *record, const struct qos_sched_attr *attr);

void qos_record_copy_attr(struct qos_sched_record *to, const struct qos_sched_record *from);

bool qos_record_same_attr(const struct qos_sched_record *a, const struct qos_sched_record *b);

/* Neither SCHED_FIFO, SCHED_RR nor SCHED_DEADLINE. */
bool qos_policy_is_fair(uint32_t policy);
