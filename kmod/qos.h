/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the module share: its objects, who may touch what, and each file's functions.
 *
 * Locks, in the order in which they nest:
 *   cpus_read_lock()	no CPU comes or goes
 *   qos_mutex		the control path: which contracts, streams, threads there are. Sleeps.
 *   qos_cpu.act	a policy of one of the CPU's threads is being set: held by its dispatcher,
 *			and by the control path when it gives a thread back, so that neither undoes
 *			the other's work. Sleeps.
 *   (run-queue and pi_lock of the kernel, when a probe is called)
 *   qos_cpu.lock	raw leaf lock: requests, queue, levels, counters of that CPU. Under it
 *			nothing wakes, allocates, prints, sets a policy or sends; the hrtimer's own
 *			base lock is the only one taken below it, as the kernel's SCHED_DEADLINE
 *			does under its run-queue lock.
 *
 * Life of a thread: made, hashed and unhashed under qos_mutex. Probes find it by RCU and ask
 * `managed` under the CPU's lock; it is freed a grace period after `managed` was cleared and the
 * hash has it no more.
 */
#pragma once

#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>

#include "uapi/qos_dwcs.h"
#include "dwcs.h"
#include "dwcs_bundle.h"
#include "qos_guard_abi.h"

struct netlink_ext_ack;
struct sk_buff;

/* The priority map, written down in qos_dwcs(4). */
#define QOS_PRIO_DISPATCHER 49 /* below threaded interrupts, which are at 50 */
#define QOS_PRIO_URGENT	    48 /* one short mandatory stream of a CPU, see levels.c */
#define QOS_PRIO_HELPERS    47 /* ktimers, irq_work, rcuc of a CPU that has managed threads */
#define QOS_BAND_MAX	    46

#define QOS_FAMILY_NS (200 * NSEC_PER_MSEC) /* how long a child may be on its way, see probe.c */

#define QOS_SLICES	128 /* a CPU's memory of who ran, for evidence; a power of two */
#define QOS_INSTEAD_MAX 8
#define QOS_OUTCOMES	ALIGN(QOS_DWCS_WINDOW_Y_MAX, 64)

/* --- counters --- */

/*
 * One thread's, or the sum of a stream's ended threads; as struct qos_stream_stats of
 * bpf/qos_abi.h.
 */
struct qos_stats {
	u64 jobs;
	u64 late;
	u64 served;
	u64 lost;
	u64 windows;
	u64 violations;
	u64 used_ns;
	u64 overruns;
	u64 latency_passed;
	u64 last_release_ns;
	u64 response_max_ns;
	u64 latency_max_ns;
	u64 mandatory;
	u64 mandatory_lost;
	u64 spare_ns;
	u64 drifts;
	u32 response[QOS_DWCS_HIST_BUCKETS];
	u32 slack[QOS_DWCS_HIST_BUCKETS];
	u32 used[QOS_DWCS_HIST_BUCKETS];
	u32 latency[QOS_DWCS_HIST_BUCKETS];
};

void qos_stats_job(struct qos_stats *stats, u64 deadline_ns, u64 response_ns, u64 used_ns);
void qos_stats_overrun(struct qos_stats *stats);
void qos_stats_latency(struct qos_stats *stats, u64 limit_ns, u64 ns);
void qos_stats_fold(struct qos_stats *sum, const struct qos_stats *stats);

/* One for each QOS_DWCS_CPU_COUNT_A_*, at its number. */
struct qos_counters {
	u64 n[QOS_DWCS_CPU_COUNT_A_MAX + 1];
};

#define qos_count(cpu, name)		((cpu)->counters.n[QOS_DWCS_CPU_COUNT_A_##name]++)
#define qos_count_add(cpu, name, value) ((cpu)->counters.n[QOS_DWCS_CPU_COUNT_A_##name] += (value))

/* --- objects --- */

/* What was asked for. Copied into each thread, where the CPU's lock guards it. */
struct qos_params {
	u64 period_ns;
	u32 rate_mhz;	/* 0: period_ns is exact */
	u32 period_rem; /* 10^12 mod rate_mhz */
	u64 deadline_ns;
	u64 runtime_ns;
	u64 latency_ns;
	u64 tolerance_ns; /* of a wakeup around a grid point */
	u32 x;
	u32 y;
	u8 overrun; /* enum qos_dwcs_overrun */
	u8 job;	    /* enum qos_dwcs_job */
	u8 silence; /* enum qos_dwcs_silence */
};

/* How often an event may be told, without a lock: who moves `next` on tells. */
struct qos_rate {
	atomic64_t next;
	atomic_t muted;
};

