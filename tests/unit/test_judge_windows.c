/* SPDX-License-Identifier: GPL-2.0-only */
/* What is promised on CPUs of the module, and that it admits what nothing else could. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/judge_windows.h"
#include "admit/ledger.h"

static void window(struct qos_cpu_stream *stream, uint64_t runtime_ns, uint32_t x, uint32_t y)
{
	stream->runtime_ns = runtime_ns;
	stream->window = (struct qos_window){.x = x, .y = y};
}

static struct qos_ledger *ledger_of(bool dwcs)
{
	struct qos_capacity capacity;
	struct qos_ledger *ledger;

	test_capacity(&capacity, 1);
	capacity.dwcs = dwcs;
	assert_int_equal(qos_ledger_new(&capacity, &ledger), 0);
	return ledger;
}

static int add(struct qos_ledger *ledger, const struct test_contract *contract)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	qos_ledger_begin(ledger);
	r = qos_ledger_add(ledger, &contract->contract, &diag);
	if (r)
		qos_ledger_rollback(ledger);
	else
		qos_ledger_commit(ledger);
	qos_diag_reset(&diag);
	return r;
}

static const struct qos_stream_grant *grant_of(struct qos_ledger *ledger, const char *name)
{
	return &qos_ledger_grant(ledger, name)->streams[0];
}

/* Two that want 60 % of the CPU each, and may lose every second request. */
static void test_more_than_one_cpu(void **state)
{
	struct test_contract a, b;
	_cleanup_ledger_ struct qos_ledger *module = ledger_of(true), *native = ledger_of(false);

	(void)state;
	window(test_one(&a, "a", 50, MS, 20 * MS), 12 * MS, 1, 2);
	window(test_one(&b, "b", 50, MS, 20 * MS), 12 * MS, 1, 2);
	assert_int_equal(add(native, &a), 0);
	assert_int_equal(add(native, &b), QOS_LEDGER_E_REFUSED);
	a.contract.accept = b.contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(add(module, &a), 0);
	assert_int_equal(grant_of(module, "a")->policy, QOS_POLICY_DWCS);
	assert_int_equal(grant_of(module, "a")->guarantee, QOS_PROVEN);
	assert_string_equal(grant_of(module, "a")->test, qos_windows_tests[QOS_PROOF_SPORADIC]);
}

/* Two that could fill the CPU, where the kernel then takes it away for a while; one alone cannot. */
static void test_quota(void **state)
{
	struct test_contract a, b, c;
	struct qos_capacity capacity;
	_cleanup_ledger_ struct qos_ledger *ledger = NULL;

	(void)state;
	test_capacity(&capacity, 1);
	capacity.dwcs = true;
	capacity.n_quotas = 1;
	capacity.quotas[0] = (struct qos_quota){.runtime_ns = 950 * MS, .period_ns = 1000 * MS};
	assert_int_equal(qos_ledger_new(&capacity, &ledger), 0);
	window(test_one(&a, "a", 50, MS, 20 * MS), 12 * MS, 1, 2);
	window(test_one(&b, "b", 50, MS, 40 * MS), 10 * MS, 0, 1);
	assert_int_equal(add(ledger, &a), 0);
	assert_int_equal(grant_of(ledger, "a")->guarantee, QOS_PROVEN);
	assert_int_equal(add(ledger, &b), 0);
	assert_int_equal(grant_of(ledger, "b")->guarantee, QOS_PROVEN);
	window(test_one(&c, "c", 50, MS, 20 * MS), 5 * MS, 1, 2);
	c.contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(add(ledger, &c), 0);
	assert_true(grant_of(ledger, "a")->guarantee != QOS_PROVEN);
}

/* T1's synchronous release does not fit, every phase does. */
static void test_simulated(void **state)
{
	struct test_contract a;
	_cleanup_ledger_ struct qos_ledger *ledger = ledger_of(true);

	(void)state;
	window(test_one(&a, "a", 50, MS, 10 * MS), 5 * MS, 2, 3);
	window(test_stream(&a, MS, 10 * MS, 10 * MS), 5 * MS, 2, 3);
	assert_int_equal(add(ledger, &a), 0);
	assert_int_equal(grant_of(ledger, "a")->policy, QOS_POLICY_DWCS);
	assert_int_equal(grant_of(ledger, "a")->guarantee, QOS_SIMULATED);
	assert_string_equal(grant_of(ledger, "a")->test, QOS_WINDOWS_TEST_SIMULATED);
}

