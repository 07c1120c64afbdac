/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a compiled extension gets, keeps and asks for. Shared by the rule compiler
 * (daemon/extension/), whoever raises events (monitors, module), and the guard. Includes nothing;
 * whoever includes it has __u64 and friends already.
 *
 * One program an event of a contract. Whoever raises the event
 *   1. fills a struct qos_rules_input,
 *   2. enters the program by bpf_tail_call, which does not come back.
 * The program reads the input, advances its state, and asks for new values of attributes. It is
 * straight-line code: no loop, and no branch but over a request that is not wanted and past look-ups
 * that failed (then it ends without effect).
 *
 * Targets (enum qos_rules_target), the only things in which programs of one rule differ:
 *   FRAME   The input is the beginning of a struct qos_rules_frame: the only element of map `frame`
 *	     (PERCPU_ARRAY, key 0; the raising program must not be interrupted by another that uses
 *	     the same map). Requests are written into the frame; then the program tail-calls element
 *	     QOS_RULES_GUARD of map `guard` (PROG_ARRAY), which judges request[0..n_requests-1] in
 *	     order, those with wanted != 0. If there is no guard nothing happens.
 *   KFUNC   The first word of the program's ctx points to a struct qos_rules_input, which is the last
 *	     member of the module's event (its array is open-ended; container_of finds the rest). A
 *	     request is a call of the kfunc
 *		int qos_dwcs_set(struct qos_rules_input *event, __u32 attribute, __s64 value)
 *	     with that first word as event; its result is ignored. The module must not change the input
 *	     before the program ended. The pointer may be null (then the program ends).
 *   TEST    as FRAME, but `frame` may be an ARRAY and no guard is called: the raw_tp twin for
 *	     BPF_PROG_TEST_RUN.
 *
 * State: map `state`, an ARRAY; value: n words of 64 bits, all programs of a contract share it, each
 * has words of its own there (struct qos_rules_program has first and n). The key is input.state: who
 * raises an event gives each thread of a contract a key of its own, never used by two at a time, and
 * key 0 to ticks. Zero is "never run"; whoever hands a key on to another thread zeroes its value.
 *
 * Numbers: an input word holds a number as daemon/extension/field.c describes it (unit, bits). Who
 * fills it saturates; the program uses only so many low bits of it, whatever else is there, so no
 * content of a map can make its arithmetic overflow.
 */
#pragma once

/* Limits of the compiler; to exceed one is a diagnostic at the rule. */
#define QOS_RULES_INSNS_MAX    1000 /* of one program */
#define QOS_RULES_STATE_MAX    128  /* words, of a contract: 1 KiB a thread */
#define QOS_RULES_REQUESTS_MAX 32   /* of one program */
#define QOS_RULES_STREAMS_MAX  64   /* of a contract: as many as it can have */

#define QOS_RULES_GUARD 0 /* index in map `guard` */

enum qos_rules_target { QOS_RULES_FRAME, QOS_RULES_KFUNC, QOS_RULES_TEST };

/* A word has at most so many bits, the sign not counted; who fills it saturates. */
#define QOS_RULES_TIME_BITS  42 /* ns: 73 minutes, and no contract's period is above one hour */
#define QOS_RULES_COUNT_BITS 40
#define QOS_RULES_BYTES_BITS 44 /* bits a second too */

static inline __s64 qos_rules_saturated(__u64 value, int bits)
{
	__u64 most = (1ULL << bits) - 1;

	return (__s64)(value < most ? value : most);
}

static inline __s64 qos_rules_time(__u64 ns)
{
	return qos_rules_saturated(ns, QOS_RULES_TIME_BITS);
}

