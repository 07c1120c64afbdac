// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dispatcher: one kernel thread a CPU, above all that it schedules, which alone sets policies
 * there. It asks levels.c for one change after the other until there is none. While it runs none of
 * its threads does, so its changes take effect as if they were made at once.
 *
 * A level is noted before it is set. Another CPU that wakes a thread up in between sees what will
 * be true when that thread can run.
 */
#include <linux/kthread.h>
#include <uapi/linux/sched/types.h>

#include "qos.h"
#include "rules.h"

/* The next change, noted as made. */
static bool next(struct qos_cpu *cpu, struct qos_thread **thread, u8 *level, bool *urgent)
{
	unsigned long flags;
	bool found;
	u64 now;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	now = ktime_get_ns();
	cpu->acting = NULL;
	WRITE_ONCE(cpu->kicked, false);
	found = qos_levels_next(cpu, now, thread, level);
	/*
	 * What somebody else changed meanwhile is theirs; without the run-queue lock this may miss
	 * a change of this very moment, as if it had come just before.
	 */
	while (found && qos_drift_seen(*thread, now)) {
		qos_cpu_choose(cpu, now); /* it may have been the chosen one */
		found = qos_levels_next(cpu, now, thread, level);
	}
	if (found) {
		struct qos_thread *t = *thread;

		qos_count(cpu, CHANGES);
		if (*level == QOS_DWCS_LEVEL_OTHER)
			qos_count(cpu, DEMOTED);
		else if (!qos_is_runnable(t) && t->level >= QOS_DWCS_LEVEL_READY)
			qos_count(cpu, ARMED);
		if (!qos_is_runnable(t) && t->level == QOS_DWCS_LEVEL_OTHER)
			t->raised = true;
		t->level = *level;
		t->urgent = *urgent = *level == QOS_DWCS_LEVEL_ARMED && cpu->urgent == t;
		if (*level == QOS_DWCS_LEVEL_ARMED && qos_table_will_ask(t))
			cpu->armed = t;
		cpu->acting = t;
		qos_levels_place(t);
	}
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	return found;
}

/* The mutex keeps the thread from being given back, and freed, under our hands. */
static void dispatch(struct qos_cpu *cpu)
{
	struct qos_thread *thread;
	bool urgent;
	u8 level;

	mutex_lock(&cpu->act);
	cpu->counters.n[QOS_DWCS_CPU_COUNT_A_DISPATCHES]++;
	/* Who overran may be given more, and then need not be demoted. */
	if (qos_rules_overran(cpu))
		qos_rules_drain(cpu);
	while (next(cpu, &thread, &level, &urgent)) {
		if (qos_policy_set(thread, level, urgent))
			cpu->counters.n[QOS_DWCS_CPU_COUNT_A_ERRORS]++;
	}
	qos_rules_drain(cpu);
	mutex_unlock(&cpu->act);
}

static int dispatcher(void *data)
{
	struct qos_cpu *cpu = data;

	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(cpu->kicked))
			schedule();
		__set_current_state(TASK_RUNNING);
		if (READ_ONCE(cpu->kicked))
			dispatch(cpu);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

int qos_dispatch_start(struct qos_cpu *cpu)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = QOS_PRIO_DISPATCHER,
	};
	struct task_struct *task;

	task = kthread_create_on_cpu(dispatcher, cpu, cpu->id, "qos_dwcs/%u");
	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_setattr_nocheck(task, &attr);
	cpu->dispatcher = task;
	wake_up_process(task);
	return 0;
}

void qos_dispatch_stop(struct qos_cpu *cpu)
{
	struct task_struct *task = cpu->dispatcher;

	WRITE_ONCE(cpu->dispatcher, NULL);
	kthread_stop(task);
}
