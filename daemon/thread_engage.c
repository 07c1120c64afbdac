/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One thread under its stream: measured first, then scheduled, and given back. What the kernel does
 * not do is told, and tried again later.
 *
 * A thread may be refused its clock alone: Debian's kernels have kernel.perf_event_paranoid = 3, which
 * keeps perf events from whoever lacks CAP_SYS_ADMIN, and descriptors may have run out. Jobs, requests
 * and windows come from the scheduler's tracepoints, so it is measured all the same, and under
 * SCHED_DEADLINE the kernel throttles it at its tick. Not so under SCHED_FIFO: no `overrun:` lets a
 * thread run on for ever (`allow` ends at the cap), the clock is what ends it, and the kernel's own
 * throttling or fair server leaves all that is below, the daemon's main thread too, 5 % of a CPU. So
 * there a thread without a clock keeps its own scheduling. (Where clocks are refused from the start,
 * admission seats nobody under SCHED_FIFO: admit/capacity.c.)
 *
 * Weakness: a proof charges what an overrun takes until it is cut by the clock. Without one that is up to a
 * tick, which nobody charges: 4 ms at 250 Hz would refuse most contracts for the sake of those that overrun.
 */
#include "threads_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admit/enforce.h"
#include "claims.h"
#include "extend.h"
#include "kern/probe.h"
#include "module.h"
#include "tell.h"

static struct qos_live_stream *stream_of(const struct qos_supervisor *supervisor, uint32_t id)
{
	return qos_table_get(&supervisor->streams, id);
}

static const char *contract_name(const struct qos_live_stream *stream)
{
	return stream->live->contract->name;
}

/* Words for the journal and `status` when the kernel did not do what was asked. */
static void complain(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		     pid_t tid, struct qos_diag *diag)
{
	const struct qos_evidence evidence = {.tid = tid};

	for (size_t i = 0; i < diag->n_entries; i++) {
		qos_tell_of(supervisor, QOS_HISTORY_KERNEL, stream, &evidence, "thread %d: %s%s%s",
			    tid, diag->entries[i].text, diag->entries[i].hint ? "; " : "",
			    diag->entries[i].hint ? diag->entries[i].hint : "");
	}
	qos_diag_reset(diag);
}

static void set_managed(struct qos_live_stream *stream, struct qos_thread *thread, bool managed)
{
	uint32_t *from = thread->managed ? &stream->n_managed : &stream->n_unmanaged;
	uint32_t *to = managed ? &stream->n_managed : &stream->n_unmanaged;

	--*from;
	++*to;
	thread->managed = managed;
}

struct qos_service_stream qos_thread_service(const struct qos_supervisor *supervisor,
					     const struct qos_live_stream *stream,
					     const struct qos_stream_grant *grant)
{
	return (struct qos_service_stream){
		.id = stream->id,
		.wish = qos_live_wish(stream),
		.grant = grant,
		.on_drift = stream->live->contract->on_drift,
		.sample_cost_ns = supervisor->sample_cost_ns,
		.ruled = qos_extend_rules_it(stream),
	};
}

bool qos_thread_wants_schedule(const struct qos_supervisor *supervisor,
			       const struct qos_live_stream *stream)
{
	return supervisor->service && qos_live_wish(stream)->manage == QOS_MANAGE_SCHEDULE;
}

uint64_t qos_supervisor_budget_ns(const struct qos_supervisor *supervisor,
				  const struct qos_live_stream *stream)
{
	return qos_budget_ns(qos_live_wish(stream), &stream->applied, supervisor->sample_cost_ns,
			     (uint64_t)supervisor->config.cap_ppm * 1000);
}

/* Who schedules counts: what both counted would be told twice. */
static bool module_counts(const struct qos_supervisor *supervisor,
			  const struct qos_live_stream *stream)
{
	return qos_thread_wants_schedule(supervisor, stream) &&
	       stream->applied.policy == QOS_POLICY_DWCS && qos_module_in_charge(supervisor);
}

static int measure(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		   pid_t tid)
{
	if (!supervisor->monitor)
		return 0;
	if (module_counts(supervisor, stream)) {
		qos_monitor_thread_detach(supervisor->monitor, tid);
		return 0;
	}
	qos_extend_thread(supervisor, stream, tid);
	return qos_monitor_thread_attach(supervisor->monitor, tid, stream->id);
}

/* Gives a measured thread the clock that its stream wants. */
static int watch(struct qos_supervisor *supervisor, const struct qos_live_stream *stream, pid_t tid)
{
	bool watched = qos_thread_wants_schedule(supervisor, stream) &&
		       qos_is_cut(qos_live_wish(stream), &stream->applied);
	uint64_t sample_ns = 0;

	if (!supervisor->monitor || module_counts(supervisor, stream))
		return 0;
	if (watched)
		sample_ns = qos_sample_ns(stream->applied.granted_ns, supervisor->sample_cost_ns);
	return qos_monitor_thread_clock(supervisor->monitor, tid, sample_ns);
}

