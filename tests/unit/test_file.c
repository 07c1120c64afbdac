/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files, in a directory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"

struct place {
	char dir[64];
	char path[128]; /* room for a file in it */
};

static const char *in(struct place *place, const char *name)
{
	snprintf(place->path, sizeof(place->path), "%s/%s", place->dir, name);
	return place->path;
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	snprintf(place->dir, sizeof(place->dir), "/tmp/test_file.XXXXXX");
	*state = place;
	return mkdtemp(place->dir) ? 0 : -1;
}

/* What a test leaves behind that is not listed here makes the last removal fail, and so the test. */
static int teardown(void **state)
{
	static const char *const names[] = {"file", "fifo", "link", "a/b/c", "a/b", "a", "", NULL};
	struct place *place = *state;
	int r = 0;

	for (size_t i = 0; names[i]; i++)
		r = remove(in(place, names[i]));
	free(place);
	return r;
}

static unsigned int count_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 100000};
	struct place *place = *state;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *bytes = malloc(sizes[i] + 1), *again = NULL;
		size_t len = 0;

		for (size_t k = 0; k < sizes[i]; k++)
			bytes[k] = (char)(k * 7 + k / 256);
		assert_int_equal(qos_file_write_atomic(in(place, "file"), bytes, sizes[i], 0600),
				 0);
		assert_int_equal(qos_file_read(AT_FDCWD, in(place, "file"), sizes[i], &again, &len),
				 0);
		assert_int_equal(len, sizes[i]);
		assert_memory_equal(again, bytes, len);
		assert_int_equal(again[len], '\0');
		assert_true(malloc_usable_size(again) < len + 64); /* no room to spare */
		if (sizes[i] == 0)
			continue;
		assert_int_equal(
			qos_file_read(AT_FDCWD, in(place, "file"), sizes[i] - 1, &again, &len),
			-EFBIG);
	}
	assert_int_equal(count_entries(place->dir), 1);
}

