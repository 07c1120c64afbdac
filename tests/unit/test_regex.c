/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Regular expressions: examples, every refusal, agreement with regcomp(3) on small random ones, and
 * the time of those that make other implementations run for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "contract/regex.h"
#include "util/cleanup.h"

static void test_examples(void **state)
{
	static const struct {
		const char *regex;
		const char *text;
		bool fits;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc", "xabc", false},
		{"a|bc", "bc", true},
		{"a|bc", "ac", false},
		{"a|", "", true},
		{"(a|b)*c", "ababc", true},
		{"a*", "", true},
		{"a+", "", false},
		{"(ab)+", "ababab", true},
		{"a?b", "b", true},
		{"a{3}", "aaa", true},
		{"a{3}", "aa", false},
		{"a{2,}", "aaaaa", true},
		{"a{2,}", "a", false},
		{"a{1,3}", "aaaa", false},
		{"a{0,1}", "", true},
		{"(ab){0}c", "c", true},
		{"a{0,}", "aaa", true},
		{".*", "any\nthing", true},
		{"[a-c]+", "abcba", true},
		{"[^a-c]", "b", false},
		{"[^a-c]", "d", true},
		{"[]a]+", "]a", true},
		{"[^]a]", "b", true},
		{"[a-]+", "a-a", true},
		{"[[:digit:]]+", "0123", true},
		{"[[:alpha:]_]+", "a_Z", true},
		{"[[:alpha:]]", "\xe9", false},
		{"[\\]", "\\", true},
		{"\\.\\*\\\\", ".*\\", true},
		{"^abc$", "abc", true},
		{"(^a|b)c", "ac", true},
		{"a$b", "ab", false},
		{"a^b", "ab", false},
		{"}", "}", true},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		if (qos_regex_check(cases[i].regex))
			fail_msg("'%s' is refused", cases[i].regex);
		if (qos_regex_fits(cases[i].regex, cases[i].text) != cases[i].fits)
			fail_msg("'%s' on '%s': not %d", cases[i].regex, cases[i].text,
				 cases[i].fits);
	}
}

static void test_refusals(void **state)
{
	static const char *const cases[][2] = {
		{"(a", "a group has no end"},
		{"a)", "there is a ) without its ("},
		{"*a", "there is nothing before a repetition that it could repeat"},
		{"(|+a)", "there is nothing before a repetition that it could repeat"},
		{"a**", "a repetition is repeated: put the inner one in a group"},
		{"a{2}?", "a repetition is repeated: put the inner one in a group"},
		{"a{", "a count is not of the form {n}, {n,} or {n,m}"},
		{"a{,2}", "a count is not of the form {n}, {n,} or {n,m}"},
		{"a{3,2}", "a count is not of the form {n}, {n,} or {n,m}"},
		{"a{1,2", "a count is not of the form {n}, {n,} or {n,m}"},
		{"a{256}", "a count is above 255"},
		{"a{1,99999999999}", "a count is above 255"},
		{"((a{99}){99})", "with its counts written out it is too long"},
		{"[a", "a [set] is wrong or has no end"},
		{"[]", "a [set] is wrong or has no end"},
		{"[", "a [set] is wrong or has no end"},
		{"[b-a]", "a [set] is wrong or has no end"},
		{"[[:foo:]]", "a [set] is wrong or has no end"},
		{"[[.a.]]", "a [set] is wrong or has no end"},
		{"\\", "a backslash stands before signs only"},
		{"\\d", "a backslash stands before signs only"},
		{"(a)\\1", "a backslash stands before signs only"},
	};
	char deep[80] = "", large[QOS_REGEX_MAX + 2];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		const char *wrong = qos_regex_check(cases[i][0]);

		if (!wrong)
			fail_msg("'%s' is taken", cases[i][0]);
		assert_string_equal(wrong, cases[i][1]);
		assert_false(qos_regex_fits(cases[i][0], ""));
	}
	memset(deep, '(', 33);
	memset(deep + 33, ')', 33);
	assert_string_equal(qos_regex_check(deep), "groups are nested too deep");
	memset(large, 'a', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_string_equal(qos_regex_check(large), "it is longer than 256 bytes");
	large[QOS_REGEX_MAX] = '\0';
	assert_null(qos_regex_check(large));
}

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static void random_regex(char *out, int depth)
{
	static const char *const atoms[] = {"a", "b", ".", "[ab]", "[^a]", "\\*"};
	static const char *const marks[] = {"", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,1}"};

	for (uint32_t i = 1 + draw(3); i > 0; i--) {
		if (depth && draw(3) == 0) {
			strcat(out, "(");
			random_regex(out, depth - 1);
			if (draw(2)) {
				strcat(out, "|");
				random_regex(out, depth - 1);
			}
			strcat(out, ")");
		} else {
			strcat(out, atoms[draw(QOS_ARRAY_SIZE(atoms))]);
		}
		strcat(out, marks[draw(QOS_ARRAY_SIZE(marks))]);
	}
}

static void random_text(char *out)
{
	uint32_t n = draw(8);

	for (uint32_t i = 0; i < n; i++)
		*out++ = "aab*"[draw(4)];
	*out = '\0';
}

static void compare(const char *regex)
{
	char anchored[1100], text[16];
	regex_t oracle;

	snprintf(anchored, sizeof(anchored), "^(%s)$", regex);
	assert_int_equal(regcomp(&oracle, anchored, REG_EXTENDED | REG_NOSUB), 0);
	for (int i = 0; i < 20; i++) {
		bool expected;

		random_text(text);
		expected = regexec(&oracle, text, 0, NULL, 0) == 0;
		if (qos_regex_fits(regex, text) != expected)
			fail_msg("'%s' on '%s': not %d", regex, text, expected);
	}
	regfree(&oracle);
}

static void test_agrees_with_the_c_library(void **state)
{
	int n = 0;

	seed = 7;
	while (n < 3000) {
		char regex[1024] = "";

		random_regex(regex, 2);
		if (strlen(regex) > 60)
			continue;
		assert_null(qos_regex_check(regex));
		compare(regex);
		n++;
	}
}

/* Not a benchmark: glibc would need hours or gigabytes for some of these. */
static void test_bounded_time(void **state)
{
	static const char *const cases[] = {
		"(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*"
		"(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*(a*)*b",
		"(((((((((a*)*)*)*)*)*)*)*)*)*b",
		"((a|b)*a(a|b){120})*c",
		"(a?){200}b",
		"((){255}){255}b",
	};
	static char text[4096];
	struct timespec begin, end;

	memset(text, 'a', sizeof(text) - 1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		assert_null(qos_regex_check(cases[i]));
		assert_false(qos_regex_fits(cases[i], text));
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_true(end.tv_sec - begin.tv_sec < 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_agrees_with_the_c_library),
		cmocka_unit_test(test_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
