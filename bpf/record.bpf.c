/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Observes the threads of some processes for `qosctl record`: one record for each burst, from a
 * wake-up to the next sleep. It changes nothing. What a job is, user space says, which learns the
 * period from the bursts first (adapt/learn.h).
 *
 * Who may touch a thread's state, and why no lock is needed: as in monitor_task.bpf.c.
 *
 * Elements are made by the programs, since threads come while nobody in user space looks; the map is
 * preallocated, because memory cannot be had in the scheduler on PREEMPT_RT. A thread of a process
 * that is not observed costs the load of its tgid and of a bit.
 *
 * Weakness: the first burst of a thread is seen only after its first sleep, and a thread that never
 * leaves its CPU is not seen at all.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "qos_abi.h"
#include "qos_record_abi.h"
#include "inline.bpf.h"
#include "sleep.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, QOS_RECORD_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, __u8);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, QOS_RECORD_THREADS_MAX);
	__type(key, __u32);
	__type(value, struct qos_record_thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, QOS_RECORD_RING_BYTES);
} bursts SEC(".maps");

__u64 prefilter[QOS_PREFILTER_BITS / 64]; /* by tgid */
struct qos_record_counters counters;

static const struct qos_record_thread fresh;

static __always_inline bool is_observed(struct task_struct *task)
{
	__u32 tgid = task->tgid;

	if (!(prefilter[tgid % QOS_PREFILTER_BITS / 64] >> (tgid % 64) & 1))
		return false;
	return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline struct qos_record_thread *thread_of(struct task_struct *task)
{
	struct qos_record_thread *thread;
	__u32 tid = task->pid;

	thread = bpf_map_lookup_elem(&threads, &tid);
	if (thread)
		return thread;
	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	thread = bpf_map_lookup_elem(&threads, &tid);
	if (!thread) {
		count(&counters.no_room, 1);
		return NULL;
	}
	thread->tgid = task->tgid;
	thread->exec_ns = task->se.sum_exec_runtime;
	return thread;
}

static __always_inline void tell(const struct qos_record_thread *thread, __u32 tid, __u64 now)
{
	struct qos_record_burst *burst = bpf_ringbuf_reserve(&bursts, sizeof(*burst), 0);

	if (!burst) {
		count(&counters.ring_full, 1);
		return;
	}
	*burst = (struct qos_record_burst){
		.release_ns = thread->release_ns,
		.start_ns = thread->start_ns,
		.end_ns = now,
		.used_ns = thread->used_ns - thread->burst_used_ns,
		.tid = tid,
		.tgid = thread->tgid,
	};
	/* The reader polls: a wake-up for each burst would disturb whom it observes. */
	bpf_ringbuf_submit(burst, BPF_RB_NO_WAKEUP);
}

static __always_inline void leave(struct task_struct *task, __u32 doing, __u64 now)
{
	struct qos_record_thread *thread = thread_of(task);
	__u64 exec = task->se.sum_exec_runtime;

	if (!thread)
		return;
	thread->used_ns += exec - thread->exec_ns;
	thread->exec_ns = exec;
	bpf_probe_read_kernel_str(thread->comm, sizeof(thread->comm), task->comm);
	if (thread->release_ns && (doing == QOS_DOES_SLEEP || doing == QOS_DOES_END))
		tell(thread, task->pid, now);
	if (doing == QOS_DOES_SLEEP || doing == QOS_DOES_END)
		thread->release_ns = 0;
	thread->doing = doing;
}

static __always_inline void enter(struct task_struct *task, __u64 now)
{
	struct qos_record_thread *thread = thread_of(task);

	if (!thread)
		return;
	if (thread->doing == QOS_DOES_END) /* its tid is another thread's now */
		thread->tgid = task->tgid;
	else if (thread->doing == QOS_DOES_SLEEP) {
		thread->release_ns = thread->woken_ns ? thread->woken_ns : now;
		thread->start_ns = now;
		thread->burst_used_ns = thread->used_ns;
	}
	thread->exec_ns = task->se.sum_exec_runtime;
	thread->woken_ns = 0;
	thread->doing = QOS_DOES_RUN;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(qos_record_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	bool out = is_observed(prev), in = is_observed(next);
	__u64 now;

	if (!out && !in)
		return 0;
	now = bpf_ktime_get_ns();
	if (out)
		leave(prev, leaves_for(preempt, prev, prev_state), now);
	if (in)
		enter(next, now);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(qos_record_waking, struct task_struct *task)
{
	struct qos_record_thread *thread;

	if (!is_observed(task))
		return 0;
	thread = thread_of(task);
	if (thread)
		*(volatile __u64 *)&thread->woken_ns = bpf_ktime_get_ns();
	return 0;
}

char _license[] SEC("license") = "GPL";
