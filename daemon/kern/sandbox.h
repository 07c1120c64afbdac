/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes for rules with `placement: user`: started, talked to, watched, ended. What such a process
 * says is not believed (extension/talk.h), and nothing here waits for one.
 *
 * A process is shut in before its first instruction, by system calls of the daemon's own child, so it
 * does not depend on the program: new user, mount, PID, network, IPC, UTS and cgroup namespaces, a root
 * directory that is empty and deleted, a user that nobody else is, no capability, no new privilege, no descriptor
 * but its own, memory, CPU time and processes bounded, killed with the daemon. The program itself adds
 * the list of system calls (sandbox/confine.c) before it says that it is ready. It is statically linked,
 * because there is no library where it runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "extension/talk.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_sandbox_pool;
struct qos_sandbox;

#define QOS_SANDBOXES_MAX	64	       /* at a time */
#define QOS_SANDBOX_BYTES	(16UL << 20)   /* address space of one */
#define QOS_SANDBOX_SILENT_NS	1000000000ULL  /* longest that a ping may wait... */
#define QOS_SANDBOX_STARVED_NS	5000000000ULL  /* ... if it wants to run but gets no CPU */
#define QOS_SANDBOX_START_NS	10000000000ULL /* until it is ready */
#define QOS_SANDBOX_WATCH_NS	250000000ULL   /* between two looks */
#define QOS_SANDBOX_CPU_PERCENT 25	       /* of a CPU, between two looks */
#define QOS_SANDBOX_ALL_PERCENT 50	       /* all of them together */
#define QOS_SANDBOX_TAKE_MAX	32	       /* messages at a time */

/* Opens the program; run_dir is where the empty directory is made and deleted. Nobody is started. 0 or
 * -errno. */
int qos_sandbox_pool_new(const char *program, const char *run_dir, struct qos_sandbox_pool **ret);
/* Its sandboxes must be freed before. */
void qos_sandbox_pool_free(struct qos_sandbox_pool *pool);
/* Polls readable when one of them has something to say, or a look is due. */
int qos_sandbox_pool_fd(const struct qos_sandbox_pool *pool);
/* Call it then: true if a look is due. Buries those that ended. */
bool qos_sandbox_pool_dispatch(struct qos_sandbox_pool *pool);
/* Is it one of them, or was it a moment ago? */
bool qos_sandbox_pool_has(const struct qos_sandbox_pool *pool, pid_t pid);

struct qos_sandbox_plan {
	const char *text; /* of the contract */
	size_t len;
	int ring_fd;  /* borrowed, like the next */
	int state_fd; /* -1: the rules have no state */
	size_t n_state;
	size_t n_keys;
	size_t n_programs;
	bool fresh; /* what is in the ring is old, and is skipped */
};

/* 0: it starts. -errno with words in diag: -EPERM, -ENOSPC, -EINVAL (namespaces) among them. */
int qos_sandbox_new(struct qos_sandbox_pool *pool, const struct qos_sandbox_plan *plan,
		    struct qos_diag *diag, struct qos_sandbox **ret);
/* Kills it. */
void qos_sandbox_free(struct qos_sandbox *sandbox);
QOS_DEFINE_CLEANUP(struct qos_sandbox *, qos_sandbox_free)
#define _cleanup_sandbox_ QOS_CLEANUP(qos_sandbox_freep)

pid_t qos_sandbox_pid(const struct qos_sandbox *sandbox);

/* Begins a round of takes. true: the caller must count again how many events it was handed. */
bool qos_sandbox_begin(struct qos_sandbox *sandbox, uint64_t events);
/* The next ASK. true: *ret is one; false: there is none now, or enough was taken at a time. events: how
 * many were handed to it since it began, at the last count; it may not ask more often. */
bool qos_sandbox_take(struct qos_sandbox *sandbox, uint64_t events, struct qos_talk *ret);

/* When a look is due, after what it said was taken: pings it, and judges its silence and its CPU time. */
void qos_sandbox_look(struct qos_sandbox *sandbox, uint64_t now_ns);

/* Of a CPU, at the last look; of those that are over 0. The caller sums them up, since each may be modest and
 * all together too much: beyond QOS_SANDBOX_ALL_PERCENT the greediest is to be cut. */
unsigned int qos_sandbox_percent(const struct qos_sandbox *sandbox);
void qos_sandbox_cut(struct qos_sandbox *sandbox);

/* Why it is over; NULL: it goes on. Words for people, valid as long as the sandbox. */
const char *qos_sandbox_end(const struct qos_sandbox *sandbox);

/* Could one be started here? Tried: a child that ends at once. 0, or -errno: -EPERM, -ENOSPC (namespaces
 * are switched off), -EINVAL (the kernel lacks them), -ENOSYS (no seccomp). */
int qos_sandbox_probe(void);
