// SPDX-License-Identifier: GPL-2.0-only
/*
 * The qdisc's packets: to which class one goes, and which one is sent next. The choice is dwcs_link.h;
 * here are the queues, the counters, the default class's share and the link's pace.
 *
 * Costs. No allocation. A packet costs two readings of the clock, and a few operations on heaps, which
 * hold one head a class: O(log n) in the classes that have packets, nothing in those that have none.
 * Requests that nobody could serve are lost when the qdisc next looks: each costs O(log n) too, once.
 *
 * Share. While the default class has packets, each byte that streams send gives it share / (1 - share)
 * bytes of credit; with any it goes first, and pays what it sends. So of any stretch in which it has
 * packets it gets its share of the bytes, but for one packet; and streams wait for one packet more.
 */
#include <linux/netdevice.h>

#include "compat.h"
#include "hist.h"
#include "sch_dwcs.h"

/* What the timer was late is caught up with, up to so much: more would be a burst. */
#define CATCH_UP_NS (2 * NSEC_PER_MSEC)

/* The default class's qdisc may have packets and not give them. */
#define CREDIT_MAX ((s64)QOS_SCH_DWCS_PACKET_MAX << QOS_SCH_CREDIT_SHIFT)

/* --- a class's queue --- */

static struct qos_sch_class *class_of(struct dwcs_flow *flow)
{
	return container_of(flow, struct qos_sch_class, flow);
}

static __always_inline void append(struct qos_sch_class *class, struct sk_buff *skb)
{
	skb->next = NULL;
	*class->tail = skb;
	class->tail = &skb->next;
	class->qlen++;
	class->qstats.backlog += qdisc_pkt_len(skb);
}

static __always_inline struct sk_buff *take(struct Qdisc *sch, struct qos_sch_class *class)
{
	struct sk_buff *skb = class->head;

	class->head = skb->next;
	if (!class->head)
		class->tail = &class->head;
	skb_mark_not_on_list(skb);
	class->qlen--;
	class->missed = false;
	class->qstats.backlog -= qdisc_pkt_len(skb);
	sch->q.qlen--;
	qdisc_qstats_backlog_dec(sch, skb);
	return skb;
}

/* The head, if there is one, is on the clock or a request again. */
void qos_sch_resume(struct qos_sch *q, struct qos_sch_class *class, u64 now)
{
	if (class->head)
		dwcs_link_head(&q->link, &class->flow, qos_sch_cb(class->head)->arrival, now);
}

/* All packets of a class, which then is idle; `count` counts them. */
void qos_sch_purge(struct Qdisc *sch, struct qos_sch_class *class, u64 *count)
{
	struct qos_sch *q = qdisc_priv(sch);

	dwcs_link_withdraw(&q->link, &class->flow);
	*count += class->qlen;
	class->qstats.drops += class->qlen;
	sch->qstats.drops += class->qlen;
	while (class->head) {
		struct sk_buff *skb = take(sch, class);

		rtnl_kfree_skbs(skb, skb);
	}
}

/* Behind the request's own count. */
static void count_window(struct qos_sch_class *class, int window, u64 now)
{
	class->stats.windows += !!(window & DWCS_WINDOW_ENDED);
	class->stats.violations += !!(window & DWCS_WINDOW_BROKEN);
	if (unlikely(class->rules) && (window & DWCS_WINDOW_ENDED))
		qos_sch_flow_window(class, now);
}

/* --- lost requests --- */

/* What was dropped of packets that all qdiscs above counted. */
struct dropped {
	int n;
	int bytes;
};

static void tell_parents(struct Qdisc *sch, const struct dropped *dropped)
{
	if (dropped->n)
		qdisc_tree_reduce_backlog(sch, dropped->n, dropped->bytes);
}

static void drop_head(struct Qdisc *sch, struct qos_sch_class *class, u64 now,
		      struct dropped *dropped)
{
	struct sk_buff *skb = take(sch, class);

	if (class->rules)
		qos_sch_flow_dropped(class, now - qos_sch_cb(skb)->arrival, now);
	class->stats.dropped_late++;
	class->qstats.drops++;
	qdisc_qstats_drop(sch);
	dropped->n++;
	dropped->bytes += qdisc_pkt_len(skb);
	kfree_skb(skb);
}

/* The request of a live flow is lost. True: its head was dropped. */
static bool lose(struct Qdisc *sch, struct dwcs_flow *flow, u64 now, struct dropped *dropped)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = class_of(flow);
	bool kept = class->late == QOS_SCH_DWCS_LATE_SEND;

	class->stats.lost++;
	count_window(class, dwcs_link_lost(&q->link, flow, kept, now), now);
	if (unlikely(class->rules))
		qos_sch_flow_follow(class, now);
	if (kept)
		class->missed = true;
	else
		drop_head(sch, class, now, dropped);
	return !kept;
}

