/* SPDX-License-Identifier: GPL-2.0-only */
/* Where streams are put, as the ledger's grants show it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/ledger.h"
#include "admit/place.h"

struct fixture {
	struct qos_capacity capacity;
	struct qos_ledger *ledger;
	struct test_contract contracts[8];
	size_t n;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 4);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_ledger_free(f->ledger);
	free(f);
	return 0;
}

/* A contract of one stream, still to be changed before it is admitted. */
static struct qos_cpu_stream *next(struct fixture *f, const char *name, uint64_t runtime_ns,
				   uint64_t period_ns)
{
	return test_one(&f->contracts[f->n++], name, 50, runtime_ns, period_ns);
}

static int add_to(struct fixture *f)
{
	if (!f->ledger)
		assert_int_equal(qos_ledger_new(&f->capacity, &f->ledger), 0);
	return qos_ledger_add(f->ledger, &f->contracts[f->n - 1].contract, NULL);
}

static void resupply(struct fixture *f)
{
	const char **out = NULL;
	size_t n_out;

	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
}

static const struct qos_stream_grant *grant_of(struct fixture *f, const char *name)
{
	const struct qos_grant *grant = qos_ledger_grant(f->ledger, name);

	assert_non_null(grant);
	return &grant->streams[0];
}

static void expect_fifo(struct fixture *f, const char *name, unsigned int cpu)
{
	const struct qos_stream_grant *grant = grant_of(f, name);

	assert_int_equal(grant->policy, QOS_POLICY_FIFO);
	assert_int_equal(qos_cpus_count(&grant->cpus), 1);
	assert_int_equal(qos_cpus_next(&grant->cpus, 0), cpu);
	assert_in_range(grant->priority, f->capacity.band_first, f->capacity.band_last);
}

static void expect_deadline(struct fixture *f, const char *name)
{
	struct qos_cpus general = qos_cpus_minus(&f->capacity.online, &f->capacity.isolated);
	const struct qos_stream_grant *grant = grant_of(f, name);

	assert_int_equal(grant->policy, QOS_POLICY_DEADLINE);
	assert_true(qos_cpus_equal(&grant->cpus, &general));
	assert_int_equal(grant->priority, 0);
}

static void who_may_run_anywhere_gets_deadline(void **state)
{
	struct fixture *f = *state;

	next(f, "any", 1 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_deadline(f, "any");
	test_pin(next(f, "listed", 1 * MS, 10 * MS), "0-7");
	assert_int_equal(add_to(f), 0);
	expect_deadline(f, "listed");
}

static void who_may_not_gets_fifo(void **state)
{
	struct fixture *f = *state;

	test_pin(next(f, "pinned", 1 * MS, 10 * MS), "2-3");
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "pinned", 2);
	f->capacity.dl_period_min_ns = 300 * US;
	f->capacity.dl_period_max_ns = 4000 * MS;
	resupply(f);
	next(f, "quick", 150 * US, 299 * US); /* below the kernel's shortest period */
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "quick", 0);
	next(f, "slow", 1 * MS, 5000 * MS);
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "slow", 1);
	next(f, "tiny", 1 * MS, 10 * MS)->runtime_ns = 1023;
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "tiny", 3);
}

static void a_kernel_without_deadline_pins(void **state)
{
	struct fixture *f = *state;

	f->capacity.deadline = false;
	next(f, "any", 1 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "any", 0);
}

static void the_emptiest_cpu_is_taken_first(void **state)
{
	struct fixture *f = *state;

	f->capacity.deadline = false;
	f->capacity.foreign_ppb[0] = 300000000;
	next(f, "a", 4 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "a", 1);
	next(f, "b", 1 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "b", 2);
	test_pin(next(f, "c", 1 * MS, 10 * MS), "0-1");
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "c", 0);
}

static void isolated_cpus_are_for_those_who_ask(void **state)
{
	struct fixture *f = *state;

	qos_cpus_add(&f->capacity.isolated, 3);
	f->capacity.deadline = false;
	for (int i = 0; i < 3; i++)
		f->capacity.foreign_ppb[i] = 500000000;
	next(f, "any", 1 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "any", 0);
	next(f, "isolated", 1 * MS, 10 * MS)->where = QOS_WHERE_ISOLATED;
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "isolated", 3);
	test_pin(next(f, "listed", 1 * MS, 10 * MS), "2-3");
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "listed", 3);
}