/* What the guard holds a rule to: of a runtime in ns, of a rate in bits a second. By its owner's lock. */
struct qos_limits {
	u64 lo; /* the range */
	u64 hi;
	u64 step;     /* 0: any */
	u64 reserved; /* 0: no limit of its own */
	u64 gap_ns;
	u64 next_ns; /* no change before */
	bool held;
	s8 direction; /* of the last change: 1 up, -1 down */
};

struct qos_contract {
	struct list_head in_all;
	struct list_head streams;
	char name[QOS_DWCS_NAME_LEN];
	u32 number; /* order of the dump; never used twice */
	u8 on_expiry;
	u8 on_drift;
	bool expired;
	struct qos_rate rates[__QOS_DWCS_EVENT_MAX];
	u32 rules; /* the caller's number; 0: it has none */
	u32 signals_n;
	atomic64_t signals;	/* a bit each: to be told */
	atomic64_t signal_next; /* no signal before */
	/* that rules may change, by index in attributes; a stream of threads or a flow of packets */
	struct qos_stream *by_index[QOS_DWCS_STREAMS_IN_MAX];
	struct qos_flow *flow_by_index[QOS_DWCS_STREAMS_IN_MAX];
	atomic64_t raised;
	atomic64_t dropped;
	atomic64_t run_ns;
	atomic64_t reversals;
	atomic64_t verdicts[QOS_VERDICTS];
};

struct qos_stream {
	struct list_head in_contract;
	struct list_head in_all; /* by id */
	struct qos_contract *contract;
	struct list_head threads;
	u32 id;
	u32 max_threads;
	u32 threads_n;
	char name[QOS_DWCS_NAME_LEN];
	struct qos_params params;
	u64 runtime_base_ns;
	/* rules */
	u32 index;
	u32 hook[__QOS_DWCS_HOOK_MAX]; /* program of each; 0: none */
	struct rcu_head rcu;
	raw_spinlock_t guard_lock; /* params.runtime_ns, and from here on: see guard.c */
	struct qos_limits limits;
	bool changed;	       /* by a program, and to be told */
	u64 tell_ns;	       /* not before; qos_mutex */
	struct qos_stats gone; /* of threads that are not attached any more */
};

/* A table of mandatory requests; a thread's, under its CPU's lock. */
struct qos_table {
	u32 mode; /* enum qos_dwcs_table_mode */
	u32 prefix;
	u32 cycle;
	u64 epoch_ns;
	u64 next; /* PHASES: number of the next request */
	u32 bundle;
	u64 budget_ns;
	u64 round_ns;		   /* BUNDLE: grid point of the latest choice; 0: none yet */
	struct dwcs_member member; /* cost: with charges; its counters: BUNDLE */
	bool joined;		   /* BUNDLE: it released since the bundle began */
	u64 runtime_ns;		   /* C that is claimed */
	u64 deadline_ns;	   /* with charges */
	bool on;
	u8 bits[]; /* bit n is bit n % 8 of byte n / 8 */
};

/* What a thread was before it was first changed; its children share it until they are set right. */
struct qos_origin {
	refcount_t refs;
	u32 policy;
	u32 priority;
	s32 nice;
	bool reset_on_fork;
	int cpu; /* that it is pinned to */
	cpumask_var_t affinity;
};

/* What a thread does since the last event. */
enum qos_doing {
	QOS_DOES_NEW, /* attached asleep; no event seen yet */
	QOS_DOES_RUN,
	QOS_DOES_WAIT,	/* runnable, without the CPU */
	QOS_DOES_SLEEP, /* in a sleep that may end a job */
	QOS_DOES_BLOCK, /* in one that does not: uninterruptible, or for a lock */
	QOS_DOES_END,
};

struct qos_thread {
	struct dwcs_stream dwcs;
	struct task_struct *task;
	struct qos_cpu *cpu;
	struct qos_stream *stream;
	struct qos_origin *origin;
	u64 start; /* field 22 of /proc/TID/stat */

	/* qos_mutex */
	struct hlist_node in_hash;
	struct list_head in_stream; /* and the stream's guard_lock */
	s64 charge;		    /* likewise */
	struct list_head in_cpu;
	struct rcu_head rcu;

	/* everything below: the CPU's lock */
	bool managed;
	bool ended;    /* it had its last event */
	bool detached; /* no book has it any more, nor may any take it */
	bool drifted;  /* it was left to whoever changed it */
	bool strayed;  /* ... by its affinity, and is to be brought back */
	bool warned;
	enum qos_doing doing;
	struct qos_params params;
	struct qos_table *table;

