/* SPDX-License-Identifier: GPL-2.0-only */
/* Tokens and their places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "extension/lex.h"

/* "name:1 sign:3 ...": kinds and columns, the end left out. */
static void assert_tokens(const char *text, const char *expected)
{
	static const char *const names[] = {"end", "name", "number", "sign"};
	const struct qos_rule_source source = {text, {"file", 1, 1}, true};
	struct qos_token tokens[QOS_RULE_TOKENS_MAX];
	struct qos_buf out = {};
	int n = qos_rule_lex(&source, NULL, tokens);

	assert_true(n > 0 && tokens[n - 1].kind == QOS_TOKEN_END);
	for (int i = 0; i < n - 1; i++)
		qos_buf_add(&out, "%s%s:%u", i ? " " : "", names[tokens[i].kind],
			    qos_rule_loc(&source, tokens[i].at).col);
	assert_string_equal(out.text ? out.text : "", expected);
	qos_buf_reset(&out);
}

static void test_tokens(void **state)
{
	assert_tokens("", "");
	assert_tokens("cpu.a.used<=10ms", "name:1 sign:11 number:13");
	assert_tokens("a<b>=c!=d", "name:1 sign:2 name:3 sign:4 name:6 sign:7 name:9");
}

/* Blanks of a folded line count like any other letter. */
static void test_blanks(void **state)
{
	assert_tokens(" a\t+  1.5ms\n*2 ", "name:2 sign:4 number:7 sign:13 number:14");
	assert_tokens("110%*x", "number:1 sign:5 name:6");
	assert_tokens("3x.y%", "number:1"); /* one mistake, not three */
}

static void test_places_are_letters(void **state)
{
	const struct qos_rule_source exact = {"\xc3\xa9\xc3\xa9 a", {"file", 3, 10}, true};
	const struct qos_rule_source folded = {"xx a", {"file", 3, 10}, false};

	assert_int_equal(qos_rule_loc(&exact, 5).col, 13);
	assert_int_equal(qos_rule_loc(&folded, 3).col, 10);
}

static void test_bounds(void **state)
{
	static char text[QOS_RULE_BYTES_MAX + 2];
	struct qos_rule_source source = {.text = text};
	struct qos_token tokens[QOS_RULE_TOKENS_MAX];

	memset(text, 'a', QOS_RULE_BYTES_MAX);
	assert_int_equal(qos_rule_lex(&source, NULL, tokens), 2);
	text[QOS_RULE_BYTES_MAX] = 'a';
	assert_int_equal(qos_rule_lex(&source, NULL, tokens), -EINVAL);
	memset(text, 0, sizeof(text));
	memset(text, '(', QOS_RULE_TOKENS_MAX - 1);
	assert_int_equal(qos_rule_lex(&source, NULL, tokens), QOS_RULE_TOKENS_MAX);
	text[QOS_RULE_TOKENS_MAX - 1] = '(';
	assert_int_equal(qos_rule_lex(&source, NULL, tokens), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_blanks),
		cmocka_unit_test(test_places_are_letters),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
