/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor of contracted threads: turns scheduler events into jobs, requests and windows a stream
 * (job.bpf.h, request.bpf.h), and tells the daemon of new processes, overruns and violations
 * (event.bpf.h). It changes nothing.
 *
 * Who may touch a thread's state, and why no lock is needed:
 *   sched_switch   on the thread's own CPU, run-queue lock held, interrupts off. A thread is switched
 *		    in elsewhere only after on_cpu was released, which orders the two.
 *   task clock     a hard interrupt of the CPU on which the thread runs, so never inside the above.
 *   sched_waking   on any CPU, perhaps while the thread is still on its way to sleep. It writes one
 *		    word, woken_ns; all else about the wakeup is done when the thread is switched in.
 *		    The thread clears the word when it runs; a next waking needs that it ran.
 *   probes	    in the thread itself, preemptible: see probes.bpf.h.
 * The daemon replaces a whole element, never a field.
 *
 * A thread's end is its last switch, since only then its counters are final; sched_process_exit,
 * which comes before, tells of the end of a whole process.
 *
 * CO-RE: built against any kernel from 6.1 on, run on any other. Fields that some kernels lack are
 * asked for in structs of their own (name___flavour).
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include "qos_abi.h"
#include "request.bpf.h"
#include "event.bpf.h"
#include "chain.bpf.h"
#include "probes.bpf.h"
#include "sleep.bpf.h"

#define NS_PER_TICK 10000000 /* of /proc: USER_HZ is 100 on every architecture that has BTF */

static __always_inline void count_seen(int saw)
{
	if (!saw)
		return;
	if (saw & QOS_SAW_NO_WAKING)
		count(&counters.no_waking, 1);
	if (saw & QOS_SAW_NO_SWITCH)
		count(&counters.no_switch, 1);
	if (saw & QOS_SAW_GAVE_UP)
		count(&counters.gave_up, 1);
}

/* At the first event: is this the thread that was meant? */
static __always_inline bool greet(struct qos_task_state *state, struct task_struct *task)
{
	if (state->doing != QOS_DOES_NEW)
		return true;
	state->tgid = task->tgid;
	if (task->start_boottime / NS_PER_TICK == state->start_ticks)
		return true;
	state->doing = QOS_DOES_END;
	count(&counters.stranger, 1);
	return false;
}

/* true: events of rules wait. */
static __always_inline bool leave(struct task_struct *prev, __u32 doing, __u64 now)
{
	struct ours ours;

	if (!find_ours(prev->pid, &ours) || !greet(ours.task, prev))
		return false;
	ours.task->exec_now_ns = prev->se.sum_exec_runtime;
	count_seen(qos_switch_out(ours.task, ours.config, ours.stats, now, doing));
	report_violation(&ours, now);
	if (doing == QOS_DOES_WAIT)
		report_overrun(&ours);
	else if (doing == QOS_DOES_SLEEP)
		report_idle(&ours);
	else if (doing == QOS_DOES_END)
		event_of_task(QOS_EVENT_EXIT, ours.task, 0, 0);
	return raise_events(&ours, now);
}

