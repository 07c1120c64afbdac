/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests that may say `proven`, for what the native manager runs.
 *
 * Model of all: sporadic jobs, at least T apart, each of at most C (dispatch and switch included),
 * due D <= T after its release, that do not suspend before they complete. All is preemptible but
 * for stretches of at most b.
 *
 * gfb: m identical CPUs of unit speed, work-conserving global EDF with migration at no further
 *   cost. Every job set of density sum <= m - (m-1) max is schedulable (Goossens, Funk, Baruah
 *   2003; by density for D < T: Bertogna, Cirinei, Lipari 2005). The cap is folded in by asking the
 *   same of CPUs of speed `cap` (all C grow by 1/cap), which is stricter. Blocking is the caller's:
 *   it adds b to each C, since a job that a non-preemptible stretch keeps off a CPU may be seen as
 *   using it itself.
 * edf: one CPU. For all t: h(t) + b <= cap * t, where h(t) is the work that is both released and
 *   due within t (Baruah, Rosier, Howell 1990). Only deadlines below a bound matter, and walking
 *   down from it most can be skipped (Zhang, Burns: QPA, IEEE ToC 58(9), 2009).
 * rta: one CPU, fixed priorities; the job is released together with everything that can delay it
 *   (Joseph, Pandya 1986; Audsley et al. 1993). Only that job must not suspend. Any other has C in
 *   each period, and if it sleeps within a request, or is late, it may take that at the end of one
 *   period and again at the start of the next, as a deferrable server does (Strosnider, Lehoczky,
 *   Sha: IEEE ToC 44(1), 1995): at most ceil((R + late)/T) C within R. `late` is T - C under
 *   SCHED_FIFO, where nothing but the budget of the period holds a task, and also if it misses its
 *   deadlines; D - C for the class above, whose jobs run only until their deadline, on whichever
 *   CPU (Bertogna, Cirinei 2007, rounded up), if it meets its deadlines. The caller checks that.
 *
 * Arithmetic is integer and rounded against the contract; products of ns and ppb are 128 bit wide.
 * The kernel's taking a CPU from real-time work (throttling, fair server) is in none of the tests:
 * judge.c checks that it cannot come to that.
 *
 * Weakness: Linux's SCHED_DEADLINE is global EDF only up to the time a push or pull takes (charge
 * it to the overhead). A job that sleeps in D state suspends, which no test here covers.
 */
#include "admit/feasible.h"

#include <errno.h>

#define PPB	  1000000000U
#define LOOKS_MAX 1000000U /* tasks looked at before a test gives up: a few milliseconds */

typedef unsigned __int128 u128;

static uint64_t div_up(u128 a, uint64_t b)
{
	u128 quotient = (a + b - 1) / b;

	return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient;
}

uint64_t qos_feasible_ppb(uint64_t a, uint64_t b)
{
	return div_up((u128)a * PPB, b);
}

bool qos_feasible_gfb(uint64_t sum_ppb, uint64_t max_ppb, unsigned int m, uint64_t cap_ppb)
{
	if (m == 0)
		return sum_ppb == 0;
	return max_ppb <= cap_ppb && (u128)sum_ppb + (u128)(m - 1) * max_ppb <= (u128)m * cap_ppb;
}

/* Work released and due within [0, t]. */
static u128 demand(const struct qos_sporadic *tasks, size_t n, uint64_t t)
{
	u128 sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (t >= tasks[i].d)
			sum += (u128)((t - tasks[i].d) / tasks[i].t + 1) * tasks[i].c;
	}
	return sum;
}

/* The latest absolute deadline before `t`, 0 if there is none. */
static uint64_t deadline_before(const struct qos_sporadic *tasks, size_t n, uint64_t t)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t d = tasks[i].d, last;

		if (d >= t)
			continue;
		last = d + (t - 1 - d) / tasks[i].t * tasks[i].t;
		if (last > latest)
			latest = last;
	}
	return latest;
}

