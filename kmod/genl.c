// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: strict policies, one command a function, a sentence for each refusal.
 * uapi/qos_dwcs.h is the specification.
 *
 * Commands run under cpus_read_lock() and qos_mutex (pre_doit). A dump takes qos_mutex for each message; it
 * goes on behind the last object by a number that only grows (contract) or sorts them (stream, CPU), so
 * what comes or goes meanwhile neither stops it nor shows anything twice; threads go by their place in the
 * order of streams, and NLM_F_DUMP_INTR tells that it moved.
 */
#include <linux/bitmap.h>
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "compat.h"
#include "put.h"

#define TOLERANCE_MAX_NS   100000
#define TOLERANCE_FRACTION 16

static bool registered;
static struct genl_family qos_family;

/* --- policies --- */

static QOS_RANGE range_lease = { .max = 3600 * (u64)NSEC_PER_SEC };
static QOS_RANGE range_interval = {
	.min = 10 * NSEC_PER_MSEC,
	.max = 2 * (u64)NSEC_PER_SEC,
};
static QOS_RANGE range_period = {
	.min = QOS_DWCS_PERIOD_MIN_NS,
	.max = QOS_DWCS_PERIOD_MAX_NS,
};
static QOS_RANGE range_time = {
	.min = 1,
	.max = QOS_DWCS_PERIOD_MAX_NS,
};
static QOS_RANGE range_cap = { .min = 10000, .max = 950000 };
static QOS_RANGE range_prefix = { .max = QOS_DWCS_TABLE_BITS_MAX };
static QOS_RANGE range_cycle = { .min = 1, .max = QOS_DWCS_TABLE_BITS_MAX };

#define NAME { .type = NLA_NUL_STRING, .len = QOS_DWCS_NAME_LEN - 1 }

/* With maxattr 0 the core would look at no attribute, and refuse none. */
static const struct nla_policy none_policy[2] = {};

static const struct nla_policy config_policy[QOS_DWCS_CONFIG_A_MAX + 1] = {
	[QOS_DWCS_CONFIG_A_LEASE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_lease),
	[QOS_DWCS_CONFIG_A_BAND_FIRST] = NLA_POLICY_RANGE(NLA_U32, 1, QOS_BAND_MAX),
	[QOS_DWCS_CONFIG_A_BAND_LAST] = NLA_POLICY_RANGE(NLA_U32, 3, QOS_BAND_MAX),
	[QOS_DWCS_CONFIG_A_CAP_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_cap),
	[QOS_DWCS_CONFIG_A_CAP_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_interval),
	[QOS_DWCS_CONFIG_A_TELEMETRY] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_lease),
	[QOS_DWCS_CONFIG_A_ARM] = NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy cpu_get_policy[QOS_DWCS_CPU_A_ID + 1] = {
	[QOS_DWCS_CPU_A_ID] = { .type = NLA_U32 },
};

static const struct nla_policy cpu_set_policy[QOS_DWCS_CPU_A_ORDERING + 1] = {
	[QOS_DWCS_CPU_A_ID] = { .type = NLA_U32 },
	[QOS_DWCS_CPU_A_ORDERING] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_ORDERING_FIN),
};

static const struct nla_policy stream_policy[QOS_DWCS_STREAM_A_MAX_THREADS + 1] = {
	[QOS_DWCS_STREAM_A_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_STREAM_A_NAME] = NAME,
	[QOS_DWCS_STREAM_A_PERIOD] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_period),
	[QOS_DWCS_STREAM_A_RATE_MHZ] = { .type = NLA_U32 },
	[QOS_DWCS_STREAM_A_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
	[QOS_DWCS_STREAM_A_RUNTIME] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_BASE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_MIN] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
	[QOS_DWCS_STREAM_A_RUNTIME_MAX] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
	[QOS_DWCS_STREAM_A_X] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_WINDOW_Y_MAX),
	[QOS_DWCS_STREAM_A_Y] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_WINDOW_Y_MAX),
	[QOS_DWCS_STREAM_A_OVERRUN] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_OVERRUN_ALLOW),
	[QOS_DWCS_STREAM_A_JOB] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_JOB_PROBES),
	[QOS_DWCS_STREAM_A_SILENCE] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_SILENCE_LOST),
	[QOS_DWCS_STREAM_A_LATENCY] = { .type = NLA_U64 },
	[QOS_DWCS_STREAM_A_MAX_THREADS] = NLA_POLICY_RANGE(NLA_U32, 1, QOS_DWCS_CPU_THREADS_MAX),
};

