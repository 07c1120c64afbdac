/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads of the machine -> streams. A process is examined when it appears, changes its image or
 * moves; a thread when it is born or takes a name. All of that is told by the monitor; /proc is
 * walked only at start, at reload, and when the monitor lost events (the kernel cannot tell us
 * what we missed). A process is watched before its threads are listed, so none slips through.
 */
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "contract/match.h"
#include "kern/probe.h"
#include "kern/proc.h"
#include "util/log.h"

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
	for (size_t i = 0; i < diag->n_entries; i++) {
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, contract_name(stream),
			qos_live_wish(stream)->name, "thread %d: %s%s%s", tid,
			diag->entries[i].text, diag->entries[i].hint ? "; " : "",
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

/* What the service manager has to know of a stream. */
static struct qos_service_stream service_stream(const struct qos_live_stream *stream)
{
	return (struct qos_service_stream){
		.id = stream->id,
		.wish = qos_live_wish(stream),
		.grant = &stream->applied,
		.on_drift = stream->live->contract->on_drift,
	};
}

static bool wants_schedule(const struct qos_supervisor *supervisor,
			   const struct qos_live_stream *stream)
{
	return supervisor->service && qos_live_wish(stream)->manage == QOS_MANAGE_SCHEDULE;
}

static uint64_t budget_of(const struct qos_supervisor *supervisor,
			  const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	/* `allow` lets a job run on, but not into the share that is left for everything else */
	if (wish->overrun == QOS_OVERRUN_ALLOW)
		return wish->period.ns / 1000000 * supervisor->config.cap_ppm;
	return stream->applied.granted_ns;
}

static int measure(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		   pid_t tid)
{
	if (!supervisor->monitor)
		return 0;
	return qos_monitor_thread_attach(supervisor->monitor, tid, stream->id,
					 budget_of(supervisor, stream),
					 wants_schedule(supervisor, stream));
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

static int schedule(struct qos_supervisor *supervisor, struct qos_live_stream *stream, pid_t tid)
{
	struct qos_service_stream service = service_stream(stream);
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	r = supervisor->service->ops->attach(supervisor->service, tid, &service, &diag);
	if (r == QOS_SERVICE_E_NO_DEADLINE) {
		complain(supervisor, stream, tid, &diag);
		r = fall_back(supervisor, stream, &diag);
		service = service_stream(stream);
		if (!r)
			r = supervisor->service->ops->attach(supervisor->service, tid, &service,
							     &diag);
	}
	complain(supervisor, stream, tid, &diag);
	return r;
}

static void forget(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);

	if (supervisor->monitor)
		qos_monitor_thread_detach(supervisor->monitor, thread->tid);
	if (supervisor->service)
		supervisor->service->ops->forget(supervisor->service, thread->tid);
	if (stream)
		--*(thread->managed ? &stream->n_managed : &stream->n_unmanaged);
	qos_table_remove(&supervisor->threads, thread->tid);
	free(thread);
}

/* Back to what it was before us. */
static void release(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	if (supervisor->service && thread->managed)
		supervisor->service->ops->detach(supervisor->service, thread->tid);
	forget(supervisor, thread);
}

/* Puts a known thread under its stream: measured first, then scheduled. */
static void engage(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		   struct qos_thread *thread)
{
	int r;

	if (stream->n_managed >= qos_live_wish(stream)->max_threads || supervisor->panicked)
		return;
	set_managed(stream, thread, true);
	r = measure(supervisor, stream, thread->tid);
	if (r == -ESRCH) {
		forget(supervisor, thread);
		return;
	}
	if (r < 0) {
		const struct qos_errno_advice *advice = qos_errno_advice("perf_event_open", -r);

		qos_log(LOG_WARNING, QOS_MSG_KERNEL, contract_name(stream),
			qos_live_wish(stream)->name, "thread %d cannot be measured: %s; %s",
			thread->tid, advice->cause, advice->remedy);
	}
	if (!wants_schedule(supervisor, stream))
		return;
	r = schedule(supervisor, stream, thread->tid);
	if (r == QOS_SERVICE_E_GONE || r == -ESRCH)
		forget(supervisor, thread);
	else if (r == QOS_SERVICE_E_DRIFT)
		thread->drifted = true;
	else if (r)
		set_managed(stream, thread, false);
}

static void adopt(struct qos_supervisor *supervisor, struct qos_live_stream *stream, pid_t tgid,
		  pid_t tid)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);

	if (thread && thread->stream == stream->id) {
		thread->seen = true;
		if (!thread->managed)
			engage(supervisor, stream, thread);
		return;
	}
	if (thread)
		release(supervisor, thread);
	thread = calloc(1, sizeof(*thread));
	if (!thread || qos_table_set(&supervisor->threads, tid, thread) < 0) {
		free(thread);
		return;
	}
	*thread = (struct qos_thread){.tid = tid, .tgid = tgid, .stream = stream->id, .seen = true};
	stream->n_unmanaged++;
	engage(supervisor, stream, thread);
}

