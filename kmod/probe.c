// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler's tracepoints. They are not exported to modules, so they are found by name.
 *
 * A probe runs with preemption off, sched_switch and sched_wakeup with the run-queue lock held as
 * well. None wakes, allocates, prints or sends.
 *
 * fork: the child has SCHED_OTHER by RESET_ON_FORK, and its parent's affinity, which is one CPU.
 * What it should have is set by the worker. A child's child, born before that, inherits the wrong
 * affinity again, so children count as parents. And they, and threads that were given back, do so
 * for a while after they were set right: what a child inherits is copied long before the tracepoint
 * tells of it. Weakness: a fork that is preempted for longer than that stays pinned, and so does
 * what finds more than FAMILY_MAX others before it (counted as RING_FULL).
 */
#include <linux/binfmts.h>
#include <linux/irq_work.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "qos.h"

#define FAMILY_MAX 256

/* Whose children are to get what `origin` says. */
struct member {
	struct task_struct *task;
	struct qos_origin *origin;
	u64 until_ns; /* 0: it is to be set right itself; else when it may be forgotten */
};

static struct member family[FAMILY_MAX];
static u32 family_n;
static DEFINE_RAW_SPINLOCK(family_lock);

static void wake_worker(struct irq_work *work)
{
	qos_event_wake();
}

static struct irq_work family_kick = IRQ_WORK_INIT_HARD(wake_worker);

/*
 * A signal may have kept the thread from the sleep that prev_state still tells of; __state is
 * TASK_RUNNING then.
 */
static enum qos_doing leaves_for(bool preempt, struct task_struct *task, unsigned int state)
{
	if (preempt || !state || !READ_ONCE(task->__state))
		return QOS_DOES_WAIT;
	if (state & TASK_DEAD)
		return QOS_DOES_END;
	if (!(state & TASK_INTERRUPTIBLE) || qos_task_waits_for_lock(task))
		return QOS_DOES_BLOCK;
	return QOS_DOES_SLEEP;
}

static void probe_switch(void *data, bool preempt, struct task_struct *prev,
			 struct task_struct *next, unsigned int prev_state)
{
	struct qos_thread *out = qos_thread_find(prev), *in = qos_thread_find(next);
	enum qos_doing doing = QOS_DOES_WAIT;
	int cpu = smp_processor_id();

	if (likely(!out && !in))
		return;
	if (out)
		doing = leaves_for(preempt, prev, prev_state);
	if (out && out->cpu->id != cpu) {
		qos_cpu_stray(out, doing);
		out = NULL;
	}
	if (in && in->cpu->id != cpu) {
		qos_cpu_stray(in, QOS_DOES_RUN);
		in = NULL;
	}
	if (out || in)
		qos_cpu_switch(out, in, doing);
}

static void probe_wakeup(void *data, struct task_struct *task)
{
	struct qos_thread *thread = qos_thread_find(task);

	if (unlikely(thread))
		qos_cpu_wakeup(thread);
}

static struct qos_origin *origin_of(struct task_struct *parent)
{
	struct qos_thread *thread = qos_thread_find(parent);
	u32 i;

	if (thread)
		return thread->origin;
	for (i = 0; i < family_n; i++) {
		if (family[i].task == parent)
			return family[i].origin;
	}
	return NULL;
}

/* Under the lock; refs are the caller's business when there was no room (false). */
static bool family_add(struct task_struct *task, struct qos_origin *origin, u64 until_ns)
{
	if (family_n == FAMILY_MAX)
		return false;
	refcount_inc(&origin->refs);
	family[family_n] = (struct member){get_task_struct(task), origin, until_ns};
	WRITE_ONCE(family_n, family_n + 1);
	return true;
}

static void probe_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct qos_origin *origin;
	unsigned long flags;

	if (likely(!qos_thread_find(parent) && !READ_ONCE(family_n)))
		return;
	raw_spin_lock_irqsave(&family_lock, flags);
	origin = origin_of(parent);
	if (origin && !family_add(child, origin, 0))
		this_cpu_inc(qos_cpus.counters.n[QOS_DWCS_CPU_COUNT_A_RING_FULL]);
	raw_spin_unlock_irqrestore(&family_lock, flags);
	if (origin)
		irq_work_queue(&family_kick);
}

static void probe_exec(void *data, struct task_struct *task, pid_t old_pid,
		       struct linux_binprm *bprm)
{
	struct qos_thread *thread = qos_thread_find(task);

	if (unlikely(thread))
		qos_cpu_exec(thread);
}

/* It is managed no more; a child of it may be on its way. */
void qos_family_remember(struct task_struct *task, struct qos_origin *origin)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&family_lock, flags);
	family_add(task, origin, ktime_get_ns() + QOS_FAMILY_NS);
	raw_spin_unlock_irqrestore(&family_lock, flags);
	qos_event_wake();
}

/* Takes out the i-th. */
static struct member family_remove(u32 i)
{
	struct member member = family[i];

	family[i] = family[family_n - 1];
	WRITE_ONCE(family_n, family_n - 1);
	return member;
}

/* One that is to be set right, or forgotten. */
static bool family_next(struct member *member, u64 now)
{
	unsigned long flags;
	bool found = false;
	u32 i;

	raw_spin_lock_irqsave(&family_lock, flags);
	for (i = 0; i < family_n && !found; i++) {
		found = family[i].until_ns < now;
		if (!found)
			continue;
		*member = family[i];
		if (member->until_ns)
			family_remove(i);
		else
			family[i].until_ns =
				now + QOS_FAMILY_NS; /* a parent before it is set right */
	}
	raw_spin_unlock_irqrestore(&family_lock, flags);
	return found;
}

/* The worker. True: there is somebody left to forget later. */
bool qos_family_settle(void)
{
	struct member member;

	while (family_next(&member, ktime_get_ns())) {
		if (!member.until_ns) {
			qos_policy_give_child(member.task, member.origin);
			continue;
		}
		put_task_struct(member.task);
		qos_origin_put(member.origin);
	}
	return READ_ONCE(family_n);
}

/* Nobody looks for parents any more. */
void qos_family_forget(void)
{
	while (family_n) {
		struct member member = family_remove(0);

		if (!member.until_ns)
			qos_policy_give_child(member.task, member.origin);
		put_task_struct(member.task);
		qos_origin_put(member.origin);
	}
}

/* --- finding them --- */

static struct {
	const char *name;
	void *probe;
	struct tracepoint *point;
} probes[] = {
	{"sched_switch", probe_switch},
	{"sched_wakeup", probe_wakeup},
	{"sched_process_fork", probe_fork},
	{"sched_process_exec", probe_exec},
};

static void find(struct tracepoint *point, void *data)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!strcmp(point->name, probes[i].name))
			probes[i].point = point;
	}
}

static void unregister(int n)
{
	while (n-- > 0)
		tracepoint_probe_unregister(probes[n].point, probes[n].probe, NULL);
	tracepoint_synchronize_unregister();
}

int qos_probes_register(void)
{
	int i, error;

	for_each_kernel_tracepoint(find, NULL);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		error = probes[i].point
				? tracepoint_probe_register(probes[i].point, probes[i].probe, NULL)
				: -ENOENT;
		if (!error)
			continue;
		pr_err("no probe at the tracepoint %s: %d\n", probes[i].name, error);
		unregister(i);
		return error;
	}
	return 0;
}

void qos_probes_unregister(void)
{
	unregister(ARRAY_SIZE(probes));
	irq_work_sync(&family_kick);
}
