/* SPDX-License-Identifier: GPL-2.0-only */
/* The default law: up at once, down slowly, never out of its range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/types.h>

#include "adapt/hist.h"
#include "adapt/law.h"
#include "qos_abi.h"

#define US 1000ULL
#define MS 1000000ULL

struct turn {
	struct qos_law_state state;
	struct qos_law_signal signal;
	struct qos_law_bounds bounds;
	uint64_t runtime_ns;
	const char *reason;
};

static struct turn granted(uint64_t granted_ns, uint64_t p99_ns)
{
	return (struct turn){
		.signal = {.jobs = 30, .used_p99_ns = p99_ns},
		.bounds = {.granted_ns = granted_ns, .lo_ns = 4 * MS, .hi_ns = 12 * MS},
	};
}

static bool step(struct turn *turn)
{
	turn->runtime_ns = 0;
	turn->reason = NULL;
	return qos_law_step(&turn->state, &turn->signal, &turn->bounds, &turn->runtime_ns,
			    &turn->reason);
}

static void too_few_jobs_say_nothing(void **state)
{
	struct turn turn = granted(8 * MS, 11 * MS);

	turn.signal.jobs = 4;
	assert_false(step(&turn));
	turn.signal.jobs = 5;
	assert_true(step(&turn));
}

static void need_raises_at_once(void **state)
{
	struct turn turn = granted(8 * MS, 8 * MS + 1);

	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 9210 * US); /* 115 %, up to 10 us */
	assert_non_null(turn.reason);
}

static void need_beyond_the_range_ends_there(void **state)
{
	struct turn turn = granted(8 * MS, UINT64_MAX);

	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 12 * MS);
	turn.bounds.granted_ns = 12 * MS;
	assert_false(step(&turn));
}

static void cut_requests_raise_by_a_quarter_at_least(void **state)
{
	struct turn turn = granted(8 * MS, 8 * MS);

	turn.signal.jobs = 0;
	turn.signal.used_p99_ns = 0;
	turn.signal.overruns = 1;
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 10 * MS);
	turn.signal.jobs = 30;
	turn.signal.used_p99_ns = 9 * MS;
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 10350 * US);
	turn.bounds.granted_ns = 12 * MS;
	assert_false(step(&turn));
}

static void small_needs_stay_in_the_dead_band(void **state)
{
	struct turn turn = granted(8 * MS, 0);

	turn.signal.used_p99_ns = 7160 * US; /* target 8.24 ms: 3 % */
	assert_true(step(&turn));
	turn.signal.used_p99_ns = 7150 * US; /* target 8.23 ms */
	assert_false(step(&turn));
}

static void less_is_given_after_three_turns_in_a_row(void **state)
{
	struct turn turn = granted(10 * MS, 5 * MS);

	assert_false(step(&turn));
	assert_false(step(&turn));
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 9 * MS); /* a tenth at most */
	assert_false(step(&turn));
}

static void a_busy_turn_starts_the_count_again(void **state)
{
	struct turn turn = granted(10 * MS, 5 * MS);

	assert_false(step(&turn));
	assert_false(step(&turn));
	turn.signal.used_p99_ns = 8 * MS;
	assert_false(step(&turn));
	turn.signal.used_p99_ns = 5 * MS;
	assert_false(step(&turn));
	turn.signal.late = 1; /* nor is less given while jobs are late */
	assert_false(step(&turn));
	turn.signal.late = 0;
	assert_false(step(&turn));
	assert_false(step(&turn));
	assert_true(step(&turn));
}

/* Whichever of two neighbouring buckets the p99 of a steady job falls into. (Below 200 us the grain of targets is large
 * beside a bucket.) */