/* --- who belongs to whom --- */

struct examination {
	struct qos_supervisor *supervisor;
	struct qos_live *live; /* NULL: nobody's */
	const char *comm;      /* the thread's new name, if that is what happened; else NULL */
};

static int examine_thread(void *data, pid_t tgid, pid_t tid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	const struct examination *examination = data;
	struct qos_supervisor *supervisor = examination->supervisor;
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);
	struct qos_live *live = examination->live;
	int index = -1;

	if (live && qos_proc_read(tgid, tid, &facts) == 0) {
		if (examination->comm)
			facts->task.comm = examination->comm;
		index = qos_match_stream(live->contract, &facts->task);
	}
	if (index >= 0)
		adopt(supervisor, &live->streams[index], tgid, tid);
	else if (thread)
		release(supervisor, thread);
	return 0;
}

/* The contract that has the process of these facts. */
static struct qos_live *select_live(struct qos_supervisor *supervisor, const struct qos_task *task)
{
	const struct qos_exe_resolver exe = {.resolve = qos_proc_resolve_exe};
	struct qos_live *best = NULL;
	struct qos_contract *pair[2];

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->state != QOS_LIVE_IN_FORCE || !live->n_streams)
			continue;
		pair[0] = live->contract;
		pair[1] = best ? best->contract : live->contract;
		if (qos_match_select(pair, best ? 2 : 1, task, getpid(), &exe, NULL, 0, NULL) == 0)
			best = live;
	}
	return best;
}

static void watch(struct qos_supervisor *supervisor, pid_t tgid, bool wanted)
{
	if (!supervisor->monitor)
		return;
	if (wanted)
		qos_monitor_watch(supervisor->monitor, tgid);
	else
		qos_monitor_unwatch(supervisor->monitor, tgid);
}

void qos_threads_examine(struct qos_supervisor *supervisor, pid_t tgid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct examination examination = {.supervisor = supervisor};

	if (qos_proc_read(tgid, tgid, &facts) < 0)
		return;
	examination.live = select_live(supervisor, &facts->task);
	watch(supervisor, tgid, examination.live);
	if (examination.live || supervisor->threads.n)
		qos_proc_each_thread(tgid, examine_thread, &examination);
}

static void examine_one(struct qos_supervisor *supervisor, pid_t tgid, pid_t tid, const char *comm)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct examination examination = {.supervisor = supervisor, .comm = comm};

	if (qos_proc_read(tgid, tgid, &facts) < 0)
		return;
	examination.live = select_live(supervisor, &facts->task);
	examine_thread(&examination, tgid, tid);
}

static int examine_process(void *data, pid_t tgid)
{
	qos_threads_examine(data, tgid);
	return 0;
}

/* Some of our flags depend on what the contracts match by. */
static bool uses_key(const struct qos_match *match, enum qos_match_key key)
{
	if (match->kind == QOS_MATCH_TERM)
		return match->key == key;
	for (size_t i = 0; i < match->n_children; i++) {
		if (uses_key(match->children[i], key))
			return true;
	}
	return false;
}

