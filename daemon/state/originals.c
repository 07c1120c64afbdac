/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pinned map itself: opening, records, walking. What a record means and how a thread is changed
 * under its protection is in originals_change.c.
 *
 * A hash map of the kernel is the store because it is all that survives a SIGKILL without a moment
 * at which it is half written, and ends with the boot, as scheduling policies do. It allocates by
 * the record (BPF_F_NO_PREALLOC): 512 bytes for each managed thread and none for the others.
 */
#include "state/originals_map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "kern/map.h"
#include "kern/probe.h"
#include "kern/proc.h"
#include "state/pins.h"
#include "util/file.h"

/* Records of another layout may have the same size, so the version is part of the name (in
 * which a bpf file system allows no dot). */
#define TEXT_(number) #number
#define TEXT(number)  TEXT_(number)
#define PIN_NAME      "originals_v" TEXT(QOS_ABI_VERSION)

struct qos_originals {
	int fd;
	int lock; /* the directory, locked; or -1 */
	char *dir;
	char *path;
};

static int refuse(struct qos_diag *diag, const char *call, const char *path, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, error);

	qos_diag_error(diag, NULL, "%s %s: %s: %s", call, path, strerror(error), advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return -error;
}

/* The lock ends with the process, whatever ends it. Two writers would undo each other's changes, and
 * the first to end would take the pin away from the other. */
int qos_originals_lock(struct qos_originals *originals, struct qos_diag *diag)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = open(originals->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse(diag, "open", originals->dir, errno);
	r = qos_file_lock(fd);
	if (r == 0) {
		originals->lock = TAKE_FD(fd);
		return 0;
	}
	if (r != -EWOULDBLOCK)
		return refuse(diag, "flock", originals->dir, -r);
	qos_diag_error(diag, NULL, "%s: another qosd uses it", originals->dir);
	qos_diag_hint(diag, "stop that qosd, or give this one another directory with --pin-dir");
	return -EBUSY;
}

static void unlock(struct qos_originals *originals)
{
	if (originals->lock < 0)
		return;
	flock(originals->lock, LOCK_UN); /* a forked child may share it */
	close(originals->lock);
	originals->lock = -1;
}

/* Restoring threads from bytes of another layout would do harm, so such a map is not touched. */
static int check_layout(const struct qos_originals *originals, struct qos_diag *diag)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(originals->fd, &info, &len) < 0)
		return refuse(diag, "bpf(OBJ_GET_INFO)", originals->path, errno);
	if (info.type == BPF_MAP_TYPE_HASH && info.key_size == sizeof(struct qos_original_key) &&
	    info.value_size == sizeof(struct qos_original))
		return 0;
	qos_diag_error(
		diag, NULL,
		"%s: pinned by another version of qosd (records of %u bytes, not %zu): threads "
		"that it changed cannot be restored",
		originals->path, info.value_size, sizeof(struct qos_original));
	qos_diag_hint(diag,
		      "stop that version (`qosctl panic` of its package), or remove the file");
	return -EPROTO;
}

static int create_map(struct qos_originals *originals, struct qos_diag *diag)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	originals->fd =
		bpf_map_create(BPF_MAP_TYPE_HASH, "qos_originals", sizeof(struct qos_original_key),
			       sizeof(struct qos_original), QOS_ORIGINALS_MAX, &opts);
	if (originals->fd < 0)
		return refuse(diag, "bpf(MAP_CREATE)", originals->path, errno);
	if (bpf_obj_pin(originals->fd, originals->path) < 0)
		return refuse(diag, "bpf(OBJ_PIN)", originals->path, errno);
	return 0;
}

static int get_or_create(struct qos_originals *originals, bool create, struct qos_diag *diag)
{
	originals->fd = bpf_obj_get(originals->path);
	if (originals->fd >= 0)
		return check_layout(originals, diag);
	if (errno != ENOENT)
		return refuse(diag, "bpf(OBJ_GET)", originals->path, errno);
	return create ? create_map(originals, diag) : -ENOENT;
}

int qos_originals_open(const char *pin_dir, bool create, struct qos_diag *diag,
		       struct qos_originals **ret)
{
	_cleanup_originals_ struct qos_originals *originals = NULL;
	int r;

	originals = calloc(1, sizeof(*originals));
	if (!originals)
		return -ENOMEM;
	originals->fd = originals->lock = -1;
	originals->dir = strdup(pin_dir);
	if (!originals->dir || asprintf(&originals->path, "%s/" PIN_NAME, pin_dir) < 0) {
		originals->path = NULL;
		return -ENOMEM;
	}
	r = qos_pins_prepare(pin_dir, create, diag);
	if (r == 0 && create)
		r = qos_originals_lock(originals, diag);
	if (r < 0)
		return r;
	r = get_or_create(originals, create, diag);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(originals);
	return 0;
}

void qos_originals_close(struct qos_originals *originals)
{
	if (!originals)
		return;
	unlock(originals);
	if (originals->fd >= 0)
		close(originals->fd);
	free(originals->dir);
	free(originals->path);
	free(originals);
}

int qos_originals_put(struct qos_originals *originals, const struct qos_original_key *key,
		      const struct qos_original *original, uint64_t flags)
{
	return qos_map_set(originals->fd, key, original, flags);
}

int qos_originals_key(pid_t tid, struct qos_original_key *ret)
{
	struct qos_original_key key = {.tid = (__u32)tid};
	uint64_t start_time;
	int r;

	r = qos_proc_start_time(tid, &start_time);
	if (r < 0)
		return r;
	key.start_time = start_time;
	*ret = key;
	return 0;
}

int qos_originals_check_alive(const struct qos_original_key *key)
{
	uint64_t start_time;
	int r;

	r = qos_proc_start_time((pid_t)key->tid, &start_time);
	if (r < 0)
		return r;
	return start_time == key->start_time ? 0 : -ESRCH;
}

