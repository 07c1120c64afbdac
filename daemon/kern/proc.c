/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who a task is, from what it cannot choose itself: its cgroup (and the unit that systemd derives
 * from it), its real user and group, its supplementary groups, the file that it runs. The real ids
 * are taken and not the effective ones, since anybody may start a set-user-id program.
 *
 * All of it is read through one directory fd of the process, so a reused pid cannot slip in
 * between; the start time and the image are compared at the end, so that facts of before and after
 * an exec never mix.
 *
 * Weaknesses: `exe` is a device and inode pair as stat() of /proc/PID/exe tells it. On overlayfs
 * (containers) and on btrfs subvolumes st_dev is one that belongs to the mount or the subvolume, so
 * a program inside a container does not match the host's path even where both show one file; and
 * whoever may run a file can make a process of his own look like it.
 */
#include "kern/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-login.h>

#include "util/file.h"

#define CMDLINE_MAX  4096
#define STATUS_MAX   1048576 /* Groups: has up to 65536 numbers */
#define STRINGS_MAX  12
#define TRIES	     3
#define FLAG_KTHREAD 0x00200000 /* PF_KTHREAD of include/linux/sched.h; in field 9 since ever */

void qos_task_facts_free(struct qos_task_facts *facts)
{
	if (!facts)
		return;
	for (size_t i = 0; i < facts->n_strings; i++)
		free(facts->strings[i]);
	free(facts->strings);
	free(facts->gids);
	free(facts);
}

/* Takes the string over; NULL stays NULL, and so does the fact. */
static const char *own(struct qos_task_facts *facts, char *text)
{
	if (!text)
		return NULL;
	if (facts->n_strings == STRINGS_MAX) {
		free(text);
		return NULL;
	}
	facts->strings[facts->n_strings++] = text;
	return text;
}

/* What could not be had, because it is gone, or (EMFILE, ENOMEM) because of us. */
static int gone_or(int error)
{
	return error == ENOENT || error == ESRCH ? -ESRCH : -error;
}

static bool is_our_fault(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

/* --- stat --- */

/* The name may contain blanks and parentheses: it ends at the last one. */
static int parse_stat(char *text, struct qos_proc_stat *ret)
{
	struct qos_proc_stat stat = {};
	char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long utime, stime, start;
	unsigned int flags;
	int parent;

	if (!open || !close || close < open)
		return -ESRCH;
	*close = '\0';
	strncpy(stat.comm, open + 1, sizeof(stat.comm) - 1);
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &stat.state, &parent, &flags, &utime, &stime, &start) != 6)
		return -ESRCH;
	stat.parent = parent;
	stat.kernel_thread = flags & FLAG_KTHREAD;
	stat.cpu_ticks = utime + stime;
	stat.start_time = start;
	*ret = stat;
	return 0;
}

int qos_proc_stat_read(int dirfd, const char *path, struct qos_proc_stat *ret)
{
	char text[1024];
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return gone_or(errno);
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? gone_or(errno) : -ESRCH;
	text[n] = '\0';
	return parse_stat(text, ret);
}

static int read_living(int dirfd, const char *path, struct qos_proc_stat *ret)
{
	struct qos_proc_stat stat;
	int r;

	r = qos_proc_stat_read(dirfd, path, &stat);
	if (r < 0)
		return r;
	if (stat.state == 'Z' || stat.state == 'X')
		return -ESRCH;
	*ret = stat;
	return 0;
}

int qos_proc_start_time(pid_t tid, uint64_t *ret)
{
	struct qos_proc_stat stat;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	r = read_living(AT_FDCWD, path, &stat);
	if (r < 0)
		return r;
	*ret = stat.start_time;
	return 0;
}

int qos_proc_run_time(pid_t tid, bool *ret_runnable, uint64_t *ret_ns)
{
	_cleanup_free_ char *text = NULL;
	struct qos_proc_stat stat;
	unsigned long long ns;
	char path[64];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	r = read_living(AT_FDCWD, path, &stat);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
	r = qos_file_read(AT_FDCWD, path, 128, &text, &len);
	if (r < 0)
		return r;
	if (sscanf(text, "%llu", &ns) != 1)
		return -ENOENT;
	*ret_runnable = stat.state == 'R';
	*ret_ns = ns;
	return 0;
}

/* --- status: ids --- */

/* The text after "Key:" at the start of a line, or NULL. */
static const char *field(const char *status, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = status; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0)
			return line + len;
	}
	return NULL;
}

static bool next_number(const char **text, uint64_t *ret)
{
	char *end;

	while (**text == ' ' || **text == '\t')
		++*text;
	if (!isdigit((unsigned char)**text))
		return false;
	*ret = strtoull(*text, &end, 10);
	*text = end;
	return true;
}

