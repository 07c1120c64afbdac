/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries, sums and the log that undoes changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/book.h"

struct fixture {
	struct qos_capacity capacity;
	struct qos_book book;
	struct test_contract a, b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 2);
	test_one(&f->a, "a", 50, 1 * MS, 10 * MS);
	test_one(&f->b, "b", 50, 2 * MS, 10 * MS);
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

static void put(struct qos_book *book, struct qos_entry *entry, enum qos_policy policy,
		unsigned int cpu)
{
	struct qos_stream_grant grant = entry->grant.streams[0];

	grant.policy = policy;
	qos_cpus_clear(&grant.cpus);
	qos_cpus_add(&grant.cpus, cpu);
	qos_book_set(book, entry, 0, &grant, &entry->holds[0]);
}

static uint64_t util(const struct fixture *f, const struct qos_entry *entry)
{
	return qos_book_demand(&f->book, entry, 0).util_ppb;
}

/* Pinned, a job that is never cut can take all that the cap leaves; reclaiming takes nothing. */
static void what_may_overrun_is_charged_to_the_cap(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a;
	uint64_t cut;

	a = qos_book_insert(&f->book, &f->a.contract);
	put(&f->book, a, QOS_POLICY_FIFO, 0);
	cut = util(f, a);
	assert_true(cut < f->capacity.cap_ppb / 2);
	f->a.cpu[0].overrun = QOS_OVERRUN_ALLOW;
	assert_int_equal(qos_book_demand(&f->book, a, 0).one_ns,
			 qos_budget_ns(&f->a.cpu[0], &a->grant.streams[0], 0, f->capacity.cap_ppb));
	assert_true(util(f, a) > f->capacity.cap_ppb / 100 * 99);
	f->book.capacity->cap_ppb = 123456789; /* not a round share, and not a round period */
	f->a.cpu[0].period.ns = 10 * MS + 90;
	assert_int_equal(qos_book_demand(&f->book, a, 0).one_ns, 1234579);
	f->book.capacity->cap_ppb = 1; /* never less than what it is charged with in any case */
	assert_in_range(qos_book_demand(&f->book, a, 0).one_ns, 1 * MS - 2, 1 * MS);
	f->a.cpu[0].period.ns = 10 * MS;
	f->book.capacity->cap_ppb = f->capacity.cap_ppb;
	qos_book_set(&f->book, a, 0, &a->grant.streams[0], &a->holds[0]);
	put(&f->book, a, QOS_POLICY_DEADLINE, 0);
	assert_int_equal(util(f, a), cut);
}

static void entries_are_found_by_name(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *b = qos_book_insert(&f->book, &f->b.contract);
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);

	assert_ptr_equal(qos_book_find(&f->book, "a"), a);
	assert_ptr_equal(qos_book_find(&f->book, "b"), b);
	assert_null(qos_book_find(&f->book, "c"));
	assert_null(qos_book_find_removed(&f->book, "a"));
	qos_book_remove(&f->book, a);
	assert_null(qos_book_find(&f->book, "a"));
	assert_ptr_equal(qos_book_find_removed(&f->book, "a"), a);
	qos_book_commit(&f->book);
	assert_null(qos_book_find_removed(&f->book, "a"));
}

static void sums_follow_the_seats(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);
	struct qos_entry *b = qos_book_insert(&f->book, &f->b.contract);

	put(&f->book, a, QOS_POLICY_DEADLINE, 0);
	put(&f->book, b, QOS_POLICY_DEADLINE, 0);
	assert_int_equal(f->book.sums.dl_util_ppb, util(f, a) + util(f, b));
	assert_int_equal(qos_book_dl_max(&f->book), util(f, b));
	put(&f->book, b, QOS_POLICY_FIFO, 1);
	assert_int_equal(f->book.sums.dl_util_ppb, util(f, a));
	assert_int_equal(f->book.sums.cpu_fifo_ppb[1], util(f, b));
	assert_int_equal(f->book.sums.n_cpu_fifo[1], 1);
	assert_int_equal(qos_book_dl_max(&f->book), util(f, a));
	assert_int_equal(qos_book_seat(b, 0).cpu, 1);
	put(&f->book, a, QOS_POLICY_NONE, 0);
	assert_int_equal(qos_book_dl_max(&f->book), 0);
}

