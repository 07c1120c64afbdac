/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Rules: the part of the family qos_dwcs (qos_dwcs.h) by which BPF programs adapt what is scheduled.
 *
 * Commands; all need what changes need
 * ------------------------------------
 * RULES_SET (do): RULES_A_CONTRACT, NUMBER, SIGNALS, and a STREAM for each stream, a FLOW for each flow
 *	of packets that has events or may be changed. Replaces what was set, and no event is lost that
 *	both have. A runtime or rate above RESERVED is brought down to it.
 * RULES_RAISE (do): RULES_A_CONTRACT, PROGRAM, WORDS: raises an event for that program now, in the
 *	caller's context, with state key 0 and WORDS as its streams: how `tick` comes about, whose
 *	metrics the caller has.
 * RULES_ASK (do): RULES_A_CONTRACT, ATTRIBUTE, VALUE -> VERDICT: asks for an attribute as a program
 *	does, through the same guard: for rules that run in a process.
 * THREAD_SET (do): THREAD_A_TID, STATE; optional: START. The thread's key of state from now on.
 *
 * Events
 * ------
 * The tracepoint qos_dwcs_event is raised, in the thread of the CPU's dispatcher, for the events of
 * streams that RULES_SET gave a program, if their thread has a STATE that is not 0:
 *   job     a job completed.
 *   late    a job passed its deadline; once a job, before its `job`.
 *   window  a window ended.
 *   overrun a request used up its C and the thread runs on; again when more was given and used, up
 *	   to eight times.
 * and, in a thread of its own and at most once in FLOW_GAP_NS each, for a FLOW whose classes see
 *   late    packets were sent after a request of theirs was lost (LATE send).
 *   drop    packets were dropped: as their request was lost, or as LIMIT waited.
 *   window  windows ended.
 * The words of these events are of what came of packets since the last one (dropped, late, served, lost,
 * violations, the largest delay), with the backlog, the rate, and the smoothed round trip of the
 * latest packet's TCP socket as they are then; STATE is 0.
 * A BPF program there gets a struct qos_rules_input (bpf/qos_rules_abi.h) with NUMBER, the program, the
 * stream's INDEX and the thread's STATE; it may call, with that pointer and no other,
 *	int qos_dwcs_set(struct qos_rules_input *event, u32 attribute, s64 value)
 * to change the runtime of streams of the same contract: within RUNTIME_MIN and RUNTIME_MAX, by STEP at
 * most, not within GAP of the last change, not above RESERVED, and not so that the threads of a CPU
 * cost more than its SHARE together (each: RUNTIME / PERIOD, rounded up to 2^-20; what the caller sets
 * by CONTRACT_SET and STREAM_SET is not refused for it, but counts). In force from each thread's next
 * request on; more than before also for one that used up its C, behind all requests, if it is set on its
 * `overrun` or before, or by RULES_ASK or STREAM_SET; a table is off, as with STREAM_SET, if C grows beyond
 * what it was set with. Or, to tell: attribute 3 << 16 | signal, below SIGNALS; ten a second a contract.
 * Or the rate of a flow, by the same limits but for the share of a CPU: in force from the class's next packet
 * on, whose period is longer than the class's own as the rate is lower than BASE, while its window goes on. What
 * a class cannot have is not taken, and counted (rate_refused).
 *
 * What programs did is told as events RUNTIME (STREAM, RUNTIME: what is in force now; at most ten times
 * a second a stream, the latest one always), RATE (CONTRACT, INDEX, RATE; likewise) and SIGNAL (CONTRACT,
 * SIGNAL).
 *
 * The module cannot be unloaded while a program is attached. Kernels without FEATURE_RULES have the
 * tracepoint, not the function.
 */
#ifndef _UAPI_QOS_DWCS_RULES_H
#define _UAPI_QOS_DWCS_RULES_H

#define QOS_DWCS_SIGNALS_MAX 64 /* of a contract */

enum qos_dwcs_hook {
	QOS_DWCS_HOOK_JOB,
	QOS_DWCS_HOOK_LATE,
	QOS_DWCS_HOOK_WINDOW,
	QOS_DWCS_HOOK_OVERRUN,
	__QOS_DWCS_HOOK_MAX
};

/* Of a flow of packets. */
enum qos_dwcs_flow_hook {
	QOS_DWCS_FLOW_HOOK_LATE,
	QOS_DWCS_FLOW_HOOK_DROP,
	QOS_DWCS_FLOW_HOOK_WINDOW,
	__QOS_DWCS_FLOW_HOOK_MAX
};

#define QOS_DWCS_FLOW_GAP_NS   1000000ULL	 /* between two events of a kind of a flow */
#define QOS_DWCS_FLOW_RATE_MAX 10000000000000ULL /* 10 Tbit/s */

