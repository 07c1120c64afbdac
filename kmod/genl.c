// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: strict policies, one command a function, a sentence for each refusal.
 * uapi/qos_dwcs.h is the specification.
 *
 * Commands run under cpus_read_lock() and qos_mutex (pre_doit). A dump takes qos_mutex for each
 * message; it goes on behind the last object by a number that only grows (contract) or sorts them
 * (stream, CPU), so what comes or goes meanwhile neither stops it nor shows anything twice; threads
 * go by their place in the order of streams, and NLM_F_DUMP_INTR tells that it moved.
 */
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "genl_policy.h"
#include "put.h"
#include "rules.h"
#include "take.h"

/* --- helpers --- */

/* Room for the largest object: a contract of QOS_DWCS_STREAMS_IN_MAX streams, 6.3 KB. */
#define OBJECT_SIZE (GENLMSG_DEFAULT_SIZE * 3)

/* Answers a get. `put` has the object. */
int qos_genl_reply(struct genl_info *info, u8 cmd,
		   int (*put)(struct sk_buff *skb, const void *object), const void *object)
{
	struct sk_buff *skb = genlmsg_new(OBJECT_SIZE, GFP_KERNEL);
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

/*
 * A socket that has read nothing yet is given messages of less than a page, in which a stream's
 * histograms alone have no room: its dump would end with the first message, and look complete.
 */
static int dump_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = OBJECT_SIZE;
	return 0;
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
	return qos_genl_reply(info, QOS_DWCS_CMD_INFO_GET, qos_put_info, NULL);
}

static int config_check(const struct qos_config *config, struct genl_info *info)
{
	struct nlattr **a = info->attrs;

	if (config->lease_ns && config->lease_ns < 100 * NSEC_PER_MSEC)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_LEASE],
			      "a lease is 0 or at least 100 ms");
	if (config->telemetry_ns && config->telemetry_ns < 10 * NSEC_PER_MSEC)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_TELEMETRY],
			      "the interval of telemetry is 0 or at least 10 ms");
	if (config->band_last < config->band_first + 2)
		return refuse(info->extack, a[QOS_DWCS_CONFIG_A_BAND_LAST],
			      "a band has at least three priorities");
	if (qos_threads_n && (config->band_first != qos_config.band_first ||
			      config->band_last != qos_config.band_last)) {
		NL_SET_ERR_MSG(info->extack, "the band cannot change while threads are attached");
		return -EBUSY;
	}
	return 0;
}

/* Were the claims that were verified with `old` verified with enough? */
static bool config_charges_more(const struct qos_config *config, const struct qos_config *old)
{
	return config->cap_ppm < old->cap_ppm || config->dispatch_ns > old->dispatch_ns ||
	       config->blocking_ns > old->blocking_ns;
}

static void config_take(const struct qos_config *config, const struct genl_info *info)
{
	bool more = config_charges_more(config, &qos_config);
	struct nlattr **a = info->attrs;
	int id;

	qos_config = *config;
	if (a[QOS_DWCS_CONFIG_A_LEASE])
		qos_lease_renew();
	if (a[QOS_DWCS_CONFIG_A_TELEMETRY])
		qos_event_wake();
	for_each_online_cpu(id) {
		struct qos_cpu *cpu = per_cpu_ptr(&qos_cpus, id);

		if (a[QOS_DWCS_CONFIG_A_CAP_PPM] || a[QOS_DWCS_CONFIG_A_CAP_INTERVAL])
			qos_cpu_reset_cap(cpu);
		if (more)
			qos_cpu_unprove(cpu);
	}
}

