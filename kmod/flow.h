/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flow: what rules see of a stream of packets, and the rate that they set for it. It stands between a
 * contract (RULES_SET) and the classes of qdiscs that name its number (sch_dwcs_flow.c), either of
 * which may come first: under mq there are several, and after a qdisc was replaced there are new ones.
 *
 * Locks, in the order in which they nest: RTNL or qos_mutex; flows_mutex (flow.c), which keeps a flow's
 * contract while a program runs for it; the qdisc's root lock; qos_flow.lock, raw, for what the
 * guard and the packets change.
 */
#pragma once

#include <linux/kthread.h>

#include "qos.h"
#include "rules.h"

/* What came of packets since it was last told. */
struct qos_flow_note {
	u64 late; /* packets */
	u64 dropped;
	u64 served; /* requests of windows */
	u64 lost;
	u64 violations;
	u64 delay_ns; /* the largest */
	u64 backlog;  /* bytes, then */
	u64 rtt_ns;   /* then; 0: not known */
};

struct qos_flow_pending {
	struct qos_flow_note note;
	u64 next_ns; /* not raised before */
	bool due;
};

struct qos_flow {
	/* flows_mutex */
	struct hlist_node in_all;
	u32 id;
	u32 refs;		       /* classes, the contract, whoever looks */
	struct qos_contract *contract; /* NULL: no rules; and qos_mutex */

	u32 index; /* in the contract's attributes */
	u32 hook[__QOS_DWCS_FLOW_HOOK_MAX];
	struct kthread_work work;
	struct rcu_head rcu;
	bool changed; /* by a program, and to be told */
	u64 tell_ns;  /* not before; qos_mutex */

	raw_spinlock_t lock;
	struct qos_limits limits;
	u64 rate; /* bits a second; 0: each class has its own period */
	u64 base; /* at which it has that, too */
	struct qos_flow_pending pending[__QOS_DWCS_FLOW_HOOK_MAX];
};

int qos_flows_start(void);
void qos_flows_stop(void);

/* The flow with that number, made if it is not there, and held; NULL: no memory. Sleeps. */
struct qos_flow *qos_flow_get(u32 id);
void qos_flow_put(struct qos_flow *flow); /* may be NULL */

/* qos_mutex. The flow belongs to the contract, if to none before, and is held for it; unbound its
 * classes have their own periods.
 */
void qos_flow_bind(struct qos_flow *flow, struct qos_contract *contract, u32 index);
void qos_flow_unbind(struct qos_flow *flow);
void qos_flows_unbind(struct qos_contract *contract);
void qos_flows_own_rate(struct qos_contract *contract);

/* Packets, under the root's lock. */
void qos_flow_tell(struct qos_flow *flow, enum qos_dwcs_flow_hook hook,
		   const struct qos_flow_note *note, u64 now);

static inline bool qos_flow_asks(const struct qos_flow *flow, enum qos_dwcs_flow_hook hook)
{
	return flow && READ_ONCE(flow->hook[hook]) && qos_rules_on();
}
