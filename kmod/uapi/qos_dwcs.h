/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The generic netlink family "qos_dwcs", version 1: control and observation of the module qos_dwcs,
 * which schedules threads on PREEMPT_RT kernels by windows (Dynamic Window-Constrained Scheduling).
 *
 * General
 * -------
 * The family lives in the initial network namespace. What changes something needs CAP_NET_ADMIN and
 * CAP_SYS_NICE there; getting needs neither. Each command has its own set of attributes, named
 * below as CMD: attributes; any other one, one of the wrong type, length or range, and trailing
 * bytes are refused. Every refusal carries a sentence (NLMSGERR_ATTR_MSG; NETLINK_EXT_ACK must be
 * on), and the offending attribute where there is one. A change is checked whole, then made: a
 * refused one changed nothing. Numbers are in host byte order, u64 attributes may be preceded by
 * padding (*_PAD, ignore), nested attributes carry NLA_F_NESTED. Times are nanoseconds; points in
 * time are CLOCK_MONOTONIC.
 *
 * Contracts hold streams, streams have threads. A stream is what is asked for: C (runtime) of CPU
 * time in each period T, by the deadline D after its start, and of y requests in a row at most x
 * may be lost. Each thread of it is served for itself, on the one CPU it was attached to. A stream
 * id is the caller's choice, unique in the module, not 0.
 *
 * Dumps (NLM_F_DUMP) are resumable, and carry NLM_F_DUMP_INTR if something was set, deleted,
 * attached or detached between two of their messages: then dump again. "generation" counts these
 * changes.
 *
 * Commands
 * --------
 * INFO_GET (do) -> INFO_A_*: all of them.
 * CONFIG_SET (do): CONFIG_A_*, each optional. BAND_FIRST/LAST can change only while no thread is
 *	attached (EBUSY).
 * CPU_GET (do: CPU_A_ID; dump) -> CPU_A_*: an online CPU, how it is scheduled, what happened there.
 * CPU_SET (do): CPU_A_ID, and ORDERING, SHARE or both. With ORDERING, requests that wait are ordered
 *	anew.
 * CONTRACT_SET (do): CONTRACT_A_NAME, ON_EXPIRY, ON_DRIFT, and a STREAM for each stream (none:
 *	it has flows alone, see qos_dwcs_rules.h).
 *	Creates the contract or replaces it. A stream with an id that the contract has already keeps
 *	its threads and counters; its thread's windows start anew if anything but RUNTIME changed.
 *	Streams that are not named any more are deleted, their threads given back. NLM_F_EXCL: only
 *	create (EEXIST). A stream's table is dropped by any change of it. Without RUNTIME a stream
 *	that is there keeps the one in force, brought between RUNTIME_MIN and RUNTIME_MAX.
 * CONTRACT_GET (do: CONTRACT_A_NAME; dump) -> CONTRACT_A_* without statistics.
 * CONTRACT_DELETE (do): CONTRACT_A_NAME. Its threads are given back.
 * STREAM_GET (do: STREAM_A_ID; dump) -> STREAM_A_* with STATS.
 * STREAM_SET (do): STREAM_A_ID, STREAM_A_RUNTIME: the granted C, between RUNTIME_MIN and
 *	RUNTIME_MAX; in force from each thread's next request on. Its table is off (event
 *	UNPROVEN) if C grows beyond what the table was set with.
 * ATTACH (do): THREAD_A_TID, STREAM, CPU; optional: STATE (see qos_dwcs_rules.h), START (ESRCH if the tid is
 *	another thread's by now). Policy, nice, priority and affinity are recorded, the thread is
 *	pinned to CPU and scheduled. Refused: kernel threads, SCHED_DEADLINE, threads attached
 *	already (EEXIST), CPUs out of its affinity. The tid is one of the caller's PID namespace.
 * DETACH (do): THREAD_A_TID. The thread is given back.
 * THREAD_GET (do: THREAD_A_TID; dump) -> THREAD_A_*.
 * TABLE_SET (do): TABLE_A_STREAM and what its MODE needs: which requests are mandatory, see below.
 *	MODE none takes the table off.
 * RULES_SET, RULES_RAISE, RULES_ASK, THREAD_SET: see qos_dwcs_rules.h.
 * LEASE_RENEW (do): no attributes. The lease starts anew with its whole length. After it expired
 *	this makes it live again, but gives nothing back that expiry took.
 * FLUSH (do): no attributes. Every thread is given back, every contract deleted: everything is as
 *	it was before the first command.
 *
 * "Given back": it gets the recorded policy, nice, priority and affinity, each unless somebody else
 * changed it since.
 *
 * The life of a request
 * ---------------------
 * Every thread has a grid of periods. A request is released when the thread wakes up at or after
 * the next grid point, or at the grid point if the thread is runnable then. A wakeup within
 * min(T/16, 250 us) of a grid point counts as at it; a later one anchors the grid anew. So the grid
 * keeps its phase and is never denser than T in the long run. A request is served if the thread got
 * C, or its job ended, or it has nothing to do, by the deadline; else it is lost, and what it got
 * is wasted. A job runs from its release to its completion. With job "wakeup" it ends with a sleep
 * in TASK_INTERRUPTIBLE that is not for a lock; a wakeup sooner than half a period after the
 * release takes that back, the job goes on. With job "period" every request releases a job, which
 * ends with C of service or such a sleep.
 * A thread that used C and is still runnable overruns (with job "period" it does not, for that is how its
 * job ends, but goes on likewise). "demote": it goes on under SCHED_OTHER until
 * its next grid point, or until it sleeps. "throttle": the same (nothing holds a thread without a
 * policy of its own back from an idle CPU). "allow": it goes on in the band, behind every request.
 *
 * Priorities: a thread that is managed is SCHED_FIFO in [BAND_LAST - 2, BAND_LAST], or at 48 (one short
 * mandatory stream of a CPU), or SCHED_OTHER as an overrun demands; qos_dwcs(4) has the whole map. All managed threads of a CPU together get
 * at most CAP of each CAP_INTERVAL there, whatever they ask for; for the rest of the interval they
 * are SCHED_OTHER. What no window needs (its quota is met, it is lost already, an overrun that is
 * allowed) is SCHED_OTHER earlier: as soon as the managed time of the interval is 2 % of it ahead
 * of 95 % of the cap, pro rata.
 *
 * Mandatory requests
 * ------------------
 * A table says which requests go before all others, by their deadlines alone. Who sets it claims
 * that each window gets enough of them, and that all of the CPU are feasible by EDF, preemptively,
 * with C each. Modes:
 *   SPORADIC  bit j of BITS: request j of each window (from 0) is mandatory. CYCLE = y, PREFIX = 0.
 *   PHASES    request n at EPOCH + n T is mandatory by bit n, and from PREFIX + CYCLE on by bit
 *	       PREFIX + (n - PREFIX) mod CYCLE. EPOCH is the absolute time of request 0. Windows
 *	       start with request 0. A grid point with no release, a release off the grid, or an
 *	       overrun ends the claim.
 *   BUNDLE    the streams with the same BUNDLE id on one CPU, of equal T, released together but for
 *	       moments (as near as a wakeup to a grid point). In each period those that still owe
 *	       (m' > 0) are mandatory in order of k'/m' ascending (ties: larger C, lower id) while
 *	       the sum of C stays within BUDGET; one that does not fit is passed over. k' and m' count
 *	       as if exactly the mandatory requests were served. Windows start with the bundle's
 *	       first release after a stream joined it. A stream that is released alone or stays away
 *	       ends the claim; a bundle stands and falls together. EPOCH is optional.
 * With an EPOCH the grid is moved, if need be, so that this point, which must lie ahead, is one of it, and
 * windows start anew; until its next point the thread is like one that used C. T must be given in
 * ns then, not as a rate.
 * Claims are verified (dwcs_check.h), together with all tables in force on that CPU; a wrong one is
 * refused, and so is one that takes too long to verify (E2BIG; 700 streams on a CPU do not). What
 * is charged: C' = (C + 2 DISPATCH) / CAP (C: RESERVED of its rules if that is more), D' = D - min(T/16, 250 us) - BLOCKING. A bundle's BUDGET
 * and ties are of C'. Mode PHASES goes with no other one on one CPU, its cycles are equally long in
 * time. Later settings that charge more end all claims (CHANGE).
 * When what the table rests on is gone, it is off until it is set again, and the event UNPROVEN
 * tells it, once. BITS is a bitmap in bytes, bit 0 of byte 0 first.
 *
 * The lease
 * ---------
 * CONFIG_A_LEASE > 0: the daemon promises to renew within that time. If it does not, each contract
 * does as its ON_EXPIRY says: hold (go on as it is), base (every stream's runtime becomes
 * RUNTIME_BASE), release (its threads are given back; contract, streams and counters stay). 0: no
 * lease.
 *
 * Multicast group "events": EVENT messages, EVENT_A_*
 * ---------------------------------------------------
 * At most 10 a second a contract and kind; MUTED tells how many of the same were left out since.
 * SEQ counts all events of the module that were sent, so that a gap in it is a lost message.
 * Always: KIND, SEQ, TIME.
 *   VIOLATION   a window broke. CONTRACT, STREAM, TID, CPU, LOST (requests of that window),
 *	       OUTCOMES (the last y requests as a bitmap, bit 0 the latest one, 1: served;
 *	       OUTCOMES_N: how many there are), FROM/TO (the last lost request), and an INSTEAD for
 *	       each stream that ran on that CPU meanwhile (its own time included, id 0: all the rest
 *	       of the CPU's time, idle or not managed).
 *   OVERRUN     CONTRACT, STREAM, TID, CPU.
 *   DRIFT       somebody else changed a managed thread. CONTRACT, STREAM, TID, CPU, WHAT.
 *   GONE        a thread ended; STREAM, TID, CPU. Never muted.
 *   EXEC        a managed thread runs a new program. STREAM, TID, CPU. Never muted.
 *   UNPROVEN    a table went off; STREAM, CPU, REASON.
 *   LEASE       the lease expired; one a contract: CONTRACT, ON_EXPIRY.
 *   CPU_GONE    the CPU goes down, its threads were given back; CPU.
 *   RUNTIME, SIGNAL   what rules did.
 *
 * Multicast group "telemetry": TELEMETRY messages
 * -----------------------------------------------
 * Every CONFIG_A_TELEMETRY (0: never) a message for each stream: STREAM_A_* as STREAM_GET has them,
 * and STREAM_A_SEQ, which counts all telemetry messages; a gap in it is a lost one.
 *
 * Limits are the QOS_DWCS_*_MAX below: how much of everything all callers together can make the
 * module hold (only the privileged can call). Too much: ENOSPC.
 */
#ifndef _UAPI_QOS_DWCS_H
#define _UAPI_QOS_DWCS_H

#include "qos_dwcs_rules.h"

#define QOS_DWCS_FAMILY		 "qos_dwcs"
#define QOS_DWCS_VERSION	 1
#define QOS_DWCS_GROUP_EVENTS	 "events"
#define QOS_DWCS_GROUP_TELEMETRY "telemetry"

#define QOS_DWCS_NAME_LEN	 32 /* with the final 0; [a-z][a-z0-9_-]* */
#define QOS_DWCS_CONTRACTS_MAX	 256
#define QOS_DWCS_STREAMS_MAX	 2048 /* in the module */
#define QOS_DWCS_STREAMS_IN_MAX	 32   /* in a contract */
#define QOS_DWCS_THREADS_MAX	 4096 /* in the module */
#define QOS_DWCS_CPU_THREADS_MAX 1024 /* on a CPU */
#define QOS_DWCS_TABLE_BITS_MAX	 65536
#define QOS_DWCS_BUNDLE_MAX	 16 /* streams in a bundle */
#define QOS_DWCS_EVENTS_SECOND	 10

#define QOS_DWCS_PERIOD_MIN_NS 100000ULL       /* 100 us */
#define QOS_DWCS_PERIOD_MAX_NS 500000000000ULL /* 500 s */
#define QOS_DWCS_WINDOW_Y_MAX  1000

/* A wakeup that is no further from a grid point counts as at it: a part of T, and at most so much. */
#define QOS_DWCS_TOLERANCE_PART	  16
#define QOS_DWCS_TOLERANCE_MAX_NS 250000ULL

/* Histograms are laid out as in bpf/qos_abi.h: 8 linear steps a power of two from 2^10 to 2^36 ns. */
#define QOS_DWCS_HIST_BUCKETS (2 + ((36 - 10) << 3))

enum qos_dwcs_cmd {
	QOS_DWCS_CMD_UNSPEC,
	QOS_DWCS_CMD_INFO_GET,
	QOS_DWCS_CMD_CONFIG_SET,
	QOS_DWCS_CMD_CPU_GET,
	QOS_DWCS_CMD_CPU_SET,
	QOS_DWCS_CMD_CONTRACT_GET,
	QOS_DWCS_CMD_CONTRACT_SET,
	QOS_DWCS_CMD_CONTRACT_DELETE,
	QOS_DWCS_CMD_STREAM_GET,
	QOS_DWCS_CMD_STREAM_SET,
	QOS_DWCS_CMD_THREAD_GET,
	QOS_DWCS_CMD_ATTACH,
	QOS_DWCS_CMD_DETACH,
	QOS_DWCS_CMD_TABLE_SET,
	QOS_DWCS_CMD_LEASE_RENEW,
	QOS_DWCS_CMD_FLUSH,
	QOS_DWCS_CMD_RULES_SET,
	QOS_DWCS_CMD_RULES_RAISE,
	QOS_DWCS_CMD_RULES_ASK,
	QOS_DWCS_CMD_THREAD_SET,
	QOS_DWCS_CMD_EVENT,	/* multicast only */
	QOS_DWCS_CMD_TELEMETRY, /* multicast only */
	__QOS_DWCS_CMD_MAX
};

#define QOS_DWCS_CMD_MAX (__QOS_DWCS_CMD_MAX - 1)

/* As enum dwcs_ordering of dwcs.h. */
enum qos_dwcs_ordering {
	QOS_DWCS_ORDERING_EDF,
	QOS_DWCS_ORDERING_DWCS,
	QOS_DWCS_ORDERING_DWCS_SKIP,
	QOS_DWCS_ORDERING_DWCS_WINDOW,
	QOS_DWCS_ORDERING_VDS,
	QOS_DWCS_ORDERING_VDS_SKIP,
	QOS_DWCS_ORDERING_FIN, /* the default */
};

enum qos_dwcs_on_expiry { QOS_DWCS_EXPIRY_HOLD, QOS_DWCS_EXPIRY_BASE, QOS_DWCS_EXPIRY_RELEASE };

/*
 * yield: it is left alone; restore: it is set back; warn: it is left alone until the next change
 * that scheduling needs, which sets it back. All are reported.
 */
enum qos_dwcs_on_drift { QOS_DWCS_DRIFT_YIELD, QOS_DWCS_DRIFT_RESTORE, QOS_DWCS_DRIFT_WARN };

enum qos_dwcs_overrun {
	QOS_DWCS_OVERRUN_DEMOTE,
	QOS_DWCS_OVERRUN_THROTTLE,
	QOS_DWCS_OVERRUN_ALLOW,
};

/* Jobs between probes of the program are not the module's: EOPNOTSUPP. */
enum qos_dwcs_job { QOS_DWCS_JOB_WAKEUP, QOS_DWCS_JOB_PERIOD, QOS_DWCS_JOB_PROBES };

/* What a period without a release counts as. */
enum qos_dwcs_silence { QOS_DWCS_SILENCE_IGNORE, QOS_DWCS_SILENCE_LOST };

enum qos_dwcs_table_mode {
	QOS_DWCS_TABLE_NONE,
	QOS_DWCS_TABLE_SPORADIC,
	QOS_DWCS_TABLE_PHASES,
	QOS_DWCS_TABLE_BUNDLE,
};

enum qos_dwcs_lease_state { QOS_DWCS_LEASE_OFF, QOS_DWCS_LEASE_LIVE, QOS_DWCS_LEASE_EXPIRED };

/* Bits of INFO_A_FEATURES. */
#define QOS_DWCS_FEATURE_CPU	   (1 << 0) /* threads are scheduled */
#define QOS_DWCS_FEATURE_TABLES	   (1 << 1) /* mandatory requests */
#define QOS_DWCS_FEATURE_CHECKED   (1 << 2) /* ... and their claims are verified */
#define QOS_DWCS_FEATURE_TELEMETRY (1 << 3)
#define QOS_DWCS_FEATURE_RULES	   (1 << 4) /* programs may call qos_dwcs_set() */

enum qos_dwcs_info_attr {
	QOS_DWCS_INFO_A_UNSPEC,
	QOS_DWCS_INFO_A_PAD,
	QOS_DWCS_INFO_A_VERSION,	 /* u32, QOS_DWCS_VERSION */
	QOS_DWCS_INFO_A_FEATURES,	 /* u32, QOS_DWCS_FEATURE_* */
	QOS_DWCS_INFO_A_GENERATION,	 /* u32 */
	QOS_DWCS_INFO_A_LEASE,		 /* u64 ns, 0: none */
	QOS_DWCS_INFO_A_LEASE_STATE,	 /* u32, enum qos_dwcs_lease_state */
	QOS_DWCS_INFO_A_LEASE_LEFT,	 /* u64 ns */
	QOS_DWCS_INFO_A_BAND_FIRST,	 /* u32 */
	QOS_DWCS_INFO_A_BAND_LAST,	 /* u32 */
	QOS_DWCS_INFO_A_DISPATCHER,	 /* u32: priority of the dispatchers */
	QOS_DWCS_INFO_A_CAP_PPM,	 /* u32: millionths of a CPU */
	QOS_DWCS_INFO_A_CAP_INTERVAL,	 /* u64 ns */
	QOS_DWCS_INFO_A_TELEMETRY,	 /* u64 ns, 0: off */
	QOS_DWCS_INFO_A_CONTRACTS,	 /* u32: there are */
	QOS_DWCS_INFO_A_STREAMS,	 /* u32 */
	QOS_DWCS_INFO_A_THREADS,	 /* u32 */
	QOS_DWCS_INFO_A_CONTRACTS_MAX,	 /* u32 */
	QOS_DWCS_INFO_A_STREAMS_MAX,	 /* u32 */
	QOS_DWCS_INFO_A_THREADS_MAX,	 /* u32 */
	QOS_DWCS_INFO_A_CPU_THREADS_MAX, /* u32 */
	QOS_DWCS_INFO_A_EVENTS_LOST,	 /* u64: events that found no room in the module */
	QOS_DWCS_INFO_A_DISPATCH,	 /* u64 ns */
	QOS_DWCS_INFO_A_BLOCKING,	 /* u64 ns */
	__QOS_DWCS_INFO_A_MAX
};

#define QOS_DWCS_INFO_A_MAX (__QOS_DWCS_INFO_A_MAX - 1)

enum qos_dwcs_config_attr {
	QOS_DWCS_CONFIG_A_UNSPEC,
	QOS_DWCS_CONFIG_A_PAD,
	QOS_DWCS_CONFIG_A_LEASE,	/* u64 ns: 0, or 100 ms to an hour; starts at once */
	QOS_DWCS_CONFIG_A_BAND_FIRST,	/* u32, 1..46; LAST - FIRST at least 2; default 10 */
	QOS_DWCS_CONFIG_A_BAND_LAST,	/* u32, 3..46; default 40 */
	QOS_DWCS_CONFIG_A_CAP_PPM,	/* u32, 10000..950000; default 900000 */
	QOS_DWCS_CONFIG_A_CAP_INTERVAL, /* u64 ns, 10 ms to 2 s; default 1 s */
	QOS_DWCS_CONFIG_A_TELEMETRY,	/* u64 ns: 0, or 10 ms to an hour; default 0 */
	QOS_DWCS_CONFIG_A_ARM,	    /* u8, 0 or 1 (default): raise sleepers that will win ahead */
	QOS_DWCS_CONFIG_A_DISPATCH, /* u64 ns, up to 10 ms; default 20 us: see "Claims" */
	QOS_DWCS_CONFIG_A_BLOCKING, /* u64 ns, up to 10 ms; default 50 us */
	__QOS_DWCS_CONFIG_A_MAX
};

#define QOS_DWCS_CONFIG_A_MAX (__QOS_DWCS_CONFIG_A_MAX - 1)

enum qos_dwcs_cpu_attr {
	QOS_DWCS_CPU_A_UNSPEC,
	QOS_DWCS_CPU_A_PAD,
	QOS_DWCS_CPU_A_ID,	 /* u32 */
	QOS_DWCS_CPU_A_ORDERING, /* u32, enum qos_dwcs_ordering */
	QOS_DWCS_CPU_A_SHARE,	 /* u32, 2^-20 of the CPU, at most 64 of it: for rules; default 0 */
	QOS_DWCS_CPU_A_FREE,	 /* s32, get only: what is left of it; negative: overdrawn */
	QOS_DWCS_CPU_A_THREADS,	 /* u32 */
	QOS_DWCS_CPU_A_READY,	 /* u32: live requests */
	QOS_DWCS_CPU_A_CAPPED,	 /* u8: the cap is in force now */
	QOS_DWCS_CPU_A_COUNTERS, /* nested, CPU_COUNT_A_* */
	__QOS_DWCS_CPU_A_MAX
};

#define QOS_DWCS_CPU_A_MAX (__QOS_DWCS_CPU_A_MAX - 1)

/* u64 each, since the first thread of the CPU. */
enum qos_dwcs_cpu_count_attr {
	QOS_DWCS_CPU_COUNT_A_UNSPEC,
	QOS_DWCS_CPU_COUNT_A_PAD,
	QOS_DWCS_CPU_COUNT_A_SWITCHES,	   /* context switches of managed threads */
	QOS_DWCS_CPU_COUNT_A_WAKEUPS,	   /* of managed threads */
	QOS_DWCS_CPU_COUNT_A_TIMERS,	   /* the CPU's timer fired */
	QOS_DWCS_CPU_COUNT_A_TIMERS_EARLY, /* of these: with nothing to do */
	QOS_DWCS_CPU_COUNT_A_RELEASES,	   /* requests */
	QOS_DWCS_CPU_COUNT_A_ANCHORS,	   /* of these: that anchored the grid anew */
	QOS_DWCS_CPU_COUNT_A_SERVED,
	QOS_DWCS_CPU_COUNT_A_LOST,
	QOS_DWCS_CPU_COUNT_A_MANDATORY,	     /* of the releases */
	QOS_DWCS_CPU_COUNT_A_MANDATORY_LOST, /* of the mandatory ones: 0 if the claim is right */
	QOS_DWCS_CPU_COUNT_A_PICKS,	     /* choices made */
	QOS_DWCS_CPU_COUNT_A_CHOICES,	     /* of these: another thread than before */
	QOS_DWCS_CPU_COUNT_A_DISPATCHES,     /* the dispatcher ran */
	QOS_DWCS_CPU_COUNT_A_CHANGES,	     /* policies and priorities set */
	QOS_DWCS_CPU_COUNT_A_DEMOTED,	     /* of these: to SCHED_OTHER */
	QOS_DWCS_CPU_COUNT_A_ARMED,	     /* of these: of sleepers, ahead of their wakeup */
	QOS_DWCS_CPU_COUNT_A_OVERRUNS,
	QOS_DWCS_CPU_COUNT_A_CAPPED, /* intervals in which the cap came into force */
	QOS_DWCS_CPU_COUNT_A_LEAN, /* times that spare work had to leave the band for the cap's sake */
	QOS_DWCS_CPU_COUNT_A_MANAGED, /* ns that managed threads ran in the band */
	QOS_DWCS_CPU_COUNT_A_DRIFTS,
	QOS_DWCS_CPU_COUNT_A_GAVE_UP,	/* too much to catch up with: grids were anchored anew */
	QOS_DWCS_CPU_COUNT_A_RING_FULL, /* events that found no room */
	QOS_DWCS_CPU_COUNT_A_ERRORS,	/* the kernel refused a change */
	__QOS_DWCS_CPU_COUNT_A_MAX
};

#define QOS_DWCS_CPU_COUNT_A_MAX (__QOS_DWCS_CPU_COUNT_A_MAX - 1)

enum qos_dwcs_contract_attr {
	QOS_DWCS_CONTRACT_A_UNSPEC,
	QOS_DWCS_CONTRACT_A_PAD,
	QOS_DWCS_CONTRACT_A_NAME,      /* string */
	QOS_DWCS_CONTRACT_A_ON_EXPIRY, /* u32, enum qos_dwcs_on_expiry; default hold */
	QOS_DWCS_CONTRACT_A_ON_DRIFT,  /* u32, enum qos_dwcs_on_drift; default yield */
	QOS_DWCS_CONTRACT_A_STREAM,    /* nested, STREAM_A_*; repeated */
	QOS_DWCS_CONTRACT_A_EXPIRED,   /* u8, get only: the lease expired and ON_EXPIRY was done */
	/* get only, since it was made */
	QOS_DWCS_CONTRACT_A_RAISED,    /* u64: events of rules */
	QOS_DWCS_CONTRACT_A_DROPPED,   /* u64: of them that found no room */
	QOS_DWCS_CONTRACT_A_VERDICTS,  /* u64 by enum qos_verdict (bpf/qos_guard_abi.h): requests */
	QOS_DWCS_CONTRACT_A_REVERSALS, /* u64: changes that went back on the last one */
	QOS_DWCS_CONTRACT_A_RUN_TIME,  /* u64 ns: in programs, all together */
	__QOS_DWCS_CONTRACT_A_MAX
};

#define QOS_DWCS_CONTRACT_A_MAX (__QOS_DWCS_CONTRACT_A_MAX - 1)

/* CONTRACT_SET takes ID to MAX_THREADS; defaults in brackets, the rest is required. */
enum qos_dwcs_stream_attr {
	QOS_DWCS_STREAM_A_UNSPEC,
	QOS_DWCS_STREAM_A_PAD,
	QOS_DWCS_STREAM_A_ID,		/* u32, not 0 */
	QOS_DWCS_STREAM_A_NAME,		/* string */
	QOS_DWCS_STREAM_A_PERIOD,	/* u64 ns; 100 us to 500 s */
	QOS_DWCS_STREAM_A_RATE_MHZ,	/* u32 [0]: exact rate in thousandths of a hertz; PERIOD is
					 * then 10^12 / RATE_MHZ, rounded down
					 */
	QOS_DWCS_STREAM_A_DEADLINE,	/* u64 ns [PERIOD] */
	QOS_DWCS_STREAM_A_RUNTIME,	/* u64 ns: C, granted; optional if the stream is there */
	QOS_DWCS_STREAM_A_RUNTIME_BASE, /* u64 ns [RUNTIME]: C when the lease expired */
	QOS_DWCS_STREAM_A_RUNTIME_MIN,	/* u64 ns [RUNTIME]: limits of STREAM_SET */
	QOS_DWCS_STREAM_A_RUNTIME_MAX,	/* u64 ns [RUNTIME] */
	QOS_DWCS_STREAM_A_X,		/* u32, at most Y */
	QOS_DWCS_STREAM_A_Y,		/* u32, at most 1000; 0: no window, plain EDF */
	QOS_DWCS_STREAM_A_OVERRUN,	/* u32, enum qos_dwcs_overrun [demote] */
	QOS_DWCS_STREAM_A_JOB,		/* u32, enum qos_dwcs_job [wakeup] */
	QOS_DWCS_STREAM_A_SILENCE,	/* u32, enum qos_dwcs_silence [ignore] */
	QOS_DWCS_STREAM_A_LATENCY,	/* u64 ns [0: not asked for]; longer wakeups are counted */
	QOS_DWCS_STREAM_A_MAX_THREADS,	/* u32 [1] */
	/* get only */
	QOS_DWCS_STREAM_A_CONTRACT, /* string: its name */
	QOS_DWCS_STREAM_A_THREADS,  /* u32: attached */
	QOS_DWCS_STREAM_A_TABLE,    /* u32, enum qos_dwcs_table_mode: that is set */
	QOS_DWCS_STREAM_A_PROVEN,   /* u8: ... and is in force */
	QOS_DWCS_STREAM_A_STATS,    /* nested, STATS_A_* */
	QOS_DWCS_STREAM_A_SEQ,	    /* u32, TELEMETRY only */
	QOS_DWCS_STREAM_A_TIME,	    /* u64 ns: of the statistics */
	__QOS_DWCS_STREAM_A_MAX
};

#define QOS_DWCS_STREAM_A_MAX (__QOS_DWCS_STREAM_A_MAX - 1)

/* Sums over all threads since the stream was made; u64 unless said. Terms as in bpf/qos_abi.h. */
enum qos_dwcs_stats_attr {
	QOS_DWCS_STATS_A_UNSPEC,
	QOS_DWCS_STATS_A_PAD,
	QOS_DWCS_STATS_A_JOBS,
	QOS_DWCS_STATS_A_LATE,
	QOS_DWCS_STATS_A_SERVED,
	QOS_DWCS_STATS_A_LOST,
	QOS_DWCS_STATS_A_WINDOWS,
	QOS_DWCS_STATS_A_VIOLATIONS,
	QOS_DWCS_STATS_A_USED, /* ns */
	QOS_DWCS_STATS_A_OVERRUNS,
	QOS_DWCS_STATS_A_LATENCY_PASSED,
	QOS_DWCS_STATS_A_LAST_RELEASE, /* time */
	QOS_DWCS_STATS_A_RESPONSE_MAX, /* ns */
	QOS_DWCS_STATS_A_LATENCY_MAX,  /* ns */
	QOS_DWCS_STATS_A_MANDATORY,    /* requests that were released as such */
	QOS_DWCS_STATS_A_MANDATORY_LOST,
	QOS_DWCS_STATS_A_SPARE, /* ns in the band without a request */
	QOS_DWCS_STATS_A_DRIFTS,
	QOS_DWCS_STATS_A_RESPONSE,  /* u32[QOS_DWCS_HIST_BUCKETS] */
	QOS_DWCS_STATS_A_SLACK,	    /* u32[...] */
	QOS_DWCS_STATS_A_USED_HIST, /* u32[...] */
	QOS_DWCS_STATS_A_LATENCY,   /* u32[...] */
	__QOS_DWCS_STATS_A_MAX
};

#define QOS_DWCS_STATS_A_MAX (__QOS_DWCS_STATS_A_MAX - 1)

/* THREAD_A_LEVEL: what the thread was last set to. */
enum qos_dwcs_level {
	QOS_DWCS_LEVEL_NONE,  /* nothing yet, or not managed any more */
	QOS_DWCS_LEVEL_OTHER, /* SCHED_OTHER */
	QOS_DWCS_LEVEL_READY, /* BAND_LAST - 2 */
	QOS_DWCS_LEVEL_FIRST, /* BAND_LAST - 1 */
	QOS_DWCS_LEVEL_ARMED, /* BAND_LAST */
};

/* Bits of THREAD_A_FLAGS. */
#define QOS_DWCS_THREAD_CHOSEN	  (1 << 0) /* it is the CPU's choice now */
#define QOS_DWCS_THREAD_LIVE	  (1 << 1) /* it has a request */
#define QOS_DWCS_THREAD_MANDATORY (1 << 2) /* ... which is mandatory */
#define QOS_DWCS_THREAD_EXHAUSTED (1 << 3) /* it used C of this period */
#define QOS_DWCS_THREAD_RUNNABLE  (1 << 4)
#define QOS_DWCS_THREAD_DRIFTED	  (1 << 5) /* somebody else changed it, and it is left alone */

enum qos_dwcs_thread_attr {
	QOS_DWCS_THREAD_A_UNSPEC,
	QOS_DWCS_THREAD_A_PAD,
	QOS_DWCS_THREAD_A_TID,	  /* u32 */
	QOS_DWCS_THREAD_A_STREAM, /* u32 */
	QOS_DWCS_THREAD_A_CPU,	  /* u32 */
	QOS_DWCS_THREAD_A_START,  /* u64: field 22 of /proc/TID/stat */
	QOS_DWCS_THREAD_A_STATE,  /* u32: key of its state, for rules */
	/* get only */
	QOS_DWCS_THREAD_A_TGID,	    /* u32 */
	QOS_DWCS_THREAD_A_COMM,	    /* string */
	QOS_DWCS_THREAD_A_LEVEL,    /* u32, enum qos_dwcs_level */
	QOS_DWCS_THREAD_A_FLAGS,    /* u32, QOS_DWCS_THREAD_* */
	QOS_DWCS_THREAD_A_POLICY,   /* u32: the recorded one */
	QOS_DWCS_THREAD_A_PRIORITY, /* u32 */
	QOS_DWCS_THREAD_A_NICE,	    /* s32 */
	QOS_DWCS_THREAD_A_AFFINITY, /* binary: bitmap, as sched_getaffinity(2) */
	QOS_DWCS_THREAD_A_K,	    /* u32: k', requests left of the window */
	QOS_DWCS_THREAD_A_M,	    /* u32: m', how many of them must be served */
	QOS_DWCS_THREAD_A_GRID,	    /* u64 ns: start of the last request; 0: none yet */
	QOS_DWCS_THREAD_A_GOT,	    /* u64 ns: service in it */
	__QOS_DWCS_THREAD_A_MAX
};

#define QOS_DWCS_THREAD_A_MAX (__QOS_DWCS_THREAD_A_MAX - 1)

enum qos_dwcs_table_attr {
	QOS_DWCS_TABLE_A_UNSPEC,
	QOS_DWCS_TABLE_A_PAD,
	QOS_DWCS_TABLE_A_STREAM, /* u32; a stream with MAX_THREADS 1, its thread attached */
	QOS_DWCS_TABLE_A_MODE,	 /* u32, enum qos_dwcs_table_mode */
	QOS_DWCS_TABLE_A_PREFIX, /* u32 bits [0] */
	QOS_DWCS_TABLE_A_CYCLE,	 /* u32 bits, at least 1 */
	QOS_DWCS_TABLE_A_BITS,	 /* binary: (PREFIX + CYCLE + 7) / 8 bytes */
	QOS_DWCS_TABLE_A_EPOCH,	 /* u64, PHASES, BUNDLE [none] */
	QOS_DWCS_TABLE_A_BUNDLE, /* u32, not 0, BUNDLE */
	QOS_DWCS_TABLE_A_BUDGET, /* u64 ns, BUNDLE, charges included; equal in all of its streams */
	__QOS_DWCS_TABLE_A_MAX
};

#define QOS_DWCS_TABLE_A_MAX (__QOS_DWCS_TABLE_A_MAX - 1)

enum qos_dwcs_event_kind {
	QOS_DWCS_EVENT_UNSPEC,
	QOS_DWCS_EVENT_VIOLATION,
	QOS_DWCS_EVENT_OVERRUN,
	QOS_DWCS_EVENT_DRIFT,
	QOS_DWCS_EVENT_GONE,
	QOS_DWCS_EVENT_EXEC,
	QOS_DWCS_EVENT_UNPROVEN,
	QOS_DWCS_EVENT_LEASE,
	QOS_DWCS_EVENT_CPU_GONE,
	QOS_DWCS_EVENT_RUNTIME, /* these three: qos_dwcs_rules.h */
	QOS_DWCS_EVENT_SIGNAL,
	QOS_DWCS_EVENT_RATE,
	__QOS_DWCS_EVENT_MAX
};

enum qos_dwcs_drift { QOS_DWCS_DRIFTED_POLICY = 1, QOS_DWCS_DRIFTED_AFFINITY };

enum qos_dwcs_unproven {
	QOS_DWCS_UNPROVEN_SILENCE = 1, /* a grid point without a release */
	QOS_DWCS_UNPROVEN_ANCHOR,      /* a release off the grid */
	QOS_DWCS_UNPROVEN_OVERRUN,
	QOS_DWCS_UNPROVEN_CHANGE, /* of the stream, or of its bundle */
	QOS_DWCS_UNPROVEN_LOST, /* a mandatory request: the claim was wrong, or others interfered */
};

enum qos_dwcs_event_attr {
	QOS_DWCS_EVENT_A_UNSPEC,
	QOS_DWCS_EVENT_A_PAD,
	QOS_DWCS_EVENT_A_KIND,	     /* u32, enum qos_dwcs_event_kind */
	QOS_DWCS_EVENT_A_SEQ,	     /* u32 */
	QOS_DWCS_EVENT_A_TIME,	     /* u64 ns */
	QOS_DWCS_EVENT_A_MUTED,	     /* u32: of this kind and contract, left out before this one */
	QOS_DWCS_EVENT_A_CONTRACT,   /* string */
	QOS_DWCS_EVENT_A_STREAM,     /* u32 */
	QOS_DWCS_EVENT_A_TID,	     /* u32 */
	QOS_DWCS_EVENT_A_CPU,	     /* u32 */
	QOS_DWCS_EVENT_A_LOST,	     /* u32 */
	QOS_DWCS_EVENT_A_OUTCOMES,   /* binary */
	QOS_DWCS_EVENT_A_OUTCOMES_N, /* u32 */
	QOS_DWCS_EVENT_A_FROM,	     /* u64 ns */
	QOS_DWCS_EVENT_A_TO,	     /* u64 ns */
	QOS_DWCS_EVENT_A_INSTEAD,    /* nested, INSTEAD_A_*; repeated */
	QOS_DWCS_EVENT_A_WHAT,	     /* u32, enum qos_dwcs_drift */
	QOS_DWCS_EVENT_A_REASON,     /* u32, enum qos_dwcs_unproven */
	QOS_DWCS_EVENT_A_ON_EXPIRY,  /* u32, enum qos_dwcs_on_expiry */
	QOS_DWCS_EVENT_A_RUNTIME,    /* u64 ns */
	QOS_DWCS_EVENT_A_SIGNAL,     /* u32 */
	QOS_DWCS_EVENT_A_INDEX,	     /* u32: of a flow */
	QOS_DWCS_EVENT_A_RATE,	     /* u64 bits/s */
	__QOS_DWCS_EVENT_A_MAX
};

#define QOS_DWCS_EVENT_A_MAX (__QOS_DWCS_EVENT_A_MAX - 1)

enum qos_dwcs_instead_attr {
	QOS_DWCS_INSTEAD_A_UNSPEC,
	QOS_DWCS_INSTEAD_A_PAD,
	QOS_DWCS_INSTEAD_A_STREAM, /* u32; 0: everything else */
	QOS_DWCS_INSTEAD_A_TIME,   /* u64 ns */
	__QOS_DWCS_INSTEAD_A_MAX
};

#define QOS_DWCS_INSTEAD_A_MAX (__QOS_DWCS_INSTEAD_A_MAX - 1)

#endif