/*
 * All that are due are taken out before any of their classes gets a new request: after a long stop the
 * old ones' times are further apart from the new ones' than the ordering may compare.
 */
static void lose_due(struct Qdisc *sch, u64 now, struct dropped *dropped)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *idle, *class;
	struct dwcs_flow *flow;

	while (unlikely(dwcs_link_due(&q->link, now))) {
		idle = NULL;
		while ((flow = dwcs_link_due(&q->link, now))) {
			lose(sch, flow, now, dropped);
			class = class_of(flow);
			class->next_idle = idle;
			idle = class;
		}
		for (class = idle; class; class = class->next_idle)
			qos_sch_resume(q, class, now);
	}
}

/* --- in --- */

static noinline int refuse(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
			   struct sk_buff **to_free)
{
	class->stats.dropped_limit++;
	class->qstats.drops++;
	if (class->rules)
		qos_sch_flow_dropped(class, 0, ktime_get_ns());
	return qdisc_drop(skb, sch, to_free);
}

/* Before a packet is added: who has had no chance to dequeue may hold what is lost by now. */
static noinline void clean(struct Qdisc *sch, u64 now)
{
	struct dropped dropped = {};

	lose_due(sch, now, &dropped);
	tell_parents(sch, &dropped);
}

static __always_inline int add(struct sk_buff *skb, struct Qdisc *sch, struct qos_sch_class *class,
			       struct sk_buff **to_free)
{
	struct qos_sch *q = qdisc_priv(sch);
	u64 now = ktime_get_ns();

	class->stats.arrived++;
	if (unlikely(class->qlen >= class->limit || dwcs_link_is_stale(&q->link, now))) {
		clean(sch, now);
		if (class->qlen >= class->limit)
			return refuse(skb, sch, class, to_free);
	}
	if (unlikely(class->rules)) {
		qos_sch_flow_arrived(class, skb);
		if (!class->qlen)
			qos_sch_flow_follow(class, now);
	}
	qos_sch_cb(skb)->arrival = now;
	append(class, skb);
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
	int error = qdisc_enqueue(skb, q->rest, to_free);

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

/* --- out --- */

/* The link is busy with it from now on. */
static noinline void pace(struct qos_sch *q, const struct sk_buff *skb, u64 now)
{
	u64 from = now;

	if (q->waited && now - q->next_ns < CATCH_UP_NS)
		from = q->next_ns;
	q->waited = false;
	q->next_ns = from + psched_l2t_ns(&q->pace, qdisc_pkt_len(skb));
}

static __always_inline struct sk_buff *sent(struct Qdisc *sch, struct sk_buff *skb, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);

	if (q->paced)
		pace(q, skb, now);
	return skb;
}

static struct sk_buff *send_rest(struct Qdisc *sch, bool owed, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct sk_buff *skb = q->rest->ops->dequeue(q->rest);
	s64 cost;

	if (!skb)
		return NULL;
	sch->q.qlen--;
	qdisc_qstats_backlog_dec(sch, skb);
	cost = (s64)qdisc_pkt_len(skb) << QOS_SCH_CREDIT_SHIFT;
	if (owed || q->credit > cost)
		q->credit -= cost;
	else if (q->credit > 0)
		q->credit = 0;
	q->stats.share_turns += owed;
	qdisc_bstats_update(sch, skb);
	return sent(sch, skb, now);
}

static __always_inline void count_sent(struct Qdisc *sch, struct qos_sch_class *class,
				       struct sk_buff *skb, bool late, u64 now)
{
	u64 delay = now - qos_sch_cb(skb)->arrival;
	u32 n = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1, bytes = qdisc_pkt_len(skb);

	if (delay > class->stats.delay_max_ns)
		class->stats.delay_max_ns = delay;
	qos_hist_add(class->stats.delay, delay);
	class->stats.late += late;
	if (unlikely(class->rules))
		qos_sch_flow_sent(class, late, delay, now);
	_bstats_update(&class->bstats, bytes, n);
	_bstats_update(&sch->bstats, bytes, n);
}

/* The flow is idle, its head goes out. */
static __always_inline struct sk_buff *send(struct Qdisc *sch, struct dwcs_flow *flow, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = class_of(flow);
	bool late = class->missed;
	struct sk_buff *skb;

	skb = take(sch, class);
	count_sent(sch, class, skb, late, now);
	if (unlikely(class->rules))
		qos_sch_flow_follow(class, now);
	if (class->head)
		qos_sch_resume(q, class, now);
	return sent(sch, skb, now);
}

