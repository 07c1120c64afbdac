/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interfaces and their queues over rtnetlink: facts, qdiscs, classes, statistics, and what others do to
 * them. Of the network namespace that the daemon runs in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/netlink.h"
#include "util/cleanup.h"
#include "util/diag.h"

#define QOS_TC_MAJOR  0x5105U /* of qosd's own roots, which are told by it */
#define QOS_TC_HANDLE (QOS_TC_MAJOR << 16)

struct qos_tc;

/* 0 or -errno. */
int qos_tc_new(struct qos_tc **ret);
void qos_tc_free(struct qos_tc *tc);
QOS_DEFINE_CLEANUP(struct qos_tc *, qos_tc_free)
#define _cleanup_tc_ QOS_CLEANUP(qos_tc_freep)

struct qos_tc_link {
	int ifindex;
	char name[16];
	uint64_t speed_bps;	/* 0: the driver does not say, or nothing is connected */
	uint32_t largest_bytes; /* that it is given at one go */
};

struct qos_tc_qdisc {
	int ifindex;
	uint32_t handle; /* 0: the kernel made it by itself */
	uint32_t parent; /* TC_H_ROOT, TC_H_CLSACT, or a class */
	char kind[16];
	const void *options; /* TCA_OPTIONS as the kernel gives and takes them; borrowed */
	size_t options_len;
};

struct qos_tc_stats {
	uint64_t bytes;
	uint64_t packets;
	uint64_t dropped;
	uint64_t backlog_bytes;
};

struct qos_tc_filter {
	uint32_t handle;
	uint32_t parent;
	uint32_t preference;
	char name[16]; /* of a BPF filter, cut short */
};

struct qos_tc_class {
	int ifindex;
	uint32_t handle;
	uint32_t parent;
	char kind[16];
	struct qos_tc_stats stats;
	const void *app; /* TCA_STATS_APP: what its kind counts beside; borrowed */
	size_t app_len;
};

/* Calls visit for each, until one returns non-zero; ifindex 0: of all. That, 0, or -errno. A dump in
 * whose midst something changed is begun anew, so visit may see a thing twice. */
int qos_tc_each_link(struct qos_tc *tc, int (*visit)(void *data, const struct qos_tc_link *link),
		     void *data);
int qos_tc_each_qdisc(struct qos_tc *tc, int ifindex,
		      int (*visit)(void *data, const struct qos_tc_qdisc *qdisc), void *data);
int qos_tc_each_class(struct qos_tc *tc, int ifindex,
		      int (*visit)(void *data, const struct qos_tc_class *class), void *data);

int qos_tc_each_filter(struct qos_tc *tc, int ifindex, uint32_t parent,
		       int (*visit)(void *data, const struct qos_tc_filter *filter), void *data);

/* The root of an interface; *ret_options (free()) may be NULL if they are not wanted. -ENOENT: it has
 * none, -ENODEV: no such interface. */
int qos_tc_root(struct qos_tc *tc, int ifindex, struct qos_tc_qdisc *ret, void **ret_options);

/* A message RTM_NEWQDISC, _DELQDISC, _NEWTCLASS, _DELTCLASS; NULL: no memory. Options go behind, then
 * qos_tc_send, with NLM_F_CREATE and the like. 0 or -errno with the kernel's sentence in diag. */
struct nl_msg *qos_tc_message(int type, int ifindex, uint32_t handle, uint32_t parent,
			      const char *kind);
int qos_tc_send(struct qos_tc *tc, struct nl_msg *message, int flags, struct qos_diag *diag);

/* TCA_OPTIONS of a message. begin: flags NLA_F_NESTED or 0; NULL: no message, or no room. end: r is what
 * came of filling them; if negative the message is given up. Returns what is to be sent. */
struct nlattr *qos_tc_options_begin(struct nl_msg *message, int flags);
struct nl_msg *qos_tc_options_end(struct nl_msg *message, struct nlattr *options, int r);

/* Sets a qdisc as it was read, replacing what is there. 0 or -errno. */
int qos_tc_qdisc_put(struct qos_tc *tc, const struct qos_tc_qdisc *qdisc, struct qos_diag *diag);
int qos_tc_qdisc_del(struct qos_tc *tc, int ifindex, uint32_t handle, uint32_t parent,
		     struct qos_diag *diag);

/* Readable when an interface or a queue changed, whoever did it; `hear` takes all that was said. True:
 * something was, or was lost. */
int qos_tc_fd(const struct qos_tc *tc);
bool qos_tc_hear(struct qos_tc *tc);
