/* SPDX-License-Identifier: GPL-2.0-only */
/* What is promised to streams where they sit: guarantees, priorities, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/judge.h"
#include "admit/place.h"

#define MANY 60

struct fixture {
	struct qos_capacity capacity;
	struct qos_book book;
	struct test_contract contracts[MANY];
	struct qos_entry *entries[MANY];
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 2);
	*state = f;
	return qos_book_init(&f->book, &f->capacity);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_book_deinit(&f->book);
	free(f);
	return 0;
}

/* A stream under SCHED_FIFO on CPU 1, or under SCHED_DEADLINE. */
static bool seat(struct fixture *f, uint64_t charged_ns, uint64_t deadline_ns, uint64_t period_ns,
		 bool pinned)
{
	struct test_contract *test = &f->contracts[f->n];
	char name[16];

	snprintf(name, sizeof(name), "c%02zu", f->n);
	test_one(test, name, 50, charged_ns, period_ns)->deadline_ns = deadline_ns;
	if (pinned)
		test_pin(&test->cpu[0], "1");
	f->entries[f->n] = qos_book_insert(&f->book, &test->contract);
	return qos_place_stream(&f->book, f->entries[f->n++], 0);
}

static const struct qos_stream_grant *grant(const struct fixture *f, size_t k)
{
	return &f->entries[k]->grant.streams[0];
}

static void supply(struct fixture *f)
{
	qos_book_supply(&f->book, &f->capacity);
}

static void priorities_are_deadline_monotonic(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 1 * MS, 30 * MS, 100 * MS, true));
	assert_true(seat(f, 1 * MS, 10 * MS, 100 * MS, true));
	assert_true(seat(f, 1 * MS, 30 * MS, 50 * MS, true));
	assert_int_equal(grant(f, 1)->priority, 40);
	assert_int_equal(grant(f, 0)->priority, 39);
	assert_int_equal(grant(f, 2)->priority, 39);
	assert_in_range(grant(f, 1)->response_ns, MS - 10, MS);
	/* its own, and two budgets in a row of each of the others */
	assert_in_range(grant(f, 0)->response_ns, 5 * MS - 10, 5 * MS);
	assert_string_equal(grant(f, 0)->test, "rta");
}

static void too_many_deadlines_share_levels(void **state)
{
	struct fixture *f = *state;

	f->capacity.band_first = 10;
	f->capacity.band_last = 11;
	supply(f);
	for (unsigned int k = 0; k < 4; k++)
		assert_true(seat(f, 1 * MS, (10 + k) * MS, 100 * MS, true));
	assert_int_equal(grant(f, 0)->priority, 11);
	assert_int_equal(grant(f, 1)->priority, 11);
	assert_int_equal(grant(f, 2)->priority, 10);
	assert_int_equal(grant(f, 3)->priority, 10);
	/* on one level each waits for the other */
	assert_in_range(grant(f, 0)->response_ns, 3 * MS - 10, 3 * MS);
	assert_in_range(grant(f, 2)->response_ns, 7 * MS - 10, 7 * MS);
}

static void threads_of_a_stream_delay_each_other(void **state)
{
	struct fixture *f = *state;
	size_t mark = qos_book_mark(&f->book);

	assert_true(seat(f, 2 * MS, 10 * MS, 10 * MS, true));
	assert_in_range(grant(f, 0)->response_ns, 2 * MS - 10, 2 * MS);
	qos_book_rollback(&f->book, mark);
	f->contracts[0].cpu[0].max_threads = 3;
	f->entries[0] = qos_book_insert(&f->book, &f->contracts[0].contract);
	assert_true(qos_place_stream(&f->book, f->entries[0], 0));
	assert_in_range(grant(f, 0)->response_ns, 10 * MS - 50, 10 * MS);
}

static void blocking_and_overhead_lengthen_the_bound(void **state)
{
	struct fixture *f = *state;

	f->capacity.overhead_ns = 100 * US;
	f->capacity.blocking_ns = 300 * US;
	supply(f);
	assert_true(seat(f, 1 * MS, 10 * MS, 10 * MS, true));
	assert_in_range(grant(f, 0)->response_ns, 1500 * US - 10, 1500 * US);
}

static void deadline_streams_interfere_below_but_not_on_isolated_cpus(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 1 * MS, 2 * MS, 100 * MS, false));
	assert_true(seat(f, 5 * MS, 10 * MS, 10 * MS, true));
	assert_in_range(grant(f, 1)->response_ns, 6 * MS - 10, 6 * MS);
	qos_book_rollback(&f->book, 0);
	f->n = 0;
	qos_cpus_add(&f->capacity.isolated, 1);
	supply(f);
	assert_true(seat(f, 1 * MS, 2 * MS, 100 * MS, false));
	assert_true(seat(f, 5 * MS, 10 * MS, 10 * MS, true));
	assert_in_range(grant(f, 1)->response_ns, 5 * MS - 10, 5 * MS);
	assert_string_equal(grant(f, 0)->test, "edf-demand"); /* one CPU is left for it */
}

