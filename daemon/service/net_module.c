/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A link under the module's queue dwcs (kmod/uapi/qos_sch_dwcs.h): a class a stream, served by windows,
 * and the default class for what no contract claims, with its share. Windows are counted there, packet by
 * packet.
 */
#include "service/net.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "admit/link.h"
#include "uapi/qos_sch_dwcs.h"

static int put_root(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	struct nl_msg *message = qos_tc_message(RTM_NEWQDISC, link->ifindex, QOS_TC_HANDLE,
						TC_H_ROOT, QOS_SCH_DWCS_KIND);
	struct nlattr *options = qos_tc_options_begin(message, NLA_F_NESTED);
	uint32_t share =
		link->share_ppm < QOS_SCH_DWCS_SHARE_MAX ? link->share_ppm : QOS_SCH_DWCS_SHARE_MAX;
	int r = options ? nla_put_u64(message, QOS_SCH_DWCS_A_RATE, link->bps / 8) : -ENOMEM;

	if (r == 0)
		r = nla_put_u32(message, QOS_SCH_DWCS_A_OVERHEAD,
				QOS_LINK_FRAMING - QOS_NET_COUNTED);
	if (r == 0)
		r = nla_put_u32(message, QOS_SCH_DWCS_A_SHARE, share);
	return qos_tc_send(tc, qos_tc_options_end(message, options, r),
			   NLM_F_CREATE | NLM_F_REPLACE, diag);
}

/* The packet as the device gets it has its link header. The window of the algorithm is 0/0 for none. */
static int put_stream(struct nl_msg *message, const struct qos_net_class *class)
{
	const struct qos_net_stream *wish = class->wish;
	uint64_t packet = wish->packet_bytes + QOS_NET_COUNTED, period_ns = wish->period.ns;
	uint64_t rate =
		(class->rate_bps / 8 * packet + wish->packet_bytes - 1) / wish->packet_bytes;
	uint64_t least = (packet * 1000000000 + period_ns - 1) / period_ns;

	if (packet > QOS_SCH_DWCS_PACKET_MAX || period_ns < QOS_SCH_DWCS_PERIOD_MIN_NS)
		return -ERANGE;
	if (nla_put_u64(message, QOS_SCH_DWCS_CLASS_A_RATE, rate > least ? rate : least) < 0 ||
	    nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_PACKET, (uint32_t)packet) < 0 ||
	    nla_put_u64(message, QOS_SCH_DWCS_CLASS_A_PERIOD, period_ns) < 0 ||
	    nla_put_u64(message, QOS_SCH_DWCS_CLASS_A_DEADLINE, wish->deadline_ns) < 0 ||
	    nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_X, wish->window.x) < 0 ||
	    nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_Y, wish->window.y) < 0 ||
	    nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_LATE,
			wish->late == QOS_LATE_SEND ? QOS_SCH_DWCS_LATE_SEND
						    : QOS_SCH_DWCS_LATE_DROP) < 0)
		return -ENOMEM;
	if (nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_EXCESS,
			wish->excess == QOS_EXCESS_HOLD ? QOS_SCH_DWCS_EXCESS_HOLD
							: QOS_SCH_DWCS_EXCESS_SEND) < 0 ||
	    nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_FLOW, class->flow) < 0)
		return -ENOMEM;
	return nla_put_u32(message, QOS_SCH_DWCS_CLASS_A_LIMIT, wish->limit);
}

static int put_class(struct qos_tc *tc, int ifindex, const struct qos_net_class *class,
		     struct qos_diag *diag)
{
	struct nl_msg *message =
		qos_tc_message(RTM_NEWTCLASS, ifindex, QOS_TC_HANDLE | class->minor, QOS_TC_HANDLE,
			       QOS_SCH_DWCS_KIND);
	struct nlattr *options = qos_tc_options_begin(message, NLA_F_NESTED);
	int r = options ? put_stream(message, class) : -ENOMEM;

	message = qos_tc_options_end(message, options, r);
	if (r == -ERANGE) {
		qos_diag_error(diag, &class->wish->loc,
			       "%s: packets or periods that the queue dwcs does not take",
			       class->wish->name);
		return r;
	}
	return qos_tc_send(tc, message, NLM_F_CREATE | NLM_F_REPLACE, diag);
}

static int set(struct qos_tc *tc, const struct qos_net_link *link, struct qos_diag *diag)
{
	int r = put_root(tc, link, diag);

	if (r == 0)
		r = qos_net_drop_others(tc, link, diag);
	if (r == 0)
		qos_net_put_rest(tc, link->ifindex, QOS_TC_HANDLE | QOS_SCH_DWCS_MINOR_DEFAULT);
	for (size_t i = 0; r == 0 && i < link->n; i++)
		r = put_class(tc, link->ifindex, &link->classes[i], diag);
	return r;
}

static void read_class(const struct qos_tc_class *class, struct qos_net_stats *ret)
{
	struct qos_sch_dwcs_class_stats app = {};

	if (class->app_len)
		memcpy(&app, class->app,
		       class->app_len < sizeof(app) ? class->app_len : sizeof(app));
	*ret = (struct qos_net_stats){
		.tc = class->stats,
		.by_window = true,
		.served = app.served,
		.lost = app.lost,
		.windows = app.windows,
		.violations = app.violations,
		.late = app.late,
		.delay_max_ns = app.delay_max_ns,
	};
	ret->tc.dropped = app.dropped_late + app.dropped_limit + app.dropped_purged;
}

const struct qos_net_ops qos_net_module = {.name = "module",
					   .kind = QOS_SCH_DWCS_KIND,
					   .windows = true,
					   .set = set,
					   .read_class = read_class};
