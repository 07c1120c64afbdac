/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pins live in a bpf file system and nowhere else. Most systems mount one on /sys/fs/bpf; a bare
 * kernel or a container may not. The mount is only ever taken away if it carries our source name
 * and is empty, so a pin of somebody else's keeps it.
 *
 * Weakness: a mount made inside a private mount namespace (a sandboxed unit) is not seen by a
 * qosctl outside it. systemd itself mounts /sys/fs/bpf before any unit starts, so this takes a
 * system without systemd and with namespaces.
 */
#include "state/pins.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kern/probe.h"
#include "util/cleanup.h"
#include "util/file.h"

#define MOUNT_SOURCE "qosd"

static void endmntentp(FILE **file)
{
	if (*file)
		endmntent(*file);
}

static bool is_on(const char *path, uint32_t magic)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == magic;
}

/* Is there a bpf mount of qosd's own exactly on `path`? The last mount on a path is the visible. */
static bool is_own_mount(const char *path)
{
	QOS_CLEANUP(endmntentp) FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *entry;
	bool own = false;

	while (mounts && (entry = getmntent(mounts))) {
		if (strcmp(entry->mnt_dir, path) == 0)
			own = strcmp(entry->mnt_type, "bpf") == 0 &&
			      strcmp(entry->mnt_fsname, MOUNT_SOURCE) == 0;
	}
	return own;
}

static int parent_of(const char *dir, char ret[static PATH_MAX])
{
	char copy[PATH_MAX];

	if (snprintf(copy, sizeof(copy), "%s", dir) >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(ret, PATH_MAX, "%s", dirname(copy));
	return 0;
}

static int refuse(struct qos_diag *diag, const char *what, const char *path, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(what, error);

	qos_diag_error(diag, NULL, "%s on %s: %s: %s", what, path, strerror(error), advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return -error;
}

static int mount_bpf(const char *path, struct qos_diag *diag)
{
	if (mount(MOUNT_SOURCE, path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return refuse(diag, "mount(bpf)", path, errno);
	return 0;
}

/* Only where the parent cannot have new directories because it is sysfs. */
static int mount_on_parent(const char *dir, const char *parent, struct qos_diag *diag)
{
	int r;

	r = mount_bpf(parent, diag);
	if (r < 0)
		return r;
	return mkdir(dir, 0700) < 0 ? refuse(diag, "mkdir", dir, errno) : 0;
}

static int make(const char *dir, struct qos_diag *diag)
{
	char parent[PATH_MAX];
	int r;

	r = parent_of(dir, parent);
	if (r < 0)
		return r;
	if (is_on(parent, BPF_FS_MAGIC))
		return mkdir(dir, 0700) < 0 && errno != EEXIST ? refuse(diag, "mkdir", dir, errno)
							       : 0;
	if (is_on(parent, SYSFS_MAGIC))
		return mount_on_parent(dir, parent, diag);
	r = qos_file_mkdirs(dir, 0700);
	if (r < 0)
		return refuse(diag, "mkdir", dir, -r);
	return mount_bpf(dir, diag);
}

/* Whoever can write here can give qosd a map of his own and have threads "restored" from it. */
static int check_owner(const char *dir, struct qos_diag *diag)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode) && st.st_uid == 0 && !(st.st_mode & 077))
		return 0;
	qos_diag_error(diag, NULL, "%s: not a directory of root's with mode 0700", dir);
	qos_diag_hint(diag, "somebody else made it: remove it and start again");
	return -EPERM;
}

int qos_pins_prepare(const char *dir, bool create, struct qos_diag *diag)
{
	int r;

	if (!is_on(dir, BPF_FS_MAGIC)) {
		if (!create)
			return -ENOENT;
		r = make(dir, diag);
		if (r < 0)
			return r;
	}
	return check_owner(dir, diag);
}

/* With CONFIG_BPF_PRELOAD the kernel itself puts two iterators into a new bpf file system. */
static bool is_pin(const char *name)
{
	static const char *const kernel_own[] = {".", "..", "maps.debug", "progs.debug"};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(kernel_own); i++) {
		if (strcmp(name, kernel_own[i]) == 0)
			return false;
	}
	return true;
}

static bool is_empty(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (is_pin(entry->d_name))
			return false;
	}
	return dir;
}

static bool is_kept(const char *name)
{
	return !strncmp(name, "state-", 6) || !strncmp(name, "owner-", 6) ||
	       !strncmp(name, QOS_PINS_COUNTERS, strlen(QOS_PINS_COUNTERS));
}

void qos_pins_drop_others(const char *dir, const char *begin, const char *end)
{
	_cleanup_closedir_ DIR *open_dir = is_on(dir, BPF_FS_MAGIC) ? opendir(dir) : NULL;
	const struct dirent *entry;

	while (open_dir && (entry = readdir(open_dir))) {
		size_t len = strlen(entry->d_name), tail = strlen(end);

		if (!strncmp(entry->d_name, begin, strlen(begin)) &&
		    (len < tail || strcmp(entry->d_name + len - tail, end)))
			unlinkat(dirfd(open_dir), entry->d_name, 0);
	}
}

void qos_pins_drop_kept(const char *dir)
{
	_cleanup_closedir_ DIR *open_dir = is_on(dir, BPF_FS_MAGIC) ? opendir(dir) : NULL;
	const struct dirent *entry;

	while (open_dir && (entry = readdir(open_dir))) {
		if (is_kept(entry->d_name))
			unlinkat(dirfd(open_dir), entry->d_name, 0);
	}
}

static int drop_mount(const char *path)
{
	if (!is_own_mount(path) || !is_empty(path))
		return 0;
	return umount2(path, UMOUNT_NOFOLLOW) < 0 && errno != EBUSY ? -errno : 0;
}

int qos_pins_release(const char *dir)
{
	char parent[PATH_MAX];
	int r;

	r = parent_of(dir, parent);
	if (r == 0)
		r = drop_mount(dir);
	if (r < 0)
		return r;
	if (rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EBUSY)
		return -errno;
	return drop_mount(parent);
}
