/* SPDX-License-Identifier: GPL-2.0-only */
/* What a turn of the slow loop tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/counted.h"

#define SECOND UINT64_C(1000000000)

static void schedule(void)
{
	struct qos_live_stream *stream = &live_of(&test, "a")->streams[0];

	stream->applied.policy = QOS_POLICY_DWCS;
	stream->n_managed = 1;
}

static int setup(void **state)
{
	if (begin_counted() < 0)
		return -1;
	schedule();
	return 0;
}

/* The words of the last event of this kind; NULL: there is none. */
static const char *overruns_told(void)
{
	const struct qos_history *history = &test.supervisor->history;

	for (size_t i = history->n; i-- > 0;) {
		if (history->events[i]->kind == QOS_HISTORY_OVERRUN)
			return history->events[i]->text;
	}
	return NULL;
}

static void test_overruns(void **state)
{
	counted.overruns = 5;
	qos_supervisor_turn(test.supervisor, 100 * SECOND);
	assert_non_null(strstr(overruns_told(), "5 requests more"));
	counted.overruns = 7;
	qos_supervisor_turn(test.supervisor, 105 * SECOND); /* not that often */
	assert_non_null(strstr(overruns_told(), "5 requests more"));
	qos_supervisor_turn(test.supervisor, 111 * SECOND);
	assert_non_null(strstr(overruns_told(), "2 requests more"));
}

/* Counters go on in another version of the contract, and so does what was told of them. */
static void test_overruns_of_an_older_version(void **state)
{
	struct qos_reload_summary sum;

	counted.overruns = 5;
	qos_supervisor_turn(test.supervisor, 100 * SECOND);
	test.supervisor->service = NULL;
	put_contract(&test, "a", "x", ", deadline: 9ms");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(sum.n_changed, 1);
	test.supervisor->service = &service;
	schedule();
	counted.overruns = 6;
	qos_supervisor_turn(test.supervisor, 111 * SECOND);
	assert_non_null(strstr(overruns_told(), "1 requests more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_overruns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overruns_of_an_older_version, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
