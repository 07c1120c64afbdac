/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the monitor tells of threads. Anybody can cause such events by the thousand, and each could
 * cost a look into /proc; so one that is older than the last look at its process is old news.
 *
 * Weakness: who inherits from a managed thread is known for its children and theirs, no further; and
 * not at all if the record was lost, or the managed thread has ended. The end of a child is not told: its
 * number is forgotten when the next one is born with it.
 */
#include "threads_parts.h"

#include <string.h>

#include "tell.h"

static struct qos_live_stream *stream_of(const struct qos_supervisor *supervisor, uint32_t id)
{
	return qos_table_get(&supervisor->streams, id);
}

static void on_exit_event(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, event->tid);
	uint32_t stream = thread ? thread->stream : 0;

	if (!thread)
		return;
	qos_thread_forget(supervisor, thread);
	qos_threads_fill_place(supervisor, stream);
}

static void on_end(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	qos_threads_watch(supervisor, event->tgid, false);
}

void qos_thread_violation(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
			  uint32_t lost, const struct qos_evidence *evidence)
{
	const struct qos_window *window = &qos_live_wish(stream)->window;

	supervisor->violations_seen++;
	supervisor->violated_turn = supervisor->turns;
	qos_tell_of(supervisor, QOS_HISTORY_VIOLATION, stream, evidence,
		    "%u of %u requests lost, %u may be (thread %d)", lost, window->y, window->x,
		    evidence->tid);
}

static void on_violation(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_live_stream *stream = stream_of(supervisor, event->stream);
	const struct qos_evidence evidence = {.tid = (pid_t)event->tid};

	if (stream)
		qos_thread_violation(supervisor, stream, event->lost, &evidence);
}

static void on_process(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	if (!qos_threads_is_old_news(supervisor, event))
		qos_threads_examine(supervisor, event->tgid, NULL);
}

static void forget_tid(struct qos_supervisor *supervisor, pid_t tid)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);

	if (thread)
		qos_thread_forget(supervisor, thread);
}

/* A thread that was not its process's first takes over the first one's tid. An exec may also have
 * taken the thread's clock (a file that is set-user-id, or not readable): it gets a new one. */
static void on_exec(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_thread *thread = qos_table_get(&supervisor->threads, event->tid);
	pid_t old = event->parent, tid = event->tid;

	if (old && old != tid) {
		if (supervisor->service)
			supervisor->service->ops->exec(supervisor->service, old, tid);
		forget_tid(supervisor, old);
		forget_tid(supervisor, tid);
	} else if (thread) {
		qos_thread_disengage(supervisor, thread);
	} else if (qos_threads_is_old_news(supervisor, event)) {
		return;
	}
	qos_threads_examine(supervisor, event->tgid, NULL);
}

/* Every child begins as it would be without us; if it is to be managed, that is what it goes back to
 * some day. A child's own child may have been born before: it is given the same. */
static void inherit(struct qos_supervisor *supervisor, pid_t parent, pid_t child)
{
	const struct qos_thread *thread = qos_table_get(&supervisor->threads, parent);
	const size_t n = QOS_ARRAY_SIZE(supervisor->heirs);
	const struct qos_heir *heir = &supervisor->heirs[(uint32_t)parent % n];
	struct qos_heir *place = &supervisor->heirs[(uint32_t)child % n];
	pid_t ancestor = 0;

	if (thread && thread->managed)
		ancestor = parent;
	else if (heir->child == parent)
		ancestor = heir->ancestor;
	if (place->child == child) /* it was another's: this one's children inherit nothing by it */
		*place = (struct qos_heir){};
	if (!supervisor->service || !ancestor)
		return;
	*place = (struct qos_heir){.child = child, .ancestor = ancestor};
	supervisor->service->ops->inherit(supervisor->service, ancestor, child);
}

static void on_fork(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	inherit(supervisor, event->parent, event->tid);
	if (qos_threads_is_old_news(supervisor, event))
		return;
	if (event->tid == event->tgid)
		qos_threads_examine(supervisor, event->tgid, NULL);
	else
		qos_threads_examine_one(supervisor, event->tgid, event->tid, NULL);
}

/* A process may match by its leader's name, so a new one puts all its threads in question. /proc may
 * still show the old name: the one told counts. */
static void on_comm(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	char comm[sizeof(event->comm) + 1] = {};

	if (qos_threads_is_old_news(supervisor, event))
		return;
	memcpy(comm, event->comm, sizeof(event->comm));
	if (event->tid == event->tgid)
		qos_threads_examine(supervisor, event->tgid, comm);
	else
		qos_threads_examine_one(supervisor, event->tgid, event->tid, comm);
}

static void on_sched(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	struct qos_author author = {.pid = (pid_t)event->parent, .at_ns = event->now_ns};

	memcpy(author.comm, event->comm, sizeof(author.comm) - 1);
	qos_thread_changed(supervisor, (pid_t)event->tid, &author);
}

void qos_threads_event(struct qos_supervisor *supervisor, const struct qos_event *event)
{
	static void (*const on[])(struct qos_supervisor *, const struct qos_event *) = {
		[QOS_EVENT_EXEC] = on_exec,	  [QOS_EVENT_FORK] = on_fork,
		[QOS_EVENT_EXIT] = on_exit_event, [QOS_EVENT_CGROUP] = on_process,
		[QOS_EVENT_COMM] = on_comm,	  [QOS_EVENT_VIOLATION] = on_violation,
		[QOS_EVENT_END] = on_end,	  [QOS_EVENT_SCHED] = on_sched,
	};

	if (event->type < QOS_ARRAY_SIZE(on) && on[event->type])
		on[event->type](supervisor, event);
}
