/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of refusals; what they advise is tried here once more. */
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
	struct test_contract others[60], asked;
	size_t n_others;
	bool cap_alone;
	struct qos_diag diag;
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
	qos_diag_reset(&f->diag);
	free(f);
	return 0;
}

/* Nothing can be proven under SCHED_FIFO any more: what admits is the cap alone. */
static void leave_the_cap_alone(struct fixture *f)
{
	const char **out = NULL;
	size_t n_out;

	f->cap_alone = true;
	f->capacity.disturbed = f->capacity.online;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
}

static struct qos_cpu_stream *enter(struct fixture *f, const char *name, uint32_t importance,
				    const char *cpus, uint64_t charged_ns)
{
	struct test_contract *test = &f->others[f->n_others++];

	test_pin(test_one(test, name, importance, charged_ns, 10 * MS), cpus);
	if (f->cap_alone)
		test->contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(qos_ledger_add(f->ledger, &test->contract, NULL), 0);
	return &test->cpu[0];
}

static struct qos_cpu_stream *ask(struct fixture *f, uint32_t importance, uint64_t charged_ns)
{
	struct qos_cpu_stream *stream =
		test_one(&f->asked, "camera", importance, charged_ns, 10 * MS);

	if (f->cap_alone)
		f->asked.contract.accept = QOS_BEST_EFFORT;
	return stream;
}

static const char *refusal(struct fixture *f)
{
	qos_diag_reset(&f->diag);
	assert_int_equal(qos_ledger_add(f->ledger, &f->asked.contract, &f->diag),
			 QOS_LEDGER_E_REFUSED);
	assert_int_equal(f->diag.n_entries, 1);
	assert_non_null(f->diag.entries[0].hint);
	return f->diag.entries[0].text;
}

static const char *hint(const struct fixture *f)
{
	return f->diag.entries[0].hint;
}

static void the_stream_is_named_unless_nobody_named_it(void **state)
{
	struct fixture *f = *state;
	struct qos_cpu_stream *stream = ask(f, 50, 9500 * US);

	test_pin(stream, "0");
	assert_string_equal(refusal(f), "refused: camera needs 95 % of one CPU on 0; 90 % is free");
	strcpy(f->asked.stream[0], "capture");
	assert_string_equal(refusal(f),
			    "refused: capture needs 95 % of one CPU on 0; 90 % is free");
}

static void small_shares_have_tenths(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 60, "0", 8960 * US);
	test_pin(ask(f, 50, 130 * US), "0");
	assert_string_equal(refusal(f),
			    "refused: camera needs 1.3 % of one CPU on 0; 0.4 % is free");
}

static void extras_of_others_count_as_free(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 60, "0", 4 * MS);
	assert_int_equal(qos_ledger_change(f->ledger, "a", "main", test_budget(8 * MS), true, NULL),
			 0);
	test_pin(ask(f, 50, 6 * MS), "0");
	assert_string_equal(refusal(f), "refused: camera needs 60 % of one CPU on 0; 50 % is free");
}

static void room_without_a_proof_is_said(void **state)
{
	struct fixture *f = *state;

	enter(f, "a", 60, "0", 4 * MS);
	test_pin(ask(f, 50, 4 * MS), "0");
	f->asked.cpu[0].deadline_ns = 5 * MS;
	f->others[0].cpu[0].deadline_ns = 10 * MS;
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	f->others[0].cpu[0].deadline_ns = 5 * MS;
	assert_int_equal(qos_ledger_add(f->ledger, &f->others[0].contract, NULL), 0);
	assert_string_equal(refusal(f), "refused: camera needs 40 % of one CPU on 0; 50 % is free, "
					"but no test proves that it meets its deadline beside the "
					"others");
	f->asked.contract.accept = QOS_BEST_EFFORT;
	assert_string_equal(refusal(f), "refused: camera needs 40 % of one CPU on 0; 50 % is free, "
					"but then what others were promised would not hold");
}

