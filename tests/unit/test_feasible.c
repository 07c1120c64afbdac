/* SPDX-License-Identifier: GPL-2.0-only */
/* The schedulability tests, against textbook sets and against a plain search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "admit/feasible.h"

#define PPB 1000000000ULL

static void gfb_takes_its_bound_and_no_more(void **state)
{
	/* Dhall: one heavy task and m light ones; the heavy one's density is what counts */
	assert_true(qos_feasible_gfb(1100000000, 900000000, 2, PPB));
	assert_false(qos_feasible_gfb(1100000001, 900000000, 2, PPB));
	assert_true(qos_feasible_gfb(PPB, PPB, 1, PPB));
	assert_false(qos_feasible_gfb(PPB, PPB, 1, 900000000));
	assert_false(qos_feasible_gfb(PPB, PPB, 4, 900000000));
	assert_true(qos_feasible_gfb(900000000, 900000000, 4, 900000000));
	assert_true(qos_feasible_gfb(0, 0, 0, PPB));
	assert_false(qos_feasible_gfb(1, 1, 0, PPB));
}

static void gfb_does_not_overflow(void **state)
{
	assert_false(qos_feasible_gfb(UINT64_MAX, UINT64_MAX, 1024, PPB));
	assert_false(qos_feasible_gfb(UINT64_MAX, 1, 1024, PPB));
}

static void ppb_rounds_up_and_saturates(void **state)
{
	assert_int_equal(qos_feasible_ppb(1, 3), 333333334);
	assert_int_equal(qos_feasible_ppb(1, 1), PPB);
	assert_int_equal(qos_feasible_ppb(0, 7), 0);
	assert_true(qos_feasible_ppb(UINT64_MAX, 1) == UINT64_MAX);
}

static void edf_fills_a_cpu_with_implicit_deadlines(void **state)
{
	const struct qos_sporadic full[] = {{.c = 1, .d = 2, .t = 2}, {.c = 2, .d = 4, .t = 4}};
	const struct qos_sporadic over[] = {{.c = 1, .d = 2, .t = 2}, {.c = 3, .d = 4, .t = 4}};

	assert_true(qos_feasible_edf(full, 2, 0, PPB));
	assert_false(qos_feasible_edf(full, 2, 1, PPB));
	assert_false(qos_feasible_edf(full, 2, 0, PPB - 1));
	assert_false(qos_feasible_edf(over, 2, 0, PPB));
	assert_true(qos_feasible_edf(NULL, 0, 0, 0));
}

static void edf_sees_constrained_deadlines(void **state)
{
	struct qos_sporadic tasks[] = {{.c = 2, .d = 3, .t = 10}, {.c = 2, .d = 4, .t = 10}};

	assert_true(qos_feasible_edf(tasks, 2, 0, PPB));
	tasks[1].d = 3;
	assert_false(qos_feasible_edf(tasks, 2, 0, PPB));
	tasks[1].d = 5;
	assert_true(qos_feasible_edf(tasks, 2, 1, PPB));
	assert_false(qos_feasible_edf(tasks, 2, 2, PPB));
}

