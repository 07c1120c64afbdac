/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files sandbox*.c only. */
#pragma once

#include "kern/sandbox.h"

/* How far a child came; its exit code. */
enum qos_sandbox_step {
	QOS_SANDBOX_WAIT = 100,
	QOS_SANDBOX_ROOT,
	QOS_SANDBOX_LIMITS,
	QOS_SANDBOX_USER,
	QOS_SANDBOX_RIGHTS,
	QOS_SANDBOX_FILES,
	QOS_SANDBOX_PROGRAM,
	QOS_SANDBOX_STEPS
};

/* What failed, by step. */
extern const char *const qos_sandbox_steps[QOS_SANDBOX_STEPS];

/* Descriptors of the daemon; the child gets copies. state_fd: -1: none. */
struct qos_sandbox_enter {
	int text_fd, socket_fd, ring_fd, state_fd;
	int root_fd, program_fd;
	uint32_t uid; /* that it has outside, and its group */
	char *const *arguments;
};

/* go_fd: the other end of socket_fd. 0; or -errno, and *ret_pid is set if there is a child to be ended
 * all the same. */
int qos_sandbox_enter(const struct qos_sandbox_enter *enter, int go_fd, pid_t *ret_pid,
		      int *ret_pidfd);