int qos_originals_get_key(struct qos_originals *originals, const struct qos_original_key *key,
			  struct qos_original *ret)
{
	return bpf_map_lookup_elem(originals->fd, key, ret) < 0 ? -errno : 0;
}

void qos_originals_drop(struct qos_originals *originals, const struct qos_original_key *key)
{
	bpf_map_delete_elem(originals->fd, key);
}

int qos_originals_get(struct qos_originals *originals, pid_t tid, struct qos_original *ret)
{
	struct qos_original_key key;
	int r;

	r = qos_originals_key(tid, &key);
	return r < 0 ? r : qos_originals_get_key(originals, &key, ret);
}

int qos_originals_record(struct qos_originals *originals, pid_t tid,
			 struct qos_original_key *ret_key)
{
	struct qos_original_key key;
	struct qos_original original = {};
	int r;

	r = qos_originals_key(tid, &key);
	if (r == 0)
		r = qos_record_look(tid, &original.own);
	if (r == 0)
		r = qos_originals_check_alive(&key);
	if (r < 0)
		return r;
	original.before = original.set = original.own;
	original.tgid = qos_originals_process(originals, tid);
	r = qos_originals_put(originals, &key, &original, BPF_NOEXIST);
	if (r < 0 && r != -EEXIST)
		return r;
	*ret_key = key;
	return 0;
}

/* An affinity that nobody has set yet is the thread's own, as it is now. */
static void follow_affinity(struct qos_original *original, const struct qos_sched_record *now)
{
	const size_t size = sizeof(now->cpus);

	if (!memcmp(original->own.cpus, original->before.cpus, size) &&
	    !memcmp(original->own.cpus, original->set.cpus, size))
		memcpy(original->own.cpus, now->cpus, size);
}

int qos_originals_lend(struct qos_originals *originals, const struct qos_original_key *key,
		       uint32_t priority, const struct qos_cpus *cpus)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	r = qos_originals_get_key(originals, key, &original);
	if (r == 0)
		r = qos_originals_check_alive(key);
	if (r == 0)
		r = qos_record_look((pid_t)key->tid, &now);
	if (r < 0)
		return r;
	follow_affinity(&original, &now);
	original.before = original.set = original.own;
	original.set.policy = SCHED_FIFO;
	original.set.priority = priority;
	original.set.flags = QOS_SCHED_RESET_ON_FORK;
	original.set.runtime_ns = original.set.deadline_ns = original.set.period_ns = 0;
	memcpy(original.set.cpus, cpus->word, sizeof(original.set.cpus));
	original.drifted = 0;
	return qos_originals_put(originals, key, &original, BPF_EXIST);
}

/* All keys at once: records are dropped on the way, and get_next_key starts over at a lost one. */
static int collect_keys(struct qos_originals *originals, struct qos_original_key **ret,
			size_t *ret_n)
{
	_cleanup_free_ struct qos_original_key *keys = NULL;
	size_t n = 0, size = 0;

	while (n < QOS_ORIGINALS_MAX) {
		if (n == size) {
			struct qos_original_key *wider;

			size = size ? size * 2 : 64;
			wider = reallocarray(keys, size, sizeof(*keys));
			if (!wider)
				return -ENOMEM;
			keys = wider;
		}
		if (bpf_map_get_next_key(originals->fd, n ? &keys[n - 1] : NULL, &keys[n]) < 0)
			break;
		n++;
	}
	if (n < QOS_ORIGINALS_MAX && errno != ENOENT)
		return -errno;
	*ret = TAKE_PTR(keys);
	*ret_n = n;
	return 0;
}

int qos_originals_each(struct qos_originals *originals,
		       int (*visit)(void *data, pid_t tid, const struct qos_original *original),
		       void *data)
{
	_cleanup_free_ struct qos_original_key *keys = NULL;
	struct qos_original original;
	size_t n = 0;
	int r;

	r = collect_keys(originals, &keys, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (qos_originals_check_alive(&keys[i]) < 0)
			qos_originals_forget(originals, &keys[i]);
		else if (qos_originals_get_key(originals, &keys[i], &original) == 0)
			r = visit(data, (pid_t)keys[i].tid, &original);
	}
	return r;
}

void qos_originals_forget(struct qos_originals *originals, const struct qos_original_key *key)
{
	qos_originals_follow(originals, key);
	qos_originals_drop(originals, key);
}

/* Without memory of its own: this is the way out when there is none. A restored record is gone, so
 * the next one is always the one behind the last that stayed. Somebody else may drop that one, and
 * then the walk starts over: hence the bound. */
int qos_originals_restore_all(struct qos_originals *originals)
{
	struct qos_original_key stayed, key;
	int failed = 0;

	for (size_t i = 0; i < 2 * QOS_ORIGINALS_MAX; i++) {
		if (bpf_map_get_next_key(originals->fd, failed ? &stayed : NULL, &key) < 0)
			return errno == ENOENT ? failed : -errno;
		if (qos_originals_restore_key(originals, &key, NULL) == 0)
			continue;
		stayed = key;
		failed++;
	}
	return failed;
}

static int stop_at_first(void *data, pid_t tid, const struct qos_original *original)
{
	return -EBUSY;
}

int qos_originals_unpin(struct qos_originals *originals)
{
	int r;

	r = qos_originals_each(originals, stop_at_first, NULL);
	if (r < 0)
		return r;
	if (unlink(originals->path) < 0 && errno != ENOENT)
		return -errno;
	qos_pins_drop_kept(originals->dir);
	unlock(originals); /* an open directory keeps its mount busy */
	return qos_pins_release(originals->dir);
}