static void measure_no_more(struct qos_supervisor *supervisor, pid_t tid)
{
	if (supervisor->monitor)
		qos_monitor_thread_detach(supervisor->monitor, tid);
	qos_extend_thread_gone(supervisor, tid);
}

/* Nobody but the monitor would stop such a thread: SCHED_DEADLINE is cut by the kernel too. */
static bool needs_clock(const struct qos_supervisor *supervisor,
			const struct qos_live_stream *stream)
{
	return qos_thread_wants_schedule(supervisor, stream) &&
	       stream->applied.policy == QOS_POLICY_FIFO;
}

static void tell_unmeasured(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			    pid_t tid, int r)
{
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(MAP_UPDATE_ELEM)", -r);
	const struct qos_evidence evidence = {.tid = tid};
	uint64_t now_ns = qos_threads_now_ns();

	if (stream->unmeasured_told_ns && now_ns - stream->unmeasured_told_ns < QOS_TELL_EVERY_NS)
		return;
	stream->unmeasured_told_ns = now_ns;
	qos_tell_of(supervisor, QOS_HISTORY_KERNEL, stream, &evidence,
		    "thread %d cannot be measured%s: %s; %s", tid,
		    needs_clock(supervisor, stream) ? ", and so is not scheduled" : "",
		    advice->cause, advice->remedy);
}

/* Once a stream and error: who has no clock keeps on having none. */
static void tell_unwatched(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			   pid_t tid, int r)
{
	const struct qos_errno_advice *advice = qos_errno_advice("perf_event_open", -r);
	const struct qos_evidence evidence = {.tid = tid};

	if (stream->unwatched_told == r)
		return;
	stream->unwatched_told = r;
	if (needs_clock(supervisor, stream))
		qos_tell_of(supervisor, QOS_HISTORY_KERNEL, stream, &evidence,
			    "thread %d has no task clock, and so is not scheduled: nothing would "
			    "cut it under SCHED_FIFO: %s; %s",
			    tid, advice->cause, advice->remedy);
	else
		qos_tell_of(supervisor, QOS_HISTORY_KERNEL, stream, &evidence,
			    "thread %d has no task clock: it is measured, and the kernel cuts its "
			    "overruns at its next tick: %s; %s",
			    tid, advice->cause, advice->remedy);
}

bool qos_threads_clock_problem(const struct qos_supervisor *supervisor, char *buf, size_t size,
			       const char **ret_hint)
{
	enum qos_feature_state clock = supervisor->host->feature[QOS_FEATURE_TASK_CLOCK];

	if (!supervisor->monitor || qos_module_in_charge(supervisor) || clock == QOS_PRESENT ||
	    clock == QOS_UNKNOWN)
		return false;
	snprintf(buf, size,
		 "no task clock events (kernel.perf_event_paranoid is %" PRId64
		 "): the kernel cuts overruns under SCHED_DEADLINE at its next tick, and nothing "
		 "runs under SCHED_FIFO",
		 supervisor->host->perf_paranoid);
	*ret_hint = qos_feature_advice(QOS_FEATURE_TASK_CLOCK)->remedy;
	return true;
}

/* The kernel will not have this stream under SCHED_DEADLINE: it is placed anew, once. */
static int fall_back(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		     struct qos_diag *diag)
{
	int r;

	qos_ledger_begin(supervisor->ledger);
	r = qos_ledger_forbid_deadline(supervisor->ledger, contract_name(stream),
				       qos_live_wish(stream)->name, diag);
	if (r) {
		qos_ledger_rollback(supervisor->ledger);
		return r;
	}
	qos_ledger_commit(supervisor->ledger);
	qos_supervisor_reconcile(supervisor);
	return 0;
}

#define SETTLED 1000 /* the reconciliation has dealt with the thread, and may have freed it */

static int schedule(struct qos_supervisor *supervisor, struct qos_live_stream *stream, pid_t tid)
{
	struct qos_service_stream service =
		qos_thread_service(supervisor, stream, &stream->applied);
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	r = supervisor->service->ops->attach(supervisor->service, tid, &service, &diag);
	complain(supervisor, stream, tid, &diag);
	qos_claims_due(supervisor, stream);
	if (module_counts(supervisor, stream))
		qos_extend_thread(supervisor, stream, tid);
	if (r != QOS_SERVICE_E_NO_DEADLINE)
		return r;
	r = fall_back(supervisor, stream, &diag);
	complain(supervisor, stream, tid, &diag);
	if (r == 0)
		r = stream->applied.policy == QOS_POLICY_DEADLINE ? -EBUSY : SETTLED;
	return r;
}

