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
 * Drift. Every change goes through state/originals, which looks first whether the thread is still
 * as it was last set. If not: yield gives back what is still ours and leaves the thread alone until
 * it is detached; warn leaves everything until the next attach; restore sets it again, at most once
 * a second so that two managers do not fight for a CPU.
 *
 * Weaknesses: demotion is as late as the monitor's report and this process's wake-up, so a FIFO
 * stream can take somewhat more than its budget (admission counts it as blocking). A thread that
 * runs exec() while it is not its process's first thread gets another tid, and its record is lost.
 */
#include "service/service.h"

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

#define NS_PER_SECOND	  1000000000ULL
#define RESTORE_EVERY_NS  NS_PER_SECOND
#define PROMOTE_DELAY_MAX NS_PER_SECOND
#define PROMOTE_SHIFT_MAX 10

/* One managed thread. Owned by the table. */
struct thread {
	struct qos_original_key key;
	struct qos_sched_attr want; /* under its grant */
	struct qos_cpus cpus;	    /* if pinned */
	uint64_t period_ns;
	uint64_t until_ns;    /* demoted: until then */
	uint64_t hold_ns;     /* rescued: not back before */
	uint64_t ran_ns;      /* CPU time when it was last verified */
	bool waited;	      /* and it had been runnable, and had not run since */
	uint64_t restored_ns; /* when drift was last undone */
	struct thread *next;  /* in the list of demoted ones */
	struct thread **prev; /* NULL: not demoted */
	uint8_t overrun;      /* enum qos_overrun */
	uint8_t on_drift;     /* enum qos_drift */
	uint8_t tries;	      /* refused promotions in a row */
	bool pinned;
	bool drifted; /* left alone */
};

struct native {
	struct qos_service service;
	struct qos_originals *originals;
	struct qos_table threads; /* tid -> struct thread */
	struct thread *demoted;
	struct qos_service_counts counts;
};

static struct native *native_of(struct qos_service *service)
{
	return (struct native *)service;
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* --- the list of demoted threads --- */

static void link_demoted(struct native *native, struct thread *thread)
{
	thread->next = native->demoted;
	if (thread->next)
		thread->next->prev = &thread->next;
	native->demoted = thread;
	thread->prev = &native->demoted;
}

static void unlink_demoted(struct thread *thread)
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

/* --- what a thread should be --- */

static struct qos_sched_attr attr_of_grant(const struct qos_service_stream *stream)
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
		.runtime_ns = qos_kernel_runtime_ns(wish, stream->grant),
		.deadline_ns = wish->deadline_ns,
		.period_ns = wish->period.ns,
	};
}

static struct qos_sched_attr attr_demoted(const struct thread *thread)
{
	return (struct qos_sched_attr){
		.policy = thread->overrun == QOS_OVERRUN_THROTTLE ? SCHED_IDLE : SCHED_NORMAL,
		.flags = QOS_SCHED_RESET_ON_FORK,
	};
}

/* As it was last set. */
static struct qos_sched_attr attr_now(const struct thread *thread)
{
	return thread->prev ? attr_demoted(thread) : thread->want;
}

static void take_wish(struct thread *thread, const struct qos_service_stream *stream)
{
	thread->want = attr_of_grant(stream);
	thread->pinned = stream->grant->policy == QOS_POLICY_FIFO;
	thread->cpus = stream->grant->cpus;
	thread->period_ns = stream->wish->period.ns;
	thread->overrun = (uint8_t)stream->wish->overrun;
	thread->on_drift = (uint8_t)stream->on_drift;
}

static int set(struct native *native, struct thread *thread, const struct qos_sched_attr *attr,
	       bool force, const char **ret_call)
{
	return qos_originals_change(native->originals, &thread->key, attr,
				    thread->pinned ? &thread->cpus : NULL, force, ret_call);
}

/* --- drift --- */