static void set_watch_flags(struct qos_supervisor *supervisor)
{
	uint32_t flags = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (live->state != QOS_LIVE_IN_FORCE)
			continue;
		if (uses_key(live->contract->match, QOS_MATCH_PARENT))
			flags |= QOS_WATCH_ALL_FORKS;
		if (uses_key(live->contract->match, QOS_MATCH_COMM))
			flags |= QOS_WATCH_ALL_COMMS;
	}
	if (supervisor->monitor)
		qos_monitor_watch_flags(supervisor->monitor, flags);
}

/* Calls act for every known thread for which `which` holds; act may remove it from the table. */
static void each_thread(struct qos_supervisor *supervisor,
			bool (*which)(const struct qos_thread *thread, uint32_t arg), uint32_t arg,
			void (*act)(struct qos_supervisor *supervisor, struct qos_thread *thread))
{
	size_t n = 0, pos = 0;
	struct qos_thread *thread, **list = calloc(supervisor->threads.n + 1, sizeof(*list));

	if (!list)
		return;
	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		if (which(thread, arg))
			list[n++] = thread;
	}
	for (size_t i = 0; i < n; i++)
		act(supervisor, list[i]);
	free(list);
}

static bool is_unseen(const struct qos_thread *thread, uint32_t arg)
{
	return !thread->seen;
}

static bool is_of_stream(const struct qos_thread *thread, uint32_t id)
{
	return thread->stream == id;
}

static bool is_any(const struct qos_thread *thread, uint32_t arg)
{
	return true;
}

void qos_supervisor_scan(struct qos_supervisor *supervisor)
{
	struct qos_thread *thread;
	size_t pos = 0;

	set_watch_flags(supervisor);
	while ((thread = qos_table_next(&supervisor->threads, &pos)))
		thread->seen = false;
	qos_proc_each_process(examine_process, supervisor);
	each_thread(supervisor, is_unseen, 0, release);
}

/* --- what the others of this rank ask for --- */

static void apply_thread(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);
	int r;

	if (!stream || !thread->managed)
		return;
	measure(supervisor, stream, thread->tid);
	if (!wants_schedule(supervisor, stream)) {
		if (supervisor->service)
			supervisor->service->ops->detach(supervisor->service, thread->tid);
		return;
	}
	r = schedule(supervisor, stream, thread->tid);
	thread->drifted = r == QOS_SERVICE_E_DRIFT;
}

void qos_threads_apply_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	each_thread(supervisor, is_of_stream, stream->id, apply_thread);
}

void qos_threads_release_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	each_thread(supervisor, is_of_stream, stream->id, release);
}

void qos_threads_release_all(struct qos_supervisor *supervisor)
{
	each_thread(supervisor, is_any, 0, release);
}

static void verify_thread(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);
	bool drifted;

	if (!stream || !thread->managed || !wants_schedule(supervisor, stream))
		return;
	drifted = supervisor->service->ops->verify(supervisor->service, thread->tid) ==
		  QOS_SERVICE_E_DRIFT;
	if (drifted && !thread->drifted)
		qos_log(LOG_WARNING, QOS_MSG_DRIFT, contract_name(stream),
			qos_live_wish(stream)->name,
			"thread %d: somebody else changed its scheduling (on-drift: %s)",
			thread->tid, qos_drift_names[stream->live->contract->on_drift]);
	thread->drifted = drifted;
}

void qos_threads_verify(struct qos_supervisor *supervisor)
{
	if (supervisor->service)
		each_thread(supervisor, is_any, 0, verify_thread);
}

/* --- events --- */

/* A place became free: the next thread of the stream gets it. */
static void fill_place(struct qos_supervisor *supervisor, uint32_t id)
{
	struct qos_live_stream *stream = stream_of(supervisor, id);
	struct qos_thread *thread;
	size_t pos = 0;

	if (!stream || !stream->n_unmanaged)
		return;
	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		if (thread->stream == id && !thread->managed) {
			engage(supervisor, stream, thread);
			return;
		}
	}
}

