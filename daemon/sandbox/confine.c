/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls of a sandbox. The list is what its loop needs and nothing else: events come by a mapping
 * that is there, the clock is the event's own, memory was taken before. Where a call names a descriptor
 * it must be the socket's; a peer's address cannot be given, and no descriptor can be sent or taken.
 */
#include "sandbox/confine.h"

#include <errno.h>
#include <seccomp.h>

#include "extension/talk.h"
#include "util/cleanup.h"

struct allowed {
	int call;
	bool on_socket; /* its first argument */
	int no_address; /* argument that must be NULL; 0: none */
};

static const struct allowed list[] = {
	{SCMP_SYS(poll)},
	{SCMP_SYS(ppoll)}, /* poll, where that is no system call */
	{SCMP_SYS(recvfrom), true, 4},
	{SCMP_SYS(sendto), true, 4},
	{SCMP_SYS(exit_group)},
	{SCMP_SYS(restart_syscall)}, /* poll, after a stop */
	{SCMP_SYS(rt_sigreturn)},
};

static int allow(scmp_filter_ctx filter, const struct allowed *allowed)
{
	const struct scmp_arg_cmp compare[] = {
		SCMP_A0(SCMP_CMP_EQ, QOS_TALK_SOCKET),
		SCMP_CMP((unsigned int)allowed->no_address, SCMP_CMP_EQ, 0),
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed->call,
				      allowed->on_socket ? QOS_ARRAY_SIZE(compare) : 0, compare);
}

int qos_confine(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < QOS_ARRAY_SIZE(list); i++)
		r = allow(filter, &list[i]);
	if (r == 0)
		r = seccomp_load(filter);
	return r; /* the filter's memory stays: to free it might be a call that is not on the list */
}
