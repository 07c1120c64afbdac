// SPDX-License-Identifier: GPL-2.0-only
/*
 * The qdisc "dwcs": packet streams served by windows on one link. uapi/qos_sch_dwcs.h specifies it. The
 * model, and what of it is decided where:
 *   dwcs.h, dwcs_link.h	which packet is next: requests on each stream's grid, by the ordering
 *   sch_dwcs_enqueue.c		in: to which class a packet goes
 *   sch_dwcs_dequeue.c		out: queues, counters, the default class's share, the link's pace
 *   sch_dwcs_class.c		streams: set, deleted, shown
 *   sch_dwcs_flow.c		a class's rules: what they are told, and the rate that they set
 *   sch_dwcs_timer.c		going on when the link is free, above every managed thread
 *   sch_dwcs.c			the qdisc: made, changed, shown, destroyed
 *
 * Proven (here, by the code's shape): packets in = packets out + counted drops + waiting; the default class's
 * share, but for a packet. Of windows: what dwcs.h says of orderings, for packets, which are not
 * preempted: blocking by the longest packet, and by one more for the share, is what admission charges.
 * Measured, not proven (tests/vm/test_flows.py): sets whose windows a simulation of dwcs_link.h keeps
 * with those charges keep them here. Cost: `./dev bench qdisc`.
 * Weak: without RATE the device's own queue decides when a packet is really sent; no fairness among
 * streams under overload; a change of RATE or ORDERING touches each class once, under the root's lock.
 */
#include <net/netlink.h>

#include "compat.h"
#include "flow.h"
#include "qos.h"
#include "sch_dwcs.h"

#define SHARE_DEFAULT 50000
#define MILLION	      1000000

static QOS_RANGE range_rate = {.max = QOS_SCH_DWCS_RATE_MAX};
static QOS_RANGE range_share = {.max = QOS_SCH_DWCS_SHARE_MAX};
static QOS_RANGE range_major = {.min = 1, .max = 0xffff};

static const struct nla_policy policy[QOS_SCH_DWCS_A_MAX + 1] = {
	[QOS_SCH_DWCS_A_ORDERING] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_ORDERING_FIN_GUARD),
	[QOS_SCH_DWCS_A_RATE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_SCH_DWCS_A_OVERHEAD] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_OVERHEAD_MAX),
	[QOS_SCH_DWCS_A_SHARE] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_share),
	[QOS_SCH_DWCS_A_MAJOR] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_major),
	[QOS_SCH_DWCS_A_CLASSES] = {.type = NLA_REJECT},
};

/* What the qdisc is asked to be. */
struct wanted {
	enum dwcs_ordering ordering;
	u64 rate;
	u32 overhead;
	u32 share;
	u32 major;
	struct psched_ratecfg pace;
};

/* How long a packet takes, rounded up; 1 ns if the rate of the link is not known. */
u64 qos_sch_cost(const struct psched_ratecfg *pace, bool paced, u32 packet)
{
	return paced ? psched_l2t_ns(pace, packet) + 1 : 1;
}

static void wanted_of(const struct qos_sch *q, struct wanted *wanted)
{
	wanted->ordering = q->link.queue.ordering;
	wanted->rate = q->rate;
	wanted->overhead = q->overhead;
	wanted->share = q->share;
	wanted->major = q->major;
}

