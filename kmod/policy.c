// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a level is to the kernel, and what a thread was before. Every policy that we set carries
 * RESET_ON_FORK, so that no child is real-time by accident; it gets what its parent had before from
 * qos_policy_give_child().
 *
 * Weakness: of SCHED_OTHER only the nice value is recorded, not a slice of its own (6.12).
 */
#include <linux/slab.h>
#include <uapi/linux/sched/types.h>

#include "qos.h"

static u32 priority_of(u8 level, bool urgent)
{
	if (urgent)
		return QOS_PRIO_URGENT;
	return qos_config.band_last - (QOS_DWCS_LEVEL_ARMED - level);
}

struct qos_origin *qos_origin_new(struct task_struct *task, int cpu)
{
	struct qos_origin *origin = kzalloc(sizeof(*origin), GFP_KERNEL);

	if (!origin)
		return NULL;
	if (!alloc_cpumask_var(&origin->affinity, GFP_KERNEL)) {
		kfree(origin);
		return NULL;
	}
	refcount_set(&origin->refs, 1);
	origin->policy = task->policy;
	origin->priority = task->rt_priority;
	origin->nice = task_nice(task);
	origin->reset_on_fork = task->sched_reset_on_fork;
	origin->cpu = cpu;
	cpumask_copy(origin->affinity, &task->cpus_mask);
	return origin;
}

void qos_origin_put(struct qos_origin *origin)
{
	if (!origin || !refcount_dec_and_test(&origin->refs))
		return;
	free_cpumask_var(origin->affinity);
	kfree(origin);
}

/* Process context. */
int qos_policy_set(const struct qos_thread *thread, u8 level, bool urgent)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
		.sched_policy = SCHED_NORMAL,
		.sched_nice = thread->origin->nice,
	};

	if (level >= QOS_DWCS_LEVEL_READY) {
		attr.sched_policy = SCHED_FIFO;
		attr.sched_priority = priority_of(level, urgent);
	}
	return sched_setattr_nocheck(thread->task, &attr);
}

/* Policies change under the run-queue lock; without it the answer may be that of a moment ago. */
bool qos_policy_is(const struct qos_thread *thread)
{
	const struct task_struct *task = thread->task;

	if (thread->level == QOS_DWCS_LEVEL_OTHER)
		return READ_ONCE(task->policy) == SCHED_NORMAL;
	return READ_ONCE(task->policy) == SCHED_FIFO &&
	       READ_ONCE(task->rt_priority) == priority_of(thread->level, thread->urgent);
}

static void set_origin(struct task_struct *task, const struct qos_origin *origin)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_flags = origin->reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0,
		.sched_policy = origin->policy,
		.sched_nice = origin->nice,
		.sched_priority = origin->priority,
	};

	sched_setattr_nocheck(task, &attr);
}

static void set_affinity(struct task_struct *task, const struct qos_origin *origin)
{
	if (!cpumask_equal(&task->cpus_mask, cpumask_of(origin->cpu)))
		return; /* somebody else's, by now */
	/* None of them may be left: then anywhere is better than where it is pinned. */
	if (set_cpus_allowed_ptr(task, origin->affinity))
		set_cpus_allowed_ptr(task, cpu_possible_mask);
}

/* The dispatcher knows the thread no more. A level that is not what we set is somebody else's. */
void qos_policy_give_back(struct qos_thread *thread)
{
	struct task_struct *task = thread->task;

	if (READ_ONCE(task->exit_state))
		return;
	if (thread->level != QOS_DWCS_LEVEL_NONE && qos_policy_is(thread))
		set_origin(task, thread->origin);
	set_affinity(task, thread->origin);
}

/* A program may always lower its real-time priority, but not keep one that only we gave it. */
void qos_policy_take_gift(struct qos_thread *thread)
{
	struct task_struct *task = thread->task;
	const struct qos_origin *origin = thread->origin;
	bool real_time = task->policy == SCHED_FIFO || task->policy == SCHED_RR;
	u32 last = thread->urgent ? QOS_PRIO_URGENT : qos_config.band_last;
	bool was = origin->policy == SCHED_FIFO || origin->policy == SCHED_RR;

	if (real_time && task->rt_priority <= last &&
	    (!was || task->rt_priority > origin->priority))
		set_origin(task, origin);
}

/* It was born with RESET_ON_FORK, at its parent's CPU. */
void qos_policy_give_child(struct task_struct *child, const struct qos_origin *origin)
{
	if (READ_ONCE(child->exit_state))
		return;
	if (child->policy == SCHED_NORMAL && !origin->reset_on_fork)
		set_origin(child, origin);
	set_affinity(child, origin);
}
