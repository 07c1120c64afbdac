// SPDX-License-Identifier: GPL-2.0-only
/*
 * The service model: a server for each thread on its grid of periods, with enforced C. Agrees with
 * what the BPF monitor counts (bpf/request.bpf.h), but that a wakeup near a grid point counts as at
 * it: the monitor anchors the grid at each wakeup that finds no request, so there a thread that
 * woke a little late once has all its later releases a little early, and short jobs between them
 * open no request.
 *
 *   grid      |---------D-----T---------D-----T            T = 16, D = 10, C = 4
 *   thread    rrrr..rrrrrrrrrrwwwwwwwwwwwwwwrr..           r runs, w waits, . sleeps
 *   request   1 served (4)    2 lost (0 at D)  sleeps at T: no third one
 *
 * A request is live from its release until it is settled: served as soon as it got C or its job
 * ended for good, else at its deadline: served if the thread has nothing to do then, lost
 * otherwise. One whose thread sleeps before that is parked: it waits for its deadline only, and
 * goes on if the thread wakes up. From its end to the next grid point a thread has no request. What
 * is left of C it may still use, behind all requests; without any left it is exhausted, and
 * overruns if it runs on. If C is raised then, it goes on with the rest of that.
 *
 * Events come in time order: whoever handles one calls qos_request_advance() first, which serves
 * the running thread and handles, at their own times, the deadlines and grid points up to now.
 *
 * Exact rates: see bpf/request.bpf.h; grid point k lies at base + floor(k 10^12 / rate_mhz) for
 * ever.
 */
#include <linux/math64.h>

#include "job.h"
#include "qos.h"
#include "rules.h"

/* Times that a request gets more: rules that raise by a little would run for each bit of it. */
#define MORE_MAX 8

#define STEPS_MAX 256 /* deadlines and grid points handled one by one at one event */

static struct qos_thread *thread_of(struct dwcs_stream *dwcs)
{
	return container_of(dwcs, struct qos_thread, dwcs);
}

u64 qos_request_grid_next(const struct qos_thread *thread)
{
	const struct qos_params *params = &thread->params;
	u64 next = thread->grid_ns + params->period_ns;

	if (params->rate_mhz && thread->grid_err + params->period_rem >= params->rate_mhz)
		next++;
	return next;
}

/* n < 2^32, and so is each remainder. */
static void grid_step(struct qos_thread *thread, u32 n)
{
	const struct qos_params *params = &thread->params;
	u64 err = thread->grid_err + (u64)n * params->period_rem;
	u32 rest;

	thread->grid_ns += n * params->period_ns;
	if (!params->rate_mhz)
		return;
	thread->grid_ns += div_u64_rem(err, params->rate_mhz, &rest);
	thread->grid_err = rest;
}

bool qos_request_exhausted(const struct qos_thread *thread)
{
	return thread->current_request && thread->got_ns >= thread->dwcs.cost;
}

/* --- the request --- */

void qos_request_park(struct qos_thread *thread)
{
	dwcs_drop(&thread->cpu->queue, &thread->dwcs);
	thread->parked = true;
	thread->cpu->dirty = true;
}

void qos_request_unpark(struct qos_thread *thread)
{
	dwcs_enqueue(&thread->cpu->queue, &thread->dwcs, thread->mandatory);
	thread->parked = false;
	thread->cpu->dirty = true;
}

/* What a rule's program set since the last request: see guard.c. */
static void runtime_take(struct qos_thread *thread, u64 now)
{
	u64 runtime = min(READ_ONCE(thread->stream->params.runtime_ns), thread->params.deadline_ns);

	if (runtime == thread->params.runtime_ns)
		return;
	if (thread->table && runtime > thread->table->runtime_ns)
		qos_table_off(thread, QOS_DWCS_UNPROVEN_CHANGE, now);
	thread->params.runtime_ns = runtime;
}

/* A request begins at grid_ns, which is now or near it. */
static void release(struct qos_thread *thread, u64 now)
{
	struct qos_cpu *cpu = thread->cpu;

	thread->current_request = true;
	thread->overrun = false;
	thread->more = 0;
	thread->raised = false;
	thread->got_ns = 0;
	runtime_take(thread, now);
	thread->dwcs.cost = thread->params.runtime_ns;
	thread->mandatory = qos_table_asks(thread, now);
	dwcs_release(&cpu->queue, &thread->dwcs, thread->grid_ns, thread->mandatory);
	thread->parked = false;
	cpu->dirty = true;
	qos_count(cpu, RELEASES);
	if (thread->mandatory) {
		thread->stats.mandatory++;
		qos_count(cpu, MANDATORY);
	}
	if (thread->params.job == QOS_DWCS_JOB_PERIOD && !thread->release_ns)
		qos_job_release(thread, thread->grid_ns);
}

