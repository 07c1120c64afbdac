/* SPDX-License-Identifier: GPL-2.0-only */
/* What the proofs have in common: their names, and the utilisation that none of them can do with. */
#include "admit/prove.h"

#include "admit/feasible.h"

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

static bool fits_rounded(const struct qos_sim_task *tasks, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += qos_feasible_ppb((uint64_t)qos_prove_owed(&tasks[i]) * tasks[i].cost,
					qos_prove_window(&tasks[i]) * tasks[i].period);
	return sum <= 1000000000;
}

bool qos_prove_fits(const struct qos_sim_task *tasks, size_t n)
{
	unsigned __int128 sum = 0;
	uint64_t whole = 1;

	for (size_t i = 0; i < n && whole; i++)
		whole = qos_prove_lcm(whole, tasks[i].period * qos_prove_window(&tasks[i]));
	if (!whole)
		return fits_rounded(tasks, n);
	for (size_t i = 0; i < n; i++)
		sum += (unsigned __int128)qos_prove_owed(&tasks[i]) * tasks[i].cost *
		       (whole / (tasks[i].period * qos_prove_window(&tasks[i])));
	return sum <= whole;
}
