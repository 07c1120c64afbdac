/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way into a sandbox, in the child, before its program's first instruction. The daemon has another
 * thread, so between clone and exec there are system calls only.
 *
 * The child becomes the user nobody by a mapping of its user namespace that the daemon writes, and needs
 * CAP_SETUID and CAP_SETGID for; outside it is a user whom nobody else is, or services of the user nobody could
 * send it signals. Whoever is the user root outside could not be kept from root's files by lack of
 * capabilities alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kern/sandbox_parts.h"

#define NOBODY	    65534
#define STACK_BYTES 65536
#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)
#define DATA_BYTES (8UL << 20)
#define RUN_US	   20000 /* of CPU time under a real-time policy without ever waiting */

const char *const qos_sandbox_steps[] = {
	[QOS_SANDBOX_WAIT] = "waiting for its user id",
	[QOS_SANDBOX_ROOT] = "an empty root",
	[QOS_SANDBOX_LIMITS] = "its limits",
	[QOS_SANDBOX_USER] = "becoming nobody",
	[QOS_SANDBOX_RIGHTS] = "giving up all rights",
	[QOS_SANDBOX_FILES] = "closing files",
	[QOS_SANDBOX_PROGRAM] = "starting its program",
};

static int limit(int resource, rlim_t value)
{
	const struct rlimit rlimit = {value, value};

	return setrlimit(resource, &rlimit);
}

static bool set_limits(void)
{
	return limit(RLIMIT_AS, QOS_SANDBOX_BYTES) == 0 && limit(RLIMIT_DATA, DATA_BYTES) == 0 &&
	       limit(RLIMIT_STACK, 4 * STACK_BYTES) == 0 && limit(RLIMIT_CORE, 0) == 0 &&
	       limit(RLIMIT_FSIZE, 0) == 0 && limit(RLIMIT_RTTIME, RUN_US) == 0 &&
	       limit(RLIMIT_MEMLOCK, 0) == 0 && limit(RLIMIT_MSGQUEUE, 0) == 0 &&
	       limit(RLIMIT_SIGPENDING, 16) == 0;
}

/* The signal at the parent's end is forgotten whenever the user changes; so it comes after. */
static bool drop_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capset, &header, none) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && limit(RLIMIT_NPROC, 1) == 0;
}

/* 0 to 3 may be among what is to stand there, so all of it goes up first. */
static bool place_files(const struct qos_sandbox_enter *enter, int *program)
{
	const int wanted[] = {[QOS_TALK_TEXT] = enter->text_fd,
			      [QOS_TALK_SOCKET] = enter->socket_fd,
			      [QOS_TALK_RING] = enter->ring_fd,
			      [QOS_TALK_STATE] = enter->state_fd};
	int above[QOS_TALK_FDS];

	*program = fcntl(enter->program_fd, F_DUPFD_CLOEXEC, 2 * QOS_TALK_FDS);
	for (int i = 0; i < QOS_TALK_FDS; i++) {
		above[i] = wanted[i] < 0 ? -1 : fcntl(wanted[i], F_DUPFD_CLOEXEC, 2 * QOS_TALK_FDS);
		if (wanted[i] >= 0 && above[i] < 0)
			return false;
	}
	for (int i = 0; i < QOS_TALK_FDS; i++) {
		if (above[i] < 0)
			close(i);
		else if (dup2(above[i], i) < 0)
			return false;
	}
	if (*program < 0 || dup3(*program, QOS_TALK_FDS, O_CLOEXEC) < 0)
		return false;
	*program = QOS_TALK_FDS;
	return syscall(SYS_close_range, QOS_TALK_FDS + 1, ~0U, 0) == 0 &&
	       limit(RLIMIT_NOFILE, QOS_TALK_FDS) == 0;
}

static int enter_all(void *data)
{
	const struct qos_sandbox_enter *enter = data;
	char *const no_environment[] = {NULL};
	int program;
	char go;

	if (recv(enter->socket_fd, &go, 1, 0) != 1)
		return QOS_SANDBOX_WAIT;
	if (fchdir(enter->root_fd) < 0 || chroot(".") < 0)
		return QOS_SANDBOX_ROOT;
	if (!set_limits())
		return QOS_SANDBOX_LIMITS;
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
		return QOS_SANDBOX_USER;
	if (!drop_rights())
		return QOS_SANDBOX_RIGHTS;
	if (!place_files(enter, &program))
		return QOS_SANDBOX_FILES;
	syscall(SYS_execveat, program, "", enter->arguments, no_environment, AT_EMPTY_PATH);
	return QOS_SANDBOX_PROGRAM;
}

static int put_map(pid_t pid, const char *kind, uint32_t id)
{
	_cleanup_close_ int fd = -1;
	char path[64], line[64];
	int length;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, kind);
	length = snprintf(line, sizeof(line), "%d %u 1\n", NOBODY, id);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, line, (size_t)length) == length ? 0 : -errno;
}

/* A child with a copy of our memory; the stack is a part of that copy. */
static pid_t clone_into(int (*run)(void *data), void *data, int *ret_pidfd)
{
	static char stack[STACK_BYTES] __attribute__((aligned(16)));
	pid_t pid = clone(run, stack + sizeof(stack), NAMESPACES | CLONE_PIDFD | SIGCHLD, data,
			  ret_pidfd);

	return pid < 0 ? -errno : pid;
}

int qos_sandbox_enter(const struct qos_sandbox_enter *enter, int go_fd, pid_t *ret_pid,
		      int *ret_pidfd)
{
	static const char go = 1;
	int pidfd = -1, r;
	pid_t pid = clone_into(enter_all, (void *)enter, &pidfd);

	if (pid < 0)
		return pid;
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	r = put_map(pid, "gid_map", enter->uid);
	if (r == 0)
		r = put_map(pid, "uid_map", enter->uid);
	if (r == 0 && send(go_fd, &go, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		r = -errno;
	return r;
}

/* --- could it be done? --- */

static int end_at_once(void *data)
{
	return 0;
}

int qos_sandbox_probe(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;
	int pidfd = -1;
	pid_t pid;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0)
		return errno == EOPNOTSUPP || errno == EINVAL ? -ENOSYS : -errno;
	pid = clone_into(end_at_once, NULL, &pidfd);
	if (pid < 0)
		return pid;
	waitpid(pid, NULL, 0);
	close(pidfd);
	return 0;
}
