/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of contracts, remembered: paths for one look at all processes, people until the next; files of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kern/lookup.h"

static char dir[64];
static char path[96], other[96];

static void put(const char *name)
{
	_cleanup_fclose_ FILE *out = fopen(name, "w");

	assert_non_null(out);
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/test_lookup.XXXXXX");
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

static struct qos_lookup *looking(void)
{
	struct qos_lookup *lookup = NULL;

	assert_int_equal(qos_lookup_new(&lookup), 0);
	qos_lookup_begin(lookup);
	return lookup;
}

static bool ask(const struct qos_lookup *lookup, enum qos_match_key key, const char *name,
		struct qos_named *ret)
{
	const struct qos_resolver *names = qos_lookup_resolver(lookup);

	return names->resolve(names->data, key, name, ret);
}

/* A file's inode, or 0. */
static uint64_t resolve(const struct qos_lookup *lookup, const char *name)
{
	struct qos_named file = {};

	return ask(lookup, QOS_MATCH_EXE, name, &file) && file.dev ? file.id : 0;
}

static uint64_t now(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? 0 : st.st_ino;
}

static void test_paths(void **state)
{
	_cleanup_lookup_ struct qos_lookup *lookup = looking();

	put(path);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(resolve(lookup, path), now(path));
		assert_int_equal(resolve(lookup, other), 0); /* missing */
		assert_int_equal(resolve(lookup, dir), 0);   /* no file */
	}
	assert_true(qos_lookup_end(lookup));
}

/* An update puts a new file in the old one's place. */
static void test_exchanged(void **state)
{
	_cleanup_lookup_ struct qos_lookup *lookup = looking();
	uint64_t old;

	put(path);
	put(other);
	old = resolve(lookup, path);
	assert_int_equal(rename(other, path), 0);
	assert_int_not_equal(now(path), old);
	assert_int_equal(resolve(lookup, path), old);
	assert_false(qos_lookup_end(lookup));
	assert_int_equal(resolve(lookup, path), now(path)); /* nothing is remembered of it */
}

static void test_came_and_went(void **state)
{
	_cleanup_lookup_ struct qos_lookup *lookup = looking();

	remove(path);
	assert_int_equal(resolve(lookup, path), 0);
	put(path);
	assert_int_equal(resolve(lookup, path), 0);
	assert_false(qos_lookup_end(lookup));
	qos_lookup_begin(lookup);
	assert_int_equal(resolve(lookup, path), now(path));
	remove(path);
	put(other);
	assert_false(qos_lookup_end(lookup));
}

/* Both have one hash: the second is looked up, and not taken for the first. */
static void test_one_hash(void **state)
{
	static const char first[] = "program-662339", second[] = "program-2359026";
	_cleanup_lookup_ struct qos_lookup *lookup = looking();

	assert_int_equal(chdir(dir), 0);
	put(second);
	assert_int_equal(resolve(lookup, first), 0);
	assert_int_not_equal(now(second), 0);
	assert_int_equal(resolve(lookup, second), now(second));
	remove(second);
	assert_int_equal(chdir("/"), 0);
}

/* --- people --- */

static unsigned int asked;
static uid_t camera_uid;

/* In the library's place: one user, whose number may change. */
struct passwd *getpwnam(const char *name)
{
	static struct passwd camera;

	asked++;
	camera.pw_uid = camera_uid;
	return strcmp(name, "camera") ? NULL : &camera;
}

static void test_user(void **state)
{
	_cleanup_lookup_ struct qos_lookup *lookup = looking();
	struct qos_named found;

	camera_uid = 1000;
	asked = 0;
	assert_true(ask(lookup, QOS_MATCH_USER, "camera", &found));
	assert_int_equal(found.id, 1000);
	assert_false(ask(lookup, QOS_MATCH_USER, "nobody", &found));
	assert_int_equal(asked, 2);
	assert_true(qos_lookup_end(lookup));
	camera_uid = 1001;
	assert_true(ask(lookup, QOS_MATCH_USER, "camera", &found));
	assert_int_equal(found.id, 1000); /* as it was */
	assert_false(ask(lookup, QOS_MATCH_USER, "nobody", &found));
	assert_int_equal(asked, 2);
	qos_lookup_begin(lookup);
	assert_true(ask(lookup, QOS_MATCH_USER, "camera", &found));
	assert_int_equal(found.id, 1001);
	assert_int_equal(asked, 3);
}

/* A user and a group of one name are two. */
static void test_group(void **state)
{
	_cleanup_lookup_ struct qos_lookup *lookup = looking();
	struct qos_named found;

	assert_true(ask(lookup, QOS_MATCH_GROUP, "daemon", &found));
	assert_int_equal(found.id, getgrnam("daemon")->gr_gid);
	assert_false(ask(lookup, QOS_MATCH_USER, "daemon", &found));
	assert_false(ask(lookup, QOS_MATCH_GROUP, "camera", &found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	      cmocka_unit_test(test_exchanged),
		cmocka_unit_test(test_came_and_went), cmocka_unit_test(test_user),
		cmocka_unit_test(test_group),	      cmocka_unit_test(test_one_hash),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
