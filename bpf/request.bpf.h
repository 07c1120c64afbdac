/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests, the scheduler's side: C of service between two points of a period grid, and windows of y
 * of them in a row.
 *
 * A request opens when a thread wakes up and none is current (the grid is anchored there), or at the
 * next grid point if the thread is runnable then. At its deadline it is served if the thread got C
 * since its start, or has nothing to do: asleep, or a job of its completed in the request.
 *
 *   grid      |---------D-----T---------D-----T            T = 16, D = 10, C = 4
 *   thread    rrrr..rrrrrrrrrrwwwwwwwwwwwwwwrr..           r runs, w waits, . sleeps
 *   request   1 served (4)    2 lost (0 at D)  sleeps at T: no third one
 *
 * There is no timer: a thread's requests are decided at its next event. Between two events it either
 * runs, waits or sleeps, so all that happened since has closed form, and long stretches are counted
 * in one step. Weakness: the counters of a thread that starves, or hogs a CPU alone and is not
 * watched for its budget, stand still until it is switched again.
 *
 * Exact rates: period_ns is rounded down; the rest is carried in grid_err (units of 1/mhz ns), so
 * grid point k lies at base + floor(k * 10^12 / mhz) for ever. Bounds: rest and carry are below 2^32,
 * n is below 2^32 (a stretch of 2^63 ns has fewer periods of the 100 us that qosd allows at least),
 * so n * rest fits 64 bits.
 *
 * Plain C, as hist.bpf.h says.
 */
#pragma once

#include "job.bpf.h"

#define QOS_STEPS_MAX 64 /* grid points and deadlines handled one by one at one event */
#define QOS_BULK_MIN  4	 /* periods from which on the closed form is used */

/* What a function of this file saw and its caller may count. */
#define QOS_SAW_NO_WAKING (1 << 0)
#define QOS_SAW_NO_SWITCH (1 << 1)
#define QOS_SAW_GAVE_UP	  (1 << 2)

QOS_INLINE __u64 grid_next(const struct qos_task_state *task,
			   const struct qos_stream_config *config)
{
	__u64 err = task->grid_err + config->period_rem;
	__u64 next = task->grid_ns + config->period_ns;

	return config->period_mhz && err >= config->period_mhz ? next + 1 : next;
}

QOS_INLINE void grid_step(struct qos_task_state *task, const struct qos_stream_config *config,
			  __u32 n)
{
	__u64 err = task->grid_err + (__u64)n * config->period_rem;

	task->grid_ns += n * config->period_ns;
	if (!config->period_mhz)
		return;
	task->grid_ns += err / config->period_mhz;
	task->grid_err = err % config->period_mhz;
}

QOS_INLINE void window_close(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats, __u32 lost, __u32 n)
{
	count(&stats->windows, n);
	task->window_lost_of = lost;
	if (config->hooks.contract)
		__sync_fetch_and_or(&task->marks, 1 << QOS_HOOK_WINDOW);
	if (lost <= config->window_x)
		return;
	count(&stats->violations, n);
	task->window_broke = lost;
}

/* n requests in a row with the same fate: the window that is open, whole ones, and a new one. */
QOS_INLINE void requests_add(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats, __u32 n, bool lost)
{
	__u32 y = config->window_y;
	__u32 rest;

	count(lost ? &stats->lost : &stats->served, n);
	if (!y)
		return;
	/* A window that became shorter by a change of the contract starts anew. */
	if (task->window_pos >= y)
		task->window_pos = task->window_lost = 0;
	rest = y - task->window_pos;
	if (n >= rest) {
		window_close(task, config, stats, task->window_lost + (lost ? rest : 0), 1);
		task->window_pos = task->window_lost = 0;
		n -= rest;
		if (n >= y) {
			window_close(task, config, stats, lost ? y : 0, n / y);
			n %= y;
		}
	}
	task->window_pos += n;
	task->window_lost += lost ? n : 0;
}

QOS_INLINE void request_open(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats)
{
	task->request = QOS_REQUEST_CURRENT;
	task->got_ns = 0;
	if (config->job == QOS_ABI_JOB_PERIOD && !task->release_ns)
		job_release(task, stats, task->grid_ns);
}

/*
 * `silence: lost`: how many periods passed without a release. Releases jitter, so the gap since the
 * last one is rounded to whole periods: up to half a period early or late nothing is missing.
 */
