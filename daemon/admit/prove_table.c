/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * T3, the skip table. Releases at phase + kT. An ordering is replayed at full C until its whole state
 * comes again; the requests that it completed while they were owed (m' > 0) are the mandatory ones,
 * a prefix and then a cycle. The replay is a preemptive one-CPU schedule that meets all of their
 * deadlines, so EDF meets them (Liu, Layland 1973; Dertouzos 1974: optimal), and, preemptive EDF being
 * sustainable (Baruah, Burns 2006), at any smaller C as well. No window of the replay was broken, so
 * each has its m.
 *
 * A request in flight where the cycle ends takes the bit of its twin at the start: their states are
 * the same, so are their fates.
 */
#include <errno.h>
#include <string.h>

#include "admit/prove.h"
#include "util/cleanup.h"

/* One task's outcomes, bits by request. */
struct record {
	uint8_t *bits;
	uint64_t size;	/* bytes */
	uint64_t ended; /* so many requests came to their end, one after the other */
};

struct records {
	struct record *of;
	bool failed; /* too long, or no memory */
};

static bool grow(struct record *record, uint64_t request)
{
	uint64_t size = record->size ? record->size : 64;
	uint8_t *bits;

	while (request / 8 >= size)
		size *= 2;
	bits = realloc(record->bits, size);
	if (!bits)
		return false;
	memset(bits + record->size, 0, size - record->size);
	record->bits = bits;
	record->size = size;
	return true;
}

static void ended(void *data, size_t i, uint64_t request, enum qos_sim_outcome outcome)
{
	struct records *records = data;
	struct record *record = &records->of[i];

	record->ended = request + 1;
	if (records->failed || outcome != QOS_SIM_SERVED_OWED)
		return;
	if (request / 8 >= record->size && !grow(record, request)) {
		records->failed = true;
		return;
	}
	record->bits[request / 8] |= (uint8_t)(1U << request % 8);
}

static bool bit(const struct record *record, uint64_t request)
{
	return request / 8 < record->size && record->bits[request / 8] & 1U << request % 8;
}

/* Requests of a task that were released before `time`. */
static uint64_t released_before(const struct qos_sim_task *task, uint64_t time)
{
	return time > task->phase ? (time - task->phase - 1) / task->period + 1 : 0;
}

static bool make_table(const struct qos_sim_task *task, const struct qos_sim_result *result,
		       const struct record *record, struct qos_must *must)
{
	uint64_t prefix = released_before(task, result->repeat_from);
	uint64_t cycle = (result->repeat_to - result->repeat_from) / task->period;
	uint64_t last = prefix + cycle - 1;
	bool twin = prefix && record->ended <= last;

	if (prefix + cycle > QOS_PROVE_BITS_MAX ||
	    qos_must_init(must, (uint32_t)prefix, (uint32_t)cycle) < 0)
		return false;
	for (uint64_t request = 0; request <= last; request++) {
		if (bit(record, request == last && twin ? prefix - 1 : request))
			qos_must_set(must, request);
	}
	return true;
}

static bool make_tables(const struct qos_sim_task *tasks, size_t n,
			const struct qos_sim_result *result, const struct records *records,
			struct qos_must *must)
{
	for (size_t i = 0; i < n; i++) {
		if (make_table(&tasks[i], result, &records->of[i], &must[i]))
			continue;
		for (size_t k = 0; k < n; k++)
			qos_must_reset(&must[k]);
		return false;
	}
	return true;
}

bool qos_prove_table(const struct qos_sim_task *tasks, size_t n, enum dwcs_ordering ordering,
		     const struct qos_prove_params *params, struct qos_must *must)
{
	_cleanup_free_ struct record *of = calloc(n + 1, sizeof(*of));
	_cleanup_free_ struct qos_sim_stats *stats = calloc(n + 1, sizeof(*stats));
	struct records records = {.of = of};
	const struct qos_sim_options options = {
		.ordering = ordering,
		.requests_max = params->jobs_max,
		.stop_at_violation = true,
		.ended = must ? ended : NULL,
		.data = &records,
	};
	struct qos_sim_result result;
	bool proven;

	if (!of || !stats)
		return false;
	proven = qos_simulate(tasks, n, &options, stats, &result) == 0 && qos_sim_keeps(&result);
	if (proven && must)
		proven = !records.failed && make_tables(tasks, n, &result, &records, must);
	for (size_t i = 0; i < n; i++)
		free(of[i].bits);
	return proven;
}
