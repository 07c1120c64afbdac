/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmod/dwcs_bundle.h: its choice is the one that its head describes, told apart by sorting; and what admission
 * proves of a bundle (prove_bundle.c) is what the module's way of asking, period after period and with a
 * member away meanwhile, makes mandatory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../harness/random.h"
#include "admit/prove.h"

#define SETS	   5000
#define CYCLES	   3
#define MEMBER_MAX 8

static uint32_t random_set(struct qos_sim_task *tasks)
{
	uint32_t n = 2 + rnd(MEMBER_MAX - 1), period = 2 + rnd(12);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t y = rnd(12) ? 1 + rnd(5) : 0;

		tasks[i] = (struct qos_sim_task){.period = period,
						 .deadline = period,
						 .cost = 1 + rnd(period < 4 ? period : 4),
						 .x = y ? rnd(y + 1) : 0,
						 .y = y};
	}
	return n;
}

static void begin(const struct qos_sim_task *tasks, uint32_t n, struct dwcs_member *member,
		  struct dwcs_member **members)
{
	for (uint32_t i = 0; i < n; i++) {
		member[i] = (struct dwcs_member){
			.cost = tasks[i].cost, .x = tasks[i].x, .y = tasks[i].y};
		dwcs_member_reset(&member[i]);
		members[i] = &member[i];
	}
}

/* ---- by sorting ---- */

static const struct dwcs_member *sorted_of;

static int by_urgency(const void *a, const void *b)
{
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct dwcs_member *left = &sorted_of[i], *right = &sorted_of[j];
	double urgent = (double)left->k / left->m - (double)right->k / right->m;

	if (urgent < -1e-9 || urgent > 1e-9)
		return urgent < 0 ? -1 : 1;
	if (left->cost != right->cost)
		return left->cost > right->cost ? -1 : 1;
	return i < j ? -1 : 1;
}

static void choose_by_sorting(const struct dwcs_member *member, uint32_t n, uint64_t budget,
			      bool *takes)
{
	uint32_t order[MEMBER_MAX], owing = 0;

	for (uint32_t i = 0; i < n; i++) {
		takes[i] = false;
		if (member[i].m)
			order[owing++] = i;
	}
	sorted_of = member;
	qsort(order, owing, sizeof(*order), by_urgency);
	for (uint32_t i = 0; i < owing; i++) {
		takes[order[i]] = member[order[i]].cost <= budget;
		budget -= takes[order[i]] ? member[order[i]].cost : 0;
	}
}

static void the_choice_is_as_described(void **state)
{
	unsigned int passed_over = 0;

	(void)state;
	for (int set = 0; set < SETS; set++) {
		struct dwcs_member member[MEMBER_MAX], *members[MEMBER_MAX];
		struct qos_sim_task tasks[MEMBER_MAX];
		uint32_t n = random_set(tasks), budget = rnd(14);

		begin(tasks, n, member, members);
		for (int period = 0; period < 60; period++) {
			bool takes[MEMBER_MAX];
			uint64_t work = 0, told;

			choose_by_sorting(member, n, budget, takes);
			told = dwcs_bundle_choose(members, n, budget);
			for (uint32_t i = 0; i < n; i++) {
				assert_int_equal(member[i].takes, takes[i]);
				work += takes[i] ? tasks[i].cost : 0;
				passed_over += member[i].m && !takes[i];
			}
			assert_int_equal(told, work);
			assert_true(work <= budget);
			dwcs_bundle_count(members, n);
		}
	}
	assert_true(passed_over > SETS);
}

/* ---- what is proven is what runs ---- */

/* As kmod/table.c does it: counted when the next period begins. */
static bool asks(struct dwcs_member *const *members, uint32_t n, uint64_t budget, uint32_t period,
		 uint32_t i)
{
	if (i == 0 && period)
		assert_true(dwcs_bundle_count(members, n));
	if (i == 0)
		dwcs_bundle_choose(members, n, budget);
	return members[i]->takes;
}

static void what_is_proven_is_what_runs(void **state)
{
	static const struct qos_prove_params params = {.jobs_max = 20000};
	unsigned int proven = 0;

	(void)state;
	for (int set = 0; set < SETS; set++) {
		struct dwcs_member member[MEMBER_MAX], *members[MEMBER_MAX];
		struct qos_must must[MEMBER_MAX] = {};
		uint64_t budgets[MEMBER_MAX] = {};
		struct qos_sim_task tasks[MEMBER_MAX];
		uint32_t n = random_set(tasks);

		if (!qos_prove_bundle(tasks, n, &params, must, budgets))
			continue;
		proven++;
		begin(tasks, n, member, members);
		for (uint32_t period = 0; period < CYCLES * must[0].cycle; period++) {
			for (uint32_t i = 0; i < n; i++) {
				assert_int_equal(budgets[i], budgets[0]);
				assert_int_equal(asks(members, n, budgets[0], period, i),
						 qos_must_bit(&must[i], period));
				assert_int_equal(member[i].k,
						 tasks[i].y ? tasks[i].y - period % tasks[i].y : 1);
			}
		}
		for (uint32_t i = 0; i < n; i++)
			qos_must_reset(&must[i]);
	}
	print_message("proven: %u of %d\n", proven, SETS);
	assert_true(proven > SETS / 10);
}

/* ---- what breaks is told ---- */

static void a_window_that_breaks_is_told(void **state)
{
	const struct qos_sim_task tasks[2] = {{.cost = 2, .x = 1, .y = 2},
					      {.cost = 2, .x = 0, .y = 1}};
	struct dwcs_member member[2], *members[2];

	(void)state;
	begin(tasks, 2, member, members);
	assert_int_equal(dwcs_bundle_choose(members, 2, 3), 2);
	assert_true(member[1].takes && !member[0].takes);
	assert_true(dwcs_bundle_count(members, 2));
	assert_int_equal(dwcs_bundle_choose(members, 2, 3), 2); /* both are urgent now */
	assert_true(member[0].takes && !member[1].takes);
	assert_false(dwcs_bundle_count(members, 2));
	assert_int_equal(member[1].k, 1);
	assert_int_equal(member[1].m, 1);
	assert_int_equal(dwcs_bundle_choose(members, 2, 0), 0);
	assert_int_equal(dwcs_bundle_choose(members, 2, UINT64_MAX), 4);
	assert_int_equal(dwcs_bundle_choose(NULL, 0, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_choice_is_as_described),
		cmocka_unit_test(what_is_proven_is_what_runs),
		cmocka_unit_test(a_window_that_breaks_is_told),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
