/* SPDX-License-Identifier: GPL-2.0-only */
/* The histogram's layout as the daemon reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/types.h>
#include <string.h>

#include "adapt/hist.h"
#include "qos_abi.h"

static void edges_are_where_buckets_change(void **state)
{
	for (uint32_t b = 0; b < QOS_HIST_BUCKETS - 1; b++) {
		uint64_t edge = qos_hist_edge(b);

		assert_int_equal(qos_hist_bucket(edge - 1), b);
		assert_int_equal(qos_hist_bucket(edge), b + 1);
	}
	assert_int_equal(qos_hist_edge(0), 1 << QOS_HIST_SHIFT_MIN);
	assert_true(qos_hist_edge(QOS_HIST_BUCKETS - 2) == 1ULL << QOS_HIST_SHIFT_MAX);
	assert_int_equal(qos_hist_bucket(0), 0);
	assert_int_equal(qos_hist_bucket(UINT64_MAX), QOS_HIST_BUCKETS - 1);
	assert_true(qos_hist_edge(QOS_HIST_BUCKETS - 1) == UINT64_MAX);
}

static void buckets_are_at_most_an_eighth_wide(void **state)
{
	for (uint32_t b = 1; b < QOS_HIST_BUCKETS - 1; b++) {
		uint64_t lower = qos_hist_edge(b - 1), width = qos_hist_edge(b) - lower;

		assert_in_range(width * 8, 1, lower);
	}
}

static void quantiles_are_never_too_low(void **state)
{
	uint32_t buckets[QOS_HIST_BUCKETS] = {};

	for (uint64_t us = 1; us <= 1000; us++)
		buckets[qos_hist_bucket(us * 1000)]++;
	assert_int_equal(qos_hist_count(buckets), 1000);
	for (uint32_t permille = 1; permille <= 1000; permille++) {
		uint64_t exact = permille * 1000ULL,
			 q = qos_hist_quantile(buckets, permille * 1000);

		if (exact < 1024)
			continue;
		assert_true(q >= exact);
		assert_true(q <= exact + exact / 8 + 1);
	}
}

static void quantiles_at_the_ends(void **state)
{
	uint32_t buckets[QOS_HIST_BUCKETS] = {};

	assert_int_equal(qos_hist_quantile(buckets, 990000), 0);
	assert_int_equal(qos_hist_count(buckets), 0);
	buckets[5] = 1;
	assert_int_equal(qos_hist_quantile(buckets, 0), qos_hist_edge(5));
	assert_int_equal(qos_hist_quantile(buckets, 1000000), qos_hist_edge(5));
	buckets[QOS_HIST_BUCKETS - 1] = 1;
	assert_true(qos_hist_quantile(buckets, 990000) == UINT64_MAX);
}

static void quantiles_of_full_counters_do_not_overflow(void **state)
{
	uint32_t buckets[QOS_HIST_BUCKETS];

	memset(buckets, 0xff, sizeof(buckets));
	assert_true(qos_hist_quantile(buckets, 1000000) == UINT64_MAX);
	assert_int_equal(qos_hist_quantile(buckets, 1), qos_hist_edge(0));
}

static void deltas_survive_wrapping(void **state)
{
	uint32_t before[QOS_HIST_BUCKETS] = {}, now[QOS_HIST_BUCKETS] = {};
	uint32_t delta[QOS_HIST_BUCKETS];

	before[3] = UINT32_MAX - 1;
	now[3] = 5;
	now[9] = 2;
	qos_hist_delta(delta, now, before);
	assert_int_equal(delta[3], 7);
	assert_int_equal(delta[9], 2);
	assert_int_equal(qos_hist_count(delta), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_are_where_buckets_change),
		cmocka_unit_test(buckets_are_at_most_an_eighth_wide),
		cmocka_unit_test(quantiles_are_never_too_low),
		cmocka_unit_test(quantiles_at_the_ends),
		cmocka_unit_test(quantiles_of_full_counters_do_not_overflow),
		cmocka_unit_test(deltas_survive_wrapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
