// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler's tracepoints. They are not exported to modules, so they are found by name.
 *
 * A probe runs with preemption off, sched_switch and sched_wakeup with the run-queue lock held as well. None
 * wakes, allocates, prints or sends.
 *
 * fork: the child has SCHED_OTHER by RESET_ON_FORK, and its parent's affinity, which is one CPU. What it
 * should have is set by the worker. A child of such a child, born before that, inherits the wrong affinity
 * again, so children count as parents until they are set right. More than FORKS_MAX at once stay as they
 * are, which is counted.
 */
#include <linux/binfmts.h>
#include <linux/irq_work.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>

#include "compat.h"
#include "qos.h"

#define FORKS_MAX 256

struct fork {
	struct task_struct *child;
	struct qos_origin *origin;
};

static struct fork forks[FORKS_MAX];
static u32 forks_n;
static DEFINE_RAW_SPINLOCK(forks_lock);

static void wake_worker(struct irq_work *work)
{
	qos_event_wake();
}

static struct irq_work forks_kick = IRQ_WORK_INIT_HARD(wake_worker);

/* A signal may have kept the thread from the sleep that prev_state still tells of; __state is
 * TASK_RUNNING then. */
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

static void probe_switch(void *data, bool preempt, struct task_struct *prev, struct task_struct *next,
			 unsigned int prev_state)
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
	for (i = 0; i < forks_n; i++) {
		if (forks[i].child == parent)
			return forks[i].origin;
	}
	return NULL;
}

static void probe_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct qos_origin *origin;
	unsigned long flags;

	if (likely(!qos_thread_find(parent) && !READ_ONCE(forks_n)))
		return;
	raw_spin_lock_irqsave(&forks_lock, flags);
	origin = origin_of(parent);
	if (origin && forks_n < FORKS_MAX) {
		refcount_inc(&origin->refs);
		forks[forks_n].child = get_task_struct(child);
		forks[forks_n].origin = origin;
		WRITE_ONCE(forks_n, forks_n + 1);
	} else if (origin) {
		this_cpu_inc(qos_cpus.counters.n[QOS_DWCS_CPU_COUNT_A_RING_FULL]);
	}
	raw_spin_unlock_irqrestore(&forks_lock, flags);
	if (origin)
		irq_work_queue(&forks_kick);
}

static void probe_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct qos_thread *thread = qos_thread_find(task);

	if (unlikely(thread))
		qos_cpu_exec(thread);
}

/* The worker. A child stays in its place until it is set right. */
void qos_forks_settle(void)
{
	unsigned long flags;
	struct fork fork;

	while (READ_ONCE(forks_n)) {
		raw_spin_lock_irqsave(&forks_lock, flags);
		fork = forks[0];
		raw_spin_unlock_irqrestore(&forks_lock, flags);
		qos_policy_give_child(fork.child, fork.origin);
		raw_spin_lock_irqsave(&forks_lock, flags);
		forks[0] = forks[forks_n - 1];
		WRITE_ONCE(forks_n, forks_n - 1);
		raw_spin_unlock_irqrestore(&forks_lock, flags);
		put_task_struct(fork.child);
		qos_origin_put(fork.origin);
	}
}

/* --- finding them --- */

static struct {
	const char *name;
	void *probe;
	struct tracepoint *point;
} probes[] = {
	{ "sched_switch", probe_switch },
	{ "sched_wakeup", probe_wakeup },
	{ "sched_process_fork", probe_fork },
	{ "sched_process_exec", probe_exec },
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
		error = probes[i].point ?
				tracepoint_probe_register(probes[i].point, probes[i].probe, NULL) :
				-ENOENT;
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
	irq_work_sync(&forks_kick);
}