static const struct nla_policy contract_set_policy[QOS_DWCS_CONTRACT_A_STREAM + 1] = {
	[QOS_DWCS_CONTRACT_A_NAME] = NAME,
	[QOS_DWCS_CONTRACT_A_ON_EXPIRY] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_EXPIRY_RELEASE),
	[QOS_DWCS_CONTRACT_A_ON_DRIFT] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_DRIFT_WARN),
	[QOS_DWCS_CONTRACT_A_STREAM] = NLA_POLICY_NESTED(stream_policy),
};

static const struct nla_policy contract_get_policy[QOS_DWCS_CONTRACT_A_NAME + 1] = {
	[QOS_DWCS_CONTRACT_A_NAME] = NAME,
};

static const struct nla_policy stream_get_policy[QOS_DWCS_STREAM_A_ID + 1] = {
	[QOS_DWCS_STREAM_A_ID] = { .type = NLA_U32 },
};

static const struct nla_policy stream_set_policy[QOS_DWCS_STREAM_A_RUNTIME + 1] = {
	[QOS_DWCS_STREAM_A_ID] = { .type = NLA_U32 },
	[QOS_DWCS_STREAM_A_RUNTIME] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
};

static const struct nla_policy thread_policy[QOS_DWCS_THREAD_A_TID + 1] = {
	[QOS_DWCS_THREAD_A_TID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy attach_policy[QOS_DWCS_THREAD_A_START + 1] = {
	[QOS_DWCS_THREAD_A_TID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_THREAD_A_STREAM] = { .type = NLA_U32 },
	[QOS_DWCS_THREAD_A_CPU] = { .type = NLA_U32 },
	[QOS_DWCS_THREAD_A_START] = { .type = NLA_U64 },
};

static const struct nla_policy table_policy[QOS_DWCS_TABLE_A_MAX + 1] = {
	[QOS_DWCS_TABLE_A_STREAM] = { .type = NLA_U32 },
	[QOS_DWCS_TABLE_A_MODE] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_TABLE_BUNDLE),
	[QOS_DWCS_TABLE_A_PREFIX] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_prefix),
	[QOS_DWCS_TABLE_A_CYCLE] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_cycle),
	[QOS_DWCS_TABLE_A_BITS] = { .type = NLA_BINARY, .len = QOS_DWCS_TABLE_BITS_MAX / 8 },
	[QOS_DWCS_TABLE_A_EPOCH] = { .type = NLA_U64 },
	[QOS_DWCS_TABLE_A_BUNDLE] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_TABLE_A_BUDGET] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_time),
};

/* --- helpers --- */

static int absent(struct netlink_ext_ack *extack, const char *why)
{
	qos_refuse(extack, why);
	return -EINVAL;
}

#define missing(extack, what) absent(extack, "missing: " what)

static int refuse(struct netlink_ext_ack *extack, struct nlattr *attr, const char *why)
{
	qos_refuse(extack, why);
	NL_SET_BAD_ATTR(extack, attr);
	return -EINVAL;
}

static u32 u32_or(struct nlattr *attr, u32 otherwise)
{
	return attr ? nla_get_u32(attr) : otherwise;
}

static u64 u64_or(struct nlattr *attr, u64 otherwise)
{
	return attr ? nla_get_u64(attr) : otherwise;
}

