/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two threads share the service manager: the main one attaches, changes and gives back; this one
 * hears of overruns (the monitor's urgent ring) and of returns (the manager's next expiry). One
 * mutex with priority inheritance lies around the manager; nobody holds it while waiting for
 * anything but a system call on one thread.
 *
 * The thread is SCHED_DEADLINE, 20 us of each 400 us: above every SCHED_FIFO thread, and earlier than
 * any managed deadline that it has to cut. Waking it where such a thread runs already makes the
 * kernel look at that thread's budget. Where the kernel refuses, it is SCHED_FIFO above the band, and
 * SCHED_DEADLINE streams are then cut at the kernel's timer tick if they take all CPUs at once.
 *
 * Weakness: what it uses (some 20 us an overrun) is charged to nobody; it is bounded by its own
 * reservation, which is less than the blocking that admission counts by default.
 */
#include "service/enforcer.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "kern/sched.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define RUNTIME_NS 20000ULL
#define PERIOD_NS  400000ULL

struct enforcer {
	struct qos_service service;
	struct qos_service_ops ops; /* ours, under the name of the manager within */
	struct qos_service *inner;
	struct qos_monitor *monitor;
	pthread_mutex_t mutex;
	pthread_t thread;
	bool has_thread;
	int timer_fd; /* the manager's next expiry */
	int stop_fd;
	uint32_t fifo_priority;
};

static struct enforcer *enforcer_of(struct qos_service *service)
{
	return (struct enforcer *)service;
}

static struct qos_service *enter(struct qos_service *service)
{
	pthread_mutex_lock(&enforcer_of(service)->mutex);
	return enforcer_of(service)->inner;
}

/* Whatever was done may have demoted or promoted somebody: the timer follows. */
static void leave(struct qos_service *service)
{
	struct enforcer *enforcer = enforcer_of(service);
	uint64_t next = enforcer->inner->ops->next_expiry(enforcer->inner);
	struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(next / 1000000000),
					       .tv_nsec = (long)(next % 1000000000)}};

	timerfd_settime(enforcer->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
	pthread_mutex_unlock(&enforcer->mutex);
}

/* --- the thread --- */

static void on_event(void *data, const struct qos_event *event)
{
	struct qos_service *inner = enter(data);

	inner->ops->event(inner, event);
	leave(data);
}

static void on_timer(struct enforcer *enforcer)
{
	struct qos_service *inner = enter(&enforcer->service);
	uint64_t times;

	if (read(enforcer->timer_fd, &times, sizeof(times)) == sizeof(times))
		inner->ops->expire(inner, qos_clock_ns(CLOCK_MONOTONIC));
	leave(&enforcer->service);
}

static void raise_self(const struct enforcer *enforcer)
{
	const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
						.flags = QOS_SCHED_RESET_ON_FORK,
						.runtime_ns = RUNTIME_NS,
						.deadline_ns = PERIOD_NS,
						.period_ns = PERIOD_NS};
	const struct qos_sched_attr fifo = {.policy = SCHED_FIFO,
					    .flags = QOS_SCHED_RESET_ON_FORK,
					    .priority = enforcer->fifo_priority};

	if (qos_sched_set(0, &deadline) < 0)
		qos_sched_set(0, &fifo);
}

static void *run(void *data)
{
	struct enforcer *enforcer = data;
	struct pollfd polls[] = {
		{.fd = enforcer->stop_fd, .events = POLLIN},
		{.fd = qos_monitor_urgent_fd(enforcer->monitor), .events = POLLIN},
		{.fd = enforcer->timer_fd, .events = POLLIN},
	};

	raise_self(enforcer);
	while (!polls[0].revents) {
		if (poll(polls, QOS_ARRAY_SIZE(polls), -1) < 0)
			continue;
		if (polls[1].revents)
			qos_monitor_urgent_dispatch(enforcer->monitor, on_event, enforcer);
		if (polls[2].revents)
			on_timer(enforcer);
	}
	return NULL;
}

/* --- the manager's operations, one at a time --- */

