/* SPDX-License-Identifier: GPL-2.0-only */
/* "Did you mean", names, and the growing string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

static void test_nearest(void **state)
{
	static const char *const words[] = {"runtime", "period",  "deadline", "window", "cpus",
					    "job",     "latency", "name",     NULL};
	static const struct {
		const char *word, *expected;
	} cases[] = {
		{"runtme", "runtime"},
		{"runtiem", "runtime"},
		{"Period", "period"},
		{"perios", "period"},
		{"dedline", "deadline"},
		{"widnow", "window"},
		{"cpu", "cpus"},
		{"cpsu", "cpus"},
		{"jobs", "job"},
		{"runtime", "runtime"},
		{"xyzzy", NULL},
		{"", NULL},
		{"a", NULL},
		{"zz", NULL},
		{"throughput", NULL},
		{"latecny", "latency"},
		{"a-word-that-is-much-longer-than-any-key-of-ours", NULL},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		const char *nearest = qos_text_nearest(cases[i].word, words);

		print_message("%s -> %s\n", cases[i].word, nearest ? nearest : "nothing");
		if (cases[i].expected) {
			assert_non_null(nearest);
			assert_string_equal(nearest, cases[i].expected);
		} else {
			assert_null(nearest);
		}
	}
}

/* The nearer of two wins wherever it stands. */
static void test_nearest_order(void **state)
{
	static const char *const one[] = {"abcdef", "abcdex", NULL};
	static const char *const other[] = {"abcdex", "abcdef", NULL};

	assert_string_equal(qos_text_nearest("abcdexx", one), "abcdex");
	assert_string_equal(qos_text_nearest("abcdexx", other), "abcdex");
}

static void test_names(void **state)
{
	assert_true(qos_text_is_contract_name("camera"));
	assert_true(qos_text_is_contract_name("a"));
	assert_true(qos_text_is_contract_name("a-1"));
	assert_true(qos_text_is_contract_name("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(qos_text_is_contract_name("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(qos_text_is_contract_name(""));
	assert_false(qos_text_is_contract_name("1a"));
	assert_false(qos_text_is_contract_name("-a"));
	assert_false(qos_text_is_contract_name("Camera"));
	assert_false(qos_text_is_contract_name("a_b"));
	assert_false(qos_text_is_contract_name("a/b"));
	assert_false(qos_text_is_contract_name("a b"));
	assert_false(qos_text_is_contract_name("\xc3\xa4"));
	assert_true(qos_text_is_stream_name("a_b1"));
	assert_false(qos_text_is_stream_name("a-b"));
	assert_false(qos_text_is_stream_name("_a"));
	assert_false(qos_text_is_stream_name(""));
}

static void test_buf(void **state)
{
	struct qos_buf buf = {};
	char expected[4001] = "";

	assert_null(buf.text);
	for (int i = 0; i < 400; i++) {
		qos_buf_add(&buf, "%04d,", i);
		qos_buf_add_bytes(&buf, "abcdef", 5);
		snprintf(expected + i * 10, 11, "%04d,abcde", i);
		assert_int_equal(strlen(buf.text), buf.len);
	}
	assert_int_equal(buf.error, 0);
	assert_string_equal(buf.text, expected);
	qos_buf_reset(&buf);
	assert_null(buf.text);
	assert_int_equal(buf.len, 0);
	qos_buf_add_bytes(&buf, NULL, 0);
	assert_string_equal(buf.text, "");
	qos_buf_reset(&buf);
}

/* What does not fit into memory sticks, and what stood there before stays. */
static void test_buf_error(void **state)
{
	struct qos_buf buf = {};

	qos_buf_add(&buf, "one");
	qos_buf_add_bytes(&buf, "x", SIZE_MAX / 2);
	assert_true(buf.error < 0);
	qos_buf_add(&buf, "two");
	qos_buf_add_bytes(&buf, "three", 5);
	assert_string_equal(buf.text, "one");
	qos_buf_reset(&buf);
	assert_int_equal(buf.error, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),	  cmocka_unit_test(test_nearest_order),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_buf),
		cmocka_unit_test(test_buf_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
