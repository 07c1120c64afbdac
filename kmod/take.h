/* SPDX-License-Identifier: GPL-2.0-only */
/* From attributes to what they ask for: see take.c. Refusals set words and -errno. */
#pragma once

#include <net/netlink.h>

#include "compat.h"
#include "qos.h"

struct genl_info;

#define QOS_POLICY_NAME                                                                            \
	{                                                                                          \
		.type = NLA_NUL_STRING, .len = QOS_DWCS_NAME_LEN - 1                               \
	}

extern QOS_RANGE qos_range_time; /* of a runtime or a deadline */
extern QOS_RANGE qos_range_gap;	 /* between two changes */
extern const struct nla_policy qos_contract_set_policy[QOS_DWCS_CONTRACT_A_STREAM + 1];
extern const struct nla_policy qos_table_set_policy[QOS_DWCS_TABLE_A_MAX + 1];

static inline int qos_absent(struct netlink_ext_ack *extack, const char *why)
{
	qos_refuse(extack, why);
	return -EINVAL;
}

#define missing(extack, what) qos_absent(extack, "missing: " what)

static inline int refuse(struct netlink_ext_ack *extack, struct nlattr *attr, const char *why)
{
	qos_refuse(extack, why);
	NL_SET_BAD_ATTR(extack, attr);
	return -EINVAL;
}

static inline u32 u32_or(struct nlattr *attr, u32 otherwise)
{
	return attr ? nla_get_u32(attr) : otherwise;
}

static inline u64 u64_or(struct nlattr *attr, u64 otherwise)
{
	return attr ? nla_get_u64(attr) : otherwise;
}

/* The contract that a message names by that attribute, or why not. */
struct qos_contract *qos_contract_named(struct genl_info *info, int type);

/* genl_rules.c */
extern const struct nla_policy qos_rules_set_policy[QOS_DWCS_RULES_A_FLOW + 1];
extern const struct nla_policy qos_rules_raise_policy[QOS_DWCS_RULES_A_WORDS + 1];
extern const struct nla_policy qos_rules_ask_policy[QOS_DWCS_RULES_A_VALUE + 1];
int qos_genl_rules_set(struct sk_buff *skb, struct genl_info *info);
int qos_genl_rules_raise(struct sk_buff *skb, struct genl_info *info);
int qos_genl_rules_ask(struct sk_buff *skb, struct genl_info *info);

/* Fills a zeroed contract with an empty list of streams, which is the caller's to discard. */
int qos_take_contract(struct qos_contract *contract, struct genl_info *info);

/* A new table, for kvfree(); an ERR_PTR. */
struct qos_table *qos_take_table(struct nlattr **a, struct netlink_ext_ack *extack);
