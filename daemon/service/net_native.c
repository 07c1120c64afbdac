/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A link under htb:
 *
 *	5105:		all that the link can do
 *	 5105:1		at its rate, so that packets wait here and not behind the interface
 *	  5105:2	what no contract claims: its share, and whatever is left, at the lowest priority
 *	  5105:10 ...	a class a stream: its rate, no more, by its level of priority
 *
 * A stream's bucket holds one packet, which is what admit/link.c proves its bound from. Below a class
 * lies fq where the kernel has it (packets go when their sender wants them to: EDT), else pfifo.
 *
 * Weakness: windows are not known here. What a class drops is counted, and judged a turn at a time.
 */
#include "service/net.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include "admit/link.h"
#include "kern/tc_htb.h"

#define ROOT_MINOR    1
#define DEFAULT_MINOR 2
#define LOWEST	      7
#define QUANTUM_MIN   1000
#define BURST_NS      200000 /* at the link's rate: the kernel need not be woken for each packet */

static struct qos_htb_class class_of(const struct qos_net_class *class)
{
	uint64_t wire = qos_net_wire_bps(class->wish, class->rate_bps);
	uint64_t packet = class->wish->packet_bytes + QOS_LINK_FRAMING;

	return (struct qos_htb_class){
		.handle = QOS_TC_HANDLE | class->minor,
		.parent = QOS_TC_HANDLE | ROOT_MINOR,
		.rate_bps = wire,
		.ceil_bps = wire,
		.burst_bytes = packet,
		.quantum_bytes = packet > QUANTUM_MIN ? (uint32_t)packet : QUANTUM_MIN,
		.priority = class->grant->level,
		.framing_bytes = QOS_LINK_FRAMING - QOS_NET_COUNTED,
	};
}

static int put_frame(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	uint64_t burst = link->bps / 8 * BURST_NS / 1000000000;
	struct qos_htb_class class = {
		.handle = QOS_TC_HANDLE | ROOT_MINOR,
		.parent = QOS_TC_HANDLE,
		.rate_bps = link->bps,
		.ceil_bps = link->bps,
		.burst_bytes = burst > link->largest_bytes ? burst : link->largest_bytes,
		.quantum_bytes = (uint32_t)link->largest_bytes + QUANTUM_MIN,
		.framing_bytes = QOS_LINK_FRAMING - QOS_NET_COUNTED,
	};
	int r = qos_htb_class_put(tc, link->ifindex, &class, diag);

	class.handle = QOS_TC_HANDLE | DEFAULT_MINOR;
	class.parent = QOS_TC_HANDLE | ROOT_MINOR;
	class.rate_bps = (uint64_t)((unsigned __int128)link->bps * link->share_ppm / 1000000);
	class.priority = LOWEST;
	return r < 0 ? r : qos_htb_class_put(tc, link->ifindex, &class, diag);
}

static int put_classes(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	const char *kind;
	int r = 0;

	for (size_t i = 0; r == 0 && i < link->n; i++) {
		const struct qos_net_class *class = &link->classes[i];
		struct qos_htb_class htb = class_of(class);

		r = qos_htb_class_put(tc, link->ifindex, &htb, diag);
		if (r == 0)
			r = qos_htb_leaf(tc, link->ifindex, htb.handle, class->wish->limit, diag,
					 &kind);
	}
	return r;
}

static int set(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	struct qos_tc_qdisc root = {};
	int r = qos_tc_root(tc, link->ifindex, &root, NULL);

	if (r == -ENOENT || (r == 0 && root.handle != QOS_TC_HANDLE))
		r = qos_htb_root(tc, link->ifindex, QOS_TC_HANDLE, DEFAULT_MINOR, diag);
	if (r == 0)
		r = qos_net_drop_others(tc, link, diag);
	if (r == 0)
		r = put_frame(tc, link, diag);
	if (r == 0)
		qos_net_put_rest(tc, link->ifindex, QOS_TC_HANDLE | DEFAULT_MINOR);
	return r < 0 ? r : put_classes(tc, link, diag);
}

static void read_class(const struct qos_tc_class *class, struct qos_net_stats *ret)
{
	ret->tc = class->stats;
}

const struct qos_net_ops qos_net_native = {
	.name = "native", .kind = "htb", .set = set, .read_class = read_class};
