/* SPDX-License-Identifier: GPL-2.0-only */
/* The simulator on sets whose every event is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "admit/simulate.h"

#define ENDLESS 100000

static struct qos_sim_task task(uint64_t period, uint64_t cost, uint32_t x, uint32_t y,
				uint64_t phase)
{
	return (struct qos_sim_task){
		.period = period, .deadline = period, .cost = cost, .phase = phase, .x = x, .y = y};
}

static void note(void *data, size_t i, uint64_t from, uint64_t to, bool spare)
{
	char *line = data;

	for (uint64_t t = from; t < to; t++)
		line[t] = (char)((spare ? 'a' : 'A') + i);
}

static void test_timeline(void **state)
{
	const struct qos_sim_task tasks[] = {task(4, 2, 0, 1, 0), task(6, 2, 1, 2, 1)};
	char line[13] = "............";
	const struct qos_sim_options options = {.ordering = DWCS_FIN,
						.horizon = 12,
						.requests_max = ENDLESS,
						.ran = note,
						.data = line};
	struct qos_sim_stats stats[2];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_simulate(tasks, 2, &options, stats, &result), 0);
	assert_string_equal(line, "AABBAA.bAAb.");
	assert_int_equal(result.busy, 10);
	assert_int_equal(result.band, 8);
	assert_int_equal(stats[0].served, 3);
	assert_int_equal(stats[1].response_max, 4);
	assert_false(result.violated);
}

static void test_repeats(void **state)
{
	const struct qos_sim_task tasks[] = {task(2, 2, 1, 3, 0), task(3, 1, 0, 3, 0)};
	struct qos_sim_options options = {.ordering = DWCS_FIN, .requests_max = ENDLESS};
	struct qos_sim_stats stats[2];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_simulate(tasks, 2, &options, stats, &result), 0);
	assert_true(qos_sim_keeps(&result));
	assert_int_equal((result.repeat_to - result.repeat_from) % 6, 0);
	options.ordering = DWCS_DWCS;
	options.stop_at_violation = true;
	assert_int_equal(qos_simulate(tasks, 2, &options, stats, &result), 0);
	assert_false(qos_sim_keeps(&result));
	assert_true(stats[0].violations + stats[1].violations > 0);
}

/* A program that never skips stays late once it was; one that skips is late only where it lost. */
static void test_lost_work_is_not_removed(void **state)
{
	const struct qos_sim_task tasks[] = {task(10, 6, 1, 2, 0), task(10, 6, 1, 2, 0)};
	const struct qos_sim_options options = {
		.ordering = DWCS_FIN, .horizon = 1000, .requests_max = ENDLESS};
	struct qos_sim_stats stats[2];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_simulate(tasks, 2, &options, stats, &result), 0);
	assert_false(result.violated);
	assert_int_equal(stats[0].lost + stats[1].lost, 99); /* the last is due at the horizon */
	assert_true(stats[0].backlog_late + stats[1].backlog_late > 80);
	assert_true(stats[0].backlog_worst > 100);
}

static void test_cap(void **state)
{
	const struct qos_sim_task tasks[] = {task(10, 10, 0, 1, 0)};
	const struct qos_sim_options options = {.ordering = DWCS_FIN,
						.horizon = 1000,
						.requests_max = ENDLESS,
						.cap = 90,
						.cap_interval = 100};
	struct qos_sim_stats stats[1];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_simulate(tasks, 1, &options, stats, &result), 0);
	assert_int_equal(result.band, 900);
	assert_int_equal(result.capped, 10);
	assert_int_equal(stats[0].lost, 9); /* the tenth is due at the horizon */
	assert_int_equal(stats[0].violations, 9);
}

