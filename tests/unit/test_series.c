/* SPDX-License-Identifier: GPL-2.0-only */
/* What a series keeps of what it is told, in which steps, for how long, and in how much memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "adapt/hist.h"
#include "adapt/series.h"

static struct qos_series_set set;
static struct qos_stream_stats stats;
static struct qos_series_sample sample;

static int setup(void **state)
{
	memset(&stats, 0, sizeof(stats));
	sample = (struct qos_series_sample){.stats = &stats, .granted = 4000000, .running = true};
	return 0;
}

static int teardown(void **state)
{
	qos_series_reset(&set);
	return 0;
}

/* So many jobs, each with one request, used up to `used_ns`. */
static void work(uint64_t jobs, uint64_t used_ns)
{
	stats.jobs += jobs;
	stats.served += jobs;
	stats.used[qos_hist_bucket(used_ns)] += (uint32_t)jobs;
}

static struct qos_series *begin(uint32_t now_s)
{
	struct qos_series *series = qos_series_start(&set, 1, now_s);

	assert_non_null(series);
	qos_series_add(series, now_s, &sample);
	return series;
}

static uint64_t sum_of_jobs(const struct qos_series *series)
{
	uint64_t jobs = 0;

	for (uint32_t i = 0; i < series->n; i++)
		jobs += series->points[i].jobs;
	return jobs;
}

/* Points follow each other without a gap, and never become finer with age. */
static void assert_sound(const struct qos_series *series)
{
	unsigned int of_level[QOS_SERIES_LEVELS] = {};

	assert_in_range(series->n, 0, QOS_SERIES_POINTS_MAX);
	for (uint32_t i = 0; i < series->n; i++) {
		const struct qos_series_point *point = &series->points[i];

		assert_true(point->to_s > point->from_s);
		assert_true(point->level < QOS_SERIES_LEVELS);
		of_level[point->level]++;
		if (!i)
			continue;
		assert_int_equal(point[-1].to_s, point->from_s);
		assert_true(point[-1].level >= point->level);
	}
	for (size_t i = 0; i < QOS_SERIES_LEVELS; i++)
		assert_true(of_level[i] <= QOS_SERIES_A_LEVEL);
}

static void test_differences(void **state)
{
	struct qos_series *series;
	struct qos_series_point *point;

	work(1000, 1000000); /* before it began: not its own */
	series = begin(100);
	assert_int_equal(series->n, 0);
	assert_false(qos_series_is_due(series, 109));
	assert_true(qos_series_is_due(series, 110));
	work(98, 2000000);
	work(2, 9000000);
	stats.late += 3;
	stats.lost += 2;
	stats.windows += 10;
	stats.violations += 1;
	qos_series_see(series, 9000000, 0);
	sample.granted = 6000000;
	qos_series_add(series, 111, &sample);
	assert_int_equal(series->n, 1);
	point = &series->points[0];
	assert_int_equal(point->from_s, 100);
	assert_int_equal(point->to_s, 111);
	assert_int_equal(point->jobs, 100);
	assert_int_equal(point->late, 3);
	assert_int_equal(point->requests, 102);
	assert_int_equal(point->lost, 2);
	assert_int_equal(point->windows, 10);
	assert_int_equal(point->violations, 1);
	assert_int_equal(point->granted_lo, 4000);
	assert_int_equal(point->granted_hi, 9000);
	assert_int_equal(point->used.p50, qos_hist_bucket(2000000));
	assert_int_equal(point->used.p99, qos_hist_bucket(9000000));
	assert_int_equal(point->used.max, qos_hist_bucket(9000000));
	assert_int_equal(point->latency.max, QOS_SERIES_NONE);
	qos_series_add(series, 121, &sample);
	assert_int_equal(series->points[1].granted_lo, 6000);
	assert_int_equal(series->points[1].granted_hi, 6000);
}

