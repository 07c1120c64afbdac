/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BPF programs and the daemon share: map values, events, histogram layout. Includes
 * nothing; whoever includes it has __u64 and friends (linux/types.h or vmlinux.h) already. Every
 * struct's size is asserted, so that both sides are built from one truth.
 */
#pragma once

#define QOS_ABI_VERSION 1
#define QOS_STREAMS_MAX 65536

/*
 * Log-linear histogram of nanoseconds: 8 linear steps per power of two from 2^10 ns (1.02 us) to
 * 2^36 ns (68.7 s); bucket 0 counts all below, the last one all above. A bucket's width is at most
 * 1/8 of its lower edge.
 */
#define QOS_HIST_SHIFT_MIN 10
#define QOS_HIST_SHIFT_MAX 36
#define QOS_HIST_SUB_BITS  3
#define QOS_HIST_BUCKETS   (2 + ((QOS_HIST_SHIFT_MAX - QOS_HIST_SHIFT_MIN) << QOS_HIST_SUB_BITS))

enum qos_abi_job { QOS_ABI_JOB_WAKEUP, QOS_ABI_JOB_PERIOD, QOS_ABI_JOB_PROBES };

#define QOS_STREAM_SILENCE_LOST (1 << 0) /* a period without a release counts as lost */
#define QOS_STREAM_WATCH_BUDGET (1 << 1) /* report when a request has used its budget */

/* Events of a stream that its contract's rules may hook. In order of raising at one switch. */
enum qos_hook { QOS_HOOK_OVERRUN, QOS_HOOK_LATE, QOS_HOOK_JOB, QOS_HOOK_WINDOW, QOS_HOOKS };

/* What the rules of a stream's contract hook; all zeroes: nothing. */
struct qos_stream_hooks {
	__u32 contract;	       /* its number in the guard (qos_guard_abi.h); 0: it has no rules */
	__u32 index;	       /* of the stream in its contract */
	__u32 slot[QOS_HOOKS]; /* element of `extensions`; 0: no rule for that event */
};

/* Map `streams`: HASH, key __u32 stream id; written by the daemon, read by the programs. */
struct qos_stream_config {
	__u64 period_ns;
	__u32 period_mhz; /* != 0: exact rate, thousandths of a hertz; period_ns is then rounded down */
	__u32 flags;
	__u64 deadline_ns; /* relative */
	__u64 runtime_ns;  /* C in force: a request is served with it */
	__u64 budget_ns;   /* a request that has used this much is reported (QOS_EVENT_OVERRUN) */
	__u64 latency_ns;  /* 0: not asked for; else longer wake-ups are counted */
	__u32 window_x;
	__u32 window_y;	  /* 0: no window, none is ever violated */
	__u32 job;	  /* enum qos_abi_job */
	__u32 period_rem; /* 10^12 mod period_mhz; set by qos_monitor_stream_set, not by its caller */
	struct qos_stream_hooks hooks; /* set by qos_monitor_stream_hooks; others leave it alone */
};

/* Map `stats`: HASH, key __u32 stream id; created by the daemon, counted up by the programs with
 * atomic adds, for all threads of the stream together. Never reset while the stream lives. */
struct qos_stream_stats {
	__u64 jobs;   /* completed */
	__u64 late;   /* of these: completed after their deadline */
	__u64 served; /* requests */
	__u64 lost;
	__u64 windows;	      /* completed windows of y requests */
	__u64 violations;     /* of these: more than x lost */
	__u64 used_ns;	      /* CPU time, all */
	__u64 overruns;	      /* requests that used up their budget */
	__u64 latency_passed; /* wake-ups later than latency_ns */
	__u64 last_release_ns;
	__u64 response_max_ns;
	__u64 latency_max_ns;
	__u64 event_ns; /* the programs' own: no QOS_EVENT_VIOLATION before this time */
	__u32 response[QOS_HIST_BUCKETS]; /* completion - release */
	__u32 slack[QOS_HIST_BUCKETS];	  /* deadline - completion, of jobs that were not late */
	__u32 used[QOS_HIST_BUCKETS];	  /* CPU time of a job */
	__u32 latency[QOS_HIST_BUCKETS];  /* wake-up to running */
};

