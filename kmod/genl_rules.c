// SPDX-License-Identifier: GPL-2.0-only
/*
 * RULES_SET, and what CONTRACT_GET tells of rules. What is asked for is looked through once before
 * anything is changed. All under qos_mutex; events and the guard read each value by itself.
 */
#include <net/genetlink.h>

#include "put.h"
#include "rules.h"
#include "take.h"

static QOS_RANGE range_gap = {.max = 3600 * (u64)NSEC_PER_SEC};

static const struct nla_policy hook_policy[QOS_DWCS_RULES_STREAM_A_MAX + 1] = {
	[QOS_DWCS_RULES_STREAM_A_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_RULES_STREAM_A_INDEX] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_STREAMS_IN_MAX - 1),
	[QOS_DWCS_RULES_STREAM_A_JOB] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_LATE] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_WINDOW] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_STEP] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_RULES_STREAM_A_GAP] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_gap),
	[QOS_DWCS_RULES_STREAM_A_HELD] = NLA_POLICY_MAX(NLA_U8, 1),
};

const struct nla_policy qos_rules_set_policy[QOS_DWCS_RULES_A_MAX + 1] = {
	[QOS_DWCS_RULES_A_CONTRACT] = QOS_POLICY_NAME,
	[QOS_DWCS_RULES_A_NUMBER] = {.type = NLA_U32},
	[QOS_DWCS_RULES_A_STREAM] = NLA_POLICY_NESTED(hook_policy),
};

static struct qos_stream *stream_of(const struct qos_contract *contract, struct nlattr **a)
{
	struct qos_stream *stream =
		a[QOS_DWCS_RULES_STREAM_A_ID]
			? qos_stream_find(nla_get_u32(a[QOS_DWCS_RULES_STREAM_A_ID]))
			: NULL;

	return stream && stream->contract == contract ? stream : NULL;
}

static int check(const struct qos_contract *contract, struct nlattr **a, u64 *seen,
		 struct netlink_ext_ack *extack)
{
	u32 index;

	if (!a[QOS_DWCS_RULES_STREAM_A_INDEX])
		return missing(extack, "RULES_STREAM_A_INDEX");
	if (!stream_of(contract, a))
		return refuse(extack, a[QOS_DWCS_RULES_STREAM_A_ID],
			      "the contract has no such stream");
	index = nla_get_u32(a[QOS_DWCS_RULES_STREAM_A_INDEX]);
	if (*seen & BIT_ULL(index))
		return refuse(extack, a[QOS_DWCS_RULES_STREAM_A_INDEX],
			      "two streams have the same index");
	*seen |= BIT_ULL(index);
	return 0;
}

static void stream_set(struct qos_stream *stream, struct nlattr **a)
{
	unsigned long flags;

	WRITE_ONCE(stream->index, nla_get_u32(a[QOS_DWCS_RULES_STREAM_A_INDEX]));
	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	stream->step_ns = u64_or(a[QOS_DWCS_RULES_STREAM_A_STEP], 0);
	stream->gap_ns = u64_or(a[QOS_DWCS_RULES_STREAM_A_GAP], 0);
	stream->held =
		a[QOS_DWCS_RULES_STREAM_A_HELD] && nla_get_u8(a[QOS_DWCS_RULES_STREAM_A_HELD]);
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
	WRITE_ONCE(stream->contract->by_index[stream->index], stream);
	WRITE_ONCE(stream->hook[QOS_DWCS_HOOK_JOB], u32_or(a[QOS_DWCS_RULES_STREAM_A_JOB], 0));
	WRITE_ONCE(stream->hook[QOS_DWCS_HOOK_LATE], u32_or(a[QOS_DWCS_RULES_STREAM_A_LATE], 0));
	WRITE_ONCE(stream->hook[QOS_DWCS_HOOK_WINDOW],
		   u32_or(a[QOS_DWCS_RULES_STREAM_A_WINDOW], 0));
}

/* From now on nothing is raised for it, and nothing of it may be changed. */
static void rules_off(struct qos_contract *contract)
{
	struct qos_stream *stream;
	int i;

	WRITE_ONCE(contract->rules, 0);
	for (i = 0; i < ARRAY_SIZE(contract->by_index); i++)
		WRITE_ONCE(contract->by_index[i], NULL);
	list_for_each_entry(stream, &contract->streams, in_contract) {
		for (i = 0; i < __QOS_DWCS_HOOK_MAX; i++)
			WRITE_ONCE(stream->hook[i], 0);
	}
}

/* `set`: what was looked through before. */
static int each_stream(struct qos_contract *contract, struct genl_info *info, bool set)
{
	struct nlattr *a[QOS_DWCS_RULES_STREAM_A_MAX + 1], *attr;
	u64 seen = 0;
	int rest, error;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest) {
		if (nla_type(attr) != QOS_DWCS_RULES_A_STREAM)
			continue;
		error = nla_parse_nested(a, QOS_DWCS_RULES_STREAM_A_MAX, attr, hook_policy,
					 info->extack);
		if (!error && !set)
			error = check(contract, a, &seen, info->extack);
		if (error)
			return error;
		if (set)
			stream_set(stream_of(contract, a), a);
	}
	return 0;
}

int qos_genl_rules_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct qos_contract *contract;
	char name[QOS_DWCS_NAME_LEN];
	int error;

	if (!a[QOS_DWCS_RULES_A_CONTRACT] || !a[QOS_DWCS_RULES_A_NUMBER])
		return missing(info->extack, "RULES_A_CONTRACT or RULES_A_NUMBER");
	nla_strscpy(name, a[QOS_DWCS_RULES_A_CONTRACT], sizeof(name));
	contract = qos_contract_find(name);
	if (!contract) {
		refuse(info->extack, a[QOS_DWCS_RULES_A_CONTRACT], "there is no such contract");
		return -ENOENT;
	}
	error = each_stream(contract, info, false);
	if (error)
		return error;
	rules_off(contract);
	WRITE_ONCE(contract->rules, nla_get_u32(a[QOS_DWCS_RULES_A_NUMBER]));
	if (contract->rules)
		each_stream(contract, info, true);
	qos_generation++;
	return 0;
}

int qos_put_rules(struct sk_buff *skb, const struct qos_contract *contract)
{
	u64 verdicts[QOS_VERDICTS];
	int i;

	for (i = 0; i < QOS_VERDICTS; i++)
		verdicts[i] = atomic64_read(&contract->verdicts[i]);
	if (nla_put_u64_64bit(skb, QOS_DWCS_CONTRACT_A_RAISED, atomic64_read(&contract->raised),
			      QOS_DWCS_CONTRACT_A_PAD) ||
	    nla_put_u64_64bit(skb, QOS_DWCS_CONTRACT_A_DROPPED, atomic64_read(&contract->dropped),
			      QOS_DWCS_CONTRACT_A_PAD))
		return -EMSGSIZE;
	return nla_put(skb, QOS_DWCS_CONTRACT_A_VERDICTS, sizeof(verdicts), verdicts);
}
