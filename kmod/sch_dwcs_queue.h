/* SPDX-License-Identifier: GPL-2.0-only */
/* A class's queue: what every packet passes on its way in and out. The root's lock. */
#pragma once

#include "sch_dwcs.h"

static inline struct qos_sch_class *qos_sch_class_of(struct dwcs_flow *flow)
{
	return container_of(flow, struct qos_sch_class, flow);
}

static __always_inline void qos_sch_append(struct qos_sch_class *class, struct sk_buff *skb)
{
	skb->next = NULL;
	*class->tail = skb;
	class->tail = &skb->next;
	class->qlen++;
	class->qstats.backlog += qdisc_pkt_len(skb);
}

static __always_inline struct sk_buff *qos_sch_take(struct Qdisc *sch, struct qos_sch_class *class)
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