/* What a thread has been doing since `accounted_ns`. */
enum qos_doing {
	QOS_DOES_NEW,	/* attached; no event seen yet */
	QOS_DOES_RUN,	/* service accrues at rate 1 */
	QOS_DOES_WAIT,	/* runnable, without a CPU */
	QOS_DOES_SLEEP, /* in a sleep that may end a job */
	QOS_DOES_BLOCK, /* in a sleep that does not: uninterruptible, or for a lock */
	QOS_DOES_END,	/* dead, or not the thread that was attached */
};

#define QOS_REQUEST_CURRENT  (1 << 0) /* between grid_ns and the next grid point */
#define QOS_REQUEST_DECIDED  (1 << 1) /* its deadline passed: counted as served or lost */
#define QOS_REQUEST_ENDED    (1 << 2) /* a job completed in it */
#define QOS_REQUEST_REPORTED (1 << 3) /* QOS_EVENT_OVERRUN was sent */

/* Map `tasks`: HASH, key __u32 tid; created and deleted by the daemon only. (Task storage would be
 * the natural home, but before 6.9 a pidfd, and so user space, reaches thread group leaders only.)
 * The daemon writes the first line and zeroes the rest, which belongs to the programs. */
struct qos_task_state {
	__u32 stream;
	__u32 tid;
	__u64 start_ticks; /* field 22 of /proc/TID/stat: a reused tid is not taken for the thread */
	__u32 tgid;
	__u32 doing; /* enum qos_doing */
	/* the job (program's side) */
	__u64 release_ns;      /* of the job that is not completed; 0: none */
	__u64 job_from_ns;     /* total_ns at its release */
	__u64 last_release_ns; /* of any job */
	/* the request (scheduler's side) */
	__u64 grid_ns;	/* start of the last request; 0: none yet */
	__u64 grid_err; /* what grid_ns lacks of the exact grid point, in ns / period_mhz */
	__u64 got_ns;	/* service in it */
	__u32 request;	/* QOS_REQUEST_* */
	/* the window */
	__u32 window_pos;
	__u32 window_lost;
	__u32 window_broke; /* lost requests of a broken window that is still to be reported */
	/* the clock */
	__u64 accounted_ns; /* everything before is in the counters */
	__u64 total_ns;	    /* service since it was attached */
	__u64 woken_ns;	    /* last sched_waking; 0: none since it ran */
	/* the kernel's own sum of its CPU time, for switches that were not seen */
	__u64 exec_ns;	   /* at the last switch */
	__u64 exec_now_ns; /* now */
	/* first marks of `job: probes` since accounted_ns; 0: none */
	__u64 probe_begin_ns;
	__u64 probe_end_ns;
	/* for rules: what happened since the thread's last switch; several of a kind are told as one,
	 * the last */
	__u32 marks;	      /* 1 << enum qos_hook */
	__u32 window_lost_of; /* lost requests of the last complete window */
	__u64 mark_used_ns;   /* of the last complete job, like the next two */
	__u64 mark_response_ns;
	__u64 mark_latency_ns;
	__u64 latency_ns; /* of the job: wake-up to running */
	__u64 late_of_ns; /* release of the last job that was told to be late */
};

/* One record of the ring buffers `events`, and `urgent` for OVERRUN and IDLE. */
enum qos_event_type {
	QOS_EVENT_EXEC = 1, /* a process has a new image; its thread's old tid, `parent`, is gone */
	QOS_EVENT_FORK,	    /* tid is a new thread, child or grandchild of a watched process */
	QOS_EVENT_EXIT,	    /* a contracted thread ended; its counters are final */
	QOS_EVENT_CGROUP,   /* a process moved */
	QOS_EVENT_COMM,	    /* a thread has a new name */
	QOS_EVENT_OVERRUN,  /* the request used up its budget; until_ns: next grid point */
	QOS_EVENT_IDLE,	    /* a thread reported by OVERRUN ended its job before until_ns */
	QOS_EVENT_VIOLATION, /* a window broke; at most 10 a second a stream, all are counted */
	QOS_EVENT_END,	     /* the last thread of a watched process ends */
	QOS_EVENT_SCHED,     /* somebody set the policy or affinity of a watched process's thread */
};

