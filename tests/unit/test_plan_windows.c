/* SPDX-License-Identifier: GPL-2.0-only */
/* The ladder of proofs for a CPU of the module: who gets which, what is claimed, and that a claim has
 * another id whenever it is another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/claim.h"
#include "admit/ledger.h"
#include "admit/plan_windows.h"

#define MAX TEST_STREAMS

struct set {
	struct test_contract contract;
	struct qos_windows_stream streams[MAX];
	struct qos_claim claims[MAX];
	size_t n;
	uint64_t id;
};

static void add(struct set *set, uint64_t runtime_ns, uint64_t period_ns, uint32_t x, uint32_t y,
		enum qos_job_kind job)
{
	struct qos_cpu_stream *wish;

	if (!set->n)
		test_contract_init(&set->contract, "a", 50);
	wish = test_stream(&set->contract, MS, period_ns, period_ns);
	wish->runtime_ns = runtime_ns;
	wish->window = (struct qos_window){.x = x, .y = y};
	wish->job = job;
	set->streams[set->n++] = (struct qos_windows_stream){
		.wish = wish, .runtime_ns = runtime_ns, .cost_ns = runtime_ns};
}

static enum qos_proof plan(struct set *set)
{
	struct qos_capacity capacity;

	test_capacity(&capacity, 1);
	capacity.cap_ppb = QOS_PPB;
	for (size_t i = 0; i < set->n; i++)
		qos_claim_reset(&set->claims[i]);
	return qos_plan_windows(&capacity, set->streams, set->n, set->claims, &set->id);
}

static void reset(struct set *set)
{
	for (size_t i = 0; i < set->n; i++)
		qos_claim_reset(&set->claims[i]);
}

static void test_sporadic(void **state)
{
	struct set set = {};
	uint64_t id;

	(void)state;
	add(&set, 12 * MS, 20 * MS, 1, 2, QOS_JOB_WAKEUP);
	assert_int_equal(plan(&set), QOS_PROOF_SPORADIC);
	assert_int_equal(set.claims[0].mode, QOS_CLAIM_SPORADIC);
	assert_int_equal(set.claims[0].must.cycle, 2);
	assert_true(qos_must_bit(&set.claims[0].must, 0));
	assert_false(qos_must_bit(&set.claims[0].must, 1));
	/* each for itself: nobody's claim changes when another comes */
	id = set.id;
	assert_true(id);
	add(&set, 4 * MS, 20 * MS, 1, 2, QOS_JOB_PERIOD);
	assert_int_equal(plan(&set), QOS_PROOF_SPORADIC);
	assert_true(set.id == id);
	set.contract.cpu[0].max_threads = 2;
	assert_int_equal(plan(&set), QOS_PROOF_NONE);
	assert_int_equal(set.id, 0);
	reset(&set);
}

/* Three that want 60 % each, one at a time, and a fourth beside them whose releases are its own. */
static void test_bundle(void **state)
{
	struct set set = {};
	uint64_t id;

	(void)state;
	for (int i = 0; i < 3; i++)
		add(&set, 12 * MS, 20 * MS, 2, 3, QOS_JOB_PERIOD);
	add(&set, 10 * MS, 70 * MS, 1, 2, QOS_JOB_WAKEUP);
	assert_int_equal(plan(&set), QOS_PROOF_BUNDLE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(set.claims[i].mode, QOS_CLAIM_BUNDLE);
		assert_int_equal(set.claims[i].bundle, set.claims[0].bundle);
		assert_int_equal(set.claims[i].budget_ns, 12 * MS);
		assert_int_equal(set.claims[i].must.cycle, 0);
	}
	assert_true(set.claims[0].bundle);
	assert_int_equal(set.claims[3].mode, QOS_CLAIM_SPORADIC);
	assert_int_equal(set.claims[3].must.cycle, 2);
	/* the budget counts C as the module has it, whatever is charged on top */
	id = set.id;
	for (int i = 0; i < 3; i++)
		set.streams[i].cost_ns = 13 * MS;
	assert_int_equal(plan(&set), QOS_PROOF_BUNDLE);
	assert_int_equal(set.claims[0].budget_ns, 12 * MS);
	assert_true(set.id != id);
	/* whoever releases when he likes is in no bundle, and neither is a rate */
	set.contract.cpu[1].job = QOS_JOB_WAKEUP;
	assert_int_equal(plan(&set), QOS_PROOF_NONE);
	set.contract.cpu[1].job = QOS_JOB_PERIOD;
	set.contract.cpu[1].period.mhz = 50000;
	assert_int_equal(plan(&set), QOS_PROOF_NONE);
	reset(&set);
}

