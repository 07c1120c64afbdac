/* SPDX-License-Identifier: GPL-2.0-only */
/* Contracts on CPUs: who goes where, what is charged, and what breaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "admit/whatif.h"

#define MS 1000000ULL

static struct qos_capacity machine(unsigned int cpus)
{
	struct qos_capacity capacity = {.n_cpus = cpus, .cap_ppb = 900000000};

	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		qos_cpus_add(&capacity.online, cpu);
	return capacity;
}

static struct qos_cpu_stream stream(uint64_t period_ms, uint64_t runtime_ms, uint32_t x, uint32_t y)
{
	return (struct qos_cpu_stream){
		.name = (char *)"main",
		.max_threads = 1,
		.period = {.ns = period_ms * MS},
		.runtime_ns = runtime_ms * MS,
		.deadline_ns = period_ms * MS,
		.window = {.x = x, .y = y},
	};
}

static const struct qos_whatif_options options = {
	.ordering = DWCS_FIN, .horizon_ns = 1000 * MS, .phases = 4, .span_ns = 100 * MS};

static void test_spreads(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 5, 0, 1), stream(10, 5, 0, 1),
					   stream(20, 5, 0, 1)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 3};
	const struct qos_contract *const contracts[] = {&contract};
	const struct qos_capacity capacity = machine(2);
	_cleanup_whatif_ struct qos_whatif whatif = {};

	(void)state;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_not_equal(whatif.threads[0].cpu, whatif.threads[1].cpu);
	assert_false(whatif.violated);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_SPORADIC);
	assert_int_equal(whatif.cpus[0].threads + whatif.cpus[1].threads, 3);
	assert_true(whatif.n_runs > 0);
}

static void test_demand_above_one(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 6, 1, 2), stream(10, 6, 1, 2)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 2};
	const struct qos_contract *const contracts[] = {&contract};
	const struct qos_capacity capacity = machine(1);
	_cleanup_whatif_ struct qos_whatif whatif = {};
	struct qos_whatif_options aligned = options;

	(void)state;
	aligned.phases = 1;
	streams[0].job = streams[1].job = QOS_JOB_PERIOD;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &aligned, &whatif), 0);
	assert_false(whatif.violated);
	assert_int_equal(whatif.cpus[0].demand_ppb, 1200000000);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_BUNDLE);
}

/* What nobody but the program knows is no ground for a proof: admission would not give one either. */
static void test_proves_no_more_than_admission(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 6, 1, 2), stream(10, 6, 1, 2)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 2};
	const struct qos_contract *const contracts[] = {&contract};
	struct qos_capacity capacity = machine(1);
	_cleanup_whatif_ struct qos_whatif whatif = {};

	(void)state;
	streams[0].job = QOS_JOB_PERIOD; /* of the other one the phase is not known */
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_NONE);
	qos_whatif_reset(&whatif);
	streams[1].job = QOS_JOB_PERIOD;
	streams[1].max_threads = 2; /* a table is for a stream of one */
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_NONE);
	qos_whatif_reset(&whatif);
	streams[1].max_threads = 1;
	qos_cpus_add(&capacity.disturbed, 0);
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_NONE);
	qos_whatif_reset(&whatif);
	/* nearly all of the period is due, but for the moments that a wakeup may be late */
	capacity = machine(1);
	capacity.cap_ppb = 1000000000;
	streams[0] = stream(10, 10, 0, 1);
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_equal(whatif.cpus[0].proof, QOS_PROOF_NONE);
}

static void test_no_room(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 8, 0, 1), stream(10, 2, 0, 1)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 2};
	const struct qos_contract *const contracts[] = {&contract};
	const struct qos_capacity capacity = machine(1);
	_cleanup_whatif_ struct qos_whatif whatif = {};

	(void)state;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_true(whatif.violated);
	assert_true(whatif.threads[0].placed);
	assert_false(whatif.threads[1].placed);
}

static void test_charges_and_limits(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 9, 0, 1)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 1};
	const struct qos_contract *const contracts[] = {&contract};
	struct qos_capacity capacity = machine(1);
	_cleanup_whatif_ struct qos_whatif whatif = {};

	(void)state;
	capacity.cap_ppb = 1000000000;
	capacity.overhead_ns = MS / 4;
	capacity.blocking_ns = MS / 2;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_false(whatif.violated);
	assert_int_equal(whatif.threads[0].task.cost, 9500000);
	assert_int_equal(whatif.threads[0].task.deadline, 9500000);
	qos_whatif_reset(&whatif);
	capacity.blocking_ns = MS;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif),
			 QOS_WHATIF_E_LIMIT);
}

static void test_observed_and_too_many(void **state)
{
	struct qos_cpu_stream streams[] = {stream(10, 9, 0, 1)};
	const struct qos_contract contract = {.name = (char *)"c", .cpu = streams, .n_cpu = 1};
	const struct qos_contract *const contracts[] = {&contract};
	const struct qos_capacity capacity = machine(1);
	_cleanup_whatif_ struct qos_whatif whatif = {};

	(void)state;
	streams[0].manage = QOS_MANAGE_OBSERVE;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), 0);
	assert_int_equal(whatif.n_threads, 0);
	qos_whatif_reset(&whatif);
	streams[0].manage = QOS_MANAGE_SCHEDULE;
	streams[0].max_threads = QOS_WHATIF_THREADS_MAX + 1;
	assert_int_equal(qos_whatif(contracts, 1, &capacity, &options, &whatif), QOS_WHATIF_E_MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_demand_above_one),
		cmocka_unit_test(test_proves_no_more_than_admission),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_charges_and_limits),
		cmocka_unit_test(test_observed_and_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
