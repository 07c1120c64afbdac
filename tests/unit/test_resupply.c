/* SPDX-License-Identifier: GPL-2.0-only */
/* Supply comes and goes: who gives way, who leaves, who stays where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/ledger.h"

struct fixture {
	struct qos_capacity capacity;
	struct qos_ledger *ledger;
	struct test_contract contracts[8];
	size_t n;
	bool cap_alone;
	const char **out;
	size_t n_out;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 3);
	*state = f;
	return qos_ledger_new(&f->capacity, &f->ledger);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_ledger_free(f->ledger);
	free(f->out);
	free(f);
	return 0;
}

/* Pinned, with a period of 10 ms; lo_ns != 0: it may shrink to that. */
static void enter(struct fixture *f, const char *name, uint32_t importance, const char *cpus,
		  uint64_t charged_ns, uint64_t lo_ns)
{
	struct test_contract *test = &f->contracts[f->n++];
	struct qos_cpu_stream *stream = test_one(test, name, importance, charged_ns, 10 * MS);

	if (f->cap_alone)
		test->contract.accept = QOS_BEST_EFFORT;
	if (cpus)
		test_pin(stream, cpus);
	if (lo_ns)
		stream->runtime_range = (struct qos_range){
			.set = true, .lo = test_budget(lo_ns), .hi = test_budget(9 * MS)};
	assert_int_equal(qos_ledger_add(f->ledger, &test->contract, NULL), 0);
}

static void resupply(struct fixture *f)
{
	free(f->out);
	f->out = NULL;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &f->out, &f->n_out), 0);
}

/* Nothing can be proven under SCHED_FIFO any more: what admits is the cap alone. */
static void leave_the_cap_alone(struct fixture *f)
{
	f->cap_alone = true;
	f->capacity.disturbed = f->capacity.online;
	resupply(f);
}

static const struct qos_stream_grant *grant(struct fixture *f, const char *name)
{
	const struct qos_grant *found = qos_ledger_grant(f->ledger, name);

	assert_non_null(found);
	return &found->streams[0];
}

static void the_same_again_moves_nobody(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 50, "0-1", 4 * MS, 0);
	enter(f, "b", 50, "0-1", 3 * MS, 0);
	f->capacity.cap_ppb -= 1000;
	resupply(f);
	assert_int_equal(f->n_out, 0);
	assert_int_equal(qos_cpus_next(&grant(f, "a")->cpus, 0), 0);
	assert_int_equal(qos_cpus_next(&grant(f, "b")->cpus, 0), 1);
}

static void the_less_important_shrinks_first_and_grows_back(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	enter(f, "low", 10, "0", 4 * MS, 2 * MS);
	enter(f, "high", 90, "0", 5 * MS, 2 * MS);
	f->capacity.cap_ppb = 800000000;
	resupply(f);
	assert_int_equal(f->n_out, 0);
	assert_int_equal(grant(f, "high")->granted_ns, test_budget(5 * MS));
	assert_in_range(grant(f, "low")->granted_ns, test_budget(2900 * US), test_budget(3 * MS));
	assert_int_equal(grant(f, "low")->guaranteed_ns, grant(f, "low")->granted_ns);
	assert_int_equal(grant(f, "low")->wanted_ns, test_budget(4 * MS));
	f->capacity.cap_ppb = 500000000;
	resupply(f);
	assert_int_equal(f->n_out, 0);
	assert_in_range(grant(f, "high")->granted_ns, test_budget(2900 * US), test_budget(3 * MS));
	assert_in_range(grant(f, "low")->granted_ns, test_budget(2 * MS), test_budget(2100 * US));
	f->capacity.cap_ppb = 900000000;
	resupply(f);
	assert_int_equal(grant(f, "high")->granted_ns, test_budget(5 * MS));
	assert_int_equal(grant(f, "low")->granted_ns, test_budget(4 * MS));
}

static void who_fits_no_more_leaves(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	enter(f, "low", 10, "0", 4 * MS, 3 * MS);
	enter(f, "high", 90, "0", 5 * MS, 4 * MS);
	f->capacity.cap_ppb = 600000000;
	resupply(f);
	assert_int_equal(f->n_out, 1);
	assert_string_equal(f->out[0], "low");
	assert_null(qos_ledger_grant(f->ledger, "low"));
	assert_int_equal(grant(f, "high")->granted_ns, test_budget(5 * MS));
}