void qos_request_anchor(struct qos_thread *thread, u64 now)
{
	thread->grid_ns = now;
	thread->grid_err = 0;
	qos_count(thread->cpu, ANCHORS);
	release(thread, now);
}

/*
 * The live request goes without an outcome: the thread is not scheduled any more, or
 * differently.
 */
void qos_request_drop(struct qos_thread *thread)
{
	dwcs_withdraw(&thread->cpu->queue, &thread->dwcs);
	thread->parked = false;
	thread->current_request = false;
	thread->cpu->dirty = true;
}

/* Does `point` lie on the thread's grid, and ahead? */
static bool is_ahead(const struct qos_thread *thread, u64 point)
{
	u64 rest = 1;

	if (thread->grid_ns && thread->grid_ns < point)
		div64_u64_rem(point - thread->grid_ns, thread->params.period_ns, &rest);
	return !rest;
}

/*
 * The grid is moved so that `point` lies on it. Until its next point, less than a period away, the thread
 * is like one that used up its C; what it asked for goes without an outcome, and its windows start
 * anew. T is in ns, no rate.
 */
void qos_request_align(struct qos_thread *thread, u64 point, u64 now)
{
	u64 period = thread->params.period_ns, rest;

	if (point <= now || is_ahead(thread, point))
		return;
	div64_u64_rem(point - now, period, &rest);
	qos_request_drop(thread);
	dwcs_reset(&thread->dwcs);
	thread->grid_ns = now + rest - period;
	thread->grid_err = 0;
	thread->current_request = true;
	thread->overrun = true; /* nobody is to hear of it */
	thread->got_ns = thread->dwcs.cost;
	qos_levels_place(thread);
}

/*
 * `silence: lost`: how many periods passed without a release. Releases jitter, so the gap since the
 * last one is rounded to whole periods.
 */
static u64 silent_periods(const struct qos_thread *thread, u64 now)
{
	u64 since = max(thread->grid_ns, thread->last_release_ns);

	if (thread->params.silence != QOS_DWCS_SILENCE_LOST || !since || now <= since)
		return 0;
	since = div64_u64(now - since + thread->params.period_ns / 2, thread->params.period_ns);
	return since > 1 ? since - 1 : 0;
}

/* Is a grid point near? Then grid_ns is moved to it. */
static bool snap(struct qos_thread *thread, u64 now)
{
	u64 tolerance = thread->params.tolerance_ns, n;
	u64 grid = thread->grid_ns, err = thread->grid_err;

	if (!grid || now + tolerance < qos_request_grid_next(thread))
		return false;
	n = div64_u64(now + tolerance - grid, thread->params.period_ns);
	if (n >> 31)
		return false;
	grid_step(thread, n);
	/* The exact point lies up to n ns behind n * period_ns: one too many is taken back. */
	if (thread->grid_ns > now + tolerance) {
		thread->grid_ns = grid;
		thread->grid_err = err;
		if (n > 1)
			grid_step(thread, n - 1);
	}
	if (thread->grid_ns + tolerance >= now && thread->grid_ns != grid)
		return true;
	thread->grid_ns = grid;
	thread->grid_err = err;
	return false;
}

/* The thread wakes up and its last request's period is over, or as good as over. */
static void release_by_wakeup(struct qos_thread *thread, bool slept, u64 now)
{
	u64 silent = slept ? silent_periods(thread, now) : 0;

	/* Only when snap() is going to be early: asleep, so it has nothing to do. */
	if (dwcs_is_live(&thread->dwcs))
		qos_outcome_settle(thread, slept, now);
	if (silent)
		qos_outcome_lose(thread, silent, now);
	if (snap(thread, now))
		release(thread, now);
	else
		qos_request_anchor(thread, now);
}

/* May this request of a thread that wakes up now go on? */
static bool goes_on(const struct qos_thread *thread, u64 now)
{
	return thread->current_request &&
	       now + thread->params.tolerance_ns < qos_request_grid_next(thread);
}

