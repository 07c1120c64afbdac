/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guard of service extensions (guard.bpf.h) and the daemon share. Includes nothing.
 *
 * All tables are globals of the programs, mapped by the daemon: no look-up in the kernel, no system
 * call in the daemon, and the daemon's own changes are made by the same functions on the same words.
 * Numbers are the daemon's to give. 0 is none: of contracts, attributes and slots.
 */
#pragma once

#define QOS_GUARD_CONTRACTS  1536 /* with rules */
#define QOS_GUARD_ATTRIBUTES 4096
#define QOS_EXTENSIONS	     8192 /* elements of `extensions`: programs of all contracts */

#define QOS_GUARD_RING_BYTES (32 * 1024)
#define QOS_GUARD_KEYS	     65536	  /* threads that have a state of their own */
#define QOS_SIGNAL_GAP_NS    100000000ULL /* ten signals a second a contract; the rest is counted */

/* What became of a request. */
enum qos_verdict {
	QOS_VERDICT_SET,
	QOS_VERDICT_SAME,  /* it is in force already */
	QOS_VERDICT_EMIT,  /* a signal */
	QOS_VERDICT_MUTED, /* a signal beyond the rate */
	QOS_REFUSED_OWNER, /* not an attribute of the contract whose event was served */
	QOS_REFUSED_RANGE,
	QOS_REFUSED_STEP,   /* too far from what is in force */
	QOS_REFUSED_BUDGET, /* admission reserved less */
	QOS_REFUSED_RATE,   /* too soon after the last change */
	QOS_REFUSED_HELD,   /* a person or the daemon holds it where it is */
	QOS_REFUSED_BUSY,   /* another CPU changed it just now, or the daemon reads too slowly */
	QOS_VERDICTS
};
#define QOS_REFUSED_FIRST QOS_REFUSED_OWNER

#define QOS_COST_SHIFT 20 /* what a runtime costs is in 2^-20 of a CPU, rounded up */

/* A share of CPU that some attributes have together, as costs. At every moment the cost of what
 * is in force and `free` together are at most `total`. */
struct qos_pool {
	__s64 free;
	__s64 total;
};

struct qos_attribute {
	__s64 value; /* in force */
	__s64 lo;
	__s64 hi;
	__s64 step;	 /* largest change by one request; 0: any */
	__u64 period_ns; /* it costs value / period_ns of a CPU; 0: nothing */
	__u64 gap_ns;	 /* least time between two changes */
	__u64 next_ns;	 /* no change before; CLOCK_MONOTONIC */
	__u64 changes;
	__u32 pool;
	__u32 held;   /* 1: nobody changes it but the daemon */
	__u32 stream; /* id, for the daemon */
	__u32 kind;   /* enum qos_rules_attribute: what a request must call it */
};

/* Attribute i of a contract is attributes[first + i]. */
struct qos_guard_contract {
	__u32 first;
	__u32 n_attributes;
	__u32 n_signals;
	__u32 muted; /* 1: none of its events is raised. Set by the programs at a breach, too */
	__u64 signal_next_ns;
	/* counted by the programs */
	__u64 runs;
	__u64 run_ns; /* in the extension, all together */
	__u64 requests;
	__u64 verdicts[QOS_VERDICTS];
	__u64 breaches; /* runs that did not end in the guard */
	__u64 dropped;	/* events for which the queue had no room, or which had no program */
};

/* Global of the programs. */
struct qos_guard_tables {
	struct qos_guard_contract contracts[QOS_GUARD_CONTRACTS];
	struct qos_attribute attributes[QOS_GUARD_ATTRIBUTES];
	struct qos_pool pools[QOS_GUARD_ATTRIBUTES];
};

/* Map `keys`: HASH, key __u32 tid; threads that have a state of their own. */
struct qos_thread_key {
	__u32 key; /* of the map `state` of that contract: programs of no other may use it */
	__u32 contract;
	__u64 late_of_ns; /* release of the job for which the daemon raised `late` */
};

/* One record of the ring buffer `changes`. What a decrease gives back is given back after its record
 * was reserved, and an increase takes before that: who carries out records in their order is never
 * above a pool's total. */
enum qos_change_type { QOS_CHANGE_VALUE = 1, QOS_CHANGE_SIGNAL, QOS_CHANGE_BREACH };

struct qos_change {
	__u32 type;
	__u32 contract;
	__u32 index; /* VALUE: attribute in the contract; SIGNAL: in the contract's list */
	__u32 stream;
	__s64 old;
	__s64 value;
	__u64 now_ns;
};

_Static_assert(sizeof(struct qos_attribute) == 80, "struct qos_attribute");
_Static_assert(sizeof(struct qos_guard_contract) == 16 + (6 + QOS_VERDICTS) * 8,
	       "struct qos_guard_contract");
_Static_assert(sizeof(struct qos_change) == 40, "struct qos_change");
