/* SPDX-License-Identifier: GPL-2.0-only */
/* The numbers of admit/enforce.h: bounds that the rest builds on, and the samples counted out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "admit/enforce.h"

#define US 1000ULL
#define MS 1000000ULL

static const uint64_t grants[] = {1 * US, 25 * US, 100 * US, 500 * US, 999999,
				  2 * MS, 5 * MS,  5000001,  100 * MS, 10000 * MS};
static const uint64_t costs[] = {0, 1, 1 * US, 4 * US, 22 * US, 32 * US, 256 * US, 1000 * US};

static void spacing_stays_within_its_bounds(void **state)
{
	assert_int_equal(qos_sample_ns(100 * US, 1 * US), 25 * US);
	assert_int_equal(qos_sample_ns(2 * MS, 1 * US), 100 * US);
	assert_int_equal(qos_sample_ns(20 * MS, 1 * US), 250 * US);
	assert_int_equal(qos_sample_ns(100 * US, 32 * US), 160 * US);
	assert_int_equal(qos_sample_ns(4 * MS, 32 * US), 200 * US);
	assert_int_equal(qos_sample_ns(20 * MS, 100 * US),
			 500 * US); /* the cost has the last word */
}

/* A thread does `work` from the worst moment on, `first` before a sample: how much time in all? */
static uint64_t run(uint64_t work, uint64_t first, uint64_t sample, uint64_t cost)
{
	uint64_t now = 0, due = first;

	while (due <= now + work) {
		work -= due - now;
		now = due + cost;
		due += sample;
	}
	return now + work;
}

static void no_job_meets_more_samples_than_are_charged(void **state)
{
	for (size_t g = 0; g < sizeof(grants) / sizeof(*grants); g++) {
		for (size_t c = 0; c < sizeof(costs) / sizeof(*costs); c++) {
			uint64_t granted = grants[g], cost = costs[c];
			uint64_t sample = qos_sample_ns(granted, cost);
			uint64_t all = granted + qos_sampling_ns(granted, cost);

			assert_true(sample >= QOS_SAMPLE_COSTS * cost);
			for (uint64_t first = 0; first <= sample; first += sample / 7)
				assert_true(run(granted, first, sample, cost) <= all);
			/* and it is no more than that and one */
			assert_true(run(granted, 0, sample, cost) + cost >= all);
		}
	}
}

static void a_budget_has_room_for_the_samples(void **state)
{
	struct qos_cpu_stream wish = {.period = {.ns = 20 * MS}, .deadline_ns = 20 * MS};
	struct qos_stream_grant grant = {.policy = QOS_POLICY_FIFO, .granted_ns = 1 * MS};
	uint64_t own = 1 * MS + qos_sampling_ns(1 * MS, 32 * US);

	assert_int_equal(qos_budget_ns(&wish, &grant, 0, 900000000), 1 * MS);
	assert_int_equal(qos_budget_ns(&wish, &grant, 32 * US, 900000000), own);
	wish.overrun = QOS_OVERRUN_ALLOW;
	assert_int_equal(qos_budget_ns(&wish, &grant, 32 * US, 900000000), 18 * MS);
	assert_int_equal(qos_budget_ns(&wish, &grant, 32 * US, 1), own);
	wish.overrun = QOS_OVERRUN_DEMOTE;
	grant.policy = QOS_POLICY_DEADLINE;
	assert_int_equal(qos_budget_ns(&wish, &grant, 32 * US, 1),
			 qos_kernel_runtime_ns(&wish, &grant, 32 * US));
}

/* What is left of the kernel's runtime after a late cut is all that was granted. */
static void the_kernels_runtime_covers_a_late_cut(void **state)
{
	struct qos_cpu_stream wish = {.period = {.ns = 20 * MS}, .deadline_ns = 20 * MS};
	struct qos_stream_grant grant = {.policy = QOS_POLICY_DEADLINE, .granted_ns = 1 * MS};
	uint64_t late = 2 * 160 * US + QOS_REACTION_NS;

	assert_int_equal(qos_kernel_runtime_ns(&wish, &grant, 32 * US) - late,
			 1 * MS + qos_sampling_ns(1 * MS, 32 * US));
	wish.deadline_ns = 1 * MS + 100;
	assert_int_equal(qos_kernel_runtime_ns(&wish, &grant, 32 * US), 1 * MS + 100);
	wish.overrun = QOS_OVERRUN_ALLOW; /* not watched, so not sampled */
	assert_int_equal(qos_kernel_runtime_ns(&wish, &grant, 32 * US), 1 * MS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(spacing_stays_within_its_bounds),
		cmocka_unit_test(no_job_meets_more_samples_than_are_charged),
		cmocka_unit_test(a_budget_has_room_for_the_samples),
		cmocka_unit_test(the_kernels_runtime_covers_a_late_cut),
	};

	return cmocka_run_group_tests_name("enforce", tests, NULL, NULL);
}
