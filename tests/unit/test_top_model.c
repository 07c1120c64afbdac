/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows of top: rates, order, filter, and lines that fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "top_model.h"

static json_t *before, *now;
static struct qos_top top;

static json_t *stream(const char *name, int late, int violations, double latency_us)
{
	return json_pack("{ss ss s{si} s{si si s{sf} s{sf}}}", "stream", name, "guarantee",
			 "proven", "runtime", "granted_ns", 8000000, "stats", "late", late,
			 "violations", violations, "used_us", "p99", 1234.567, "latency_us", "p99",
			 latency_us);
}

static json_t *document(double at_s, json_t *contracts)
{
	return json_pack("{sf so}", "at_s", at_s, "contracts", contracts);
}

static json_t *contract(const char *name, const char *state, json_t *streams, json_t *network)
{
	return json_pack("{ss ss so so}", "contract", name, "state", state, "streams", streams,
			 "network", network);
}

static int setup(void **state)
{
	before = document(10, json_pack("[o]", contract("cam", "in-force",
							json_pack("[oo]", stream("front", 4, 2, 20),
								  stream("back", 100, 0, 30)),
							json_array())));
	now = document(
		12,
		json_pack("[oooo]",
			  contract("new", "in-force", json_pack("[o]", stream("main", 9, 9, 0)),
				   json_array()),
			  contract("cam", "in-force",
				   json_pack("[oo]", stream("back", 6, 0, 30),
					     stream("front", 7, 12, 20)),
				   json_pack("[o]", json_pack("{ss ss sI}", "stream", "rtp",
							      "state", "in force", "granted_bps",
							      (json_int_t)12000000))),
			  contract("bad\033.yaml", "invalid", json_array(), json_array()),
			  contract("off", "waiting", json_array(),
				   json_pack("[o]", json_pack("{ss ss}", "stream", "rtp", "state",
							      "not in force")))));
	return before && now ? 0 : -1;
}

static int teardown(void **state)
{
	qos_top_reset(&top);
	json_decref(before);
	json_decref(now);
	return 0;
}

static void make(const json_t *then, enum qos_top_key key, const char *filter)
{
	struct qos_top_view view = {.key = key};

	strcpy(view.filter, filter);
	qos_top_reset(&top);
	assert_int_equal(qos_top_rows(then, now, &view, &top), 0);
}

static const struct qos_top_row *row(const char *name)
{
	for (size_t i = 0; i < top.n; i++) {
		if (!strcmp(top.rows[i].name, name))
			return &top.rows[i];
	}
	fail_msg("no row %s", name);
	return NULL;
}

static void test_rates(void **state)
{
	make(before, QOS_TOP_BY_NAME, "");
	assert_int_equal(top.n, 6);
	assert_true(row("cam/front")->late_rate == 1.5);
	assert_true(row("cam/front")->violation_rate == 5);
	assert_true(row("cam/back")->late_rate == 3); /* began anew */
	assert_true(row("new/main")->late_rate < 0);
	assert_true(row("new/main")->latency_ns < 0); /* nothing was measured */
	assert_true(row("cam/front")->latency_ns == 20000);
	assert_true(row("cam/rtp")->late_rate < 0);
	assert_string_equal(row("cam/rtp")->granted, "12mbit");
	assert_string_equal(row("off/rtp")->state, "not set");
	assert_string_equal(row("bad?.yaml")->state, "invalid");
	make(NULL, QOS_TOP_BY_NAME, "");
	assert_true(row("cam/front")->late_rate < 0);
	make(now, QOS_TOP_BY_NAME, ""); /* no time went by */
	assert_true(row("cam/front")->late_rate < 0);
}

static void assert_order(const char *first, const char *second, const char *third)
{
	assert_string_equal(top.rows[0].name, first);
	assert_string_equal(top.rows[1].name, second);
	assert_string_equal(top.rows[2].name, third);
}

static void test_order(void **state)
{
	make(before, QOS_TOP_BY_NAME, "");
	assert_order("bad?.yaml", "cam/back", "cam/front");
	make(before, QOS_TOP_BY_LATE, "");
	assert_order("cam/back", "cam/front", "bad?.yaml");
	make(before, QOS_TOP_BY_VIOLATIONS, "");
	assert_order("cam/front", "cam/back", "bad?.yaml");
	make(before, QOS_TOP_BY_LATENCY, "");
	assert_order("cam/back", "cam/front", "bad?.yaml");
	make(before, QOS_TOP_BY_USED, ""); /* all alike */
	assert_order("cam/back", "cam/front", "new/main");
}

static void test_filter(void **state)
{
	make(before, QOS_TOP_BY_NAME, "rtp");
	assert_int_equal(top.n, 2);
	assert_int_equal(top.n_all, 6);
	make(before, QOS_TOP_BY_NAME, "cam/fr");
	assert_int_equal(top.n, 1);
	make(before, QOS_TOP_BY_NAME, "none");
	assert_int_equal(top.n, 0);
}

static void test_lines(void **state)
{
	char line[QOS_TOP_LINE_MAX];

	make(before, QOS_TOP_BY_NAME, "");
	assert_string_equal(
		qos_top_line(line, 80, NULL),
		"CONTRACT/STREAM    STATE    GUARANTEE    GRANTED USED P99 LATE/S VIOL/S  LAT P99");
	assert_string_equal(
		qos_top_line(line, 80, row("cam/front")),
		"cam/front          in force proven           8ms   1.23ms    1.5    5.0     20us");
	assert_string_equal(
		qos_top_line(line, 80, row("bad?.yaml")),
		"bad?.yaml          invalid  -                  -        -      -      -        -");
	assert_string_equal(qos_top_line(line, 40, NULL),
			    "CONTRACT/STREAM   USED P99 LATE/S VIOL/S");
	assert_string_equal(qos_top_line(line, 40, row("cam/front")),
			    "cam/front           1.23ms    1.5    5.0");
	assert_string_equal(qos_top_line(line, 6, row("cam/front")), "cam/f~");
	assert_string_equal(qos_top_line(line, 0, NULL), "");
}

/* No width is passed over, whatever is in a row. */
static void test_every_width(void **state)
{
	struct qos_top_row wide = {.state = "in force",
				   .guarantee = "best-effort",
				   .granted = "999999mbit and more",
				   .used_ns = 123456789012345678.0,
				   .late_rate = 1e12,
				   .violation_rate = 1e12,
				   .latency_ns = 999999};
	char line[QOS_TOP_LINE_MAX];

	memset(wide.name, 'x', sizeof(wide.name) - 1);
	for (size_t width = 0; width < 400; width++)
		assert_int_equal(strlen(qos_top_line(line, width, &wide)),
				 width < QOS_TOP_LINE_MAX ? width : QOS_TOP_LINE_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_width, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