/* From here on h(t) + b <= U t + sum U (T - D) + b <= cap t. false: there is no such bound. */
static bool demand_horizon(const struct qos_sporadic *tasks, size_t n, uint64_t blocking,
			   uint64_t cap_ppb, uint64_t *ret)
{
	u128 excess = (u128)blocking * PPB, util = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t u = qos_feasible_ppb(tasks[i].c, tasks[i].t);

		util += u;
		excess += (u128)u * (tasks[i].t - tasks[i].d);
	}
	if (util > cap_ppb || (util == cap_ppb && excess))
		return false;
	*ret = excess ? div_up(excess, (uint64_t)(cap_ppb - util)) : 0;
	return *ret < UINT64_MAX;
}

bool qos_feasible_edf(const struct qos_sporadic *tasks, size_t n, uint64_t blocking,
		      uint64_t cap_ppb)
{
	uint64_t t, looks = 0;

	if (n == 0)
		return true;
	if (!demand_horizon(tasks, n, blocking, cap_ppb, &t))
		return false;
	t = deadline_before(tasks, n, t);
	while (t) {
		u128 need = demand(tasks, n, t) + blocking;
		uint64_t enough;

		looks += n;
		if (need * PPB > (u128)t * cap_ppb || looks > LOOKS_MAX)
			return false;
		/* h grows with t, so no deadline in [enough, t] can fail: go on below. */
		enough = div_up(need * PPB, cap_ppb);
		t = deadline_before(tasks, n, enough < t ? enough : t);
	}
	return true;
}

/* The most of c each period that falls within r. */
static u128 within(const struct qos_sporadic *task, uint64_t c, uint64_t r)
{
	return (u128)div_up((u128)r + task->late, task->t) * c;
}

static u128 interference(const struct qos_sporadic *tasks, size_t n, size_t i, uint64_t r)
{
	u128 sum = 0;

	for (size_t k = 0; k < n; k++) {
		if (k != i && tasks[k].priority >= tasks[i].priority)
			sum += within(&tasks[k], tasks[k].c, r);
	}
	return sum + within(&tasks[i], tasks[i].others_c, r);
}

static u128 interference_above(const struct qos_sporadic *above, size_t n, uint64_t r)
{
	u128 sum = 0;

	for (size_t k = 0; k < n; k++)
		sum += within(&above[k], above[k].c, r);
	return sum;
}

int qos_feasible_rta(const struct qos_sporadic *tasks, size_t n, size_t i,
		     const struct qos_sporadic *above, size_t n_above, uint64_t blocking,
		     uint64_t *ret)
{
	uint64_t own = tasks[i].c - tasks[i].others_c, r = 0;
	u128 next = (u128)own + blocking + interference(tasks, n, i, 1) +
		    interference_above(above, n_above, 1);

	for (uint64_t looks = 0; looks <= LOOKS_MAX; looks += n + n_above) {
		if (next > tasks[i].d)
			return -ENOSPC;
		if (next == r) {
			*ret = r;
			return 0;
		}
		r = (uint64_t)next;
		next = (u128)own + blocking + interference(tasks, n, i, r) +
		       interference_above(above, n_above, r);
	}
	return -ENOSPC;
}

int qos_feasible_rta_bound(uint64_t fixed, uint64_t util_ppb, uint64_t deadline, uint64_t *ret)
{
	uint64_t r;

	if (util_ppb >= PPB)
		return -ENOSPC;
	r = div_up((u128)fixed * PPB, PPB - util_ppb);
	if (r > deadline)
		return -ENOSPC;
	*ret = r;
	return 0;
}

/* At the end of one period, in all of the next ones, and at the start of the last. What stands for
 * several may have several starts: of the last one all is counted. */
uint64_t qos_feasible_most(const struct qos_sporadic *task, uint64_t window)
{
	uint64_t first = task->t - task->late, last = 0;
	u128 most = task->c;

	if (window > first) {
		uint64_t rest = (window - first) % task->t;

		if (rest)
			last = task->others_c || rest > task->c ? task->c : rest;
		most += (u128)((window - first) / task->t) * task->c + last;
	}
	return most < window ? (uint64_t)most : window;
}
