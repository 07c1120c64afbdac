// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classes of the qdisc: set, deleted, shown. To the kernel's core a class is its minor number, so nothing
 * outside holds a pointer to one: a filter whose class is deleted sends to the default class.
 *
 * All under RTNL; what packets see is changed under the root's lock. The heaps have room for every class
 * before it is there, so that nothing is allocated for a packet.
 */
#include <linux/slab.h>
#include <net/netlink.h>

#include "compat.h"
#include "flow.h"
#include "qos.h"
#include "sch_dwcs.h"

#define LIMIT_DEFAULT 200
#define ROOM_MIN      16

/* --- room --- */

static int grow_heaps(struct Qdisc *sch, u32 room)
{
	struct qos_sch *q = qdisc_priv(sch);
	const struct {
		struct dwcs_queue *queue;
		enum dwcs_heap heap;
	} heaps[] = {
		{&q->link.queue, DWCS_RANK}, /* it begins what is allocated */
		{&q->link.queue, DWCS_SPARE}, {&q->link.queue, DWCS_CRITICAL},
		{&q->link.queue, DWCS_DUE},   {&q->link.clock, DWCS_DUE},
		{&q->link.held, DWCS_DUE},
	};
	struct dwcs_stream **all, **old = q->link.queue.slot[DWCS_RANK];
	int i;

	all = kvmalloc_array(room, ARRAY_SIZE(heaps) * sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	sch_tree_lock(sch);
	for (i = 0; i < ARRAY_SIZE(heaps); i++) {
		struct dwcs_stream ***slot = &heaps[i].queue->slot[heaps[i].heap];
		struct dwcs_stream **to = all + (size_t)i * room;

		if (heaps[i].queue->n[heaps[i].heap])
			memcpy(to, *slot, heaps[i].queue->n[heaps[i].heap] * sizeof(*to));
		*slot = to;
	}
	q->room = room;
	sch_tree_unlock(sch);
	kvfree(old);
	return 0;
}

static int grow_minors(struct Qdisc *sch, u32 minors)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class **all, **old = q->by_minor;

	all = kvcalloc(minors, sizeof(*all), GFP_KERNEL);
	if (!all)
		return -ENOMEM;
	if (q->minors)
		memcpy(all, old, q->minors * sizeof(*all));
	sch_tree_lock(sch);
	q->by_minor = all;
	q->minors = minors;
	sch_tree_unlock(sch);
	kvfree(old);
	return 0;
}

static int make_room(struct Qdisc *sch, u32 minor)
{
	struct qos_sch *q = qdisc_priv(sch);
	int error = 0;

	if (q->classes >= q->room)
		error = grow_heaps(sch, max_t(u32, ROOM_MIN, 2 * q->room));
	if (!error && minor >= q->minors)
		error = grow_minors(sch, max_t(u32, ROOM_MIN, roundup_pow_of_two(minor + 1)));
	return error;
}

/* --- set and delete --- */

/* The root's lock. The window begins anew if anything that it depends on changed. */
static void apply(struct qos_sch *q, struct qos_sch_class *class,
		  const struct qos_sch_params *params)
{
	struct dwcs_stream *of = &class->flow.request;
	const struct dwcs_stream *to = &params->stream;
	bool anew = class->own_period != to->period || of->deadline != to->deadline ||
		    of->x != to->x || of->y != to->y || class->late != params->late;
	u64 now = ktime_get_ns();

	dwcs_link_withdraw(&q->link, &class->flow);
	q->now_ns = 0;
	class->rate = params->rate;
	class->period = params->period;
	class->deadline = params->deadline;
	class->packet = params->packet;
	class->limit = params->limit;
	class->late = params->late;
	q->holding += params->hold - class->flow.hold;
	class->flow.hold = params->hold;
	class->rules_rate = 0; /* to be followed anew */
	class->rules_base = 0;
	class->stats.rate_bps = 0;
	class->own_period = to->period;
	of->period = to->period;
	of->deadline = to->deadline;
	of->cost = to->cost;
	of->x = to->x;
	of->y = to->y;
	if (anew) {
		dwcs_reset(of);
		if ((s64)(class->flow.next - now) > (s64)of->period)
			class->flow.next = now + of->period;
	}
	qos_sch_flow_set(class, params->rules);
	if (class->rules)
		qos_sch_flow_follow(class, now);
	qos_sch_resume(q, class, now);
	if (class->head && q->timer.thread) /* it may be sent now, or later than the timer knows */
		qos_sch_timer_arm(&q->timer, now);
}