static void deadline_work_of_others_interferes_too(void **state)
{
	struct fixture *f = *state;

	f->capacity.dl_foreign[0] =
		(struct qos_sporadic){.c = 2 * MS, .d = 50 * MS, .t = 50 * MS, .late = 48 * MS};
	f->capacity.n_dl_foreign = 1;
	f->capacity.dl_foreign_ppb = 40000000;
	f->capacity.dl_foreign_density_ppb = f->capacity.dl_foreign_max_ppb = 40000000;
	supply(f);
	assert_true(seat(f, 5 * MS, 10 * MS, 10 * MS, true));
	/* put off by up to 48 ms, two of its jobs fall in at once */
	assert_in_range(grant(f, 0)->response_ns, 9 * MS - 10, 9 * MS);
}

static void nothing_is_proven_below_an_unproven_set(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 5 * MS, 10 * MS, 10 * MS, true));
	assert_int_equal(grant(f, 0)->guarantee, QOS_PROVEN);
	f->contracts[0].contract.accept = QOS_BEST_EFFORT;
	f->capacity.dl_foreign[0] = (struct qos_sporadic){.c = 1, .d = 1, .t = 1};
	f->capacity.n_dl_foreign = 1;
	f->capacity.dl_foreign_max_ppb = QOS_PPB; /* not known */
	supply(f);
	f->entries[0]->holds[0].floor = QOS_BEST_EFFORT;
	assert_true(qos_judge_all(&f->book));
	assert_int_equal(grant(f, 0)->guarantee, QOS_BEST_EFFORT);
	assert_string_equal(grant(f, 0)->test, "none");
	assert_int_equal(grant(f, 0)->response_ns, 0);
}

static void disturbed_cpus_prove_nothing(void **state)
{
	struct fixture *f = *state;

	qos_cpus_add(&f->capacity.disturbed, 1);
	supply(f);
	assert_false(seat(f, 1 * MS, 10 * MS, 10 * MS, true));
	assert_true(seat(f, 1 * MS, 10 * MS, 10 * MS, false)); /* it stands above */
}

/* hi may sleep within its request, run from 6 to 10, and from 10 to 14 on the next budget */
static void a_peer_may_bring_two_budgets(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 4 * MS, 10 * MS, 10 * MS, true));
	assert_false(seat(f, 4 * MS, 10 * MS, 20 * MS, true));
	assert_true(seat(f, 1900 * US, 10 * MS, 20 * MS, true));
	assert_in_range(grant(f, 2)->response_ns, 9900 * US - 10, 9900 * US);
}

static void gfb_has_the_density_of_others(void **state)
{
	struct fixture *f = *state;

	f->capacity.dl_foreign[0] =
		(struct qos_sporadic){.c = 2 * MS, .d = 50 * MS, .t = 50 * MS, .late = 48 * MS};
	f->capacity.n_dl_foreign = 1;
	f->capacity.dl_foreign_ppb = 40000000;
	f->capacity.dl_foreign_density_ppb = 400000000;
	f->capacity.dl_foreign_max_ppb = 400000000;
	f->capacity.fifo = false;
	supply(f);
	assert_false(seat(f, 5100 * US, 6 * MS, 50 * MS, false)); /* .4 + .85 + .85 > 1.8 */
	assert_true(seat(f, 4100 * US, 6 * MS, 50 * MS, false));
}

/* What the kernel would take away from it is no part of the proof, so it must not come to that. */
static void nothing_is_proven_where_the_kernel_may_step_in(void **state)
{
	struct fixture *f = *state;

	f->capacity.quotas[0] = (struct qos_quota){.runtime_ns = 950 * MS, .period_ns = 1000 * MS};
	assert_true(seat(f, 1700 * MS, 2000 * MS, 2000 * MS, true));
	qos_book_rollback(&f->book, 0);
	f->n = 0;
	f->capacity.n_quotas = 1;
	supply(f);
	assert_false(seat(f, 1700 * MS, 2000 * MS, 2000 * MS, true));
	assert_true(seat(f, 8 * MS, 10 * MS, 10 * MS, true));
	assert_false(seat(f, 80 * MS, 2000 * MS, 2000 * MS, true)); /* 802 + 160 ms */
	assert_true(seat(f, 70 * MS, 2000 * MS, 2000 * MS, true));
	f->capacity.foreign_ppb[1] = 15000000;
	supply(f);
	assert_false(qos_judge_all(&f->book));
}

static void what_runs_above_may_bring_the_kernel_in_too(void **state)
{
	struct fixture *f = *state;

	f->capacity.quotas[0] = (struct qos_quota){.runtime_ns = 950 * MS, .period_ns = 1000 * MS};
	assert_true(seat(f, 300 * MS, 1000 * MS, 1000 * MS, false));
	assert_true(seat(f, 390 * MS, 1000 * MS, 1000 * MS, true));
	qos_book_rollback(&f->book, 0);
	f->n = 0;
	f->capacity.n_quotas = 1;
	supply(f);
	assert_true(seat(f, 300 * MS, 1000 * MS, 1000 * MS, false));
	assert_false(seat(f, 390 * MS, 1000 * MS, 1000 * MS, true));
}

