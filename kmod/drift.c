// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drift: the policy or the CPU of a managed thread is not what was set last, so a person, or the
 * program itself, changed it. Looked for when the thread is given a CPU, where the run-queue lock
 * keeps policies still, and before each change that the dispatcher makes.
 *
 *   yield    the thread is scheduled no more, and left as it is; but a program that lowered a
 *            real-time priority which only we gave it does not keep it
 *   restore  the level is set again, the thread brought back to its CPU
 *   warn     it is left as it is until scheduling needs to set it; a thread on another CPU cannot
 *            be scheduled, so there it is yielded
 */
#include <linux/cpu.h>

#include "qos.h"

static void tell(struct qos_thread *thread, u32 what, u64 now)
{
	struct qos_event *event;

	thread->stats.drifts++;
	qos_count(thread->cpu, DRIFTS);
	event = qos_event_begin(thread->cpu, thread, QOS_DWCS_EVENT_DRIFT, now);
	if (!event)
		return;
	event->what = what;
	qos_event_end(thread->cpu);
}

/* Out of the books; the worker does the rest. */
static void yield_thread(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;

	qos_request_drop(thread);
	qos_levels_remove(thread);
	thread->managed = false;
	thread->drifted = true;
	if (cpu->running == thread)
		cpu->running = NULL;
	if (cpu->chosen == thread)
		cpu->chosen = NULL;
	if (cpu->armed == thread)
		cpu->armed = NULL;
	if (cpu->urgent == thread)
		cpu->urgent = NULL;
	list_move_tail(&thread->in_dead, &cpu->dead);
	cpu->tells = true;
}

/* True: it is managed no more. */
bool qos_drift_seen(struct qos_thread *thread, u64 now)
{
	if (thread->level == QOS_DWCS_LEVEL_NONE || thread->cpu->acting == thread ||
	    qos_policy_is(thread)) {
		thread->warned = false;
		return false;
	}
	if (!thread->warned)
		tell(thread, QOS_DWCS_DRIFTED_POLICY, now);
	switch ((enum qos_dwcs_on_drift)thread->stream->contract->on_drift) {
	case QOS_DWCS_DRIFT_YIELD:
		yield_thread(thread);
		return true;
	case QOS_DWCS_DRIFT_RESTORE:
		thread->level = QOS_DWCS_LEVEL_NONE;
		thread->urgent = false;
		qos_levels_place(thread);
		return false;
	case QOS_DWCS_DRIFT_WARN:
		thread->warned = true;
		return false;
	}
	return false;
}

/* It runs on another CPU. While its own goes down, the kernel moves it there. */
void qos_drift_strayed(struct qos_thread *thread, u64 now)
{
	if (!cpu_active(thread->cpu->id))
		return;
	tell(thread, QOS_DWCS_DRIFTED_AFFINITY, now);
	thread->strayed = thread->stream->contract->on_drift == QOS_DWCS_DRIFT_RESTORE;
	yield_thread(thread);
}

/* The worker, under qos_mutex. */
void qos_drift_settle(struct qos_thread *thread)
{
	mutex_lock(&thread->cpu->act);
	if (thread->strayed && !set_cpus_allowed_ptr(thread->task, cpumask_of(thread->cpu->id))) {
		thread->strayed = false;
		thread->drifted = false;
		qos_cpu_begin(thread);
	} else {
		qos_policy_take_gift(thread);
	}
	mutex_unlock(&thread->cpu->act);
}