static void neighbouring_buckets_do_not_swing(void **state)
{
	for (uint32_t bucket = qos_hist_bucket(200 * US); bucket + 1 < QOS_HIST_BUCKETS; bucket++) {
		const uint64_t edges[] = {qos_hist_edge(bucket), qos_hist_edge(bucket + 1)};
		struct turn turn = granted(edges[1] / 2, edges[1]);
		unsigned int changes = 0;

		if (edges[1] > 1000 * MS)
			break;
		turn.bounds.lo_ns = 10 * US;
		turn.bounds.hi_ns = 2000 * MS;
		for (int i = 0; i < 100; i++) {
			turn.signal.used_p99_ns = edges[i % 5 == 0];
			if (!step(&turn))
				continue;
			turn.bounds.granted_ns = turn.runtime_ns;
			changes++;
		}
		assert_int_equal(changes, 1);
	}
}

static void lowering_ends_at_the_target_and_the_range(void **state)
{
	struct turn turn = granted(10 * MS, 7300 * US); /* target 8.4 ms */

	for (int i = 0; i < 2; i++)
		assert_false(step(&turn));
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 9 * MS);

	turn = granted(5 * MS, 100 * US);
	for (int i = 0; i < 2; i++)
		assert_false(step(&turn));
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 4500 * US);
	turn.bounds.granted_ns = turn.runtime_ns;
	for (int i = 0; i < 10; i++)
		assert_false(step(&turn)); /* the low end is nearer than 15 % */
}

static void tiny_grants_can_shrink_too(void **state)
{
	struct turn turn = granted(50 * US, 1 * US);

	turn.bounds.lo_ns = 5 * US;
	turn.bounds.hi_ns = 60 * US;
	for (int i = 0; i < 2; i++)
		assert_false(step(&turn));
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 45 * US);
}

static void a_grant_out_of_range_comes_back(void **state)
{
	struct turn turn = granted(2 * MS, 1 * MS);

	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 4 * MS);
	turn = granted(20 * MS, 1 * MS);
	for (int i = 0; i < 2; i++)
		assert_false(step(&turn));
	assert_true(step(&turn));
	assert_int_equal(turn.runtime_ns, 12 * MS);
}

/* A load that stays settles, without swinging. */
static void a_steady_load_settles(void **state)
{
	struct turn turn = granted(12 * MS, 5 * MS);
	int last_change = 0;

	for (int i = 0; i < 200; i++) {
		if (!step(&turn))
			continue;
		assert_true(turn.runtime_ns < turn.bounds.granted_ns);
		turn.bounds.granted_ns = turn.runtime_ns;
		last_change = i;
	}
	assert_in_range(turn.bounds.granted_ns, 5750 * US, 6400 * US);
	assert_in_range(last_change, 1, 60);
}

static void answers_lie_in_the_range_and_differ(void **state)
{
	uint32_t seed = 3;

	for (int i = 0; i < 100000; i++) {
		struct turn turn = granted(0, 0);

		seed = seed * 1664525 + 1013904223;
		turn.bounds.granted_ns = 1 + (seed >> 8) % (14 * MS);
		seed = seed * 1664525 + 1013904223;
		turn.signal.used_p99_ns = (seed >> 8) % (14 * MS);
		turn.signal.overruns = seed % 5 == 0;
		turn.state.below_turns = seed % 4;
		if (!step(&turn))
			continue;
		assert_in_range(turn.runtime_ns, 4 * MS, 12 * MS);
		assert_int_not_equal(turn.runtime_ns, turn.bounds.granted_ns);
		assert_non_null(turn.reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_few_jobs_say_nothing),
		cmocka_unit_test(need_raises_at_once),
		cmocka_unit_test(need_beyond_the_range_ends_there),
		cmocka_unit_test(cut_requests_raise_by_a_quarter_at_least),
		cmocka_unit_test(small_needs_stay_in_the_dead_band),
		cmocka_unit_test(less_is_given_after_three_turns_in_a_row),
		cmocka_unit_test(a_busy_turn_starts_the_count_again),
		cmocka_unit_test(neighbouring_buckets_do_not_swing),
		cmocka_unit_test(lowering_ends_at_the_target_and_the_range),
		cmocka_unit_test(tiny_grants_can_shrink_too),
		cmocka_unit_test(a_grant_out_of_range_comes_back),
		cmocka_unit_test(a_steady_load_settles),
		cmocka_unit_test(answers_lie_in_the_range_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
