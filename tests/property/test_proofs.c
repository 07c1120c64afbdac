/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a proof promises, on random sets: with the mandatory requests that it names, no window is lost,
 * whatever the actual times below C are; under T1 also whatever the releases are that come later than
 * a period after the last. And an accepted set has U <= 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../harness/random.h"
#include "admit/prove.h"
#include "util/cleanup.h"

#define SETS	 3000
#define RUNS	 3
#define TASK_MAX 6

/* One in three has equal periods, of these half are released together. */
static size_t random_set(struct qos_sim_task *tasks)
{
	size_t n = 2 + rnd(TASK_MAX - 1);
	uint32_t kind = rnd(6), period = 2 + rnd(12);

	for (size_t i = 0; i < n; i++) {
		uint32_t t = kind < 2 ? period : 2 + rnd(12), y = 1 + rnd(5);
		uint32_t c = 1 + rnd(t < 6 ? t : 6);

		tasks[i] = (struct qos_sim_task){
			.period = t,
			.deadline = rnd(4) ? t : c + rnd(t - c + 1),
			.cost = c,
			.phase = kind == 0 ? 0 : rnd(t),
			.x = rnd(y),
			.y = y,
		};
		if (rnd(20) == 0)
			tasks[i].x = tasks[i].y = 0;
	}
	return n;
}

static void assert_keeps(const struct qos_sim_task *tasks, size_t n, enum dwcs_ordering ordering,
			 uint64_t late_max)
{
	struct qos_sim_stats stats[TASK_MAX];
	struct qos_sim_result result;

	for (uint64_t run = 0; run < RUNS; run++) {
		const struct qos_sim_options options = {
			.ordering = ordering,
			.horizon = 400,
			.requests_max = UINT64_MAX,
			.early_percent = run ? 1 + rnd(99) : 0,
			.late_max = late_max,
			.seed = seed,
		};

		assert_int_equal(qos_simulate(tasks, n, &options, stats, &result), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(stats[i].mandatory_lost, 0);
		assert_false(result.violated);
	}
}

static void take_back(struct qos_sim_task *tasks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		qos_must_reset(&tasks[i].must);
}

/* `lent`: the tables go with the tasks from here on. */
static void lend(struct qos_sim_task *tasks, size_t n, const struct qos_must *must)
{
	for (size_t i = 0; i < n; i++)
		tasks[i].must = must[i];
}

enum { SPORADIC, BUNDLE, REPLAY, SEARCH, TESTS };

static bool prove(int test, const struct qos_sim_task *tasks, size_t n, struct qos_must *must)
{
	static const struct qos_prove_params params = {.jobs_max = 20000};

	switch (test) {
	case SPORADIC:
		return qos_prove_sporadic(tasks, n, &params, must);
	case BUNDLE:
		return qos_prove_bundle(tasks, n, &params, must, NULL);
	case REPLAY:
		return qos_prove_table(tasks, n, rnd(DWCS_ORDERINGS), &params, must);
	default:
		return qos_prove_search(tasks, n, &params, must);
	}
}

static void test_tables_keep_all_windows(void **state)
{
	unsigned int accepted[TESTS] = {}, replayed_only = 0;

	(void)state;
	for (int set = 0; set < SETS; set++) {
		struct qos_sim_task tasks[TASK_MAX];
		size_t n = random_set(tasks);
		bool proven[TESTS];

		for (int test = 0; test < TESTS; test++) {
			struct qos_must must[TASK_MAX] = {};

			proven[test] = prove(test, tasks, n, must);
			if (!proven[test])
				continue;
			accepted[test]++;
			assert_true(qos_prove_fits(tasks, n));
			lend(tasks, n, must);
			assert_keeps(tasks, n, rnd(DWCS_ORDERINGS),
				     test == SPORADIC ? rnd(2) * 7 : 0);
			take_back(tasks, n);
		}
		replayed_only += proven[REPLAY] && !proven[SEARCH];
	}
	print_message("accepted: T1 %u, T2 %u, T3 by one ordering %u, by search %u, of %d\n",
		      accepted[SPORADIC], accepted[BUNDLE], accepted[REPLAY], accepted[SEARCH],
		      SETS);
	assert_true(accepted[SPORADIC] > 50 && accepted[BUNDLE] > 50 && accepted[REPLAY] > 200);
	assert_true(accepted[SEARCH] > accepted[REPLAY]);
	print_message("by replay, where the search gave up: %u\n", replayed_only);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables_keep_all_windows)};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
