// SPDX-License-Identifier: GPL-2.0-only
/*
 * Into the qdisc: to which class a packet goes. sch_dwcs_dequeue.c has the way out.
 */
#include <linux/netdevice.h>

#include "compat.h"
#include "sch_dwcs.h"
#include "sch_dwcs_queue.h"

/* --- a packet that is sent at once --- */

/*
 * __dev_xmit_skb() dequeues the packet in a moment, before it gives the root's lock away: none waits, not even
 * at the root to be sent again; nobody is sending now; this is the root; its device takes packets. Then one
 * reading of the clock is enough, and nothing to be asked that is known. What a link is busy for is counted from
 * a reading of its own, and rules want to know more.
 */
static __always_inline bool is_sent_at_once(struct Qdisc *sch, const struct qos_sch_class *class)
{
	const struct qos_sch *q = qdisc_priv(sch);
	const struct netdev_queue *to = sch->dev_queue;

	return !sch->q.qlen && !q->paced && !class->rules && !qdisc_is_running(sch) &&
	       (sch->flags & TCQ_F_ONETXQUEUE) && rcu_access_pointer(to->qdisc) == sch &&
	       !netif_xmit_frozen_or_stopped(to);
}

/* If a driver stops its queue in this moment, the packet waits as any other; it is judged as of now. */
static __always_inline int add_only(struct sk_buff *skb, struct Qdisc *sch,
				    struct qos_sch_class *class, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);

	qos_sch_cb(skb)->arrival = now;
	qos_sch_append(class, skb);
	sch->q.qlen++;
	qdisc_qstats_backlog_inc(sch, skb);
	dwcs_link_first(&q->link, &class->flow, now);
	q->now_ns = now;
	return NET_XMIT_SUCCESS;
}

/* --- a packet of a class --- */

static noinline int refuse(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
			   struct sk_buff **to_free)
{
	class->stats.dropped_limit++;
	class->qstats.drops++;
	if (class->rules)
		qos_sch_flow_dropped(class, 0, ktime_get_ns());
	return qdisc_drop(skb, sch, to_free);
}

static __always_inline int add(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
			       struct sk_buff **to_free)
{
	struct qos_sch *q = qdisc_priv(sch);
	u64 now = ktime_get_ns();

	class->stats.arrived++;
	if (is_sent_at_once(sch, class))
		return add_only(skb, sch, class, now);
	q->now_ns = 0;
	if (unlikely(class->qlen >= class->limit || dwcs_link_is_stale(&q->link, now))) {
		qos_sch_clean(sch, now);
		if (class->qlen >= class->limit)
			return refuse(skb, sch, class, to_free);
	}
	if (unlikely(class->rules)) {
		qos_sch_flow_arrived(class, skb);
		if (!class->qlen)
			qos_sch_flow_follow(class, now);
	}
	qos_sch_cb(skb)->arrival = now;
	qos_sch_append(class, skb);
	sch->q.qlen++;
	qdisc_qstats_backlog_inc(sch, skb);
	if (class->qlen == 1)
		dwcs_link_head(&q->link, &class->flow, now, now);
	return NET_XMIT_SUCCESS;
}

static int add_rest(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free)
{
	struct qos_sch *q = qdisc_priv(sch);
	unsigned int len = qdisc_pkt_len(skb);
	int error;

	q->now_ns = 0;
	error = qdisc_enqueue(skb, q->rest, to_free);
	if (likely(error == NET_XMIT_SUCCESS)) {
		sch->q.qlen++;
		sch->qstats.backlog += len;
	} else if (net_xmit_drop_count(error)) {
		q->stats.dropped_default++;
		qdisc_qstats_drop(sch);
	}
	return error;
}

/* Each packet of a GSO packet for itself. */
static int split(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
		 struct sk_buff **to_free)
{
	netdev_features_t features = netif_skb_features(skb);
	struct sk_buff *segs = skb_gso_segment(skb, features & ~NETIF_F_GSO_MASK), *next;
	unsigned int before = qdisc_pkt_len(skb), len = 0;
	struct qos_sch *q = qdisc_priv(sch);
	int n = 0;

