/* SPDX-License-Identifier: GPL-2.0-only */
/* The ledger's operations and their outcomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "../harness/admit.h"
#include "admit/ledger.h"

struct fixture {
	struct qos_capacity capacity;
	struct qos_ledger *ledger;
	struct test_contract a, b;
	struct qos_diag diag;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 3);
	test_pin(test_one(&f->a, "a", 50, 4 * MS, 10 * MS), "0");
	test_pin(test_one(&f->b, "b", 50, 4 * MS, 10 * MS), "0");
	*state = f;
	return qos_ledger_new(&f->capacity, &f->ledger);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_ledger_free(f->ledger);
	qos_diag_reset(&f->diag);
	free(f);
	return 0;
}

static const struct qos_stream_grant *grant(struct fixture *f, const char *name)
{
	return &qos_ledger_grant(f->ledger, name)->streams[0];
}

/* Nothing can be proven under SCHED_FIFO any more: what admits is the cap alone. */
static void leave_the_cap_alone(struct fixture *f)
{
	const char **out = NULL;
	size_t n_out;

	f->a.contract.accept = f->b.contract.accept = QOS_BEST_EFFORT;
	f->capacity.disturbed = f->capacity.online;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
}

static void expect_words(struct fixture *f, const char *text, const char *hint)
{
	assert_int_equal(f->diag.n_errors, 1);
	assert_non_null(strstr(f->diag.entries[0].text, text));
	assert_non_null(f->diag.entries[0].hint);
	assert_non_null(strstr(f->diag.entries[0].hint, hint));
}

static void add_and_remove(void **state)
{
	struct fixture *f = *state;
	struct qos_ledger_sums sums;

	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, &f->diag), 0);
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, &f->diag), -EEXIST);
	assert_int_equal(f->diag.n_entries, 0);
	assert_int_equal(grant(f, "a")->guaranteed_ns, f->a.cpu[0].runtime_ns);
	assert_int_equal(grant(f, "a")->granted_ns, f->a.cpu[0].runtime_ns);
	assert_int_equal(grant(f, "a")->wanted_ns, f->a.cpu[0].runtime_ns);
	assert_int_equal(qos_ledger_grant(f->ledger, "a")->guarantee, QOS_PROVEN);
	qos_ledger_sums(f->ledger, &sums);
	assert_in_range(sums.used_ppb, 399999000, 400000000);
	assert_int_equal(sums.cap_ppb, 2700000000);
	assert_int_equal(sums.n_contracts, 1);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), QOS_LEDGER_E_UNKNOWN);
	assert_null(qos_ledger_grant(f->ledger, "a"));
	qos_ledger_sums(f->ledger, &sums);
	assert_int_equal(sums.used_ppb, 0);
}

static void sums_leave_out_what_others_hold(void **state)
{
	struct fixture *f = *state;
	struct qos_ledger_sums sums;
	const char **out;
	size_t n_out;

	f->capacity.foreign_ppb[1] = 200000000;
	f->capacity.dl_foreign_ppb = 100000000;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
	qos_ledger_sums(f->ledger, &sums);
	assert_int_equal(sums.cap_ppb, 2400000000);
	f->capacity.foreign_ppb[1] = 3000000000;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
	qos_ledger_sums(f->ledger, &sums);
	assert_int_equal(sums.cap_ppb, 0);
}

static void a_refusal_has_a_place_numbers_and_ways_out(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, NULL), 0);
	f->b.cpu[0].runtime_ns = test_budget(6 * MS);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, &f->diag), QOS_LEDGER_E_REFUSED);
	expect_words(f, "refused: b needs 60 % of one CPU on 0; 50 % is free", "runtime: ");
	assert_int_equal(f->diag.entries[0].line, 13);
	assert_int_equal(f->diag.entries[0].col, 3);
	assert_null(qos_ledger_grant(f->ledger, "b"));
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, NULL), QOS_LEDGER_E_REFUSED);
}

