/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ladder of proofs, cheapest and most robust first: what holds for any phases is tried before what
 * rests on them. The orderings are replayed in the order in which they keep most sets; a search for a
 * table is the last and dearest.
 */
#include "admit/prove.h"

#include "admit/feasible.h"
#include "util/cleanup.h"

const char *const qos_proof_names[] = {"none", "sporadic", "bundle", "table", NULL};

uint64_t qos_prove_lcm(uint64_t a, uint64_t b)
{
	unsigned __int128 product;
	uint64_t x = a, y = b;

	while (y) {
		uint64_t rest = x % y;

		x = y;
		y = rest;
	}
	product = (unsigned __int128)(a / x) * b;
	return product >> 63 ? 0 : (uint64_t)product;
}

/* Requests in a window, and how many of them must be served. */
static uint64_t requests_of(const struct qos_sim_task *task)
{
	return task->y ? task->y : 1;
}

static uint64_t owed_of(const struct qos_sim_task *task)
{
	return task->y ? task->y - task->x : 1;
}

static bool fits_rounded(const struct qos_sim_task *tasks, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += qos_feasible_ppb(owed_of(&tasks[i]) * tasks[i].cost,
					requests_of(&tasks[i]) * tasks[i].period);
	return sum <= 1000000000;
}

bool qos_prove_fits(const struct qos_sim_task *tasks, size_t n)
{
	unsigned __int128 sum = 0;
	uint64_t whole = 1;

	for (size_t i = 0; i < n && whole; i++)
		whole = qos_prove_lcm(whole, tasks[i].period * requests_of(&tasks[i]));
	if (!whole)
		return fits_rounded(tasks, n);
	for (size_t i = 0; i < n; i++)
		sum += (unsigned __int128)owed_of(&tasks[i]) * tasks[i].cost *
		       (whole / (tasks[i].period * requests_of(&tasks[i])));
	return sum <= whole;
}

enum qos_proof qos_prove(const struct qos_sim_task *tasks, size_t n,
			 const struct qos_prove_params *params, struct qos_must *must,
			 uint64_t *budgets, enum dwcs_ordering *ret_ordering)
{
	static const enum dwcs_ordering orderings[] = {DWCS_FIN, DWCS_FIN_GUARD, DWCS_DWCS_SKIP,
						       DWCS_VDS_SKIP};

	*ret_ordering = DWCS_FIN;
	if (!qos_prove_fits(tasks, n))
		return QOS_PROOF_NONE;
	if (qos_prove_sporadic(tasks, n, params, must))
		return QOS_PROOF_SPORADIC;
	if (qos_prove_bundle(tasks, n, params, must, budgets))
		return QOS_PROOF_BUNDLE;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(orderings); i++) {
		if (!qos_prove_table(tasks, n, orderings[i], params, must))
			continue;
		*ret_ordering = orderings[i];
		return QOS_PROOF_TABLE;
	}
	return qos_prove_search(tasks, n, params, must) ? QOS_PROOF_TABLE : QOS_PROOF_NONE;
}
