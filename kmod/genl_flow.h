/* SPDX-License-Identifier: GPL-2.0-only */
/* The flows that a RULES_SET names: see genl_flow.c. qos_mutex. */
#pragma once

#include "qos.h"

struct netlink_ext_ack;
struct nlattr;

struct qos_flows_taken {
	u64 seen; /* indices, of streams too */
	struct qos_flow *by_index[QOS_DWCS_STREAMS_IN_MAX];
};

extern const struct nla_policy qos_rules_flow_policy[QOS_DWCS_RULES_FLOW_A_MAX + 1];

/* A flow that is named: checked, and held in `data`, struct qos_flows_taken. */
int qos_flows_take(struct qos_contract *contract, struct nlattr **a, void *data,
		   struct netlink_ext_ack *extack);
/* Set as its attributes say; cannot fail. */
int qos_flows_set_one(struct qos_contract *contract, struct nlattr **a, void *data,
		      struct netlink_ext_ack *extack);
void qos_flows_leave(struct qos_flows_taken *taken);