static void who_shrinks_saves_others_from_leaving(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	enter(f, "high", 90, "0", 5 * MS, 2 * MS);
	enter(f, "low", 10, "0", 4 * MS, 0);
	f->capacity.cap_ppb = 600000000;
	resupply(f);
	assert_int_equal(f->n_out, 0);
	assert_int_equal(grant(f, "low")->granted_ns, test_budget(4 * MS));
	assert_in_range(grant(f, "high")->granted_ns, test_budget(2 * MS), test_budget(2100 * US));
}

static void a_cpu_that_goes_moves_its_streams(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 50, "0-1", 3 * MS, 0);
	enter(f, "b", 50, "0-1", 3 * MS, 0);
	enter(f, "only", 99, "1", 2 * MS, 0);
	f->capacity.online = (struct qos_cpus){};
	qos_cpus_add(&f->capacity.online, 0);
	qos_cpus_add(&f->capacity.online, 2);
	f->capacity.n_cpus = 2;
	resupply(f);
	assert_int_equal(f->n_out, 1);
	assert_string_equal(f->out[0], "only");
	assert_int_equal(qos_cpus_next(&grant(f, "a")->cpus, 0), 0);
	assert_int_equal(qos_cpus_next(&grant(f, "b")->cpus, 0), 0);
	assert_int_equal(grant(f, "b")->priority, 40);
}

static void deadline_that_goes_is_replaced(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 50, NULL, 4 * MS, 0);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_DEADLINE);
	f->capacity.deadline = false;
	resupply(f);
	assert_int_equal(f->n_out, 0);
	assert_int_equal(grant(f, "a")->policy, QOS_POLICY_FIFO);
}

static void extras_come_back_as_far_as_they_go(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 50, "0", 2 * MS, 0);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", test_budget(8 * MS), true, NULL),
			 0);
	f->capacity.cap_ppb = 600000000;
	resupply(f);
	assert_in_range(grant(f, "a")->granted_ns, test_budget(5900 * US), test_budget(6 * MS));
	assert_int_equal(grant(f, "a")->wanted_ns, test_budget(8 * MS));
	f->capacity.cap_ppb = 900000000;
	resupply(f);
	assert_int_equal(grant(f, "a")->granted_ns, test_budget(8 * MS));
}

static void proofs_that_end_cost_the_place_unless_best_effort_is_accepted(void **state)
{
	struct fixture *f = *state;

	enter(f, "strict", 50, "0", 2 * MS, 0);
	enter(f, "easy", 50, "0", 2 * MS, 0);
	f->contracts[1].contract.accept = QOS_BEST_EFFORT;
	qos_cpus_add(&f->capacity.disturbed, 0);
	resupply(f);
	assert_int_equal(f->n_out, 1);
	assert_string_equal(f->out[0], "strict");
	assert_int_equal(grant(f, "easy")->guarantee, QOS_BEST_EFFORT);
}

static void a_rollback_brings_the_old_supply_back(void **state)
{
	struct fixture *f = *state;
	struct qos_ledger_sums sums;

	enter(f, "a", 50, "0", 4 * MS, 0);
	qos_ledger_begin(f->ledger);
	f->capacity.cap_ppb = 100000000;
	resupply(f);
	assert_int_equal(f->n_out, 1);
	qos_ledger_rollback(f->ledger);
	assert_int_equal(grant(f, "a")->granted_ns, test_budget(4 * MS));
	qos_ledger_sums(f->ledger, &sums);
	assert_int_equal(sums.cap_ppb, 2700000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_same_again_moves_nobody),
		TEST(the_less_important_shrinks_first_and_grows_back),
		TEST(who_fits_no_more_leaves),
		TEST(who_shrinks_saves_others_from_leaving),
		TEST(a_cpu_that_goes_moves_its_streams),
		TEST(deadline_that_goes_is_replaced),
		TEST(extras_come_back_as_far_as_they_go),
		TEST(proofs_that_end_cost_the_place_unless_best_effort_is_accepted),
		TEST(a_rollback_brings_the_old_supply_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
