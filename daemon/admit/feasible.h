/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sufficient schedulability tests for what the native manager runs. Pure; each test is named,
 * cited and its hypothesis stated at the head of feasible.c. A `true` is a proof for jobs that
 * use at most C; a `false` says nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sporadic task, ns. C <= D <= T, T > 0. C has overhead in it already. */
struct qos_sporadic {
	uint64_t c;
	uint64_t d;
	uint64_t t;
	uint32_t priority; /* fixed priority only: higher wins, equal ones delay each other */
	/* As interference under fixed priorities: its C may be taken up to this late in its period,
	 * and the next C at once. At most T - C. */
	uint64_t late;
	/* Fixed priorities, a task that stands for several: the part of C that is not the one job's
	 * that is asked about. */
	uint64_t others_c;
};

/* Global EDF on m identical CPUs: density form of the Goossens-Funk-Baruah bound (Goossens, Funk,
 * Baruah: Real-Time Systems 25, 2003; densities: Bertogna, Cirinei, Lipari, ECRTS 2005).
 * sum_ppb, max_ppb: densities C/min(D,T), parts per billion, rounded up. cap_ppb: a CPU's speed. */
bool qos_feasible_gfb(uint64_t sum_ppb, uint64_t max_ppb, unsigned int m, uint64_t cap_ppb);

/* EDF on one CPU: processor demand (Baruah, Rosier, Howell 1990) with blocking b and supply
 * cap_ppb. The demand of at most 10^6 (task, point) pairs is looked at; beyond: false. */
bool qos_feasible_edf(const struct qos_sporadic *tasks, size_t n, uint64_t blocking,
		      uint64_t cap_ppb);

/* Fixed priorities on one CPU: response-time analysis (Joseph, Pandya 1986; Audsley et al. 1993)
 * with blocking b; `above` are tasks of a higher class that may all run here (SCHED_DEADLINE).
 * 0 and *ret = the bound, at most tasks[i].d, or -ENOSPC if it is not met. */
int qos_feasible_rta(const struct qos_sporadic *tasks, size_t n, size_t i,
		     const struct qos_sporadic *above, size_t n_above, uint64_t blocking,
		     uint64_t *ret);

/* An upper bound of the same response time from two sums (Bini, Nguyen, Richard, Buttazzo: IEEE
 * ToC 58(2), 2009, simplified): `fixed` = own C + blocking + sum over interfering tasks of
 * C + U * late, util_ppb = their sum of U, rounded up.
 * 0 and *ret, at most `deadline`, or -ENOSPC. */
int qos_feasible_rta_bound(uint64_t fixed, uint64_t util_ppb, uint64_t deadline, uint64_t *ret);

/* The most that a task takes within any `window`, as interference under fixed priorities. */
uint64_t qos_feasible_most(const struct qos_sporadic *task, uint64_t window);

/* a / b in parts per billion, rounded up, UINT64_MAX if it does not fit. b > 0. */
uint64_t qos_feasible_ppb(uint64_t a, uint64_t b);
