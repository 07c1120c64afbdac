/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Installing is one rename, so the daemon never reads half a file. What stood there is kept in
 * memory: if qosctl is killed between installing and putting back, the refused file stays, and the
 * daemon keeps the last good version in force as for any bad file.
 */
#include "install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "contract/doc.h"
#include "util/file.h"

static int remember_link(const char *path, struct qos_before *ret)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	ret->target = strdup(target);
	if (!ret->target)
		return -ENOMEM;
	ret->kind = QOS_STOOD_LINK;
	return 0;
}

int qos_install_remember(const char *path, struct qos_before *ret)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (S_ISLNK(st.st_mode))
		return remember_link(path, ret);
	r = qos_file_read(AT_FDCWD, path, QOS_DOC_BYTES_MAX, &ret->bytes, &ret->len);
	if (r < 0)
		return r;
	ret->mode = st.st_mode & 07777;
	ret->kind = QOS_STOOD_FILE;
	return 0;
}

int qos_install_put_back(const char *path, const struct qos_before *before)
{
	switch (before->kind) {
	case QOS_STOOD_NOTHING:
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	case QOS_STOOD_FILE:
		return qos_file_write_atomic(path, before->bytes, before->len, before->mode);
	case QOS_STOOD_LINK:
		return qos_install_link(path, before->target);
	}
	return -EINVAL;
}

/* The temporary name is hidden and ends in ~, so no reader of the directory takes it. */
int qos_install_link(const char *path, const char *target)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	_cleanup_free_ char *beside = NULL;

	if (asprintf(&beside, "%.*s.%s.%ld" QOS_FILE_TEMPORARY, dir_len, path, path + dir_len,
		     (long)getpid()) < 0)
		return -ENOMEM;
	if (symlink(target, beside) < 0)
		return -errno;
	if (rename(beside, path) < 0) {
		int r = -errno;

		unlink(beside);
		return r;
	}
	return 0;
}

void qos_before_reset(struct qos_before *before)
{
	free(before->bytes);
	free(before->target);
	*before = (struct qos_before){};
}
