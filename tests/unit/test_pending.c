/* SPDX-License-Identifier: GPL-2.0-only */
/* A file that waits for a confirmation: what stood there is kept or put back, whenever the daemon dies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/pending.h"

static char dir[64];
static const char *dirs[] = {"/nonexistent/contracts.d", dir, NULL};

static int setup(void **state)
{
	strcpy(dir, "/tmp/qos-pending-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static const char *at(const char *name)
{
	static char path[2][160];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

/* As everybody does who changes a contract: beside it, then a rename. */
static void put(const char *name, const char *text)
{
	_cleanup_fclose_ FILE *out = fopen(at("new~"), "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(rename(at("new~"), at(name)), 0);
}

static void assert_holds(const char *name, const char *text)
{
	char found[64] = "";
	_cleanup_fclose_ FILE *in = fopen(at(name), "r");

	assert_non_null(in);
	found[fread(found, 1, sizeof(found) - 1, in)] = '\0';
	assert_string_equal(found, text);
}

/* Files in the directory, hidden ones too. */
static size_t count(void)
{
	_cleanup_closedir_ DIR *stream = opendir(dir);
	size_t n = 0;

	while (readdir(stream))
		n++;
	return n - 2;
}

/* In place of the C library's: how often the directory was synced after its record went. */
static size_t n_synced;

int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && access(at(".qosd-unconfirmed"), F_OK) < 0)
		n_synced++;
	return 0;
}

static struct qos_pending *begin(uint64_t until_ns)
{
	struct qos_pending *pending = NULL;

	assert_int_equal(qos_pending_begin(dir, "a.yaml", until_ns, &pending), 0);
	return pending;
}

static struct qos_pending *load(void)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_pending *pending = NULL;

	assert_int_equal(qos_pending_load(dirs, &diag, &pending), 0);
	assert_int_equal(diag.n_entries, 0);
	return pending;
}

static void test_keep(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL, *again = NULL;

	put("a.yaml", "old");
	pending = begin(77);
	put("a.yaml", "new");
	n_synced = 0;
	assert_int_equal(qos_pending_keep(pending), 0);
	assert_int_equal(n_synced, 1);
	assert_holds("a.yaml", "new");
	assert_int_equal(count(), 1);
	again = load();
	assert_null(again);
}

static void test_undo(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL;
	struct stat before, after;

	put("a.yaml", "old");
	assert_int_equal(chmod(at("a.yaml"), 0600), 0);
	assert_int_equal(stat(at("a.yaml"), &before), 0);
	pending = begin(77);
	put("a.yaml", "new");
	n_synced = 0;
	assert_int_equal(qos_pending_undo(pending), 0);
	assert_int_equal(n_synced, 1);
	assert_holds("a.yaml", "old");
	assert_int_equal(stat(at("a.yaml"), &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(count(), 1);
	assert_int_equal(qos_pending_undo(pending), 0); /* once more changes nothing */
	assert_holds("a.yaml", "old");
}

/* Who removes the second name removes what there was to put back: no word that it stands again. */
static void test_undo_what_is_gone(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL;

	put("a.yaml", "old");
	pending = begin(77);
	put("a.yaml", "new");
	assert_int_equal(unlink(at(".a.yaml.before")), 0);
	assert_int_equal(qos_pending_undo(pending), -ENOENT);
	assert_holds("a.yaml", "new");
	assert_int_equal(qos_pending_keep(pending), 0);
	assert_int_equal(count(), 1);
}

static void test_undo_what_was_not_done(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL;

	put("a.yaml", "old");
	pending = begin(77);
	assert_int_equal(qos_pending_undo(pending), 0);
	assert_holds("a.yaml", "old");
	assert_int_equal(count(), 1);
}

static void test_undo_a_new_one(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = begin(77);

	assert_false(pending->stood);
	put("a.yaml", "new");
	assert_int_equal(qos_pending_undo(pending), 0);
	assert_int_equal(count(), 0);
}

static void test_undo_a_link(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL;
	char target[64] = "";

	assert_int_equal(symlink("/dev/null", at("a.yaml")), 0);
	pending = begin(77);
	put("a.yaml", "new");
	assert_int_equal(qos_pending_undo(pending), 0);
	assert_int_equal(readlink(at("a.yaml"), target, sizeof(target) - 1), strlen("/dev/null"));
	assert_string_equal(target, "/dev/null");
}

/* The daemon dies, and the next one takes it up. */
static void test_load(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL, *loaded = NULL;

	put("a.yaml", "old");
	pending = begin(77);
	put("a.yaml", "new");
	loaded = load();
	assert_non_null(loaded);
	assert_string_equal(loaded->file, "a.yaml");
	assert_int_equal(loaded->until_ns, 77);
	assert_true(loaded->stood);
	assert_int_equal(qos_pending_undo(loaded), 0);
	assert_holds("a.yaml", "old");
}

/* It died between putting back and forgetting. */
static void test_half_undone(void **state)
{
	_cleanup_pending_ struct qos_pending *pending = NULL, *loaded = NULL;

	put("a.yaml", "old");
	pending = begin(77);
	put("a.yaml", "new");
	assert_int_equal(rename(at(".a.yaml.before"), at("a.yaml")), 0);
	loaded = load();
	assert_int_equal(qos_pending_undo(loaded), 0);
	assert_holds("a.yaml", "old");
	assert_int_equal(count(), 1);
}

static void record(const char *text)
{
	put(".qosd-unconfirmed", text);
}

static void test_other_boot(void **state)
{
	_cleanup_pending_ struct qos_pending *loaded = NULL;

	record("{\"version\":1,\"file\":\"a.yaml\",\"stood\":false,\"boot\":\"0\",\"until\":77}");
	loaded = load();
	assert_non_null(loaded);
	assert_int_equal(loaded->until_ns, 0);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"version\":2,\"file\":\"a.yaml\",\"stood\":false,\"boot\":\"0\",\"until\":77}",
		"{\"version\":1,\"file\":\"../a.yaml\",\"stood\":false,\"boot\":\"0\",\"until\":7}",
		"{\"version\":1,\"file\":\"a.yaml\",\"stood\":false,\"boot\":\"0\",\"until\":-7}",
		"{\"version\":1,\"file\":\"a.yaml\",\"stood\":0,\"boot\":\"0\",\"until\":7}",
		"{\"version\":1,\"file\":\".yaml\",\"stood\":true,\"boot\":\"0\",\"until\":7}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_pending *pending = NULL;

		record(texts[i]);
		assert_int_equal(qos_pending_load(dirs, &diag, &pending), 0);
		assert_null(pending);
		assert_int_equal(diag.n_entries, 1);
		qos_diag_reset(&diag);
	}
}

static void test_no_directory(void **state)
{
	struct qos_pending *pending = NULL;

	assert_int_equal(qos_pending_begin("/nonexistent", "a.yaml", 1, &pending), -ENOENT);
	assert_null(pending);
}

#define pending_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pending_test(test_keep),
		pending_test(test_undo),
		pending_test(test_undo_what_is_gone),
		pending_test(test_undo_what_was_not_done),
		pending_test(test_undo_a_new_one),
		pending_test(test_undo_a_link),
		pending_test(test_load),
		pending_test(test_half_undone),
		pending_test(test_other_boot),
		pending_test(test_damaged),
		pending_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
