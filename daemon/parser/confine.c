/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parser's way in, before its first byte of input: another user, no group, no capability, no new privilege,
 * no file, limits, and then the list of system calls, behind which the rest would not be needed.
 *
 * Where the daemon may not change users (packaging/systemd/processes.conf is not in use) it stays the daemon's, without a
 * capability: nothing on the list names a file, a process or an address, so a user has nothing to do with it.
 */
#include "parser/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define NOBODY_ELSE                                                                                \
	2147399999U /* below the users of sandboxes: processes of `nobody` could send signals */
#define BYTES  (128UL << 20)
#define CPU_S  30
#define RUN_US 2000000 /* of CPU time under a real-time policy without ever waiting */

static bool has_capability(unsigned int bit)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	return syscall(SYS_capget, &header, data) == 0 && data[0].effective >> bit & 1;
}

/* The saved one stays root, by which the daemon, which has no CAP_KILL, may end it; to go back to it takes a call that
 * is not on the list. */
static bool change_user(void)
{
	if (!has_capability(CAP_SETUID) || !has_capability(CAP_SETGID))
		return true;
	return setgroups(0, NULL) == 0 && setresgid(NOBODY_ELSE, NOBODY_ELSE, NOBODY_ELSE) == 0 &&
	       setresuid(NOBODY_ELSE, NOBODY_ELSE, (uid_t)-1) == 0;
}

/* The signal at the daemon's end is forgotten whenever the user changes; so it comes after. */
static bool drop_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	return change_user() && syscall(SYS_capset, &header, none) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 &&
	       syscall(SYS_close_range, STDIN_FILENO + 1, ~0U, 0) == 0;
}

static int limit(int resource, rlim_t value)
{
	const struct rlimit rlimit = {value, value};

	return setrlimit(resource, &rlimit);
}

static bool set_limits(void)
{
	return limit(RLIMIT_AS, BYTES) == 0 && limit(RLIMIT_CPU, CPU_S) == 0 &&
	       limit(RLIMIT_RTTIME, RUN_US) == 0 && limit(RLIMIT_CORE, 0) == 0 &&
	       limit(RLIMIT_FSIZE, 0) == 0 && limit(RLIMIT_NPROC, 0) == 0 &&
	       limit(RLIMIT_MEMLOCK, 0) == 0 && limit(RLIMIT_NOFILE, STDIN_FILENO + 1) == 0;
}

struct allowed {
	int call;
	unsigned int n;
	struct scmp_arg_cmp arguments[2];
};

/* Memory of its own that is no code; its socket. */
#define NO_CODE SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

static const struct allowed list[] = {
	{SCMP_SYS(read), 1, {SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO)}},
	{SCMP_SYS(write), 1, {SCMP_A0(SCMP_CMP_EQ, STDIN_FILENO)}},
	{SCMP_SYS(brk)},
	{SCMP_SYS(mmap), 2, {NO_CODE, SCMP_A3(SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS)}},
	{SCMP_SYS(munmap)},
	{SCMP_SYS(mremap)},
	{SCMP_SYS(exit_group)},
	{SCMP_SYS(restart_syscall)},
	{SCMP_SYS(rt_sigreturn)},
};

int qos_parser_confine(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < QOS_ARRAY_SIZE(list); i++)
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, list[i].call, list[i].n,
					   list[i].arguments);
	if (r == 0 && !(drop_rights() && set_limits()))
		r = -errno ?: -EPERM;
	return r < 0 ? r
		     : seccomp_load(filter); /* its memory stays: it is as long as the process */
}
