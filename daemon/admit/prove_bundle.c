/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * T2, bundles. The streams of one T and one phase are released together; bundles are sporadic against
 * each other. In each period those members are mandatory that still owe (m' > 0), in the order of
 * k'/m' ascending (ties: larger C), as long as the sum of their C stays within a budget; one that does
 * not fit is passed over. The choice uses counters, which count as if exactly the mandatory ones were
 * served, and no time: so early completion cannot change it, and after lcm(y) periods it begins anew.
 * With W(n) = largest load of n periods in a row, taken cyclically, the demand of a bundle in any
 * interval of length t is at most W(floor((t - D)/T) + 1), D the least deadline in it (generalised
 * multiframe: Baruah, Chen, Gorinsky, Mok: Real-Time Systems 17, 1999), and EDF misses nothing if the
 * sum over bundles, and the blocking, is at most t for all t.
 *
 * The budget is lowered step by step, to just below the largest load that was needed, until a window
 * would break. Weakness: there may be a lower one beyond.
 */
#include <string.h>

#include "admit/prove_demand.h"
#include "util/cleanup.h"

#define CYCLE_MAX 4096U /* periods; W is quadratic in it */

struct bundle {
	const struct qos_sim_task *tasks; /* all of the set */
	size_t members[QOS_PROVE_BUNDLE_MAX];
	size_t n;
	uint64_t deadline;
	uint64_t budget;
	uint32_t cycle;	  /* periods */
	uint16_t *chosen; /* bits of members, for each period */
	uint64_t *most;	  /* most[k]: W(k + 1), k < cycle */
};

struct state {
	uint32_t k, m;
};

static const struct qos_sim_task *member(const struct bundle *bundle, size_t i)
{
	return &bundle->tasks[bundle->members[i]];
}

static struct state fresh(const struct qos_sim_task *task)
{
	return task->y ? (struct state){task->y, task->y - task->x} : (struct state){1, 1};
}

/* Does member a go before b? */
static bool goes_before(const struct bundle *bundle, const struct state *state, size_t a, size_t b)
{
	uint64_t left = (uint64_t)state[a].k * state[b].m;
	uint64_t right = (uint64_t)state[b].k * state[a].m;

	if (left != right)
		return left < right;
	if (member(bundle, a)->cost != member(bundle, b)->cost)
		return member(bundle, a)->cost > member(bundle, b)->cost;
	return a < b;
}

/* The members of one period, as bits; *ret_load: their work. */
static uint16_t choose(const struct bundle *bundle, const struct state *state, uint64_t budget,
		       uint64_t *ret_load)
{
	uint16_t chosen = 0, seen = 0;
	uint64_t load = 0;

	for (;;) {
		size_t best = bundle->n;

		for (size_t i = 0; i < bundle->n; i++) {
			if (state[i].m && !(seen & 1U << i) &&
			    (best == bundle->n || goes_before(bundle, state, i, best)))
				best = i;
		}
		if (best == bundle->n)
			break;
		seen |= (uint16_t)(1U << best);
		if (load + member(bundle, best)->cost > budget)
			continue;
		load += member(bundle, best)->cost;
		chosen |= (uint16_t)(1U << best);
	}
	*ret_load = load;
	return chosen;
}

/* The period is over. False: a window broke. */
static bool count(const struct bundle *bundle, struct state *state, uint16_t chosen)
{
	for (size_t i = 0; i < bundle->n; i++) {
		state[i].m -= chosen >> i & 1;
		if (--state[i].k)
			continue;
		if (state[i].m)
			return false;
		state[i] = fresh(member(bundle, i));
	}
	return true;
}

/* One cycle under a budget: who is chosen, and the loads. *ret_most: the largest. */
static bool replay(const struct bundle *bundle, uint64_t budget, uint16_t *chosen, uint64_t *loads,
		   uint64_t *ret_most)
{
	struct state state[QOS_PROVE_BUNDLE_MAX];

	*ret_most = 0;
	for (size_t i = 0; i < bundle->n; i++)
		state[i] = fresh(member(bundle, i));
	for (uint32_t p = 0; p < bundle->cycle; p++) {
		chosen[p] = choose(bundle, state, budget, &loads[p]);
		if (loads[p] > *ret_most)
			*ret_most = loads[p];
		if (!count(bundle, state, chosen[p]))
			return false;
	}
	return true;
}

static void largest_loads(struct bundle *bundle, const uint64_t *loads)
{
	for (uint32_t start = 0; start < bundle->cycle; start++) {
		uint64_t sum = 0;

		for (uint32_t k = 0; k < bundle->cycle; k++) {
			sum += loads[(start + k) % bundle->cycle];
			if (sum > bundle->most[k])
				bundle->most[k] = sum;
		}
	}
}

/* Finds the budget, the choices and the loads. */
static bool plan(struct bundle *bundle)
{
	_cleanup_free_ uint64_t *loads = calloc(bundle->cycle, sizeof(*loads));
	_cleanup_free_ uint64_t *best = calloc(bundle->cycle, sizeof(*best));
	_cleanup_free_ uint16_t *chosen = calloc(bundle->cycle, sizeof(*chosen));
	uint64_t budget = UINT64_MAX, most;

	bundle->chosen = calloc(bundle->cycle, sizeof(*bundle->chosen));
	bundle->most = calloc(bundle->cycle, sizeof(*bundle->most));
	if (!loads || !best || !chosen || !bundle->chosen || !bundle->most)
		return false;
	while (replay(bundle, budget, chosen, loads, &most)) {
		memcpy(bundle->chosen, chosen, bundle->cycle * sizeof(*chosen));
		memcpy(best, loads, bundle->cycle * sizeof(*loads));
		bundle->budget = most;
		if (!most)
			break;
		budget = most - 1;
	}
	largest_loads(bundle, best);
	return true;
}

static uint64_t most_more(const void *data, uint64_t k)
{
	const struct bundle *bundle = data;
	uint64_t in = k % bundle->cycle;

	return bundle->most[in] - (in ? bundle->most[in - 1] : 0);
}

/* The first task and all later ones that are released with it, which are marked. False: too many. */
static bool gather(struct bundle *bundle, const struct qos_sim_task *tasks, size_t n, size_t first,
		   bool *taken)
{
	uint64_t cycle = 1;

	*bundle = (struct bundle){.tasks = tasks, .deadline = UINT64_MAX};
	for (size_t i = first; i < n; i++) {
		if (tasks[i].period != tasks[first].period || tasks[i].phase != tasks[first].phase)
			continue;
		if (bundle->n == QOS_PROVE_BUNDLE_MAX)
			return false;
		taken[i] = true;
		bundle->members[bundle->n++] = i;
		cycle = qos_prove_lcm(cycle, tasks[i].y ? tasks[i].y : 1);
		if (!cycle || cycle > CYCLE_MAX)
			return false;
		if (tasks[i].deadline < bundle->deadline)
			bundle->deadline = tasks[i].deadline;
	}
	bundle->cycle = (uint32_t)cycle;
	return true;
}

static void bundle_reset(struct bundle *bundle)
{
	free(bundle->chosen);
	free(bundle->most);
}

/* What the caller wants to know of one bundle. */
static bool tell(const struct bundle *bundle, struct qos_must *must, uint64_t *budgets)
{
	for (size_t i = 0; i < bundle->n; i++) {
		size_t task = bundle->members[i];

		if (budgets)
			budgets[task] = bundle->budget;
		if (!must)
			continue;
		if (qos_must_init(&must[task], 0, bundle->cycle) < 0)
			return false;
		for (uint32_t p = 0; p < bundle->cycle; p++) {
			if (bundle->chosen[p] >> i & 1)
				qos_must_set(&must[task], p);
		}
	}
	return true;
}

static size_t make_bundles(const struct qos_sim_task *tasks, size_t n, struct bundle *bundles,
			   bool *taken, struct qos_demand_source *sources)
{
	size_t n_bundles = 0;

	for (size_t i = 0; i < n; i++) {
		struct bundle *bundle = &bundles[n_bundles];

		if (taken[i])
			continue;
		if (!gather(bundle, tasks, n, i, taken))
			return 0;
		n_bundles++;
		if (!plan(bundle))
			return 0;
		sources[n_bundles - 1] = (struct qos_demand_source){
			.period = tasks[i].period,
			.deadline = bundle->deadline,
			.cycle = bundle->cycle,
			.most = most_more,
			.data = bundle,
		};
	}
	return n_bundles;
}

bool qos_prove_bundle(const struct qos_sim_task *tasks, size_t n,
		      const struct qos_prove_params *params, struct qos_must *must,
		      uint64_t *budgets)
{
	_cleanup_free_ struct qos_demand_source *sources = calloc(n + 1, sizeof(*sources));
	_cleanup_free_ struct bundle *bundles = calloc(n + 1, sizeof(*bundles));
	_cleanup_free_ bool *taken = calloc(n + 1, sizeof(*taken));
	size_t n_bundles;
	bool proven;

	if (!sources || !bundles || !taken || !qos_prove_fits(tasks, n))
		return false;
	n_bundles = make_bundles(tasks, n, bundles, taken, sources);
	proven = n_bundles &&
		 qos_prove_demand(sources, n_bundles, params->blocking, params->jobs_max);
	for (size_t b = 0; b < n; b++) {
		proven = proven && (b >= n_bundles || tell(&bundles[b], must, budgets));
		bundle_reset(&bundles[b]);
	}
	for (size_t i = 0; i < n && must && !proven; i++)
		qos_must_reset(&must[i]);
	return proven;
}
