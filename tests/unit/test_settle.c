/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is in force after a reload: on one CPU whose cap is 90 %, contracts with a period of 10 ms. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "reload.h"

#define FILES 3

static struct qos_supervisor supervisor;
static struct qos_capacity capacity;
static struct qos_plan plan;
static struct qos_draft drafts[FILES];
static struct qos_loaded_file files[FILES];
static struct qos_live lives[FILES], *lives_list[FILES];
static struct test_contract old[FILES], new[FILES];
static char names[FILES][8];

static int setup(void **state)
{
	memset(&supervisor, 0, sizeof(supervisor));
	memset(drafts, 0, sizeof(drafts));
	memset(files, 0, sizeof(files));
	memset(lives, 0, sizeof(lives));
	test_capacity(&capacity, 1);
	plan = (struct qos_plan){.drafts = drafts};
	supervisor.lives = lives_list;
	return qos_ledger_new(&capacity, &supervisor.ledger);
}

static int teardown(void **state)
{
	for (size_t i = 0; i < FILES; i++)
		qos_diag_reset(&drafts[i].refusal);
	qos_ledger_free(supervisor.ledger);
	return 0;
}

/* A file whose contract rules with `from_ms` a period and now asks for `to_ms`; 0: there is none.
 * The important first, as a plan wants it. */
static void add_file(const char *from_name, uint64_t from_ms, const char *to_name, uint64_t to_ms)
{
	size_t i = plan.n++;
	uint32_t importance = 90 - (uint32_t)i;

	snprintf(names[i], sizeof(names[i]), "f%zu", i);
	files[i] = (struct qos_loaded_file){.file = names[i], .path = names[i]};
	drafts[i].file = &files[i];
	if (from_ms) {
		test_one(&old[i], from_name, importance, from_ms * MS, 10 * MS);
		assert_int_equal(qos_ledger_add(supervisor.ledger, &old[i].contract, NULL), 0);
		lives[i] = (struct qos_live){.file = names[i], .contract = &old[i].contract};
		drafts[i].old = lives_list[supervisor.n_lives++] = &lives[i];
	}
	if (to_ms) {
		test_one(&new[i], to_name, importance, to_ms * MS, 10 * MS);
		files[i].contract = &new[i].contract;
	}
	drafts[i].valid = files[i].contract;
}

static void settle(void)
{
	assert_int_equal(qos_settle(&supervisor, &capacity, &plan), 0);
	qos_ledger_commit(supervisor.ledger);
}

static void assert_new(size_t i)
{
	assert_ptr_equal(drafts[i].contract, &new[i].contract);
	assert_false(drafts[i].keeps_old);
	assert_int_equal(drafts[i].refusal.n_errors, 0);
	assert_non_null(qos_ledger_grant(supervisor.ledger, new[i].name));
}

/* The old one rules on, and the file says why. */
static void assert_old(size_t i)
{
	assert_ptr_equal(drafts[i].contract, &old[i].contract);
	assert_true(drafts[i].keeps_old);
	assert_int_equal(drafts[i].refusal.n_errors, 1);
	assert_non_null(qos_ledger_grant(supervisor.ledger, old[i].name));
}

static void test_grow_into_what_another_gives_up(void **state)
{
	add_file("a", 2, "a", 6);
	add_file("b", 6, "b", 2);
	settle();
	assert_new(0);
	assert_new(1);
}

static void test_names_change_places(void **state)
{
	add_file("a", 2, "b", 1);
	add_file("b", 3, "a", 2);
	settle();
	assert_new(0);
	assert_new(1);
}

/* The grown one yields, though it is the important one: what rules has the older claim. */
static void test_old_versions_have_priority(void **state)
{
	add_file("a", 2, "a", 8);
	add_file("b", 5, "b", 6);
	settle();
	assert_old(0);
	assert_new(1);
}

/* Refused together, but one fits beside the other's old version. */
static void test_one_of_two_refused(void **state)
{
	add_file("a", 3, "a", 7);
	add_file("b", 5, "b", 4);
	settle();
	assert_old(0);
	assert_new(1);
}

static void test_refused_keeps_what_it_was_given(void **state)
{
	add_file("a", 3, "a", 12);
	assert_int_equal(qos_ledger_change(supervisor.ledger, "a", "main", 5 * MS, true, NULL), 0);
	settle();
	assert_old(0);
	assert_int_equal(qos_ledger_grant(supervisor.ledger, "a")->streams[0].granted_ns, 5 * MS);
}

/* Shrunk with supply to what its own contract would not get any more, and edited to no good. */
static void test_refused_keeps_a_shrunk_one(void **state)
{
	add_file("a", 8, "a", 9);
	old[0].cpu[0].runtime_range =
		(struct qos_range){.lo = 3 * MS, .hi = old[0].cpu[0].runtime_ns, .set = true};
	capacity.cap_ppb = 500000000;
	settle();
	assert_old(0);
}

static void test_new_ones_come_last(void **state)
{
	add_file(NULL, 0, "n", 6);
	add_file("b", 2, "b", 5);
	settle();
	assert_null(drafts[0].contract);
	assert_int_equal(drafts[0].refusal.n_errors, 1);
	assert_new(1);
}

static void test_taken_name_is_no_end(void **state)
{
	add_file(NULL, 0, "b", 1);
	add_file("b", 2, NULL, 0);
	add_file(NULL, 0, "c", 1);
	settle();
	assert_null(drafts[0].contract);
	assert_string_equal(drafts[0].refusal.entries[0].text, "the name b is taken by f1");
	assert_ptr_equal(drafts[1].contract, &old[1].contract);
	assert_new(2);
}

/* Supply went: who leaves is told, and comes back in its last good version when there is room. */
static void test_expelled_and_revived(void **state)
{
	add_file("a", 6, NULL, 0);
	capacity.cap_ppb = 500000000;
	settle();
	assert_true(drafts[0].expelled);
	assert_null(drafts[0].contract);
	assert_int_equal(drafts[0].refusal.n_errors, 1);
	assert_null(qos_ledger_grant(supervisor.ledger, "a"));
	lives[0].state = QOS_LIVE_WAITING;
	capacity.cap_ppb = 900000000;
	settle();
	assert_true(drafts[0].revives);
	assert_ptr_equal(drafts[0].contract, &old[0].contract);
}

static void test_gone_gives_back(void **state)
{
	add_file("a", 6, NULL, 0);
	drafts[0].old = NULL; /* nobody's draft: the file is no more */
	plan.n = 0;
	settle();
	assert_null(qos_ledger_grant(supervisor.ledger, "a"));
}

#define settle_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		settle_test(test_grow_into_what_another_gives_up),
		settle_test(test_names_change_places),
		settle_test(test_old_versions_have_priority),
		settle_test(test_one_of_two_refused),
		settle_test(test_refused_keeps_what_it_was_given),
		settle_test(test_refused_keeps_a_shrunk_one),
		settle_test(test_new_ones_come_last),
		settle_test(test_taken_name_is_no_end),
		settle_test(test_expelled_and_revived),
		settle_test(test_gone_gives_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