/* Index into qos_rules_stream.word. Percentiles are of the last 1,000 jobs. */
enum qos_rules_word {
	QOS_RULES_ATTRIBUTE,  /* in force: cpu runtime, ns; network rate, bits a second */
	QOS_RULES_USED,	      /* job, late: CPU time of the job so far */
	QOS_RULES_SLACK,      /* job, late: deadline - now; negative: late */
	QOS_RULES_RESPONSE,   /* job, late: now - release */
	QOS_RULES_LATENCY,    /* job: wake-up to running */
	QOS_RULES_LATE,	      /* job: 0 or 1; tick: since the last tick; network late: likewise */
	QOS_RULES_JOBS,	      /* tick: completed since the last tick */
	QOS_RULES_SERVED,     /* window: requests of it; tick: since the last tick */
	QOS_RULES_LOST,	      /* likewise */
	QOS_RULES_VIOLATIONS, /* window: 0 or 1; tick: since the last tick */
	QOS_RULES_USED_P50,
	QOS_RULES_USED_P90,
	QOS_RULES_USED_P99,
	QOS_RULES_SLACK_P1, /* one job in a hundred has less */
	QOS_RULES_SLACK_P10,
	QOS_RULES_SLACK_P50,
	QOS_RULES_RESPONSE_P50,
	QOS_RULES_RESPONSE_P90,
	QOS_RULES_RESPONSE_P99,
	QOS_RULES_LATENCY_P50,
	QOS_RULES_LATENCY_P90,
	QOS_RULES_LATENCY_P99,
	QOS_RULES_SENT,	   /* network tick: bytes since the last tick */
	QOS_RULES_BACKLOG, /* network: bytes queued now */
	QOS_RULES_DROPPED, /* network drop, tick: packets since the last such event */
	QOS_RULES_DELAY, /* network late: of the packet; drop, window: since the last; tick: so far */
	QOS_RULES_RTT, /* network: smoothed round trip of its latest TCP socket; tick: largest of all; 0: unknown */
	QOS_RULES_SPARE,
	QOS_RULES_WORDS
};

struct qos_rules_stream {
	__s64 word[QOS_RULES_WORDS];
};

/* An event of a stream has that stream in stream[0] and nothing behind it; a tick has all streams of
 * the contract in its order, those of `cpu` first. */
struct qos_rules_input {
	__u64 now_ns;	/* CLOCK_MONOTONIC */
	__u32 state;	/* key of map `state` */
	__u32 contract; /* for the guard; programs do not look at it */
	__u32 program;	/* likewise: index of the program in its contract */
	__u32 index;	/* likewise: of the stream in the contract; a tick has none */
	struct qos_rules_stream stream[];
};

/*
 * An attribute in a request: kind << 16 | index. Index: of a stream as in a tick (cpu first); of a
 * name in the contract's list of signals, in order of first use, for EMIT (value: 1).
 */
enum qos_rules_attribute {
	QOS_RULES_CPU_RUNTIME = 1, /* ns */
	QOS_RULES_NET_RATE,	   /* bits a second */
	QOS_RULES_EMIT,
	QOS_RULES_MISSED, /* of who only hands events on: this one found no room */
};
#define QOS_RULES_ATTRIBUTE_ID(kind, index) ((__u32)(kind) << 16 | (__u32)(index))

struct qos_rules_request {
	__u64 wanted; /* 0 or 1 */
	__u64 attribute;
	__s64 value;
};

struct qos_rules_frame {
	__u64 now_ns; /* from here as struct qos_rules_input */
	__u32 state;
	__u32 contract;
	__u32 program;
	__u32 index;
	struct qos_rules_stream stream[QOS_RULES_STREAMS_MAX];
	__u64 n_requests; /* written last: whoever raises the event zeroes it */
	struct qos_rules_request request[QOS_RULES_REQUESTS_MAX];
};

_Static_assert(sizeof(struct qos_rules_stream) == 224, "struct qos_rules_stream");
_Static_assert(sizeof(struct qos_rules_input) == 24, "struct qos_rules_input");
_Static_assert(sizeof(struct qos_rules_frame) == 24 + 64 * 224 + 8 + 32 * 24,
	       "struct qos_rules_frame");
_Static_assert(sizeof(struct qos_rules_frame) < 32768, "instructions have offsets of 16 bits");
