// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flows of RULES_SET (genl_rules.c): looked through, made and held before anything is changed, then set.
 * All under qos_mutex.
 */
#include <net/genetlink.h>

#include "flow.h"
#include "genl_flow.h"
#include "take.h"

static QOS_RANGE range_rate = {.min = 1, .max = QOS_DWCS_FLOW_RATE_MAX};

const struct nla_policy qos_rules_flow_policy[QOS_DWCS_RULES_FLOW_A_MAX + 1] = {
	[QOS_DWCS_RULES_FLOW_A_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_RULES_FLOW_A_INDEX] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_STREAMS_IN_MAX - 1),
	[QOS_DWCS_RULES_FLOW_A_LATE] = {.type = NLA_U32},
	[QOS_DWCS_RULES_FLOW_A_DROP] = {.type = NLA_U32},
	[QOS_DWCS_RULES_FLOW_A_WINDOW] = {.type = NLA_U32},
	[QOS_DWCS_RULES_FLOW_A_BASE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_DWCS_RULES_FLOW_A_RATE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_DWCS_RULES_FLOW_A_LOWEST] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_DWCS_RULES_FLOW_A_HIGHEST] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_DWCS_RULES_FLOW_A_STEP] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_DWCS_RULES_FLOW_A_GAP] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_gap),
	[QOS_DWCS_RULES_FLOW_A_HELD] = NLA_POLICY_MAX(NLA_U8, 1),
	[QOS_DWCS_RULES_FLOW_A_RESERVED] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
};

static int check_rates(struct nlattr **a, struct netlink_ext_ack *extack)
{
	u64 base = u64_or(a[QOS_DWCS_RULES_FLOW_A_BASE], 0);

	if (!base)
		return missing(extack, "RULES_FLOW_A_BASE");
	if (u64_or(a[QOS_DWCS_RULES_FLOW_A_LOWEST], base) >
	    u64_or(a[QOS_DWCS_RULES_FLOW_A_HIGHEST], base))
		return refuse(extack, a[QOS_DWCS_RULES_FLOW_A_LOWEST], "LOWEST is above HIGHEST");
	return 0;
}

int qos_flows_take(struct qos_contract *contract, struct nlattr **a, void *data,
		   struct netlink_ext_ack *extack)
{
	struct qos_flows_taken *taken = data;
	struct qos_flow *flow;
	u32 index;

	if (!capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack, "a flow needs CAP_NET_ADMIN too");
		return -EPERM;
	}
	if (!a[QOS_DWCS_RULES_FLOW_A_ID] || !a[QOS_DWCS_RULES_FLOW_A_INDEX])
		return missing(extack, "RULES_FLOW_A_ID or RULES_FLOW_A_INDEX");
	index = nla_get_u32(a[QOS_DWCS_RULES_FLOW_A_INDEX]);
	if (taken->seen & BIT_ULL(index))
		return refuse(extack, a[QOS_DWCS_RULES_FLOW_A_INDEX],
			      "two streams have the same index");
	taken->seen |= BIT_ULL(index);
	flow = qos_flow_get(nla_get_u32(a[QOS_DWCS_RULES_FLOW_A_ID]));
	if (!flow)
		return -ENOMEM;
	taken->by_index[index] = flow;
	return check_rates(a, extack);
}

void qos_flows_leave(struct qos_flows_taken *taken)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(taken->by_index); i++)
		qos_flow_put(taken->by_index[i]);
}

static void limits_set(struct qos_flow *flow, struct nlattr **a)
{
	struct qos_limits *limits = &flow->limits;
	unsigned long flags;
	u64 base = nla_get_u64(a[QOS_DWCS_RULES_FLOW_A_BASE]), rate;

	raw_spin_lock_irqsave(&flow->lock, flags);
	rate = u64_or(a[QOS_DWCS_RULES_FLOW_A_RATE], flow->rate ?: base);
	limits->lo = u64_or(a[QOS_DWCS_RULES_FLOW_A_LOWEST], base);
	limits->hi = u64_or(a[QOS_DWCS_RULES_FLOW_A_HIGHEST], base);
	limits->step = u64_or(a[QOS_DWCS_RULES_FLOW_A_STEP], 0);
	limits->gap_ns = u64_or(a[QOS_DWCS_RULES_FLOW_A_GAP], 0);
	limits->reserved = u64_or(a[QOS_DWCS_RULES_FLOW_A_RESERVED], limits->hi);
	limits->held = a[QOS_DWCS_RULES_FLOW_A_HELD] && nla_get_u8(a[QOS_DWCS_RULES_FLOW_A_HELD]);
	WRITE_ONCE(flow->base, base);
	WRITE_ONCE(flow->rate, min(clamp(rate, limits->lo, limits->hi), limits->reserved));
	raw_spin_unlock_irqrestore(&flow->lock, flags);
}

int qos_flows_set_one(struct qos_contract *contract, struct nlattr **a, void *data,
		      struct netlink_ext_ack *extack)
{
	const struct qos_flows_taken *taken = data;
	u32 index = nla_get_u32(a[QOS_DWCS_RULES_FLOW_A_INDEX]);
	struct qos_flow *flow = taken->by_index[index];

	if (flow->contract && flow->contract != contract)
		qos_flow_unbind(flow);
	limits_set(flow, a);
	qos_flow_bind(flow, contract, index);
	WRITE_ONCE(flow->hook[QOS_DWCS_FLOW_HOOK_LATE], u32_or(a[QOS_DWCS_RULES_FLOW_A_LATE], 0));
	WRITE_ONCE(flow->hook[QOS_DWCS_FLOW_HOOK_DROP], u32_or(a[QOS_DWCS_RULES_FLOW_A_DROP], 0));
	WRITE_ONCE(flow->hook[QOS_DWCS_FLOW_HOOK_WINDOW],
		   u32_or(a[QOS_DWCS_RULES_FLOW_A_WINDOW], 0));
	return 0;
}
