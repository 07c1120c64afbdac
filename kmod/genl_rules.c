// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands of qos_dwcs_rules.h, and what CONTRACT_GET tells of rules. What is asked for is looked through once before
 * anything is changed. All under qos_mutex; events and the guard read each value by itself.
 */
#include <net/genetlink.h>

#include "flow.h"
#include "genl_flow.h"
#include "put.h"
#include "rules.h"
#include "take.h"

QOS_RANGE qos_range_gap = {.max = 3600 * (u64)NSEC_PER_SEC};

static const struct nla_policy hook_policy[QOS_DWCS_RULES_STREAM_A_MAX + 1] = {
	[QOS_DWCS_RULES_STREAM_A_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_RULES_STREAM_A_INDEX] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_STREAMS_IN_MAX - 1),
	[QOS_DWCS_RULES_STREAM_A_JOB] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_LATE] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_WINDOW] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_OVERRUN] = {.type = NLA_U32},
	[QOS_DWCS_RULES_STREAM_A_STEP] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_RULES_STREAM_A_GAP] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_gap),
	[QOS_DWCS_RULES_STREAM_A_HELD] = NLA_POLICY_MAX(NLA_U8, 1),
	[QOS_DWCS_RULES_STREAM_A_RESERVED] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
};

const struct nla_policy qos_rules_set_policy[QOS_DWCS_RULES_A_FLOW + 1] = {
	[QOS_DWCS_RULES_A_CONTRACT] = QOS_POLICY_NAME,
	[QOS_DWCS_RULES_A_NUMBER] = {.type = NLA_U32},
	[QOS_DWCS_RULES_A_SIGNALS] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_SIGNALS_MAX),
	[QOS_DWCS_RULES_A_STREAM] = NLA_POLICY_NESTED(hook_policy),
	[QOS_DWCS_RULES_A_FLOW] = NLA_POLICY_NESTED(qos_rules_flow_policy),
};

const struct nla_policy qos_rules_raise_policy[QOS_DWCS_RULES_A_WORDS + 1] = {
	[QOS_DWCS_RULES_A_CONTRACT] = QOS_POLICY_NAME,
	[QOS_DWCS_RULES_A_PROGRAM] = NLA_POLICY_RANGE(NLA_U32, 1, QOS_EXTENSIONS - 1),
	[QOS_DWCS_RULES_A_WORDS] = {.type = NLA_BINARY,
				    .len = QOS_RULES_STREAMS_MAX * sizeof(struct qos_rules_stream)},
};

const struct nla_policy qos_rules_ask_policy[QOS_DWCS_RULES_A_VALUE + 1] = {
	[QOS_DWCS_RULES_A_CONTRACT] = QOS_POLICY_NAME,
	[QOS_DWCS_RULES_A_ATTRIBUTE] = {.type = NLA_U32},
	[QOS_DWCS_RULES_A_VALUE] = {.type = NLA_S64},
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

/* By guard_lock, as the guard reads it. */
static void limits_set(struct qos_stream *stream, struct nlattr **a)
{
	struct qos_limits *limits = &stream->limits;
	unsigned long flags;

	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	limits->step = u64_or(a[QOS_DWCS_RULES_STREAM_A_STEP], 0);
	limits->gap_ns = u64_or(a[QOS_DWCS_RULES_STREAM_A_GAP], 0);
	limits->reserved = u64_or(a[QOS_DWCS_RULES_STREAM_A_RESERVED], 0);
	limits->held =
		a[QOS_DWCS_RULES_STREAM_A_HELD] && nla_get_u8(a[QOS_DWCS_RULES_STREAM_A_HELD]);
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
	if (limits->reserved && stream->params.runtime_ns > limits->reserved)
		qos_stream_set_runtime(stream, limits->reserved);
}

static const int hook_attr[] = {
	[QOS_DWCS_HOOK_JOB] = QOS_DWCS_RULES_STREAM_A_JOB,
	[QOS_DWCS_HOOK_LATE] = QOS_DWCS_RULES_STREAM_A_LATE,
	[QOS_DWCS_HOOK_WINDOW] = QOS_DWCS_RULES_STREAM_A_WINDOW,
	[QOS_DWCS_HOOK_OVERRUN] = QOS_DWCS_RULES_STREAM_A_OVERRUN,
};

static_assert(ARRAY_SIZE(hook_attr) == __QOS_DWCS_HOOK_MAX);

/* NULL: none any more. */
static void hooks_set(struct qos_stream *stream, struct nlattr **a)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(hook_attr); i++)
		WRITE_ONCE(stream->hook[i], a ? u32_or(a[hook_attr[i]], 0) : 0);
}

