/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The native CPU manager: grants become SCHED_DEADLINE, or SCHED_FIFO on one CPU, of the stock
 * kernel. Every policy carries RESET_ON_FORK, since a SCHED_DEADLINE thread could not fork without
 * it and a child must not inherit a reservation that is not its own.
 *
 * Overruns. The monitor says when a request has used up its budget; then, until the next grid point
 * or the end of the job, whichever is first:
 *
 *                SCHED_DEADLINE              SCHED_FIFO
 *     demote     held back by the kernel     SCHED_OTHER
 *     throttle   the same                    SCHED_IDLE
 *     allow      SCHED_FLAG_RECLAIM: what    like demote, at the cap's share of the period
 *                others left over
 *
 * SCHED_DEADLINE throttles by itself, but looks only at its timer tick: milliseconds late, and what
 * was taken too much is missing in the next periods. Setting the parameters again makes it look now
 * (a nanosecond of difference, or the call would do nothing). The thread stays in its class: one that
 * leaves it throttled, and comes back between its replenishment timer and its 0-lag time, is never
 * replenished again (seen on 6.12's source and on 6.18; not even SIGKILL ends such a thread). It may
 * still come to that where contracts come and go; verify() then sees that the thread runs no more,
 * and takes it out and in again.
 *
 * Drift is in cpu_native_drift.c.
 *
 * Weaknesses: demotion is as late as the monitor's report and this process's wake-up, so a FIFO
 * stream can take somewhat more than its budget (admission counts it as blocking).
 */
#include "service/cpu_native_parts.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <time.h>

#include "admit/enforce.h"
#include "kern/probe.h"
#include "kern/proc.h"
#include "kern/sched.h"
#include "state/originals.h"
#include "util/cleanup.h"
#include "util/table.h"

#define PROMOTE_DELAY_MAX QOS_NS_PER_SECOND
#define PROMOTE_SHIFT_MAX 10

/* --- what a thread should be --- */

struct qos_sched_attr qos_cpu_native_attr(const struct qos_service_stream *stream)
{
	const struct qos_cpu_stream *wish = stream->wish;

	if (stream->grant->policy == QOS_POLICY_FIFO)
		return (struct qos_sched_attr){
			.policy = SCHED_FIFO,
			.flags = QOS_SCHED_RESET_ON_FORK,
			.priority = stream->grant->priority,
		};
	return (struct qos_sched_attr){
		.policy = SCHED_DEADLINE,
		.flags = QOS_SCHED_RESET_ON_FORK |
			 (wish->overrun == QOS_OVERRUN_ALLOW ? QOS_SCHED_RECLAIM : 0),
		.runtime_ns = qos_kernel_runtime_ns(wish, stream->grant, stream->sample_cost_ns),
		.deadline_ns = wish->deadline_ns,
		.period_ns = wish->period.ns,
	};
}

static void take_wish(struct thread *thread, const struct qos_service_stream *stream)
{
	thread->want = qos_cpu_native_attr(stream);
	thread->pinned = stream->grant->policy == QOS_POLICY_FIFO;
	thread->cpus = stream->grant->cpus;
	thread->period_ns = stream->wish->period.ns;
	thread->overrun = (uint8_t)stream->wish->overrun;
	thread->on_drift = (uint8_t)stream->on_drift;
}

/* --- attach and detach --- */

static void complain(struct qos_diag *diag, const char *call, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, error);

	qos_diag_warning(diag, NULL, "%s: %s: %s", call, strerror(error), advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
}

static void forget(struct qos_service *service, pid_t tid)
{
	struct native *native = qos_native_of(service);
	struct thread *thread = qos_table_remove(&native->threads, (uint32_t)tid);

	if (!thread)
		return;
	qos_native_unlink(thread);
	qos_originals_forget(native->originals, &thread->key);
	free(thread);
}

static int new_thread(struct native *native, const struct qos_original_key *key,
		      struct thread **ret)
{
	_cleanup_free_ struct thread *thread = calloc(1, sizeof(*thread));
	struct qos_original original;

	if (!thread || qos_table_set(&native->threads, key->tid, thread) < 0)
		return -ENOMEM;
	thread->key = *key;
	thread->drifted = qos_originals_get(native->originals, (pid_t)key->tid, &original) == 0 &&
			  original.drifted;
	*ret = TAKE_PTR(thread);
	return 0;
}

/* A new thread is recorded before anything else is done with it. One that has the tid of another
 * whose end was not told replaces it. */
static int intern(struct native *native, pid_t tid, struct thread **ret, struct qos_diag *diag)
{
	struct thread *thread = qos_table_get(&native->threads, (uint32_t)tid);
	struct qos_original_key key;
	int r;

	r = qos_originals_record(native->originals, tid, &key);
	if (r < 0) {
		if (r != -ESRCH)
			complain(diag, "bpf(MAP_UPDATE_ELEM)", -r);
		return r;
	}
	if (thread && thread->key.start_time == key.start_time) {
		*ret = thread;
		return 0;
	}
	if (thread)
		forget(&native->service, tid);
	r = new_thread(native, &key, ret);
	if (r < 0)
		qos_originals_restore_key(native->originals, &key, NULL);
	return r;
}

/* Admission counted the thread on all of the grant's CPUs; the kernel itself only asks for those of
 * the thread's root domain. */
static bool covers_grant(struct native *native, const struct thread *thread, struct qos_diag *diag)
{
	char own_text[QOS_CPUS_TEXT_MAX], grant_text[QOS_CPUS_TEXT_MAX];
	struct qos_cpus own;

	if (qos_originals_own_affinity(native->originals, &thread->key, &own) < 0 ||
	    qos_cpus_subset(&thread->cpus, &own))
		return true;
	qos_diag_warning(
		diag, NULL,
		"SCHED_DEADLINE needs a thread that may run on all of CPUs %s; it may on %s",
		qos_cpus_print(grant_text, sizeof(grant_text), &thread->cpus),
		qos_cpus_print(own_text, sizeof(own_text), &own));
	qos_diag_hint(diag, "%s", qos_errno_advice("sched_setattr(DEADLINE)", EPERM)->remedy);
	return false;
}

static bool is_refusal(const struct thread *thread, int r, const char *call)
{
	return thread->want.policy == SCHED_DEADLINE &&
	       (r == -EPERM || r == -EBUSY || r == -EINVAL) &&
	       strcmp(call, qos_sched_call_name(SCHED_DEADLINE)) == 0;
}

static int apply(struct native *native, struct thread *thread, bool force, struct qos_diag *diag)
{
	const char *call = "sched_getattr";
	int r;

	if (thread->want.policy == SCHED_DEADLINE && !covers_grant(native, thread, diag))
		return QOS_SERVICE_E_NO_DEADLINE;
	r = qos_native_set(native, thread, &thread->want, force, &call);
	if (r == QOS_ORIGINALS_E_DRIFT)
		return qos_native_handle_drift(native, thread);
	if (r == -ESRCH)
		return QOS_SERVICE_E_GONE;
	if (r < 0)
		complain(diag, call, -r);
	return is_refusal(thread, r, call) ? QOS_SERVICE_E_NO_DEADLINE : r;
}

static int detach(struct qos_service *service, pid_t tid)
{
	struct native *native = qos_native_of(service);
	struct thread *thread = qos_table_remove(&native->threads, (uint32_t)tid);
	bool drifted = false;
	int r;

	if (!thread) {
		r = qos_originals_restore(native->originals, tid, &drifted);
	} else {
		qos_native_unlink(thread);
		r = qos_originals_restore_key(native->originals, &thread->key, &drifted);
		free(thread);
	}
	if (r < 0)
		return r;
	return drifted ? QOS_SERVICE_E_DRIFT : 0;
}

/* A demoted thread stays so until its time is over, and then gets the new grant. A thread that
 * cannot be served is given back at once: it must not be demoted later for a grant it never had. */
static int attach(struct qos_service *service, pid_t tid, const struct qos_service_stream *stream,
		  struct qos_diag *diag)
{
	struct native *native = qos_native_of(service);
	struct thread *thread;
	bool again;
	int r;

	if (stream->wish->manage == QOS_MANAGE_OBSERVE || stream->grant->policy == QOS_POLICY_NONE)
		return detach(service, tid);
	r = intern(native, tid, &thread, diag);
	if (r < 0)
		return r == -ESRCH ? QOS_SERVICE_E_GONE : r;
	if (thread->drifted && stream->on_drift == QOS_DRIFT_YIELD)
		return QOS_SERVICE_E_DRIFT;
	again = thread->drifted;
	thread->drifted = false;
	take_wish(thread, stream);
	if (thread->prev)
		return 0;
	r = apply(native, thread, again, diag);
	if (r < 0 || r == QOS_SERVICE_E_NO_DEADLINE)
		detach(service, tid);
	return r;
}

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	struct native *native = qos_native_of(service);
	const struct thread *thread = qos_table_get(&native->threads, (uint32_t)parent);

	if (thread && !qos_table_get(&native->threads, (uint32_t)child))
		qos_originals_inherit(native->originals, &thread->key, child);
}

