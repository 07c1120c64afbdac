/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An array, not a ring: two neighbours merge once in 20 s, and then a few KiB are moved. Levels only fall
 * along it, so that the points of a level lie together.
 *
 * Known weakness: what happened between the last sample of a stream and its end is lost with its series.
 */
#include "adapt/series.h"

#include <string.h>

#include "adapt/hist.h"

_Static_assert(sizeof(struct qos_series_point) == 48, "as counted in series.h");
_Static_assert(sizeof(struct qos_series) < 11 * 1024, "as counted in series.h");
_Static_assert(QOS_HIST_BUCKETS < QOS_SERIES_NONE, "a bucket is a byte");

/* --- the set --- */

struct qos_series *qos_series_find(const struct qos_series_set *set, uint32_t id)
{
	return qos_table_get(&set->by_id, id);
}

static uint32_t idle_s(const struct qos_series *series, uint32_t now_s)
{
	return now_s > series->busy_s ? now_s - series->busy_s : 0;
}

/* The one to give up for another; NULL: all are in use. */
static struct qos_series *idlest(const struct qos_series_set *set, uint32_t now_s)
{
	struct qos_series *series, *found = NULL;
	size_t pos = 0;

	while ((series = qos_table_next(&set->by_id, &pos))) {
		if (idle_s(series, now_s) >= QOS_SERIES_IDLE_S &&
		    (!found || idle_s(series, now_s) > idle_s(found, now_s)))
			found = series;
	}
	return found;
}

struct qos_series *qos_series_start(struct qos_series_set *set, uint32_t id, uint32_t now_s)
{
	_cleanup_free_ struct qos_series *series = qos_series_find(set, id);
	struct qos_series *idle = NULL;

	if (series)
		return TAKE_PTR(series);
	if (set->by_id.n >= QOS_SERIES_STREAMS_MAX) {
		idle = idlest(set, now_s);
		if (!idle)
			return NULL;
		qos_series_drop(set, idle->id);
	}
	series = calloc(1, sizeof(*series));
	if (!series || qos_table_set(&set->by_id, id, series) < 0)
		return NULL;
	series->id = id;
	series->busy_s = now_s;
	return TAKE_PTR(series);
}

void qos_series_drop(struct qos_series_set *set, uint32_t id)
{
	free(qos_table_remove(&set->by_id, id));
}

void qos_series_reset(struct qos_series_set *set)
{
	struct qos_series *series;
	size_t pos = 0;

	while ((series = qos_table_next(&set->by_id, &pos)))
		free(series);
	qos_table_reset(&set->by_id);
}

/* --- points --- */