enum qos_dwcs_rules_attr {
	QOS_DWCS_RULES_A_UNSPEC,
	QOS_DWCS_RULES_A_PAD,
	QOS_DWCS_RULES_A_CONTRACT, /* string */
	QOS_DWCS_RULES_A_NUMBER,   /* u32: the event's `contract`; 0: no rules any more */
	QOS_DWCS_RULES_A_SIGNALS,  /* u32 [0]: how many it may tell, up to SIGNALS_MAX */
	QOS_DWCS_RULES_A_STREAM,   /* nested, RULES_STREAM_A_*; repeated */
	QOS_DWCS_RULES_A_PROGRAM,  /* u32: the event's `program` */
	QOS_DWCS_RULES_A_WORDS, /* binary: struct qos_rules_stream[], 1 to QOS_RULES_STREAMS_MAX */
	QOS_DWCS_RULES_A_ATTRIBUTE, /* u32, as enum qos_rules_attribute has it */
	QOS_DWCS_RULES_A_VALUE,	    /* s64 */
	QOS_DWCS_RULES_A_VERDICT,   /* u32, enum qos_verdict (bpf/qos_guard_abi.h); answer only */
	QOS_DWCS_RULES_A_FLOW,	    /* nested, RULES_FLOW_A_*; repeated */
	__QOS_DWCS_RULES_A_MAX
};

#define QOS_DWCS_RULES_A_MAX (__QOS_DWCS_RULES_A_MAX - 1)

enum qos_dwcs_rules_stream_attr {
	QOS_DWCS_RULES_STREAM_A_UNSPEC,
	QOS_DWCS_RULES_STREAM_A_PAD,
	QOS_DWCS_RULES_STREAM_A_ID,	  /* u32 */
	QOS_DWCS_RULES_STREAM_A_INDEX,	  /* u32: in attributes and events, below STREAMS_IN_MAX */
	QOS_DWCS_RULES_STREAM_A_JOB,	  /* u32 [0: none]: the event's `program` */
	QOS_DWCS_RULES_STREAM_A_LATE,	  /* u32 [0] */
	QOS_DWCS_RULES_STREAM_A_WINDOW,	  /* u32 [0] */
	QOS_DWCS_RULES_STREAM_A_STEP,	  /* u64 ns [any]: largest change */
	QOS_DWCS_RULES_STREAM_A_GAP,	  /* u64 ns [0]: least time between two */
	QOS_DWCS_RULES_STREAM_A_HELD,	  /* u8 [0]: 1: no rule changes it */
	QOS_DWCS_RULES_STREAM_A_RESERVED, /* u64 ns [RUNTIME_MAX]: what it may have at most now */
	QOS_DWCS_RULES_STREAM_A_OVERRUN,  /* u32 [0] */
	__QOS_DWCS_RULES_STREAM_A_MAX
};

#define QOS_DWCS_RULES_STREAM_A_MAX (__QOS_DWCS_RULES_STREAM_A_MAX - 1)

/*
 * Rates are in bits a second. A flow is the contract's that named it last; who names one needs CAP_NET_ADMIN
 * too.
 */
enum qos_dwcs_rules_flow_attr {
	QOS_DWCS_RULES_FLOW_A_UNSPEC,
	QOS_DWCS_RULES_FLOW_A_PAD,
	QOS_DWCS_RULES_FLOW_A_ID,      /* u32, not 0: CLASS_A_FLOW of its classes */
	QOS_DWCS_RULES_FLOW_A_INDEX,   /* u32: as of a stream, and none's of those */
	QOS_DWCS_RULES_FLOW_A_LATE,    /* u32 [0: none]: the event's `program` */
	QOS_DWCS_RULES_FLOW_A_DROP,    /* u32 [0] */
	QOS_DWCS_RULES_FLOW_A_WINDOW,  /* u32 [0] */
	QOS_DWCS_RULES_FLOW_A_BASE,    /* u64: at which its classes have their own period */
	QOS_DWCS_RULES_FLOW_A_RATE,    /* u64 [as it is; of a new one BASE]: in force from now on */
	QOS_DWCS_RULES_FLOW_A_LOWEST,  /* u64 [BASE] */
	QOS_DWCS_RULES_FLOW_A_HIGHEST, /* u64 [BASE] */
	QOS_DWCS_RULES_FLOW_A_STEP,    /* u64 [any]: largest change */
	QOS_DWCS_RULES_FLOW_A_GAP,     /* u64 ns [0]: least time between two */
	QOS_DWCS_RULES_FLOW_A_HELD,    /* u8 [0]: 1: no rule changes it */
	QOS_DWCS_RULES_FLOW_A_RESERVED, /* u64 [HIGHEST]: what it may have at most now */
	__QOS_DWCS_RULES_FLOW_A_MAX
};

#define QOS_DWCS_RULES_FLOW_A_MAX (__QOS_DWCS_RULES_FLOW_A_MAX - 1)

#endif
