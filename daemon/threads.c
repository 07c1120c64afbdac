/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads of the machine -> streams. A process is examined when it appears, changes its image or
 * moves; a thread when it is born or takes a name. All of that is told by the monitor
 * (thread_events.c); /proc is walked only at start, at reload, and when the monitor lost events (the
 * kernel cannot tell us what we missed). A process is watched before its threads are listed, so none
 * slips through.
 */
#include "threads_parts.h"

#include <errno.h>
#include <string.h>

#include "claims.h"
#include "extend.h"
#include "contract/match.h"
#include "kern/proc.h"
#include "network.h"
#include "report_stream.h"
#include "tell.h"
#include "util/log.h"

static struct qos_live_stream *stream_of(const struct qos_supervisor *supervisor, uint32_t id)
{
	return qos_table_get(&supervisor->streams, id);
}

/* --- who belongs to whom --- */

struct examination {
	struct qos_supervisor *supervisor;
	struct qos_live *live; /* NULL: nobody's */
	pid_t named;	       /* this thread has a new name, which /proc may not show yet; or 0 */
	const char *comm;
};

/* Our own trouble (EMFILE, ENOMEM): nothing is known of the process, so nothing is changed. */
static void tell_unread(struct qos_supervisor *supervisor, pid_t tid, int r)
{
	uint64_t now_ns = qos_threads_now_ns();

	supervisor->rescan = true;
	if (supervisor->unread_told_ns && now_ns - supervisor->unread_told_ns < QOS_TELL_EVERY_NS)
		return;
	supervisor->unread_told_ns = now_ns;
	qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
		"thread %d cannot be looked at: %s; it is tried again", tid, strerror(-r));
}

static int examine_thread(void *data, pid_t tgid, pid_t tid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	const struct examination *examination = data;
	struct qos_supervisor *supervisor = examination->supervisor;
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);
	struct qos_live *live = examination->live;
	int index = -1, r = live ? qos_proc_read(tgid, tid, &facts) : 0;

	if (r < 0 && r != -ESRCH) {
		tell_unread(supervisor, tid, r);
		return 0;
	}
	if (facts) {
		if (examination->named == tid)
			facts->task.comm = examination->comm;
		index = qos_match_stream(live->contract, &facts->task);
	}
	if (index >= 0)
		qos_thread_adopt(supervisor, &live->streams[index], &facts->task);
	else if (thread)
		qos_thread_release(supervisor, thread);
	return 0;
}

struct qos_live *qos_threads_owner(const struct qos_supervisor *supervisor,
				   const struct qos_task *task)
{
	const struct qos_resolver *names = qos_lookup_resolver(supervisor->lookup);
	struct qos_live *best = NULL;

	if (qos_extend_is_sandbox(supervisor, task->tgid))
		return NULL;
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->state == QOS_LIVE_IN_FORCE && live->n_streams &&
		    qos_match_task(live->contract->match, task, names) &&
		    (!best || qos_match_beats(live->contract, best->contract)))
			best = live;
	}
	return best;
}

void qos_threads_watch(struct qos_supervisor *supervisor, pid_t tgid, bool wanted)
{
	int r = 0;

	if (!supervisor->monitor)
		return;
	if (wanted)
		r = qos_monitor_watch(supervisor->monitor, tgid);
	else
		qos_monitor_unwatch(supervisor->monitor, tgid);
	if (r < 0)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"process %d cannot be watched: %s; its new threads are missed", tgid,
			strerror(-r));
}

static struct qos_recent *recent_of(struct qos_supervisor *supervisor, pid_t tid)
{
	return &supervisor->recent[(uint32_t)tid % QOS_ARRAY_SIZE(supervisor->recent)];
}

bool qos_threads_is_old_news(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	const pid_t ids[] = {(pid_t)event->tgid, (pid_t)event->tid};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(ids); i++) {
		const struct qos_recent *recent = recent_of(supervisor, ids[i]);

		if (recent->id == ids[i] && recent->examined_ns > event->now_ns + QOS_NEWS_DELAY_NS)
			return true;
	}
	return false;
}

