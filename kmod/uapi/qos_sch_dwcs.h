/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The queueing discipline "dwcs" of the module qos_dwcs: packets scheduled by windows (Dynamic
 * Window-Constrained Scheduling), configured over rtnetlink as any qdisc.
 *
 * General
 * -------
 * Numbers are in host byte order. Times are nanoseconds, rates bytes a second, lengths bytes of a packet
 * as the device gets it: its link header counts, its framing does not (see OVERHEAD). TCA_KIND is
 * "dwcs", TCA_OPTIONS is nested (NLA_F_NESTED) and holds QOS_SCH_DWCS_A_* for the qdisc and
 * QOS_SCH_DWCS_CLASS_A_* for a class; any other attribute, one of the wrong length or range, and trailing
 * bytes are refused. Every refusal carries a sentence (NLMSGERR_ATTR_MSG). A change is checked whole,
 * then made: a refused one changed nothing. u64 attributes may be preceded by padding (*_PAD, ignore).
 * A change needs CAP_NET_ADMIN in the namespace of the device.
 *
 * Classes
 * -------
 * A class is a stream; its minor number is the stream's number, 1 to 0xfffe. It lives directly below
 * the qdisc. What belongs to no class goes to the default class, minor 0xffff, which is always there,
 * cannot be changed or deleted, and holds a child qdisc: pfifo at first, and whatever is grafted there.
 * Streams hold packets themselves, and no child.
 *
 * RTM_NEWQDISC: each attribute is optional; a change keeps what it does not name.
 * RTM_NEWTCLASS: a new class needs PACKET and one of RATE and PERIOD; for the rest there are the defaults
 *	in brackets. A change (of one that is there) keeps what it does not name, and all packets
 *	that wait. If DEADLINE, X, Y, LATE or the period changed, the window starts anew.
 * RTM_DELTCLASS: its packets are dropped, and counted as dropped of the qdisc.
 *
 * To which class a packet belongs: the first of
 *   1. its priority (SO_PRIORITY, or a program's skb->priority), if the major number in it is MAJOR and a
 *	class has the minor one;
 *   2. the qdisc's tc filters, if it has any, and their class exists;
 *   3. its tc_index: what a classifier of clsact's egress left in tc_classid, if a class has that minor
 *	number;
 *   4. the default class.
 *
 * Under mq every child is a qdisc for itself, with classes of its own; whoever configures them
 * divides RATE. MAJOR lets all of them have the same meaning of a priority.
 *
 * The life of a packet
 * --------------------
 * A request is the packet at the head of a class. It is released when it arrives or a period after
 * the class's last request was released, whichever is later, and due DEADLINE after that. It is served if
 * it is sent so that its transmission (PACKET at the qdisc's RATE, 1 ns if that is not known) ends by then,
 * else lost. With LATE drop a lost one is dropped; with LATE send it stays the head and is the class's
 * next request. A packet that is longer than PACKET goes to the default class; a GSO packet that is
 * longer is split before. What exceeds LIMIT is dropped as it arrives.
 * The order: the default class, if it has not got its SHARE; requests by ORDERING (kmod/dwcs.h);
 * requests whose window has got what it asks for, by deadline; the default class; packets that are not
 * released yet ("ahead"), by release. So nothing waits while the link is idle, but for packets of classes with
 * EXCESS hold, which are never sent ahead. A packet that is sent ahead
 * is no request: it changes no window, and the class's next release stays where it was.
 * With the qdisc's RATE packets are sent at that pace, so that they queue here and not in a device below;
 * without it the device's own queue is what holds them back.
 *
 * Statistics
 * ----------
 * TCA_STATS2 has, as with every qdisc and class, TCA_STATS_BASIC (sent), TCA_STATS_QUEUE (qlen,
 * backlog, drops, overlimits: that the qdisc waited for its pace) and, in TCA_STATS_APP, struct
 * qos_sch_dwcs_stats for the qdisc and struct qos_sch_dwcs_class_stats for a class. Members may be added
 * at the ends; a reader takes what it knows of what it gets. For each class, exactly,
 *	arrived = sent (TCA_STATS_BASIC) + dropped_late + dropped_limit + dropped_purged + qlen
 * where arrived counts the segments of a packet that was split.
 */
#ifndef _UAPI_QOS_SCH_DWCS_H
#define _UAPI_QOS_SCH_DWCS_H

#include <linux/types.h>

#define QOS_SCH_DWCS_KIND "dwcs"

#define QOS_SCH_DWCS_CLASSES_MAX   10000 /* of a qdisc, the default one not counted: else ENOSPC */
#define QOS_SCH_DWCS_MINOR_MAX	   0xfffe
#define QOS_SCH_DWCS_MINOR_DEFAULT 0xffff

#define QOS_SCH_DWCS_PERIOD_MIN_NS 1000ULL	    /* 1 us */
#define QOS_SCH_DWCS_PERIOD_MAX_NS 500000000000ULL  /* 500 s */
#define QOS_SCH_DWCS_RATE_MAX	   1250000000000ULL /* 10 Tbit/s */
#define QOS_SCH_DWCS_PACKET_MAX	   65536
#define QOS_SCH_DWCS_WINDOW_Y_MAX  1000
#define QOS_SCH_DWCS_LIMIT_MAX	   1000000
#define QOS_SCH_DWCS_OVERHEAD_MAX  256
#define QOS_SCH_DWCS_SHARE_MAX	   500000

/* Of delays, laid out as the module's others: 8 linear steps a power of two from 2^10 to 2^36 ns. */
#define QOS_SCH_DWCS_HIST_BUCKETS (2 + ((36 - 10) << 3))

/* As enum dwcs_ordering of kmod/dwcs.h. */
enum qos_sch_dwcs_ordering {
	QOS_SCH_DWCS_ORDERING_EDF,
	QOS_SCH_DWCS_ORDERING_DWCS,
	QOS_SCH_DWCS_ORDERING_DWCS_SKIP,
	QOS_SCH_DWCS_ORDERING_DWCS_WINDOW,
	QOS_SCH_DWCS_ORDERING_VDS,
	QOS_SCH_DWCS_ORDERING_VDS_SKIP,
	QOS_SCH_DWCS_ORDERING_FIN, /* the default; packets are not preempted, so the same as VDS_SKIP */
	QOS_SCH_DWCS_ORDERING_FIN_GUARD,
};

enum qos_sch_dwcs_late { QOS_SCH_DWCS_LATE_DROP, QOS_SCH_DWCS_LATE_SEND };

/* What becomes of packets that come before their release, while the link is idle. */
enum qos_sch_dwcs_excess { QOS_SCH_DWCS_EXCESS_SEND, QOS_SCH_DWCS_EXCESS_HOLD };

/* TCA_OPTIONS of a qdisc; defaults in brackets. */
enum qos_sch_dwcs_attr {
	QOS_SCH_DWCS_A_UNSPEC,
	QOS_SCH_DWCS_A_PAD,
	QOS_SCH_DWCS_A_ORDERING, /* u32, enum qos_sch_dwcs_ordering [FIN] */
	QOS_SCH_DWCS_A_RATE,	 /* u64 bytes/s [0: not known, no pace], to RATE_MAX */
	QOS_SCH_DWCS_A_OVERHEAD, /* u32: that a packet costs beyond its length, to OVERHEAD_MAX [0] */
	QOS_SCH_DWCS_A_SHARE,	 /* u32: millionths of the bytes sent that the default class gets
				  * while it has packets, whatever else there is; to SHARE_MAX
				  * [50000]
				  */
	QOS_SCH_DWCS_A_MAJOR,	 /* u32, 1 to 0xffff [the handle's]: of a priority */
	QOS_SCH_DWCS_A_CLASSES, /* u32, dump only: there are, the default one not counted */
	__QOS_SCH_DWCS_A_MAX
};

#define QOS_SCH_DWCS_A_MAX (__QOS_SCH_DWCS_A_MAX - 1)

/* TCA_OPTIONS of a class; defaults in brackets. */
enum qos_sch_dwcs_class_attr {
	QOS_SCH_DWCS_CLASS_A_UNSPEC,
	QOS_SCH_DWCS_CLASS_A_PAD,
	QOS_SCH_DWCS_CLASS_A_RATE, /* u64 bytes/s, to RATE_MAX: at least PACKET a PERIOD; 0: that [0] */
	QOS_SCH_DWCS_CLASS_A_PACKET, /* u32: the longest packet, 1 to PACKET_MAX */
	QOS_SCH_DWCS_CLASS_A_PERIOD, /* u64 ns, PERIOD_MIN_NS to PERIOD_MAX_NS; 0: PACKET / RATE, rounded
				      * up, anew with each change of these [0]
				      */
	QOS_SCH_DWCS_CLASS_A_DEADLINE, /* u64 ns, to PERIOD_MAX_NS, and no shorter than a packet's
					* transmission; 0: the period [0]
					*/
	QOS_SCH_DWCS_CLASS_A_X,	       /* u32: to Y [0] */
	QOS_SCH_DWCS_CLASS_A_Y,	       /* u32: to WINDOW_Y_MAX [0: no window, plain EDF] */
	QOS_SCH_DWCS_CLASS_A_LATE,     /* u32, enum qos_sch_dwcs_late [DROP] */
	QOS_SCH_DWCS_CLASS_A_LIMIT,    /* u32 packets, 1 to LIMIT_MAX [200] */
	QOS_SCH_DWCS_CLASS_A_EXCESS,   /* u32, enum qos_sch_dwcs_excess [SEND]; HOLD as FLOW */
	QOS_SCH_DWCS_CLASS_A_FLOW, /* u32 [0: none]: the FLOW_A_ID of qos_dwcs_rules.h whose events
				    * this class raises and whose rate it follows. Needs
				    * CAP_NET_ADMIN of the machine, not only of the namespace
				    */
	__QOS_SCH_DWCS_CLASS_A_MAX
};

#define QOS_SCH_DWCS_CLASS_A_MAX (__QOS_SCH_DWCS_CLASS_A_MAX - 1)

/* TCA_STATS_APP of a class, since it was made. Those of the default class are 0. */
struct qos_sch_dwcs_class_stats {
	__u64 arrived;	      /* packets that were classified here, but for `oversize` */
	__u64 served;	      /* requests */
	__u64 lost;	      /* requests */
	__u64 windows;	      /* that ended */
	__u64 violations;     /* of these: with more than x lost */
	__u64 ahead;	      /* packets sent before their release */
	__u64 late;	      /* packets sent after a request of theirs was lost */
	__u64 dropped_late;   /* packets, LATE drop */
	__u64 dropped_limit;  /* that came when LIMIT waited */
	__u64 dropped_purged; /* that waited when the device was shut down, or the qdisc reset */
	__u64 oversize;	      /* longer than PACKET: went to the default class */
	__u64 period_ns;      /* in force */
	__u64 deadline_ns;    /* in force */
	__u64 delay_max_ns;   /* from arrival to being sent */
	__u32 k;	      /* k', requests left of the window */
	__u32 m;	      /* m', how many of them must be served */
	__u32 delay[QOS_SCH_DWCS_HIST_BUCKETS];
	__u64 rate_bps;	    /* in force by rules; 0: none */
	__u64 rate_refused; /* rates of rules that the class cannot have */
	__u64 rtt_ns; /* of FLOW: smoothed round trip of the latest TCP socket; 0: not known */
};

/* TCA_STATS_APP of a qdisc, since it was made; sums count deleted classes too. */
struct qos_sch_dwcs_stats {
	__u64 served;
	__u64 lost;
	__u64 windows;
	__u64 violations;
	__u64 ahead;
	__u64 late;
	__u64 dropped_late;
	__u64 dropped_limit;
	__u64 dropped_purged;  /* of streams */
	__u64 dropped_deleted; /* with their class */
	__u64 dropped_default; /* that the default class's qdisc refused */
	__u64 dropped_filter;  /* that a filter of the qdisc dropped or took */
	__u64 oversize;
	__u64 split;	     /* GSO packets that were */
	__u64 unclassified;  /* packets that went to the default class, `oversize` not counted */
	__u64 share_turns;   /* packets that the default class sent before requests, for SHARE */
	__u64 timers;	     /* expired: the qdisc went on after its pace */
	__u64 timers_late;   /* of these: by more than 100 us */
	__u64 timer_late_ns; /* the most */
};

#endif
