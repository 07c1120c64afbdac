/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmod/dwcs_check.h: the tables of the proofs (daemon/admit/prove.h) hold, corrupted ones are refused, and
 * on tables of any bits its verdicts are those of EDF slot by slot: for phases exactly, for sporadic
 * releases over all numbers that the releases can begin with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../harness/random.h"
#include "admit/prove.h"
#include "dwcs_check.h"

#define SETS	 2000
#define TASK_MAX 4
#define ROOM	 4096 /* of one claim */
#define WORK	 DWCS_CLAIM_WORK_MAX

static uint64_t room[TASK_MAX][ROOM];

static size_t random_set(struct qos_sim_task *tasks)
{
	size_t n = 1 + rnd(TASK_MAX);
	uint32_t equal = rnd(3), period = 2 + rnd(8);

	for (size_t i = 0; i < n; i++) {
		uint32_t t = equal ? 2 + rnd(8) : period, y = 1 + rnd(4),
			 c = 1 + rnd(t < 4 ? t : 4);

		tasks[i] = (struct qos_sim_task){.period = t,
						 .deadline = rnd(3) ? t : c + rnd(t - c + 1),
						 .cost = c,
						 .phase = equal ? rnd(t) : 0,
						 .x = rnd(y + 1),
						 .y = y};
	}
	return n;
}

static void to_claims(const struct qos_sim_task *tasks, size_t n, const struct qos_must *must,
		      bool bundles, struct dwcs_claim *ret)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct dwcs_claim){.period = tasks[i].period,
					     .deadline = tasks[i].deadline,
					     .cost = tasks[i].cost,
					     .phase = tasks[i].phase,
					     .x = tasks[i].x,
					     .y = tasks[i].y,
					     .prefix = must[i].prefix,
					     .cycle = must[i].cycle,
					     .bits = must[i].bits,
					     .room = (__u64 *)room[i]};
		for (size_t k = 0; bundles && k <= i && !ret[i].bundle; k++) {
			if (tasks[k].period == tasks[i].period && tasks[k].phase == tasks[i].phase)
				ret[i].bundle = (uint32_t)k + 1;
		}
	}
}

enum mode { SPORADIC, BUNDLES, PHASES };

static enum dwcs_verdict check(const struct qos_sim_task *tasks, size_t n,
			       const struct qos_must *must, enum mode mode, uint32_t work)
{
	struct dwcs_claim claims[TASK_MAX];

	to_claims(tasks, n, must, mode == BUNDLES, claims);
	return mode == PHASES ? dwcs_check_phases(claims, (uint32_t)n, work)
			      : dwcs_check_sporadic(claims, (uint32_t)n, work);
}

static void reset(struct qos_must *must)
{
	for (size_t i = 0; i < TASK_MAX; i++)
		qos_must_reset(&must[i]);
}

/* ---- what is proven ---- */

static bool prove(const struct qos_sim_task *tasks, size_t n, enum mode mode, struct qos_must *must)
{
	static const struct qos_prove_params params = {.jobs_max = 20000};

	if (mode == SPORADIC)
		return qos_prove_sporadic(tasks, n, &params, must);
	if (mode == BUNDLES)
		return qos_prove_bundle(tasks, n, &params, must, NULL);
	return rnd(2) ? qos_prove_table(tasks, n, DWCS_FIN, &params, must)
		      : qos_prove_search(tasks, n, &params, must);
}

/* One mandatory request less: its window has too few. */
static void assert_refuses_less(const struct qos_sim_task *tasks, size_t n, struct qos_must *must,
				enum mode mode)
{
	size_t i = rnd((uint32_t)n);

