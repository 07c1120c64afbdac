/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts of tasks from /proc. The only file that reads it for matching. */
#pragma once

#include <sys/types.h>

#include "contract/match.h"
#include "util/cleanup.h"

/* The facts of thread `tid` of process `tgid`; strings are owned by *ret. Those that cannot be had
 * are NULL. -ESRCH if it is gone, also if it is a zombie, or if it died or got another image half
 * way (start time and image are compared before and after); any other -errno: it could not be
 * looked at (EMFILE, ENOMEM). Where the leader is a zombie, what it lacks is the thread's. Of a kernel
 * thread there are only its names. */
struct qos_task_facts {
	struct qos_task task;
	char **strings; /* private, like gids: what the task's pointers point to */
	size_t n_strings;
	uint32_t *gids;
};
int qos_proc_read(pid_t tgid, pid_t tid, struct qos_task_facts **ret);
/* Likewise, of the leader, or of any thread that lives if the leader does not. */
int qos_proc_read_process(pid_t tgid, struct qos_task_facts **ret);
void qos_task_facts_free(struct qos_task_facts *facts);
QOS_DEFINE_CLEANUP(struct qos_task_facts *, qos_task_facts_free)
#define _cleanup_task_facts_ QOS_CLEANUP(qos_task_facts_freep)

/* What /proc/TID/stat says of a thread, as far as qosd needs it. */
struct qos_proc_stat {
	char comm[16];
	char state; /* 'R', 'S', ... 'Z', 'X' */
	pid_t parent;
	bool kernel_thread;
	uint64_t cpu_ticks;  /* user and system time, USER_HZ */
	uint64_t start_time; /* USER_HZ since boot */
};
/* dirfd: a directory of /proc that the path is relative to, or AT_FDCWD. 0, -ESRCH, -errno. */
int qos_proc_stat_read(int dirfd, const char *path, struct qos_proc_stat *ret);

/* Field 22 of /proc/TID/stat. 0, -ESRCH (gone, or a zombie), -errno. */
int qos_proc_start_time(pid_t tid, uint64_t *ret);

/* Is the thread runnable or running, and how much CPU time has it had (/proc/TID/schedstat)? 0, or
 * -ESRCH, or -ENOENT where the kernel has no CONFIG_SCHED_INFO. */
int qos_proc_run_time(pid_t tid, bool *ret_runnable, uint64_t *ret_ns);

/* The thread group of a thread. 0, -ESRCH, -errno. */
int qos_proc_tgid(pid_t tid, pid_t *ret);

/* Calls visit for each process (its tgid) / each thread of one; stops at the first non-zero and
 * returns it. -ESRCH: no such process; -errno. */
int qos_proc_each_process(int (*visit)(void *data, pid_t tgid), void *data);
int qos_proc_each_thread(pid_t tgid, int (*visit)(void *data, pid_t tgid, pid_t tid), void *data);
