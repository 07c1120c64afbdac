/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths of programs, remembered for one look at all processes; files of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kern/exe_memo.h"
#include "kern/proc.h"

static char dir[64];
static char path[96], other[96];

static void put(const char *name)
{
	_cleanup_fclose_ FILE *out = fopen(name, "w");

	assert_non_null(out);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/test_exe_memo.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/program", dir);
	snprintf(other, sizeof(other), "%s/program~", dir);
	return 0;
}

static int teardown(void **state)
{
	remove(path);
	remove(other);
	return remove(dir);
}

static uint64_t resolve(struct qos_exe_memo *memo, const char *name)
{
	uint64_t dev = 0, ino = 0;

	return qos_exe_memo_resolve(memo, name, &dev, &ino) && dev ? ino : 0;
}

static uint64_t now(const char *name)
{
	return resolve(NULL, name);
}

static void test_same_as_without(void **state)
{
	_cleanup_exe_memo_ struct qos_exe_memo *memo = NULL;
	uint64_t dev, ino;

	put(path);
	assert_true(qos_proc_resolve_exe(NULL, path, &dev, &ino));
	assert_int_equal(now(path), ino);
	assert_int_equal(qos_exe_memo_new(&memo), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(resolve(memo, path), ino);
		assert_int_equal(resolve(memo, other), 0); /* missing */
		assert_int_equal(resolve(memo, dir), 0);   /* no file */
	}
	assert_true(qos_exe_memo_holds(memo));
}

/* An update puts a new file in the old one's place. */
static void test_exchanged(void **state)
{
	_cleanup_exe_memo_ struct qos_exe_memo *memo = NULL;
	uint64_t old;

	put(path);
	put(other);
	assert_int_equal(qos_exe_memo_new(&memo), 0);
	old = resolve(memo, path);
	assert_true(qos_exe_memo_holds(memo));
	assert_int_equal(rename(other, path), 0);
	assert_int_not_equal(now(path), old);
	assert_int_equal(resolve(memo, path), old);
	assert_false(qos_exe_memo_holds(memo));
}

static void test_came_and_went(void **state)
{
	_cleanup_exe_memo_ struct qos_exe_memo *memo = NULL;

	remove(path);
	assert_int_equal(qos_exe_memo_new(&memo), 0);
	assert_int_equal(resolve(memo, path), 0);
	put(path);
	assert_int_equal(resolve(memo, path), 0);
	assert_false(qos_exe_memo_holds(memo));
	remove(path);
	assert_true(qos_exe_memo_holds(memo));
}

/* Both have one hash: the second is looked up, and not taken for the first. */
static void test_one_hash(void **state)
{
	static const char first[] = "program-1062789", second[] = "program-1279192";
	_cleanup_exe_memo_ struct qos_exe_memo *memo = NULL;

	assert_int_equal(chdir(dir), 0);
	put(second);
	assert_int_equal(qos_exe_memo_new(&memo), 0);
	assert_int_equal(resolve(memo, first), 0);
	assert_int_not_equal(now(second), 0);
	assert_int_equal(resolve(memo, second), now(second));
	remove(second);
	assert_int_equal(chdir("/"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_without),
		cmocka_unit_test(test_exchanged),
		cmocka_unit_test(test_came_and_went),
		cmocka_unit_test(test_one_hash),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