	if (IS_ERR_OR_NULL(segs)) {
		class->stats.arrived++;
		return refuse(skb, sch, class, to_free);
	}
	q->stats.split++;
	skb_list_walk_safe(segs, segs, next)
	{
		int error;

		skb_mark_not_on_list(segs);
		qdisc_skb_cb(segs)->pkt_len = segs->len;
		len += segs->len;
		if (segs->len > class->packet) {
			class->stats.oversize++;
			error = add_rest(segs, sch, to_free);
		} else {
			error = add(segs, sch, class, to_free);
		}
		if (error == NET_XMIT_SUCCESS)
			n++;
		else
			len -= segs->len;
	}
	consume_skb(skb);
	if (!n)
		return NET_XMIT_DROP;
	qdisc_tree_reduce_backlog(sch, 1 - n, (int)(before - len));
	return NET_XMIT_SUCCESS;
}

static noinline int add_long(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
			     struct sk_buff **to_free)
{
	if (skb_is_gso(skb))
		return split(skb, sch, class, to_free);
	class->stats.oversize++;
	return add_rest(skb, sch, to_free);
}

static __always_inline int add_any(struct sk_buff *skb, struct Qdisc *sch,
				   struct qos_sch_class *class, struct sk_buff **to_free)
{
	if (unlikely(qdisc_pkt_len(skb) > class->packet))
		return add_long(skb, sch, class, to_free);
	return add(skb, sch, class, to_free);
}

/* What the qdisc's filters say: false if the packet is theirs now, `error` what became of it. */
static bool filter(struct sk_buff *skb, struct qos_sch *q, const struct tcf_proto *filters,
		   struct qos_sch_class **class, int *error)
{
	struct tcf_result result;

	switch (tcf_classify(skb, NULL, filters, &result, false)) {
	case TC_ACT_UNSPEC:
		return true;
	case TC_ACT_STOLEN:
	case TC_ACT_QUEUED:
	case TC_ACT_TRAP:
		*error = NET_XMIT_SUCCESS | __NET_XMIT_STOLEN;
		return false;
	case TC_ACT_SHOT:
		*error = NET_XMIT_SUCCESS | __NET_XMIT_BYPASS;
		return false;
	}
	*class = qos_sch_find(q, TC_H_MIN(result.classid));
	return true;
}

static struct qos_sch_class *by_index(struct sk_buff *skb, struct qos_sch *q)
{
#ifdef CONFIG_NET_SCHED
	return skb->tc_index ? qos_sch_find(q, skb->tc_index) : NULL;
#else
	return NULL;
#endif
}

/* Its priority does not say to which class it belongs. */
static noinline int enqueue_other(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free)
{
	struct qos_sch *q = qdisc_priv(sch);
	const struct tcf_proto *filters = rcu_dereference_bh(q->filters);
	struct qos_sch_class *class = NULL;
	int error;

	if (filters && !filter(skb, q, filters, &class, &error)) {
		q->stats.dropped_filter++;
		if (error & __NET_XMIT_BYPASS)
			qdisc_qstats_drop(sch);
		__qdisc_drop(skb, to_free);
		return error;
	}
	class = class ?: by_index(skb, q);
	if (class)
		return add_any(skb, sch, class, to_free);
	q->stats.unclassified++;
	return add_rest(skb, sch, to_free);
}

int qos_sch_enqueue(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free)
{
	struct qos_sch *q = qdisc_priv(sch);

	if (likely(TC_H_MAJ(skb->priority) == q->match)) {
		struct qos_sch_class *class = qos_sch_find(q, TC_H_MIN(skb->priority));

		if (likely(class))
			return add_any(skb, sch, class, to_free);
	}
	return enqueue_other(skb, sch, to_free);
}
