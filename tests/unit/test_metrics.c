/* SPDX-License-Identifier: GPL-2.0-only */
/* The text of the metrics: both forms, labels, buckets, and the names that the dashboard asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "adapt/hist.h"
#include "metrics.h"
#include "util/cleanup.h"
#include "util/file.h"

static const char *const overall[] = {"ok", "bad", NULL};
static const char *const states[] = {"in-force", "refused", NULL};

static struct qos_metrics_contract contracts[] = {{"camera", 0}, {"a\"b\\c\nd\xff.yaml", 1}};
static struct qos_metrics_stream streams[] = {
	{.contract = "camera",
	 .stream = "main",
	 .counted = true,
	 .granted_ns = 8000000,
	 .period_ns = 2000000000,
	 .lost = 3,
	 .used_ns = 1500000000,
	 .latency = {[QOS_METRICS_BUCKETS - 1] = 7}},
	{.contract = "camera", .stream = "unmeasured", .granted_ns = 1},
};
static struct qos_metrics_link links[] = {
	{.contract = "camera", .stream = "rtp", .counted = true, .granted_bytes = 1500000},
};

static const struct qos_metrics all = {
	.cpu_ns = 12,
	.overall_names = overall,
	.overall = 1,
	.state_names = states,
	.contracts = contracts,
	.n_contracts = QOS_ARRAY_SIZE(contracts),
	.streams = streams,
	.n_streams = QOS_ARRAY_SIZE(streams),
	.links = links,
	.n_links = QOS_ARRAY_SIZE(links),
};

static struct qos_buf text;

static const char *print(enum qos_metrics_form form)
{
	qos_buf_reset(&text);
	qos_metrics_print(&all, form, &text);
	assert_int_equal(text.error, 0);
	return text.text;
}

static int teardown(void **state)
{
	qos_buf_reset(&text);
	return 0;
}

static void assert_has(const char *line)
{
	if (!strstr(text.text, line))
		fail_msg("\"%s\" is not in:\n%s", line, text.text);
}

static void test_text(void **state)
{
	print(QOS_METRICS_TEXT);
	assert_has("# TYPE qosd_lost_total counter\nqosd_lost_total{contract=\"camera\","
		   "stream=\"main\"} 3\n# HELP");
	assert_has("\nqosd_cpu_seconds_total 0.000000012\n");
	assert_has("\nqosd_used_seconds_total{contract=\"camera\",stream=\"main\"} 1.500000000\n");
	assert_has("\nqosd_period_seconds{contract=\"camera\",stream=\"main\"} 2\n");
	assert_has("\nqosd_state{state=\"ok\"} 0\nqosd_state{state=\"bad\"} 1\n");
	assert_has("qosd_contract_state{contract=\"camera\",state=\"in-force\"} 1\n"
		   "qosd_contract_state{contract=\"camera\",state=\"refused\"} 0\n");
	assert_has("\nqosd_latency_seconds_count{contract=\"camera\",stream=\"main\"} 7\n");
	assert_null(strstr(text.text, "# UNIT"));
	assert_null(strstr(text.text, "# EOF"));
}

static void test_open(void **state)
{
	static const char end[] = "\n# EOF\n";

	print(QOS_METRICS_OPEN);
	assert_has("# TYPE qosd_used_seconds counter\n# UNIT qosd_used_seconds seconds\n"
		   "qosd_used_seconds_total{contract=\"camera\",stream=\"main\"} 1.500000000\n");
	assert_null(strstr(text.text, "qosd_latency_seconds_count"));
	assert_string_equal(text.text + text.len - strlen(end), end);
}

/* A file may have any name, and no name may end a label or a line. */
static void test_labels_are_escaped(void **state)
{
	print(QOS_METRICS_TEXT);
	assert_has("qosd_contract_state{contract=\"a\\\"b\\\\c?d?.yaml\",state=\"refused\"} 1\n");
}

/* Where nobody counts there are no counters, which would say that all is well. */
static void test_not_counted(void **state)
{
	print(QOS_METRICS_TEXT);
	assert_has("qosd_runtime_granted_seconds{contract=\"camera\",stream=\"unmeasured\"} "
		   "0.000000001\n");
	assert_null(
		strstr(text.text, "qosd_lost_total{contract=\"camera\",stream=\"unmeasured\"}"));
	assert_null(strstr(text.text, "_bucket{contract=\"camera\",stream=\"unmeasured\""));
}