/* The tid and start time of the process's first thread pass to the one that calls exec(); that first
 * thread itself is gone. */
static void exec(struct qos_service *service, pid_t old_tid, pid_t new_tid)
{
	struct native *native = qos_native_of(service);
	struct thread *thread;

	if (old_tid == new_tid) {
		detach(service, new_tid);
		return;
	}
	forget(service, new_tid);
	thread = qos_table_remove(&native->threads, (uint32_t)old_tid);
	if (!thread)
		return;
	qos_native_unlink(thread);
	qos_originals_exec(native->originals, &thread->key, new_tid);
	free(thread);
}

/* --- overruns --- */

/* Makes SCHED_DEADLINE look at once. */
static void poke(struct native *native, struct thread *thread)
{
	int r;

	thread->want.runtime_ns ^= 1;
	r = qos_native_set(native, thread, &thread->want, false, NULL);
	if (r == 0) {
		native->counts.throttled++;
		return;
	}
	thread->want.runtime_ns ^= 1;
	if (r == QOS_ORIGINALS_E_DRIFT)
		qos_native_handle_drift(native, thread);
}

static void demote(struct native *native, struct thread *thread, uint64_t until_ns)
{
	struct qos_sched_attr attr = qos_native_demoted(thread);
	int r;

	if (thread->prev) {
		thread->until_ns = until_ns;
		return;
	}
	r = qos_native_set(native, thread, &attr, thread->drifted, NULL);
	if (r == QOS_ORIGINALS_E_DRIFT) {
		qos_native_handle_drift(native, thread);
		if (qos_native_must_be_cut(thread))
			r = qos_native_set(native, thread, &attr, true, NULL);
	}
	if (r != 0)
		return;
	thread->drifted = false;
	thread->until_ns = until_ns;
	qos_native_link(native, thread);
	native->counts.demoted++;
}

