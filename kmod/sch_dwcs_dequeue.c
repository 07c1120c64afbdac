// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out of the qdisc: which packet is sent next. The choice is dwcs_link.h; here are the queues, the counters, the
 * default class's share and the link's pace. sch_dwcs_enqueue.c has the way in.
 *
 * Costs. No allocation. A packet costs two readings of the clock, one if it is sent at once, and a few
 * operations on heaps, which hold one head a class: O(log n) in the classes that have packets, nothing in
 * those that have none. Requests that nobody could serve are lost when the qdisc next looks: each costs
 * O(log n) too, once.
 *
 * Share. While the default class has packets, each byte that streams send gives it share / (1 - share)
 * bytes of credit; with any it goes first, and pays what it sends. So of any stretch in which it has
 * packets it gets its share of the bytes, but for one packet; and streams wait for one packet more.
 */
#include "hist.h"
#include "sch_dwcs.h"
#include "sch_dwcs_queue.h"

/* What the timer was late is caught up with, up to so much: more would be a burst. */
#define CATCH_UP_NS (2 * NSEC_PER_MSEC)

/* The default class's qdisc may have packets and not give them. */
#define CREDIT_MAX ((s64)QOS_SCH_DWCS_PACKET_MAX << QOS_SCH_CREDIT_SHIFT)

/* --- a class's queue --- */

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
		struct sk_buff *skb = qos_sch_take(sch, class);

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
	struct sk_buff *skb = qos_sch_take(sch, class);

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
	struct qos_sch_class *class = qos_sch_class_of(flow);
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
			class = qos_sch_class_of(flow);
			class->next_idle = idle;
			idle = class;
		}
		for (class = idle; class; class = class->next_idle)
			qos_sch_resume(q, class, now);
	}
}

/* Before a packet is added: who has had no chance to dequeue may hold what is lost by now. */
void qos_sch_clean(struct Qdisc *sch, u64 now)
{
	struct dropped dropped = {};

	lose_due(sch, now, &dropped);
	tell_parents(sch, &dropped);
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

static __always_inline void count_bytes(struct Qdisc *sch, struct qos_sch_class *class,
					const struct sk_buff *skb)
{
	u32 n = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1, bytes = qdisc_pkt_len(skb);

	_bstats_update(&class->bstats, bytes, n);
	_bstats_update(&sch->bstats, bytes, n);
}

static __always_inline void count_sent(struct Qdisc *sch, struct qos_sch_class *class,
				       struct sk_buff *skb, bool late, u64 now)
{
	u64 delay = now - qos_sch_cb(skb)->arrival;

	if (delay > class->stats.delay_max_ns)
		class->stats.delay_max_ns = delay;
	qos_hist_add(class->stats.delay, delay);
	class->stats.late += late;
	if (unlikely(class->rules))
		qos_sch_flow_sent(class, late, delay, now);
	count_bytes(sch, class, skb);
}

/* The flow is idle, its head goes out. */
static __always_inline struct sk_buff *send(struct Qdisc *sch, struct dwcs_flow *flow, u64 now)
{
	struct qos_sch *q = qdisc_priv(sch);
	struct qos_sch_class *class = qos_sch_class_of(flow);
	bool late = class->missed;
	struct sk_buff *skb;

	skb = qos_sch_take(sch, class);
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
		struct qos_sch_class *class = qos_sch_class_of(flow);

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
			qos_sch_class_of(flow)->stats.ahead++;
			return send(sch, flow, now);
		}
		flow = dwcs_link_doomed(&q->link);
		if (!flow)
			return NULL;
		if (!lose(sch, flow, now, dropped))
			return send(sch, flow, now);
		qos_sch_resume(q, qos_sch_class_of(flow), now);
		skb = send_request(sch, now, dropped);
		if (skb)
			return skb;
	}
}

/* There is one head, and nothing in the default class. NULL: that cannot be sent now. */
static __always_inline struct dwcs_flow *take_only(struct qos_sch *q, u64 now)
{
	struct dwcs_flow *flow;
	int window;

	flow = dwcs_link_send_only(&q->link, now, &window);
	if (!flow)
		return NULL;
	q->credit = min_t(s64, q->credit, 0);
	if (window < 0) {
		qos_sch_class_of(flow)->stats.ahead++;
	} else {
		qos_sch_class_of(flow)->stats.served++;
		if (window)
			count_window(qos_sch_class_of(flow), window, now);
	}
	return flow;
}

/* add_only() has just been there: this has waited for nothing. */
static __always_inline struct sk_buff *send_at_once(struct Qdisc *sch, u64 now)
{
	struct dwcs_flow *flow = take_only(qdisc_priv(sch), now);
	struct qos_sch_class *class;
	struct sk_buff *skb;

	if (!flow)
		return NULL;
	class = qos_sch_class_of(flow);
	skb = qos_sch_take(sch, class);
	class->stats.delay[0]++;
	count_bytes(sch, class, skb);
	return skb;
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

static noinline struct sk_buff *look(struct Qdisc *sch)
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
		struct dwcs_flow *flow = take_only(q, now);

		if (flow)
			return send(sch, flow, now);
	}
	return send_any(sch, now);
}

static noinline struct sk_buff *dequeue(struct Qdisc *sch)
{
	struct qos_sch *q = qdisc_priv(sch);
	u64 now = q->now_ns;
	struct sk_buff *skb = NULL;

	if (likely(now)) {
		q->now_ns = 0;
		skb = send_at_once(sch, now);
	}
	return skb ?: look(sch);
}

/* Asked once more after each packet than there are: that costs nothing. */
struct sk_buff *qos_sch_dequeue(struct Qdisc *sch)
{
	return sch->q.qlen ? dequeue(sch) : NULL;
}