/* Not with all phases 0, nor with any releases. */
static void test_table(void **state)
{
	struct set set = {};
	uint64_t a = 0, b = 0;

	(void)state;
	add(&set, 88 * MS, 150 * MS, 1, 2, QOS_JOB_PERIOD);
	add(&set, 72 * MS, 100 * MS, 1, 2, QOS_JOB_PERIOD);
	assert_int_equal(plan(&set), QOS_PROOF_TABLE);
	for (size_t i = 0; i < set.n; i++)
		assert_int_equal(set.claims[i].mode, QOS_CLAIM_PHASES);
	/* both have their share, in whole windows, for as long as all repeats */
	assert_int_equal(set.claims[0].must.cycle * 150, set.claims[1].must.cycle * 100);
	for (uint64_t n = 0; n < 400; n++) {
		a += qos_must_bit(&set.claims[0].must, n);
		b += qos_must_bit(&set.claims[1].must, n);
	}
	assert_true(a >= 200 && b >= 200);
	set.contract.cpu[1].job = QOS_JOB_WAKEUP;
	assert_int_equal(plan(&set), QOS_PROOF_NONE);
	reset(&set);
}

/* A hyperperiod of many years is not looked through. */
static void test_work_is_bounded(void **state)
{
	struct set set = {};

	(void)state;
	add(&set, 88 * MS, 150 * MS + 7, 1, 2, QOS_JOB_PERIOD);
	add(&set, 72 * MS, 100 * MS + 11, 1, 2, QOS_JOB_PERIOD);
	assert_int_equal(plan(&set), QOS_PROOF_NONE);
	reset(&set);
}

/* --- through the ledger --- */

static uint32_t id_of(void *data, const char *contract, size_t stream)
{
	return *contract == 'a' ? 20 - (uint32_t)stream : 5;
}

static void test_claims_of_a_ledger(void **state)
{
	_cleanup_ledger_ struct qos_ledger *ledger = NULL;
	struct qos_cpu_claims claims = {};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_capacity capacity;
	struct test_contract b;
	struct set set = {};

	(void)state;
	test_capacity(&capacity, 1);
	capacity.dwcs = true;
	assert_int_equal(qos_ledger_new(&capacity, &ledger), 0);
	assert_int_equal(qos_ledger_claims(ledger, 0, id_of, NULL, &claims), 0);
	assert_int_equal(claims.n, 0);
	add(&set, 11 * MS, 20 * MS, 2, 3, QOS_JOB_PERIOD);
	add(&set, 11 * MS, 20 * MS, 2, 3, QOS_JOB_PERIOD);
	test_one(&b, "b", 50, MS, 20 * MS);
	b.cpu[0].runtime_ns = 11 * MS;
	b.cpu[0].window = (struct qos_window){.x = 2, .y = 3};
	b.cpu[0].job = QOS_JOB_PERIOD;
	set.contract.contract.accept = b.contract.accept = QOS_PROVEN;
	assert_int_equal(qos_ledger_add(ledger, &set.contract.contract, &diag), 0);
	assert_int_equal(qos_ledger_add(ledger, &b.contract, &diag), 0);
	assert_int_equal(qos_ledger_claims(ledger, 0, id_of, NULL, &claims), 0);
	assert_int_equal(claims.n, 3);
	assert_true(claims.plan == qos_ledger_grant(ledger, "b")->streams[0].plan);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(claims.streams[i].claim.mode, QOS_CLAIM_BUNDLE);
	/* in the order of the ids */
	assert_string_equal(claims.streams[0].contract, "b");
	assert_int_equal(claims.streams[1].stream, 1);
	assert_int_equal(claims.streams[2].stream, 0);
	qos_cpu_claims_reset(&claims);
	assert_int_equal(qos_ledger_claims(ledger, 1, id_of, NULL, &claims), 0);
	assert_int_equal(claims.n, 0);
	qos_diag_reset(&diag);
}

/* A table that begins later says of each request what it said before. */
static void test_must_from(void **state)
{
	struct qos_must must, later;

	(void)state;
	assert_int_equal(qos_must_init(&must, 5, 7), 0);
	for (uint64_t n = 0; n < 12; n += 3)
		qos_must_set(&must, n);
	for (uint64_t from = 0; from < 40; from++) {
		assert_int_equal(qos_must_from(&must, from, &later), 0);
		assert_int_equal(later.cycle, 7);
		assert_int_equal(later.prefix, from < 5 ? 5 - from : 0);
		for (uint64_t n = 0; n < 60; n++)
			assert_int_equal(qos_must_bit(&later, n), qos_must_bit(&must, from + n));
		qos_must_reset(&later);
	}
	qos_must_reset(&must);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sporadic),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_work_is_bounded),
		cmocka_unit_test(test_claims_of_a_ledger),
		cmocka_unit_test(test_must_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