static int create(struct Qdisc *sch, u32 minor, struct qos_sch_class **ret)
{
	struct qos_sch_class *class;
	int error;

	error = make_room(sch, minor);
	if (error)
		return error;
	class = kzalloc(sizeof(*class), GFP_KERNEL);
	if (!class)
		return -ENOMEM;
	class->minor = minor;
	class->tail = &class->head;
	class->flow.request.id = minor;
	gnet_stats_basic_sync_init(&class->bstats);
	dwcs_flow_init(&class->flow);
	*ret = class;
	return 0;
}

/* All that can fail beside the class itself. */
static int prepare(struct qos_sch *q, struct qos_sch_params *params, struct netlink_ext_ack *extack)
{
	if (params->hold && qos_sch_timer_start(&q->timer)) {
		NL_SET_ERR_MSG(extack, "the thread that sends held packets could not be made");
		return -ENOMEM;
	}
	params->rules = params->flow ? qos_flow_get(params->flow) : NULL;
	return params->flow && !params->rules ? -ENOMEM : 0;
}

static void commit(struct Qdisc *sch, struct qos_sch_class *class,
		   const struct qos_sch_params *params)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_flow *before = class->rules;

	sch_tree_lock(sch);
	apply(q, class, params);
	if (!q->by_minor[class->minor]) {
		q->by_minor[class->minor] = class;
		q->classes++;
	}
	sch_tree_unlock(sch);
	qos_flow_put(before);
}

/* What cannot be, whatever its parameters are. */
static const char *refusal_of_place(struct Qdisc *sch, u32 classid, u32 parent, struct nlattr **tca)
{
	u32 minor = TC_H_MIN(classid);

	if (tca[TCA_RATE])
		return "a class of dwcs has no rate estimator";
	if (parent && parent != TC_H_ROOT && parent != sch->handle)
		return "a class of dwcs lives directly below the qdisc";
	if (!minor || minor > QOS_SCH_DWCS_MINOR_DEFAULT || TC_H_MAJ(classid ^ sch->handle))
		return "a class is HANDLE:NUMBER, the number from 1 to fffe";
	if (minor == QOS_SCH_DWCS_MINOR_DEFAULT)
		return "the default class cannot be changed";
	if (!tca[TCA_OPTIONS])
		return "a class needs options";
	return NULL;
}

static int change(struct Qdisc *sch, u32 classid, u32 parent, struct nlattr **tca,
		  unsigned long *arg, struct netlink_ext_ack *extack)
{
	struct qos_sch_params params = {.limit = LIMIT_DEFAULT};
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = qos_sch_find(q, *arg);
	const char *why = refusal_of_place(sch, classid, parent, tca);
	int error = 0;

	if (!why && !class && q->classes == QOS_SCH_DWCS_CLASSES_MAX) {
		NL_SET_ERR_MSG(extack, "the qdisc has as many classes as it may have");
		return -ENOSPC;
	}
	if (!why) {
		if (class)
			qos_sch_params_of(class, &params);
		error = qos_sch_params_parse(tca[TCA_OPTIONS], &params, extack);
		if (error)
			return error;
		why = qos_sch_params_refusal(&params, q);
	}
	if (why) {
		qos_refuse(extack, why);
		return -EINVAL;
	}
	if (qos_sch_params_are_machines(&params, class) && !capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack, "EXCESS hold and FLOW need CAP_NET_ADMIN of the machine");
		return -EPERM;
	}
	if (!class)
		error = create(sch, TC_H_MIN(classid), &class);
	error = error ?: prepare(q, &params, extack);
	if (error) {
		if (!*arg)
			kfree(class);
		return error;
	}
	commit(sch, class, &params);
	*arg = class->minor;
	return 0;
}