int qos_threads_examine(struct qos_supervisor *supervisor, pid_t tgid, const char *comm)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct examination examination = {
		.supervisor = supervisor, .named = comm ? tgid : 0, .comm = comm};
	uint64_t now_ns = qos_threads_now_ns();
	int r = qos_proc_read_process(tgid, &facts);

	if (r < 0) {
		if (r != -ESRCH)
			tell_unread(supervisor, tgid, r);
		return r;
	}
	*recent_of(supervisor, tgid) = (struct qos_recent){.id = tgid, .examined_ns = now_ns};
	if (comm)
		facts->task.process_comm = comm;
	qos_network_meet(supervisor, &facts->task);
	examination.live = qos_threads_owner(supervisor, &facts->task);
	qos_threads_watch(supervisor, tgid, examination.live);
	if (examination.live || supervisor->threads.n)
		r = qos_proc_each_thread(tgid, examine_thread, &examination);
	if (r < 0 && r != -ESRCH)
		tell_unread(supervisor, tgid, r);
	return r;
}

void qos_threads_examine_one(struct qos_supervisor *supervisor, pid_t tgid, pid_t tid,
			     const char *comm)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct examination examination = {
		.supervisor = supervisor, .named = comm ? tid : 0, .comm = comm};
	uint64_t now_ns = qos_threads_now_ns();
	int r = qos_proc_read_process(tgid, &facts);

	if (r < 0 && r != -ESRCH)
		tell_unread(supervisor, tid, r);
	if (r < 0)
		return;
	if (tid != tgid)
		*recent_of(supervisor, tid) = (struct qos_recent){.id = tid, .examined_ns = now_ns};
	examination.live = qos_threads_owner(supervisor, &facts->task);
	examine_thread(&examination, tgid, tid);
}

static int examine_process(void *data, pid_t tgid)
{
	qos_threads_examine(data, tgid, NULL);
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

/* Calls act for every known thread for which `which` holds; act may remove any from the table. */
static void each_thread(struct qos_supervisor *supervisor,
			bool (*which)(const struct qos_thread *thread, uint32_t arg), uint32_t arg,
			void (*act)(struct qos_supervisor *supervisor, struct qos_thread *thread))
{
	_cleanup_free_ pid_t *tids = calloc(supervisor->threads.n + 1, sizeof(*tids));
	struct qos_thread *thread;
	size_t n = 0, pos = 0;

	while (tids && (thread = qos_table_next(&supervisor->threads, &pos))) {
		if (which(thread, arg))
			tids[n++] = thread->tid;
	}
	for (size_t i = 0; i < n; i++) {
		thread = qos_table_get(&supervisor->threads, tids[i]);
		if (thread && which(thread, arg))
			act(supervisor, thread);
	}
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
	int r;

	supervisor->rescan = false;
	set_watch_flags(supervisor);
	while ((thread = qos_table_next(&supervisor->threads, &pos)))
		thread->seen = false;
	qos_lookup_begin(supervisor->lookup);
	r = qos_proc_each_process(examine_process, supervisor);
	if (r < 0)
		tell_unread(supervisor, 0, r);
	/* If something could not be read, who was not seen may live all the same. */
	if (!supervisor->rescan)
		each_thread(supervisor, is_unseen, 0, qos_thread_release);
	if (supervisor->monitor)
		qos_monitor_forget_gone(supervisor->monitor);
	/* Whoever runs a file that was exchanged meanwhile has been taken for another. */
	supervisor->rescan |= !qos_lookup_end(supervisor->lookup);
	supervisor->scanned_ns = qos_threads_now_ns();
	qos_claims_make(supervisor);
}

static void rescan_if_due(struct qos_supervisor *supervisor)
{
	if (supervisor->rescan &&
	    qos_threads_now_ns() - supervisor->scanned_ns >= QOS_RESCAN_EVERY_NS)
		qos_supervisor_scan(supervisor);
}

void qos_threads_lost(struct qos_supervisor *supervisor, uint64_t lost)
{
	if (lost) /* births among them: whose numbers these are now is not known */
		memset(supervisor->heirs, 0, sizeof(supervisor->heirs));
	if (lost && !supervisor->rescan) {
		supervisor->rescan = true;
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"%llu events were lost; every process is looked at again",
			(unsigned long long)lost);
	}
	rescan_if_due(supervisor);
}