static void stream_set(struct qos_stream *stream, struct nlattr **a)
{
	WRITE_ONCE(stream->index, nla_get_u32(a[QOS_DWCS_RULES_STREAM_A_INDEX]));
	limits_set(stream, a);
	hooks_set(stream, a);
}

/* What is done with each object of a kind that a RULES_SET has; `data` is its own. */
typedef int (*each_fn)(struct qos_contract *contract, struct nlattr **a, void *data,
		       struct netlink_ext_ack *extack);

static int check_one(struct qos_contract *contract, struct nlattr **a, void *data,
		     struct netlink_ext_ack *extack)
{
	return check(contract, a, data, extack);
}

static int set_one(struct qos_contract *contract, struct nlattr **a, void *data,
		   struct netlink_ext_ack *extack)
{
	struct qos_stream *stream = stream_of(contract, a), **by_index = data;

	stream_set(stream, a);
	by_index[stream->index] = stream;
	return 0;
}

/* An object of RULES_SET, and what it may have. */
struct kind {
	int type;
	int max;
	const struct nla_policy *policy;
};

static const struct kind streams = {
	.type = QOS_DWCS_RULES_A_STREAM,
	.max = QOS_DWCS_RULES_STREAM_A_MAX,
	.policy = hook_policy,
};

static const struct kind flows = {
	.type = QOS_DWCS_RULES_A_FLOW,
	.max = QOS_DWCS_RULES_FLOW_A_MAX,
	.policy = qos_rules_flow_policy,
};

static_assert(QOS_DWCS_RULES_STREAM_A_MAX <= QOS_DWCS_RULES_FLOW_A_MAX);

static int each(struct qos_contract *contract, struct genl_info *info, const struct kind *kind,
		each_fn act, void *data)
{
	struct nlattr *a[QOS_DWCS_RULES_FLOW_A_MAX + 1], *attr;
	int rest, error;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest) {
		if (nla_type(attr) != kind->type)
			continue;
		error = nla_parse_nested(a, kind->max, attr, kind->policy, info->extack);
		error = error ?: act(contract, a, data, info->extack);
		if (error)
			return error;
	}
	return 0;
}

static bool is_taken(const struct qos_flows_taken *taken, const struct qos_flow *flow)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(taken->by_index); i++) {
		if (taken->by_index[i] == flow)
			return true;
	}
	return false;
}

static void flows_set(struct qos_contract *contract, u32 number, struct genl_info *info,
		      struct qos_flows_taken *taken)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(contract->flow_by_index); i++) {
		struct qos_flow *flow = contract->flow_by_index[i];

		if (flow && (!number || !is_taken(taken, flow)))
			qos_flow_unbind(flow);
	}
	if (number)
		each(contract, info, &flows, qos_flows_set_one, taken);
}

/* What both the old rules and the new ones raise is raised all the time. */
static void rules_set(struct qos_contract *contract, u32 number, struct genl_info *info,
		      struct qos_flows_taken *taken)
{
	struct qos_stream *by_index[QOS_DWCS_STREAMS_IN_MAX] = {}, *stream;
	int i;

	if (number)
		each(contract, info, &streams, set_one, by_index);
	for (i = 0; i < ARRAY_SIZE(by_index); i++)
		WRITE_ONCE(contract->by_index[i], by_index[i]);
	list_for_each_entry(stream, &contract->streams, in_contract) {
		if (by_index[stream->index] == stream)
			continue;
		hooks_set(stream, NULL);
		WRITE_ONCE(stream->limits.reserved, 0);
	}
	flows_set(contract, number, info, taken);
	WRITE_ONCE(contract->signals_n,
		   number ? u32_or(info->attrs[QOS_DWCS_RULES_A_SIGNALS], 0) : 0);
	WRITE_ONCE(contract->rules, number);
	qos_generation++;
}

int qos_genl_rules_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = qos_contract_named(info, QOS_DWCS_RULES_A_CONTRACT);
	struct qos_flows_taken *taken;
	int error;

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	if (!info->attrs[QOS_DWCS_RULES_A_NUMBER])
		return missing(info->extack, "RULES_A_NUMBER");
	taken = kzalloc(sizeof(*taken), GFP_KERNEL);
	if (!taken)
		return -ENOMEM;
	error = each(contract, info, &streams, check_one, &taken->seen)
			?: each(contract, info, &flows, qos_flows_take, taken);
	if (!error)
		rules_set(contract, nla_get_u32(info->attrs[QOS_DWCS_RULES_A_NUMBER]), info, taken);
	qos_flows_leave(taken);
	kfree(taken);
	return error;
}