int qos_proc_tgid(pid_t tid, pid_t *ret)
{
	_cleanup_free_ char *status = NULL;
	const char *text;
	char path[64];
	uint64_t tgid;
	size_t len;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	r = qos_file_read(AT_FDCWD, path, STATUS_MAX, &status, &len);
	if (r < 0)
		return gone_or(-r);
	text = field(status, "Tgid:");
	if (!text || !next_number(&text, &tgid))
		return -ESRCH;
	*ret = (pid_t)tgid;
	return 0;
}

/* How many numbers does the text begin with? */
static size_t count_numbers(const char *text)
{
	uint64_t number;
	size_t n = 0;

	while (next_number(&text, &number))
		n++;
	return n;
}

static int read_groups(const char *gids, const char *groups, struct qos_task_facts *facts)
{
	uint64_t gid;

	facts->gids = calloc(1 + count_numbers(groups), sizeof(*facts->gids));
	if (!facts->gids)
		return -ENOMEM;
	facts->task.gids = facts->gids;
	if (next_number(&gids, &gid))
		facts->gids[facts->task.n_gids++] = (uint32_t)gid;
	while (next_number(&groups, &gid))
		facts->gids[facts->task.n_gids++] = (uint32_t)gid;
	return 0;
}

/* Real user, real group, supplementary groups. */
static int read_ids(int dirfd, struct qos_task_facts *facts)
{
	_cleanup_free_ char *status = NULL;
	const char *uids, *gids, *groups;
	uint64_t uid;
	size_t len;
	int r = qos_file_read(dirfd, "status", STATUS_MAX, &status, &len);

	if (r < 0)
		return gone_or(-r);
	uids = field(status, "Uid:");
	gids = field(status, "Gid:");
	groups = field(status, "Groups:");
	if (!uids || !gids || !groups || !next_number(&uids, &uid))
		return -ESRCH;
	facts->task.uid = (uint32_t)uid;
	return read_groups(gids, groups, facts);
}

/* --- cgroup and unit --- */

/* "0::/path" of the unified hierarchy, else systemd's own ("1:name=systemd:/path"). */
static int read_cgroup(int dirfd, struct qos_task_facts *facts)
{
	_cleanup_free_ char *text = NULL;
	const char *found;
	size_t len;
	int r = qos_file_read(dirfd, "cgroup", STATUS_MAX, &text, &len);

	if (r < 0)
		return is_our_fault(r) ? r : 0;
	found = field(text, "0::");
	if (!found && (found = strstr(text, ":name=systemd:")))
		found += strlen(":name=systemd:");
	if (found)
		facts->task.cgroup = own(facts, strndup(found, strcspn(found, "\n")));
	return 0;
}

/* All three fail (-ENODATA, -ENXIO) for what runs outside units: no fact then. */
static int read_units(pid_t tid, struct qos_task_facts *facts)
{
	const struct {
		int (*get)(pid_t pid, char **ret);
		const char **fact;
	} units[] = {
		{sd_pid_get_unit, &facts->task.unit},
		{sd_pid_get_user_unit, &facts->task.user_unit},
		{sd_pid_get_slice, &facts->task.slice},
	};

	if (facts->task.cgroup && !facts->task.cgroup[1]) /* a look-up each, for nothing */
		return 0;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(units); i++) {
		char *text = NULL;
		int r = units[i].get(tid, &text);

		if (is_our_fault(r))
			return r;
		if (r >= 0)
			*units[i].fact = own(facts, text);
	}
	return 0;
}

/* --- the image --- */

/* Both never change, so no server is asked: one of a file system that anybody runs a program from might not answer, and
 * then this would wait for ever. */