static void disturbance_is_said(void **state)
{
	struct fixture *f = *state;
	const char **out;
	size_t n_out;

	qos_cpus_add(&f->capacity.disturbed, 1);
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
	test_pin(ask(f, 50, 4 * MS), "1");
	assert_string_equal(refusal(f), "refused: camera needs 40 % of one CPU on 1; 90 % is free, "
					"but real-time work that qosd does not manage may delay it "
					"there");
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: cpus: 0-2 | "
				     "accept: best-effort");
}

static void missing_cpus_are_said(void **state)
{
	struct fixture *f = *state;

	test_pin(ask(f, 50, 4 * MS), "5-6");
	assert_string_equal(refusal(f), "refused: of the CPUs of camera (5-6) none is online");
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: cpus: 0-2");
	f->asked.cpu[0].where = QOS_WHERE_ISOLATED;
	assert_string_equal(refusal(f), "refused: camera finds no CPU that is online and isolated");
}

static void a_machine_of_isolated_cpus_is_said(void **state)
{
	struct fixture *f = *state;
	const char **out;
	size_t n_out;

	f->capacity.isolated = f->capacity.online;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
	ask(f, 50, 4 * MS);
	assert_string_equal(refusal(f),
			    "refused: camera finds no CPU that is online and not isolated");
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: cpus: 0-2");
}

static void four_ways_at_most(void **state)
{
	struct fixture *f = *state;
	struct qos_cpu_stream *lens;

	leave_the_cap_alone(f);
	lens = enter(f, "lens", 20, "0", 5 * MS);
	lens->runtime_range = (struct qos_range){.set = true, .lo = 3 * MS, .hi = 9 * MS};
	test_pin(ask(f, 50, 5 * MS), "0");
	f->asked.cpu[0].deadline_ns = 9900 * US;
	refusal(f);
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: "
				     "runtime: 3590us | lens (importance 20): runtime 4.5ms "
				     "-> 3ms | cpus: 0-2 | period: 12.6ms");
}

/* Each way is taken, alone: it must be admitted, and a little less of it must not. */
static void the_runtime_and_the_period_are_the_best_ones(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	enter(f, "lens", 90, "0", 5 * MS);
	test_pin(ask(f, 50, 5 * MS), "0");
	refusal(f);
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: "
				     "runtime: 3590us | cpus: 0-2 | period: 12.6ms");
	f->asked.cpu[0].runtime_ns = 3590 * US;
	assert_int_equal(qos_ledger_add(f->ledger, &f->asked.contract, NULL), 0);
	assert_int_equal(qos_ledger_remove(f->ledger, "camera"), 0);
	f->asked.cpu[0].runtime_ns = 3600 * US;
	refusal(f);
	f->asked.cpu[0].runtime_ns = test_budget(5 * MS);
	f->asked.cpu[0].period.ns = f->asked.cpu[0].deadline_ns = 12600 * US;
	assert_int_equal(qos_ledger_add(f->ledger, &f->asked.contract, NULL), 0);
	assert_int_equal(qos_ledger_remove(f->ledger, "camera"), 0);
	f->asked.cpu[0].period.ns = f->asked.cpu[0].deadline_ns = 12400 * US;
	refusal(f);
}

static void the_range_limits_what_is_advised(void **state)
{
	struct fixture *f = *state;

	enter(f, "lens", 90, "0", 5 * MS);
	test_pin(ask(f, 50, 5 * MS), "0");
	f->asked.cpu[0].runtime_range = (struct qos_range){.set = true, .lo = 4 * MS, .hi = 9 * MS};
	refusal(f);
	assert_null(strstr(hint(f), "runtime:"));
}