void qos_sch_class_fold(struct qos_sch_dwcs_stats *sum, const struct qos_sch_class *class)
{
	const struct qos_sch_dwcs_class_stats *of = &class->stats;

	sum->served += of->served;
	sum->lost += of->lost;
	sum->windows += of->windows;
	sum->violations += of->violations;
	sum->ahead += of->ahead;
	sum->late += of->late;
	sum->dropped_late += of->dropped_late;
	sum->dropped_limit += of->dropped_limit;
	sum->dropped_purged += of->dropped_purged;
	sum->oversize += of->oversize;
}

static int remove(struct Qdisc *sch, unsigned long arg, struct netlink_ext_ack *extack)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = qos_sch_find(q, arg);
	u32 n, bytes;

	if (!class) {
		NL_SET_ERR_MSG(extack, "the default class cannot be deleted");
		return -EBUSY;
	}
	sch_tree_lock(sch);
	n = class->qlen;
	bytes = class->qstats.backlog;
	qos_sch_purge(sch, class, &q->stats.dropped_deleted);
	qos_sch_class_fold(&q->stats, class);
	q->by_minor[arg] = NULL;
	q->classes--;
	q->holding -= class->flow.hold;
	qdisc_tree_reduce_backlog(sch, n, bytes);
	sch_tree_unlock(sch);
	qos_flow_put(class->rules);
	kfree(class);
	return 0;
}

/* --- shown --- */

static unsigned long find(struct Qdisc *sch, u32 classid)
{
	u32 minor = TC_H_MIN(classid);

	if (minor == QOS_SCH_DWCS_MINOR_DEFAULT || qos_sch_find(qdisc_priv(sch), minor))
		return minor;
	return 0;
}

static void walk(struct Qdisc *sch, struct qdisc_walker *arg)
{
	struct qos_sch *q = qdisc_priv(sch);
	u32 minor;

	if (arg->stop)
		return;
	for (minor = 1; minor < q->minors; minor++)
		if (q->by_minor[minor] && !tc_qdisc_stats_dump(sch, minor, arg))
			return;
	tc_qdisc_stats_dump(sch, QOS_SCH_DWCS_MINOR_DEFAULT, arg);
}

static bool put_options(struct sk_buff *skb, const struct qos_sch_class *class)
{
	const struct dwcs_stream *stream = &class->flow.request;

	return nla_put_u64_64bit(skb, QOS_SCH_DWCS_CLASS_A_RATE, class->rate,
				 QOS_SCH_DWCS_CLASS_A_PAD) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_PACKET, class->packet) ||
	       nla_put_u64_64bit(skb, QOS_SCH_DWCS_CLASS_A_PERIOD, class->period,
				 QOS_SCH_DWCS_CLASS_A_PAD) ||
	       nla_put_u64_64bit(skb, QOS_SCH_DWCS_CLASS_A_DEADLINE, class->deadline,
				 QOS_SCH_DWCS_CLASS_A_PAD) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_X, stream->x) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_Y, stream->y) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_LATE, class->late) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_LIMIT, class->limit) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_EXCESS, class->flow.hold) ||
	       nla_put_u32(skb, QOS_SCH_DWCS_CLASS_A_FLOW, class->rules ? class->rules->id : 0);
}