static int parse(struct nlattr *options, struct wanted *wanted, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[QOS_SCH_DWCS_A_MAX + 1];
	struct tc_ratespec spec = {};
	int error;

	error = nla_parse_nested(tb, QOS_SCH_DWCS_A_MAX, options, policy, extack);
	if (error)
		return error;
	if (tb[QOS_SCH_DWCS_A_ORDERING])
		wanted->ordering = nla_get_u32(tb[QOS_SCH_DWCS_A_ORDERING]);
	if (tb[QOS_SCH_DWCS_A_RATE])
		wanted->rate = nla_get_u64(tb[QOS_SCH_DWCS_A_RATE]);
	if (tb[QOS_SCH_DWCS_A_OVERHEAD])
		wanted->overhead = nla_get_u32(tb[QOS_SCH_DWCS_A_OVERHEAD]);
	if (tb[QOS_SCH_DWCS_A_SHARE])
		wanted->share = nla_get_u32(tb[QOS_SCH_DWCS_A_SHARE]);
	if (tb[QOS_SCH_DWCS_A_MAJOR])
		wanted->major = nla_get_u32(tb[QOS_SCH_DWCS_A_MAJOR]) << 16;
	spec.overhead = wanted->overhead;
	spec.linklayer = TC_LINKLAYER_ETHERNET;
	if (wanted->rate)
		psched_ratecfg_precompute(&wanted->pace, &spec, wanted->rate);
	return 0;
}

/* Does every class still fit? */
static const char *refusal_of(const struct qos_sch *q, const struct wanted *wanted)
{
	u32 minor;

	for (minor = 1; minor < q->minors; minor++) {
		const struct qos_sch_class *class = q->by_minor[minor];

		if (class && qos_sch_cost(&wanted->pace, wanted->rate, class->packet) >
				     min(class->flow.request.deadline, class->own_period))
			return "a class's packet takes too long at this rate";
	}
	return NULL;
}

/* The root's lock. What waits is ordered anew. */
static void apply(struct Qdisc *sch, const struct wanted *wanted)
{
	struct qos_sch *q = qdisc_priv(sch);
	u64 now = ktime_get_ns();
	u32 minor;

	for (minor = 1; minor < q->minors; minor++)
		if (q->by_minor[minor])
			dwcs_link_withdraw(&q->link, &q->by_minor[minor]->flow);
	q->now_ns = 0;
	q->link.queue.ordering = wanted->ordering;
	q->rate = wanted->rate;
	q->overhead = wanted->overhead;
	q->share = wanted->share;
	q->major = wanted->major;
	q->match = q->major ?: sch->handle;
	q->pace = wanted->pace;
	q->paced = wanted->rate;
	q->per_byte = div_u64((u64)q->share << QOS_SCH_CREDIT_SHIFT, MILLION - q->share);
	for (minor = 1; minor < q->minors; minor++) {
		struct qos_sch_class *class = q->by_minor[minor];

		if (!class)
			continue;
		class->flow.request.cost = qos_sch_cost(&q->pace, q->paced, class->packet);
		qos_sch_resume(q, class, now);
	}
}

static int set(struct Qdisc *sch, struct wanted *wanted, struct nlattr *options,
	       struct netlink_ext_ack *extack)
{
	struct qos_sch *q = qdisc_priv(sch);
	const char *why;
	int error = 0;

	if (options)
		error = parse(options, wanted, extack);
	if (error)
		return error;
	why = refusal_of(q, wanted);
	if (why) {
		qos_refuse(extack, why);
		return -EINVAL;
	}
	if (wanted->rate)
		error = qos_sch_timer_start(&q->timer);
	if (error) {
		NL_SET_ERR_MSG(extack, "the thread that keeps the link's pace could not be made");
		return error;
	}
	sch_tree_lock(sch);
	apply(sch, wanted);
	sch_tree_unlock(sch);
	if (!wanted->rate && !q->holding) {
		qos_sch_timer_stop(&q->timer);
		if (sch->q.qlen) /* they waited for the timer */
			qos_sch_run(sch);
	}
	return 0;
}

static int change(struct Qdisc *sch, struct nlattr *options, struct netlink_ext_ack *extack)
{
	struct wanted wanted = {};

	wanted_of(qdisc_priv(sch), &wanted);
	return set(sch, &wanted, options, extack);
}

