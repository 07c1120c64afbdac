/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the qdisc share. uapi/qos_sch_dwcs.h specifies it, dwcs_link.h decides.
 *
 * Locks: what packets see is under the root's lock (sch_tree_lock() in the control path); what only
 * the control path writes, under RTNL too, so that it may read without the root's lock. The timer's
 * interrupt takes neither.
 */
#pragma once

#include <linux/hrtimer.h>
#include <net/gen_stats.h>
#include <net/pkt_cls.h>
#include <net/pkt_sched.h>
#include <net/sch_generic.h>

#include "uapi/qos_sch_dwcs.h"
#include "dwcs.h"
#include "dwcs_link.h"

struct netlink_ext_ack;
struct nlattr;

#define QOS_SCH_CREDIT_SHIFT 20

/* One stream. */
struct qos_sch_class {
	struct dwcs_flow flow; /* the first member */
	struct sk_buff *head;
	struct sk_buff **tail; /* where the next one goes */
	u32 qlen;
	u32 limit;
	u32 packet;			 /* bytes */
	u8 late;			 /* enum qos_sch_dwcs_late */
	bool missed;			 /* a request of the head was lost */
	struct qos_sch_class *next_idle; /* see lose_due() */
	struct gnet_stats_basic_sync bstats;
	struct gnet_stats_queue qstats; /* backlog, drops */
	struct qos_flow *rules;		/* that it follows, or NULL: see sch_dwcs_flow.c */
	u64 rules_rate; /* of `rules`, that it follows or cannot have; and its base */
	u64 rules_base;
	u64 own_period;	    /* without rules */
	u64 rules_delay_ns; /* the largest since `window` was told */
	u64 rules_served;   /* of the statistics, likewise */
	u64 rules_lost;
	u64 rules_violations;
	struct qos_sch_dwcs_class_stats stats;

	/* as asked for; RTNL. 0: follows from the others */
	u32 minor;
	u64 rate;
	u64 period;
	u64 deadline;
};

/* What a class is asked to be, checked. */
struct qos_sch_params {
	u64 rate;
	u64 period;
	u64 deadline;
	u32 packet;
	u32 limit;
	u8 late;
	bool hold;
	u32 flow;		   /* number, see flow.h; 0: none */
	struct qos_flow *rules;	   /* that has it, held */
	struct dwcs_stream stream; /* its first block */
};

/* Wakes the qdisc from its pace; see sch_dwcs_timer.c. */
struct qos_sch_timer {
	struct hrtimer timer;
	struct task_struct *thread; /* NULL: the qdisc has no pace, and no class that holds */
	struct Qdisc *sch;
	u64 armed_ns; /* 0: not armed; the root's lock, and the timer's interrupt */
	bool fired;
};

struct qos_sch {
	struct dwcs_link link;
	struct qos_sch_class **by_minor;
	u32 minors; /* slots of by_minor */
	u32 match;  /* a priority's major number, as TC_H_MAJ() has it */
	struct tcf_proto __rcu *filters;

	/* the default class */
	struct Qdisc *rest;
	s64 credit;   /* bytes << CREDIT_SHIFT that it is owed */
	u64 per_byte; /* of the others, likewise */

	/* the pace */
	struct psched_ratecfg pace; /* without a rate: not used */
	bool paced;
	bool waited; /* for it, with packets: then what the timer was late is caught up with */
	u64 next_ns; /* the link is busy until */
	u64 now_ns;  /* when the only packet came, which is dequeued at once; 0: there is none */
	struct qos_sch_timer timer;

	/* control path */
	struct tcf_block *block;
	u32 classes;
	u32 holding; /* of these */
	u32 room;    /* of each heap */
	u32 share;
	u64 rate;
	u32 overhead;
	u32 major;			 /* 0: the handle's */
	struct qos_sch_dwcs_stats stats; /* but for what classes count */
};

/* When a packet arrived; in the part of skb->cb that is a qdisc's own. */
struct qos_sch_cb {
	u64 arrival;
};

static inline struct qos_sch_cb *qos_sch_cb(struct sk_buff *skb)
{
	qdisc_cb_private_validate(skb, sizeof(struct qos_sch_cb));
	return (struct qos_sch_cb *)qdisc_skb_cb(skb)->data;
}

static inline struct qos_sch_class *qos_sch_find(const struct qos_sch *q, u32 minor)
{
	return minor < q->minors ? q->by_minor[minor] : NULL;
}

/* --- sch_dwcs.c --- */
int qos_sch_register(void);
void qos_sch_unregister(void);
u64 qos_sch_cost(const struct psched_ratecfg *pace, bool paced, u32 packet);

/* --- sch_dwcs_enqueue.c. The root's lock. --- */
int qos_sch_enqueue(struct sk_buff *skb, struct Qdisc *sch, struct sk_buff **to_free);

/* --- sch_dwcs_dequeue.c. The root's lock. --- */
struct sk_buff *qos_sch_dequeue(struct Qdisc *sch);
void qos_sch_clean(struct Qdisc *sch, u64 now);
void qos_sch_purge(struct Qdisc *sch, struct qos_sch_class *class, u64 *count);
void qos_sch_resume(struct qos_sch *q, struct qos_sch_class *class, u64 now);

/* --- sch_dwcs_flow.c: for a class with `rules`. The root's lock. --- */
void qos_sch_flow_set(struct qos_sch_class *class, struct qos_flow *rules);
void qos_sch_flow_follow(struct qos_sch_class *class, u64 now);
void qos_sch_flow_arrived(struct qos_sch_class *class, const struct sk_buff *skb);
void qos_sch_flow_sent(struct qos_sch_class *class, bool late, u64 delay, u64 now);
void qos_sch_flow_dropped(struct qos_sch_class *class, u64 delay, u64 now);
void qos_sch_flow_window(struct qos_sch_class *class, u64 now);

/* --- sch_dwcs_params.c --- */
/* Of a class as it is. */
void qos_sch_params_of(const struct qos_sch_class *class, struct qos_sch_params *params);
/* Only what is said is written. 0 or -errno. */
int qos_sch_params_parse(struct nlattr *options, struct qos_sch_params *params,
			 struct netlink_ext_ack *extack);
/* NULL: they can be, and the stream is filled; else why not. */
const char *qos_sch_params_refusal(struct qos_sch_params *params, const struct qos_sch *q);
/* class: as it is, or NULL. */
bool qos_sch_params_are_machines(const struct qos_sch_params *params,
				 const struct qos_sch_class *class);

/* --- sch_dwcs_class.c --- */
extern const struct Qdisc_class_ops qos_sch_class_ops;
void qos_sch_class_fold(struct qos_sch_dwcs_stats *sum, const struct qos_sch_class *class);

/* --- sch_dwcs_timer.c --- */
void qos_sch_timer_init(struct qos_sch_timer *timer, struct Qdisc *sch);
int qos_sch_timer_start(struct qos_sch_timer *timer);
void qos_sch_timer_stop(struct qos_sch_timer *timer);
/* Sends what may be sent now; any context that is no interrupt. */
void qos_sch_run(struct Qdisc *sch);
void qos_sch_timer_arm(struct qos_sch_timer *timer, u64 ns);
void qos_sch_timer_cancel(struct qos_sch_timer *timer);