	/* the job */
	u64 release_ns; /* of the one that is not completed; 0: none */
	u64 job_from_ns;
	u64 last_release_ns;
	u64 total_ns;
	u64 slept_ns;
	u64 woken_ns;	/* 0: ran since */
	u64 latency_ns; /* of the last wakeup */
	u64 late_of_ns; /* release of the job of which `late` was told */
	u32 state_key;	/* 0: no event of it is raised */

	/* the request */
	u64 grid_ns;
	u64 grid_err; /* what grid_ns lacks of the exact grid point, in ns / rate_mhz */
	u64 got_ns;
	bool current_request; /* between grid_ns and the next grid point */
	bool overrun;	      /* ... and it used C up, and that was told */
	u8 more;	      /* so often it got more then, which it may use in the band */
	bool parked;	      /* live, but its thread does not want the CPU */
	bool mandatory;	      /* of the live request */
	u64 outcomes[QOS_OUTCOMES / 64];
	u32 outcomes_n;

	/* the level: what was last set, and where that puts it */
	u8 level;		   /* enum qos_dwcs_level */
	bool urgent;		   /* ARMED, and above the helpers */
	bool raised;		   /* once asleep since the grid point: not again */
	struct list_head in_level; /* of the runnable ones */
	struct list_head in_todo;
	struct list_head in_dead;
	struct list_head in_bundled;
	struct timerqueue_node grid; /* in cpu->grids if runnable, cpu->sleepers if asleep */
	bool in_grids;
	bool in_sleepers;

	struct qos_stats stats;
};

/* A thread, and where it is to be. */
struct qos_seat {
	u32 tid;
	u32 cpu;
	u64 start; /* 0: not known */
	u32 state_key;
};

struct qos_slice {
	u64 from_ns;
	u64 to_ns;
	u32 stream;
};

struct qos_instead {
	u32 stream;
	u64 ns;
};

struct qos_event {
	u32 kind;
	u32 muted;
	u64 time_ns;
	char contract[QOS_DWCS_NAME_LEN];
	u32 stream;
	u32 tid;
	u32 cpu;
	u32 lost;
	u32 what; /* DRIFT: what, UNPROVEN: reason, LEASE: on_expiry, SIGNAL: which, RATE: index */
	u64 runtime_ns;
	u64 rate;
	u64 from_ns;
	u64 to_ns;
	u32 outcomes_n;
	u64 outcomes[QOS_OUTCOMES / 64];
	u32 instead_n;
	struct qos_instead instead[QOS_INSTEAD_MAX];
};

#define QOS_RING 64 /* a power of two */

/* One producer at a time (the CPU's lock), one consumer (the worker). */
struct qos_ring {
	u32 head; /* written by the producer */
	u32 tail; /* written by the consumer */
	struct qos_event event[QOS_RING];
};

struct qos_cpu {
	raw_spinlock_t lock;
	int id;
	bool up; /* dispatcher and queue are there */
	struct dwcs_queue queue;
	struct timerqueue_head grids;	 /* runnable threads by their next grid point */
	struct timerqueue_head sleepers; /* sleeping ones, likewise */
	struct list_head runnable[QOS_DWCS_LEVEL_ARMED + 1]; /* by level */
	struct list_head todo;				     /* whose level is wrong in any case */
	struct list_head dead;				     /* ended, or drifted: for the worker */
	struct list_head bundled; /* with a table of that kind, by the stream's id */
	struct qos_thread *running;
	u64 since_ns; /* everything before is accounted for */
	struct qos_thread *chosen;
	struct qos_thread *armed;  /* by a mandatory request that comes, see levels.c */
	struct qos_thread *urgent; /* likewise */
	bool dirty;		   /* a request came, went or changed: choose again */
	bool deferred;		   /* a change waits, see levels.c */
	bool settled;		   /* the chosen one had the CPU for a while */

	/* the cap */
	u64 cap_end_ns;
	u64 cap_used_ns;
	bool capped;
	bool lean; /* ahead of the pace: no spare work in the band */

	/* the rest of the machinery */
	struct hrtimer timer;
	u64 armed_ns;
	bool kicked; /* the dispatcher has work */
	bool tells;  /* the worker has */
	struct irq_work kick;
	call_single_data_t call; /* the same from another CPU */
	struct task_struct *dispatcher;
	struct mutex act; /* a policy is being set, see above */
	struct qos_thread *acting;

	struct qos_ring *ring;
	struct qos_rules_queue *rules;
	u32 share; /* qos_mutex */
	atomic64_t share_free;
	struct qos_slice slices[QOS_SLICES];
	u32 slices_n;
	u64 slice_ns; /* since when `running` runs */

