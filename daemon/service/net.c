/* SPDX-License-Identifier: GPL-2.0-only */
/* What network service managers share: which classes are ours, and walking them. */
#include "service/net.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "admit/link.h"

uint64_t qos_net_wire_bps(const struct qos_net_stream *wish, uint64_t rate_bps)
{
	return (uint64_t)((unsigned __int128)rate_bps * (wish->packet_bytes + QOS_LINK_FRAMING) /
			  wish->packet_bytes);
}

/* The stream's minor; 0: it is none of ours, or no stream's. */
static uint16_t minor_of(const struct qos_tc_class *class)
{
	uint16_t minor = (uint16_t)TC_H_MIN(class->handle);

	return TC_H_MAJ(class->handle) == QOS_TC_HANDLE && minor >= QOS_NET_MINOR_FIRST &&
			       minor <= QOS_NET_MINOR_LAST
		       ? minor
		       : 0;
}

/* Which classes of ours are there. */
struct present {
	const struct qos_net_link *link;
	uint16_t gone[QOS_NET_MINOR_LAST - QOS_NET_MINOR_FIRST + 1];
	size_t n;
};

static int take_class(void *data, const struct qos_tc_class *class)
{
	struct present *present = data;
	uint16_t minor = minor_of(class);

	if (!minor || present->n == QOS_ARRAY_SIZE(present->gone))
		return 0;
	for (size_t i = 0; i < present->link->n; i++) {
		if (present->link->classes[i].minor == minor)
			return 0;
	}
	present->gone[present->n++] = minor;
	return 0;
}

int qos_net_drop_others(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	_cleanup_free_ struct present *present = calloc(1, sizeof(*present));
	int r;

	if (!present)
		return -ENOMEM;
	present->link = link;
	r = qos_tc_each_class(tc, link->ifindex, take_class, present);
	for (size_t i = 0; r >= 0 && i < present->n; i++)
		r = qos_tc_send(tc,
				qos_tc_message(RTM_DELTCLASS, link->ifindex,
					       QOS_TC_HANDLE | present->gone[i], 0, NULL),
				0, diag);
	return r < 0 ? r : 0;
}

/* A queue that the kernel made by itself has no handle, and is not in the way. */
void qos_net_put_rest(struct qos_tc *tc, int ifindex, uint32_t class)
{
	qos_tc_send(tc, qos_tc_message(RTM_NEWQDISC, ifindex, 0, class, "fq_codel"),
		    NLM_F_CREATE | NLM_F_EXCL, NULL);
}

struct reader {
	const struct qos_net_ops *ops;
	qos_net_visit_fn visit;
	void *data;
};

static int take_stats(void *data, const struct qos_tc_class *class)
{
	const struct reader *reader = data;
	struct qos_net_stats stats = {};

	if (!minor_of(class))
		return 0;
	reader->ops->read_class(class, &stats);
	reader->visit(reader->data, minor_of(class), &stats);
	return 0;
}

int qos_net_read(const struct qos_net_ops *ops, struct qos_tc *tc, int ifindex,
		 qos_net_visit_fn visit, void *data)
{
	struct reader reader = {.ops = ops, .visit = visit, .data = data};

	return qos_tc_each_class(tc, ifindex, take_stats, &reader);
}
