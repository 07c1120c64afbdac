/* SPDX-License-Identifier: GPL-2.0-only */
/* One contract in: what is taken back for it, and from whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/admit.h"
#include "admit/place.h"

struct fixture {
	struct qos_capacity capacity;
	struct qos_book book;
	struct test_contract contracts[8];
	size_t n;
	size_t failed;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 3);
	f->capacity.disturbed = f->capacity.online;
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

/* Enters a contract that is pinned to a CPU: with a period of 10 ms, `charged_ns` is a share. The
 * CPUs are disturbed: nothing is proven, what admits is the cap alone. */
static struct qos_entry *enter(struct fixture *f, const char *name, uint32_t importance,
			       const char *cpu, uint64_t charged_ns)
{
	struct test_contract *test = &f->contracts[f->n++];

	test_pin(test_one(test, name, importance, charged_ns, 10 * MS), cpu);
	test->contract.accept = QOS_BEST_EFFORT;
	if (!qos_admit(&f->book, &test->contract, &f->failed))
		return NULL;
	return qos_book_find(&f->book, name);
}

static void raise_to(struct fixture *f, struct qos_entry *entry, uint64_t charged_ns)
{
	assert_true(qos_place_try(&f->book, entry, 0, QOS_SHARE_GRANTED, test_budget(charged_ns)));
}

static uint64_t granted(const struct qos_entry *entry)
{
	return entry->grant.streams[0].granted_ns;
}

static void what_fits_takes_nothing(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = enter(f, "a", 10, "0", 2 * MS);

	raise_to(f, a, 4 * MS);
	assert_non_null(enter(f, "b", 90, "0", 5 * MS));
	assert_int_equal(granted(a), test_budget(4 * MS));
}

static void the_less_important_gives_back_first_and_only_what_is_needed(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *low = enter(f, "zlow", 10, "0", 1 * MS);
	struct qos_entry *high = enter(f, "high", 20, "0", 1 * MS);

	raise_to(f, low, 4 * MS);
	raise_to(f, high, 3 * MS);
	assert_non_null(enter(f, "new", 5, "0", 4 * MS)); /* 7 of 9 are held, 2 are missing */
	assert_int_equal(granted(high), test_budget(3 * MS));
	assert_in_range(granted(low), test_budget(1900 * US), test_budget(2 * MS));
	assert_int_equal(low->grant.streams[0].guaranteed_ns, granted(low));
}

static void more_give_back_if_one_is_not_enough(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *low = enter(f, "low", 10, "0", 1 * MS);
	struct qos_entry *high = enter(f, "high", 20, "0", 1 * MS);

	raise_to(f, low, 3 * MS);
	raise_to(f, high, 4 * MS);
	assert_non_null(enter(f, "new", 5, "0", 6 * MS));
	/* what the search leaves over goes to the next */
	assert_in_range(granted(low), test_budget(1 * MS), test_budget(1100 * US));
	assert_in_range(granted(high), test_budget(1900 * US), test_budget(2 * MS));
}

static void who_could_not_help_keeps_all(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *other = enter(f, "other", 1, "1", 1 * MS);
	struct qos_entry *here = enter(f, "here", 99, "0", 1 * MS);

	raise_to(f, other, 5 * MS);
	raise_to(f, here, 8 * MS);
	assert_non_null(enter(f, "new", 5, "0", 3 * MS));
	assert_int_equal(granted(other), test_budget(5 * MS));
	assert_in_range(granted(here), test_budget(5900 * US), test_budget(6 * MS));
}

static void a_refusal_takes_nothing(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = enter(f, "a", 10, "0", 2 * MS);
	size_t mark = qos_book_mark(&f->book);

	raise_to(f, a, 8 * MS);
	mark = qos_book_mark(&f->book);
	assert_null(enter(f, "b", 90, "0", 8 * MS));
	assert_int_equal(f->failed, 0);
	assert_int_equal(qos_book_mark(&f->book), mark);
	assert_int_equal(granted(a), test_budget(8 * MS));
}

static void the_stream_that_failed_is_told(void **state)
{
	struct fixture *f = *state;
	struct test_contract *test = &f->contracts[0];

	test_contract_init(test, "two", 50);
	test_stream(test, 1 * MS, 10 * MS, 10 * MS);
	test_pin(test_stream(test, 9500 * US, 10 * MS, 10 * MS), "1");
	assert_false(qos_admit(&f->book, &test->contract, &f->failed));
	assert_int_equal(f->failed, 1);
	assert_int_equal(f->book.n_entries, 0);
}

static void an_older_version_s_seat_is_taken_again(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *old = enter(f, "a", 50, "0-1", 2 * MS);

	assert_int_equal(qos_book_seat(old, 0).cpu, 0);
	enter(f, "b", 50, "0", 3 * MS);
	old->holds[0].no_deadline = true;
	qos_book_remove(&f->book, old);
	old = enter(f, "a", 50, "0-1", 3 * MS); /* CPU 1 would be emptier */
	assert_int_equal(qos_book_seat(old, 0).cpu, 0);
	assert_true(old->holds[0].no_deadline);
}

static void all_extras_can_be_taken(void **state)
{
	struct fixture *f = *state;
	struct qos_entry *a = enter(f, "a", 10, "0", 2 * MS);
	struct qos_entry *b = enter(f, "b", 10, "1", 2 * MS);

	raise_to(f, a, 8 * MS);
	qos_admit_take_all(&f->book);
	assert_int_equal(granted(a), test_budget(2 * MS));
	assert_int_equal(granted(b), test_budget(2 * MS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_fits_takes_nothing),
		TEST(the_less_important_gives_back_first_and_only_what_is_needed),
		TEST(more_give_back_if_one_is_not_enough),
		TEST(who_could_not_help_keeps_all),
		TEST(a_refusal_takes_nothing),
		TEST(the_stream_that_failed_is_told),
		TEST(an_older_version_s_seat_is_taken_again),
		TEST(all_extras_can_be_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