/* Each edge counts what lies below it, exactly, for edges are edges of the monitor's buckets too. */
static void test_buckets(void **state)
{
	static const uint64_t values[] = {0,	   2047,     2048,     5000,
					  1000000, 16777215, 16777216, UINT64_MAX};
	struct qos_stream_stats stats = {.served = 5, .lost = 2};
	struct qos_metrics_stream row = {};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(values); i++)
		stats.latency[qos_hist_bucket(values[i])]++;
	qos_metrics_count(&row, &stats);
	assert_true(row.counted);
	assert_int_equal(row.requests, 7);
	for (unsigned int k = 0; k < QOS_METRICS_BUCKETS - 1; k++) {
		uint64_t below = 0;

		for (size_t i = 0; i < QOS_ARRAY_SIZE(values); i++)
			below += values[i] < UINT64_C(1) << (k + QOS_METRICS_SHIFT_MIN);
		assert_int_equal(row.latency[k], below);
	}
	assert_int_equal(row.latency[QOS_METRICS_BUCKETS - 1], QOS_ARRAY_SIZE(values));
}

static void test_edges_are_written(void **state)
{
	print(QOS_METRICS_TEXT);
	assert_has("stream=\"main\",le=\"2.048e-06\"} 0\n");
	assert_has("stream=\"main\",le=\"0.016777216\"} 0\n");
	assert_has("stream=\"main\",le=\"+Inf\"} 7\n");
}

/* Does the text have samples of that name? */
static bool is_emitted(const char *name, size_t len)
{
	for (const char *at = text.text; (at = strstr(at, "\nqosd_")); at++) {
		if (!strncmp(at + 1, name, len) && strchr("{ ", at[1 + len]))
			return true;
	}
	return false;
}

/* The number of names in an expression. */
static size_t check_names(const char *expression)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = 0;

	for (const char *at = expression; (at = strstr(at, "qosd_")); n++) {
		size_t len = strspn(at, letters);

		if (!is_emitted(at, len))
			fail_msg("there is no metric %.*s: %s", (int)len, at, expression);
		at += len;
	}
	return n;
}

/* Every name in a query is one that is printed, and no query is without one. Returns the queries. */
static size_t check_queries(const json_t *value, const char *key)
{
	size_t i, n = 0;
	const json_t *item;
	const char *name;

	if (json_is_string(value) && (!strcmp(key, "expr") || !strcmp(key, "definition"))) {
		assert_true(check_names(json_string_value(value)) > 0);
		return 1;
	}
	json_array_foreach(value, i, item)
		n += check_queries(item, "");
	json_object_foreach((json_t *)value, name, item)
		n += check_queries(item, name);
	return n;
}

static void test_dashboard(void **state)
{
	json_error_t error;
	json_t *dashboard = json_load_file(QOS_SOURCE_DIR "/packaging/grafana/qosd.json",
					   JSON_REJECT_DUPLICATES, &error);

	if (!dashboard)
		fail_msg("line %d: %s", error.line, error.text);
	print(QOS_METRICS_TEXT);
	assert_false(is_emitted("qosd_jobs", strlen("qosd_jobs")));
	assert_true(check_queries(dashboard, "") > 20);
	json_decref(dashboard);
}

/* Each name stands in the manual page. */
static void test_page(void **state)
{
	_cleanup_free_ char *page = NULL;
	size_t len, n = 0;

	assert_int_equal(
		qos_file_read(AT_FDCWD, QOS_SOURCE_DIR "/man/qosd.8", 1 << 20, &page, &len), 0);
	print(QOS_METRICS_TEXT);
	for (const char *at = text.text; (at = strstr(at, "# TYPE ")); n++) {
		char name[64];

		at += strlen("# TYPE ");
		snprintf(name, sizeof(name), " %.*s", (int)strcspn(at, " "), at);
		if (!strstr(page, name))
			fail_msg("qosd.8 does not list%s", name);
	}
	assert_true(n > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_text, teardown),
		cmocka_unit_test_teardown(test_open, teardown),
		cmocka_unit_test_teardown(test_labels_are_escaped, teardown),
		cmocka_unit_test_teardown(test_not_counted, teardown),
		cmocka_unit_test_teardown(test_buckets, teardown),
		cmocka_unit_test_teardown(test_edges_are_written, teardown),
		cmocka_unit_test_teardown(test_dashboard, teardown),
		cmocka_unit_test_teardown(test_page, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