/* Answers a get. `put` has the object. */
static int reply(struct genl_info *info, u8 cmd, int (*put)(struct sk_buff *skb, const void *object),
		 const void *object)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE * 3, GFP_KERNEL);
	void *header;

	if (!skb)
		return -ENOMEM;
	header = genlmsg_put_reply(skb, info, &qos_family, 0, cmd);
	if (!header || put(skb, object)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return genlmsg_reply(skb, info);
}

/* One object of a dump; negative: no room. */
static int dump_one(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
		    int (*put)(struct sk_buff *skb, const void *object), const void *object)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &qos_family,
				   NLM_F_MULTI, cmd);

	if (!header)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, header);
	if (put(skb, object)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* --- info, config --- */

static int info_get(struct sk_buff *skb, struct genl_info *info)
{
	return reply(info, QOS_DWCS_CMD_INFO_GET, qos_put_info, NULL);
}

static int config_check(const struct qos_config *config, struct genl_info *info)
{
	struct nlattr **a = info->attrs;

	if (config->lease_ns && config->lease_ns < 100 * NSEC_PER_MSEC)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_LEASE], "a lease is 0 or at least 100 ms");
	if (config->telemetry_ns && config->telemetry_ns < 10 * NSEC_PER_MSEC)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_TELEMETRY],
			      "the interval of telemetry is 0 or at least 10 ms");
	if (config->band_last < config->band_first + 2)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_BAND_LAST],
			      "a band has at least three priorities");
	if (qos_threads_n &&
	    (config->band_first != qos_config.band_first || config->band_last != qos_config.band_last)) {
		NL_SET_ERR_MSG(info->extack, "the band cannot change while threads are attached");
		return -EBUSY;
	}
	return 0;
}

static int config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct qos_config config = qos_config;
	int error, id;

	config.lease_ns = u64_or(a[QOS_DWCS_CONFIG_A_LEASE], config.lease_ns);
	config.band_first = u32_or(a[QOS_DWCS_CONFIG_A_BAND_FIRST], config.band_first);
	config.band_last = u32_or(a[QOS_DWCS_CONFIG_A_BAND_LAST], config.band_last);
	config.cap_ppm = u32_or(a[QOS_DWCS_CONFIG_A_CAP_PPM], config.cap_ppm);
	config.cap_interval_ns = u64_or(a[QOS_DWCS_CONFIG_A_CAP_INTERVAL], config.cap_interval_ns);
	config.telemetry_ns = u64_or(a[QOS_DWCS_CONFIG_A_TELEMETRY], config.telemetry_ns);
	if (a[QOS_DWCS_CONFIG_A_ARM])
		config.arm = nla_get_u8(a[QOS_DWCS_CONFIG_A_ARM]);
	qos_config_cap(&config);
	error = config_check(&config, info);
	if (error)
		return error;
	qos_config = config;
	if (a[QOS_DWCS_CONFIG_A_LEASE])
		qos_lease_renew();
	if (a[QOS_DWCS_CONFIG_A_TELEMETRY])
		qos_event_wake();
	if (!a[QOS_DWCS_CONFIG_A_CAP_PPM] && !a[QOS_DWCS_CONFIG_A_CAP_INTERVAL])
		return 0;
	for_each_online_cpu(id)
		qos_cpu_reset_cap(per_cpu_ptr(&qos_cpus, id));
	return 0;
}

/* --- CPUs --- */

static struct qos_cpu *cpu_of(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[QOS_DWCS_CPU_A_ID];

	if (!attr) {
		missing(info->extack, "CPU_A_ID");
		return NULL;
	}
	if (nla_get_u32(attr) < nr_cpu_ids && cpu_online(nla_get_u32(attr)))
		return per_cpu_ptr(&qos_cpus, nla_get_u32(attr));
	refuse(info->extack, attr, "that CPU is not online");
	return NULL;
}

static int cpu_get(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_cpu *cpu = cpu_of(info);

	return cpu ? reply(info, QOS_DWCS_CMD_CPU_GET, qos_put_cpu, cpu) : -EINVAL;
}

