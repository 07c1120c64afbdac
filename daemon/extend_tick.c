/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that no switch of a thread raises: ticks, and `late` of jobs that hang. The daemon raises them
 * with a run of the same programs, through the same guard. (The module finds jobs that hang itself.)
 *
 * Percentiles speak of the last QOS_EXTENSION_JOBS jobs, as the monitor's histograms have them: two
 * snapshots are kept, the older one is replaced whenever half as many jobs have come, so they cover
 * between half of them and all. A percentile is the upper edge of its bucket, at most 1/8 too high.
 *
 * Weakness: a job that hangs is found in the slow loop; and if its thread is switched in that very
 * moment, its state may be off by one event.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "adapt/hist.h"
#include "extend_parts.h"
#include "stats.h"
#include "util/clock.h"

#define VALUE_MAX ((1LL << 42) - 1)

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

static int64_t saturated(uint64_t value)
{
	return value < (uint64_t)VALUE_MAX ? (int64_t)value : VALUE_MAX;
}

/* --- percentiles --- */

static void roll(struct qos_extension_window *window, const struct qos_stream_stats *now)
{
	if (now->jobs - window->newer.jobs < QOS_EXTENSION_JOBS / 2)
		return;
	window->older = window->newer;
	window->newer = *now;
}

static int64_t percentile(const uint32_t *now, const uint32_t *before, uint32_t ppm)
{
	uint32_t delta[QOS_HIST_BUCKETS];

	qos_hist_delta(delta, now, before);
	return saturated(qos_hist_quantile(delta, ppm));
}

struct percentile_word {
	enum qos_rules_word word;
	size_t histogram; /* offset in struct qos_stream_stats */
	uint32_t ppm;
	bool is_slack; /* deadline less that of the response */
};

static const struct percentile_word percentile_words[] = {
	{QOS_RULES_USED_P50, offsetof(struct qos_stream_stats, used), 500000},
	{QOS_RULES_USED_P90, offsetof(struct qos_stream_stats, used), 900000},
	{QOS_RULES_USED_P99, offsetof(struct qos_stream_stats, used), 990000},
	{QOS_RULES_SLACK_P1, offsetof(struct qos_stream_stats, response), 990000, true},
	{QOS_RULES_SLACK_P10, offsetof(struct qos_stream_stats, response), 900000, true},
	{QOS_RULES_SLACK_P50, offsetof(struct qos_stream_stats, response), 500000, true},
	{QOS_RULES_RESPONSE_P50, offsetof(struct qos_stream_stats, response), 500000},
	{QOS_RULES_RESPONSE_P90, offsetof(struct qos_stream_stats, response), 900000},
	{QOS_RULES_RESPONSE_P99, offsetof(struct qos_stream_stats, response), 990000},
	{QOS_RULES_LATENCY_P50, offsetof(struct qos_stream_stats, latency), 500000},
	{QOS_RULES_LATENCY_P90, offsetof(struct qos_stream_stats, latency), 900000},
	{QOS_RULES_LATENCY_P99, offsetof(struct qos_stream_stats, latency), 990000},
};

static const uint32_t *histogram(const struct qos_stream_stats *stats, size_t offset)
{
	return (const uint32_t *)((const char *)stats + offset);
}

static void fill_percentiles(struct qos_rules_stream *to, const struct qos_cpu_stream *wish,
			     const struct qos_stream_stats *now,
			     struct qos_extension_window *window)
{
	roll(window, now);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(percentile_words); i++) {
		const struct percentile_word *p = &percentile_words[i];
		int64_t value = percentile(histogram(now, p->histogram),
					   histogram(&window->older, p->histogram), p->ppm);

		to->word[p->word] = p->is_slack ? saturated(wish->deadline_ns) - value : value;
	}
}

/* --- ticks --- */

/* false: nothing is known of the stream. */
static bool fill_stream(struct qos_supervisor *supervisor, struct qos_extension *extension,
			const struct qos_live_stream *stream, struct qos_stream_stats *before,
			struct qos_rules_stream *to)
{
	struct qos_stream_stats now = {};

	memset(to, 0, sizeof(*to));
	to->word[QOS_RULES_ATTRIBUTE] =
		qos_chain_value(supervisor->extender->chain, extension->number, stream->index);
	if (!qos_stats_read(supervisor, stream, &now))
		return false;
	to->word[QOS_RULES_JOBS] = saturated(now.jobs - before->jobs);
	to->word[QOS_RULES_LATE] = saturated(now.late - before->late);
	to->word[QOS_RULES_SERVED] = saturated(now.served - before->served);
	to->word[QOS_RULES_LOST] = saturated(now.lost - before->lost);
	to->word[QOS_RULES_VIOLATIONS] = saturated(now.violations - before->violations);
	fill_percentiles(to, qos_live_wish(stream), &now, &extension->windows[stream->index]);
	*before = now;
	return true;
}

/* Memory for what a tick compares with; only contracts with ticks have it. */
static bool has_memory(struct qos_extension *extension, struct qos_extension_program *program)
{
	if (!program->before)
		program->before = calloc(extension->n_streams + 1, sizeof(*program->before));
	if (!program->net_before)
		program->net_before = calloc(extension->n_net + 1, sizeof(*program->net_before));
	if (!extension->windows)
		extension->windows = calloc(extension->n_streams + 1, sizeof(*extension->windows));
	return program->before && program->net_before && extension->windows;
}

/* A rule that took silence for zeros would adapt to what is not so: without statistics there is no tick. */
static bool fill_streams(struct qos_supervisor *supervisor, struct qos_live *live,
			 struct qos_extension_program *program)
{
	struct qos_rules_frame *frame = qos_chain_frame(supervisor->extender->chain);
	struct qos_extension *extension = live->extension;

	extension->blind = 0;
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];

		if (!fill_stream(supervisor, extension, stream, &program->before[stream->index],
				 &frame->stream[stream->index]))
			extension->blind = 1 + stream->index;
	}
	extension->blind = qos_extension_net_fill(supervisor, live, program) ?: extension->blind;
	return !extension->blind;
}

static void tick(struct qos_supervisor *supervisor, struct qos_live *live,
		 struct qos_extension_program *program, uint64_t now_ns)
{
	struct qos_rules_frame *frame = qos_chain_frame(supervisor->extender->chain);
	struct qos_extension *extension = live->extension;

	if (!has_memory(extension, program) || !fill_streams(supervisor, live, program))
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
	word[QOS_RULES_RESPONSE] = saturated(now_ns - task->release_ns);
	word[QOS_RULES_SLACK] =
		saturated(qos_live_wish(stream)->deadline_ns) - word[QOS_RULES_RESPONSE];
	word[QOS_RULES_USED] = saturated(task->total_ns - task->job_from_ns +
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
