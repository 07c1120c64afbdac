/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * T1, sporadic windows. Releases of stream i at least T_i apart, at any phase. Request j of a window is
 * mandatory iff ceil(m(j+1)/y) - ceil(mj/y) = 1. Any n in a row hold at most ceil(nm/y) mandatory ones
 * (the pattern is a Sturmian word, and its densest n are the first n of a window), so the demand of
 * mandatory work in any interval of length t is at most
 *
 *     sum_i ceil((floor((t - D_i)/T_i) + 1) m_i/y_i) C_i
 *
 * and if that is at most t - B for all t, EDF on the mandatory requests misses none of them (Baruah,
 * Rosier, Howell: Real-Time Systems 2, 1990, for any set of jobs whose demand is bounded so). Each
 * window has m of them, so each is kept; windows that slide too. It suffices to look until lcm(T_i y_i),
 * since with U <= 1 the demand grows by at most that much in that much.
 *
 * Weakness: never accepts equal periods whose whole work exceeds them.
 */
#include "admit/prove_demand.h"
#include "util/cleanup.h"

static uint64_t most(const void *data, uint64_t k)
{
	const struct qos_sim_task *task = data;

	if (!task->y || qos_prove_pattern(task->x, task->y, (uint32_t)(k % task->y)))
		return task->cost;
	return 0;
}

static bool make_tables(const struct qos_sim_task *tasks, size_t n, struct qos_must *must)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t y = qos_prove_window(&tasks[i]);

		if (qos_must_init(&must[i], 0, y) < 0)
			return false;
		for (uint32_t j = 0; j < y; j++) {
			if (most(&tasks[i], j))
				qos_must_set(&must[i], j);
		}
	}
	return true;
}

bool qos_prove_sporadic(const struct qos_sim_task *tasks, size_t n,
			const struct qos_prove_params *params, struct qos_must *must)
{
	_cleanup_free_ struct qos_demand_source *sources = calloc(n + 1, sizeof(*sources));

	if (!sources || !qos_prove_fits(tasks, n))
		return false;
	for (size_t i = 0; i < n; i++)
		sources[i] = (struct qos_demand_source){
			.period = tasks[i].period,
			.deadline = tasks[i].deadline,
			.cycle = qos_prove_window(&tasks[i]),
			.most = most,
			.data = &tasks[i],
		};
	if (!qos_prove_demand(sources, n, params->blocking, params->jobs_max))
		return false;
	if (!must || make_tables(tasks, n, must))
		return true;
	for (size_t i = 0; i < n; i++)
		qos_must_reset(&must[i]);
	return false;
}
