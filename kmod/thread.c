// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: found by the probes, attached and detached by the control path.
 *
 * The hash is by task pointer, which exec does not change as it does a tid, and the head of a
 * bucket is the filter: a task that is not managed costs one load of a word that is NULL, and no
 * load from the task. The task is held while it is in the hash, so that no other one gets its
 * address.
 */
#include <linux/hashtable.h>
#include <linux/netlink.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "compat.h"
#include "qos.h"
#include "rules.h"

#define HASH_BITS_TASKS 12

static DEFINE_HASHTABLE(tasks, HASH_BITS_TASKS);

u32 qos_threads_n;

/* Preemption is off, as in a probe; what is found stays until it is on again. */
struct qos_thread *qos_thread_find(struct task_struct *task)
{
	struct hlist_head *bucket = &tasks[hash_ptr(task, HASH_BITS_TASKS)];
	struct qos_thread *thread;

	if (likely(!READ_ONCE(bucket->first)))
		return NULL;
	hlist_for_each_entry_rcu(thread, bucket, in_hash, !preemptible()) {
		if (thread->task == task)
			return thread;
	}
	return NULL;
}

static struct task_struct *task_by_tid(u32 tid)
{
	struct pid *pid = find_get_pid(tid);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);

	put_pid(pid);
	return task;
}

static struct qos_thread *managed_by_task(struct task_struct *task)
{
	struct qos_thread *thread;

	preempt_disable();
	thread = qos_thread_find(task);
	preempt_enable();
	return thread; /* qos_mutex keeps it */
}

struct qos_thread *qos_thread_by_tid(u32 tid, struct netlink_ext_ack *extack)
{
	struct task_struct *task = task_by_tid(tid);
	struct qos_thread *thread = task ? managed_by_task(task) : NULL;

	if (task)
		put_task_struct(task);
	if (!thread)
		NL_SET_ERR_MSG(extack, "no such thread is attached");
	return thread;
}

/* Field 22 of /proc/TID/stat. */
static u64 start_of(const struct task_struct *task)
{
	return div_u64(task->start_boottime, NSEC_PER_SEC / 100);
}

static int check(struct qos_stream *stream, struct task_struct *task, u64 start, u32 cpu,
		 struct netlink_ext_ack *extack)
{
	const char *why = NULL;
	int error = -EINVAL;

	if (start && start_of(task) != start) {
		why = "the tid is another thread's by now: its start time differs";
		error = -ESRCH;
	} else if (task->flags & (PF_KTHREAD | PF_EXITING)) {
		why = "kernel threads and threads that end are not managed";
	} else if (task->policy == SCHED_DEADLINE) {
		why = "a thread under SCHED_DEADLINE is never touched";
		error = -EBUSY;
	} else if (managed_by_task(task)) {
		why = "the thread is attached already";
		error = -EEXIST;
	} else if (cpu >= nr_cpu_ids || !cpu_online(cpu)) {
		why = "that CPU is not online";
	} else if (task->flags & PF_NO_SETAFFINITY || !cpumask_test_cpu(cpu, &task->cpus_mask)) {
		why = "that CPU is not in the thread's affinity";
	} else if (stream->threads_n >= stream->max_threads) {
		why = "the stream has as many threads as it may have (MAX_THREADS)";
		error = -ENOSPC;
	} else if (qos_threads_n >= QOS_DWCS_THREADS_MAX ||
		   per_cpu_ptr(&qos_cpus, cpu)->threads_n >= QOS_DWCS_CPU_THREADS_MAX) {
		why = "too many threads in the module, or on that CPU";
		error = -ENOSPC;
	}
	if (!why)
		return 0;
	qos_refuse(extack, why);
	return error;
}

void qos_thread_shape(struct qos_thread *thread)
{
	const struct qos_params *params = &thread->params;

	thread->dwcs.period = params->period_ns;
	thread->dwcs.deadline = params->deadline_ns;
	thread->dwcs.cost = params->runtime_ns;
	thread->dwcs.x = params->x;
	thread->dwcs.y = params->y;
}

