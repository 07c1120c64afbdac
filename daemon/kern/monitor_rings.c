/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's events. Any user can cause execs, forks and renames by the thousand, and each costs
 * the daemon, which runs above the threads it manages, some look into /proc. So one call hands on a
 * bounded number of them for a bounded time, and then leaves them alone for a while: a timer in the
 * same epoll instance ends the pause. What a thread's schedule needs has a ring of its own, for the
 * enforcer's thread: the two sides share nothing here but the rings themselves.
 *
 * Weakness: in such a storm a new thread comes under its contract later, and the ring may overflow;
 * then the caller has to look at /proc.
 */
#include "kern/monitor.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "kern/monitor_parts.h"
#include "util/clock.h"

#define NS_PER_SECOND  1000000000ULL
#define QOS_URGENT_MAX 64

static int on_urgent(void *data, void *record, size_t size)
{
	struct qos_monitor *monitor = data;

	if (size >= sizeof(struct qos_event))
		monitor->urgent_handle(monitor->urgent_data, record);
	return --monitor->urgent_left > 0 ? 0 : -ECANCELED;
}

/* libbpf hands on all there is, and takes a negative answer for an order to stop after this one. */
static int on_record(void *data, void *record, size_t size)
{
	struct qos_monitor *monitor = data;

	if (size >= sizeof(struct qos_event)) {
		monitor->handle(monitor->data, record);
		monitor->handed++;
	}
	return --monitor->left > 0 && qos_clock_ns(CLOCK_MONOTONIC) < monitor->until_ns
		       ? 0
		       : -ECANCELED;
}

static int listen_to(const struct qos_monitor *monitor, int fd)
{
	struct epoll_event event = {.events = EPOLLIN};

	return epoll_ctl(monitor->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int qos_monitor_rings_new(struct qos_monitor *monitor, int events_fd, int urgent_fd)
{
	int r;

	monitor->ring = ring_buffer__new(events_fd, on_record, monitor, NULL);
	if (monitor->ring)
		monitor->urgent = ring_buffer__new(urgent_fd, on_urgent, monitor, NULL);
	if (!monitor->urgent)
		return -errno;
	monitor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	monitor->pause_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (monitor->epoll_fd < 0 || monitor->pause_fd < 0)
		return -errno;
	r = listen_to(monitor, ring_buffer__epoll_fd(monitor->ring));
	return r < 0 ? r : listen_to(monitor, monitor->pause_fd);
}

void qos_monitor_rings_free(struct qos_monitor *monitor)
{
	qos_closep(&monitor->pause_fd);
	qos_closep(&monitor->epoll_fd);
	ring_buffer__free(monitor->urgent);
	ring_buffer__free(monitor->ring);
}

int qos_monitor_fd(struct qos_monitor *monitor)
{
	return monitor->epoll_fd;
}

static int begin_pause(struct qos_monitor *monitor)
{
	const struct itimerspec end = {.it_value.tv_nsec = QOS_DISPATCH_PAUSE_NS};

	if (timerfd_settime(monitor->pause_fd, 0, &end, NULL) < 0 ||
	    epoll_ctl(monitor->epoll_fd, EPOLL_CTL_DEL, ring_buffer__epoll_fd(monitor->ring),
		      NULL) < 0)
		return -errno;
	monitor->paused = true;
	return 0;
}

/* 0, -EAGAIN: not yet, or -errno. */
static int end_pause(struct qos_monitor *monitor)
{
	uint64_t ticks;
	int r;

	if (read(monitor->pause_fd, &ticks, sizeof(ticks)) < 0)
		return -errno;
	r = listen_to(monitor, ring_buffer__epoll_fd(monitor->ring));
	if (r == 0)
		monitor->paused = false;
	return r;
}

static int consume(struct qos_monitor *monitor)
{
	int r;

	if (monitor->paused) {
		r = end_pause(monitor);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
	}
	monitor->left = QOS_DISPATCH_MAX;
	monitor->until_ns = qos_clock_ns(CLOCK_MONOTONIC) + QOS_DISPATCH_NS;
	r = ring_buffer__consume(monitor->ring);
	return r == -ECANCELED ? begin_pause(monitor) : r;
}

int qos_monitor_dispatch(struct qos_monitor *monitor,
			 void (*handle)(void *data, const struct qos_event *event), void *data,
			 uint64_t *lost)
{
	uint64_t full;
	int r;

	monitor->handle = handle;
	monitor->data = data;
	monitor->handed = 0;
	r = consume(monitor);
	full = qos_monitor_ring_full(monitor);
	if (lost)
		*lost = full - monitor->ring_full_seen;
	monitor->ring_full_seen = full;
	return r < 0 ? r : monitor->handed;
}

int qos_monitor_urgent_fd(struct qos_monitor *monitor)
{
	return ring_buffer__epoll_fd(monitor->urgent);
}

int qos_monitor_urgent_dispatch(struct qos_monitor *monitor,
				void (*handle)(void *data, const struct qos_event *event),
				void *data)
{
	int r;

	monitor->urgent_handle = handle;
	monitor->urgent_data = data;
	monitor->urgent_left = QOS_URGENT_MAX;
	r = ring_buffer__consume(monitor->urgent);
	return r == -ECANCELED ? QOS_URGENT_MAX : r;
}
