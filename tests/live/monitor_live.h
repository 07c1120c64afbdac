/* SPDX-License-Identifier: GPL-2.0-only */
/* What the live tests of the monitor share: worker threads whose life is known, and patience. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kern/monitor.h"
#include "kern/proc.h"

#define US	    1000ULL
#define MS	    1000000ULL
#define PATIENCE_NS (5000 * MS)

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline void sleep_until(uint64_t ns)
{
	struct timespec t = {ns / (1000 * MS), ns % (1000 * MS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

/* Uses so much CPU time. */
static inline void work(uint64_t ns)
{
	uint64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

/* Waits for a condition, not for luck: looks each millisecond, and fails after five seconds. */
#define until(condition)                                                                           \
	do {                                                                                       \
		uint64_t until_end = now_ns() + PATIENCE_NS;                                       \
		while (!(condition)) {                                                             \
			if (now_ns() > until_end)                                                  \
				fail_msg("in vain: %s", #condition);                               \
			sleep_until(now_ns() + MS);                                                \
		}                                                                                  \
	} while (0)

/* A thread of SCHED_FIFO on CPU 0 that sleeps on a semaphore and does `body` at each go. */
struct worker {
	void (*body)(struct worker *worker);
	int priority;
	pthread_t thread;
	sem_t go;
	_Atomic pid_t tid;
	_Atomic uint32_t rounds;
	_Atomic bool quit;
	int pipe[2];
	_Atomic uint64_t preempted; /* times that the CPU was taken away from it */
	int n;
	uint64_t period_ns;
	uint64_t work_ns;
	uint64_t seen_ns;
};

static inline void *worker_main(void *data)
{
	struct worker *worker = data;
	struct rusage before, after;

	worker->tid = gettid();
	for (;;) {
		while (sem_wait(&worker->go) < 0)
			;
		if (worker->quit)
			return NULL;
		getrusage(RUSAGE_THREAD, &before);
		worker->body(worker);
		getrusage(RUSAGE_THREAD, &after);
		worker->preempted += after.ru_nivcsw - before.ru_nivcsw;
		worker->rounds++;
	}
}

static inline bool is_asleep(pid_t tid)
{
	struct qos_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	return !qos_proc_stat_read(AT_FDCWD, path, &stat) && stat.state == 'S';
}

/* On the heap: a test that fails leaves its threads behind, which must not disturb the next one. */
static inline struct worker *worker_start(const struct worker *plan)
{
	struct sched_param param = {.sched_priority = plan->priority};
	struct worker *worker = calloc(1, sizeof(*worker));
	cpu_set_t cpus;

	assert_non_null(worker);
	memcpy(worker, plan, sizeof(*worker));

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	assert_int_equal(sem_init(&worker->go, 0, 0), 0);
	assert_int_equal(pthread_create(&worker->thread, NULL, worker_main, worker), 0);
	assert_int_equal(pthread_setaffinity_np(worker->thread, sizeof(cpus), &cpus), 0);
	if (worker->priority)
		assert_int_equal(pthread_setschedparam(worker->thread, SCHED_FIFO, &param), 0);
	until(worker->tid && is_asleep(worker->tid));
	return worker;
}

/* One more round of the body, from the wakeup to the sleep after it. */
static inline void worker_round(struct worker *worker)
{
	uint32_t rounds = worker->rounds;

	sem_post(&worker->go);
	until(worker->rounds != rounds && is_asleep(worker->tid));
}

static inline void worker_stop(struct worker *worker)
{
	worker->quit = true;
	sem_post(&worker->go);
	pthread_join(worker->thread, NULL);
	sem_destroy(&worker->go);
	free(worker);
}

/* Events of one kind for one thread (0: any), as dispatched until now. */
#define HEARD_MAX 4096
struct heard {
	struct qos_event events[HEARD_MAX];
	size_t n;
};

static inline void hear(void *data, const struct qos_event *event)
{
	struct heard *heard = data;

	if (heard->n < HEARD_MAX)
		heard->events[heard->n++] = *event;
}

/* All that waits, over the pauses that the monitor makes; others on the machine add to it. */
static inline int hear_all(struct qos_monitor *monitor, struct heard *heard, uint64_t *lost)
{
	struct pollfd polls[] = {{.fd = qos_monitor_fd(monitor), .events = POLLIN},
				 {.fd = qos_monitor_urgent_fd(monitor), .events = POLLIN}};
	uint64_t more, end = now_ns() + PATIENCE_NS / 5;
	int n = 0;

	while (now_ns() < end && poll(polls, 2, 2 * QOS_DISPATCH_PAUSE_NS / MS) > 0) {
		int urgent = qos_monitor_urgent_dispatch(monitor, hear, heard);
		int r = qos_monitor_dispatch(monitor, hear, heard, &more);

		assert_true(urgent >= 0 && r >= 0);
		n += urgent + r;
		if (lost)
			*lost += more;
	}
	return n;
}

static inline const struct qos_event *heard_find(struct qos_monitor *monitor, struct heard *heard,
						 uint32_t type, uint32_t tid)
{
	hear_all(monitor, heard, NULL);
	for (size_t i = 0; i < heard->n; i++) {
		if (heard->events[i].type == type && (!tid || heard->events[i].tid == tid))
			return &heard->events[i];
	}
	return NULL;
}

static inline size_t heard_count(const struct heard *heard, uint32_t type, uint32_t tid)
{
	size_t n = 0;

	for (size_t i = 0; i < heard->n; i++)
		n += heard->events[i].type == type && heard->events[i].tid == tid;
	return n;
}

static inline uint64_t count_all(const uint32_t *buckets)
{
	uint64_t n = 0;

	for (int i = 0; i < QOS_HIST_BUCKETS; i++)
		n += buckets[i];
	return n;
}

static inline struct qos_stream_stats read_stats(struct qos_monitor *monitor, uint32_t stream)
{
	struct qos_stream_stats stats;

	assert_int_equal(qos_monitor_stream_read(monitor, stream, &stats), 0);
	return stats;
}

static inline int load_monitor(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_monitor *monitor = NULL;
	int r = qos_monitor_new(-1, &diag, &monitor);

	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	*state = monitor;
	return r;
}

static inline int unload_monitor(void **state)
{
	qos_monitor_free(*state);
	return 0;
}
