/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that no switch of a thread raises: ticks, and `late` of jobs that hang. The daemon raises them
 * with a run of the same programs, through the same guard. (The module finds jobs that hang itself.)
 *
 * Weakness: a job that hangs is found in the slow loop; and if its thread is switched in that very
 * moment, its state may be off by one event.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "extend_parts.h"
#include "util/clock.h"

void qos_extension_arm(struct qos_supervisor *supervisor)
{
	struct itimerspec spec = {};
	uint64_t first = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_extension *extension = supervisor->lives[i]->extension;

		for (size_t k = 0; extension && !extension->quarantine && k < extension->n_programs;
		     k++) {
			const struct qos_extension_program *program = &extension->programs[k];

			if (program->event.kind == QOS_RULE_TICK && program->next_ns &&
			    (!first || program->next_ns < first))
				first = program->next_ns;
		}
	}
	spec.it_value = (struct timespec){.tv_sec = (time_t)(first / 1000000000),
					  .tv_nsec = (long)(first % 1000000000)};
	timerfd_settime(supervisor->extender->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void tick(struct qos_supervisor *supervisor, struct qos_live *live,
		 struct qos_extension_program *program, uint64_t now_ns)
{
	struct qos_rules_frame *frame = qos_chain_frame(supervisor->extender->chain);
	struct qos_extension *extension = live->extension;

	if (!qos_extension_fill(supervisor, live, program, frame->stream))
		return;
	frame->now_ns = now_ns;
	frame->state = 0;
	if (extension->in_module)
		qos_extension_push_tick(supervisor, live, program->slot);
	else
		qos_chain_raise(supervisor->extender->chain, extension->number, program->slot);
}

/* A tick that was missed is not made up for. The first comes one period after the contract. */
static void tick_if_due(struct qos_supervisor *supervisor, struct qos_live *live,
			struct qos_extension_program *program, uint64_t now_ns)
{
	if (program->event.kind != QOS_RULE_TICK)
		return;
	if (program->next_ns && program->next_ns <= now_ns)
		tick(supervisor, live, program, now_ns);
	if (!program->next_ns || program->next_ns + program->event.tick_ns <= now_ns)
		program->next_ns = now_ns + program->event.tick_ns;
	else if (program->next_ns <= now_ns)
		program->next_ns += program->event.tick_ns;
}

void qos_extend_tick(struct qos_supervisor *supervisor)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC), times;

	if (read(supervisor->extender->timer_fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
		return;
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		struct qos_extension *extension = live->extension;

		if (!extension || extension->outdated || extension->quarantine)
			continue;
		for (size_t k = 0; k < extension->n_programs; k++)
			tick_if_due(supervisor, live, &extension->programs[k], now_ns);
	}
	qos_extension_arm(supervisor);
}

/* --- jobs that hang --- */

static uint32_t late_slot(const struct qos_extension *extension, size_t stream)
{
	for (size_t i = 0; i < extension->n_programs; i++) {
		const struct qos_extension_program *program = &extension->programs[i];

		if (program->event.kind == QOS_RULE_LATE && program->event.stream == stream)
			return program->slot;
	}
	return 0;
}

static void raise_late(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		       uint32_t slot, const struct qos_task_state *task, uint64_t now_ns,
		       uint32_t key)
{
	struct qos_rules_frame *frame = qos_chain_frame(supervisor->extender->chain);
	uint32_t number = stream->live->extension->number;
	int64_t *word = (int64_t *)frame->stream[0].word;

	memset(word, 0, sizeof(frame->stream[0]));
	word[QOS_RULES_ATTRIBUTE] =
		qos_chain_value(supervisor->extender->chain, number, stream->index);
	word[QOS_RULES_RESPONSE] = qos_rules_time(now_ns - task->release_ns);
	word[QOS_RULES_SLACK] =
		qos_rules_time(qos_live_wish(stream)->deadline_ns) - word[QOS_RULES_RESPONSE];
	word[QOS_RULES_USED] =
		qos_rules_time(task->total_ns - task->job_from_ns +
			       (task->doing == QOS_DOES_RUN && now_ns > task->accounted_ns
					? now_ns - task->accounted_ns
					: 0));
	word[QOS_RULES_LATE] = 1;
	frame->now_ns = now_ns;
	frame->state = key;
	qos_chain_raise(supervisor->extender->chain, number, slot);
}

static void find_late_of(struct qos_supervisor *supervisor, const struct qos_thread *thread)
{
	const struct qos_live_stream *stream = qos_table_get(&supervisor->streams, thread->stream);
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);
	struct qos_task_state task;
	uint32_t slot = 0, key;

	if (stream && stream->live->extension && thread->managed &&
	    !stream->live->extension->in_module && !stream->live->extension->outdated &&
	    !stream->live->extension->quarantine)
		slot = late_slot(stream->live->extension, stream->index);
	if (!slot || qos_monitor_thread_read(supervisor->monitor, thread->tid, &task) < 0)
		return;
	if (!task.release_ns || task.late_of_ns == task.release_ns ||
	    now_ns <= task.release_ns + qos_live_wish(stream)->deadline_ns)
		return;
	/* Asleep, it may have completed in time: that is known when it wakes. */
	if (task.doing == QOS_DOES_SLEEP)
		return;
	key = qos_chain_key(supervisor->extender->chain, thread->tid);
	if (key && qos_chain_late(supervisor->extender->chain, thread->tid, task.release_ns))
		raise_late(supervisor, stream, slot, &task, now_ns, key);
}

void qos_extension_find_late(struct qos_supervisor *supervisor)
{
	const struct qos_thread *thread;
	size_t pos = 0;

	while ((thread = qos_table_next(&supervisor->threads, &pos)))
		find_late_of(supervisor, thread);
}
