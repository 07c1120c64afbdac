// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a message asks for, taken out of its attributes and checked as far as that goes without
 * knowing what there is. Every refusal has its sentence here or in whoever looks further (stream.c,
 * table.c).
 */
#include <linux/math64.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "take.h"

static QOS_RANGE range_period = {
	.min = QOS_DWCS_PERIOD_MIN_NS,
	.max = QOS_DWCS_PERIOD_MAX_NS,
};
QOS_RANGE qos_range_time = {
	.min = 1,
	.max = QOS_DWCS_PERIOD_MAX_NS,
};
static QOS_RANGE range_prefix = {.max = QOS_DWCS_TABLE_BITS_MAX};
static QOS_RANGE range_cycle = {.min = 1, .max = QOS_DWCS_TABLE_BITS_MAX};

static const struct nla_policy stream_policy[QOS_DWCS_STREAM_A_MAX_THREADS + 1] = {
	[QOS_DWCS_STREAM_A_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_STREAM_A_NAME] = QOS_POLICY_NAME,
	[QOS_DWCS_STREAM_A_PERIOD] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_period),
	[QOS_DWCS_STREAM_A_RATE_MHZ] = {.type = NLA_U32},
	[QOS_DWCS_STREAM_A_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_STREAM_A_RUNTIME] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_BASE] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_MIN] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_MAX] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
	[QOS_DWCS_STREAM_A_X] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_WINDOW_Y_MAX),
	[QOS_DWCS_STREAM_A_Y] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_WINDOW_Y_MAX),
	[QOS_DWCS_STREAM_A_OVERRUN] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_OVERRUN_ALLOW),
	[QOS_DWCS_STREAM_A_JOB] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_JOB_PROBES),
	[QOS_DWCS_STREAM_A_SILENCE] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_SILENCE_LOST),
	[QOS_DWCS_STREAM_A_LATENCY] = {.type = NLA_U64},
	[QOS_DWCS_STREAM_A_MAX_THREADS] = NLA_POLICY_RANGE(NLA_U32, 1, QOS_DWCS_CPU_THREADS_MAX),
};

const struct nla_policy qos_contract_set_policy[QOS_DWCS_CONTRACT_A_STREAM + 1] = {
	[QOS_DWCS_CONTRACT_A_NAME] = QOS_POLICY_NAME,
	[QOS_DWCS_CONTRACT_A_ON_EXPIRY] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_EXPIRY_RELEASE),
	[QOS_DWCS_CONTRACT_A_ON_DRIFT] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_DRIFT_WARN),
	[QOS_DWCS_CONTRACT_A_STREAM] = NLA_POLICY_NESTED(stream_policy),
};

const struct nla_policy qos_table_set_policy[QOS_DWCS_TABLE_A_MAX + 1] = {
	[QOS_DWCS_TABLE_A_STREAM] = {.type = NLA_U32},
	[QOS_DWCS_TABLE_A_MODE] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_TABLE_BUNDLE),
	[QOS_DWCS_TABLE_A_PREFIX] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_prefix),
	[QOS_DWCS_TABLE_A_CYCLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_cycle),
	[QOS_DWCS_TABLE_A_BITS] = {.type = NLA_BINARY, .len = QOS_DWCS_TABLE_BITS_MAX / 8},
	[QOS_DWCS_TABLE_A_EPOCH] = {.type = NLA_U64},
	[QOS_DWCS_TABLE_A_BUNDLE] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_TABLE_A_BUDGET] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
};

/* --- contracts --- */

static bool name_is_good(const char *name)
{
	const char *c = name;

	if (*c < 'a' || *c > 'z')
		return false;
	while ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '-')
		c++;
	return !*c;
}

static int name_take(char *name, struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (!attr)
		return missing(extack, "the attribute NAME");
	nla_strscpy(name, attr, QOS_DWCS_NAME_LEN);
	if (!name_is_good(name))
		return refuse(extack, attr, "a name is [a-z][a-z0-9_-]*");
	return 0;
}

struct qos_contract *qos_contract_named(struct genl_info *info, int type)
{
	struct nlattr *attr = info->attrs[type];
	struct qos_contract *contract;
	char name[QOS_DWCS_NAME_LEN];

	if (!attr) {
		missing(info->extack, "the contract's name");
		return ERR_PTR(-EINVAL);
	}
	nla_strscpy(name, attr, sizeof(name));
	contract = qos_contract_find(name);
	if (contract)
		return contract;
	refuse(info->extack, attr, "there is no such contract");
	return ERR_PTR(-ENOENT);
}

