/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a tick tells of a contract's streams: what came since the last tick that was raised, and percentiles.
 * Without statistics of a stream that the program looks at there is no tick: a rule that took silence for
 * zeros would adapt to what is not so.
 *
 * Percentiles speak of the last QOS_EXTENSION_JOBS jobs, as the monitor's histograms have them: two
 * snapshots are kept, the older one is replaced whenever half as many jobs have come, so they cover
 * between half of them and all, and as many more as come between two ticks. They begin with the rules. A
 * percentile is the upper edge of its bucket, at most 1/8 too high. The snapshots are told by jobs for all
 * histograms, that of latency too, which counts wake-ups.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/hist.h"
#include "extend_parts.h"
#include "stats.h"

void qos_extension_memory_free(struct qos_extension_memory *memory)
{
	free(memory->cpu);
	free(memory->net);
	*memory = (struct qos_extension_memory){};
}

/* --- snapshots --- */

static bool reads(const struct qos_extension_program *program, size_t place)
{
	return program->reads >> place & 1;
}

/* Those of now, of what the program looks at; the rest, and what cannot be read, stays as it was. 0, or 1 + the
 * place of a stream that the program looks at and of which nothing is known. */
static size_t look(struct qos_supervisor *supervisor, const struct qos_live *live,
		   const struct qos_extension_program *program)
{
	const struct qos_contract *contract = live->contract;
	const struct qos_extension_memory *memory = &program->memory;
	struct qos_stream_stats *cpu = memory->cpu + memory->n_cpu;
	struct qos_net_counts *net = memory->net + memory->n_net;
	uint64_t missing = program->reads;

	memcpy(cpu, memory->cpu, memory->n_cpu * sizeof(*cpu));
	memcpy(net, memory->net, memory->n_net * sizeof(*net));
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];
		struct qos_stream_stats now;

		if (!reads(program, stream->index) || !qos_stats_read(supervisor, stream, &now))
			continue;
		cpu[stream->index] = now;
		missing &= ~(1ULL << stream->index);
	}
	for (size_t i = 0; i < contract->n_net; i++) {
		struct qos_net_counts now;

		if (!reads(program, contract->n_cpu + i) ||
		    !qos_network_counts(supervisor, contract->name, contract->net[i].name, &now))
			continue;
		net[i] = now;
		missing &= ~(1ULL << (contract->n_cpu + i));
	}
	return missing ? 1 + (size_t)__builtin_ctzll(missing) : 0;
}

/* They are what the next tick compares with. */
static void settle(const struct qos_extension_memory *memory)
{
	memcpy(memory->cpu, memory->cpu + memory->n_cpu, memory->n_cpu * sizeof(*memory->cpu));
	memcpy(memory->net, memory->net + memory->n_net, memory->n_net * sizeof(*memory->net));
}

int qos_extension_memory_new(struct qos_supervisor *supervisor, const struct qos_live *live,
			     struct qos_extension *extension, struct qos_extension_program *program)
{
	struct qos_extension_memory *memory = &program->memory;

	memory->n_cpu = live->contract->n_cpu;
	memory->n_net = live->contract->n_net;
	memory->cpu = calloc(2 * memory->n_cpu + 1, sizeof(*memory->cpu));
	memory->net = calloc(2 * memory->n_net + 1, sizeof(*memory->net));
	if (!extension->windows)
		extension->windows = calloc(memory->n_cpu + 1, sizeof(*extension->windows));
	if (!memory->cpu || !memory->net || !extension->windows)
		return -ENOMEM;
	look(supervisor, live, program);
	settle(memory);
	for (size_t i = 0; i < memory->n_cpu; i++) {
		if (reads(program, i) && !extension->windows[i].newer.jobs)
			extension->windows[i].older = extension->windows[i].newer = memory->cpu[i];
	}
	return 0;
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
	return qos_rules_time(qos_hist_quantile(delta, ppm));
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

		to->word[p->word] = p->is_slack ? qos_rules_time(wish->deadline_ns) - value : value;
	}
}