/* What is in force now, which the caller may not have heard of yet. */
static void fill_attributes(const struct qos_contract *contract, struct qos_rules_input *input,
			    int n)
{
	int i;

	for (i = 0; i < n; i++) {
		s64 *word = &input->stream[i].word[QOS_RULES_ATTRIBUTE];

		if (contract->by_index[i])
			*word = READ_ONCE(contract->by_index[i]->params.runtime_ns);
		else if (contract->flow_by_index[i])
			*word = READ_ONCE(contract->flow_by_index[i]->rate);
	}
}

/* qos_mutex keeps the contract while its program runs. */
int qos_genl_rules_raise(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **a = info->attrs, *words = a[QOS_DWCS_RULES_A_WORDS];
	struct qos_contract *contract = qos_contract_named(info, QOS_DWCS_RULES_A_CONTRACT);
	struct qos_rules_event *event;

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	if (!a[QOS_DWCS_RULES_A_PROGRAM] || !words)
		return missing(info->extack, "RULES_A_PROGRAM or RULES_A_WORDS");
	if (!nla_len(words) || nla_len(words) % sizeof(struct qos_rules_stream))
		return refuse(info->extack, words, "WORDS is not a number of whole streams");
	if (!contract->rules)
		return refuse(info->extack, a[QOS_DWCS_RULES_A_CONTRACT],
			      "the contract has no rules: RULES_SET first");
	event = qos_rules_event_new();
	if (!event)
		return -ENOMEM;
	event->contract = contract;
	event->input.contract = contract->rules;
	event->input.program = nla_get_u32(a[QOS_DWCS_RULES_A_PROGRAM]);
	nla_memcpy(event->input.stream, words, nla_len(words));
	fill_attributes(contract, &event->input, nla_len(words) / sizeof(struct qos_rules_stream));
	qos_rules_raise(event);
	kvfree(event);
	return 0;
}

static int put_verdict(struct sk_buff *skb, const void *verdict)
{
	return nla_put_u32(skb, QOS_DWCS_RULES_A_VERDICT, *(const u32 *)verdict);
}

/* Whose runtime was set may be in the middle of a request; a program's threads are looked at by the dispatcher. */
static void raised(struct qos_contract *contract, u32 attribute)
{
	struct qos_stream *stream = NULL;
	struct qos_thread *thread;

	if (attribute >> 16 == QOS_RULES_CPU_RUNTIME)
		stream = contract->by_index[attribute & 0xffff];
	if (!stream)
		return;
	list_for_each_entry(thread, &stream->threads, in_stream)
		qos_cpu_raised(thread);
}

int qos_genl_rules_ask(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = qos_contract_named(info, QOS_DWCS_RULES_A_CONTRACT);
	struct nlattr **a = info->attrs;
	u32 verdict;

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	if (!a[QOS_DWCS_RULES_A_ATTRIBUTE] || !a[QOS_DWCS_RULES_A_VALUE])
		return missing(info->extack, "RULES_A_ATTRIBUTE or RULES_A_VALUE");
	verdict = qos_guard_ask(contract, nla_get_u32(a[QOS_DWCS_RULES_A_ATTRIBUTE]),
				nla_get_s64(a[QOS_DWCS_RULES_A_VALUE]));
	if (verdict == QOS_VERDICT_SET)
		raised(contract, nla_get_u32(a[QOS_DWCS_RULES_A_ATTRIBUTE]));
	return qos_genl_reply(info, QOS_DWCS_CMD_RULES_ASK, put_verdict, &verdict);
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
			      QOS_DWCS_CONTRACT_A_PAD) ||
	    nla_put_u64_64bit(skb, QOS_DWCS_CONTRACT_A_REVERSALS,
			      atomic64_read(&contract->reversals), QOS_DWCS_CONTRACT_A_PAD) ||
	    nla_put_u64_64bit(skb, QOS_DWCS_CONTRACT_A_RUN_TIME, atomic64_read(&contract->run_ns),
			      QOS_DWCS_CONTRACT_A_PAD))
		return -EMSGSIZE;
	return nla_put(skb, QOS_DWCS_CONTRACT_A_VERDICTS, sizeof(verdicts), verdicts);
}