	struct qos_counters counters;

	/* qos_mutex */
	struct list_head threads;
	u32 threads_n;
};

DECLARE_PER_CPU(struct qos_cpu, qos_cpus);

struct qos_config {
	u64 lease_ns;
	u32 band_first;
	u32 band_last;
	u32 cap_ppm;
	u64 cap_interval_ns;
	u64 cap_ns;	   /* of each interval */
	u32 pace_ppm;	   /* of spare work */
	u64 pace_slack_ns; /* how far ahead of it is too far */
	u64 telemetry_ns;
	u64 dispatch_ns; /* charged twice a mandatory request */
	u64 blocking_ns; /* the longest stretch without preemption */
	bool arm;
};

extern struct qos_config qos_config;
void qos_config_cap(struct qos_config *config);
extern struct mutex qos_mutex;
extern u32 qos_generation;

/* --- cpu.c: one CPU's events, in and out --- */
void qos_cpus_init(void);
void qos_cpu_switch(struct qos_thread *out, struct qos_thread *in, enum qos_doing doing);
void qos_cpu_wakeup(struct qos_thread *thread);
void qos_cpu_stray(struct qos_thread *thread, enum qos_doing doing);
void qos_cpu_exec(struct qos_thread *thread);
void qos_cpu_set_key(struct qos_thread *thread, u32 state_key);
void qos_cpu_begin(struct qos_thread *thread);
void qos_cpu_end(struct qos_thread *thread);
void qos_cpu_change(struct qos_thread *thread, const struct qos_params *params, bool anew);
void qos_cpu_raised(struct qos_thread *thread);
void qos_cpu_table(struct qos_thread *thread, struct qos_table **table);
void qos_cpu_unprove(struct qos_cpu *cpu);
void qos_cpu_choose(struct qos_cpu *cpu, u64 now);
void qos_cpu_order(struct qos_cpu *cpu, enum dwcs_ordering ordering);
void qos_cpu_reset_cap(struct qos_cpu *cpu);
struct qos_thread *qos_cpu_next_dead(struct qos_cpu *cpu);

/* --- cpu_up.c: its machinery. qos_mutex. --- */
int qos_cpu_up(struct qos_cpu *cpu);
void qos_cpu_down(struct qos_cpu *cpu);
void qos_cpu_quiesce(struct qos_cpu *cpu);

/* --- outcome.c. Under the CPU's lock. --- */
/* The live request has its outcome. */
void qos_outcome_settle(struct qos_thread *thread, bool served, u64 now);
/* n requests in a row, from the grid point on, are lost that were never released. */
void qos_outcome_lose(struct qos_thread *thread, u64 n, u64 now);

/* --- request.c: the service model. All under the CPU's lock. --- */
void qos_request_advance(struct qos_cpu *cpu, u64 now);
void qos_request_wake(struct qos_thread *thread, u64 now);
void qos_request_enter(struct qos_thread *thread, u64 now);
void qos_request_leave(struct qos_thread *thread, enum qos_doing doing, u64 now);
void qos_request_align(struct qos_thread *thread, u64 point, u64 now);
void qos_request_anchor(struct qos_thread *thread, u64 now);
void qos_request_drop(struct qos_thread *thread);
void qos_request_park(struct qos_thread *thread);
void qos_request_unpark(struct qos_thread *thread);
void qos_request_overrun(struct qos_thread *thread, u64 now);
void qos_request_raised(struct qos_thread *thread); /* its runtime may have been */
u64 qos_request_grid_next(const struct qos_thread *thread);
bool qos_request_is_spare(const struct qos_thread *thread);
s64 qos_request_pace(const struct qos_cpu *cpu, u64 now);
bool qos_request_exhausted(const struct qos_thread *thread);

/* --- levels.c: what level each thread should have. Under the CPU's lock. --- */
static inline bool qos_is_runnable(const struct qos_thread *thread)
{
	return thread->doing == QOS_DOES_RUN || thread->doing == QOS_DOES_WAIT;
}

void qos_levels_place(struct qos_thread *thread);
void qos_levels_urgent(struct qos_thread *thread);
void qos_levels_place_all(struct qos_cpu *cpu);
void qos_levels_remove(struct qos_thread *thread);
u64 qos_levels_wait(const struct qos_cpu *cpu);
bool qos_levels_next(struct qos_cpu *cpu, u64 now, struct qos_thread **thread, u8 *level);

/* --- dispatch.c --- */
int qos_dispatch_start(struct qos_cpu *cpu);
void qos_dispatch_stop(struct qos_cpu *cpu);

