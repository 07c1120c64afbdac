// SPDX-License-Identifier: GPL-2.0-only
/*
 * On PREEMPT_RT the expiry of timers, soft interrupts of timers, lazy irq_work and RCU callbacks of
 * a CPU are kernel threads of that CPU at SCHED_FIFO 1: far below what we schedule, which would
 * keep them from running. While a CPU has managed threads they stand above the band, below the
 * dispatcher.
 *
 * What is not bound to a CPU (the grace-period thread of RCU, workers) lives from what the cap
 * leaves.
 */
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <uapi/linux/sched/types.h>

#include "qos.h"

static const char *const names[] = {"ktimers/%d", "irq_work/%d", "rcuc/%d"};

struct helper {
	struct task_struct *task;
	u32 policy;
	u32 priority;
	s32 nice;
};

static DEFINE_PER_CPU(struct helper[ARRAY_SIZE(names)], helpers);

static struct task_struct *find(const char *name)
{
	struct task_struct *task;

	rcu_read_lock();
	for_each_process(task) {
		if (task->flags & PF_KTHREAD && !strcmp(task->comm, name)) {
			get_task_struct(task);
			rcu_read_unlock();
			return task;
		}
	}
	rcu_read_unlock();
	return NULL;
}

static void set(struct task_struct *task, u32 policy, u32 priority, s32 nice)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = policy,
		.sched_priority = priority,
		.sched_nice = nice,
	};

	sched_setattr_nocheck(task, &attr);
}

static void raise(struct helper *helper, const char *name)
{
	struct task_struct *task = find(name);

	if (!task)
		return; /* this kernel has no such thread */
	helper->task = task;
	helper->policy = task->policy;
	helper->priority = task->rt_priority;
	helper->nice = task_nice(task);
	if (helper->priority < QOS_PRIO_HELPERS)
		set(task, SCHED_FIFO, QOS_PRIO_HELPERS, 0);
}

/* Somebody else's choice since then stays. */
static void restore(struct helper *helper)
{
	struct task_struct *task = helper->task;

	if (!task)
		return;
	if (task->policy == SCHED_FIFO && task->rt_priority == QOS_PRIO_HELPERS)
		set(task, helper->policy, helper->priority, helper->nice);
	put_task_struct(task);
	helper->task = NULL;
}

void qos_helpers_raise(int cpu)
{
	char name[TASK_COMM_LEN];
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), names[i], cpu);
		raise(&per_cpu(helpers, cpu)[i], name);
	}
}

void qos_helpers_restore(int cpu)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		restore(&per_cpu(helpers, cpu)[i]);
}
