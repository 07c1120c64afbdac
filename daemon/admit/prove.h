/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which sets of windows on one CPU can be kept for certain: tests with a proof, each at the head of its
 * file, and the mandatory requests that make it so. A `true` holds for all actual times up to C; a
 * `false` says nothing. Who climbs them is plan_windows.c. Pure. Charges (dispatch in C; release jitter, blocking in D) are the caller's.
 */
#pragma once

#include "admit/simulate.h"
#include "dwcs_bundle.h"

enum qos_proof {
	QOS_PROOF_NONE,
	QOS_PROOF_SPORADIC, /* T1: any phases, releases at least T apart */
	QOS_PROOF_BUNDLE, /* T2: streams of one bundle are released together, bundles at any phases */
	QOS_PROOF_TABLE, /* T3: releases at phase + kT */
};

extern const char *const qos_proof_names[]; /* none sporadic bundle table */

struct qos_prove_params {
	uint64_t blocking; /* T1, T2: added to the demand; T3 wants it taken off the deadlines */
	uint64_t jobs_max; /* work, in looked-at requests; beyond it nothing is proven */
	/* T2: what the budget counts of each task, if not its cost: the module knows what is granted, and
	 * more may be reserved. NULL: the costs. Borrowed. */
	const uint64_t *weights;
};

#define QOS_PROVE_JOBS_MAX   1000000ULL
#define QOS_PROVE_BITS_MAX   65536U /* of one table; the module takes no more */
#define QOS_PROVE_BUNDLE_MAX DWCS_BUNDLE_MAX

/* must[0..n-1]: zeroed before; tables of the mandatory requests where the answer is true (owned by the
 * caller, qos_must_reset). May be NULL: only the answer is wanted. Memory that is lacking is a `false`. */
bool qos_prove_sporadic(const struct qos_sim_task *tasks, size_t n,
			const struct qos_prove_params *params, struct qos_must *must);

/* A bundle are the tasks of one T and one phase, which means nothing else here; who is alone in one has
 * T1's pattern. budgets[i]: of the bundle that task i is in, 0 if it is alone; or NULL. */
bool qos_prove_bundle(const struct qos_sim_task *tasks, size_t n,
		      const struct qos_prove_params *params, struct qos_must *must,
		      uint64_t *budgets);

/* By replay of one ordering. */
bool qos_prove_table(const struct qos_sim_task *tasks, size_t n, enum dwcs_ordering ordering,
		     const struct qos_prove_params *params, struct qos_must *must);

/* By search for one: at most 16 tasks, phases < T. */
bool qos_prove_search(const struct qos_sim_task *tasks, size_t n,
		      const struct qos_prove_params *params, struct qos_must *must);

/* Requests in a window, and how many of them must be served. */
static inline uint32_t qos_prove_window(const struct qos_sim_task *task)
{
	return task->y ? task->y : 1;
}

static inline uint32_t qos_prove_owed(const struct qos_sim_task *task)
{
	return task->y ? task->y - task->x : 1;
}

/* Is request j (from 0) of a window mandatory by T1's pattern? Any n in a row hold at most ceil(nm/y)
 * such, the first n of a window exactly that. y > 0. */
static inline bool qos_prove_pattern(uint32_t x, uint32_t y, uint32_t j)
{
	uint64_t m = y - x;

	return (m * (j + 1) + y - 1) / y > (m * j + y - 1) / y;
}

/* Exact: is sum (1 - x/y) C/T at most 1? Where the numbers are too large for that, rounded up. */
bool qos_prove_fits(const struct qos_sim_task *tasks, size_t n);

/* The least common multiple, or 0 if it does not fit 63 bits. */
uint64_t qos_prove_lcm(uint64_t a, uint64_t b);