struct qos_event {
	__u32 type;
	__u32 tid;
	__u32 tgid;
	__u32 stream; /* OVERRUN, IDLE, VIOLATION, EXIT */
	__u64 now_ns; /* CLOCK_MONOTONIC */
	__u64 until_ns;
	__u32 parent;  /* FORK: the parent's tid; EXEC: the thread's tid before, mostly the same;
			* SCHED: the process that did it */
	__u32 lost;    /* VIOLATION: lost requests of that window */
	char comm[16]; /* COMM: the new name, which /proc may show only a moment later; SCHED: of
			* who did it */
};

/* Key of map `watched`: HASH of tgids whose forks and renames are reported; value __u8.
 * Bitmap `prefilter`: one bit for pid mod QOS_PREFILTER_BITS; a clear bit means "not contracted". */
#define QOS_PREFILTER_BITS 65536

/* Global configuration in .bss/.data, written by the daemon through the skeleton's mapping. */
#define QOS_WATCH_ALL_FORKS (1 << 0) /* some contract matches by `parent` */
#define QOS_WATCH_ALL_COMMS (1 << 1) /* some contract matches by `comm` */

/* Branches of the programs that ought to be rare, counted since load (.bss). */
struct qos_monitor_counters {
	__u64 ring_full;   /* events that found no room, but for OVERRUN and IDLE */
	__u64 no_task;	   /* the prefilter said yes, but the thread is not contracted */
	__u64 no_stream;   /* its stream is gone */
	__u64 stranger;	   /* tid reused by another thread */
	__u64 no_waking;   /* a thread ran after a sleep, and sched_waking was not seen */
	__u64 no_switch;   /* two switches in the same direction */
	__u64 gave_up;	   /* too many grid points in one step: the grid was anchored anew */
	__u64 probe_stray; /* end without begin, or a probe before the thread's first switch */
	__u64 probe_twice; /* begin while the last job was not ended */
	__u64 event_muted; /* violations not reported one by one: rate limit */
	__u64 urgent_full; /* OVERRUN that found no room (said again later), or IDLE */
};

/* Map `originals` (pinned): HASH; what a thread was before qosd first changed it. */
struct qos_original_key {
	__u64 start_time; /* field 22 of /proc/TID/stat */
	__u32 tid;
	__u32 pad;
};

/* Policy and affinity of one thread, as sched_getattr(2) and sched_getaffinity(2) tell them. */
struct qos_sched_record {
	__u32 policy;
	__s32 nice;
	__u32 priority;
	__u32 flags;
	__u64 runtime_ns;
	__u64 deadline_ns;
	__u64 period_ns;
	__u64 cpus[16]; /* 1024 CPUs */
};

/*
 * Three states, so that a kill between any two system calls is told from a person's change: policy
 * and affinity, each for itself, are at any moment those of `own` (nothing done yet, or restored
 * already), of `before` (a change was noted) or of `set` (it was made). Anything else is drift.
 */
struct qos_original {
	struct qos_sched_record own;	/* before qosd first changed it */
	struct qos_sched_record before; /* as found when the latest change was noted */
	struct qos_sched_record set;	/* what the latest change makes of it */
	__u32 drifted;			/* 1: somebody else changed it and it was left to them */
	__u32 tgid; /* its process, if exec() may have made it that's first; or 0 */
};

_Static_assert(sizeof(struct qos_stream_hooks) == 24, "struct qos_stream_hooks");
_Static_assert(sizeof(struct qos_stream_config) == 88, "struct qos_stream_config");
_Static_assert(sizeof(struct qos_stream_stats) == 13 * 8 + 4 * 4 * QOS_HIST_BUCKETS,
	       "struct qos_stream_stats");
_Static_assert(sizeof(struct qos_task_state) == 192, "struct qos_task_state");
_Static_assert(sizeof(struct qos_event) == 56, "struct qos_event");
_Static_assert(sizeof(struct qos_monitor_counters) == 88, "struct qos_monitor_counters");
_Static_assert(sizeof(struct qos_original_key) == 16, "struct qos_original_key");
_Static_assert(sizeof(struct qos_sched_record) == 168, "struct qos_sched_record");
_Static_assert(sizeof(struct qos_original) == 512, "struct qos_original");