QOS_INLINE __u32 silent_periods(const struct qos_task_state *task,
				const struct qos_stream_config *config, __u64 now)
{
	__u64 since = task->grid_ns;

	if (task->last_release_ns > since)
		since = task->last_release_ns;
	if (!(config->flags & QOS_STREAM_SILENCE_LOST) || !since || now <= since)
		return 0;
	since = (now - since + config->period_ns / 2) / config->period_ns;
	return since > 1 ? since - 1 : 0;
}

/* Opens a request at accounted_ns and anchors the grid there. */
QOS_INLINE void request_anchor(struct qos_task_state *task, const struct qos_stream_config *config,
			       struct qos_stream_stats *stats)
{
	__u32 silent = 0;

	if (task->doing != QOS_DOES_BLOCK)
		silent = silent_periods(task, config, task->accounted_ns);
	if (silent)
		requests_add(task, config, stats, silent, true);
	task->grid_ns = task->accounted_ns;
	task->grid_err = 0;
	request_open(task, config, stats);
}

/* Did the job end by the deadline, or is there none? (Not asked of requests that got C.) */
QOS_INLINE bool request_ended(const struct qos_task_state *task,
			      const struct qos_stream_config *config)
{
	__u64 end = task->probe_end_ns;

	if (task->request & QOS_REQUEST_ENDED)
		return true;
	if (config->job != QOS_ABI_JOB_PROBES)
		return task->doing == QOS_DOES_SLEEP;
	if (task->doing == QOS_DOES_SLEEP && !task->release_ns)
		return true;
	return end >= task->grid_ns && end && end <= task->grid_ns + config->deadline_ns;
}

QOS_INLINE void request_decide(struct qos_task_state *task, const struct qos_stream_config *config,
			       struct qos_stream_stats *stats)
{
	bool served = task->got_ns >= config->runtime_ns || request_ended(task, config);

	task->request |= QOS_REQUEST_DECIDED;
	requests_add(task, config, stats, 1, !served);
}

/* Time goes on to `to`, which is not behind a grid point or deadline. */
QOS_INLINE void pass(struct qos_task_state *task, const struct qos_stream_config *config,
		     struct qos_stream_stats *stats, __u64 to)
{
	__u64 ns = to > task->accounted_ns ? to - task->accounted_ns : 0;

	if (task->doing == QOS_DOES_RUN) {
		if (config->job == QOS_ABI_JOB_PERIOD)
			job_serve(task, config, stats, ns);
		task->total_ns += ns;
		task->got_ns += ns;
	}
	task->accounted_ns += ns;
}

/*
 * Many whole periods of running or of waiting, from a request that has just opened: each has the
 * fate of the others. Returns whether it did any. With exact rates n is too small by at most n ns
 * of time, which the next round takes.
 */
QOS_INLINE bool request_bulk(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats, __u64 to)
{
	bool runs = task->doing == QOS_DOES_RUN, wholes = config->job == QOS_ABI_JOB_PERIOD && runs;
	__u64 from = task->grid_ns, n;

	if (task->request != QOS_REQUEST_CURRENT || task->accounted_ns != from ||
	    (!runs && task->doing != QOS_DOES_WAIT) || (wholes && task->release_ns != from))
		return false;
	if (to < from || to - from < QOS_BULK_MIN * (config->period_ns + 1))
		return false;
	n = (to - from) / (config->period_ns + 1);
	if (n >> 31)
		n = 1U << 31;
	grid_step(task, config, n);
	task->accounted_ns = task->grid_ns;
	if (runs)
		task->total_ns += task->grid_ns - from;
	requests_add(task, config, stats, n, !runs);
	if (wholes) {
		jobs_add(config, stats, config->runtime_ns, config->runtime_ns, n);
		job_mark(task, config, config->runtime_ns, config->runtime_ns);
		task->release_ns = 0;
	}
	request_open(task, config, stats);
	return true;
}

/* One grid point, deadline or bulk; 0: `to` is reached. */
int qos_request_step(struct qos_task_state *task, const struct qos_stream_config *config,
		     struct qos_stream_stats *stats, __u64 to);
QOS_GLOBAL int qos_request_step(struct qos_task_state *task, const struct qos_stream_config *config,
				struct qos_stream_stats *stats, __u64 to)
{
	__u64 edge;