/* --- words --- */

struct count {
	enum qos_rules_word word;
	uint64_t now, before;
};

static void put_counts(int64_t *word, const struct count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		word[counts[i].word] = qos_rules_saturated(
			qos_extension_since(counts[i].now, counts[i].before), QOS_RULES_COUNT_BITS);
}

static void fill_cpu(const struct qos_stream_stats *now, const struct qos_stream_stats *before,
		     int64_t *word)
{
	const struct count counts[] = {
		{QOS_RULES_JOBS, now->jobs, before->jobs},
		{QOS_RULES_LATE, now->late, before->late},
		{QOS_RULES_SERVED, now->served, before->served},
		{QOS_RULES_LOST, now->lost, before->lost},
		{QOS_RULES_VIOLATIONS, now->violations, before->violations},
	};

	put_counts(word, counts, QOS_ARRAY_SIZE(counts));
}

static void fill_net(const struct qos_net_counts *now, const struct qos_net_counts *before,
		     int64_t *word)
{
	const struct count counts[] = {
		{QOS_RULES_DROPPED, now->dropped, before->dropped},
		{QOS_RULES_LATE, now->late, before->late},
		{QOS_RULES_SERVED, now->served, before->served},
		{QOS_RULES_LOST, now->lost, before->lost},
		{QOS_RULES_VIOLATIONS, now->violations, before->violations},
	};

	put_counts(word, counts, QOS_ARRAY_SIZE(counts));
	word[QOS_RULES_SENT] = qos_rules_saturated(
		qos_extension_since(now->sent_bytes, before->sent_bytes), QOS_RULES_BYTES_BITS);
	word[QOS_RULES_BACKLOG] = qos_rules_saturated(now->backlog_bytes, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_DELAY] = qos_rules_time(now->delay_max_ns);
}

static int64_t rtt_of(const struct qos_supervisor *supervisor, const struct qos_contract *contract,
		      size_t i)
{
	struct qos_net_sockets sockets;

	return qos_network_sockets(supervisor, contract->name, &contract->net[i], &sockets)
		       ? qos_rules_time(sockets.rtt_max_ns)
		       : 0;
}

/* Of all streams, in the contract's order; metrics of those that the program looks at. */
static void fill(const struct qos_supervisor *supervisor, const struct qos_live *live,
		 const struct qos_extension_program *program, struct qos_rules_stream *to)
{
	const struct qos_extension_memory *memory = &program->memory;
	const struct qos_extension *extension = live->extension;
	struct qos_chain *chain = supervisor->extender->chain;
	size_t n = memory->n_cpu + memory->n_net;

	memset(to, 0, n * sizeof(*to));
	for (size_t i = 0; i < n; i++)
		to[i].word[QOS_RULES_ATTRIBUTE] = qos_chain_value(chain, extension->number, i);
	for (size_t i = 0; i < memory->n_cpu; i++) {
		const struct qos_stream_stats *now = &memory->cpu[memory->n_cpu + i];

		if (!reads(program, i))
			continue;
		fill_cpu(now, &memory->cpu[i], (int64_t *)to[i].word);
		fill_percentiles(&to[i], &live->contract->cpu[i], now, &extension->windows[i]);
	}
	for (size_t i = 0; i < memory->n_net; i++) {
		size_t place = memory->n_cpu + i;

		fill_net(&memory->net[memory->n_net + i], &memory->net[i],
			 (int64_t *)to[place].word);
		if (program->reads_rtt >> place & 1)
			to[place].word[QOS_RULES_RTT] = rtt_of(supervisor, live->contract, i);
	}
}

bool qos_extension_fill(struct qos_supervisor *supervisor, struct qos_live *live,
			struct qos_extension_program *program, struct qos_rules_stream *to)
{
	if (!program->memory.cpu)
		return false;
	live->extension->blind = look(supervisor, live, program);
	if (live->extension->blind)
		return false;
	fill(supervisor, live, program, to);
	settle(&program->memory);
	return true;
}