/* --- policy.c: the kernel's side of a level --- */
struct qos_origin *qos_origin_new(struct task_struct *task, int cpu);
void qos_origin_put(struct qos_origin *origin);
int qos_policy_set(const struct qos_thread *thread, u8 level, bool urgent);
bool qos_policy_is(const struct qos_thread *thread);
void qos_policy_give_back(struct qos_thread *thread);
void qos_policy_take_gift(struct qos_thread *thread);
void qos_policy_give_child(struct task_struct *child, const struct qos_origin *origin);

/* --- helpers.c: the kernel threads that a managed CPU's life depends on. qos_mutex. --- */
void qos_helpers_raise(int cpu);
void qos_helpers_restore(int cpu);

/* --- thread.c: qos_mutex, but for find --- */
extern u32 qos_threads_n;
struct qos_thread *qos_thread_find(struct task_struct *task);
struct qos_thread *qos_thread_by_tid(u32 tid, struct netlink_ext_ack *extack);
int qos_thread_attach(struct qos_stream *stream, const struct qos_seat *seat,
		      struct netlink_ext_ack *extack);
void qos_thread_detach(struct qos_thread *thread);
void qos_thread_shape(struct qos_thread *thread);
void qos_thread_settle(struct qos_cpu *cpu);
void qos_thread_detach_cpu(struct qos_cpu *cpu);

/* --- drift.c: somebody else changed a thread. Under the CPU's lock, but for settle. --- */
bool qos_drift_seen(struct qos_thread *thread, u64 now);
void qos_drift_strayed(struct qos_thread *thread, u64 now);
void qos_drift_settle(struct qos_thread *thread);

/* --- table.c: mandatory requests --- */
bool qos_table_asks(struct qos_thread *thread, u64 now);
bool qos_table_will_ask(const struct qos_thread *thread);
void qos_table_off(struct qos_thread *thread, u32 reason, u64 now);
void qos_table_join(struct qos_thread *thread);
void qos_table_drop(struct qos_thread *thread);
int qos_table_check(const struct qos_thread *thread, struct qos_table *table,
		    struct netlink_ext_ack *extack);

/* --- claim.c: whether a table is right. qos_mutex. --- */
int qos_claim_check(const struct qos_thread *thread, struct qos_table *table,
		    struct netlink_ext_ack *extack);

/* --- probe.c --- */
int qos_probes_register(void);
void qos_probes_unregister(void);
void qos_family_remember(struct task_struct *task, struct qos_origin *origin);
bool qos_family_settle(void);
void qos_family_forget(void);

/* --- stream.c: contracts and their streams. qos_mutex. --- */
extern struct list_head qos_contracts; /* by number */
extern struct list_head qos_streams;   /* by id */
extern u32 qos_contracts_n;
extern u32 qos_streams_n;
struct qos_contract *qos_contract_find(const char *name);
struct qos_stream *qos_stream_find(u32 id);
int qos_contract_set(struct qos_contract *wanted, bool exclusive, struct netlink_ext_ack *extack);
void qos_contract_delete(struct qos_contract *contract);
void qos_contract_release(struct qos_contract *contract);
void qos_contract_discard(struct qos_contract *contract);
void qos_stream_set_runtime(struct qos_stream *stream, u64 runtime_ns);
void qos_streams_flush(void);

/* --- lease.c --- */
extern u32 qos_lease_state;
u64 qos_lease_left(void);
void qos_lease_renew(void);
void qos_lease_stop(void);

/* --- event.c: from where they happen to the family's groups --- */
struct qos_event *qos_event_begin(struct qos_cpu *cpu, struct qos_thread *thread, u32 kind,
				  u64 now);
void qos_event_end(struct qos_cpu *cpu);
void qos_event_wake(void);
void qos_events_drain(struct qos_cpu *cpu);
int qos_worker_start(void);
void qos_worker_stop(void);

/* --- evidence.c: who ran instead. Under the CPU's lock. --- */
void qos_evidence_slice(struct qos_cpu *cpu, const struct qos_thread *thread, u64 to);
void qos_evidence_violation(struct qos_thread *thread, u32 lost, u64 from, u64 to, u64 now);

/* --- selftest/: at load, in debug builds --- */
#ifdef DEBUG
int qos_selftest(void);
#else
static inline int qos_selftest(void)
{
	return 0;
}
#endif

/* --- send.c: the family --- */
enum qos_group { QOS_GROUP_EVENTS, QOS_GROUP_TELEMETRY };
int qos_genl_register(void);
void qos_genl_unregister(void);
void qos_genl_send_event(const struct qos_event *event);
void qos_genl_send_telemetry(void);
