/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One generic netlink family: whether it is there, requests to it, and what it says by itself. The
 * family is a module's, so it may come and go at any time; nlctrl tells.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kern/netlink.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_genl;

/* Opens the sockets and looks whether the family is there: that is no error either way. `groups`: the
 * multicast groups to hear, NULL-terminated, borrowed like `family`. 0 or -errno. */
int qos_genl_new(const char *family, const char *const *groups, struct qos_genl **ret);
void qos_genl_free(struct qos_genl *genl);
QOS_DEFINE_CLEANUP(struct qos_genl *, qos_genl_free)
#define _cleanup_genl_ QOS_CLEANUP(qos_genl_freep)

bool qos_genl_is_there(const struct qos_genl *genl);

/* --- requests: the kernel answers before the call returns, or it is given up after a second --- */

/* A message for the family, to be filled and handed to one of the calls below, which free it, also
 * when they fail. NULL: no memory, or no family (then the calls say so). */
struct nl_msg *qos_genl_message(struct qos_genl *genl, uint8_t cmd);

/* Does what the message says. `handle` (may be NULL) gets each answer; what it returns, if < 0, is
 * the call's outcome. The kernel's own sentence goes into diag (may be NULL), else errno's cause and
 * remedy. 0, -ENODEV (no family), -EBADMSG, -errno. */
int qos_genl_call(struct qos_genl *genl, struct nl_msg *message, qos_netlink_handle_fn handle,
		  void *data, struct qos_diag *diag);

/* As a dump. -EINTR: something changed in its midst, so what was handled is of no use: dump again. */
int qos_genl_dump(struct qos_genl *genl, struct nl_msg *message, qos_netlink_handle_fn handle,
		  void *data);

/* --- what the family says by itself --- */

struct qos_genl_ears {
	void (*presence)(void *data, bool there);
	void (*message)(void *data, const struct nlmsghdr *message);
	void (*lost)(
		void *data); /* the socket ran full: some messages, nobody knows which, are gone */
};

#define QOS_GENL_DISPATCH_MAX 256

/* Polls readable when something was said; dispatch hands on at most QOS_GENL_DISPATCH_MAX messages and
 * never waits. The number, or -errno. */
int qos_genl_fd(const struct qos_genl *genl);
int qos_genl_dispatch(struct qos_genl *genl, const struct qos_genl_ears *ears, void *data);