/* Every point: what the quick walk must agree with. */
static bool edf_by_hand(const struct qos_sporadic *tasks, size_t n, uint64_t blocking, uint64_t cap)
{
	for (uint64_t t = 1; t <= 240; t++) {
		uint64_t demand = 0;

		for (size_t i = 0; i < n; i++) {
			if (t >= tasks[i].d)
				demand += ((t - tasks[i].d) / tasks[i].t + 1) * tasks[i].c;
		}
		if (demand && (demand + blocking) * PPB > t * cap)
			return false;
	}
	return true;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void edf_agrees_with_every_point(void **state)
{
	static const uint64_t periods[] = {2, 3, 4, 5, 6, 8, 10, 12};
	uint32_t seed = 1;
	int yes = 0;

	for (int round = 0; round < 50000; round++) {
		uint64_t cap = next_random(&seed) % 2 ? PPB : 850000000, util = 0;
		uint64_t blocking = next_random(&seed) % 2;
		struct qos_sporadic tasks[3];
		size_t n = 1 + next_random(&seed) % 3;
		bool fast, plain;

		for (size_t i = 0; i < n; i++) {
			tasks[i].t = periods[next_random(&seed) % 8];
			tasks[i].c = 1 + next_random(&seed) % tasks[i].t;
			tasks[i].d =
				tasks[i].c + next_random(&seed) % (tasks[i].t - tasks[i].c + 1);
			util += qos_feasible_ppb(tasks[i].c, tasks[i].t);
		}
		fast = qos_feasible_edf(tasks, n, blocking, cap);
		plain = edf_by_hand(tasks, n, blocking, cap);
		yes += fast;
		if (fast && !plain)
			fail_msg("round %d: accepted against the definition", round);
		/* at a utilisation of exactly the cap the horizon may be missing */
		if (plain && !fast && util < cap - 5)
			fail_msg("round %d: refused against the definition", round);
	}
	assert_in_range(yes, 5000, 45000);
}

static void edf_gives_up_on_too_much_work(void **state)
{
	static struct qos_sporadic tasks[1000];

	/* a horizon of many points: utilisation just below the cap, short deadlines */
	for (size_t i = 0; i < 1000; i++)
		tasks[i] = (struct qos_sporadic){
			.c = 999999 + i % 2, .d = 999000000 + i, .t = 1000003000 + 7 * i};
	assert_false(qos_feasible_edf(tasks, 1000, 0, 999996000));
}

static void rta_gives_the_textbook_bound(void **state)
{
	/* Burns, Wellings: R = 3, 6, 20 */
	const struct qos_sporadic tasks[] = {
		{.c = 3, .d = 7, .t = 7, .priority = 3},
		{.c = 3, .d = 12, .t = 12, .priority = 2},
		{.c = 5, .d = 20, .t = 20, .priority = 1},
	};
	uint64_t r = 0;

	assert_int_equal(qos_feasible_rta(tasks, 3, 0, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 3);
	assert_int_equal(qos_feasible_rta(tasks, 3, 1, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 6);
	assert_int_equal(qos_feasible_rta(tasks, 3, 2, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 20);
	r = 77;
	assert_int_equal(qos_feasible_rta(tasks, 3, 2, NULL, 0, 1, &r), -ENOSPC);
	assert_int_equal(r, 77);
}

static void rta_lets_equals_delay_each_other(void **state)
{
	const struct qos_sporadic tasks[] = {{.c = 3, .d = 7, .t = 7, .priority = 1},
					     {.c = 3, .d = 7, .t = 7, .priority = 1}};
	uint64_t r;

	assert_int_equal(qos_feasible_rta(tasks, 2, 0, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 6);
	assert_int_equal(qos_feasible_rta(tasks, 2, 1, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 6);
}

static void rta_counts_work_that_was_put_off_above(void **state)
{
	const struct qos_sporadic task = {.c = 2, .d = 10, .t = 10, .priority = 1};
	struct qos_sporadic above = {.c = 3, .d = 3, .t = 6};
	uint64_t r;

	assert_int_equal(qos_feasible_rta(&task, 1, 0, &above, 1, 0, &r), 0);
	assert_int_equal(r, 5);
	above.late = 3; /* its next job may come at 3 */
	assert_int_equal(qos_feasible_rta(&task, 1, 0, &above, 1, 0, &r), 0);
	assert_int_equal(r, 8);
}

static void rta_lets_peers_take_two_budgets_at_once(void **state)
{
	/* the first may run from 6 to 10 and, with the next budget, from 10 to 14 */
	struct qos_sporadic tasks[] = {{.c = 4, .d = 10, .t = 10, .late = 6, .priority = 2},
				       {.c = 3, .d = 10, .t = 10, .late = 7, .priority = 1}};
	uint64_t r;

	assert_int_equal(qos_feasible_rta(tasks, 2, 0, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 4);
	assert_int_equal(qos_feasible_rta(tasks, 2, 1, NULL, 0, 0, &r), -ENOSPC);
	tasks[1].c = 2;
	assert_int_equal(qos_feasible_rta(tasks, 2, 1, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 10);
	tasks[0].c = 2; /* a second thread of the same kind does so too */
	tasks[1] = (struct qos_sporadic){
		.c = 4, .d = 10, .t = 10, .late = 8, .others_c = 2, .priority = 1};
	tasks[0].late = 0;
	assert_int_equal(qos_feasible_rta(tasks, 2, 1, NULL, 0, 0, &r), 0);
	assert_int_equal(r, 8);
}

/* All places of the grid against the window, each period used as the window likes it. */
static uint64_t most_by_hand(const struct qos_sporadic *task, uint64_t window)
{
	uint64_t most = 0;

	for (uint64_t first = 1; first <= task->t; first++) {
		uint64_t sum = 0, start = 0, end = first;

		for (; start < window; start = end, end += task->t) {
			uint64_t shared = (end < window ? end : window) - start;

			sum += shared < task->c ? shared : task->c;
		}
		if (sum > most)
			most = sum;
	}
	return most;
}

static void most_is_what_a_window_can_hold(void **state)
{
	for (uint64_t t = 1; t <= 9; t++) {
		for (uint64_t c = 1; c <= t; c++) {
			struct qos_sporadic task = {.c = c, .d = t, .t = t, .late = t - c};
			struct qos_sporadic two = {
				.c = 2 * c, .d = t, .t = t, .late = t - c, .others_c = c};

			for (uint64_t window = 1; window <= 40; window++) {
				uint64_t most = most_by_hand(&task, window);

				assert_int_equal(qos_feasible_most(&task, window), most);
				most = 2 * most < window ? 2 * most : window;
				assert_in_range(qos_feasible_most(&two, window), most, window);
			}
		}
	}
}

static void rta_gives_up_when_it_creeps(void **state)
{
	const struct qos_sporadic tasks[] = {
		{.c = 1, .d = 1ULL << 60, .t = 1ULL << 60, .priority = 1},
		{.c = 999999999, .d = 1000000000, .t = 1000000000, .priority = 2},
		{.c = 1, .d = 1000000001, .t = 1000000001, .priority = 2},
	};
	uint64_t r;

	assert_int_equal(qos_feasible_rta(tasks, 3, 0, NULL, 0, 0, &r), -ENOSPC);
}

static void rta_bound_is_never_below_rta(void **state)
{
	uint32_t seed = 7;
	int both = 0;

	for (int round = 0; round < 20000; round++) {
		struct qos_sporadic tasks[3];
		uint64_t fixed = 0, util = 0, exact, bound;

		for (size_t i = 0; i < 3; i++) {
			tasks[i].t = 20 + next_random(&seed) % 200;
			tasks[i].c = 1 + next_random(&seed) % (tasks[i].t / 3);
			tasks[i].d = tasks[i].t;
			tasks[i].late = next_random(&seed) % (tasks[i].t - tasks[i].c + 1);
			tasks[i].others_c = 0;
			tasks[i].priority = (uint32_t)i;
			fixed += tasks[i].c;
			if (!i)
				continue;
			util += qos_feasible_ppb(tasks[i].c, tasks[i].t);
			fixed += tasks[i].c * tasks[i].late / tasks[i].t + 1;
		}
		if (qos_feasible_rta_bound(fixed, util, tasks[0].d, &bound) < 0)
			continue;
		both++;
		assert_int_equal(qos_feasible_rta(tasks, 3, 0, NULL, 0, 0, &exact), 0);
		assert_in_range(exact, 1, bound);
	}
	assert_in_range(both, 1000, 20000);
}

static void rta_bound_ends_at_a_full_cpu(void **state)
{
	uint64_t r;

	assert_int_equal(qos_feasible_rta_bound(1, PPB, UINT64_MAX, &r), -ENOSPC);
	assert_int_equal(qos_feasible_rta_bound(10, 0, 9, &r), -ENOSPC);
	assert_int_equal(qos_feasible_rta_bound(10, PPB / 2, 20, &r), 0);
	assert_int_equal(r, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gfb_takes_its_bound_and_no_more),
		cmocka_unit_test(gfb_does_not_overflow),
		cmocka_unit_test(ppb_rounds_up_and_saturates),
		cmocka_unit_test(edf_fills_a_cpu_with_implicit_deadlines),
		cmocka_unit_test(edf_sees_constrained_deadlines),
		cmocka_unit_test(edf_agrees_with_every_point),
		cmocka_unit_test(edf_gives_up_on_too_much_work),
		cmocka_unit_test(rta_gives_the_textbook_bound),
		cmocka_unit_test(rta_lets_equals_delay_each_other),
		cmocka_unit_test(rta_counts_work_that_was_put_off_above),
		cmocka_unit_test(rta_lets_peers_take_two_budgets_at_once),
		cmocka_unit_test(most_is_what_a_window_can_hold),
		cmocka_unit_test(rta_gives_up_when_it_creeps),
		cmocka_unit_test(rta_bound_is_never_below_rta),
		cmocka_unit_test(rta_bound_ends_at_a_full_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
