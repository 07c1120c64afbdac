/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A netlink socket of any protocol: requests that are answered before the call returns, and ears for
 * multicast. kern/genl.c and kern/tc.c stand on it.
 */
#pragma once

#include <linux/netlink.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"
#include "util/diag.h"

#define QOS_NETLINK_BUFFER 65536 /* the longest message that is read */

struct qos_netlink;

/* A connection for requests of a protocol (NETLINK_ROUTE, ...). `call` names it for
 * qos_errno_advice and is borrowed. 0 or -errno. */
int qos_netlink_new(int protocol, const char *call, struct qos_netlink **ret);
void qos_netlink_free(struct qos_netlink *netlink);
QOS_DEFINE_CLEANUP(struct qos_netlink *, qos_netlink_free)
#define _cleanup_netlink_ QOS_CLEANUP(qos_netlink_freep)

/* Gets each answer; what it returns, if < 0, is the request's outcome. */
typedef int (*qos_netlink_handle_fn)(void *data, const struct nlmsghdr *message);

/*
 * Carries out a request and frees the message, also on failure; NULL is -ENOMEM. flags: NLM_F_ACK or
 * NLM_F_DUMP, with others of the request. `handle` and `diag` may be NULL; the kernel's own sentence
 * goes into diag, else errno's cause and remedy. 0, -EINTR (a dump in whose midst something changed),
 * -ETIMEDOUT (no answer in a second), -EBADMSG, -errno.
 */
int qos_netlink_call(struct qos_netlink *netlink, struct nl_msg *message, int flags,
		     qos_netlink_handle_fn handle, void *data, struct qos_diag *diag);

/* A socket to hear multicast with, its buffer as large as the caller may have it. */
int qos_netlink_ears_new(int protocol, struct nl_sock **ret);
int qos_netlink_join(struct nl_sock *ears, uint32_t group);

/* The next datagram of the kernel's, of at most QOS_NETLINK_BUFFER bytes, without waiting: its length,
 * 0 (it is not the kernel's), -EAGAIN (none), -ENOBUFS or -EMSGSIZE (some are lost), -errno. */
ssize_t qos_netlink_hear(struct nl_sock *ears, uint8_t *buffer);

/* The outcome in an NLMSG_ERROR (0: it is an acknowledgement) and the kernel's sentence, or NULL.
 * -EBADMSG: it is none. */
int qos_netlink_outcome(const struct nlmsghdr *message, const char **ret_words);

/* What errno means on this connection, into diag (may be NULL); `words`: the kernel's own, or NULL. */
void qos_netlink_complain(struct qos_diag *diag, const char *call, const char *words, int error);
