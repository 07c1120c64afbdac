/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics: counting, bounds, hints, and that no byte of the input reaches a terminal as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/diag.h"

static const struct qos_loc here = {"a.yaml", 3, 7};

static char *printed(const struct qos_diag *diag)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	qos_diag_print(diag, out);
	fclose(out);
	return text;
}

static void assert_printed(const struct qos_diag *diag, const char *expected)
{
	_cleanup_free_ char *text = printed(diag);

	assert_string_equal(text, expected);
}

static void test_print(void **state)
{
	static const struct qos_loc whole = {"b.yaml", 0, 0};
	struct qos_diag diag = QOS_DIAG_INIT;

	assert_int_equal(qos_diag_error(&diag, &here, "bad %d", 5), -EINVAL);
	qos_diag_hint(&diag, "try %s", "this");
	assert_int_equal(qos_diag_warning(&diag, &whole, "odd"), 0);
	assert_int_equal(qos_diag_note(&diag, NULL, "by the way"), 0);
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.n_entries, 3);
	assert_printed(&diag, "a.yaml:3:7: error: bad 5\n"
			      "  hint: try this\n"
			      "b.yaml:1:1: warning: odd\n"
			      "note: by the way\n");
	assert_int_equal(diag.entries[1].line, 0);
	assert_null(diag.entries[1].hint);
	qos_diag_reset(&diag);
	assert_int_equal(diag.n_errors + diag.n_warnings + diag.n_entries, 0);
	assert_printed(&diag, "");
}

static void test_strict(void **state)
{
	struct qos_diag diag = {.strict = true};

	assert_int_equal(qos_diag_warning(&diag, &here, "odd"), -EINVAL);
	assert_int_equal(qos_diag_note(&diag, &here, "a note stays one"), 0);
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.n_warnings, 0);
	assert_int_equal(diag.entries[0].severity, QOS_ERROR);
	qos_diag_reset(&diag);
	assert_true(diag.strict);
}

static void test_null(void **state)
{
	assert_int_equal(qos_diag_error(NULL, &here, "x"), -EINVAL);
	assert_int_equal(qos_diag_warning(NULL, &here, "x"), 0);
	qos_diag_hint(NULL, "x");
}

/* The hint of an entry that was dropped must not land at another one. */
static void test_bound(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_free_ char *text = NULL;

	qos_diag_hint(&diag, "of nothing");
	for (int i = 0; i < QOS_DIAG_MAX + 10; i++) {
		assert_int_equal(qos_diag_error(&diag, &here, "number %d", i), -EINVAL);
		qos_diag_hint(&diag, "hint %d", i);
	}
	assert_int_equal(diag.n_entries, QOS_DIAG_MAX);
	assert_int_equal(diag.n_errors, QOS_DIAG_MAX + 10);
	assert_int_equal(diag.n_dropped, 10);
	assert_string_equal(diag.entries[QOS_DIAG_MAX - 1].text, "number 63");
	assert_string_equal(diag.entries[QOS_DIAG_MAX - 1].hint, "hint 63");
	text = printed(&diag);
	assert_non_null(strstr(text, "\nand 10 more that are not shown\n"));
	qos_diag_reset(&diag);
}

static void test_clean(void **state)
{
	static const struct {
		const char *bytes, *expected;
	} cases[] = {
		{"plain", "plain"},
		{"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82",
		 "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x99\x82"},
		{"a\nb\tc\rd", "a?b?c?d"},
		{"\x1b[31mred", "?[31mred"},
		{"\x7f", "?"},
		{"\xc2\x9b", "?"}, /* C1: CSI */
		{"\xe2\x80\xae"
		 "x",
		 "?x"},		       /* right to left */
		{"\xe2\x81\xa6", "?"}, /* isolate */
		{"\xe2\x80\x8b", "?"}, /* no width */
		{"\xff\xfe", "??"},
		{"\x80", "?"},
		{"\xc3", "?"}, /* cut */
		{"\xe2\x82", "??"},
		{"\xc0\xaf", "??"}, /* overlong */
		{"\xe0\x80\xaf", "???"},
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* beyond Unicode */
		{"\xf8\x88\x80\x80\x80", "?????"},
		{"\xc3(", "?("},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_loc loc = {cases[i].bytes, 1, 1};
		struct qos_diag diag = QOS_DIAG_INIT;

		qos_diag_error(&diag, &loc, "%s", cases[i].bytes);
		qos_diag_hint(&diag, "%s", cases[i].bytes);
		assert_string_equal(diag.entries[0].text, cases[i].expected);
		assert_string_equal(diag.entries[0].hint, cases[i].expected);
		assert_string_equal(diag.entries[0].file, cases[i].expected);
		qos_diag_reset(&diag);
	}
}

/* Long text is cut between two letters, and says so. */
static void test_length(void **state)
{
	for (size_t len = 395; len < 420; len++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		char text[1024];
		size_t n = 0;

		for (; n < len; n += 2)
			memcpy(text + n, "\xc3\xbc", 3);
		qos_diag_error(&diag, &here, "%s", text);
		if (n <= 400) {
			assert_string_equal(diag.entries[0].text, text);
		} else {
			assert_int_equal(strlen(diag.entries[0].text), 403);
			assert_string_equal(diag.entries[0].text + 398, "\xc3\xbc...");
			assert_memory_equal(diag.entries[0].text, text, 400);
		}
		qos_diag_reset(&diag);
	}
}

static void test_hint_twice(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;

	qos_diag_error(&diag, &here, "x");
	qos_diag_hint(&diag, "first");
	qos_diag_hint(&diag, "second");
	assert_string_equal(diag.entries[0].hint, "second");
	qos_diag_reset(&diag);
}

static void test_move(void **state)
{
	struct qos_diag to = QOS_DIAG_INIT, from = QOS_DIAG_INIT;

	qos_diag_error(&to, &here, "one");
	qos_diag_warning(&from, &here, "two");
	qos_diag_hint(&from, "hint");
	qos_diag_move(&to, &from);
	assert_int_equal(from.n_entries, 0);
	assert_int_equal(from.n_warnings, 0);
	assert_int_equal(to.n_errors, 1);
	assert_int_equal(to.n_warnings, 1);
	assert_printed(&to, "a.yaml:3:7: error: one\n"
			    "a.yaml:3:7: warning: two\n"
			    "  hint: hint\n");
	for (int i = 0; i < QOS_DIAG_MAX; i++)
		qos_diag_note(&from, &here, "many");
	qos_diag_move(&to, &from);
	assert_int_equal(to.n_entries, QOS_DIAG_MAX);
	assert_int_equal(to.n_dropped, 2);
	qos_diag_reset(&to);
	qos_diag_reset(&from);
}

static void test_severity_name(void **state)
{
	assert_string_equal(qos_severity_name(QOS_ERROR), "error");
	assert_string_equal(qos_severity_name(QOS_WARNING), "warning");
	assert_string_equal(qos_severity_name(QOS_NOTE), "note");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),	      cmocka_unit_test(test_strict),
		cmocka_unit_test(test_null),	      cmocka_unit_test(test_bound),
		cmocka_unit_test(test_clean),	      cmocka_unit_test(test_length),
		cmocka_unit_test(test_hint_twice),    cmocka_unit_test(test_move),
		cmocka_unit_test(test_severity_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