/* EBUSY happens where others took the bandwidth meanwhile: later again, ever more slowly. */
static void postpone(struct native *native, struct thread *thread, uint64_t now_ns)
{
	uint64_t delay_ns = thread->period_ns << thread->tries;

	if (delay_ns > PROMOTE_DELAY_MAX)
		delay_ns = PROMOTE_DELAY_MAX;
	if (thread->tries < PROMOTE_SHIFT_MAX)
		thread->tries++;
	thread->until_ns = now_ns + delay_ns;
	native->counts.promote_failed++;
}

static void promote(struct native *native, struct thread *thread, uint64_t now_ns)
{
	int r;

	if (now_ns < thread->hold_ns)
		return;
	r = qos_native_set(native, thread, &thread->want, false, NULL);
	if (r == QOS_ORIGINALS_E_DRIFT) {
		qos_native_handle_drift(native, thread);
		thread->until_ns = now_ns + thread->period_ns; /* if still demoted */
		return;
	}
	if (r == -ESRCH || r == -ENOENT) {
		qos_native_unlink(thread); /* its end will be told */
		return;
	}
	if (r < 0) {
		postpone(native, thread, now_ns);
		return;
	}
	qos_native_unlink(thread);
	native->counts.promoted++;
}

static void event(struct qos_service *service, const struct qos_event *event)
{
	struct native *native = qos_native_of(service);
	struct thread *thread = qos_table_get(&native->threads, event->tid);
	bool overrun = event->type == QOS_EVENT_OVERRUN;

	if (!thread || (thread->drifted && !(overrun && qos_native_must_be_cut(thread))))
		return;
	if (overrun && thread->want.policy == SCHED_DEADLINE && !thread->drifted)
		poke(native, thread);
	else if (overrun)
		demote(native, thread,
		       event->until_ns ? event->until_ns : event->now_ns + thread->period_ns);
	else if (event->type == QOS_EVENT_IDLE && thread->prev && !thread->tries)
		promote(native, thread, event->now_ns);
}

static uint64_t next_expiry(struct qos_service *service)
{
	uint64_t first = 0;

	for (const struct thread *thread = qos_native_of(service)->demoted; thread;
	     thread = thread->next) {
		if (!first || thread->until_ns < first)
			first = thread->until_ns;
	}
	return first;
}

static void expire(struct qos_service *service, uint64_t now_ns)
{
	struct native *native = qos_native_of(service);
	struct thread *next;

	for (struct thread *thread = native->demoted; thread; thread = next) {
		next = thread->next;
		if (thread->until_ns <= now_ns)
			promote(native, thread, now_ns);
	}
}

static bool is_demoted(struct qos_service *service, pid_t tid)
{
	const struct thread *thread =
		qos_table_get(&qos_native_of(service)->threads, (uint32_t)tid);

	return thread && thread->prev;
}

static void counts(struct qos_service *service, struct qos_service_counts *ret)
{
	*ret = qos_native_of(service)->counts;
}

static void native_free(struct qos_service *service)
{
	struct native *native = qos_native_of(service);
	struct thread *thread;
	size_t pos = 0;

	if (!service)
		return;
	while ((thread = qos_table_next(&native->threads, &pos)))
		free(thread);
	qos_table_reset(&native->threads);
	free(native);
}

int qos_cpu_native_new(struct qos_originals *originals, struct qos_service **ret)
{
	static const struct qos_service_ops ops = {
		.name = "native",
		.attach = attach,
		.detach = detach,
		.forget = forget,
		.inherit = inherit,
		.exec = exec,
		.event = event,
		.next_expiry = next_expiry,
		.expire = expire,
		.verify = qos_native_verify,
		.is_demoted = is_demoted,
		.counts = counts,
		.free = native_free,
	};
	struct native *native = calloc(1, sizeof(*native));

	if (!native)
		return -ENOMEM;
	native->service.ops = &ops;
	native->originals = originals;
	*ret = &native->service;
	return 0;
}