static void the_cap_binds_on_each_cpu_and_on_all(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 8 * MS, 10 * MS, 10 * MS, true));
	assert_int_equal(qos_judge_free_ppb(&f->book, 0), 900000000);
	assert_in_range(qos_judge_free_ppb(&f->book, 1), 100000000, 100001000);
	assert_in_range(qos_judge_free_general_ppb(&f->book), 1000000000, 1000001000);
	assert_false(
		seat(f, 4 * MS, 20 * MS, 20 * MS, true)); /* it would meet 20 ms, but the cap */
	f->capacity.dl_foreign_ppb = 950000000;
	supply(f);
	assert_in_range(qos_judge_free_ppb(&f->book, 0), 50000000, 50001000);
	assert_in_range(qos_judge_free_ppb(&f->book, 1), 50000000, 50001000);
}

static void nobody_falls_below_the_floor(void **state)
{
	struct fixture *f = *state;

	assert_true(seat(f, 4 * MS, 7 * MS, 10 * MS, true));
	f->contracts[0].contract.accept = QOS_BEST_EFFORT;
	qos_book_commit(&f->book);
	/* a newcomer above it would take its proof away: refused, though it would accept that */
	assert_false(seat(f, 4 * MS, 5 * MS, 10 * MS, true));
	assert_int_equal(grant(f, 0)->guarantee, QOS_PROVEN);
	assert_false(seat(f, 1600 * US, 5 * MS, 10 * MS, true)); /* twice 1.6 in 7 are too much */
	assert_true(seat(f, 1500 * US, 5 * MS, 10 * MS, true));
	assert_int_equal(grant(f, 0)->guarantee, QOS_PROVEN);
	assert_int_equal(grant(f, 0)->priority, 39);
}

static void less_is_judged_again_or_left(void **state)
{
	struct fixture *f = *state;
	const struct qos_seat cpu1 = {.policy = QOS_POLICY_FIFO, .cpu = 1};

	assert_true(seat(f, 2 * MS, 10 * MS, 10 * MS, true));
	assert_true(seat(f, 2 * MS, 20 * MS, 20 * MS, true));
	assert_in_range(grant(f, 1)->response_ns, 6 * MS - 10, 6 * MS);
	qos_book_remove(&f->book, f->entries[0]);
	qos_judge_without(&f->book, f->entries[0]);
	assert_in_range(grant(f, 1)->response_ns, 2 * MS - 10, 2 * MS);
	assert_int_equal(grant(f, 1)->priority, 40);
	f->capacity.cap_ppb = 1;
	supply(f);
	qos_judge_again(&f->book, &cpu1);
	assert_in_range(grant(f, 1)->response_ns, 2 * MS - 10, 2 * MS);
	assert_int_equal(f->book.error, 0);
}

/* Among many the quick bound is used: never below the exact one, and never a worse verdict. */
static void many_are_judged_as_few_are(void **state)
{
	struct fixture *f = *state;
	struct qos_sporadic tasks[MANY];

	for (unsigned int k = 0; k < MANY; k++) {
		assert_true(seat(f, 600 * US, (40 + 7 * k) * MS, (50 + 7 * k) * MS, true));
		tasks[k] = qos_book_demand(&f->book, f->entries[k], 0).task;
	}
	for (unsigned int k = 0; k < MANY; k++)
		tasks[k].priority = grant(f, k)->priority;
	for (unsigned int k = 0; k < MANY; k++) {
		uint64_t exact;

		assert_int_equal(qos_feasible_rta(tasks, MANY, k, NULL, 0, 0, &exact), 0);
		assert_in_range(grant(f, k)->response_ns, exact, tasks[k].d);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(priorities_are_deadline_monotonic),
		TEST(too_many_deadlines_share_levels),
		TEST(threads_of_a_stream_delay_each_other),
		TEST(blocking_and_overhead_lengthen_the_bound),
		TEST(deadline_streams_interfere_below_but_not_on_isolated_cpus),
		TEST(deadline_work_of_others_interferes_too),
		TEST(nothing_is_proven_below_an_unproven_set),
		TEST(disturbed_cpus_prove_nothing),
		TEST(a_peer_may_bring_two_budgets),
		TEST(gfb_has_the_density_of_others),
		TEST(nothing_is_proven_where_the_kernel_may_step_in),
		TEST(what_runs_above_may_bring_the_kernel_in_too),
		TEST(the_cap_binds_on_each_cpu_and_on_all),
		TEST(nobody_falls_below_the_floor),
		TEST(less_is_judged_again_or_left),
		TEST(many_are_judged_as_few_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