static int cpu_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_cpu *cpu = cpu_of(info);

	if (!cpu)
		return -EINVAL;
	if (!info->attrs[QOS_DWCS_CPU_A_ORDERING])
		return missing(info->extack, "CPU_A_ORDERING");
	qos_cpu_order(cpu, (enum dwcs_ordering)nla_get_u32(info->attrs[QOS_DWCS_CPU_A_ORDERING]));
	qos_generation++;
	return 0;
}

static int cpu_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	unsigned int id;

	mutex_lock(&qos_mutex);
	cb->seq = qos_generation;
	for (id = cb->args[0]; id < nr_cpu_ids; id++) {
		if (cpu_online(id) &&
		    dump_one(skb, cb, QOS_DWCS_CMD_CPU_GET, qos_put_cpu, per_cpu_ptr(&qos_cpus, id)))
			break;
	}
	cb->args[0] = id;
	mutex_unlock(&qos_mutex);
	return skb->len;
}

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

static int period_take(struct qos_params *params, struct nlattr **a, struct netlink_ext_ack *extack)
{
	u64 period;

	params->period_ns = nla_get_u64(a[QOS_DWCS_STREAM_A_PERIOD]);
	params->rate_mhz = u32_or(a[QOS_DWCS_STREAM_A_RATE_MHZ], 0);
	params->tolerance_ns = min_t(u64, params->period_ns / TOLERANCE_FRACTION, TOLERANCE_MAX_NS);
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
	params->runtime_ns = nla_get_u64(a[QOS_DWCS_STREAM_A_RUNTIME]);
	params->latency_ns = u64_or(a[QOS_DWCS_STREAM_A_LATENCY], 0);
	stream->runtime_base_ns = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_BASE], params->runtime_ns);
	stream->runtime_min_ns = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_MIN], params->runtime_ns);
	stream->runtime_max_ns = u64_or(a[QOS_DWCS_STREAM_A_RUNTIME_MAX], params->runtime_ns);
	if (params->deadline_ns > params->period_ns)
		return refuse(extack, a[QOS_DWCS_STREAM_A_DEADLINE], "the deadline is longer than the period");
	if (params->runtime_ns > params->deadline_ns || stream->runtime_base_ns > params->deadline_ns ||
	    stream->runtime_max_ns > params->deadline_ns)
		return refuse(extack, a[QOS_DWCS_STREAM_A_RUNTIME], "a runtime is longer than the deadline");
	if (stream->runtime_min_ns > params->runtime_ns || stream->runtime_max_ns < params->runtime_ns)
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
		return refuse(extack, a[QOS_DWCS_STREAM_A_X], "more losses than the window has requests");
	if (params->job == QOS_DWCS_JOB_PROBES) {
		refuse(extack, a[QOS_DWCS_STREAM_A_JOB],
		       "jobs between probes of the program are not the module's: use a BPF monitor");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int stream_take(struct qos_stream *stream, struct nlattr *nest, struct netlink_ext_ack *extack)
{
	struct nlattr *a[QOS_DWCS_STREAM_A_MAX_THREADS + 1];
	int error;

	error = nla_parse_nested(a, QOS_DWCS_STREAM_A_MAX_THREADS, nest, stream_policy, extack);
	if (error)
		return error;
	if (!a[QOS_DWCS_STREAM_A_ID] || !a[QOS_DWCS_STREAM_A_PERIOD] || !a[QOS_DWCS_STREAM_A_RUNTIME] ||
	    !a[QOS_DWCS_STREAM_A_X] || !a[QOS_DWCS_STREAM_A_Y])
		return missing(extack, "ID, PERIOD, RUNTIME, X or Y of a stream");
	stream->id = nla_get_u32(a[QOS_DWCS_STREAM_A_ID]);
	error = name_take(stream->name, a[QOS_DWCS_STREAM_A_NAME], extack);
	error = error ?: period_take(&stream->params, a, extack);
	error = error ?: times_take(stream, a, extack);
	return error ?: rules_take(stream, a, extack);
}

static int stream_add(struct qos_contract *contract, struct nlattr *nest, struct netlink_ext_ack *extack)
{
	struct qos_stream *stream = kvzalloc(sizeof(*stream), GFP_KERNEL);

	if (!stream)
		return -ENOMEM;
	INIT_LIST_HEAD(&stream->threads);
	list_add_tail(&stream->in_contract, &contract->streams);
	return stream_take(stream, nest, extack);
}

static int contract_take(struct qos_contract *contract, struct genl_info *info)
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
	return n ? 0 : missing(info->extack, "CONTRACT_A_STREAM");
}