static int period_take(struct qos_params *params, struct nlattr **a, struct netlink_ext_ack *extack)
{
	u64 period;

	params->period_ns = nla_get_u64(a[QOS_DWCS_STREAM_A_PERIOD]);
	params->rate_mhz = u32_or(a[QOS_DWCS_STREAM_A_RATE_MHZ], 0);
	params->tolerance_ns =
		min_t(u64, params->period_ns / QOS_DWCS_TOLERANCE_PART, QOS_DWCS_TOLERANCE_MAX_NS);
	if (!params->rate_mhz)
		return 0;
	period = div_u64_rem(1000000000000ULL, params->rate_mhz, &params->period_rem);
	if (period != params->period_ns)
		return refuse(extack, a[QOS_DWCS_STREAM_A_RATE_MHZ],
			      "PERIOD is not 10^12 / RATE_MHZ, rounded down");
	return 0;
}

static int times_take(struct qos_stream *stream, struct nlattr **a, struct netlink_ext_ack *extack)
{
	struct qos_params *params = &stream->params;

	params->deadline_ns = u64_or(a[QOS_DWCS_STREAM_A_DEADLINE], params->period_ns);
	params->runtime_ns = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME], 0); /* 0: as it is in force */
	params->latency_ns = u64_or(a[QOS_DWCS_STREAM_A_LATENCY], 0);
	stream->runtime_base_ns = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_BASE], params->runtime_ns);
	stream->limits.lo = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_MIN], params->runtime_ns);
	stream->limits.hi = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_MAX], params->runtime_ns);
	if (params->deadline_ns > params->period_ns)
		return refuse(extack, a[QOS_DWCS_STREAM_A_DEADLINE],
			      "the deadline is longer than the period");
	if (params->runtime_ns > params->deadline_ns ||
	    stream->runtime_base_ns > params->deadline_ns ||
	    stream->limits.hi > params->deadline_ns)
		return refuse(extack, a[QOS_DWCS_STREAM_A_RUNTIME],
			      "a runtime is longer than the deadline");
	if (!params->runtime_ns && stream->limits.lo > stream->limits.hi)
		return refuse(extack, a[QOS_DWCS_STREAM_A_RUNTIME_MIN],
			      "RUNTIME_MIN is above RUNTIME_MAX");
	if (params->runtime_ns &&
	    (stream->limits.lo > params->runtime_ns || stream->limits.hi < params->runtime_ns))
		return refuse(extack, a[QOS_DWCS_STREAM_A_RUNTIME],
			      "the runtime is not between RUNTIME_MIN and RUNTIME_MAX");
	return 0;
}

