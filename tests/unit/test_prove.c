/* SPDX-License-Identifier: GPL-2.0-only */
/* The ladder of proofs on the study's vectors: what T1, T2 and T3 accept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "admit/prove.h"

#define SET_MAX 3

struct vector {
	const char *name;
	size_t n;
	struct qos_sim_task tasks[SET_MAX];
	const char *accepted; /* T1 T2 T3: 0, 1; - not told */
};

#define TASK(t, c, lost, of, at)                                                                   \
	{                                                                                          \
		.period = (t), .deadline = (t), .cost = (c), .phase = (at), .x = (lost), .y = (of) \
	}

static const struct vector vectors[] = {
	{"V1", 2, {TASK(6, 5, 3, 4, 0), TASK(2, 1, 0, 1, 0)}, "000"},
	{"V2", 2, {TASK(8, 4, 0, 3, 0), TASK(6, 5, 3, 4, 0)}, "001"},
	{"V3", 2, {TASK(3, 2, 1, 3, 1), TASK(2, 2, 2, 3, 0)}, "001"},
	{"V4", 2, {TASK(2, 2, 1, 3, 0), TASK(3, 1, 0, 3, 0)}, "001"},
	{"V5", 2, {TASK(3, 2, 1, 4, 0), TASK(8, 6, 2, 3, 0)}, "001"},
	{"V6", 2, {TASK(2, 2, 1, 3, 0), TASK(3, 1, 0, 1, 2)}, "001"},
	{"V7", 2, {TASK(6, 6, 3, 5, 3), TASK(6, 5, 2, 3, 5)}, "0-1"},
	{"V8", 2, {TASK(5, 4, 3, 4, 0), TASK(2, 2, 1, 2, 0)}, "000"},
	{"V9", 3, {TASK(4, 2, 0, 1, 0), TASK(2, 2, 4, 5, 0), TASK(5, 1, 0, 1, 0)}, "111"},
	{"V10", 2, {TASK(2, 1, 1, 5, 0), TASK(2, 2, 4, 5, 0)}, "011"},
};

static const struct qos_prove_params params = {.jobs_max = QOS_PROVE_JOBS_MAX};

/* Every window of y bits in a row, from the first on, has at least y - x of them. */
static void assert_keeps_windows(const struct qos_sim_task *task, const struct qos_must *must)
{
	uint64_t windows = ((uint64_t)must->prefix + must->cycle) * 2 / task->y;

	for (uint64_t w = 0; w < windows; w++) {
		uint32_t set = 0;

		for (uint32_t j = 0; j < task->y; j++)
			set += qos_must_bit(must, w * task->y + j);
		assert_true(set >= task->y - task->x);
	}
}

static void reset(struct qos_must *must, size_t n)
{
	for (size_t i = 0; i < n; i++)
		qos_must_reset(&must[i]);
}

static void assert_tables(const struct vector *vector, struct qos_must *must)
{
	for (size_t i = 0; i < vector->n; i++)
		assert_keeps_windows(&vector->tasks[i], &must[i]);
	reset(must, vector->n);
}

static bool proves_by_any_table(const struct vector *vector, struct qos_must *must)
{
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		if (qos_prove_table(vector->tasks, vector->n, ordering, &params, must))
			return true;
	}
	return false;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *vector = &vectors[i];
		struct qos_must must[SET_MAX] = {};
		bool accepted;

		print_message("%s\n", vector->name);
		accepted = qos_prove_sporadic(vector->tasks, vector->n, &params, must);
		assert_int_equal(accepted, vector->accepted[0] == '1');
		if (accepted)
			assert_tables(vector, must);
		accepted = qos_prove_bundle(vector->tasks, vector->n, &params, must, NULL);
		if (vector->accepted[1] != '-')
			assert_int_equal(accepted, vector->accepted[1] == '1');
		if (accepted)
			assert_tables(vector, must);
		accepted = proves_by_any_table(vector, must);
		assert_int_equal(accepted, vector->accepted[2] == '1');
		if (accepted)
			assert_tables(vector, must);
	}
}

/* At the end of the replay the third one's last request is done, though not due, where its twin was done in
 * spare time: what is mandatory is not the same. */
static void test_last_request_is_its_own(void **state)
{
	static const struct qos_sim_task tasks[] = {
		{.period = 600, .deadline = 588, .cost = 274, .phase = 0, .x = 1, .y = 2},
		{.period = 600, .deadline = 588, .cost = 114, .phase = 274, .x = 0, .y = 2},
		{.period = 600, .deadline = 588, .cost = 154, .phase = 388, .x = 1, .y = 2},
		{.period = 600, .deadline = 588, .cost = 267, .phase = 543, .x = 0, .y = 1},
	};
	struct qos_must must[4] = {};

	(void)state;
	assert_true(qos_prove_table(tasks, 4, DWCS_FIN, &params, must));
	for (size_t i = 0; i < 4; i++)
		assert_keeps_windows(&tasks[i], &must[i]);
	reset(must, 4);
}