static void test_mandatory_go_first(void **state)
{
	struct qos_sim_task tasks[] = {task(4, 3, 0, 1, 0), task(5, 3, 3, 4, 0)};
	const struct qos_sim_options options = {
		.ordering = DWCS_FIN, .horizon = 200, .requests_max = ENDLESS};
	struct qos_sim_stats stats[2];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_must_init(&tasks[1].must, 0, 4), 0);
	qos_must_set(&tasks[1].must, 0);
	assert_int_equal(qos_simulate(tasks, 2, &options, stats, &result), 0);
	assert_int_equal(stats[1].mandatory, 10);
	assert_int_equal(stats[1].mandatory_lost, 0);
	assert_int_equal(stats[1].response_max, 3);
	qos_must_reset(&tasks[1].must);
}

static const char *timeline(const struct qos_sim_task *tasks, size_t n,
			    struct qos_sim_options options, struct qos_sim_stats *stats)
{
	static char line[25];
	struct qos_sim_result result;

	memset(line, '.', sizeof(line) - 1);
	options.horizon = sizeof(line) - 1;
	options.requests_max = ENDLESS;
	options.ran = note;
	options.data = line;
	assert_int_equal(qos_simulate(tasks, n, &options, stats, &result), 0);
	return line;
}

/* Jobs that need less than C, of which the algorithm knows nothing; and tasks that end. */
static void test_needs_and_ends(void **state)
{
	struct qos_sim_task tasks[] = {task(6, 4, 0, 1, 0), task(6, 2, 0, 1, 0)};
	const struct qos_sim_options options = {.ordering = DWCS_EDF};
	struct qos_sim_stats stats[2];

	(void)state;
	tasks[0].needs = 3;
	assert_string_equal(timeline(tasks, 2, options, stats), "AAABB.AAABB.AAABB.AAABB.");
	assert_int_equal(stats[0].served, 4);
	tasks[1].requests = 2;
	assert_string_equal(timeline(tasks, 2, options, stats), "AAABB.AAABB.AAA...AAA...");
	assert_int_equal(stats[1].requests, 2);
	tasks[0].requests = 1;
	assert_string_equal(timeline(tasks, 2, options, stats), "AAABB.BB................");
	assert_int_equal(stats[0].requests, 1);
}

static void test_changes_take_time(void **state)
{
	const struct qos_sim_task tasks[] = {task(6, 1, 0, 1, 1), task(12, 4, 0, 1, 0)};
	const struct qos_sim_options options = {.ordering = DWCS_EDF, .change = 1};
	struct qos_sim_stats stats[2];

	(void)state;
	/* one that is preempted pays again, and so does one that comes back after idling */
	assert_string_equal(timeline(tasks, 2, options, stats), "..A.BBBB.A....A.BBBB.A..");
}

static void test_no_spare_work(void **state)
{
	const struct qos_sim_task tasks[] = {task(4, 2, 1, 2, 0), task(8, 3, 0, 1, 0)};
	struct qos_sim_options options = {.ordering = DWCS_FIN};
	struct qos_sim_stats stats[2];

	(void)state;
	assert_string_equal(timeline(tasks, 2, options, stats), "AABBBaa.AABBBaa.AABBBaa.");
	options.no_spare = true;
	assert_string_equal(timeline(tasks, 2, options, stats), "AABBB...AABBB...AABBB...");
	assert_int_equal(stats[0].lost, 2);
}

static void test_bad_and_endless(void **state)
{
	const struct qos_sim_task bad = task(4, 5, 0, 1, 0);
	const struct qos_sim_task two[] = {task(999983, 1, 0, 1, 0), task(999979, 1, 0, 1, 0)};
	const struct qos_sim_options options = {.ordering = DWCS_FIN, .requests_max = 1000};
	struct qos_sim_stats stats[2];
	struct qos_sim_result result;

	(void)state;
	assert_int_equal(qos_simulate(&bad, 1, &options, stats, &result), -22);
	assert_int_equal(qos_simulate(two, 2, &options, stats, &result), QOS_SIM_E_BOUND);
	assert_int_equal(qos_simulate(NULL, 0, &options, stats, &result), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeline),
		cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_lost_work_is_not_removed),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_mandatory_go_first),
		cmocka_unit_test(test_needs_and_ends),
		cmocka_unit_test(test_changes_take_time),
		cmocka_unit_test(test_no_spare_work),
		cmocka_unit_test(test_bad_and_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
