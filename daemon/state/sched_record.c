/* SPDX-License-Identifier: GPL-2.0-only */
#include "state/sched_record.h"

#include <linux/sched.h>
#include <string.h>

struct qos_cpus qos_record_cpus(const struct qos_sched_record *record)
{
	struct qos_cpus cpus;

	memcpy(cpus.word, record->cpus, sizeof(cpus.word));
	return cpus;
}

void qos_record_set_cpus(struct qos_sched_record *record, const struct qos_cpus *cpus)
{
	memcpy(record->cpus, cpus->word, sizeof(record->cpus));
}

bool qos_record_same_cpus(const struct qos_sched_record *a, const struct qos_sched_record *b)
{
	return memcmp(a->cpus, b->cpus, sizeof(a->cpus)) == 0;
}

struct qos_sched_attr qos_record_attr(const struct qos_sched_record *record)
{
	return (struct qos_sched_attr){
		.policy = record->policy,
		.flags = record->flags,
		.nice = record->nice,
		.priority = record->priority,
		.runtime_ns = record->runtime_ns,
		.deadline_ns = record->deadline_ns,
		.period_ns = record->period_ns,
	};
}

void qos_record_set_attr(struct qos_sched_record *record, const struct qos_sched_attr *attr)
{
	record->policy = attr->policy;
	record->nice = attr->nice;
	record->priority = attr->priority;
	record->flags = (__u32)attr->flags;
	record->runtime_ns = attr->runtime_ns;
	record->deadline_ns = attr->deadline_ns;
	record->period_ns = attr->period_ns;
}

void qos_record_copy_attr(struct qos_sched_record *to, const struct qos_sched_record *from)
{
	struct qos_sched_attr attr = qos_record_attr(from);

	qos_record_set_attr(to, &attr);
}

bool qos_record_same_attr(const struct qos_sched_record *a, const struct qos_sched_record *b)
{
	struct qos_sched_attr x = qos_record_attr(a), y = qos_record_attr(b);

	return qos_sched_same(&x, &y);
}

bool qos_policy_is_fair(uint32_t policy)
{
	return policy != SCHED_FIFO && policy != SCHED_RR && policy != SCHED_DEADLINE;
}

int qos_record_look(pid_t tid, struct qos_sched_record *ret)
{
	struct qos_sched_record now = {};
	struct qos_sched_attr attr;
	struct qos_cpus cpus;
	int r;

	r = qos_sched_get(tid, &attr);
	if (r == 0)
		r = qos_sched_get_affinity(tid, &cpus);
	if (r < 0)
		return r;
	qos_record_set_attr(&now, &attr);
	qos_record_set_cpus(&now, &cpus);
	*ret = now;
	return 0;
}