static void read_exe(int dirfd, struct qos_task *task)
{
	struct statx st;

	task->exe_dev = task->exe_ino = 0;
	if (statx(dirfd, "exe", AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return;
	task->exe_dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	task->exe_ino = st.stx_ino;
}

/* Arguments joined by one blank, cut at 4 KiB. An argument that contains a blank looks like two:
 * one reason why `cmdline` alone is no match. */
static int read_cmdline(int dirfd, struct qos_task_facts *facts)
{
	_cleanup_free_ char *text = malloc(CMDLINE_MAX + 1);
	_cleanup_close_ int fd = openat(dirfd, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return is_our_fault(-errno) ? -errno : 0;
	if (!text)
		return -ENOMEM;
	n = read(fd, text, CMDLINE_MAX);
	if (n < 0)
		return 0;
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++) {
		if (!text[i])
			text[i] = ' ';
	}
	text[n] = '\0';
	facts->task.cmdline = own(facts, TAKE_PTR(text));
	return 0;
}

static const char *parent_comm(struct qos_task_facts *facts, pid_t parent)
{
	struct qos_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", parent);
	if (parent <= 0 || qos_proc_stat_read(AT_FDCWD, path, &stat) < 0)
		return NULL;
	return own(facts, strdup(stat.comm));
}

/* --- all of it --- */

/* Directories that facts are read through. A leader that called pthread_exit() is a zombie: it has
 * its name and parent still, but no image and no arguments; the thread itself has them. */
struct source {
	int process; /* /proc/TGID */
	int thread;  /* /proc/TGID/task/TID */
	int image;   /* one of the two */
};

static void source_close(struct source *source)
{
	qos_closep(&source->process);
	qos_closep(&source->thread);
}

static int source_open(pid_t tgid, pid_t tid, struct source *ret)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", tgid);
	ret->process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->process < 0)
		return gone_or(errno);
	snprintf(path, sizeof(path), "task/%d", tid);
	ret->thread = openat(ret->process, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->thread < 0 ? gone_or(errno) : 0;
}

static int collect(struct source *source, struct qos_task_facts *facts)
{
	struct qos_proc_stat leader, thread;
	struct qos_task *task = &facts->task;
	int r;

	r = qos_proc_stat_read(source->process, "stat", &leader);
	if (r == 0)
		r = read_living(source->thread, "stat", &thread);
	if (r < 0)
		return r;
	source->image = leader.state == 'Z' ? source->thread : source->process;
	task->start_time = thread.start_time;
	task->kernel_thread = leader.kernel_thread;
	task->comm = own(facts, strdup(thread.comm));
	task->process_comm = own(facts, strdup(leader.comm));
	if (task->kernel_thread) /* no contract has it, whoever it is */
		return 0;
	task->parent_comm = parent_comm(facts, leader.parent);
	read_exe(source->image, task);
	r = read_cmdline(source->image, facts);
	if (r == 0)
		r = read_cgroup(source->image, facts);
	if (r == 0)
		r = read_units(leader.state == 'Z' ? task->tid : task->tgid, facts);
	return r < 0 ? r : read_ids(source->image, facts);
}

/* -EAGAIN: it changed while we looked. */
static int check_unchanged(const struct source *source, const struct qos_task *task)
{
	struct qos_proc_stat thread;
	struct qos_task again;
	int r;

	r = read_living(source->thread, "stat", &thread);
	if (r < 0)
		return r;
	read_exe(source->image, &again);
	return thread.start_time == task->start_time && again.exe_dev == task->exe_dev &&
			       again.exe_ino == task->exe_ino
		       ? 0
		       : -EAGAIN;
}

static int read_once(pid_t tgid, pid_t tid, struct qos_task_facts **ret)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	QOS_CLEANUP(source_close) struct source source = {.process = -1, .thread = -1};
	int r;

	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return -ENOMEM;
	facts->strings = calloc(STRINGS_MAX, sizeof(*facts->strings));
	if (!facts->strings)
		return -ENOMEM;
	r = source_open(tgid, tid, &source);
	if (r < 0)
		return r;
	facts->task.tgid = tgid;
	facts->task.own = tgid == getpid();
	facts->task.tid = tid;
	r = collect(&source, facts);
	if (r == 0)
		r = check_unchanged(&source, &facts->task);
	if (r == 0)
		*ret = TAKE_PTR(facts);
	return r;
}

int qos_proc_read(pid_t tgid, pid_t tid, struct qos_task_facts **ret)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = read_once(tgid, tid, ret);
	return r == -EAGAIN ? -ESRCH : r;
}

struct search {
	struct qos_task_facts **ret;
	int r;
};

static int read_if_living(void *data, pid_t tgid, pid_t tid)
{
	struct search *search = data;

	search->r = qos_proc_read(tgid, tid, search->ret);
	return search->r != -ESRCH;
}

int qos_proc_read_process(pid_t tgid, struct qos_task_facts **ret)
{
	struct search search = {.ret = ret, .r = -ESRCH};
	int r = qos_proc_read(tgid, tgid, ret);

	if (r != -ESRCH)
		return r;
	r = qos_proc_each_thread(tgid, read_if_living, &search);
	return r < 0 ? r : search.r;
}

/* --- walking --- */

/* The next entry that is a number; 0 at the end; -ESRCH or -errno: a list that was read in part must not pass for
 * the whole, since who is not in it has ended. */
static pid_t next_pid(DIR *dir)
{
	const struct dirent *entry;

	errno = 0;
	while ((entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			return (pid_t)strtol(entry->d_name, NULL, 10);
	}
	return errno ? gone_or(errno) : 0;
}

int qos_proc_each_process(int (*visit)(void *data, pid_t tgid), void *data)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	pid_t tgid = 0;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (tgid = next_pid(dir)) > 0)
		r = visit(data, tgid);
	return r ? r : tgid;
}

int qos_proc_each_thread(pid_t tgid, int (*visit)(void *data, pid_t tgid, pid_t tid), void *data)
{
	_cleanup_closedir_ DIR *dir = NULL;
	char path[64];
	pid_t tid = 0;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	if (!dir)
		return gone_or(errno);
	while (r == 0 && (tid = next_pid(dir)) > 0)
		r = visit(data, tgid, tid);
	return r ? r : tid;
}