static struct qos_thread *thread_new(struct qos_stream *stream, struct task_struct *task,
				     const struct qos_seat *seat)
{
	struct qos_thread *thread = kvzalloc(sizeof(*thread), GFP_KERNEL);
	static u32 number;

	if (!thread)
		return NULL;
	thread->origin = qos_origin_new(task, seat->cpu);
	if (!thread->origin) {
		kvfree(thread);
		return NULL;
	}
	thread->task = get_task_struct(task);
	thread->cpu = per_cpu_ptr(&qos_cpus, seat->cpu);
	thread->stream = stream;
	thread->state_key = seat->state_key;
	thread->start = start_of(task);
	thread->params = stream->params;
	thread->dwcs.id = ++number;
	INIT_LIST_HEAD(&thread->in_level);
	INIT_LIST_HEAD(&thread->in_todo);
	INIT_LIST_HEAD(&thread->in_dead);
	INIT_LIST_HEAD(&thread->in_bundled);
	timerqueue_init(&thread->grid);
	qos_thread_shape(thread);
	dwcs_reset(&thread->dwcs);
	return thread;
}

static void thread_free(struct qos_thread *thread)
{
	qos_origin_put(thread->origin);
	kvfree(thread->table);
	put_task_struct(thread->task);
	kvfree(thread);
}

static int attach_task(struct qos_stream *stream, struct task_struct *task,
		       const struct qos_seat *seat, struct netlink_ext_ack *extack)
{
	struct qos_cpu *home = per_cpu_ptr(&qos_cpus, seat->cpu);
	struct qos_thread *thread;
	int error;

	error = qos_cpu_up(home);
	if (error) {
		NL_SET_ERR_MSG(extack, "the CPU's dispatcher could not be started");
		return error;
	}
	thread = thread_new(stream, task, seat);
	error = thread ? set_cpus_allowed_ptr(task, cpumask_of(seat->cpu)) : -ENOMEM;
	if (error) {
		NL_SET_ERR_MSG(extack, "the thread could not be pinned to that CPU");
		if (thread)
			thread_free(thread);
		if (!home->threads_n)
			qos_cpu_down(home);
		return error;
	}
	hlist_add_head_rcu(&thread->in_hash, &tasks[hash_ptr(task, HASH_BITS_TASKS)]);
	qos_guard_attach(thread);
	list_add_tail(&thread->in_cpu, &home->threads);
	stream->threads_n++;
	home->threads_n++;
	qos_threads_n++;
	qos_generation++;
	qos_cpu_begin(thread);
	return 0;
}

int qos_thread_attach(struct qos_stream *stream, const struct qos_seat *seat,
		      struct netlink_ext_ack *extack)
{
	struct task_struct *task = task_by_tid(seat->tid);
	int error;

	if (!task) {
		NL_SET_ERR_MSG(extack, "there is no such thread");
		return -ESRCH;
	}
	error = check(stream, task, seat->start, seat->cpu, extack);
	if (!error)
		error = attach_task(stream, task, seat, extack);
	put_task_struct(task);
	return error;
}

static void free_by_rcu(struct rcu_head *rcu)
{
	thread_free(container_of(rcu, struct qos_thread, rcu));
}

/*
 * First it leaves the CPU's books, then its dispatcher's hands (the mutex), then the probes' sight.
 * The counters are final once it has left the books.
 */
void qos_thread_detach(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;

	qos_cpu_end(thread);
	mutex_lock(&cpu->act);
	if (thread->doing != QOS_DOES_END)
		qos_policy_give_back(thread);
	mutex_unlock(&cpu->act);
	qos_family_remember(thread->task, thread->origin);
	qos_stats_fold(&thread->stream->gone, &thread->stats);
	hlist_del_rcu(&thread->in_hash);
	qos_guard_detach(thread);
	list_del(&thread->in_cpu);
	thread->stream->threads_n--;
	cpu->threads_n--;
	qos_threads_n--;
	qos_generation++;
	if (!cpu->threads_n)
		qos_cpu_down(cpu);
	call_rcu(&thread->rcu, free_by_rcu);
}

/* The worker: threads that ended, and those that somebody else took. */
void qos_thread_settle(struct qos_cpu *cpu)
{
	struct qos_thread *thread;

	while ((thread = qos_cpu_next_dead(cpu))) {
		if (thread->doing == QOS_DOES_END)
			qos_thread_detach(thread);
		else
			qos_drift_settle(thread);
	}
}

void qos_thread_detach_cpu(struct qos_cpu *cpu)
{
	struct qos_thread *thread, *next;

	list_for_each_entry_safe(thread, next, &cpu->threads, in_cpu)
		qos_thread_detach(thread);
}
