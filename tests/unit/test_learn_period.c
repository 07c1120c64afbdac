/* SPDX-License-Identifier: GPL-2.0-only */
/* Periods of threads whose wake-ups are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "adapt/learn_period.h"

#define US 1000ULL
#define MS 1000000ULL
#define N  4000

static struct qos_burst bursts[N];

/* Wake-ups at these times after each period's begin; a tenth of a millisecond of work each. */
static size_t make(uint64_t period_ns, const uint64_t *at, size_t n_at)
{
	size_t n = 0;

	for (uint64_t k = 0; n + n_at <= N; k++) {
		for (size_t i = 0; i < n_at; i++) {
			uint64_t release = 1000 * MS + k * period_ns + at[i];

			bursts[n++] = (struct qos_burst){.release_ns = release,
							 .start_ns = release + 10 * US,
							 .end_ns = release + 110 * US,
							 .used_ns = 100 * US};
		}
	}
	return n;
}

static void check(uint64_t period_ns, const uint64_t *at, size_t n_at)
{
	size_t n = make(period_ns, at, n_at);
	struct qos_learn_job jobs[N];
	size_t n_jobs;
	int error = 0;

	assert_int_equal(qos_learn_period(bursts, n, &error), period_ns);
	assert_int_equal(error, 0);
	n_jobs = qos_learn_jobs(bursts, n, period_ns, jobs);
	assert_int_equal(n_jobs, n / n_at - 1);
	assert_int_equal(jobs[1].release_ns - jobs[0].release_ns, period_ns);
	assert_int_equal(jobs[1].used_ns, n_at * 100 * US);
	assert_int_equal(jobs[1].response_ns, at[n_at - 1] - at[0] + 110 * US);
	assert_int_equal(jobs[1].latency_ns, 10 * US);
	assert_int_equal(qos_learn_regular(jobs, n_jobs, period_ns), 1000000);
	assert_int_equal(qos_learn_mean(jobs, n_jobs, period_ns + period_ns / 50), period_ns);
}

static void test_one_wakeup(void **state)
{
	check(10 * MS, (const uint64_t[]){0}, 1);
	check(MS, (const uint64_t[]){0}, 1);
	check(1000 * MS, (const uint64_t[]){0}, 1);
}

/* Sleeps in the middle of a job, of which some pairs look like a period of their own. */
static void test_sleeps_inside(void **state)
{
	check(10 * MS, (const uint64_t[]){0, MS}, 2);
	check(10 * MS, (const uint64_t[]){0, 2 * MS}, 2);
	check(10 * MS, (const uint64_t[]){0, 4 * MS}, 2);
	check(10 * MS, (const uint64_t[]){0, MS, 2 * MS}, 3);
	check(10 * MS, (const uint64_t[]){0, MS, 2 * MS, 3 * MS, 4 * MS}, 5);
}

/* What is as regular as that is a period. */
static void test_even_wakeups(void **state)
{
	int error = 0;
	size_t n = make(10 * MS, (const uint64_t[]){0, 5 * MS}, 2);

	assert_int_equal(qos_learn_period(bursts, n, &error), 5 * MS);
}

static void test_too_few(void **state)
{
	int error = 0;

	make(10 * MS, (const uint64_t[]){0}, 1);
	assert_int_equal(qos_learn_period(bursts, 3, &error), 0);
	assert_int_equal(qos_learn_jobs(bursts, 0, MS, NULL), 0);
	assert_int_equal(qos_learn_mean(NULL, 0, MS), MS);
	assert_int_equal(qos_learn_quantile(NULL, 0, 500000), 0);
}

/* Jobs left out are gaps of several periods, and do not make the period longer. */
static void test_jobs_left_out(void **state)
{
	struct qos_learn_job jobs[100];
	size_t n = 0;

	for (uint64_t k = 0; k < 120; k++)
		if (k % 6 != 3)
			jobs[n++].release_ns = k * 20 * MS;
	assert_int_equal(n, 100);
	assert_int_equal(qos_learn_mean(jobs, n, 20 * MS), 20 * MS);
	assert_int_equal(qos_learn_multiples(jobs, n, 20 * MS), 1000000);
	assert_in_range(qos_learn_regular(jobs, n, 20 * MS), 890000, 910000);
}

static void check_snap(uint64_t mean_ns, uint64_t error_ns, uint64_t ns, uint32_t mhz)
{
	struct qos_period period = qos_learn_snap(mean_ns, error_ns);

	assert_int_equal(period.ns, ns);
	assert_int_equal(period.mhz, mhz);
}

static void test_snap(void **state)
{
	check_snap(999850, 300, MS, 0);
	check_snap(20001234, 4000, 20 * MS, 0);
	check_snap(33334000, 7000, 33333333, 30000);
	check_snap(33366900, 7000, 33366700, 29970);
	check_snap(16667000, 3400, 16666666, 60000);
	check_snap(41666000, 8000, 41666666, 24000);
	check_snap(5333400, 1000, 5333333, 187500);
	check_snap(12000300, 2400, 12 * MS, 0);
	check_snap(1000000000, 1, 1000 * MS, 0);
	/* nothing near: three digits, not longer than it is */
	check_snap(10157890, 2000, 10100000, 0);
	check_snap(123456, 20, 123000, 0);
	check_snap(7, 0, 7, 0);
}

static void test_rounding(void **state)
{
	assert_int_equal(qos_learn_round(1884999, 3), 1880000);
	assert_int_equal(qos_learn_round(1885000, 3), 1890000);
	assert_int_equal(qos_learn_round(99, 3), 99);
	assert_int_equal(qos_learn_round_up(1810001), 1900000);
	assert_int_equal(qos_learn_round_up(1800000), 1800000);
	assert_int_equal(qos_learn_round_up(991), 1000);
	assert_int_equal(qos_learn_round_up(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_wakeup),    cmocka_unit_test(test_sleeps_inside),
		cmocka_unit_test(test_even_wakeups),  cmocka_unit_test(test_too_few),
		cmocka_unit_test(test_jobs_left_out), cmocka_unit_test(test_snap),
		cmocka_unit_test(test_rounding),
	};

	return cmocka_run_group_tests_name("learn_period", tests, NULL, NULL);
}