static int contract_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *wanted = kzalloc(sizeof(*wanted), GFP_KERNEL);
	int error;

	if (!wanted)
		return -ENOMEM;
	INIT_LIST_HEAD(&wanted->streams);
	error = contract_take(wanted, info);
	if (!error)
		error = qos_contract_set(wanted, info->nlhdr->nlmsg_flags & NLM_F_EXCL, info->extack);
	qos_contract_discard(wanted);
	return error;
}

static struct qos_contract *contract_of(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[QOS_DWCS_CONTRACT_A_NAME];
	char name[QOS_DWCS_NAME_LEN];
	struct qos_contract *contract;

	if (!attr) {
		missing(info->extack, "CONTRACT_A_NAME");
		return ERR_PTR(-EINVAL);
	}
	nla_strscpy(name, attr, sizeof(name));
	contract = qos_contract_find(name);
	if (contract)
		return contract;
	refuse(info->extack, attr, "there is no such contract");
	return ERR_PTR(-ENOENT);
}

static int contract_get(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = contract_of(info);

	return IS_ERR(contract) ? PTR_ERR(contract) :
				  reply(info, QOS_DWCS_CMD_CONTRACT_GET, qos_put_contract, contract);
}

static int contract_delete(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = contract_of(info);

	if (IS_ERR(contract))
		return PTR_ERR(contract);
	qos_contract_delete(contract);
	return 0;
}

static int contract_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct qos_contract *contract;

	mutex_lock(&qos_mutex);
	cb->seq = qos_generation;
	list_for_each_entry(contract, &qos_contracts, in_all) {
		if (contract->number <= cb->args[0])
			continue;
		if (dump_one(skb, cb, QOS_DWCS_CMD_CONTRACT_GET, qos_put_contract, contract))
			break;
		cb->args[0] = contract->number;
	}
	mutex_unlock(&qos_mutex);
	return skb->len;
}

/* --- streams --- */

static struct qos_stream *stream_of(struct nlattr *attr, struct genl_info *info)
{
	struct qos_stream *stream;

	if (!attr) {
		missing(info->extack, "the stream's id");
		return ERR_PTR(-EINVAL);
	}
	stream = qos_stream_find(nla_get_u32(attr));
	if (stream)
		return stream;
	refuse(info->extack, attr, "there is no such stream");
	return ERR_PTR(-ENOENT);
}

static int stream_get(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_stream *stream = stream_of(info->attrs[QOS_DWCS_STREAM_A_ID], info);

	return IS_ERR(stream) ? PTR_ERR(stream) :
				reply(info, QOS_DWCS_CMD_STREAM_GET, qos_put_stream, stream);
}

static int stream_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_stream *stream = stream_of(info->attrs[QOS_DWCS_STREAM_A_ID], info);
	struct nlattr *attr = info->attrs[QOS_DWCS_STREAM_A_RUNTIME];
	u64 runtime;

	if (IS_ERR(stream))
		return PTR_ERR(stream);
	if (!attr)
		return missing(info->extack, "STREAM_A_RUNTIME");
	runtime = nla_get_u64(attr);
	if (runtime < stream->runtime_min_ns || runtime > stream->runtime_max_ns) {
		refuse(info->extack, attr, "the runtime is not between RUNTIME_MIN and RUNTIME_MAX");
		return -ERANGE;
	}
	qos_stream_set_runtime(stream, runtime);
	return 0;
}