/* The simulated time is too short for one window of the third to end: nothing is known of it. */
static void test_not_simulated_to_the_end(void **state)
{
	struct test_contract a;
	_cleanup_ledger_ struct qos_ledger *ledger = ledger_of(true);

	(void)state;
	window(test_one(&a, "a", 50, MS, 10 * MS), 5 * MS, 2, 3);
	window(test_stream(&a, MS, 10 * MS, 10 * MS), 5 * MS, 2, 3);
	window(test_stream(&a, MS, 200000 * MS, 200000 * MS), MS, 1, 2);
	a.contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(add(ledger, &a), 0);
	assert_int_equal(grant_of(ledger, "a")->policy, QOS_POLICY_DWCS);
	assert_int_equal(grant_of(ledger, "a")->guarantee, QOS_BEST_EFFORT);
}

/* A floor that was proven is not given up for a newcomer. */
static void test_proven_stays_proven(void **state)
{
	struct test_contract a, b;
	_cleanup_ledger_ struct qos_ledger *ledger = ledger_of(true);

	(void)state;
	window(test_one(&a, "a", 50, MS, 10 * MS), 5 * MS, 2, 3);
	a.contract.accept = QOS_PROVEN;
	window(test_one(&b, "b", 50, MS, 10 * MS), 5 * MS, 2, 3);
	assert_int_equal(add(ledger, &a), 0);
	assert_int_equal(grant_of(ledger, "a")->guarantee, QOS_PROVEN);
	assert_int_equal(add(ledger, &b), QOS_LEDGER_E_REFUSED);
	assert_int_equal(grant_of(ledger, "a")->guarantee, QOS_PROVEN);
}

static void test_too_much_is_refused(void **state)
{
	struct test_contract a, b;
	_cleanup_ledger_ struct qos_ledger *ledger = ledger_of(true);

	(void)state;
	window(test_one(&a, "a", 50, MS, 10 * MS), 6 * MS, 0, 1);
	window(test_one(&b, "b", 50, MS, 10 * MS), 4 * MS, 0, 1);
	assert_int_equal(add(ledger, &a), 0);
	assert_int_equal(add(ledger, &b), QOS_LEDGER_E_REFUSED);
}

/* Straight: charges (the cap is 90 %, a wakeup may be 250 us late), disturbance, several threads. */
static void test_judge(void **state)
{
	struct test_contract a;
	struct qos_cpu_stream *wish = test_one(&a, "a", 50, MS, 10 * MS);
	struct qos_windows_stream stream = {.wish = wish, .cost_ns = (10 * MS - MS / 4) * 9 / 10};
	struct qos_capacity capacity;
	struct qos_book book;
	const char *test;
	uint64_t plan;

	(void)state;
	test_capacity(&capacity, 1);
	assert_int_equal(qos_book_init(&book, &capacity), 0);
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_ALONE, &test, &plan),
			 QOS_PROVEN);
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_DISTURBED, &test, &plan),
			 QOS_BEST_EFFORT);
	assert_string_equal(test, "none");
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_TAXED, &test, &plan),
			 QOS_SIMULATED);
	assert_int_equal(plan, 0);
	stream.cost_ns += 10;
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_ALONE, &test, &plan),
			 QOS_BEST_EFFORT);
	stream.cost_ns = 4 * MS;
	wish->max_threads = 2;
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_ALONE, &test, &plan),
			 QOS_SIMULATED);
	book.capacity->blocking_ns = 4 * MS;
	assert_int_equal(qos_judge_windows(&book, &stream, 1, QOS_WINDOWS_ALONE, &test, &plan),
			 QOS_BEST_EFFORT);
	qos_book_deinit(&book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_one_cpu),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_simulated),
		cmocka_unit_test(test_not_simulated_to_the_end),
		cmocka_unit_test(test_proven_stays_proven),
		cmocka_unit_test(test_too_much_is_refused),
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
