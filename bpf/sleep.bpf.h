/* SPDX-License-Identifier: GPL-2.0-only */
/* Which sleeps may end a job (qos-contract(5)): interruptible ones, and none that waits for a lock. */
#pragma once

/* include/linux/sched.h; stable since 4.14 */
#define TASK_INTERRUPTIBLE 0x0001
#define TASK_DEAD	   0x0080

struct task_struct___rt {
	void *pi_blocked_on;
} __attribute__((preserve_access_index));

struct task_struct___mutex {
	void *blocked_on;
} __attribute__((preserve_access_index));

static __always_inline bool waits_for_lock(struct task_struct *task)
{
	struct task_struct___rt *rt = (void *)task;
	struct task_struct___mutex *mutex = (void *)task;

	if (bpf_core_field_exists(rt->pi_blocked_on) && rt->pi_blocked_on)
		return true;
	return bpf_core_field_exists(mutex->blocked_on) && mutex->blocked_on;
}

/* What does a thread that leaves its CPU? A signal may have kept it from the sleep that prev_state
 * still tells of; __state is TASK_RUNNING then. (A waker may have set it to TASK_WAKING: asleep.) */
static __always_inline __u32 leaves_for(bool preempt, struct task_struct *task, __u32 state)
{
	if (preempt || !state || !task->__state)
		return QOS_DOES_WAIT;
	if (state & TASK_DEAD)
		return QOS_DOES_END;
	if (!(state & TASK_INTERRUPTIBLE) || waits_for_lock(task))
		return QOS_DOES_BLOCK;
	return QOS_DOES_SLEEP;
}