	if (!task || !config || !stats)
		return 0;
	edge = grid_next(task, config);
	if (!(task->request & QOS_REQUEST_CURRENT)) {
		pass(task, config, stats, to);
		return 0;
	}
	if (request_bulk(task, config, stats, to))
		return 1;
	if (!(task->request & QOS_REQUEST_DECIDED))
		edge = task->grid_ns + config->deadline_ns;
	if (to < edge) {
		pass(task, config, stats, to);
		return 0;
	}
	pass(task, config, stats, edge);
	if (!(task->request & QOS_REQUEST_DECIDED)) {
		request_decide(task, config, stats);
		return 1;
	}
	if (task->doing != QOS_DOES_RUN && task->doing != QOS_DOES_WAIT) {
		task->request &= ~QOS_REQUEST_CURRENT;
		return 1;
	}
	grid_step(task, config, 1);
	request_open(task, config, stats);
	return 1;
}

QOS_INLINE int steps(struct qos_task_state *task, const struct qos_stream_config *config,
		     struct qos_stream_stats *stats, __u64 to)
{
	for (int i = 0; i < QOS_STEPS_MAX; i++) {
		if (!qos_request_step(task, config, stats, to))
			return 0;
	}
	/* Periods of nanoseconds, or a clock that jumped: start afresh rather than be wrong. */
	task->accounted_ns = to;
	request_anchor(task, config, stats);
	return QOS_SAW_GAVE_UP;
}

/* Accounts for everything up to `to`. Returns QOS_SAW_*. */
int qos_account(struct qos_task_state *task, const struct qos_stream_config *config,
		struct qos_stream_stats *stats, __u64 to);
QOS_GLOBAL int qos_account(struct qos_task_state *task, const struct qos_stream_config *config,
			   struct qos_stream_stats *stats, __u64 to)
{
	__u64 before, begin;
	int saw = 0;

	if (!task || !config || !stats)
		return 0;
	before = task->total_ns;
	begin = task->probe_begin_ns;
	if (begin && begin <= to) {
		saw |= steps(task, config, stats, begin);
		if (!(task->request & QOS_REQUEST_CURRENT))
			request_anchor(task, config, stats);
		task->last_release_ns = begin;
		task->probe_begin_ns = 0;
	}
	saw |= steps(task, config, stats, to);
	if (task->probe_end_ns >= task->grid_ns && task->probe_end_ns)
		task->request |= QOS_REQUEST_ENDED;
	task->probe_end_ns = 0;
	if (task->total_ns != before)
		count(&stats->used_ns, task->total_ns - before);
	return saw;
}

/*
 * The thread woke up some time ago; now it is given a CPU. `slept`: since when. All of the wakeup
 * is handled here, on the thread's own CPU: sched_waking runs on any, and only notes the time.
 */
QOS_INLINE int wake(struct qos_task_state *task, const struct qos_stream_config *config,
		    struct qos_stream_stats *stats, __u64 woken, __u64 slept)
{
	int saw = qos_account(task, config, stats, woken);
	bool over = job_over(task, config, stats, slept);

	/* Between the two: the old job ended in the old request, and the release that is noted last
	 * must not hide the silence before it. */
	if (!(task->request & QOS_REQUEST_CURRENT) &&
	    (config->job != QOS_ABI_JOB_PROBES || task->release_ns))
		request_anchor(task, config, stats);
	if (over)
		job_release(task, stats, woken);
	return saw;
}

QOS_INLINE void latency_add(const struct qos_stream_config *config, struct qos_stream_stats *stats,
			    __u64 ns)
{
	hist_add(stats->latency, ns, 1);
	raise_to(&stats->latency_max_ns, ns);
	if (config->latency_ns && ns > config->latency_ns)
		count(&stats->latency_passed, 1);
}

/*
 * Events get lost: a program does not run inside itself, and some kernels keep programs out of some
 * contexts, so that who follows such a thread comes unseen. The kernel's own sum of CPU time then
 * tells how long the thread ran, and with it when: last, if it was the switch in that is missing;
 * first, if the switch out.
 */
QOS_INLINE __u64 ran_since_switch(const struct qos_task_state *task)
{
	return task->exec_now_ns > task->exec_ns ? task->exec_now_ns - task->exec_ns : 0;
}

/* The thread is given a CPU; exec_now_ns is set. Returns QOS_SAW_*. */
int qos_switch_in(struct qos_task_state *task, const struct qos_stream_config *config,
		  struct qos_stream_stats *stats, __u64 now);