static void observed_contracts_need_nothing(void **state)
{
	struct fixture *f = *state;
	struct qos_ledger_sums sums;

	f->capacity.deadline = f->capacity.fifo = false;
	qos_ledger_free(f->ledger);
	assert_int_equal(qos_ledger_new(&f->capacity, &f->ledger), 0);
	f->a.cpu[0].manage = QOS_MANAGE_OBSERVE;
	f->a.contract.accept = QOS_PROVEN;
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, &f->diag), 0);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_NONE);
	assert_int_equal(grant(f, "a")->guarantee, QOS_PROVEN);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 9 * MS, true, NULL), 0);
	assert_int_equal(grant(f, "a")->granted_ns, 9 * MS);
	assert_int_equal(grant(f, "a")->guaranteed_ns, 0);
	qos_ledger_sums(f->ledger, &sums);
	assert_int_equal(sums.used_ppb, 0);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, &f->diag), QOS_LEDGER_E_REFUSED);
	expect_words(f, "neither SCHED_DEADLINE nor SCHED_FIFO", "none of these alone was enough");
}

/* Whoever must be pinned is told why not. */
static void without_a_clock_deadline_is_left(void **state)
{
	struct fixture *f = *state;

	f->capacity.fifo = false;
	f->capacity.uncut = true;
	qos_ledger_free(f->ledger);
	assert_int_equal(qos_ledger_new(&f->capacity, &f->ledger), 0);
	f->a.cpu[0].where = QOS_WHERE_ANY;
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, &f->diag), 0);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_DEADLINE);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, &f->diag), QOS_LEDGER_E_REFUSED);
	expect_words(f, "nor SCHED_FIFO here, where no task clock would cut it", "");
}

static void a_contract_without_cpu_streams_is_proven(void **state)
{
	struct fixture *f = *state;

	f->a.contract.n_cpu = 0;
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, NULL), 0);
	assert_int_equal(qos_ledger_grant(f->ledger, "a")->guarantee, QOS_PROVEN);
}

static void change_knows_its_contracts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(qos_ledger_change(f->ledger, "x", "main", MS, true, &f->diag),
			 QOS_LEDGER_E_UNKNOWN);
	expect_words(f, "no contract named x", "qosctl list");
	qos_diag_reset(&f->diag);
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "x", MS, true, &f->diag),
			 QOS_LEDGER_E_UNKNOWN);
	expect_words(f, "a has no cpu stream named x", "qosctl list");
}

static void change_keeps_to_the_range(void **state)
{
	struct fixture *f = *state;

	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	/* no range: the loop may only ask for what the contract says */
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 4 * MS, false, NULL),
			 QOS_LEDGER_E_RANGE);
	assert_int_equal(
		qos_ledger_change(f->ledger, "a", "main", f->a.cpu[0].runtime_ns, false, NULL), 0);
	f->a.cpu[0].runtime_range = (struct qos_range){.set = true, .lo = 2 * MS, .hi = 6 * MS};
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 2 * MS, false, NULL), 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 6 * MS, false, NULL), 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 6 * MS + 1, false, &f->diag),
			 QOS_LEDGER_E_RANGE);
	expect_words(f, "lies outside of 2ms..6ms", "range");
	qos_diag_reset(&f->diag);
	/* a person may leave it, but not pass the deadline or ask for nothing */
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 7 * MS, true, NULL), 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 1 * MS, true, NULL), 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 0, true, NULL),
			 QOS_LEDGER_E_RANGE);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 10 * MS + 1, true, &f->diag),
			 QOS_LEDGER_E_RANGE);
	expect_words(f, "lies outside of 1ns..10ms", "deadline");
}

static void deadline_streams_keep_the_kernel_s_least(void **state)
{
	struct fixture *f = *state;

	f->a.cpu[0].where = QOS_WHERE_ANY;
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 1023, true, NULL),
			 QOS_LEDGER_E_RANGE);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 1024, true, NULL), 0);
	assert_int_equal(grant(f, "a")->granted_ns, 1024);
}

static void a_smaller_grant_leaves_the_reservation(void **state)
{
	struct fixture *f = *state;
	uint64_t runtime = f->a.cpu[0].runtime_ns;

	leave_the_cap_alone(f);
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 1 * MS, true, NULL), 0);
	assert_int_equal(grant(f, "a")->granted_ns, 1 * MS);
	assert_int_equal(grant(f, "a")->wanted_ns, 1 * MS);
	assert_int_equal(grant(f, "a")->guaranteed_ns, runtime);
	f->b.cpu[0].runtime_ns = test_budget(5 * MS);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, NULL), 0); /* full now */
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", runtime, true, NULL), 0);
	assert_int_equal(grant(f, "a")->granted_ns, runtime);
}