static int rules_take(struct qos_stream *stream, struct nlattr **a, struct netlink_ext_ack *extack)
{
	struct qos_params *params = &stream->params;

	params->x = nla_get_u32(a[QOS_DWCS_STREAM_A_X]);
	params->y = nla_get_u32(a[QOS_DWCS_STREAM_A_Y]);
	params->overrun = u32_or(a[QOS_DWCS_STREAM_A_OVERRUN], QOS_DWCS_OVERRUN_DEMOTE);
	params->job = u32_or(a[QOS_DWCS_STREAM_A_JOB], QOS_DWCS_JOB_WAKEUP);
	params->silence = u32_or(a[QOS_DWCS_STREAM_A_SILENCE], QOS_DWCS_SILENCE_IGNORE);
	stream->max_threads = u32_or(a[QOS_DWCS_STREAM_A_MAX_THREADS], 1);
	if (params->x > params->y)
		return refuse(extack, a[QOS_DWCS_STREAM_A_X],
			      "more losses than the window has requests");
	if (params->job == QOS_DWCS_JOB_PROBES) {
		refuse(extack, a[QOS_DWCS_STREAM_A_JOB],
		       "jobs between probes of a program are not the module's: use BPF");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int stream_take(struct qos_stream *stream, struct nlattr *nest,
		       struct netlink_ext_ack *extack)
{
	struct nlattr *a[QOS_DWCS_STREAM_A_MAX_THREADS + 1];
	int error;

	error = nla_parse_nested(a, QOS_DWCS_STREAM_A_MAX_THREADS, nest, stream_policy, extack);
	if (error)
		return error;
	if (!a[QOS_DWCS_STREAM_A_ID] || !a[QOS_DWCS_STREAM_A_PERIOD] || !a[QOS_DWCS_STREAM_A_X] ||
	    !a[QOS_DWCS_STREAM_A_Y])
		return missing(extack, "ID, PERIOD, X or Y of a stream");
	if (!a[QOS_DWCS_STREAM_A_RUNTIME] &&
	    (!a[QOS_DWCS_STREAM_A_RUNTIME_BASE] || !a[QOS_DWCS_STREAM_A_RUNTIME_MIN] ||
	     !a[QOS_DWCS_STREAM_A_RUNTIME_MAX]))
		return missing(extack, "RUNTIME of a stream, or RUNTIME_BASE, _MIN and _MAX");
	stream->id = nla_get_u32(a[QOS_DWCS_STREAM_A_ID]);
	error = name_take(stream->name, a[QOS_DWCS_STREAM_A_NAME], extack);
	error = error ?: period_take(&stream->params, a, extack);
	error = error ?: times_take(stream, a, extack);
	return error ?: rules_take(stream, a, extack);
}

static int stream_add(struct qos_contract *contract, struct nlattr *nest,
		      struct netlink_ext_ack *extack)
{
	struct qos_stream *stream = kvzalloc(sizeof(*stream), GFP_KERNEL);

	if (!stream)
		return -ENOMEM;
	INIT_LIST_HEAD(&stream->threads);
	raw_spin_lock_init(&stream->guard_lock);
	list_add_tail(&stream->in_contract, &contract->streams);
	return stream_take(stream, nest, extack);
}

int qos_take_contract(struct qos_contract *contract, struct genl_info *info)
{
	struct nlattr **a = info->attrs, *attr;
	int error, rest, n = 0;

	error = name_take(contract->name, a[QOS_DWCS_CONTRACT_A_NAME], info->extack);
	if (error)
		return error;
	contract->on_expiry = u32_or(a[QOS_DWCS_CONTRACT_A_ON_EXPIRY], QOS_DWCS_EXPIRY_HOLD);
	contract->on_drift = u32_or(a[QOS_DWCS_CONTRACT_A_ON_DRIFT], QOS_DWCS_DRIFT_YIELD);
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rest) {
		if (nla_type(attr) != QOS_DWCS_CONTRACT_A_STREAM)
			continue;
		if (++n > QOS_DWCS_STREAMS_IN_MAX) {
			refuse(info->extack, attr, "too many streams in the contract");
			return -ENOSPC;
		}
		error = stream_add(contract, attr, info->extack);
		if (error)
			return error;
	}
	return 0;
}

/* --- tables --- */

static int table_bits(struct qos_table *table, struct nlattr **a, struct netlink_ext_ack *extack)
{
	struct nlattr *bits = a[QOS_DWCS_TABLE_A_BITS];

	if (!bits || !table->cycle)
		return missing(extack, "TABLE_A_CYCLE or TABLE_A_BITS");
	if (nla_len(bits) != DIV_ROUND_UP(table->prefix + table->cycle, 8))
		return refuse(extack, bits, "BITS has not (PREFIX + CYCLE + 7) / 8 bytes");
	nla_memcpy(table->bits, bits, nla_len(bits));
	return 0;
}

static int table_take(struct qos_table *table, struct nlattr **a, struct netlink_ext_ack *extack)
{
	table->epoch_ns = u64_or(a[QOS_DWCS_TABLE_A_EPOCH], 0);
	table->bundle = u32_or(a[QOS_DWCS_TABLE_A_BUNDLE], 0);
	table->budget_ns = u64_or(a[QOS_DWCS_TABLE_A_BUDGET], 0);
	table->on = true;
	if (!!table->bundle != (table->mode == QOS_DWCS_TABLE_BUNDLE) ||
	    !!table->budget_ns != !!table->bundle)
		return refuse(extack, a[QOS_DWCS_TABLE_A_BUNDLE],
			      "BUNDLE and BUDGET go with the mode bundle");
	if (table->epoch_ns ? table->mode == QOS_DWCS_TABLE_SPORADIC
			    : table->mode == QOS_DWCS_TABLE_PHASES)
		return refuse(extack, a[QOS_DWCS_TABLE_A_EPOCH],
			      "EPOCH goes with the mode phases, or bundle");
	if (table->mode == QOS_DWCS_TABLE_BUNDLE)
		return 0;
	return table_bits(table, a, extack);
}

static struct qos_table *table_new(struct nlattr **a)
{
	u32 prefix = u32_or(a[QOS_DWCS_TABLE_A_PREFIX], 0),
	    cycle = u32_or(a[QOS_DWCS_TABLE_A_CYCLE], 0);
	struct qos_table *table;

	table = kvzalloc(struct_size(table, bits, DIV_ROUND_UP(prefix + cycle, 8)), GFP_KERNEL);
	if (!table)
		return NULL;
	table->mode = nla_get_u32(a[QOS_DWCS_TABLE_A_MODE]);
	table->prefix = prefix;
	table->cycle = cycle;
	return table;
}

/* A new table. */
struct qos_table *qos_take_table(struct nlattr **a, struct netlink_ext_ack *extack)
{
	struct qos_table *table = table_new(a);
	int error;

	if (!table)
		return ERR_PTR(-ENOMEM);
	error = table_take(table, a, extack);
	if (!error)
		return table;
	kvfree(table);
	return ERR_PTR(error);
}
