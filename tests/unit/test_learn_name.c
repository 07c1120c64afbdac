/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of names that programs chose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/learn_name.h"
#include "contract/regex.h"

static void test_stem(void **state)
{
	assert_int_equal(qos_learn_stem("worker-12"), 7);
	assert_int_equal(qos_learn_stem("worker"), 6);
	assert_int_equal(qos_learn_stem("42"), 2);
	assert_int_equal(qos_learn_stem(""), 0);
}

static void check_glob(const char *comm, bool numbered, const char *expected)
{
	char glob[QOS_LEARN_GLOB_MAX];

	qos_learn_glob(comm, numbered, glob);
	assert_string_equal(glob, expected);
	assert_int_equal(fnmatch(glob, comm, FNM_NOESCAPE), 0);
}

static void test_glob(void **state)
{
	check_glob("worker-1", false, "worker-1");
	check_glob("worker-1", true, "worker-*");
	check_glob("av:h264:df3", true, "av:h264:df*");
	check_glob("[x]*?", false, "[[]x][*][?]");
	check_glob("a\nb\x01", false, "a?b?");
	check_glob("***************", true, "[*][*][*][*][*][*][*][*][*][*][*][*][*][*][*]*");
}

static void check_name(const char *text, char joint, const char *expected)
{
	char name[16];

	qos_learn_name(text, joint, "main", name, sizeof(name));
	assert_string_equal(name, expected);
}

static void test_name(void **state)
{
	check_name("worker-*", '_', "worker");
	check_name("Web Content", '-', "web-content");
	check_name("7zip", '-', "zip");
	check_name("av:h264:df*", '_', "av_h264_df");
	check_name("123", '_', "main");
	check_name("", '_', "main");
	check_name("abcdefghijklmnopqrst", '_', "abcdefghijklmno");
}

static void test_regex(void **state)
{
	static const char *const lines[] = {"", "/usr/bin/x --a=b|c (d) [e]{2}^$ *+?.\\",
					    "a\tb\x80"};
	char longest[2000];

	memset(longest, '.', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i < 4; i++) {
		const char *line = i < 3 ? lines[i] : longest;
		char *regex = qos_learn_regex(line);

		assert_non_null(regex);
		assert_true(strlen(regex) <= QOS_REGEX_MAX);
		assert_null(qos_regex_check(regex));
		assert_true(qos_regex_fits(regex, line));
		assert_false(i == 1 && qos_regex_fits(regex, "/usr/bin/y"));
		free(regex);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stem),
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_name),
		cmocka_unit_test(test_regex),
	};

	return cmocka_run_group_tests_name("learn_name", tests, NULL, NULL);
}
