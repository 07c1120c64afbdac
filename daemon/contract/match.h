/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which thread belongs to which contract. Pure: the facts of a task are passed in, kern/proc.c
 * collects them from places that the task itself cannot forge.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/contract.h"

/* Facts of one thread and its process. Strings are borrowed; NULL: not known, matches nothing.
 * exe is a device and inode pair, as a contract's path is resolved by the caller. */
struct qos_task {
	pid_t tid;
	pid_t tgid;
	uint64_t start_time; /* field 22 of /proc/TID/stat: with tid an identity for ever */
	bool kernel_thread;
	bool own;		  /* qosd's */
	const char *comm;	  /* of the thread: for `threads` */
	const char *process_comm; /* of the thread group leader: for `comm` */
	const char *cmdline;	  /* arguments joined by one blank */
	const char *parent_comm;
	const char *cgroup; /* path in the unified (or systemd's) hierarchy */
	const char *unit;
	const char *user_unit;
	const char *slice;
	uint32_t uid;
	const uint32_t *gids; /* of the process: its own and the supplementary ones */
	size_t n_gids;
	uint64_t exe_dev; /* 0/0: not known */
	uint64_t exe_ino;
};

/* What a name stands for: a path of `exe` for a device and an inode, a user or a group for its number. */
struct qos_named {
	uint64_t dev;
	uint64_t id;
};

/* Looks up names of QOS_MATCH_EXE (in the host's mount namespace), USER and GROUP; false: there is none. Passed
 * in so that this file needs no file system and no user database. */
struct qos_resolver {
	bool (*resolve)(void *data, enum qos_match_key key, const char *name,
			struct qos_named *ret);
	void *data;
};

/* Does the match expression hold for the task? Kernel threads, PID 1 and qosd itself never match. `names`: NULL knows
 * none. */
bool qos_match_task(const struct qos_match *match, const struct qos_task *task,
		    const struct qos_resolver *names);

/* The same of an expression alone, whoever the task is. */
bool qos_match_holds(const struct qos_match *match, const struct qos_task *task,
		     const struct qos_resolver *names);

/* Of two that match: has a the task, and not b? */
bool qos_match_beats(const struct qos_contract *a, const struct qos_contract *b);

/* The first cpu stream whose `threads` fit the thread's comm, or -1. */
int qos_match_stream(const struct qos_contract *contract, const struct qos_task *task);

/* Index of the contract that has the task: highest importance, then name; -1: none. Indices of
 * others that matched too go to losers (at most max_losers; *n_losers counts them; may be NULL). */
int qos_match_select(struct qos_contract *const *contracts, size_t n, const struct qos_task *task,
		     const struct qos_resolver *names, int *losers, size_t max_losers,
		     size_t *n_losers);

/* Judged by parse: a term that a process can choose for itself (comm, cmdline, parent) needs one
 * beside it that it cannot. True if every way to satisfy the expression contains one of unit,
 * user-unit, cgroup, slice, user, group, exe, not negated. */
bool qos_match_is_anchored(const struct qos_match *match);

/* Is it a regular expression that `cmdline` takes (regex.h)? 0 or -EINVAL. */
int qos_match_check_regex(const char *regex);