/* What is asked for between two samples is not kept, nor lost. */
static void test_latest(void **state)
{
	struct qos_series *series = qos_series_start(&set, 1, 100);
	struct qos_series_point point;

	assert_false(qos_series_latest(series, 105, &sample, &point)); /* nothing to count from */
	qos_series_add(series, 100, &sample);
	assert_false(qos_series_latest(series, 100, &sample, &point));
	work(7, 1000000);
	assert_true(qos_series_latest(series, 103, &sample, &point));
	assert_int_equal(point.jobs, 7);
	assert_int_equal(point.to_s, 103);
	qos_series_add(series, 110, &sample);
	assert_int_equal(series->n, 1);
	assert_int_equal(series->points[0].jobs, 7);
}

/* Packets: the same counts, other figures. */
static void test_packets(void **state)
{
	struct qos_series *series = qos_series_start(&set, 1, 100);
	struct qos_series_packets packets = {.sent_bytes = 10240, .sent = 10};
	const struct qos_series_sample first = {.packets = &packets, .granted = 12000000};
	struct qos_series_sample later = first;
	const struct qos_series_point *point = &series->points[0];

	qos_series_add(series, 100, &first);
	qos_series_see(series, 10000000, 300000);
	packets = (struct qos_series_packets){.sent_bytes = 10240 + 102400,
					      .sent = 110,
					      .dropped = 5,
					      .late = 3,
					      .windows = 2,
					      .violations = 1,
					      .backlog_bytes = 2048};
	qos_series_add(series, 110, &later);
	assert_int_equal(series->n, 1);
	assert_true(point->packets);
	assert_int_equal(point->jobs, 100);
	assert_int_equal(point->requests, 105);
	assert_int_equal(point->lost, 5);
	assert_int_equal(point->late, 3);
	assert_int_equal(point->violations, 1);
	assert_int_equal(point->granted_lo, 10000);
	assert_int_equal(point->granted_hi, 12000);
	assert_int_equal(point->backlog_kib, 300000 / 1024);
	packets.backlog_bytes = UINT64_MAX;
	qos_series_add(series, 120, &later);
	assert_int_equal(point[1].backlog_kib, UINT16_MAX);
	packets.backlog_bytes = 0;
	for (uint32_t s = 130; series->points[0].level == 0; s += 10)
		qos_series_add(series, s, &later);
	assert_true(point->packets);
	assert_int_equal(point->jobs, 100);
	assert_int_equal(point->backlog_kib, UINT16_MAX);
}

static void test_neighbours_merge(void **state)
{
	struct qos_series *series = begin(0);

	for (uint32_t i = 1; i <= QOS_SERIES_A_LEVEL + 1; i++) {
		sample.granted = i == 2 ? 8000000 : 4000000;
		work(i, i == 1 ? 8000000 : 1000000);
		qos_series_add(series, i * 10, &sample);
	}
	assert_sound(series);
	assert_int_equal(series->n, QOS_SERIES_A_LEVEL);
	assert_int_equal(series->points[0].level, 1);
	assert_int_equal(series->points[0].from_s, 0);
	assert_int_equal(series->points[0].to_s, 20);
	assert_int_equal(series->points[0].jobs, 1 + 2);
	assert_int_equal(series->points[0].granted_lo, 4000);
	assert_int_equal(series->points[0].granted_hi, 8000);
	assert_int_equal(series->points[0].used.max, qos_hist_bucket(8000000));
	assert_int_equal(series->points[1].level, 0);
}

/* For ever: what is kept covers the time that the header promises, in the memory that it promises. */
static void test_a_week(void **state)
{
	struct qos_series *series = begin(0);
	const struct qos_series_point *last;
	uint64_t jobs = 0, s;

	for (s = 10; s <= 7 * 86400; s += 10) {
		work(1, 1000000);
		jobs++;
		qos_series_add(series, (uint32_t)s, &sample);
		if (s <= 16 * 3600) {
			assert_int_equal(sum_of_jobs(series), jobs);
			assert_int_equal(series->points[0].from_s, 0);
		}
		if (s % 3600 == 0)
			assert_sound(series);
	}
	last = &series->points[series->n - 1];
	assert_int_equal(last->to_s, 7 * 86400);
	assert_in_range(last->to_s - series->points[0].from_s, 16 * 3600, 17 * 3600);
	assert_int_equal(sum_of_jobs(series), (last->to_s - series->points[0].from_s) / 10);
}