void qos_request_wake(struct qos_thread *thread, u64 now)
{
	bool slept = thread->doing != QOS_DOES_BLOCK, ended, over;

	if (qos_is_runnable(thread) || thread->doing == QOS_DOES_END)
		return;
	over = qos_job_over(thread, now, &ended);
	if (ended && dwcs_is_live(&thread->dwcs))
		qos_outcome_settle(thread, true, now);
	if (!goes_on(thread, now))
		release_by_wakeup(thread, slept, now);
	else if (thread->parked)
		qos_request_unpark(thread);
	if (over)
		qos_job_release(thread, now);
	thread->woken_ns = thread->doing == QOS_DOES_NEW ? 0 : now;
	thread->doing = QOS_DOES_WAIT;
	qos_levels_place(thread);
}

/* The thread is given the CPU. */
void qos_request_enter(struct qos_thread *thread, u64 now)
{
	if (!qos_is_runnable(thread)) /* its wakeup came before it was managed */
		qos_request_wake(thread, now);
	if (thread->woken_ns) {
		thread->latency_ns = now - thread->woken_ns;
		qos_stats_latency(&thread->stats, thread->params.latency_ns, thread->latency_ns);
	}
	thread->woken_ns = 0;
	thread->doing = QOS_DOES_RUN;
	thread->cpu->running = thread;
}

/* The thread leaves the CPU, to do `doing`. */
void qos_request_leave(struct qos_thread *thread, enum qos_doing doing, u64 now)
{
	if (thread->cpu->running == thread)
		thread->cpu->running = NULL;
	if (doing == QOS_DOES_WAIT) {
		if (thread->doing == QOS_DOES_NEW)
			qos_request_anchor(thread, now);
		thread->doing = doing;
		qos_request_overrun(thread, now);
		qos_levels_place(thread);
		return;
	}
	thread->slept_ns = now;
	if (doing == QOS_DOES_SLEEP && qos_job_sleep(thread, now) && dwcs_is_live(&thread->dwcs))
		qos_outcome_settle(thread, true, now);
	if (dwcs_is_live(&thread->dwcs))
		qos_request_park(thread);
	thread->doing = doing;
	qos_levels_place(thread);
}

/*
 * The runtime was raised since the request began. It got its C and has its outcome; what is above that
 * is used as what is left of a request is, behind all others.
 */
static bool more(struct qos_thread *thread)
{
	u64 runtime = min(READ_ONCE(thread->stream->params.runtime_ns), thread->params.deadline_ns);

	if (!thread->current_request || dwcs_is_live(&thread->dwcs) ||
	    runtime <= thread->dwcs.cost || thread->more == MORE_MAX)
		return false;
	thread->dwcs.cost = runtime;
	thread->more++;
	return true;
}

void qos_request_raised(struct qos_thread *thread)
{
	if (!thread->managed || !thread->overrun || !more(thread))
		return;
	thread->overrun = false;
	qos_levels_place(thread);
}

/*
 * Runnable without anything left of C: an overrun, told once a request. With job "period" the job is
 * over then; the thread is demoted all the same, and that is all.
 */
void qos_request_overrun(struct qos_thread *thread, u64 now)
{
	struct qos_event *event;

	if (thread->overrun || !qos_is_runnable(thread) || !qos_request_exhausted(thread) ||
	    more(thread))
		return;
	thread->overrun = true;
	if (thread->params.job == QOS_DWCS_JOB_PERIOD) {
		qos_levels_place(thread);
		return;
	}
	qos_stats_overrun(&thread->stats);
	qos_count(thread->cpu, OVERRUNS);
	qos_table_off(thread, QOS_DWCS_UNPROVEN_OVERRUN, now);
	event = qos_event_begin(thread->cpu, thread, QOS_DWCS_EVENT_OVERRUN, now);
	if (event)
		qos_event_end(thread->cpu);
	if (qos_rules_on() && thread->more < MORE_MAX)
		qos_rules_overrun(thread, now);
	qos_levels_place(thread);
}

/* --- time goes on --- */

/*
 * Nobody's window needs what it does now: its quota is met, its window lost, or it has no request; or
 * its windows are kept by what is mandatory, which must find the cap's time left.
 */
bool qos_request_is_spare(const struct qos_thread *thread)
{
	if (thread->dwcs.pos[DWCS_MUST])
		return false;
	return !thread->dwcs.pos[DWCS_RANK] || (thread->table && thread->table->on);
}