static void test_bundle_has_the_smallest_budget(void **state)
{
	struct qos_must must[SET_MAX] = {};
	uint64_t budgets[SET_MAX] = {};

	(void)state;
	assert_true(qos_prove_bundle(vectors[9].tasks, 2, &params, must, budgets));
	assert_int_equal(budgets[0], 2);
	reset(must, 2);
}

/* It finds what replays find, and what they do not; nobody can keep V1. */
static void test_search_finds_all_that_can_be_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *vector = &vectors[i];
		struct qos_must must[SET_MAX] = {};
		bool found = qos_prove_search(vector->tasks, vector->n, &params, must);

		assert_int_equal(found, i > 0);
		if (found)
			assert_tables(vector, must);
	}
}

static void test_pattern_is_densest_first(void **state)
{
	(void)state;
	for (uint32_t y = 1; y <= 12; y++) {
		for (uint32_t x = 0; x <= y; x++) {
			uint32_t sum = 0;

			for (uint32_t j = 0; j < y; j++) {
				sum += qos_prove_pattern(x, y, j);
				assert_int_equal(sum, ((y - x) * (j + 1) + y - 1) / y);
			}
			assert_int_equal(sum, y - x);
		}
	}
}

static void test_utilisation_is_exact(void **state)
{
	const struct qos_sim_task thirds[] = {TASK(3, 1, 0, 1, 0), TASK(3, 1, 0, 1, 0),
					      TASK(9, 3, 0, 1, 0)};
	const struct qos_sim_task more[] = {TASK(3, 1, 0, 1, 0), TASK(3, 1, 0, 1, 0),
					    TASK(1000003, 333335, 0, 1, 0)};

	(void)state;
	assert_true(qos_prove_fits(thirds, 3));
	assert_false(qos_prove_fits(more, 3));
	assert_int_equal(qos_prove_lcm(12, 18), 36);
	assert_int_equal(qos_prove_lcm(UINT64_C(1) << 40, (UINT64_C(1) << 40) - 1), 0);
}

static void test_blocking_is_charged(void **state)
{
	const struct qos_sim_task one = TASK(10, 8, 0, 1, 0);
	const struct qos_prove_params fits = {.blocking = 2, .jobs_max = 100};
	const struct qos_prove_params does_not = {.blocking = 3, .jobs_max = 100};

	(void)state;
	assert_true(qos_prove_sporadic(&one, 1, &fits, NULL));
	assert_false(qos_prove_sporadic(&one, 1, &does_not, NULL));
	assert_true(qos_prove_bundle(&one, 1, &fits, NULL, NULL));
	assert_false(qos_prove_bundle(&one, 1, &does_not, NULL, NULL));
}

static void test_work_is_bounded(void **state)
{
	const struct qos_sim_task two[] = {TASK(999983, 1, 0, 1, 0), TASK(999979, 1, 0, 1, 0)};
	const struct qos_prove_params little = {.jobs_max = 1000};

	(void)state;
	assert_false(qos_prove_sporadic(two, 2, &little, NULL));
	assert_false(qos_prove_table(two, 2, DWCS_FIN, &little, NULL));
}

/* There are as many budgets as sums of C, and trying one takes 4032 periods; all of it took seconds. */
static void test_work_on_bundles_is_bounded(void **state)
{
	struct qos_sim_task tasks[QOS_PROVE_BUNDLE_MAX];
	struct qos_must must[QOS_PROVE_BUNDLE_MAX] = {};
	uint64_t budgets[QOS_PROVE_BUNDLE_MAX], all = 0;
	clock_t begin = clock();
	uint32_t random = 1;

	(void)state;
	for (uint32_t i = 0; i < QOS_PROVE_BUNDLE_MAX; i++) {
		uint32_t y = 64 - i % 2;

		random = random * 1103515245 + 12345;
		tasks[i] = (struct qos_sim_task)TASK(1000000, 1 + random / 256 % 60000, y * 9 / 10,
						     y, 0);
		all += tasks[i].cost;
	}
	assert_true(qos_prove_bundle(tasks, QOS_PROVE_BUNDLE_MAX, &params, must, budgets));
	assert_true(clock() - begin < CLOCKS_PER_SEC / 2);
	for (size_t i = 0; i < QOS_PROVE_BUNDLE_MAX; i++) {
		assert_true(budgets[i] && budgets[i] < all / 4);
		assert_keeps_windows(&tasks[i], &must[i]);
	}
	reset(must, QOS_PROVE_BUNDLE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_last_request_is_its_own),
		cmocka_unit_test(test_bundle_has_the_smallest_budget),
		cmocka_unit_test(test_search_finds_all_that_can_be_kept),
		cmocka_unit_test(test_pattern_is_densest_first),
		cmocka_unit_test(test_utilisation_is_exact),
		cmocka_unit_test(test_blocking_is_charged),
		cmocka_unit_test(test_work_is_bounded),
		cmocka_unit_test(test_work_on_bundles_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