QOS_GLOBAL int qos_switch_in(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats, __u64 now)
{
	__u64 woken, slept;
	bool known;
	int saw = 0;

	if (!task || !config || !stats)
		return 0;
	woken = task->woken_ns;
	known = task->doing != QOS_DOES_NEW && woken;
	task->woken_ns = 0;
	if (task->doing == QOS_DOES_NEW) {
		task->accounted_ns = woken ? woken : now;
		task->doing = woken ? QOS_DOES_SLEEP : QOS_DOES_WAIT;
		if (!woken)
			request_anchor(task, config, stats);
	}
	slept = task->accounted_ns;
	if (task->doing == QOS_DOES_SLEEP || task->doing == QOS_DOES_BLOCK) {
		if (!woken) {
			saw |= QOS_SAW_NO_WAKING;
			woken = now;
		}
		/* The waker may be ahead of us: it saw the thread on its way to sleep. */
		if (woken < slept)
			woken = slept;
		saw |= wake(task, config, stats, woken, slept);
		if (known)
			latency_add(config, stats, now > woken ? now - woken : 0);
		if (task->release_ns == woken)
			task->latency_ns = now > woken ? now - woken : 0;
	} else if (task->doing == QOS_DOES_RUN) {
		__u64 left = slept + ran_since_switch(task);

		saw |= QOS_SAW_NO_SWITCH;
		saw |= qos_account(task, config, stats, left < now ? left : now);
	}
	task->doing = QOS_DOES_WAIT;
	saw |= qos_account(task, config, stats, now);
	task->doing = QOS_DOES_RUN;
	task->exec_ns = task->exec_now_ns;
	return saw;
}

/* The thread runs: was it seen to begin? Returns QOS_SAW_*. */
QOS_INLINE int ensure_runs(struct qos_task_state *task, const struct qos_stream_config *config,
			   struct qos_stream_stats *stats, __u64 now)
{
	if (task->doing == QOS_DOES_RUN)
		return 0;
	return QOS_SAW_NO_SWITCH | qos_switch_in(task, config, stats, now - ran_since_switch(task));
}

/* The thread runs on; exec_now_ns is set. Returns QOS_SAW_*. */
int qos_run_on(struct qos_task_state *task, const struct qos_stream_config *config,
	       struct qos_stream_stats *stats, __u64 now);
QOS_GLOBAL int qos_run_on(struct qos_task_state *task, const struct qos_stream_config *config,
			  struct qos_stream_stats *stats, __u64 now)
{
	int saw;

	if (!task || !config || !stats || task->doing == QOS_DOES_NEW)
		return 0;
	saw = ensure_runs(task, config, stats, now);
	return saw | qos_account(task, config, stats, now);
}

/* The thread leaves its CPU, to do `doing`; exec_now_ns is set. Returns QOS_SAW_*. */
int qos_switch_out(struct qos_task_state *task, const struct qos_stream_config *config,
		   struct qos_stream_stats *stats, __u64 now, __u32 doing);
QOS_GLOBAL int qos_switch_out(struct qos_task_state *task, const struct qos_stream_config *config,
			      struct qos_stream_stats *stats, __u64 now, __u32 doing)
{
	int saw = 0;

	if (!task || !config || !stats)
		return 0;
	if (task->doing == QOS_DOES_NEW) {
		/* Attached as it ran: what it did before is not known. */
		task->accounted_ns = now;
		if (doing == QOS_DOES_WAIT)
			request_anchor(task, config, stats);
	} else {
		saw = ensure_runs(task, config, stats, now);
		saw |= qos_account(task, config, stats, now);
	}
	task->doing = doing;
	task->exec_ns = task->exec_now_ns;
	if (doing == QOS_DOES_SLEEP)
		job_sleep(task, config, stats);
	return saw;
}

/* Has the current request used up the budget, and was that not said yet? */
QOS_INLINE bool request_over_budget(const struct qos_task_state *task,
				    const struct qos_stream_config *config)
{
	return config->flags & QOS_STREAM_WATCH_BUDGET && config->budget_ns &&
	       task->got_ns >= config->budget_ns &&
	       (task->request & (QOS_REQUEST_CURRENT | QOS_REQUEST_REPORTED)) ==
		       QOS_REQUEST_CURRENT;
}