/* Always E_DRIFT: that it was dealt with does not make it unheard of. */
static int handle_drift(struct native *native, struct thread *thread)
{
	uint64_t now_ns = monotonic_ns();

	native->counts.drifted++;
	switch ((enum qos_drift)thread->on_drift) {
	case QOS_DRIFT_YIELD:
		qos_originals_yield(native->originals, &thread->key);
		thread->drifted = true;
		unlink_demoted(thread);
		break;
	case QOS_DRIFT_WARN:
		thread->drifted = true;
		unlink_demoted(thread);
		break;
	case QOS_DRIFT_RESTORE:
		if (thread->restored_ns && now_ns - thread->restored_ns < RESTORE_EVERY_NS)
			break;
		thread->restored_ns = now_ns;
		unlink_demoted(thread);
		if (set(native, thread, &thread->want, true, NULL) == 0)
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

/* Runnable, under SCHED_DEADLINE, and no CPU time since the last two looks, a second or so apart:
 * no reservation waits that long. */
static bool is_forgotten(struct thread *thread)
{
	bool runnable, waited = thread->waited;
	uint64_t ran_ns, before_ns = thread->ran_ns;

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
	struct qos_sched_attr attr = attr_demoted(thread);

	if (set(native, thread, &attr, false, NULL) != 0)
		return;
	thread->until_ns = thread->hold_ns = monotonic_ns() + 2 * thread->period_ns;
	thread->waited = false;
	link_demoted(native, thread);
	native->counts.rescued++;
}

static int verify(struct qos_service *service, pid_t tid)
{
	struct native *native = native_of(service);
	struct thread *thread = qos_table_get(&native->threads, (uint32_t)tid);

	if (!thread)
		return 0;
	if (thread->drifted)
		return QOS_SERVICE_E_DRIFT;
	if (is_forgotten(thread))
		rescue(native, thread);
	if (is_as_set(thread) ||
	    qos_originals_verify(native->originals, &thread->key) != QOS_ORIGINALS_E_DRIFT)
		return 0;
	return handle_drift(native, thread);
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
	struct native *native = native_of(service);
	struct thread *thread = qos_table_remove(&native->threads, (uint32_t)tid);

	if (!thread)
		return;
	unlink_demoted(thread);
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
	r = set(native, thread, &thread->want, force, &call);
	if (r == QOS_ORIGINALS_E_DRIFT)
		return handle_drift(native, thread);
	if (r == -ESRCH)
		return QOS_SERVICE_E_GONE;
	if (r < 0)
		complain(diag, call, -r);
	return is_refusal(thread, r, call) ? QOS_SERVICE_E_NO_DEADLINE : r;
}

static int detach(struct qos_service *service, pid_t tid)
{
	struct native *native = native_of(service);
	struct thread *thread = qos_table_remove(&native->threads, (uint32_t)tid);
	bool drifted = false;
	int r;

	if (!thread) {
		r = qos_originals_restore(native->originals, tid, &drifted);
	} else {
		unlink_demoted(thread);
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
	struct native *native = native_of(service);
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
	struct native *native = native_of(service);
	const struct thread *thread = qos_table_get(&native->threads, (uint32_t)parent);

	if (thread && !qos_table_get(&native->threads, (uint32_t)child))
		qos_originals_inherit(native->originals, &thread->key, child);
}

/* --- overruns --- */

/* Makes SCHED_DEADLINE look at once. */
static void poke(struct native *native, struct thread *thread)
{
	int r;

	thread->want.runtime_ns ^= 1;
	r = set(native, thread, &thread->want, false, NULL);
	if (r == 0) {
		native->counts.throttled++;
		return;
	}
	thread->want.runtime_ns ^= 1;
	if (r == QOS_ORIGINALS_E_DRIFT)
		handle_drift(native, thread);
}

static void demote(struct native *native, struct thread *thread, uint64_t until_ns)
{
	struct qos_sched_attr attr = attr_demoted(thread);
	int r;

	if (thread->prev) {
		thread->until_ns = until_ns;
		return;
	}
	r = set(native, thread, &attr, false, NULL);
	if (r == QOS_ORIGINALS_E_DRIFT)
		handle_drift(native, thread);
	if (r != 0)
		return;
	thread->until_ns = until_ns;
	link_demoted(native, thread);
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
	r = set(native, thread, &thread->want, false, NULL);
	if (r == QOS_ORIGINALS_E_DRIFT) {
		handle_drift(native, thread);
		return;
	}
	if (r == -ESRCH || r == -ENOENT) {
		unlink_demoted(thread); /* its end will be told */
		return;
	}
	if (r < 0) {
		postpone(native, thread, now_ns);
		return;
	}
	unlink_demoted(thread);
	native->counts.promoted++;
}

static void event(struct qos_service *service, const struct qos_event *event)
{
	struct native *native = native_of(service);
	struct thread *thread = qos_table_get(&native->threads, event->tid);

	if (!thread || thread->drifted)
		return;
	if (event->type == QOS_EVENT_OVERRUN && thread->want.policy == SCHED_DEADLINE)
		poke(native, thread);
	else if (event->type == QOS_EVENT_OVERRUN)
		demote(native, thread,
		       event->until_ns ? event->until_ns : event->now_ns + thread->period_ns);
	else if (event->type == QOS_EVENT_IDLE && thread->prev && !thread->tries)
		promote(native, thread, event->now_ns);
}

static uint64_t next_expiry(struct qos_service *service)
{
	uint64_t first = 0;

	for (const struct thread *thread = native_of(service)->demoted; thread;
	     thread = thread->next) {
		if (!first || thread->until_ns < first)
			first = thread->until_ns;
	}
	return first;
}

static void expire(struct qos_service *service, uint64_t now_ns)
{
	struct native *native = native_of(service);
	struct thread *next;

	for (struct thread *thread = native->demoted; thread; thread = next) {
		next = thread->next;
		if (thread->until_ns <= now_ns)
			promote(native, thread, now_ns);
	}
}

static bool is_demoted(struct qos_service *service, pid_t tid)
{
	const struct thread *thread = qos_table_get(&native_of(service)->threads, (uint32_t)tid);

	return thread && thread->prev;
}

static void counts(struct qos_service *service, struct qos_service_counts *ret)
{
	*ret = native_of(service)->counts;
}

static void native_free(struct qos_service *service)
{
	struct native *native = native_of(service);
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
		.event = event,
		.next_expiry = next_expiry,
		.expire = expire,
		.verify = verify,
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