void qos_thread_forget(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);

	measure_no_more(supervisor, thread->tid);
	if (supervisor->service)
		supervisor->service->ops->forget(supervisor->service, thread->tid);
	if (stream)
		--*(thread->managed ? &stream->n_managed : &stream->n_unmanaged);
	qos_table_remove(&supervisor->threads, thread->tid);
	free(thread);
}

/* Back to what it was before us. */
void qos_thread_release(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	if (supervisor->service)
		supervisor->service->ops->detach(supervisor->service, thread->tid);
	qos_thread_forget(supervisor, thread);
}

/* It stays the stream's, without what the stream has, and is tried again after a while. */
static void give_up(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		    struct qos_thread *thread)
{
	measure_no_more(supervisor, thread->tid);
	if (supervisor->service)
		supervisor->service->ops->detach(supervisor->service, thread->tid);
	if (thread->managed)
		set_managed(stream, thread, false);
	thread->retry_ns = qos_threads_now_ns() + QOS_TELL_EVERY_NS;
}

void qos_thread_disengage(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);

	measure_no_more(supervisor, thread->tid);
	if (stream && thread->managed)
		set_managed(stream, thread, false);
	thread->retry_ns = 0;
}

/* What came of measuring and scheduling. */
static void conclude(struct qos_supervisor *supervisor, struct qos_live_stream *stream, pid_t tid,
		     int r)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);

	if (!thread || r == SETTLED)
		return;
	thread->drifted = r == QOS_SERVICE_E_DRIFT;
	if (r == QOS_SERVICE_E_GONE || r == -ESRCH)
		qos_thread_forget(supervisor, thread);
	else if (r && !thread->drifted)
		give_up(supervisor, stream, thread);
}

/* 0, or -errno: it must not be scheduled. */
static int measure_and_watch(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			     struct qos_thread *thread)
{
	int r = measure(supervisor, stream, thread->tid);

	thread->retry_ns = 0;
	if (r < 0 && r != -ESRCH) {
		tell_unmeasured(supervisor, stream, thread->tid, r);
	} else if (r == 0) {
		r = watch(supervisor, stream, thread->tid);
		if (r < 0 && r != -ESRCH)
			tell_unwatched(supervisor, stream, thread->tid, r);
	}
	if (r == 0 || r == -ESRCH || needs_clock(supervisor, stream))
		return r;
	thread->retry_ns = qos_threads_now_ns() + QOS_TELL_EVERY_NS;
	return 0;
}

/* Brings a managed thread under what its stream has: measured first, then scheduled. It may be freed
 * after this. */
void qos_thread_carry_out(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			  struct qos_thread *thread)
{
	pid_t tid = thread->tid;
	int r = measure_and_watch(supervisor, stream, thread);

	if (r == 0 && qos_thread_wants_schedule(supervisor, stream))
		r = schedule(supervisor, stream, tid);
	else if (r == 0 && supervisor->service)
		supervisor->service->ops->detach(supervisor->service, tid);
	conclude(supervisor, stream, tid, r);
}

void qos_thread_try_again(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			  struct qos_thread *thread)
{
	if (thread->retry_ns && qos_threads_now_ns() >= thread->retry_ns)
		measure_and_watch(supervisor, stream, thread);
}

/* Puts a known thread under its stream, if there is a place. */
void qos_thread_engage(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		       struct qos_thread *thread)
{
	if (stream->n_managed >= qos_live_wish(stream)->max_threads || supervisor->panicked)
		return;
	if (thread->retry_ns && qos_threads_now_ns() < thread->retry_ns)
		return;
	thread->retry_ns = 0;
	set_managed(stream, thread, true);
	qos_thread_carry_out(supervisor, stream, thread);
}

void qos_thread_adopt(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		      const struct qos_task *task)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, task->tid);

	/* Another thread got the tid, and the end of the first was not told. */
	if (thread && thread->start_time != task->start_time) {
		qos_thread_forget(supervisor, thread);
		thread = NULL;
	}
	if (thread && thread->stream == stream->id) {
		thread->seen = true;
		if (!thread->managed)
			qos_thread_engage(supervisor, stream, thread);
		return;
	}
	if (thread)
		qos_thread_release(supervisor, thread);
	thread = calloc(1, sizeof(*thread));
	if (!thread || qos_table_set(&supervisor->threads, task->tid, thread) < 0) {
		free(thread);
		return;
	}
	*thread = (struct qos_thread){.tid = task->tid,
				      .tgid = task->tgid,
				      .start_time = task->start_time,
				      .stream = stream->id,
				      .seen = true};
	stream->n_unmanaged++;
	qos_thread_engage(supervisor, stream, thread);
}