static __always_inline bool enter(struct task_struct *next, __u64 now)
{
	struct ours ours;

	if (!find_ours(next->pid, &ours) || !greet(ours.task, next))
		return false;
	ours.task->exec_now_ns = next->se.sum_exec_runtime;
	count_seen(qos_switch_in(ours.task, ours.config, ours.stats, now));
	report_violation(&ours, now);
	return raise_events(&ours, now);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(qos_sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	bool out = may_be_ours(prev->pid), in = may_be_ours(next->pid), raised = false;
	__u64 now;

	if (!out && !in)
		return 0;
	now = bpf_ktime_get_ns();
	if (out)
		raised = leave(prev, leaves_for(preempt, prev, prev_state), now);
	if (in)
		raised |= enter(next, now);
	return raised ? chain_begin(ctx) : 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(qos_sched_waking, struct task_struct *task)
{
	struct qos_task_state *state;

	if (!may_be_ours(task->pid))
		return 0;
	state = find_task(task->pid);
	if (state)
		*(volatile __u64 *)&state->woken_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("perf_event")
int qos_task_clock(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 now = bpf_ktime_get_ns();
	struct ours ours;

	if (!find_ours(task->pid, &ours))
		return 0;
	ours.task->exec_now_ns = task->se.sum_exec_runtime;
	count_seen(qos_run_on(ours.task, ours.config, ours.stats, now));
	report_violation(&ours, now);
	report_overrun(&ours);
	return 0;
}

/* A thread that execs becomes its group's leader: its own tid ends here, without an exit. The one
 * event tells both, so that the daemon hears of the end from nowhere else and not earlier. */
static __always_inline void old_tid_ends(__u32 old_tid)
{
	struct qos_task_state *state;

	if (!may_be_ours(old_tid))
		return;
	state = find_task(old_tid);
	if (state)
		state->doing = QOS_DOES_END;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(qos_exec, struct task_struct *task, pid_t old_tid, struct linux_binprm *bprm)
{
	struct qos_event *event;

	if (old_tid != task->pid)
		old_tid_ends(old_tid);
	event = event_begin(QOS_EVENT_EXEC, task->pid, task->tgid);
	if (!event)
		return 0;
	event->parent = old_tid;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline bool is_watched(__u32 tgid, __u32 flag)
{
	return watch_flags & flag || bpf_map_lookup_elem(&watched, &tgid);
}

/* A child's child too: it has what its parent inherited before the daemon could take it away. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(qos_fork, struct task_struct *parent, struct task_struct *child)
{
	struct qos_event *event;

	if (!is_watched(parent->tgid, QOS_WATCH_ALL_FORKS) &&
	    !is_watched(parent->real_parent->tgid, 0))
		return 0;
	event = event_begin(QOS_EVENT_FORK, child->pid, child->tgid);
	if (!event)
		return 0;
	event->parent = parent->pid;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* signal->live counts threads down before this: the last one sees 0, whoever is the leader. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(qos_process_exit, struct task_struct *task)
{
	struct qos_event *event;

	if (task->signal->live.counter || !is_watched(task->tgid, 0))
		return 0;
	event = event_begin(QOS_EVENT_END, task->pid, task->tgid);
	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(qos_comm, struct task_struct *task, const char *comm)
{
	struct qos_event *event;

	if (!is_watched(task->tgid, QOS_WATCH_ALL_COMMS))
		return 0;
	event = event_begin(QOS_EVENT_COMM, task->pid, task->tgid);
	if (!event)
		return 0;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), comm);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(qos_cgroup, struct cgroup *to, const char *path, struct task_struct *task,
	     bool threadgroup)
{
	struct qos_event *event = event_begin(QOS_EVENT_CGROUP, task->pid, task->tgid);

	if (event)
		bpf_ringbuf_submit(event, 0);
	return 0;
}

/* After the change, so that who is told finds it done. The daemon's own changes are no news. */
static __always_inline void report_sched(struct task_struct *task)
{
	__u32 author = bpf_get_current_pid_tgid() >> 32;
	struct qos_event *event;

	if (author == own_tgid || !is_watched(task->tgid, 0))
		return;
	event = event_begin(QOS_EVENT_SCHED, task->pid, task->tgid);
	if (!event)
		return;
	event->parent = author;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
}

/* The kernel's own calls (user: false), the module's among them, go past this. */
SEC("fexit/__sched_setscheduler")
int BPF_PROG(qos_set_policy, struct task_struct *task, const struct sched_attr *attr, bool user,
	     bool pi, int error)
{
	if (user && !error)
		report_sched(task);
	return 0;
}

SEC("fexit/__sched_setaffinity")
int BPF_PROG(qos_set_affinity, struct task_struct *task, const void *mask, int error)
{
	if (!error)
		report_sched(task);
	return 0;
}

char _license[] SEC("license") = "GPL";