/* The kernel balances SCHED_DEADLINE over the others only, so nothing more need be allowed. */
static void deadline_streams_keep_off_isolated_cpus(void **state)
{
	struct fixture *f = *state;

	qos_cpus_add(&f->capacity.isolated, 3);
	next(f, "any", 1 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_deadline(f, "any");
	test_pin(next(f, "listed", 1 * MS, 10 * MS), "0-2");
	assert_int_equal(add_to(f), 0);
	expect_deadline(f, "listed");
}

static void what_breaks_the_global_bound_is_pinned(void **state)
{
	struct fixture *f = *state;

	next(f, "a", 1 * MS, 100 * MS)->deadline_ns = 2 * MS;
	assert_int_equal(add_to(f), 0);
	next(f, "b", 1 * MS, 100 * MS)->deadline_ns = 2 * MS;
	assert_int_equal(add_to(f), 0);
	/* densities: .5 + .5 + .7 + 3 * .7 > 4 * .9, but 7 + 1 + 1 ms are met in 10 */
	next(f, "c", 7 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	expect_deadline(f, "a");
	expect_deadline(f, "b");
	expect_fifo(f, "c", 0);
	assert_int_equal(grant_of(f, "c")->guarantee, QOS_PROVEN);
	assert_string_equal(grant_of(f, "c")->test, "rta");
	assert_in_range(grant_of(f, "c")->response_ns, 8999 * US, 9 * MS);
}

static void what_cannot_be_proven_is_pinned_if_that_is_accepted(void **state)
{
	struct fixture *f = *state;

	qos_cpus_clear(&f->capacity.online);
	qos_cpus_add(&f->capacity.online, 0);
	f->capacity.n_cpus = 1;
	next(f, "a", 4 * MS, 10 * MS);
	assert_int_equal(add_to(f), 0);
	next(f, "b", 4 * MS, 100 * MS)->deadline_ns = 4200 * US;
	assert_int_equal(add_to(f), QOS_LEDGER_E_REFUSED);
	f->contracts[1].contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(add_to(f), 0);
	expect_fifo(f, "b", 0);
	assert_int_equal(grant_of(f, "b")->guarantee, QOS_BEST_EFFORT);
	assert_string_equal(grant_of(f, "b")->test, "none");
	assert_int_equal(grant_of(f, "a")->guarantee, QOS_PROVEN);
}

static void choice_follows_where(void **state)
{
	struct fixture *f = *state;
	struct qos_cpu_stream stream = {.where = QOS_WHERE_ANY};
	struct qos_cpus choice;
	struct qos_book book;

	qos_cpus_add(&f->capacity.isolated, 3);
	assert_int_equal(qos_book_init(&book, &f->capacity), 0);
	choice = qos_place_choice(&book, &stream);
	assert_int_equal(qos_cpus_count(&choice), 3);
	stream.where = QOS_WHERE_ISOLATED;
	choice = qos_place_choice(&book, &stream);
	assert_int_equal(qos_cpus_next(&choice, 0), 3);
	test_pin(&stream, "2-9");
	choice = qos_place_choice(&book, &stream);
	assert_int_equal(qos_cpus_count(&choice), 2);
	qos_book_deinit(&book);
}

static void raising_ends_where_it_no_longer_fits(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *entry;
	struct qos_book book;
	uint64_t base, most;

	test_pin(next(f, "a", 1 * MS, 10 * MS), "1");
	assert_int_equal(qos_book_init(&book, &f->capacity), 0);
	entry = qos_book_insert(&book, &f->contracts[0].contract);
	assert_true(qos_place_stream(&book, entry, 0));
	base = entry->holds[0].base_ns;
	qos_place_raise(&book, entry, 0, QOS_SHARE_GRANTED, 10 * MS); /* the cap is 9 ms */
	most = entry->grant.streams[0].granted_ns;
	assert_in_range(most, test_budget(8900 * US), test_budget(9 * MS));
	assert_int_equal(entry->grant.streams[0].guaranteed_ns, most);
	assert_int_equal(entry->holds[0].base_ns, base);
	qos_place_raise(&book, entry, 0, QOS_SHARE_GRANTED, 2 * MS); /* never lowers */
	assert_int_equal(entry->grant.streams[0].granted_ns, most);
	assert_false(qos_place_try(&book, entry, 0, QOS_SHARE_BASE, 9 * MS));
	assert_int_equal(entry->holds[0].base_ns, base);
	assert_true(qos_place_try(&book, entry, 0, QOS_SHARE_BASE, 500 * US));
	assert_int_equal(entry->grant.streams[0].granted_ns, 500 * US);
	qos_book_deinit(&book);
}

static void who_stands_up_may_go_back(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *entry;
	struct qos_book book;

	test_pin(next(f, "a", 1 * MS, 10 * MS), "1-2");
	f->capacity.foreign_ppb[1] = 100000000;
	assert_int_equal(qos_book_init(&book, &f->capacity), 0);
	entry = qos_book_insert(&book, &f->contracts[0].contract);
	assert_true(qos_place_stream(&book, entry, 0));
	assert_int_equal(qos_book_seat(entry, 0).cpu, 2);
	qos_place_unseat(&book, entry, 0);
	assert_int_equal(entry->grant.streams[0].policy, QOS_POLICY_NONE);
	assert_int_equal(book.sums.fifo_ppb, 0);
	f->capacity.foreign_ppb[2] = 200000000; /* CPU 1 would be emptier now */
	qos_book_supply(&book, &f->capacity);
	assert_true(qos_place_stream(&book, entry, 0));
	assert_int_equal(qos_book_seat(entry, 0).cpu, 2);
	qos_place_unseat(&book, entry, 0);
	f->capacity.online = (struct qos_cpus){};
	qos_cpus_add(&f->capacity.online, 1);
	qos_book_supply(&book, &f->capacity);
	assert_false(qos_place_back(&book, entry, 0));
	qos_book_deinit(&book);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_may_run_anywhere_gets_deadline),
		TEST(who_may_not_gets_fifo),
		TEST(a_kernel_without_deadline_pins),
		TEST(the_emptiest_cpu_is_taken_first),
		TEST(isolated_cpus_are_for_those_who_ask),
		TEST(deadline_streams_keep_off_isolated_cpus),
		TEST(what_breaks_the_global_bound_is_pinned),
		TEST(what_cannot_be_proven_is_pinned_if_that_is_accepted),
		TEST(choice_follows_where),
		TEST(raising_ends_where_it_no_longer_fits),
		TEST(who_stands_up_may_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