static int config_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct qos_config config = qos_config;
	int error;

	config.lease_ns = u64_or(a[QOS_DWCS_CONFIG_A_LEASE], config.lease_ns);
	config.band_first = u32_or(a[QOS_DWCS_CONFIG_A_BAND_FIRST], config.band_first);
	config.band_last = u32_or(a[QOS_DWCS_CONFIG_A_BAND_LAST], config.band_last);
	config.cap_ppm = u32_or(a[QOS_DWCS_CONFIG_A_CAP_PPM], config.cap_ppm);
	config.cap_interval_ns = u64_or(a[QOS_DWCS_CONFIG_A_CAP_INTERVAL], config.cap_interval_ns);
	config.telemetry_ns = u64_or(a[QOS_DWCS_CONFIG_A_TELEMETRY], config.telemetry_ns);
	config.dispatch_ns = u64_or(a[QOS_DWCS_CONFIG_A_DISPATCH], config.dispatch_ns);
	config.blocking_ns = u64_or(a[QOS_DWCS_CONFIG_A_BLOCKING], config.blocking_ns);
	if (a[QOS_DWCS_CONFIG_A_ARM])
		config.arm = nla_get_u8(a[QOS_DWCS_CONFIG_A_ARM]);
	qos_config_cap(&config);
	error = config_check(&config, info);
	if (!error)
		config_take(&config, info);
	return error;
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

	return cpu ? qos_genl_reply(info, QOS_DWCS_CMD_CPU_GET, qos_put_cpu, cpu) : -EINVAL;
}

static int cpu_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *ordering = info->attrs[QOS_DWCS_CPU_A_ORDERING];
	struct nlattr *share = info->attrs[QOS_DWCS_CPU_A_SHARE];
	struct qos_cpu *cpu = cpu_of(info);

	if (!cpu)
		return -EINVAL;
	if (!ordering && !share)
		return missing(info->extack, "CPU_A_ORDERING or CPU_A_SHARE");
	if (ordering)
		qos_cpu_order(cpu, (enum dwcs_ordering)nla_get_u32(ordering));
	if (share)
		qos_guard_share(cpu, nla_get_u32(share));
	qos_generation++;
	return 0;
}

static int cpu_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	unsigned int id;

	mutex_lock(&qos_mutex);
	cb->seq = qos_generation;
	for (id = cb->args[0]; id < nr_cpu_ids; id++) {
		if (cpu_online(id) && dump_one(skb, cb, QOS_DWCS_CMD_CPU_GET, qos_put_cpu,
					       per_cpu_ptr(&qos_cpus, id)))
			break;
	}
	cb->args[0] = id;
	mutex_unlock(&qos_mutex);
	return skb->len;
}

/* --- contracts --- */

static int contract_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *wanted = kzalloc(sizeof(*wanted), GFP_KERNEL);
	int error;

	if (!wanted)
		return -ENOMEM;
	INIT_LIST_HEAD(&wanted->streams);
	error = qos_take_contract(wanted, info);
	if (!error)
		error = qos_contract_set(wanted, info->nlhdr->nlmsg_flags & NLM_F_EXCL,
					 info->extack);
	qos_contract_discard(wanted);
	return error;
}

static int contract_get(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = qos_contract_named(info, QOS_DWCS_CONTRACT_A_NAME);

	return IS_ERR(contract) ? PTR_ERR(contract)
				: qos_genl_reply(info, QOS_DWCS_CMD_CONTRACT_GET, qos_put_contract,
						 contract);
}