	for (uint32_t bit = 0; bit < must[i].prefix + must[i].cycle; bit++) {
		if (!qos_must_bit(&must[i], bit))
			continue;
		must[i].bits[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_int_equal(check(tasks, n, must, mode, WORK), DWCS_TOO_FEW);
		must[i].bits[bit / 8] ^= (uint8_t)(1U << bit % 8);
		return;
	}
}

static void what_is_proven_holds_and_less_is_refused(void **state)
{
	unsigned int held[3] = {};

	for (int set = 0; set < SETS; set++) {
		struct qos_sim_task tasks[TASK_MAX];
		size_t n = random_set(tasks);

		for (enum mode mode = SPORADIC; mode <= PHASES; mode++) {
			struct qos_must must[TASK_MAX] = {};

			if (prove(tasks, n, mode, must)) {
				assert_int_equal(check(tasks, n, must, mode, WORK), DWCS_HOLDS);
				assert_int_equal(check(tasks, n, must, mode, 3), DWCS_TOO_LONG);
				assert_refuses_less(tasks, n, must, mode);
				held[mode]++;
			}
			reset(must);
		}
	}
	print_message("held: T1 %u, T2 %u, T3 %u, of %d\n", held[0], held[1], held[2], SETS);
	assert_true(held[0] > 100 && held[1] > 100 && held[2] > 100);
}

/* ---- tables of any bits ---- */

/* With enough in each window, at random. */
static void random_table(const struct qos_sim_task *task, uint32_t prefix, uint32_t cycle,
			 struct qos_must *must)
{
	assert_int_equal(qos_must_init(must, prefix, cycle), 0);
	for (uint32_t n = 0; n < prefix + cycle; n++) {
		if (rnd(4) == 0)
			qos_must_set(must, n);
	}
	for (uint32_t n = 0; n < prefix + cycle; n += task->y) {
		uint32_t got = 0;

		for (uint32_t i = 0; i < task->y; i++)
			got += qos_must_bit(must, n + i);
		for (uint32_t i = 0; i < task->y && got + task->x < task->y; i++) {
			if (!qos_must_bit(must, n + i)) {
				qos_must_set(must, n + i);
				got++;
			}
		}
	}
}

/* EDF in slots over the mandatory requests, request `first[i]` of i at its phase; true: no miss. */
static bool edf_keeps(const struct qos_sim_task *tasks, size_t n, const struct qos_must *must,
		      const uint32_t *first, uint32_t slots)
{
	uint64_t left[TASK_MAX] = {}, due[TASK_MAX] = {};

	for (uint32_t now = 0; now < slots; now++) {
		size_t best = n;

		for (size_t i = 0; i < n; i++) {
			if (left[i] && due[i] <= now)
				return false;
			if (now < tasks[i].phase || (now - tasks[i].phase) % tasks[i].period)
				continue;
			left[i] = qos_must_bit(&must[i],
					       first[i] + (now - tasks[i].phase) / tasks[i].period)
					  ? tasks[i].cost
					  : 0;
			due[i] = now + tasks[i].deadline;
		}
		for (size_t i = 0; i < n; i++) {
			if (left[i] && (best == n || due[i] < due[best]))
				best = i;
		}
		if (best < n)
			left[best]--;
	}
	return true;
}

static uint32_t lcm_of(const struct qos_sim_task *tasks, size_t n)
{
	uint64_t all = 1;

	for (size_t i = 0; i < n; i++)
		all = qos_prove_lcm(all, tasks[i].period * tasks[i].y);
	return (uint32_t)all;
}

static void phases_are_judged_exactly(void **state)
{
	static const uint32_t first[TASK_MAX];
	unsigned int held = 0;

	for (int set = 0; set < SETS; set++) {
		struct qos_sim_task tasks[TASK_MAX];
		struct qos_must must[TASK_MAX] = {};
		size_t n = random_set(tasks);
		uint32_t length = lcm_of(tasks, n), start = 0;
		enum dwcs_verdict verdict;

		for (size_t i = 0; i < n && length <= 2520; i++) {
			uint32_t prefix = rnd(4) * tasks[i].y + rnd(tasks[i].y);

			prefix -= prefix % tasks[i].y;
			random_table(&tasks[i], prefix, length / (uint32_t)tasks[i].period,
				     &must[i]);
			start += prefix * (uint32_t)tasks[i].period + 10;
		}
		if (length <= 2520) {
			verdict = check(tasks, n, must, PHASES, WORK);
			assert_true(verdict == DWCS_HOLDS || verdict == DWCS_MISSES);
			assert_int_equal(verdict == DWCS_HOLDS,
					 edf_keeps(tasks, n, must, first, start + 5 * length));
			held += verdict == DWCS_HOLDS;
		}
		reset(must);
	}
	print_message("random tables that hold: %u of %d\n", held, SETS);
	assert_true(held > 50);
}

/* Does every start of every stream keep the synchronous release? */
static bool all_starts_keep(const struct qos_sim_task *tasks, size_t n, const struct qos_must *must,
			    uint32_t slots)
{
	uint32_t first[TASK_MAX] = {};
	size_t i = 0;

	while (i < n) {
		if (!edf_keeps(tasks, n, must, first, slots))
			return false;
		for (i = 0; i < n && ++first[i] == must[i].cycle; i++)
			first[i] = 0;
	}
	return true;
}

static void sporadic_is_judged_by_all_starts(void **state)
{
	unsigned int held = 0, n_sets = 0;

	for (int set = 0; set < SETS / 2; set++) {
		struct qos_sim_task tasks[TASK_MAX];
		struct qos_must must[TASK_MAX] = {};
		size_t n = random_set(tasks);
		enum dwcs_verdict verdict;

		n = n > 3 ? 3 : n;
		for (size_t i = 0; i < n; i++) {
			tasks[i].phase = 0;
			random_table(&tasks[i], 0, tasks[i].y, &must[i]);
		}
		if (lcm_of(tasks, n) <= 600) {
			verdict = check(tasks, n, must, SPORADIC, WORK);
			assert_true(verdict == DWCS_HOLDS || verdict == DWCS_MISSES);
			assert_int_equal(verdict == DWCS_HOLDS,
					 all_starts_keep(tasks, n, must, lcm_of(tasks, n) + 10));
			held += verdict == DWCS_HOLDS;
			n_sets++;
		}
		reset(must);
	}
	print_message("sporadic tables that hold: %u of %u\n", held, n_sets);
	assert_true(held > 50);
}

/* ---- what is no claim ---- */

static void malformed_claims_are_refused(void **state)
{
	const unsigned char bits[1] = {3};
	const struct dwcs_claim good = {.period = 5,
					.deadline = 5,
					.cost = 2,
					.x = 0,
					.y = 2,
					.cycle = 2,
					.bits = bits,
					.room = (__u64 *)room[0]};
	struct dwcs_claim bad[9];

	for (size_t i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].period = bad[0].deadline = DWCS_PERIOD_MAX;
	bad[1].deadline = 6;
	bad[2].cost = 6;
	bad[3].cost = 0;
	bad[4].cycle = 0;
	bad[5].cycle = 3; /* not whole windows */
	bad[6].prefix = DWCS_CLAIM_BITS_MAX;
	bad[7].x = 3;
	bad[8].phase = DWCS_CLAIM_PHASE_MAX;
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(dwcs_check_sporadic(&bad[i], 1, WORK), DWCS_MALFORMED);
		assert_int_equal(dwcs_check_phases(&bad[i], 1, WORK), DWCS_MALFORMED);
	}
	bad[0] = good;
	assert_int_equal(dwcs_check_sporadic(bad, 1, WORK), DWCS_HOLDS);
	assert_int_equal(dwcs_check_phases(bad, 1, WORK), DWCS_HOLDS);
	assert_int_equal(dwcs_check_phases(bad, 1, WORK + 1), DWCS_MALFORMED);
	bad[0].room = NULL;
	assert_int_equal(dwcs_check_sporadic(bad, 1, WORK), DWCS_MALFORMED);
	bad[0] = bad[1] = good; /* cycles of different length, and a bundle of different T */
	bad[1].period = 6;
	assert_int_equal(dwcs_check_phases(bad, 2, WORK), DWCS_MALFORMED);
	bad[0].bundle = bad[1].bundle = 1;
	assert_int_equal(dwcs_check_sporadic(bad, 2, WORK), DWCS_MALFORMED);
	assert_int_equal(dwcs_check_sporadic(NULL, 0, WORK), DWCS_HOLDS);
	assert_int_equal(dwcs_check_phases(NULL, 0, WORK), DWCS_HOLDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_proven_holds_and_less_is_refused),
		cmocka_unit_test(phases_are_judged_exactly),
		cmocka_unit_test(sporadic_is_judged_by_all_starts),
		cmocka_unit_test(malformed_claims_are_refused),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
