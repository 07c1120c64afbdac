/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The native manager's look at what became of its threads: drift, lost records, and threads that
 * the kernel forgot. Apart from cpu_native.c, which is what the daemon itself wants of them.
 *
 * Drift. Every change goes through state/originals, which looks first whether the thread is still
 * as it was last set. If not: yield gives back what is still ours and leaves the thread alone until
 * it is detached; warn leaves everything until the next attach; restore sets it again, at most once
 * a second so that two managers do not fight for a CPU. Drift frees nobody from his budget: who is
 * found drifted at an overrun, and above the fair classes, is demoted all the same, unless it was
 * yielded (then only what no grant of ours leads to is left there).
 *
 * Weakness: where the monitor cannot tell of changes (QOS_EVENT_SCHED), one that is taken back
 * between two turns of the slow loop is not seen.
 */
#include "service/cpu_native_parts.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <time.h>

#include "kern/proc.h"
#include "util/clock.h"

#define RESTORE_EVERY_NS QOS_NS_PER_SECOND
#define LOOK_EVERY_NS	 (QOS_NS_PER_SECOND / 2)

uint64_t qos_native_now_ns(void)
{
	return qos_clock_ns(CLOCK_MONOTONIC);
}

void qos_native_link(struct native *native, struct thread *thread)
{
	thread->next = native->demoted;
	if (thread->next)
		thread->next->prev = &thread->next;
	native->demoted = thread;
	thread->prev = &native->demoted;
}

void qos_native_unlink(struct thread *thread)
{
	if (!thread->prev)
		return;
	*thread->prev = thread->next;
	if (thread->next)
		thread->next->prev = thread->prev;
	thread->next = NULL;
	thread->prev = NULL;
	thread->tries = 0;
}

struct qos_sched_attr qos_native_demoted(const struct thread *thread)
{
	return (struct qos_sched_attr){
		.policy = thread->overrun == QOS_OVERRUN_THROTTLE ? SCHED_IDLE : SCHED_NORMAL,
		.flags = QOS_SCHED_RESET_ON_FORK,
	};
}

/* As it was last set. */
static struct qos_sched_attr attr_now(const struct thread *thread)
{
	return thread->prev ? qos_native_demoted(thread) : thread->want;
}

int qos_native_set(struct native *native, struct thread *thread, const struct qos_sched_attr *attr,
		   bool force, const char **ret_call)
{
	return qos_originals_change(native->originals, &thread->key, attr,
				    thread->pinned ? &thread->cpus : NULL, force, ret_call);
}

/* Restored is what was set last: a demoted thread must not get its policy back by drifting. */
int qos_native_handle_drift(struct native *native, struct thread *thread)
{
	struct qos_sched_attr attr = attr_now(thread);
	uint64_t now_ns = qos_native_now_ns();

	native->counts.drifted++;
	switch ((enum qos_drift)thread->on_drift) {
	case QOS_DRIFT_YIELD:
		qos_originals_yield(native->originals, &thread->key);
		thread->drifted = true;
		qos_native_unlink(thread);
		break;
	case QOS_DRIFT_WARN:
		thread->drifted = true;
		qos_native_unlink(thread);
		break;
	case QOS_DRIFT_RESTORE:
		if (thread->restored_ns && now_ns - thread->restored_ns < RESTORE_EVERY_NS)
			break;
		thread->restored_ns = now_ns;
		if (qos_native_set(native, thread, &attr, true, NULL) == 0)
			native->counts.drift_restored++;
		break;
	}
	return QOS_SERVICE_E_DRIFT;
}

/* Two or three system calls for the thread that is as it should be. */
static bool is_as_set(const struct thread *thread)
{
	struct qos_sched_attr attr, expected = attr_now(thread);
	struct qos_cpus cpus;

	if (qos_sched_get((pid_t)thread->key.tid, &attr) < 0 || !qos_sched_same(&attr, &expected))
		return false;
	return !thread->pinned || (qos_sched_get_affinity((pid_t)thread->key.tid, &cpus) == 0 &&
				   qos_cpus_equal(&cpus, &thread->cpus));
}

/* Runnable, under SCHED_DEADLINE, and no CPU time since the last two looks, LOOK_EVERY_NS or more
 * apart: no reservation waits that long. */
static bool is_forgotten(struct thread *thread)
{
	bool runnable, waited = thread->waited;
	uint64_t ran_ns, before_ns = thread->ran_ns, now_ns = qos_native_now_ns();

	if (now_ns - thread->looked_ns < LOOK_EVERY_NS)
		return false;
	thread->looked_ns = now_ns;
	thread->waited = false;
	if (thread->want.policy != SCHED_DEADLINE || thread->prev ||
	    qos_proc_run_time((pid_t)thread->key.tid, &runnable, &ran_ns) < 0)
		return false;
	thread->ran_ns = ran_ns;
	thread->waited = runnable && ran_ns == before_ns;
	return thread->waited && waited;
}

/* Outside the class the kernel forgets that it was throttled. */
static void rescue(struct native *native, struct thread *thread)
{
	struct qos_sched_attr attr = qos_native_demoted(thread);

	if (qos_native_set(native, thread, &attr, false, NULL) != 0)
		return;
	thread->until_ns = thread->hold_ns = qos_native_now_ns() + 2 * thread->period_ns;
	thread->waited = false;
	qos_native_link(native, thread);
	native->counts.rescued++;
}

/* Somebody restored it by the record: it is as new to us. */
static int lose(struct native *native, struct thread *thread)
{
	qos_table_remove(&native->threads, thread->key.tid);
	qos_native_unlink(thread);
	free(thread);
	return QOS_SERVICE_E_LOST;
}

int qos_native_verify(struct qos_service *service, pid_t tid)
{
	struct native *native = qos_native_of(service);
	struct thread *thread = qos_table_get(&native->threads, (uint32_t)tid);
	int r;

	if (!thread)
		return 0;
	if (thread->drifted)
		return QOS_SERVICE_E_DRIFT;
	if (is_forgotten(thread))
		rescue(native, thread);
	if (is_as_set(thread))
		return 0;
	r = qos_originals_verify(native->originals, &thread->key);
	if (r == -ENOENT)
		return lose(native, thread);
	return r == QOS_ORIGINALS_E_DRIFT ? qos_native_handle_drift(native, thread) : 0;
}

/* Yield has taken back already what came from us. */
bool qos_native_must_be_cut(const struct thread *thread)
{
	struct qos_sched_attr attr;

	return thread->on_drift != QOS_DRIFT_YIELD &&
	       qos_sched_get((pid_t)thread->key.tid, &attr) == 0 &&
	       (attr.policy == SCHED_FIFO || attr.policy == SCHED_RR);
}