/* --- what the others of this rank ask for --- */

static void apply_thread(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);

	if (stream && thread->managed)
		qos_thread_carry_out(supervisor, stream, thread);
}

void qos_threads_apply_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	each_thread(supervisor, is_of_stream, stream->id, apply_thread);
}

void qos_threads_release_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	each_thread(supervisor, is_of_stream, stream->id, qos_thread_release);
}

void qos_threads_release_all(struct qos_supervisor *supervisor)
{
	each_thread(supervisor, is_any, 0, qos_thread_release);
}

static void tell_drift(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		       const struct qos_thread *thread)
{
	const struct qos_evidence evidence = {.tid = thread->tid};
	_cleanup_free_ char *author = qos_thread_author(thread);

	qos_tell_of(supervisor, QOS_HISTORY_DRIFT, stream, &evidence,
		    "thread %d: %s changed its scheduling (on-drift: %s)", thread->tid,
		    author ? author : "somebody else",
		    qos_drift_names[stream->live->contract->on_drift]);
}

/* The module sees drift when it looks at the thread next; what was changed long before is not it. */
static void forget_stale_author(struct qos_thread *thread)
{
	if (qos_threads_now_ns() - thread->author.at_ns > QOS_AUTHOR_FOR_NS)
		thread->author.pid = 0;
}

/* A place may have become free, and who failed is tried again now and then. */
static void verify_thread(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);
	int r;

	if (!stream)
		return;
	if (!thread->managed) {
		qos_thread_engage(supervisor, stream, thread);
		return;
	}
	qos_thread_try_again(supervisor, stream, thread);
	if (!qos_thread_wants_schedule(supervisor, stream))
		return;
	r = supervisor->service->ops->verify(supervisor->service, thread->tid);
	if (r == QOS_SERVICE_E_LOST) {
		qos_thread_carry_out(supervisor, stream, thread);
		return;
	}
	if (r == QOS_SERVICE_E_DRIFT && !thread->drifted) {
		forget_stale_author(thread);
		tell_drift(supervisor, stream, thread);
	}
	thread->drifted = r == QOS_SERVICE_E_DRIFT;
}

char *qos_thread_author(const struct qos_thread *thread)
{
	char *text = NULL, comm[sizeof(thread->author.comm)];

	memcpy(comm, thread->author.comm, sizeof(comm));
	qos_report_comm(comm);
	if (thread->author.pid && asprintf(&text, "%s (pid %d)", comm, thread->author.pid) < 0)
		text = NULL;
	return text;
}

void qos_thread_changed(struct qos_supervisor *supervisor, pid_t tid,
			const struct qos_author *author)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);

	if (!thread)
		return;
	thread->author = *author;
	verify_thread(supervisor, thread);
}

void qos_threads_verify(struct qos_supervisor *supervisor)
{
	rescan_if_due(supervisor);
	each_thread(supervisor, is_any, 0, verify_thread);
}

static bool waits_for_place(const struct qos_thread *thread, uint32_t id)
{
	return thread->stream == id && !thread->managed;
}

static void engage_waiting(struct qos_supervisor *supervisor, struct qos_thread *thread)
{
	struct qos_live_stream *stream = stream_of(supervisor, thread->stream);

	if (stream)
		qos_thread_engage(supervisor, stream, thread);
}

void qos_threads_fill_place(struct qos_supervisor *supervisor, uint32_t id)
{
	const struct qos_live_stream *stream = stream_of(supervisor, id);

	if (stream && stream->n_unmanaged)
		each_thread(supervisor, waits_for_place, id, engage_waiting);
}