static int contract_delete(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_contract *contract = qos_contract_named(info, QOS_DWCS_CONTRACT_A_NAME);

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

	return IS_ERR(stream)
		       ? PTR_ERR(stream)
		       : qos_genl_reply(info, QOS_DWCS_CMD_STREAM_GET, qos_put_stream, stream);
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
	if (runtime < stream->limits.lo || runtime > stream->limits.hi) {
		refuse(info->extack, attr,
		       "the runtime is not between RUNTIME_MIN and RUNTIME_MAX");
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

	return IS_ERR(thread)
		       ? PTR_ERR(thread)
		       : qos_genl_reply(info, QOS_DWCS_CMD_THREAD_GET, qos_put_thread, thread);
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
	struct qos_seat seat;

	if (IS_ERR(stream))
		return PTR_ERR(stream);
	if (!a[QOS_DWCS_THREAD_A_TID] || !a[QOS_DWCS_THREAD_A_CPU])
		return missing(info->extack, "THREAD_A_TID or THREAD_A_CPU");
	seat = (struct qos_seat){
		.tid = nla_get_u32(a[QOS_DWCS_THREAD_A_TID]),
		.cpu = nla_get_u32(a[QOS_DWCS_THREAD_A_CPU]),
		.start = u64_or(a[QOS_DWCS_THREAD_A_START], 0),
		.state_key = u32_or(a[QOS_DWCS_THREAD_A_STATE], 0),
	};
	return qos_thread_attach(stream, &seat, info->extack);
}

static int thread_set(struct sk_buff *skb, struct genl_info *info)
{
	struct qos_thread *thread = thread_of(info);
	struct nlattr **a = info->attrs;

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	if (!a[QOS_DWCS_THREAD_A_STATE])
		return missing(info->extack, "THREAD_A_STATE");
	if (a[QOS_DWCS_THREAD_A_START] &&
	    nla_get_u64(a[QOS_DWCS_THREAD_A_START]) != thread->start) {
		refuse(info->extack, a[QOS_DWCS_THREAD_A_START],
		       "the tid is another thread's by now: its start time differs");
		return -ESRCH;
	}
	qos_cpu_set_key(thread, nla_get_u32(a[QOS_DWCS_THREAD_A_STATE]));
	return 0;
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

static int table_set_for(struct qos_thread *thread, struct genl_info *info)
{
	struct qos_table *table = qos_take_table(info->attrs, info->extack);
	int error;

	if (IS_ERR(table))
		return PTR_ERR(table);
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
	[QOS_GROUP_EVENTS] = {.name = QOS_DWCS_GROUP_EVENTS},
	[QOS_GROUP_TELEMETRY] = {.name = QOS_DWCS_GROUP_TELEMETRY},
};

#define GET(command, the_policy, get, dump)                                                        \
	{                                                                                          \
		.cmd = QOS_DWCS_CMD_##command, .policy = the_policy,                               \
		.maxattr = ARRAY_SIZE(the_policy) - 1, .doit = get, .start = dump_start,           \
		.dumpit = dump                                                                     \
	}
#define SET(command, the_policy, set)                                                              \
	{                                                                                          \
		.cmd = QOS_DWCS_CMD_##command, .policy = the_policy,                               \
		.maxattr = ARRAY_SIZE(the_policy) - 1, .doit = set, .flags = GENL_ADMIN_PERM       \
	}

static const struct genl_ops ops[] = {
	{
		.cmd = QOS_DWCS_CMD_INFO_GET,
		.policy = none_policy,
		.maxattr = ARRAY_SIZE(none_policy) - 1,
		.doit = info_get,
	},
	SET(CONFIG_SET, config_policy, config_set),
	GET(CPU_GET, cpu_get_policy, cpu_get, cpu_dump),
	SET(CPU_SET, cpu_set_policy, cpu_set),
	GET(CONTRACT_GET, contract_get_policy, contract_get, contract_dump),
	SET(CONTRACT_SET, qos_contract_set_policy, contract_set),
	SET(CONTRACT_DELETE, contract_get_policy, contract_delete),
	GET(STREAM_GET, stream_get_policy, stream_get, stream_dump),
	SET(STREAM_SET, stream_set_policy, stream_set),
	GET(THREAD_GET, thread_policy, thread_get, thread_dump),
	SET(ATTACH, attach_policy, attach),
	SET(DETACH, thread_policy, detach),
	SET(TABLE_SET, qos_table_set_policy, table_set),
	SET(LEASE_RENEW, none_policy, lease_renew),
	SET(FLUSH, none_policy, flush),
	SET(RULES_SET, qos_rules_set_policy, qos_genl_rules_set),
	SET(RULES_RAISE, qos_rules_raise_policy, qos_genl_rules_raise),
	SET(RULES_ASK, qos_rules_ask_policy, qos_genl_rules_ask),
	SET(THREAD_SET, thread_set_policy, thread_set),
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

struct genl_family qos_family __ro_after_init = {
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