static int stream_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct qos_stream *stream;

	mutex_lock(&qos_mutex);
	cb->seq = qos_generation;
	list_for_each_entry(stream, &qos_streams, in_all) {
		if (stream->id <= cb->args[0])
			continue;
		if (dump_one(skb, cb, QOS_DWCS_CMD_STREAM_GET, qos_put_stream, stream))
			break;
		cb->args[0] = stream->id;
	}
	mutex_unlock(&qos_mutex);
	return skb->len;
}

/* --- threads --- */

static struct qos_thread *thread_of(struct genl_info *info)
{
	struct nlattr *attr = info->attrs[QOS_DWCS_THREAD_A_TID];
	struct qos_thread *thread;

	if (!attr) {
		missing(info->extack, "THREAD_A_TID");
		return ERR_PTR(-EINVAL);
	}
	thread = qos_thread_by_tid(nla_get_u32(attr), info->extack);
	return thread ?: ERR_PTR(-ESRCH);
}

static int thread_get(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_thread *thread = thread_of(info);

	return IS_ERR(thread) ? PTR_ERR(thread) :
				reply(info, QOS_DWCS_CMD_THREAD_GET, qos_put_thread, thread);
}

/* args: id of the stream that comes next, and how many of its threads were shown. */
static int thread_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct qos_stream *stream;
	struct qos_thread *thread;
	long n;

	mutex_lock(&qos_mutex);
	cb->seq = qos_generation;
	list_for_each_entry(stream, &qos_streams, in_all) {
		if (stream->id < cb->args[0])
			continue;
		if (stream->id > cb->args[0])
			cb->args[1] = 0;
		cb->args[0] = stream->id;
		n = 0;
		list_for_each_entry(thread, &stream->threads, in_stream) {
			if (n++ < cb->args[1])
				continue;
			if (dump_one(skb, cb, QOS_DWCS_CMD_THREAD_GET, qos_put_thread, thread))
				goto full;
			cb->args[1]++;
		}
	}
full:
	mutex_unlock(&qos_mutex);
	return skb->len;
}

static int attach(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct qos_stream *stream = stream_of(a[QOS_DWCS_THREAD_A_STREAM], info);

	if (IS_ERR(stream))
		return PTR_ERR(stream);
	if (!a[QOS_DWCS_THREAD_A_TID] || !a[QOS_DWCS_THREAD_A_CPU])
		return missing(info->extack, "THREAD_A_TID or THREAD_A_CPU");
	return qos_thread_attach(stream, nla_get_u32(a[QOS_DWCS_THREAD_A_TID]),
				 u64_or(a[QOS_DWCS_THREAD_A_START], 0),
				 nla_get_u32(a[QOS_DWCS_THREAD_A_CPU]), info->extack);
}

static int detach(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_thread *thread = thread_of(info);

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	qos_thread_detach(thread);
	return 0;
}

/* --- tables --- */

static int table_bits(struct qos_table *table, struct nlattr **a, struct netlink_ext_ack *extack)
{
	struct nlattr *bits = a[QOS_DWCS_TABLE_A_BITS];
	const u8 *byte = bits ? nla_data(bits) : NULL;
	u32 i;

	if (!bits || !table->cycle)
		return missing(extack, "TABLE_A_CYCLE or TABLE_A_BITS");
	if (nla_len(bits) != DIV_ROUND_UP(table->prefix + table->cycle, 8))
		return refuse(extack, bits, "BITS has not (PREFIX + CYCLE + 7) / 8 bytes");
	for (i = 0; i < table->prefix + table->cycle; i++) {
		if (byte[i / 8] & (1 << (i % 8)))
			__set_bit(i, table->bits);
	}
	return 0;
}

