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

#include "kern/map.h"
#include "kern/monitor_parts.h"
#include "kern/proc.h"

/* The table's values. */
struct attached {
	uint32_t stream;
	uint64_t start_ticks;
	int clock_fd; /* -1: its budget is not watched */
	uint64_t sample_ns;
};

static void attached_free(struct attached *attached)
{
	qos_closep(&attached->clock_fd);
	free(attached);
}
QOS_DEFINE_CLEANUP(struct attached *, attached_free)

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
static int open_clock(const struct qos_monitor *monitor, pid_t tid, uint64_t sample_ns)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = sample_ns,
		.disabled = 1,
	};
	_cleanup_close_ int fd = -1;

	fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 || ioctl(fd, PERF_EVENT_IOC_SET_BPF, monitor->task_clock_fd) < 0 ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int qos_monitor_thread_clock(struct qos_monitor *monitor, pid_t tid, uint64_t sample_ns)
{
	struct attached *attached = qos_table_get(&monitor->threads, tid);
	int fd;

	if (!attached)
		return -ENOENT;
	if (!sample_ns) {
		qos_closep(&attached->clock_fd);
		attached->clock_fd = -1;
		return 0;
	}
	if (attached->clock_fd >= 0 && attached->sample_ns == sample_ns)
		return 0;
	if (attached->clock_fd >= 0 && ioctl(attached->clock_fd, PERF_EVENT_IOC_PERIOD, &sample_ns))
		return -errno;
	if (attached->clock_fd < 0) {
		fd = open_clock(monitor, tid, sample_ns);
		if (fd < 0)
			return fd;
		attached->clock_fd = fd;
	}
	attached->sample_ns = sample_ns;
	return 0;
}

/* Puts the thread into the map, if it is still the same one afterwards. */
static int put_task(const struct qos_monitor *monitor, pid_t tid, const struct attached *attached)
{
	struct qos_task_state state = {
		.stream = attached->stream, .tid = tid, .start_ticks = attached->start_ticks};
	uint64_t start_again;
	uint32_t key = tid;
	int r = qos_map_set(monitor->tasks_fd, &key, &state, BPF_ANY);

	if (r < 0)
		return r;
	/* A thread that died meanwhile sent no QOS_EVENT_EXIT. */
	if (!qos_proc_start_time(tid, &start_again) && start_again == attached->start_ticks)
		return 0;
	bpf_map_delete_elem(monitor->tasks_fd, &key);
	return -ESRCH;
}

static int attach_anew(struct qos_monitor *monitor, pid_t tid, const struct attached *plan)
{
	QOS_CLEANUP(attached_freep) struct attached *attached = malloc(sizeof(*attached));
	int r;

	if (!attached)
		return -ENOMEM;
	*attached = *plan;
	r = qos_table_set(&monitor->threads, tid, attached);
	if (r < 0)
		return r;
	r = put_task(monitor, tid, attached);
	if (r < 0) {
		qos_table_remove(&monitor->threads, tid);
		return r;
	}
	filter_set(monitor, tid, true);
	(void)TAKE_PTR(attached);
	return 0;
}

int qos_monitor_thread_attach(struct qos_monitor *monitor, pid_t tid, uint32_t stream)
{
	struct attached plan = {.stream = stream, .clock_fd = -1};
	struct attached *old = qos_table_get(&monitor->threads, tid);
	int r;

	if (tid <= 0)
		return -EINVAL;
	r = qos_proc_start_time(tid, &plan.start_ticks);
	if (r == 0 && old && old->stream == stream && old->start_ticks == plan.start_ticks)
		return 0;
	/* The old one goes first, with its clock: two would report one thread to two streams. */
	qos_monitor_thread_detach(monitor, tid);
	if (r == 0)
		r = qos_monitor_hook(monitor);
	return r < 0 ? r : attach_anew(monitor, tid, &plan);
}

int qos_monitor_thread_detach(struct qos_monitor *monitor, pid_t tid)
{
	struct attached *attached = qos_table_remove(&monitor->threads, tid);
	uint32_t key = tid;

	if (!attached)
		return -ENOENT;
	filter_set(monitor, tid, false);
	attached_free(attached);
	bpf_map_delete_elem(monitor->tasks_fd, &key);
	return 0;
}

int qos_monitor_thread_read(struct qos_monitor *monitor, pid_t tid, struct qos_task_state *ret)
{
	uint32_t key = (uint32_t)tid;

	return bpf_map_lookup_elem(monitor->tasks_fd, &key, ret) < 0 ? -errno : 0;
}

void qos_monitor_threads_free(struct qos_monitor *monitor)
{
	size_t pos = 0;
	struct attached *attached;

	while ((attached = qos_table_next(&monitor->threads, &pos)))
		attached_free(attached);
	qos_table_reset(&monitor->threads);
}
