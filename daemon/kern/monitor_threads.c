/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's threads: an element of the map `tasks`, a bit of the prefilter, and for those whose
 * budget is watched a task-clock event, which interrupts the thread after so much CPU time of its
 * own. One descriptor a watched thread: the program is attached by ioctl, because a bpf link would
 * be a second one.
 *
 * Weakness: a bit stands for all tids of one remainder; with n contracted threads a part of
 * n / QOS_PREFILTER_BITS of all others pays for a look-up that finds nothing.
 */
#include "kern/monitor.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "admit/enforce.h"
#include "kern/monitor_parts.h"
#include "kern/proc.h"

/* The table's values: a descriptor, or none, as a pointer that is not NULL. */
static void *value_of_fd(int fd)
{
	return (void *)(intptr_t)(fd + 2);
}

static void close_value(void *value)
{
	int fd = (int)(intptr_t)value - 2;

	if (fd >= 0)
		close(fd);
}

static void filter_set(struct qos_monitor *monitor, pid_t tid, bool ours)
{
	uint32_t bit = (uint32_t)tid % QOS_PREFILTER_BITS;
	uint64_t mask = 1ULL << (bit % 64);

	monitor->sharers[bit] += ours ? 1 : -1;
	if (monitor->sharers[bit])
		__atomic_fetch_or(&monitor->prefilter[bit / 64], mask, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&monitor->prefilter[bit / 64], ~mask, __ATOMIC_RELAXED);
}

/* Returns the event's descriptor or -errno. */
static int open_clock(const struct qos_monitor *monitor, pid_t tid, uint64_t budget_ns)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = qos_sample_ns(budget_ns),
		.disabled = 1,
	};
	_cleanup_close_ int fd = -1;

	fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, monitor->task_clock_fd) < 0 ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Puts the thread into the map, if it is still the same one afterwards. */
static int put_task(const struct qos_monitor *monitor, pid_t tid, uint32_t stream)
{
	struct qos_task_state state = {.stream = stream, .tid = tid};
	uint64_t start, start_again;
	uint32_t key = tid;
	int r = qos_proc_start_time(tid, &start);

	if (r < 0)
		return r;
	state.start_ticks = start;
	r = qos_monitor_map_set(monitor->tasks_fd, key, &state, BPF_ANY);
	if (r < 0)
		return r;
	/* A thread that died meanwhile sent no QOS_EVENT_EXIT. */
	if (!qos_proc_start_time(tid, &start_again) && start_again == start)
		return 0;
	bpf_map_delete_elem(monitor->tasks_fd, &key);
	return -ESRCH;
}

int qos_monitor_thread_attach(struct qos_monitor *monitor, pid_t tid, uint32_t stream,
			      uint64_t budget_ns, bool watch_budget)
{
	_cleanup_close_ int clock_fd = -1;
	int r;

	if (tid <= 0)
		return -EINVAL;
	/* The old one goes first, with its clock: two would report one thread to two streams. */
	r = qos_monitor_thread_detach(monitor, tid);
	if (r < 0 && r != -ENOENT)
		return r;
	if (watch_budget) {
		clock_fd = open_clock(monitor, tid, budget_ns);
		if (clock_fd < 0)
			return clock_fd;
	}
	r = qos_table_set(&monitor->threads, tid, value_of_fd(clock_fd));
	if (r < 0)
		return r;
	r = put_task(monitor, tid, stream);
	if (r < 0) {
		qos_table_remove(&monitor->threads, tid);
		return r;
	}
	filter_set(monitor, tid, true);
	(void)TAKE_FD(clock_fd);
	return 0;
}

int qos_monitor_thread_detach(struct qos_monitor *monitor, pid_t tid)
{
	void *value = qos_table_remove(&monitor->threads, tid);
	uint32_t key = tid;

	if (!value)
		return -ENOENT;
	filter_set(monitor, tid, false);
	close_value(value);
	bpf_map_delete_elem(monitor->tasks_fd, &key);
	return 0;
}

void qos_monitor_threads_free(struct qos_monitor *monitor)
{
	size_t pos = 0;
	void *value;

	while ((value = qos_table_next(&monitor->threads, &pos)))
		close_value(value);
	qos_table_reset(&monitor->threads);
}