static int table_take(struct qos_table *table, struct nlattr **a, struct netlink_ext_ack *extack)
{
	table->epoch_ns = u64_or(a[QOS_DWCS_TABLE_A_EPOCH], 0);
	table->bundle = u32_or(a[QOS_DWCS_TABLE_A_BUNDLE], 0);
	table->budget_ns = u64_or(a[QOS_DWCS_TABLE_A_BUDGET], 0);
	table->on = true;
	if (!!table->bundle != (table->mode == QOS_DWCS_TABLE_BUNDLE) || !!table->budget_ns != !!table->bundle)
		return refuse(extack, a[QOS_DWCS_TABLE_A_BUNDLE], "BUNDLE and BUDGET go with the mode bundle");
	if (!!table->epoch_ns != (table->mode == QOS_DWCS_TABLE_PHASES))
		return refuse(extack, a[QOS_DWCS_TABLE_A_EPOCH], "EPOCH goes with the mode phases");
	if (table->mode == QOS_DWCS_TABLE_BUNDLE)
		return 0;
	return table_bits(table, a, extack);
}

static struct qos_table *table_new(struct nlattr **a)
{
	u32 prefix = u32_or(a[QOS_DWCS_TABLE_A_PREFIX], 0), cycle = u32_or(a[QOS_DWCS_TABLE_A_CYCLE], 0);
	struct qos_table *table;

	table = kvzalloc(struct_size(table, bits, BITS_TO_LONGS(prefix + cycle)), GFP_KERNEL);
	if (!table)
		return NULL;
	table->mode = nla_get_u32(a[QOS_DWCS_TABLE_A_MODE]);
	table->prefix = prefix;
	table->cycle = cycle;
	return table;
}

static int table_set_for(struct qos_thread *thread, struct genl_info *info)
{
	struct qos_table *table = table_new(info->attrs);
	int error;

	if (!table)
		return -ENOMEM;
	error = table_take(table, info->attrs, info->extack);
	if (!error)
		error = qos_table_check(thread, table, info->extack);
	if (!error) {
		qos_cpu_table(thread, &table);
		qos_generation++;
	}
	kvfree(table);
	return error;
}

static int table_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_stream *stream = stream_of(info->attrs[QOS_DWCS_TABLE_A_STREAM], info);
	struct qos_thread *thread;

	if (IS_ERR(stream))
		return PTR_ERR(stream);
	if (!info->attrs[QOS_DWCS_TABLE_A_MODE])
		return missing(info->extack, "TABLE_A_MODE");
	thread = list_first_entry_or_null(&stream->threads, struct qos_thread, in_stream);
	if (stream->max_threads != 1 || !thread)
		return refuse(info->extack, info->attrs[QOS_DWCS_TABLE_A_STREAM],
			      "a table is for a stream of one thread, which is attached");
	if (nla_get_u32(info->attrs[QOS_DWCS_TABLE_A_MODE]) != QOS_DWCS_TABLE_NONE)
		return table_set_for(thread, info);
	qos_table_drop(thread);
	qos_generation++;
	return 0;
}

/* --- lease, flush --- */

static int lease_renew(struct sk_buff *skb, struct genl_info *info)
{
	if (!qos_config.lease_ns) {
		NL_SET_ERR_MSG(info->extack, "there is no lease: set CONFIG_A_LEASE first");
		return -EINVAL;
	}
	qos_lease_renew();
	return 0;
}

static int flush(struct sk_buff *skb, struct genl_info *info)
{
	qos_streams_flush();
	return 0;
}

/* --- the family --- */

static const struct genl_multicast_group groups[] = {
	[QOS_GROUP_EVENTS] = { .name = QOS_DWCS_GROUP_EVENTS },
	[QOS_GROUP_TELEMETRY] = { .name = QOS_DWCS_GROUP_TELEMETRY },
};

#define GET(command, the_policy, get, dump) \
	{ .cmd = QOS_DWCS_CMD_##command, .policy = the_policy, .maxattr = ARRAY_SIZE(the_policy) - 1, \
	  .doit = get, .dumpit = dump }
#define SET(command, the_policy, set) \
	{ .cmd = QOS_DWCS_CMD_##command, .policy = the_policy, .maxattr = ARRAY_SIZE(the_policy) - 1, \
	  .doit = set, .flags = GENL_ADMIN_PERM }