static uint32_t narrow(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t sum(uint32_t a, uint32_t b)
{
	return narrow((uint64_t)a + b);
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint16_t kib(uint64_t bytes)
{
	return bytes / 1024 > UINT16_MAX ? UINT16_MAX : (uint16_t)(bytes / 1024);
}

static uint8_t higher(uint8_t a, uint8_t b)
{
	if (a == QOS_SERIES_NONE || b == QOS_SERIES_NONE)
		return a == QOS_SERIES_NONE ? b : a;
	return a > b ? a : b;
}

static void merge_quantiles(struct qos_series_quantiles *to,
			    const struct qos_series_quantiles *more)
{
	to->p50 = higher(to->p50, more->p50);
	to->p99 = higher(to->p99, more->p99);
	to->max = higher(to->max, more->max);
}

static void merge(struct qos_series_point *to, const struct qos_series_point *more)
{
	to->to_s = more->to_s;
	to->jobs = sum(to->jobs, more->jobs);
	to->late = sum(to->late, more->late);
	to->requests = sum(to->requests, more->requests);
	to->lost = sum(to->lost, more->lost);
	to->windows = sum(to->windows, more->windows);
	to->violations = sum(to->violations, more->violations);
	to->granted_lo = smaller(to->granted_lo, more->granted_lo);
	to->granted_hi = larger(to->granted_hi, more->granted_hi);
	if (to->packets) {
		to->backlog_kib = (uint16_t)larger(to->backlog_kib, more->backlog_kib);
	} else {
		merge_quantiles(&to->used, &more->used);
		merge_quantiles(&to->latency, &more->latency);
	}
	to->level++;
}

static void take_out(struct qos_series *series, uint32_t index)
{
	series->n--;
	memmove(&series->points[index], &series->points[index + 1],
		(series->n - index) * sizeof(*series->points));
}

/* Room for one more point of this level, and so for one at all. */
static void make_room(struct qos_series *series, unsigned int level)
{
	uint32_t first = 0, n = 0;

	while (first < series->n && series->points[first].level > level)
		first++;
	while (first + n < series->n && series->points[first + n].level == level)
		n++;
	if (n < QOS_SERIES_A_LEVEL)
		return;
	if (level + 1 == QOS_SERIES_LEVELS) {
		take_out(series, 0);
		return;
	}
	make_room(series, level + 1);
	for (first = 0; series->points[first].level > level;)
		first++;
	merge(&series->points[first], &series->points[first + 1]);
	take_out(series, first + 1);
}

/* --- samples --- */

static struct qos_series_before counters_of_packets(const struct qos_series_packets *packets)
{
	return (struct qos_series_before){
		.jobs = packets->sent_bytes / 1024,
		.late = packets->late,
		.requests = packets->sent + packets->dropped,
		.lost = packets->dropped,
		.windows = packets->windows,
		.violations = packets->violations,
	};
}

static struct qos_series_before counters_of(const struct qos_stream_stats *stats)
{
	struct qos_series_before now = {
		.jobs = stats->jobs,
		.late = stats->late,
		.requests = stats->served + stats->lost,
		.lost = stats->lost,
		.windows = stats->windows,
		.violations = stats->violations,
	};

	memcpy(now.used, stats->used, sizeof(now.used));
	memcpy(now.latency, stats->latency, sizeof(now.latency));
	return now;
}

static bool began_anew(const struct qos_series_before *now, const struct qos_series_before *before)
{
	return now->jobs < before->jobs || now->late < before->late ||
	       now->requests < before->requests || now->lost < before->lost ||
	       now->windows < before->windows || now->violations < before->violations;
}

/* Where it lies: an edge is the least value that its bucket does not count. */
static uint8_t bucket_of(const uint32_t *buckets, uint32_t ppm)
{
	return (uint8_t)qos_hist_bucket(qos_hist_quantile(buckets, ppm) - 1);
}

static struct qos_series_quantiles quantiles_of(const uint32_t *now, const uint32_t *before)
{
	struct qos_series_quantiles none = {QOS_SERIES_NONE, QOS_SERIES_NONE, QOS_SERIES_NONE};
	uint32_t window[QOS_HIST_BUCKETS];

	qos_hist_delta(window, now, before);
	if (!qos_hist_count(window))
		return none;
	return (struct qos_series_quantiles){
		.p50 = bucket_of(window, 500000),
		.p99 = bucket_of(window, 990000),
		.max = bucket_of(window, 1000000),
	};
}

static struct qos_series_before counters(const struct qos_series_sample *sample)
{
	return sample->packets ? counters_of_packets(sample->packets) : counters_of(sample->stats);
}

bool qos_series_latest(const struct qos_series *series, uint32_t now_s,
		       const struct qos_series_sample *sample, struct qos_series_point *ret)
{
	static const struct qos_series_before nothing;
	struct qos_series_before now = counters(sample);
	const struct qos_series_before *before = &series->before;
	uint32_t granted = narrow(sample->granted / 1000);

	if (!series->sampled || now_s <= series->at_s)
		return false;
	if (began_anew(&now, before))
		before = &nothing;
	*ret = (struct qos_series_point){
		.from_s = series->at_s,
		.to_s = now_s,
		.jobs = narrow(now.jobs - before->jobs),
		.late = narrow(now.late - before->late),
		.requests = narrow(now.requests - before->requests),
		.lost = narrow(now.lost - before->lost),
		.windows = narrow(now.windows - before->windows),
		.violations = narrow(now.violations - before->violations),
		.granted_lo = smaller(granted, series->granted_lo),
		.granted_hi = larger(granted, series->granted_hi),
		.packets = sample->packets,
	};
	if (sample->packets) {
		ret->backlog_kib =
			(uint16_t)larger(series->backlog_kib, kib(sample->packets->backlog_bytes));
		return true;
	}
	ret->used = quantiles_of(now.used, before->used);
	ret->latency = quantiles_of(now.latency, before->latency);
	return true;
}

void qos_series_see(struct qos_series *series, uint64_t granted, uint64_t backlog_bytes)
{
	series->granted_lo = smaller(series->granted_lo, narrow(granted / 1000));
	series->granted_hi = larger(series->granted_hi, narrow(granted / 1000));
	series->backlog_kib = (uint16_t)larger(series->backlog_kib, kib(backlog_bytes));
}

bool qos_series_is_due(const struct qos_series *series, uint32_t now_s)
{
	return !series->sampled ||
	       (now_s > series->at_s && now_s - series->at_s >= QOS_SERIES_STEP_S);
}

void qos_series_add(struct qos_series *series, uint32_t now_s,
		    const struct qos_series_sample *sample)
{
	struct qos_series_point point = {};

	if (series->sampled) {
		if (!qos_series_latest(series, now_s, sample, &point))
			return;
		make_room(series, 0);
		series->points[series->n++] = point;
	}
	if (sample->running || point.jobs)
		series->busy_s = now_s;
	series->sampled = true;
	series->at_s = now_s;
	series->granted_lo = narrow(sample->granted / 1000);
	series->granted_hi = series->granted_lo;
	series->backlog_kib = 0;
	series->before = counters(sample);
}
