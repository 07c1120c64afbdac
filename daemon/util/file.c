/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole files. Reading goes by what read() returns and not by st_size, since files of /proc and
 * /sys report 0 or a page. Writing goes through a temporary file in the same directory, so that a
 * reader or a crash sees the old file or the new one and never half of one.
 * A kill between creation and rename leaves the temporary file behind: nobody reads it, since its name
 * starts with a dot, and the daemon sweeps it away.
 */
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CHUNK	     4096
#define LOCK_EACH_MS 10
#define LOCK_TRIES   200

/* O_NONBLOCK: opening a FIFO or a device must not wait for its other side. */
static int open_regular(int dirfd, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return TAKE_FD(fd);
}

static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int qos_file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *bytes = NULL;
	size_t len = 0, size = 0;
	char *less;
	ssize_t n;

	fd = open_regular(dirfd, path);
	if (fd < 0)
		return fd;
	do {
		if (size - len <= CHUNK / 2) {
			char *more = realloc(bytes, size ? size * 2 : CHUNK);

			if (!more)
				return -ENOMEM;
			bytes = more;
			size = size ? size * 2 : CHUNK;
		}
		n = read_some(fd, bytes + len, size - len - 1);
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
	} while (n > 0);
	bytes[len] = '\0';
	less = realloc(bytes, len + 1); /* a thousand may be held at once */
	if (less)
		bytes = less;
	*ret = TAKE_PTR(bytes);
	*ret_len = len;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The directory part; "." if there is none. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A file system that cannot sync a directory has nothing to lose by it. */
int qos_file_sync_directory(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

static int fill(int fd, const char *bytes, size_t len, mode_t mode, bool sync)
{
	int r;

	r = write_all(fd, bytes, len);
	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (sync && fsync(fd) < 0)
		return -errno;
	return 0;
}

static int replace_once(const char *path, const char *bytes, size_t len, mode_t mode, bool sync)
{
	_cleanup_free_ char *dir = directory_of(path), *temporary = NULL;
	_cleanup_close_ int fd = -1;
	const char *slash = strrchr(path, '/');
	int r;

	if (!dir)
		return -ENOMEM;
	if (asprintf(&temporary, "%s/.%s.XXXXXX" QOS_FILE_TEMPORARY, dir,
		     slash ? slash + 1 : path) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = mkostemps(temporary, strlen(QOS_FILE_TEMPORARY), O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fill(fd, bytes, len, mode, sync);
	if (r == 0 && rename(temporary, path) < 0)
		r = errno == ENOENT ? -EAGAIN : -errno;
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return sync ? qos_file_sync_directory(dir) : 0;
}

/* A daemon that started meanwhile may have swept it away; it does so once. */
static int replace(const char *path, const char *bytes, size_t len, mode_t mode, bool sync)
{
	int r = replace_once(path, bytes, len, mode, sync);

	return r == -EAGAIN ? replace_once(path, bytes, len, mode, sync) : r;
}

int qos_file_write_atomic(const char *path, const char *bytes, size_t len, mode_t mode)
{
	return replace(path, bytes, len, mode, true);
}

int qos_file_replace(const char *path, const char *bytes, size_t len, mode_t mode)
{
	return replace(path, bytes, len, mode, false);
}

int qos_file_lock(int fd)
{
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		poll(NULL, 0, LOCK_EACH_MS);
	}
	return -EWOULDBLOCK;
}

static bool is_temporary(const char *name)
{
	const size_t end = strlen(QOS_FILE_TEMPORARY), len = strlen(name);

	return name[0] == '.' && len > end && !strcmp(name + len - end, QOS_FILE_TEMPORARY);
}

void qos_file_sweep(const char *path)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir)))
		if (is_temporary(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static int make_directory(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	/* Where mkdir is not allowed (read-only /, no permission) an existing one is fine too. */
	if (errno != EEXIST && errno != EROFS && errno != EACCES && errno != EPERM)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int qos_file_mkdirs(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = strdup(path);
	int r;

	if (!copy)
		return -ENOMEM;
	for (char *p = copy; *p; p++) {
		if (*p != '/' || p == copy || p[-1] == '/')
			continue;
		*p = '\0';
		r = make_directory(copy, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	return make_directory(copy, mode);
}
