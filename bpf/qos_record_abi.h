/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpf/record.bpf.c tells `qosctl record`. Includes nothing, like qos_abi.h. Times are
 * CLOCK_MONOTONIC. */
#pragma once

#define QOS_RECORD_PROCESSES_MAX 1024
#define QOS_RECORD_THREADS_MAX	 4096
#define QOS_RECORD_RING_BYTES	 (4 * 1024 * 1024)

/* From a wake-up to the next sleep that may end a job: a record of the ring buffer `bursts`. */
struct qos_record_burst {
	__u64 release_ns; /* woken */
	__u64 start_ns;	  /* on a CPU */
	__u64 end_ns;	  /* asleep again */
	__u64 used_ns;	  /* CPU time between */
	__u32 tid;
	__u32 tgid;
};

/* Map `threads`: HASH, key __u32 tid, preallocated: what was seen of a thread of a process in
 * `processes`. Made and written by the programs only. */
struct qos_record_thread {
	__u32 tgid;
	__u32 doing;	  /* enum qos_doing */
	__u64 used_ns;	  /* CPU time since it was first seen */
	__u64 exec_ns;	  /* the kernel's sum of its CPU time at its last switch */
	__u64 woken_ns;	  /* last sched_waking; 0: none since it ran */
	__u64 release_ns; /* of the burst; 0: none yet, a sleep must have been seen first */
	__u64 start_ns;
	__u64 burst_used_ns; /* used_ns at its start */
	char comm[16];
};

/* Global, in .bss. */
struct qos_record_counters {
	__u64 ring_full; /* bursts that found no room */
	__u64 no_room;	 /* events of threads beyond QOS_RECORD_THREADS_MAX */
};

_Static_assert(sizeof(struct qos_record_burst) == 40, "struct qos_record_burst");
_Static_assert(sizeof(struct qos_record_thread) == 72, "struct qos_record_thread");
_Static_assert(sizeof(struct qos_record_counters) == 16, "struct qos_record_counters");