static void demand_has_overhead_and_threads_in_it(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);
	uint64_t runtime = f->a.cpu[0].runtime_ns;
	uint64_t one = runtime + qos_enforcement_ns(runtime, 22 * US) + 40000;
	struct qos_demand demand;

	f->book.capacity->overhead_ns = 20 * US;
	f->book.capacity->sample_cost_ns = 22 * US;
	f->book.capacity->blocking_ns = 60 * US;
	f->a.cpu[0].max_threads = 3;
	f->a.cpu[0].deadline_ns = 5 * MS;
	demand = qos_book_demand(&f->book, a, 0);
	assert_int_equal(demand.one_ns, one);
	assert_int_equal(demand.task.c, 3 * one);
	assert_int_equal(demand.task.d, 5 * MS);
	assert_int_equal(demand.util_ppb, 3 * one * 100);
	assert_int_equal(demand.one_density_ppb, (one + 60 * US) * 200);
	assert_int_equal(demand.density_ppb, 3 * (one + 60 * US) * 200);
	assert_int_equal(demand.task.others_c, 2 * one);
	assert_int_equal(demand.one_util_ppb, one * 100);
	assert_int_equal(demand.task.late, 10 * MS - one);
	assert_int_equal(demand.fixed_ns,
			 3 * one + (3 * one * (10 * MS - one) + 10 * MS - 1) / (10 * MS));
	put(&f->book, a, QOS_POLICY_DEADLINE, 0);
	demand = qos_book_demand(&f->book, a, 0);
	assert_int_equal(demand.task.late, 5 * MS - one);
	put(&f->book, a, QOS_POLICY_NONE, 0);
	f->a.cpu[0].max_threads = 1;
	f->a.cpu[0].deadline_ns = 10 * MS;
}

static void observed_streams_reserve_nothing(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a;

	f->a.cpu[0].manage = QOS_MANAGE_OBSERVE;
	a = qos_book_insert(&f->book, &f->a.contract);
	assert_int_equal(a->grant.guarantee, QOS_PROVEN);
	assert_int_equal(a->grant.streams[0].guaranteed_ns, 0);
	assert_int_equal(a->grant.streams[0].granted_ns, f->a.cpu[0].runtime_ns);
	assert_string_equal(a->grant.streams[0].test, "none");
}

static void rollback_undoes_all_kinds(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);
	uint64_t before = util(f, a);
	size_t mark;

	put(&f->book, a, QOS_POLICY_DEADLINE, 0);
	qos_book_commit(&f->book);
	mark = qos_book_mark(&f->book);
	f->capacity.overhead_ns = 1 * MS;
	qos_book_insert(&f->book, &f->b.contract);
	put(&f->book, a, QOS_POLICY_FIFO, 1);
	qos_book_supply(&f->book, &f->capacity);
	assert_int_equal(f->book.sums.fifo_ppb, 200000000 + before);
	qos_book_remove(&f->book, a);
	qos_book_rollback(&f->book, mark);
	assert_ptr_equal(qos_book_find(&f->book, "a"), a);
	assert_null(qos_book_find(&f->book, "b"));
	assert_int_equal(a->grant.streams[0].policy, QOS_POLICY_DEADLINE);
	assert_int_equal(f->book.sums.dl_util_ppb, before);
	assert_int_equal(f->book.sums.fifo_ppb, 0);
	assert_int_equal(f->book.capacity->overhead_ns, 0);
}

static void keeping_needs_one_record_a_stream(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);
	size_t before;

	qos_book_commit(&f->book);
	for (int i = 0; i < 100; i++) {
		size_t mark = qos_book_mark(&f->book);

		put(&f->book, a, QOS_POLICY_FIFO, i % 2);
		put(&f->book, a, QOS_POLICY_DEADLINE, 0);
		qos_book_keep(&f->book, mark);
	}
	assert_int_equal(qos_book_mark(&f->book), 1);
	before = qos_book_mark(&f->book);
	put(&f->book, a, QOS_POLICY_FIFO, 0);
	qos_book_rollback(&f->book, before);
	assert_int_equal(a->grant.streams[0].policy, QOS_POLICY_DEADLINE);
	qos_book_rollback(&f->book, 0);
	assert_int_equal(a->grant.streams[0].policy, QOS_POLICY_NONE);
	assert_int_equal(f->book.sums.dl_util_ppb, 0);
	assert_int_equal(f->book.sums.n_dl, 0);
}

static void commit_fixes_the_floors(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = qos_book_insert(&f->book, &f->a.contract);
	struct qos_stream_grant grant = a->grant.streams[0];

	grant.guarantee = QOS_PROVEN;
	qos_book_set(&f->book, a, 0, &grant, &a->holds[0]);
	assert_int_equal(a->holds[0].floor, QOS_BEST_EFFORT);
	qos_book_commit(&f->book);
	assert_int_equal(a->holds[0].floor, QOS_PROVEN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_may_overrun_is_charged_to_the_cap),
		TEST(entries_are_found_by_name),
		TEST(sums_follow_the_seats),
		TEST(demand_has_overhead_and_threads_in_it),
		TEST(observed_streams_reserve_nothing),
		TEST(rollback_undoes_all_kinds),
		TEST(keeping_needs_one_record_a_stream),
		TEST(commit_fixes_the_floors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