static void test_time_going_back(void **state)
{
	struct qos_series *series = begin(1000);

	work(5, 1000000);
	assert_false(qos_series_is_due(series, 10));
	qos_series_add(series, 10, &sample);
	qos_series_add(series, 1000, &sample);
	assert_int_equal(series->n, 0);
	work(6, 1000000);
	qos_series_add(series, 1010, &sample);
	assert_int_equal(series->n, 1);
	assert_int_equal(series->points[0].jobs, 11);
	assert_sound(series);
}

/* Another module counts from zero; a histogram's buckets may wrap. */
static void test_counters_that_begin_anew(void **state)
{
	struct qos_series *series;

	work(50, 1000000);
	stats.latency[7] = UINT32_MAX;
	series = begin(0);
	work(1, 1000000);
	stats.latency[7] += 2;
	qos_series_add(series, 10, &sample);
	assert_int_equal(series->points[0].latency.p50, 7);
	memset(&stats, 0, sizeof(stats));
	work(3, 9000000);
	qos_series_add(series, 20, &sample);
	assert_int_equal(series->points[1].jobs, 3);
	assert_int_equal(series->points[1].used.p50, qos_hist_bucket(9000000));
}

static void test_large_numbers_stay(void **state)
{
	struct qos_series *series = begin(0);

	for (uint32_t i = 1; i <= QOS_SERIES_A_LEVEL + 1; i++) {
		stats.jobs += UINT64_C(1) << 32;
		sample.granted = UINT64_MAX;
		stats.used[QOS_HIST_BUCKETS - 1]++;
		qos_series_add(series, i * 10, &sample);
	}
	assert_int_equal(series->points[0].jobs, UINT32_MAX);
	assert_int_equal(series->points[0].granted_hi, UINT32_MAX);
	assert_int_equal(series->points[0].used.max, QOS_HIST_BUCKETS - 1);
}

/* Those that run are not pushed out; those that stopped are, the longest idle first. */
static void test_the_cap(void **state)
{
	struct qos_series *series;
	uint32_t id;

	for (id = 1; id <= QOS_SERIES_STREAMS_MAX; id++) {
		series = qos_series_start(&set, id, 10);
		assert_non_null(series);
		assert_ptr_equal(qos_series_start(&set, id, 10), series);
	}
	assert_null(qos_series_start(&set, id, 10 + QOS_SERIES_IDLE_S - 1));
	for (uint32_t i = 1; i < id; i++) {
		sample.running = i != 3;
		qos_series_add(qos_series_find(&set, i), 11, &sample);
		sample.running = i != 3 && i != 5;
		qos_series_add(qos_series_find(&set, i), 200, &sample);
	}
	assert_non_null(qos_series_start(&set, id, 200));
	assert_null(qos_series_find(&set, 3));
	assert_non_null(qos_series_find(&set, 5));
	assert_non_null(qos_series_start(&set, id + 1, 200));
	assert_null(qos_series_find(&set, 5));
	assert_null(qos_series_start(&set, id + 2, 200));
	assert_int_equal(set.by_id.n, QOS_SERIES_STREAMS_MAX);
	qos_series_drop(&set, 1);
	qos_series_drop(&set, 1);
	assert_non_null(qos_series_start(&set, id + 2, 200));
	assert_true(QOS_SERIES_STREAMS_MAX * sizeof(struct qos_series) < 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_differences, setup, teardown),
		cmocka_unit_test_setup_teardown(test_latest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_neighbours_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_week, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_going_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counters_that_begin_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_numbers_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_cap, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