static int init(struct Qdisc *sch, struct nlattr *options, struct netlink_ext_ack *extack)
{
	struct wanted wanted = {.ordering = DWCS_FIN, .share = SHARE_DEFAULT};
	struct qos_sch *q = qdisc_priv(sch);
	int error;

	qos_sch_timer_init(&q->timer, sch);
	error = tcf_block_get(&q->block, &q->filters, sch, extack);
	if (error)
		return error;
	q->rest = qdisc_create_dflt(sch->dev_queue, &pfifo_qdisc_ops,
				    TC_H_MAKE(sch->handle, QOS_SCH_DWCS_MINOR_DEFAULT), extack);
	if (!q->rest)
		return -ENOMEM;
	qdisc_hash_add(q->rest, true);
	return set(sch, &wanted, options, extack);
}

static void reset(struct Qdisc *sch)
{
	struct qos_sch *q = qdisc_priv(sch);
	u32 minor;

	for (minor = 1; minor < q->minors; minor++) {
		struct qos_sch_class *class = q->by_minor[minor];

		if (class)
			qos_sch_purge(sch, class, &class->stats.dropped_purged);
	}
	q->stats.dropped_default += q->rest->q.qlen;
	sch->qstats.drops += q->rest->q.qlen;
	qdisc_reset(q->rest);
	q->credit = 0;
	q->now_ns = 0;
	q->waited = false;
	q->next_ns = ktime_get_ns();
	qos_sch_timer_cancel(&q->timer);
}

/* Also of one whose init() failed. */
static void destroy(struct Qdisc *sch)
{
	struct qos_sch *q = qdisc_priv(sch);
	u32 minor;

	qos_sch_timer_stop(&q->timer);
	tcf_block_put(q->block);
	for (minor = 1; minor < q->minors; minor++) {
		if (q->by_minor[minor])
			qos_flow_put(q->by_minor[minor]->rules);
		kfree(q->by_minor[minor]);
	}
	kvfree(q->by_minor);
	kvfree(q->link.queue.slot[DWCS_RANK]);
	qdisc_put(q->rest);
}

static int dump(struct Qdisc *sch, struct sk_buff *skb)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct nlattr *nest = nla_nest_start(skb, TCA_OPTIONS);

	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, QOS_SCH_DWCS_A_ORDERING, q->link.queue.ordering) ||
	    nla_put_u64_64bit(skb, QOS_SCH_DWCS_A_RATE, q->rate, QOS_SCH_DWCS_A_PAD) ||
	    nla_put_u32(skb, QOS_SCH_DWCS_A_OVERHEAD, q->overhead) ||
	    nla_put_u32(skb, QOS_SCH_DWCS_A_SHARE, q->share) ||
	    nla_put_u32(skb, QOS_SCH_DWCS_A_MAJOR, q->match >> 16) ||
	    nla_put_u32(skb, QOS_SCH_DWCS_A_CLASSES, q->classes)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	return nla_nest_end(skb, nest);
}

static int dump_stats(struct Qdisc *sch, struct gnet_dump *d)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_dwcs_stats sum = q->stats;
	u32 minor;

	for (minor = 1; minor < q->minors; minor++)
		if (q->by_minor[minor])
			qos_sch_class_fold(&sum, q->by_minor[minor]);
	return gnet_stats_copy_app(d, &sum, sizeof(sum));
}

static struct Qdisc_ops ops = {
	.id = QOS_SCH_DWCS_KIND,
	.priv_size = sizeof(struct qos_sch),
	.cl_ops = &qos_sch_class_ops,
	.init = init,
	.reset = reset,
	.destroy = destroy,
	.change = change,
	.enqueue = qos_sch_enqueue,
	.dequeue = qos_sch_dequeue,
	.peek = qdisc_peek_dequeued,
	.dump = dump,
	.dump_stats = dump_stats,
	.owner = THIS_MODULE,
};

int qos_sch_register(void)
{
	return register_qdisc(&ops);
}

/* The module is in use while a qdisc is there, so there is none. */
void qos_sch_unregister(void)
{
	unregister_qdisc(&ops);
}
