/* SPDX-License-Identifier: GPL-2.0-only */
/* What threads.c, thread_engage.c and thread_events.c share; nobody else includes it. */
#pragma once

#include "contract/match.h"
#include "supervisor.h"
#include "util/clock.h"

#define QOS_TELL_EVERY_NS                                                                          \
	10000000000ULL /* the same complaint of one stream; a failure's next try */
#define QOS_RESCAN_EVERY_NS 1000000000ULL
#define QOS_NEWS_DELAY_NS   1000000ULL /* an event, until /proc surely shows what it tells of */

#define QOS_AUTHOR_FOR_NS 5000000000ULL /* who changed a thread counts as author of drift */

/* CLOCK_MONOTONIC, as events have it. */
static inline uint64_t qos_threads_now_ns(void)
{
	return qos_clock_ns(CLOCK_MONOTONIC);
}

/* Was the process, or the thread, looked at after this event? */
bool qos_threads_is_old_news(struct qos_supervisor *supervisor, const struct qos_event *event);

/* Whose is a process, or one thread of it? comm: the leader's, or the thread's, new name, or NULL. */
int qos_threads_examine(struct qos_supervisor *supervisor, pid_t tgid, const char *comm);
void qos_threads_examine_one(struct qos_supervisor *supervisor, pid_t tgid, pid_t tid,
			     const char *comm);

void qos_threads_watch(struct qos_supervisor *supervisor, pid_t tgid, bool wanted);

/* The thread ended: frees it. */
void qos_thread_forget(struct qos_supervisor *supervisor, struct qos_thread *thread);

/* It is to be measured and scheduled anew at its next examination. */
void qos_thread_disengage(struct qos_supervisor *supervisor, struct qos_thread *thread);

/* Gives free places of a stream to threads that wait for one. */
void qos_threads_fill_place(struct qos_supervisor *supervisor, uint32_t id);

/* Is the stream's service manager to set its threads' policies? */
bool qos_thread_wants_schedule(const struct qos_supervisor *supervisor,
			       const struct qos_live_stream *stream);

/* Gives a thread to a stream, taking it from another; one that is there already is only seen. */
void qos_thread_adopt(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		      const struct qos_task *task);

/* Measures and schedules a known thread if there is a place for it. */
void qos_thread_engage(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		       struct qos_thread *thread);

/* The same for a thread that has a place; afterwards it may be forgotten. */
void qos_thread_carry_out(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			  struct qos_thread *thread);

/* Now and then: a thread that is scheduled although it could not be measured, or got no clock. */
void qos_thread_try_again(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			  struct qos_thread *thread);

/* Somebody else set the thread's policy or affinity: it is verified at once. */
void qos_thread_changed(struct qos_supervisor *supervisor, pid_t tid,
			const struct qos_author *author);

/* A window of the stream broke. */
struct qos_evidence;
void qos_thread_violation(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
			  uint32_t lost, const struct qos_evidence *evidence);

/* Back to what it was before us, and forgotten. */
void qos_thread_release(struct qos_supervisor *supervisor, struct qos_thread *thread);