/* The default class has waited for a packet of a stream's, or has not. */
static void give_credit(struct qos_sch *q, const struct sk_buff *skb)
{
	if (!skb)
		return;
	if (q->rest->q.qlen)
		q->credit = min_t(s64, q->credit + q->per_byte * qdisc_pkt_len(skb), CREDIT_MAX);
	else if (q->credit > 0)
		q->credit = 0;
}

/* What is to be sent before the default class and what is not released yet. */
static struct sk_buff *send_request(struct Qdisc *sch, u64 now, struct dropped *dropped)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct dwcs_flow *flow;

	while ((flow = dwcs_link_pick(&q->link, now))) {
		struct qos_sch_class *class = class_of(flow);

		if (likely(dwcs_is_possible(&flow->request, now))) {
			class->stats.served++;
			count_window(class, dwcs_link_served(&q->link, flow), now);
			return send(sch, flow, now);
		}
		if (!lose(sch, flow, now, dropped))
			return send(sch, flow, now);
		qos_sch_resume(q, class, now);
	}
	return NULL;
}

/*
 * The link would be idle: what is not released yet, or is lost in any case. A class whose head is dropped
 * for that may have a request in its next one at once, if D > T.
 */
static struct sk_buff *send_spare(struct Qdisc *sch, u64 now, struct dropped *dropped)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct dwcs_flow *flow;
	struct sk_buff *skb;

	for (;;) {
		flow = dwcs_link_ahead(&q->link);
		if (flow) {
			dwcs_link_withdraw(&q->link, flow);
			class_of(flow)->stats.ahead++;
			return send(sch, flow, now);
		}
		flow = dwcs_link_doomed(&q->link);
		if (!flow)
			return NULL;
		if (!lose(sch, flow, now, dropped))
			return send(sch, flow, now);
		qos_sch_resume(q, class_of(flow), now);
		skb = send_request(sch, now, dropped);
		if (skb)
			return skb;
	}
}

/* There is one head, and nothing in the default class: as when packets are sent as they come. */
static __always_inline struct sk_buff *send_only(struct Qdisc *sch, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct dwcs_flow *flow;
	int window;

	flow = dwcs_link_send_only(&q->link, now, &window);
	if (!flow)
		return NULL;
	if (window < 0) {
		class_of(flow)->stats.ahead++;
	} else {
		class_of(flow)->stats.served++;
		if (window)
			count_window(class_of(flow), window, now);
	}
	return send(sch, flow, now);
}

static struct sk_buff *choose(struct Qdisc *sch, u64 now, struct dropped *dropped)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct sk_buff *skb;

	lose_due(sch, now, dropped);
	dwcs_link_release(&q->link, now);
	if (unlikely(q->credit > 0) && q->rest->q.qlen) {
		skb = send_rest(sch, true, now);
		if (skb)
			return skb;
	}
	skb = send_request(sch, now, dropped);
	give_credit(q, skb);
	if (skb)
		return skb;
	if (q->rest->q.qlen) {
		skb = send_rest(sch, false, now);
		if (skb)
			return skb;
	}
	return send_spare(sch, now, dropped);
}

static noinline struct sk_buff *send_any(struct Qdisc *sch, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct dropped dropped = {};
	struct sk_buff *skb;
	u64 next;

	skb = choose(sch, now, &dropped);
	tell_parents(sch, &dropped);
	next = skb ? 0 : dwcs_link_next(&q->link);
	if (next)
		qos_sch_timer_arm(&q->timer, next);
	return skb;
}

static noinline struct sk_buff *dequeue(struct Qdisc *sch)
{
	struct qos_sch *q = qdisc_priv(sch);
	u64 now = ktime_get_ns();

	if (q->paced && (s64)(q->next_ns - now) > 0) {
		q->waited = true;
		qdisc_qstats_overlimit(sch);
		qos_sch_timer_arm(&q->timer, q->next_ns);
		return NULL;
	}
	if (!q->rest->q.qlen) {
		struct sk_buff *skb = send_only(sch, now);

		if (skb) {
			q->credit = min_t(s64, q->credit, 0);
			return skb;
		}
	}
	return send_any(sch, now);
}

/* Asked once more after each packet than there are: that costs nothing. */
struct sk_buff *qos_sch_dequeue(struct Qdisc *sch)
{
	return sch->q.qlen ? dequeue(sch) : NULL;
}