static void on_exit_event(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, event->tid);
	uint32_t stream = thread ? thread->stream : 0;

	if (!thread)
		return;
	forget(supervisor, thread);
	if (event->tid == event->tgid)
		watch(supervisor, event->tgid, false);
	fill_place(supervisor, stream);
}

static void on_violation(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_live_stream *stream = stream_of(supervisor, event->stream);
	const struct qos_cpu_stream *wish;
	char text[96];

	if (!stream)
		return;
	wish = qos_live_wish(stream);
	supervisor->violations_seen++;
	supervisor->violated_turn = supervisor->turns;
	snprintf(text, sizeof(text), "%u of %u requests lost, %u may be (thread %u)", event->lost,
		 wish->window.y, wish->window.x, event->tid);
	qos_log(LOG_WARNING, QOS_MSG_VIOLATION, contract_name(stream), wish->name, "%s", text);
	if (supervisor->notify)
		supervisor->notify(supervisor->notify_data, "Violation", stream->live, wish->name,
				   text);
}

#define OVERRUN_TELL_NS 10000000000ULL /* at most this often a stream */

static void tell_overrun(struct qos_live_stream *stream, const struct qos_event *event)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	char budget[QOS_UNIT_MAX];

	if (stream->overrun_told_ns && event->now_ns - stream->overrun_told_ns < OVERRUN_TELL_NS)
		return;
	stream->overrun_told_ns = event->now_ns;
	qos_log(LOG_NOTICE, QOS_MSG_OVERRUN, contract_name(stream), wish->name,
		"thread %u needs more than its runtime of %s (overrun: %s); qosctl show counts "
		"them all",
		event->tid, qos_print_duration(budget, sizeof(budget), stream->applied.granted_ns),
		qos_overrun_names[wish->overrun]);
}

static void on_schedule(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_live_stream *stream = stream_of(supervisor, event->stream);

	if (stream && event->type == QOS_EVENT_OVERRUN)
		tell_overrun(stream, event);
	if (supervisor->service && qos_table_get(&supervisor->threads, event->tid))
		supervisor->service->ops->event(supervisor->service, event);
}

static void on_process(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	qos_threads_examine(supervisor, event->tgid);
}

/* A thread that no contract has should not keep what it inherited from one that is managed. */
static void on_fork(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	if (event->tid == event->tgid)
		qos_threads_examine(supervisor, event->tgid);
	else
		examine_one(supervisor, event->tgid, event->tid, NULL);
	if (supervisor->service && !qos_table_get(&supervisor->threads, event->tid))
		supervisor->service->ops->inherit(supervisor->service, event->parent, event->tid);
}

/* A process may match by its leader's name, so a new one puts all its threads in question; but
 * /proc may still show the old name, so the thread itself is looked at with the one told. */
static void on_comm(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	char comm[sizeof(event->comm) + 1] = {};

	memcpy(comm, event->comm, sizeof(event->comm));
	if (event->tid == event->tgid)
		qos_threads_examine(supervisor, event->tgid);
	examine_one(supervisor, event->tgid, event->tid, comm);
}

void qos_threads_event(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	static void (*const on[])(struct qos_supervisor *, const struct qos_event *) = {
		[QOS_EVENT_EXEC] = on_process,	      [QOS_EVENT_FORK] = on_fork,
		[QOS_EVENT_EXIT] = on_exit_event,     [QOS_EVENT_CGROUP] = on_process,
		[QOS_EVENT_COMM] = on_comm,	      [QOS_EVENT_OVERRUN] = on_schedule,
		[QOS_EVENT_IDLE] = on_schedule,	      [QOS_EVENT_THROTTLED] = on_schedule,
		[QOS_EVENT_VIOLATION] = on_violation,
	};

	if (event->type < QOS_ARRAY_SIZE(on) && on[event->type])
		on[event->type](supervisor, event);
}
