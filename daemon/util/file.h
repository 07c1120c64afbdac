/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole files, bounded and atomic. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Reads at most `max` bytes of the file `path` relative to dirfd (AT_FDCWD allowed).
 * *ret is malloc'ed and NUL-terminated, *ret_len excludes that NUL. Never blocks on a FIFO.
 * Returns 0, -errno, -EFBIG if it is longer than max, -EISDIR / -EINVAL if it is no regular file
 * (files under /proc and /sys count as regular). */
int qos_file_read(int dirfd, const char *path, size_t max, char **ret, size_t *ret_len);

/* Replaces `path` atomically: written to a temporary file beside it, fsynced, renamed. */
int qos_file_write_atomic(const char *path, const char *bytes, size_t len, mode_t mode);

/* The same without the sync, for what is worth nothing once the machine went down. */
int qos_file_replace(const char *path, const char *bytes, size_t len, mode_t mode);

/* Names that were made in the directory, or went, survive a power cut afterwards. 0 or -errno. */
int qos_file_sync_directory(const char *dir);

/* How temporary names end; they begin with a dot. */
#define QOS_FILE_TEMPORARY ".qosd~"

/* Removes the temporary files that writers left in a directory that died before their rename. One that
 * is at it tries again. */
void qos_file_sweep(const char *dir);

/* Takes the exclusive lock of an open file. A child between its birth and its program has the locks of a
 * daemon that was killed meanwhile; so who holds it is waited for, two seconds. 0, -EWOULDBLOCK, -errno. */
int qos_file_lock(int fd);

/* Creates a directory and its parents with `mode`; one that exists is fine. */
int qos_file_mkdirs(const char *path, mode_t mode);
