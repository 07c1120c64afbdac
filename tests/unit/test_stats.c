/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of a stream whose manager changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/counted.h"
#include "stats.h"

static int setup(void **state)
{
	if (begin_counted() < 0)
		return -1;
	live_of(&test, "a")->streams[0].applied.policy = QOS_POLICY_DWCS;
	return 0;
}

static void count(uint64_t jobs, uint64_t longest_ns)
{
	counted.jobs = jobs;
	counted.used[3] = (uint32_t)jobs;
	counted.response_max_ns = longest_ns;
}

static void test_nothing_is_lost(void **state)
{
	struct qos_live_stream *stream = &live_of(&test, "a")->streams[0];
	struct qos_stream_stats stats;

	count(10, 500);
	assert_true(qos_stats_read(test.supervisor, stream, &stats));
	assert_int_equal(stats.jobs, 10);
	qos_stats_keep(test.supervisor, stream);
	count(3, 100); /* another module, which counts anew */
	assert_true(qos_stats_read(test.supervisor, stream, &stats));
	assert_int_equal(stats.jobs, 13);
	assert_int_equal(stats.used[3], 13);
	assert_int_equal(stats.response_max_ns, 500);
	qos_stats_keep(test.supervisor, stream);
	stream->applied.policy = QOS_POLICY_FIFO;
	qos_stats_keep(test.supervisor, stream); /* not the module's: nothing to keep */
	assert_true(qos_stats_read(test.supervisor, stream, &stats));
	assert_int_equal(stats.jobs, 13);
}

static void test_kept_through_a_reload(void **state)
{
	struct qos_reload_summary sum;
	struct qos_stream_stats stats;

	count(10, 0);
	qos_stats_keep(test.supervisor, &live_of(&test, "a")->streams[0]);
	test.supervisor->service = NULL;
	put_contract(&test, "a", "x", ", latency: 1ms");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(sum.n_changed, 1);
	assert_true(qos_stats_read(test.supervisor, &live_of(&test, "a")->streams[0], &stats));
	assert_int_equal(stats.jobs, 10);
}

static void test_nobody_counts(void **state)
{
	struct qos_stream_stats stats;

	test.supervisor->service = NULL;
	assert_false(qos_stats_read(test.supervisor, &live_of(&test, "a")->streams[0], &stats));
	assert_int_equal(stats.jobs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_through_a_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