static void cap_roll(struct qos_cpu *cpu, u64 now)
{
	if (now < cpu->cap_end_ns)
		return;
	cpu->cap_end_ns = now + qos_config.cap_interval_ns;
	cpu->cap_used_ns = 0;
	cpu->capped = false;
}

/*
 * Threads that together ask for more than the CPU has would use up the cap each time, and then
 * everything stands still until the interval ends, what is needed for the windows too. So spare
 * work keeps a pace, a bit below the cap: who is behind it may do spare work in the band, ahead of
 * it only what windows need.
 */
s64 qos_request_pace(const struct qos_cpu *cpu, u64 now)
{
	u64 elapsed =
		qos_config.cap_interval_ns - min(qos_config.cap_interval_ns, cpu->cap_end_ns - now);

	return (s64)div_u64(elapsed * qos_config.pace_ppm, 1000000) - (s64)cpu->cap_used_ns;
}

static void keep_pace(struct qos_cpu *cpu, u64 now)
{
	s64 credit = qos_request_pace(cpu, now);

	if (!cpu->capped && cpu->cap_used_ns >= qos_config.cap_ns) {
		cpu->capped = true;
		qos_count(cpu, CAPPED);
	}
	if (cpu->lean ? credit < 0 : credit >= -(s64)qos_config.pace_slack_ns)
		return;
	cpu->lean = !cpu->lean;
	cpu->dirty = true;
	if (cpu->lean)
		qos_count(cpu, LEAN);
	qos_levels_place_all(cpu);
}

/* The running thread is served up to `to`, which is behind no deadline or grid point. */
static void serve(struct qos_cpu *cpu, u64 to)
{
	struct qos_thread *thread = cpu->running;
	u64 from = cpu->since_ns, ns;

	if (to <= from)
		return;
	ns = to - from;
	cpu->since_ns = to;
	if (!thread)
		return;
	if (thread->level >= QOS_DWCS_LEVEL_READY) {
		cpu->cap_used_ns += ns;
		qos_count_add(cpu, MANAGED, ns);
		if (!dwcs_is_live(&thread->dwcs))
			thread->stats.spare_ns += ns;
	}
	qos_job_serve(thread, from, ns);
	thread->total_ns += ns;
	thread->stats.used_ns += ns;
	if (!thread->current_request)
		return;
	thread->got_ns += ns;
	if (!dwcs_is_live(&thread->dwcs))
		return;
	/*
	 * Until the dispatcher has acted, whoever stood next gets a few us. fin would finish him
	 * first from then on, as if he had been picked.
	 */
	if (thread == cpu->chosen)
		dwcs_serve(&cpu->queue, &thread->dwcs, ns);
	else
		dwcs_graze(&thread->dwcs, ns);
	if (!thread->dwcs.left)
		qos_outcome_settle(thread, true, to);
}

/* The next deadline or grid point, and whose. */
static struct qos_thread *next_edge(struct qos_cpu *cpu, u64 *at, bool *due)
{
	struct dwcs_stream *first = dwcs_next_due(&cpu->queue);
	struct timerqueue_node *node = timerqueue_getnext(&cpu->grids);

	*due = first && (!node || first->due <= ktime_to_ns(node->expires));
	if (*due) {
		*at = first->due;
		return thread_of(first);
	}
	if (!node)
		return NULL;
	*at = ktime_to_ns(node->expires);
	return container_of(node, struct qos_thread, grid);
}

/* A runnable thread comes to its next grid point. Too far behind: the grid is anchored at `now`. */
static void at_grid(struct qos_thread *thread, bool gave_up, u64 now)
{
	if (gave_up) {
		qos_count(thread->cpu, GAVE_UP);
		qos_request_anchor(thread, now);
	} else {
		grid_step(thread, 1);
		release(thread, now);
	}
	qos_levels_place(thread);
}

void qos_request_advance(struct qos_cpu *cpu, u64 now)
{
	struct qos_thread *thread;
	bool due;
	int i;
	u64 at;

	for (i = 0; (thread = next_edge(cpu, &at, &due)) && at <= now; i++) {
		serve(cpu, at);
		if (qos_rules_on())
			qos_rules_late(thread, now);
		if (!due)
			at_grid(thread, i >= STEPS_MAX, now);
		else if (dwcs_is_live(&thread->dwcs) && thread->dwcs.due == at)
			qos_outcome_settle(thread,
					   thread->parked && thread->doing == QOS_DOES_SLEEP, now);
	}
	serve(cpu, now);
	cap_roll(cpu, now);
	keep_pace(cpu, now);
}
