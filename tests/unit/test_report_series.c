/* SPDX-License-Identifier: GPL-2.0-only */
/* From the turns of the slow loop to the document that is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/counted.h"
#include "adapt/hist.h"
#include "util/clock.h"

#define SECOND UINT64_C(1000000000)

static uint64_t begun_ns; /* CLOCK_BOOTTIME */

static void schedule(void)
{
	struct qos_live_stream *stream = &live_of(&test, "a")->streams[0];

	stream->applied.policy = QOS_POLICY_DWCS;
	stream->applied.granted_ns = 2000000;
	stream->n_managed = 1;
}

static int setup(void **state)
{
	if (begin_counted() < 0)
		return -1;
	schedule();
	begun_ns = qos_clock_ns(CLOCK_BOOTTIME);
	return 0;
}

static void work(uint32_t jobs)
{
	counted.jobs += jobs;
	counted.served += jobs;
	counted.latency[qos_hist_bucket(100000)] += jobs;
}

/* The stream of the only contract, as it was told of since then (0: ever). */
static json_t *ask(uint64_t since_ns, json_t **ret)
{
	assert_int_equal(qos_supervisor_series_json(test.supervisor, "x", since_ns, ret), 0);
	return json_array_get(json_object_get(*ret, "streams"), 0);
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Whole seconds are told apart, so the times lie some of them back. */
static void test_turns_make_points(void **state)
{
	json_t *document, *stream, *points, *point;

	qos_supervisor_turn(test.supervisor, begun_ns - 40 * SECOND);
	work(10);
	qos_supervisor_turn(test.supervisor, begun_ns - 35 * SECOND);
	work(10);
	qos_supervisor_turn(test.supervisor, begun_ns - 30 * SECOND);
	work(5);
	stream = ask(0, &document);
	points = json_object_get(stream, "points");
	assert_int_equal(json_array_size(points), 2);
	point = json_array_get(points, 0);
	assert_int_equal(number(point, "jobs"), 20);
	assert_int_equal(number(point, "to") - number(point, "from"), 10);
	assert_in_range(number(point, "to"), qos_clock_ns(CLOCK_REALTIME) / SECOND - 40,
			qos_clock_ns(CLOCK_REALTIME) / SECOND - 28);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(point, "granted_ns"), 1)),
		2000000);
	assert_true(json_is_null(json_object_get(point, "used_ns")));
	assert_int_equal(number(json_object_get(point, "latency_ns"), "p99"),
			 qos_hist_edge(qos_hist_bucket(100000)));
	assert_int_equal(number(json_array_get(points, 1), "jobs"), 5);
	assert_int_equal(number(json_array_get(json_object_get(stream, "latency"), 0), "count"),
			 25);
	json_decref(document);
	points = json_object_get(ask(20 * SECOND, &document), "points");
	assert_int_equal(json_array_size(points), 1);
	assert_int_equal(number(json_array_get(points, 0), "jobs"), 5);
	json_decref(document);
}

static void test_nothing_for_who_never_ran(void **state)
{
	json_t *document;

	live_of(&test, "a")->streams[0].n_managed = 0;
	qos_supervisor_turn(test.supervisor, begun_ns);
	assert_int_equal(test.supervisor->series.by_id.n, 0);
	assert_int_equal(json_array_size(json_object_get(ask(0, &document), "points")), 0);
	json_decref(document);
}

/* A series goes on through another version of its contract, and goes with the last. */
static void test_life_of_a_series(void **state)
{
	struct qos_reload_summary sum;
	json_t *document, *points;

	qos_supervisor_turn(test.supervisor, begun_ns - 20 * SECOND);
	work(10);
	qos_supervisor_turn(test.supervisor, begun_ns - 10 * SECOND);
	test.supervisor->service = NULL;
	put_contract(&test, "a", "x", ", deadline: 9ms");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(sum.n_changed, 1);
	points = json_object_get(ask(0, &document), "points");
	assert_int_equal(number(json_array_get(points, 0), "jobs"), 10);
	json_decref(document);
	put_away(&test, "a");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(test.supervisor->series.by_id.n, 0);
	assert_null(ask(0, &document));
	assert_true(json_is_null(json_object_get(document, "state")));
	assert_int_equal(json_array_size(json_object_get(document, "events")), 3);
	json_decref(document);
}

static void test_unknown(void **state)
{
	json_t *document = NULL;

	assert_int_equal(qos_supervisor_series_json(test.supervisor, "y", 0, &document),
			 QOS_SUPERVISOR_E_NO_CONTRACT);
	assert_int_equal(qos_supervisor_series_json(test.supervisor, "", 0, &document),
			 QOS_SUPERVISOR_E_NO_CONTRACT);
	assert_null(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_turns_make_points, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_for_who_never_ran, setup, teardown),
		cmocka_unit_test_setup_teardown(test_life_of_a_series, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
