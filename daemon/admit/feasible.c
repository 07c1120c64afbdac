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
 *   (Joseph, Pandya 1986; Audsley et al. 1993). The class above migrates: at the start of the
 *   interval a task of it may hold a job that ran late elsewhere, released up to D - C before; then
 *   at most ceil((R + D - C)/T) of its jobs take time from the interval (Bertogna, Cirinei 2007,
 *   rounded up), if that class meets its own deadlines. The caller checks that.
 *
 * Arithmetic is integer and rounded against the contract; products of ns and ppb are 128 bit wide.
 * Weakness: Linux's SCHED_DEADLINE is global EDF only up to the time a push or pull takes (charge
 * it to the overhead), and RT throttling can cut a FIFO task whose own period comes near
 * sched_rt_period_us. A job that sleeps in D state suspends, which no test here covers.
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

static u128 interference(const struct qos_sporadic *tasks, size_t n, size_t i, uint64_t r)
{
	u128 sum = 0;

	for (size_t k = 0; k < n; k++) {
		if (k != i && tasks[k].priority >= tasks[i].priority)
			sum += (u128)div_up(r, tasks[k].t) * tasks[k].c;
	}
	return sum;
}

static u128 interference_above(const struct qos_sporadic *above, size_t n, uint64_t r)
{
	u128 sum = 0;

	for (size_t k = 0; k < n; k++) {
		uint64_t late = above[k].d > above[k].c ? above[k].d - above[k].c : 0;

		sum += (u128)div_up((u128)r + late, above[k].t) * above[k].c;
	}
	return sum;
}

int qos_feasible_rta(const struct qos_sporadic *tasks, size_t n, size_t i,
		     const struct qos_sporadic *above, size_t n_above, uint64_t blocking,
		     uint64_t *ret)
{
	u128 next = (u128)tasks[i].c + blocking;
	uint64_t r = 0;

	for (uint64_t looks = 0; looks <= LOOKS_MAX; looks += n + n_above) {
		if (next > tasks[i].d)
			return -ENOSPC;
		if (next == r) {
			*ret = r;
			return 0;
		}
		r = (uint64_t)next;
		next = (u128)tasks[i].c + blocking + interference(tasks, n, i, r) +
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
