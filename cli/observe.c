/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bursts are taken from the ring ten times a second; the processes of a unit are looked up once a
 * second, since they come and go, and who is observed is told by nothing else. Weakness: what a new
 * process of a unit did before that is not seen.
 */
#include "observe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-login.h>
#include <time.h>

#include "kern/proc.h"
#include "kern/record.h"
#include "util/clock.h"
#include "watch.h"

#define POLL_NS	  100000000ULL
#define LOOKUP_NS 1000000000ULL

void qos_observation_reset(struct qos_observation *observation)
{
	for (size_t i = 0; i < observation->n_threads; i++) {
		free(observation->threads[i]->learn.bursts);
		free(observation->threads[i]);
	}
	free(observation->threads);
	qos_table_reset(&observation->by_tid);
}

/* --- threads --- */

static int add_thread(struct qos_observation *observation, struct qos_observed_thread *thread)
{
	struct qos_observed_thread **more =
		reallocarray(observation->threads, observation->n_threads + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	observation->threads = more;
	if (qos_table_set(&observation->by_tid, (uint32_t)thread->learn.tid, thread) < 0)
		return -ENOMEM;
	more[observation->n_threads++] = thread;
	return 0;
}

/* Made at its first mention; NULL: no memory. */
static struct qos_observed_thread *thread_of(struct qos_observation *observation, pid_t tid)
{
	struct qos_observed_thread *thread = qos_table_get(&observation->by_tid, (uint32_t)tid);

	if (thread)
		return thread;
	thread = calloc(1, sizeof(*thread));
	if (!thread)
		return NULL;
	thread->learn.tid = tid;
	if (add_thread(observation, thread) == 0)
		return thread;
	free(thread);
	return NULL;
}

static int make_room(struct qos_observed_thread *thread)
{
	size_t room = thread->room ? 2 * thread->room : 256;
	struct qos_burst *more;

	if (thread->learn.n_bursts < thread->room)
		return 0;
	more = reallocarray(thread->learn.bursts, room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	thread->learn.bursts = more;
	thread->room = room;
	return 0;
}

/* A thread may be woken while it is still on its way to sleep: then it slept for no time. */
static void add_burst(struct qos_learn_thread *thread, const struct qos_record_burst *burst)
{
	struct qos_burst *mine = &thread->bursts[thread->n_bursts++];

	*mine = (struct qos_burst){
		.release_ns = burst->release_ns,
		.start_ns = burst->start_ns,
		.end_ns = burst->end_ns,
		.used_ns = burst->used_ns,
	};
	if (thread->n_bursts > 1 && mine->release_ns < mine[-1].end_ns)
		mine->release_ns = mine[-1].end_ns;
}

static int on_burst(void *data, const struct qos_record_burst *burst)
{
	struct qos_observation *observation = data;
	struct qos_observed_thread *thread;

	if (observation->n_bursts == QOS_OBSERVE_BURSTS_MAX) {
		observation->n_lost++;
		return 0;
	}
	thread = thread_of(observation, (pid_t)burst->tid);
	if (!thread || make_room(thread) < 0)
		return -ENOMEM;
	add_burst(&thread->learn, burst);
	observation->n_bursts++;
	return 0;
}

static int on_seen(void *data, pid_t tid, const struct qos_record_thread *seen)
{
	struct qos_observed_thread *thread = thread_of(data, tid);

	if (!thread)
		return -ENOMEM;
	thread->learn.used_ns = seen->used_ns;
	memcpy(thread->learn.comm, seen->comm, sizeof(thread->learn.comm));
	return 0;
}

/* Those that did not run are known to /proc only; names there are the latest. */
static int on_living(void *data, pid_t tgid, pid_t tid)
{
	struct qos_observed_thread *thread;
	struct qos_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	if (qos_proc_stat_read(AT_FDCWD, path, &stat) < 0)
		return 0;
	thread = thread_of(data, tid);
	if (!thread)
		return -ENOMEM;
	thread->learn.alive = true;
	memcpy(thread->learn.comm, stat.comm, sizeof(thread->learn.comm));
	return 0;
}

/* --- processes --- */

bool qos_observe_is_in_unit(pid_t tgid, const char *unit)
{
	_cleanup_free_ char *system = NULL, *user = NULL;

	if (sd_pid_get_unit(tgid, &system) >= 0 && !strcmp(system, unit))
		return true;
	return sd_pid_get_user_unit(tgid, &user) >= 0 && !strcmp(user, unit);
}

static int visit_first(void *data, pid_t tgid)
{
	return qos_observe_is_in_unit(tgid, data) ? tgid : 0;
}

pid_t qos_observe_find_unit(const char *unit)
{
	return qos_proc_each_process(visit_first, (void *)unit);
}

struct lookup {
	struct qos_observation *observation;
	struct qos_record *record; /* NULL: the threads at the end */
	size_t n;
};

static int visit_process(void *data, pid_t tgid)
{
	struct lookup *lookup = data;
	int r;

	if (!qos_observe_is_in_unit(tgid, lookup->observation->unit))
		return 0;
	lookup->n++;
	if (lookup->record)
		return qos_record_process(lookup->record, tgid);
	r = qos_proc_each_thread(tgid, on_living, lookup->observation);
	return r == -ESRCH ? 0 : r;
}

/* All processes that are observed. 0 and how many live, or -errno. */
static int look_up(struct qos_observation *observation, struct qos_record *record, size_t *ret)
{
	struct lookup lookup = {.observation = observation, .record = record};
	uint64_t start;
	int r;

	if (observation->unit) {
		r = qos_proc_each_process(visit_process, &lookup);
		*ret = lookup.n;
		return r;
	}
	r = qos_proc_start_time(observation->tgid, &start);
	*ret = r == 0;
	if (r == 0)
		r = record ? qos_record_process(record, observation->tgid)
			   : qos_proc_each_thread(observation->tgid, on_living, observation);
	return r == -ESRCH ? 0 : r;
}

/* --- the while --- */

static int watch(struct qos_observation *observation, struct qos_record *record, uint64_t for_ns,
		 const sigset_t *signals)
{
	uint64_t begin = qos_clock_ns(CLOCK_MONOTONIC), next = begin, now = begin;
	bool stop = false;
	size_t living;
	int r = 0;

	while (r == 0 && !stop && now - begin < for_ns) {
		if (now >= next) {
			r = look_up(observation, record, &living);
			if (r < 0)
				return r;
			observation->ended = !living;
			next += LOOKUP_NS;
		}
		if (!observation->ended)
			stop = qos_watch_pause(
				for_ns - (now - begin) < POLL_NS ? for_ns - (now - begin) : POLL_NS,
				signals);
		stop |= observation->ended;
		r = qos_record_poll(record, on_burst, observation);
		now = qos_clock_ns(CLOCK_MONOTONIC);
	}
	observation->span_ns = now - begin;
	return r;
}

static int finish(struct qos_observation *observation, struct qos_record *record)
{
	struct qos_record_counters counters;
	size_t living;
	int r = qos_record_threads(record, on_seen, observation);

	if (r == 0)
		r = look_up(observation, NULL, &living);
	qos_record_counters(record, &counters);
	observation->n_lost += counters.ring_full + counters.no_room;
	return r;
}

static int observe(struct qos_observation *observation, uint64_t for_ns, const sigset_t *signals,
		   struct qos_diag *diag)
{
	_cleanup_record_ struct qos_record *record = NULL;
	int r = qos_record_new(diag, &record);

	if (r < 0)
		return r;
	r = watch(observation, record, for_ns, signals);
	if (r == 0)
		r = finish(observation, record);
	if (r < 0)
		qos_diag_error(diag, NULL, "observing: %s", strerror(-r));
	return r;
}

int qos_observe(struct qos_observation *observation, uint64_t for_ns, struct qos_diag *diag)
{
	sigset_t signals, before;
	int r;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	r = observe(observation, for_ns, &signals, diag);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}