static int dump(struct Qdisc *sch, unsigned long arg, struct sk_buff *skb, struct tcmsg *tcm)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = qos_sch_find(q, arg);
	struct nlattr *nest;

	tcm->tcm_handle = TC_H_MAKE(sch->handle, arg);
	tcm->tcm_parent = TC_H_ROOT;
	if (!class) {
		tcm->tcm_info = q->rest->handle;
		return skb->len;
	}
	nest = nla_nest_start(skb, TCA_OPTIONS);
	if (!nest)
		return -EMSGSIZE;
	if (put_options(skb, class)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}
	return nla_nest_end(skb, nest);
}

static int put_stats(struct qos_sch_class *class, struct gnet_dump *d)
{
	struct qos_sch_dwcs_class_stats *stats = &class->stats;
	int error;

	stats->period_ns = class->flow.request.period;
	stats->deadline_ns = class->flow.request.deadline;
	stats->k = class->flow.request.k;
	stats->m = class->flow.request.m;
	error = gnet_stats_copy_basic(d, NULL, &class->bstats, true);
	if (error >= 0)
		error = gnet_stats_copy_queue(d, NULL, &class->qstats, class->qlen);
	return error < 0 ? error : gnet_stats_copy_app(d, stats, sizeof(*stats));
}

/* By the root's lock, so that a class's counters agree exactly. */
static int dump_stats(struct Qdisc *sch, unsigned long arg, struct gnet_dump *d)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = qos_sch_find(q, arg);
	int error;

	if (!class)
		return gnet_stats_copy_basic(d, NULL, &q->rest->bstats, true) < 0 ||
				       qdisc_qstats_copy(d, q->rest) < 0
			       ? -1
			       : 0;
	sch_tree_lock(sch);
	error = put_stats(class, d);
	sch_tree_unlock(sch);
	return error;
}

/* --- the default class's qdisc, and filters --- */

static int graft(struct Qdisc *sch, unsigned long arg, struct Qdisc *new, struct Qdisc **old,
		 struct netlink_ext_ack *extack)
{
	struct qos_sch *q = qdisc_priv(sch);

	if (arg != QOS_SCH_DWCS_MINOR_DEFAULT) {
		NL_SET_ERR_MSG(extack,
			       "only the default class has a qdisc; streams hold their packets");
		return -EOPNOTSUPP;
	}
	if (!new)
		new = qdisc_create_dflt(sch->dev_queue, &pfifo_qdisc_ops,
					TC_H_MAKE(sch->handle, arg), extack);
	*old = qdisc_replace(sch, new ?: &noop_qdisc, &q->rest);
	return 0;
}

static struct Qdisc *leaf(struct Qdisc *sch, unsigned long arg)
{
	struct qos_sch *q = qdisc_priv(sch);

	return arg == QOS_SCH_DWCS_MINOR_DEFAULT ? q->rest : NULL;
}

/* The default class's qdisc dropped its last packet: its own length says so. */
static void qlen_notify(struct Qdisc *sch, unsigned long arg)
{
}

static struct tcf_block *tcf_block(struct Qdisc *sch, unsigned long arg,
				   struct netlink_ext_ack *extack)
{
	struct qos_sch *q = qdisc_priv(sch);

	if (!arg)
		return q->block;
	NL_SET_ERR_MSG(extack, "filters of dwcs belong to the qdisc, not to a class");
	return NULL;
}

static unsigned long bind(struct Qdisc *sch, unsigned long parent, u32 classid)
{
	return find(sch, classid);
}

static void unbind(struct Qdisc *sch, unsigned long arg)
{
}

const struct Qdisc_class_ops qos_sch_class_ops = {
	.graft = graft,
	.leaf = leaf,
	.qlen_notify = qlen_notify,
	.find = find,
	.change = change,
	.delete = remove,
	.walk = walk,
	.tcf_block = tcf_block,
	.bind_tcf = bind,
	.unbind_tcf = unbind,
	.dump = dump,
	.dump_stats = dump_stats,
};
