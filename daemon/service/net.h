/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A network service manager: what makes a link keep its grants. One struct of operations, an
 * implementation a file (net_native.c, net_module.c). It changes queues only; what was there before, and
 * which packets belong to which class, is the supervisor's affair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admit/grant.h"
#include "contract/contract.h"
#include "kern/tc.h"
#include "util/diag.h"

#define QOS_NET_MINOR_FIRST 0x10
#define QOS_NET_MINOR_LAST  0xfff0

/* Bytes of QOS_LINK_FRAMING that are in a packet's length in a queue: addresses and type. */
#define QOS_NET_COUNTED 14

/* One stream on the link. */
struct qos_net_class {
	uint16_t minor;
	const struct qos_net_stream *wish; /* borrowed, as all here */
	const struct qos_net_grant *grant;
	uint64_t rate_bps; /* in force: the grant's, or what a rule set */
	uint32_t flow;	   /* whose rules the module's class follows by itself; 0: nobody's */
};

struct qos_net_link {
	int ifindex;
	uint64_t bps;
	uint64_t largest_bytes;
	uint32_t share_ppm; /* kept for what belongs to no class */
	const struct qos_net_class *classes;
	size_t n;
};

/* What a class counted since it was made. */
struct qos_net_stats {
	struct qos_tc_stats tc;
	bool by_window; /* the rest is counted, packet by packet */
	uint64_t served;
	uint64_t lost;
	uint64_t windows;
	uint64_t violations;
	uint64_t late;
	uint64_t delay_max_ns;
};

struct qos_net_ops {
	const char *name; /* "native", "module" */
	const char *kind; /* of its root */
	bool windows;	  /* are enforced */
	/* Makes root and classes as the link says and takes classes away that it does not name. The root
	 * is one of ours of this kind, the kernel's own, or one that may be replaced. 0, or -errno with
	 * words in diag: then some classes may be as they were. */
	int (*set)(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag);
	void (*read_class)(const struct qos_tc_class *class, struct qos_net_stats *ret);
};

extern const struct qos_net_ops qos_net_native; /* htb, with fq or pfifo below */
extern const struct qos_net_ops qos_net_module; /* the module's queue, dwcs */

/* Calls visit for each stream's class of ours. 0 or -errno. */
typedef void (*qos_net_visit_fn)(void *data, uint16_t minor, const struct qos_net_stats *stats);
int qos_net_read(const struct qos_net_ops *ops, struct qos_tc *tc, int ifindex,
		 qos_net_visit_fn visit, void *data);

/* For both: takes away classes of ours that the link does not name. 0 or -errno, words in diag. */
int qos_net_drop_others(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag);

/* For both: what no contract claims is shared flow by flow and kept short (fq_codel), where the kernel has that
 * and nobody chose something else; else it stays one queue. */
void qos_net_put_rest(struct qos_tc *tc, int ifindex, uint32_t class);

/* A rate of largest packets as the wire has it, framing included. */
uint64_t qos_net_wire_bps(const struct qos_net_stream *wish, uint64_t rate_bps);
