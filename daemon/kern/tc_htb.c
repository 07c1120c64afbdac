/* SPDX-License-Identifier: GPL-2.0-only */
/* Attributes of htb as include/uapi/linux/pkt_sched.h has them. Rate tables, which tc still sends, are
 * not needed since 3.8 if the link layer is named. */
#include "kern/tc_htb.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#define VERSION	       3
#define RATE2QUANTUM   10
#define TICK_NS	       64 /* of buffer and cbuffer */
#define LAYER_ETHERNET 1  /* TC_LINKLAYER_ETHERNET, which is no part of the user's headers */

int qos_htb_root(struct qos_tc *tc, int ifindex, uint32_t handle, uint32_t default_minor,
		 struct qos_diag *diag)
{
	const struct tc_htb_glob global = {
		.version = VERSION, .rate2quantum = RATE2QUANTUM, .defcls = default_minor};
	struct nl_msg *message = qos_tc_message(RTM_NEWQDISC, ifindex, handle, TC_H_ROOT, "htb");
	struct nlattr *options = qos_tc_options_begin(message, 0);
	int r = options ? nla_put(message, TCA_HTB_INIT, sizeof(global), &global) : -ENOMEM;

	return qos_tc_send(tc, qos_tc_options_end(message, options, r),
			   NLM_F_CREATE | NLM_F_REPLACE, diag);
}

static uint32_t ticks(uint64_t bytes, uint64_t rate_bps)
{
	unsigned __int128 ns = (unsigned __int128)bytes * 8 * 1000000000 / rate_bps;

	return ns / TICK_NS < UINT32_MAX ? (uint32_t)(ns / TICK_NS) : UINT32_MAX;
}

/* Rates of 2^32 bytes a second and more go into an attribute of their own. */
static struct tc_ratespec rate_of(uint64_t bps, uint32_t framing_bytes)
{
	return (struct tc_ratespec){
		.linklayer = LAYER_ETHERNET,
		.overhead = (unsigned short)framing_bytes,
		.rate = bps / 8 < UINT32_MAX ? (uint32_t)(bps / 8) : UINT32_MAX,
	};
}

static int put_class(struct nl_msg *message, const struct qos_htb_class *class)
{
	const struct tc_htb_opt opt = {
		.rate = rate_of(class->rate_bps, class->framing_bytes),
		.ceil = rate_of(class->ceil_bps, class->framing_bytes),
		.buffer = ticks(class->burst_bytes, class->rate_bps),
		.cbuffer = ticks(class->burst_bytes, class->ceil_bps),
		.quantum = class->quantum_bytes,
		.prio = class->priority,
	};

	if (class->rate_bps / 8 >= UINT32_MAX &&
	    nla_put_u64(message, TCA_HTB_RATE64, class->rate_bps / 8) < 0)
		return -ENOMEM;
	if (class->ceil_bps / 8 >= UINT32_MAX &&
	    nla_put_u64(message, TCA_HTB_CEIL64, class->ceil_bps / 8) < 0)
		return -ENOMEM;
	return nla_put(message, TCA_HTB_PARMS, sizeof(opt), &opt);
}

int qos_htb_class_put(struct qos_tc *tc, int ifindex, const struct qos_htb_class *class,
		      struct qos_diag *diag)
{
	struct nl_msg *message =
		qos_tc_message(RTM_NEWTCLASS, ifindex, class->handle, class->parent, "htb");
	struct nlattr *options = qos_tc_options_begin(message, 0);
	int r = options ? put_class(message, class) : -ENOMEM;

	return qos_tc_send(tc, qos_tc_options_end(message, options, r),
			   NLM_F_CREATE | NLM_F_REPLACE, diag);
}

static int put_fq(struct qos_tc *tc, int ifindex, uint32_t class, uint32_t packets)
{
	struct nl_msg *message = qos_tc_message(RTM_NEWQDISC, ifindex, 0, class, "fq");
	struct nlattr *options = qos_tc_options_begin(message, 0);
	int r = options ? nla_put_u32(message, TCA_FQ_PLIMIT, packets) : -ENOMEM;

	if (r == 0)
		r = nla_put_u32(message, TCA_FQ_FLOW_PLIMIT, packets);
	return qos_tc_send(tc, qos_tc_options_end(message, options, r),
			   NLM_F_CREATE | NLM_F_REPLACE, NULL);
}

int qos_htb_leaf(struct qos_tc *tc, int ifindex, uint32_t class, uint32_t packets,
		 struct qos_diag *diag, const char **ret_kind)
{
	const struct tc_fifo_qopt limit = {.limit = packets};
	const struct qos_tc_qdisc fifo = {.ifindex = ifindex,
					  .parent = class,
					  .kind = "pfifo",
					  .options = &limit,
					  .options_len = sizeof(limit)};

	*ret_kind = "fq";
	if (put_fq(tc, ifindex, class, packets) == 0)
		return 0;
	*ret_kind = "pfifo";
	return qos_tc_qdisc_put(tc, &fifo, diag);
}