static void a_person_gets_all_or_nothing(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	qos_ledger_add(f->ledger, &f->b.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 6 * MS, true, &f->diag),
			 QOS_LEDGER_E_REFUSED);
	expect_words(f, "a cannot have a runtime of 6ms", "was tried and is admitted");
	assert_int_equal(grant(f, "a")->granted_ns, f->a.cpu[0].runtime_ns);
	assert_int_equal(grant(f, "a")->wanted_ns, f->a.cpu[0].runtime_ns);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", test_budget(5 * MS), true, NULL),
			 0);
	qos_diag_reset(&f->diag);
	assert_int_equal(qos_ledger_change(f->ledger, "b", "main", 6 * MS, true, &f->diag),
			 QOS_LEDGER_E_REFUSED);
	expect_words(f, "b cannot have", "nothing above");
}

static void a_person_s_wish_may_move_the_stream(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	test_pin(&f->a.cpu[0], "0-1");
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	qos_ledger_add(f->ledger, &f->b.contract, NULL);
	assert_int_equal(qos_cpus_next(&grant(f, "a")->cpus, 0), 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 7 * MS, true, NULL), 0);
	assert_int_equal(qos_cpus_next(&grant(f, "a")->cpus, 0), 1);
	assert_int_equal(grant(f, "a")->guaranteed_ns, 7 * MS);
}

static void the_loop_gets_what_fits(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	f->a.cpu[0].runtime_range = (struct qos_range){.set = true, .lo = 1 * MS, .hi = 8 * MS};
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	qos_ledger_add(f->ledger, &f->b.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 8 * MS, false, NULL), 0);
	assert_int_equal(grant(f, "a")->wanted_ns, 8 * MS);
	assert_in_range(grant(f, "a")->granted_ns, test_budget(4900 * US), test_budget(5 * MS));
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 8 * MS, false, &f->diag),
			 QOS_LEDGER_E_REFUSED);
	assert_int_equal(f->diag.n_errors, 1);
}

static void extras_make_room(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", 8 * MS, true, NULL), 0);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, NULL), 0);
	assert_int_equal(grant(f, "a")->wanted_ns, 8 * MS);
	assert_in_range(grant(f, "a")->granted_ns, test_budget(4900 * US), test_budget(5 * MS));
}

static void forbidding_deadline_pins(void **state)
{
	struct fixture *f = *state;

	f->a.cpu[0].where = QOS_WHERE_ANY;
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_DEADLINE);
	assert_int_equal(qos_ledger_forbid_deadline(f->ledger, "a", "main", NULL), 0);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_FIFO);
	assert_int_equal(qos_ledger_forbid_deadline(f->ledger, "a", "main", NULL), 0);
	assert_int_equal(qos_ledger_forbid_deadline(f->ledger, "a", "x", NULL),
			 QOS_LEDGER_E_UNKNOWN);
	/* nor is it taken again when supply changes */
	f->capacity.cap_ppb = 800000000;
	{
		const char **out;
		size_t n_out;

		assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
		free(out);
	}
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_FIFO);
}

static void forbidding_may_be_too_much(void **state)
{
	struct fixture *f = *state;

	f->capacity.fifo = false;
	qos_ledger_free(f->ledger);
	assert_int_equal(qos_ledger_new(&f->capacity, &f->ledger), 0);
	f->a.cpu[0].where = QOS_WHERE_ANY;
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, NULL), 0);
	assert_int_equal(qos_ledger_forbid_deadline(f->ledger, "a", "main", &f->diag),
			 QOS_LEDGER_E_REFUSED);
	expect_words(f, "neither SCHED_DEADLINE nor SCHED_FIFO", "qosctl doctor");
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_DEADLINE);
}