static const struct genl_ops ops[] = {
	GET(INFO_GET, none_policy, info_get, NULL),
	SET(CONFIG_SET, config_policy, config_set),
	GET(CPU_GET, cpu_get_policy, cpu_get, cpu_dump),
	SET(CPU_SET, cpu_set_policy, cpu_set),
	GET(CONTRACT_GET, contract_get_policy, contract_get, contract_dump),
	SET(CONTRACT_SET, contract_set_policy, contract_set),
	SET(CONTRACT_DELETE, contract_get_policy, contract_delete),
	GET(STREAM_GET, stream_get_policy, stream_get, stream_dump),
	SET(STREAM_SET, stream_set_policy, stream_set),
	GET(THREAD_GET, thread_policy, thread_get, thread_dump),
	SET(ATTACH, attach_policy, attach),
	SET(DETACH, thread_policy, detach),
	SET(TABLE_SET, table_policy, table_set),
	SET(LEASE_RENEW, none_policy, lease_renew),
	SET(FLUSH, none_policy, flush),
};

static int pre_doit(QOS_GENL_OPS *op, struct sk_buff *skb, struct genl_info *info)
{
	if (op->flags & GENL_ADMIN_PERM && !netlink_capable(skb, CAP_SYS_NICE)) {
		NL_SET_ERR_MSG(info->extack, "CAP_SYS_NICE is needed");
		return -EPERM;
	}
	cpus_read_lock();
	mutex_lock(&qos_mutex);
	return 0;
}

static void post_doit(QOS_GENL_OPS *op, struct sk_buff *skb, struct genl_info *info)
{
	mutex_unlock(&qos_mutex);
	cpus_read_unlock();
}

static struct genl_family qos_family __ro_after_init = {
	.name = QOS_DWCS_FAMILY,
	.version = QOS_DWCS_VERSION,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = __QOS_DWCS_CMD_MAX,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.pre_doit = pre_doit,
	.post_doit = post_doit,
	.parallel_ops = true,
};

int qos_genl_register(void)
{
	int error = genl_register_family(&qos_family);

	WRITE_ONCE(registered, !error);
	return error;
}

/* The group numbers may be somebody else's from then on. */
void qos_genl_unregister(void)
{
	mutex_lock(&qos_mutex);
	WRITE_ONCE(registered, false);
	mutex_unlock(&qos_mutex);
	genl_unregister_family(&qos_family);
}

static bool has_listeners(enum qos_group group)
{
	return registered && genl_has_listeners(&qos_family, &init_net, group);
}

/* qos_mutex. */
void qos_genl_send_event(const struct qos_event *event)
{
	static u32 seq;
	struct sk_buff *skb;
	void *header;

	seq++;
	if (!has_listeners(QOS_GROUP_EVENTS))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	header = skb ? genlmsg_put(skb, 0, 0, &qos_family, 0, QOS_DWCS_CMD_EVENT) : NULL;
	if (!header || qos_put_event(skb, event, seq)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&qos_family, skb, 0, QOS_GROUP_EVENTS, GFP_KERNEL);
}

static void send_stream(const struct qos_stream *stream, u32 seq)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE * 3, GFP_KERNEL);
	void *header = skb ? genlmsg_put(skb, 0, 0, &qos_family, 0, QOS_DWCS_CMD_TELEMETRY) : NULL;

	if (!header || qos_put_stream(skb, stream) || nla_put_u32(skb, QOS_DWCS_STREAM_A_SEQ, seq)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&qos_family, skb, 0, QOS_GROUP_TELEMETRY, GFP_KERNEL);
}

/* qos_mutex. */
void qos_genl_send_telemetry(void)
{
	const struct qos_stream *stream;
	static u32 seq;

	if (!has_listeners(QOS_GROUP_TELEMETRY))
		return;
	list_for_each_entry(stream, &qos_streams, in_all)
		send_stream(stream, ++seq);
}