static void only_the_less_important_are_asked(void **state)
{
	struct fixture *f = *state;
	struct qos_cpu_stream *lens;

	leave_the_cap_alone(f);
	lens = enter(f, "lens", 60, "0", 8 * MS);
	lens->runtime_range = (struct qos_range){.set = true, .lo = 1 * MS, .hi = 9 * MS};
	test_pin(ask(f, 50, 6 * MS), "0");
	refusal(f);
	assert_null(strstr(hint(f), "lens"));
	f->others[0].contract.importance = 50;
	refusal(f);
	assert_non_null(strstr(hint(f), "lens (importance 50): runtime"));
}

static void disabling_is_the_last_resort(void **state)
{
	struct fixture *f = *state;

	leave_the_cap_alone(f);
	enter(f, "first", 10, "1", 5 * MS);
	enter(f, "second", 20, "0", 5 * MS);
	test_pin(ask(f, 50, 8500 * US), "0");
	f->asked.contract.accept = QOS_BEST_EFFORT;
	f->asked.cpu[0].where = QOS_WHERE_LIST;
	refusal(f);
	assert_string_equal(hint(f), "each of these alone was tried and is admitted: runtime: "
				     "3580us | cpus: 0-2 | period: 21.3ms | disable second "
				     "(importance 20)");
}

static void several_streams_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct test_contract *test = &f->others[0];
	struct qos_cpu_stream *stream;

	leave_the_cap_alone(f);
	test_contract_init(test, "lens", 10);
	test->contract.accept = QOS_BEST_EFFORT;
	test_pin(test_stream(test, 1 * MS, 10 * MS, 10 * MS), "1");
	stream = test_stream(test, 8 * MS, 10 * MS, 10 * MS);
	test_pin(stream, "0");
	stream->runtime_range = (struct qos_range){.set = true, .lo = 1 * MS, .hi = 9 * MS};
	assert_int_equal(qos_ledger_add(f->ledger, &test->contract, NULL), 0);
	test_pin(ask(f, 50, 6 * MS), "0");
	refusal(f);
	assert_non_null(strstr(hint(f), "lens (importance 10): s1 runtime 7450us -> 1ms"));
}

static void nothing_is_enough(void **state)
{
	struct fixture *f = *state;
	const char **out;
	size_t n_out;

	f->capacity.cap_ppb = 100000000;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	free(out);
	enter(f, "lens", 10, "0", 500 * US);
	ask(f, 50, 9 * MS);
	refusal(f);
	assert_string_equal(hint(f), "none of these alone was enough: a runtime down to a quarter, "
				     "a period up to four times as long, accept: best-effort, "
				     "disabling another contract");
}

/* However many there are to be asked, the work is bounded and the ledger as it was. */
static void the_work_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct qos_ledger_sums before, after;

	leave_the_cap_alone(f);
	for (unsigned int k = 0; k < 60; k++) {
		struct qos_cpu_stream *stream;
		char name[16];

		snprintf(name, sizeof(name), "o%u", k);
		stream = enter(f, name, 10, "0", 140 * US);
		stream->runtime_range =
			(struct qos_range){.set = true, .lo = 80 * US, .hi = 9 * MS};
	}
	qos_ledger_sums(f->ledger, &before);
	test_pin(ask(f, 50, 9 * MS), "0");
	refusal(f);
	qos_ledger_sums(f->ledger, &after);
	assert_int_equal(before.used_ppb, after.used_ppb);
	assert_int_equal(after.n_contracts, 60);
	assert_null(strstr(hint(f), "disable"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_stream_is_named_unless_nobody_named_it),
		TEST(small_shares_have_tenths),
		TEST(extras_of_others_count_as_free),
		TEST(room_without_a_proof_is_said),
		TEST(disturbance_is_said),
		TEST(missing_cpus_are_said),
		TEST(a_machine_of_isolated_cpus_is_said),
		TEST(four_ways_at_most),
		TEST(the_runtime_and_the_period_are_the_best_ones),
		TEST(the_range_limits_what_is_advised),
		TEST(only_the_less_important_are_asked),
		TEST(disabling_is_the_last_resort),
		TEST(several_streams_are_told_apart),
		TEST(nothing_is_enough),
		TEST(the_work_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