static void transactions_are_all_or_nothing(void **state)
{
	struct fixture *f = *state;

	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	qos_ledger_begin(f->ledger);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, NULL), 0);
	qos_ledger_rollback(f->ledger);
	assert_non_null(qos_ledger_grant(f->ledger, "a"));
	assert_null(qos_ledger_grant(f->ledger, "b"));
	qos_ledger_begin(f->ledger);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	assert_int_equal(qos_ledger_add(f->ledger, &f->b.contract, NULL), 0);
	qos_ledger_commit(f->ledger);
	assert_null(qos_ledger_grant(f->ledger, "a"));
	assert_non_null(qos_ledger_grant(f->ledger, "b"));
}

/* What a transaction took out can come back in it, whoever was better off meanwhile. */
static void what_left_in_a_transaction_may_return(void **state)
{
	struct fixture *f = *state;

	/* b below a, on one CPU, is best effort while a is there */
	f->a.cpu[0].deadline_ns = 5 * MS;
	f->b.cpu[0].deadline_ns = 7 * MS;
	f->b.contract.accept = QOS_BEST_EFFORT;
	qos_ledger_add(f->ledger, &f->a.contract, NULL);
	qos_ledger_add(f->ledger, &f->b.contract, NULL);
	assert_int_equal(grant(f, "b")->guarantee, QOS_BEST_EFFORT);
	qos_ledger_begin(f->ledger);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	assert_int_equal(grant(f, "b")->guarantee, QOS_PROVEN);
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, NULL), 0);
	assert_int_equal(grant(f, "b")->guarantee, QOS_BEST_EFFORT);
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	qos_ledger_commit(f->ledger);
	/* after the commit what b has is b's */
	assert_int_equal(qos_ledger_add(f->ledger, &f->a.contract, NULL), QOS_LEDGER_E_REFUSED);
}

static void a_thousand_contracts_are_admitted_quickly(void **state)
{
	struct test_contract *tests = calloc(1000, sizeof(*tests));
	struct fixture *f = *state;
	clock_t start = clock();

	assert_non_null(tests);
	for (unsigned int round = 0; round < 2; round++) {
		qos_ledger_begin(f->ledger);
		for (unsigned int k = 0; k < 1000; k++) {
			struct qos_cpu_stream *stream;
			char name[16];

			snprintf(name, sizeof(name), "c%u", k * 7919 % 1000);
			stream = test_one(&tests[k], name, k % 100, 60 * US, (100 + k) * MS);
			if (round == 1 || k % 10 == 0)
				test_pin(stream, k % 2 ? "0" : "1");
			assert_int_equal(qos_ledger_add(f->ledger, &tests[k].contract, NULL), 0);
		}
		qos_ledger_commit(f->ledger);
		for (unsigned int k = 0; k < 1000; k++)
			assert_int_equal(qos_ledger_remove(f->ledger, tests[k].name), 0);
	}
	/* CPU time, not the clock on the wall; generous, for sanitizers */
	assert_in_range((clock() - start) * 1000 / CLOCKS_PER_SEC, 0, 10000);
	print_message("2 * 1000 in and out: %ld ms\n",
		      (long)((clock() - start) * 1000 / CLOCKS_PER_SEC));
	qos_ledger_free(f->ledger);
	f->ledger = NULL;
	free(tests);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(add_and_remove),
		TEST(sums_leave_out_what_others_hold),
		TEST(a_refusal_has_a_place_numbers_and_ways_out),
		TEST(observed_contracts_need_nothing),
		TEST(without_a_clock_deadline_is_left),
		TEST(a_contract_without_cpu_streams_is_proven),
		TEST(change_knows_its_contracts),
		TEST(change_keeps_to_the_range),
		TEST(deadline_streams_keep_the_kernel_s_least),
		TEST(a_smaller_grant_leaves_the_reservation),
		TEST(a_person_gets_all_or_nothing),
		TEST(a_person_s_wish_may_move_the_stream),
		TEST(the_loop_gets_what_fits),
		TEST(extras_make_room),
		TEST(forbidding_deadline_pins),
		TEST(forbidding_may_be_too_much),
		TEST(transactions_are_all_or_nothing),
		TEST(what_left_in_a_transaction_may_return),
		TEST(a_thousand_contracts_are_admitted_quickly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