static int attach(struct qos_service *service, pid_t tid, const struct qos_service_stream *stream,
		  struct qos_diag *diag)
{
	struct qos_service *inner = enter(service);
	int r = inner->ops->attach(inner, tid, stream, diag);

	leave(service);
	return r;
}

static int detach(struct qos_service *service, pid_t tid)
{
	struct qos_service *inner = enter(service);
	int r = inner->ops->detach(inner, tid);

	leave(service);
	return r;
}

static void forget(struct qos_service *service, pid_t tid)
{
	struct qos_service *inner = enter(service);

	inner->ops->forget(inner, tid);
	leave(service);
}

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	struct qos_service *inner = enter(service);

	inner->ops->inherit(inner, parent, child);
	leave(service);
}

static void exec(struct qos_service *service, pid_t old_tid, pid_t new_tid)
{
	struct qos_service *inner = enter(service);

	inner->ops->exec(inner, old_tid, new_tid);
	leave(service);
}

static void event(struct qos_service *service, const struct qos_event *event)
{
	on_event(enforcer_of(service), event);
}

/* The thread expires by itself. */
static uint64_t next_expiry(struct qos_service *service)
{
	return 0;
}

static void expire(struct qos_service *service, uint64_t now_ns)
{
}

static int verify(struct qos_service *service, pid_t tid)
{
	struct qos_service *inner = enter(service);
	int r = inner->ops->verify(inner, tid);

	leave(service);
	return r;
}

static void counts(struct qos_service *service, struct qos_service_counts *ret)
{
	struct qos_service *inner = enter(service);

	inner->ops->counts(inner, ret);
	leave(service);
}

static bool is_demoted(struct qos_service *service, pid_t tid)
{
	struct qos_service *inner = enter(service);
	bool demoted = inner->ops->is_demoted(inner, tid);

	leave(service);
	return demoted;
}

static void enforcer_free(struct qos_service *service)
{
	struct enforcer *enforcer = enforcer_of(service);
	uint64_t one = 1;

	if (enforcer->has_thread) {
		while (write(enforcer->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(enforcer->thread, NULL);
	}
	if (enforcer->timer_fd >= 0)
		close(enforcer->timer_fd);
	if (enforcer->stop_fd >= 0)
		close(enforcer->stop_fd);
	pthread_mutex_destroy(&enforcer->mutex);
	enforcer->inner->ops->free(enforcer->inner);
	free(enforcer);
}

static int init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int r = pthread_mutexattr_init(&attr);

	if (!r)
		r = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (!r)
		r = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -r;
}

static int start(struct enforcer *enforcer)
{
	int r;

	enforcer->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	enforcer->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (enforcer->timer_fd < 0 || enforcer->stop_fd < 0)
		return -errno;
	r = pthread_create(&enforcer->thread, NULL, run, enforcer);
	enforcer->has_thread = !r;
	return -r;
}

int qos_enforcer_new(struct qos_service *inner, struct qos_monitor *monitor, uint32_t fifo_priority,
		     struct qos_service **ret)
{
	static const struct qos_service_ops ops = {
		.attach = attach,
		.detach = detach,
		.forget = forget,
		.inherit = inherit,
		.exec = exec,
		.event = event,
		.next_expiry = next_expiry,
		.expire = expire,
		.verify = verify,
		.counts = counts,
		.is_demoted = is_demoted,
		.free = enforcer_free,
	};
	struct enforcer *enforcer = calloc(1, sizeof(*enforcer));
	int r = enforcer ? init_mutex(&enforcer->mutex) : -ENOMEM;

	if (r < 0) {
		free(enforcer);
		inner->ops->free(inner);
		return r;
	}
	enforcer->ops = ops;
	enforcer->ops.name = inner->ops->name;
	enforcer->service.ops = &enforcer->ops;
	enforcer->inner = inner;
	enforcer->monitor = monitor;
	enforcer->fifo_priority = fifo_priority;
	enforcer->timer_fd = enforcer->stop_fd = -1;
	r = start(enforcer);
	if (r < 0) {
		enforcer_free(&enforcer->service);
		return r;
	}
	*ret = &enforcer->service;
	return 0;
}