static void test_write_mode(void **state)
{
	struct place *place = *state;
	mode_t mask = umask(077);
	struct stat st;

	assert_int_equal(qos_file_write_atomic(in(place, "file"), "x", 1, 0644), 0);
	umask(mask);
	assert_int_equal(stat(in(place, "file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void test_replace(void **state)
{
	struct place *place = *state;
	_cleanup_free_ char *bytes = NULL;
	size_t len;

	assert_int_equal(qos_file_replace(in(place, "file"), "old", 3, 0600), 0);
	assert_int_equal(qos_file_replace(in(place, "file"), "new", 3, 0644), 0);
	assert_int_equal(qos_file_read(AT_FDCWD, in(place, "file"), 10, &bytes, &len), 0);
	assert_string_equal(bytes, "new");
	assert_int_equal(qos_file_replace(in(place, "none/file"), "x", 1, 0600), -ENOENT);
	assert_int_equal(count_entries(place->dir), 1);
}

/* A link is replaced, what it points to stays. */
static void test_write_link(void **state)
{
	struct place *place = *state;
	char target[128];
	_cleanup_free_ char *bytes = NULL;
	size_t len;

	snprintf(target, sizeof(target), "%s", in(place, "file"));
	assert_int_equal(qos_file_write_atomic(target, "old", 3, 0600), 0);
	assert_int_equal(symlink(target, in(place, "link")), 0);
	assert_int_equal(qos_file_write_atomic(in(place, "link"), "new", 3, 0600), 0);
	assert_int_equal(qos_file_read(AT_FDCWD, target, 10, &bytes, &len), 0);
	assert_string_equal(bytes, "old");
}

static void test_write_errors(void **state)
{
	struct place *place = *state;

	assert_int_equal(qos_file_write_atomic(in(place, "none/file"), "x", 1, 0600), -ENOENT);
	assert_int_equal(mkdir(in(place, "a"), 0700), 0);
	assert_int_equal(qos_file_write_atomic(in(place, "a"), "x", 1, 0600), -EISDIR);
	assert_int_equal(count_entries(place->dir), 1);
}

static void test_read_errors(void **state)
{
	struct place *place = *state;
	char *bytes = (char *)place;
	size_t len = 77;

	assert_int_equal(qos_file_read(AT_FDCWD, in(place, "file"), 10, &bytes, &len), -ENOENT);
	assert_int_equal(qos_file_read(AT_FDCWD, place->dir, 10, &bytes, &len), -EISDIR);
	assert_int_equal(mkfifo(in(place, "fifo"), 0600), 0);
	assert_int_equal(qos_file_read(AT_FDCWD, in(place, "fifo"), 10, &bytes, &len), -EINVAL);
	assert_int_equal(qos_file_read(AT_FDCWD, "/dev/null", 10, &bytes, &len), -EINVAL);
	assert_int_equal(qos_file_read(-1, "file", 10, &bytes, &len), -EBADF);
	assert_ptr_equal(bytes, place);
	assert_int_equal(len, 77);
}

static void test_read_at(void **state)
{
	struct place *place = *state;
	_cleanup_close_ int fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *bytes = NULL;
	size_t len;

	assert_int_equal(qos_file_write_atomic(in(place, "file"), "x", 1, 0600), 0);
	assert_int_equal(qos_file_read(fd, "file", 1, &bytes, &len), 0);
	assert_string_equal(bytes, "x");
}

/* The size that stat gives for it is 0. */
static void test_read_proc(void **state)
{
	_cleanup_free_ char *bytes = NULL;
	size_t len;

	assert_int_equal(qos_file_read(AT_FDCWD, "/proc/self/status", 65536, &bytes, &len), 0);
	assert_true(len > 0);
	assert_memory_equal(bytes, "Name:", 5);
}

/* A child has its parent's lock until it ends; that is waited for, but not for ever. */
static void test_lock(void **state)
{
	struct place *place = *state;
	int fd, other;
	pid_t child;

	assert_int_equal(qos_file_write_atomic(in(place, "file"), "", 0, 0600), 0);
	fd = open(in(place, "file"), O_RDONLY | O_CLOEXEC);
	other = open(in(place, "file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(qos_file_lock(fd), 0);
	child = fork();
	if (child == 0) {
		usleep(200000);
		_exit(0);
	}
	close(fd);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(qos_file_lock(other), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	fd = open(in(place, "file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(qos_file_lock(fd), -EWOULDBLOCK);
	close(fd);
	close(other);
	assert_int_equal(qos_file_lock(-1), -EBADF);
}

/* What a kill left of a write goes; what merely looks like it stays. */
static void test_sweep(void **state)
{
	static const char *const stay[] = {"file", ".file.before", "file.qosd~",
					   ".qosd-unconfirmed"};
	struct place *place = *state;

	for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++)
		assert_int_equal(qos_file_write_atomic(in(place, stay[i]), "x", 1, 0600), 0);
	assert_int_equal(qos_file_write_atomic(in(place, ".file.a1b2c3.qosd~"), "x", 1, 0600), 0);
	qos_file_sweep(place->dir);
	qos_file_sweep(in(place, "no such directory"));
	assert_int_equal(access(in(place, ".file.a1b2c3.qosd~"), F_OK), -1);
	for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
		assert_int_equal(access(in(place, stay[i]), F_OK), 0);
		unlink(in(place, stay[i]));
	}
}

static void test_mkdirs(void **state)
{
	struct place *place = *state;
	struct stat st;
	mode_t mask = umask(022);

	assert_int_equal(qos_file_mkdirs(in(place, "a//b/c/"), 0750), 0);
	umask(mask);
	assert_int_equal(stat(in(place, "a/b/c"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(qos_file_mkdirs(in(place, "a/b/c"), 0700), 0);
	assert_int_equal(qos_file_mkdirs("/", 0700), 0);
	assert_int_equal(qos_file_write_atomic(in(place, "file"), "x", 1, 0600), 0);
	assert_int_equal(qos_file_mkdirs(in(place, "file"), 0700), -ENOTDIR);
	assert_int_equal(qos_file_mkdirs(in(place, "file/x"), 0700), -ENOTDIR);
	assert_int_equal(qos_file_mkdirs("", 0700), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_at, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_proc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mkdirs, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
