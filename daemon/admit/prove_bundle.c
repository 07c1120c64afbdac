/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * T2, bundles. The streams of one T and one phase are released together; bundles are sporadic against
 * each other. In each period those members are mandatory that kmod/dwcs_bundle.h takes within a budget.
 * That uses counters, which count as if exactly the mandatory ones were served, and no time: so early
 * completion cannot change it, and after lcm(y) periods it begins anew.
 * With W(n) = largest load of n periods in a row, taken cyclically, the demand of a bundle in any
 * interval of length t is at most W(floor((t - D)/T) + 1), D the least deadline in it (generalised
 * multiframe: Baruah, Chen, Gorinsky, Mok: Real-Time Systems 17, 1999), and EDF misses nothing if the
 * sum over bundles, and the blocking, is at most t for all t. A stream that is alone in its bundle has the
 * pattern of T1, whose W(n) = ceil(nm/y) C no other choice can beat.
 *
 * The budget is the end of a bisection between 0 and the largest load: with it all windows are kept, with
 * any less one breaks. Each step is a replay; those of a whole set are bounded by LOOKS_MAX, and a
 * bisection that it cuts short ends with the budget that was reached. Weakness: there may be a lower one.
 */
#include <string.h>

#include "admit/prove_demand.h"
#include "util/cleanup.h"

#define LOOKS_MAX (1ULL << 27) /* at members, or 8 loads, of a whole set: about 0.3 s */

struct bundle {
	const struct qos_sim_task *tasks; /* all of the set */
	const uint64_t *weights;	  /* likewise; NULL: the costs */
	size_t members[QOS_PROVE_BUNDLE_MAX];
	size_t n;
	uint64_t deadline;
	uint64_t budget;
	uint32_t cycle;	  /* periods */
	uint16_t *chosen; /* bits of members, for each period */
	uint64_t *most;	  /* most[k]: W(k + 1), k < cycle */
};

static const struct qos_sim_task *member(const struct bundle *bundle, size_t i)
{
	return &bundle->tasks[bundle->members[i]];
}

static void begin(const struct bundle *bundle, struct dwcs_member *state,
		  struct dwcs_member **members)
{
	for (size_t i = 0; i < bundle->n; i++) {
		const struct qos_sim_task *task = member(bundle, i);

		state[i] = (struct dwcs_member){
			.cost = bundle->weights ? bundle->weights[bundle->members[i]] : task->cost,
			.x = task->x,
			.y = task->y};
		dwcs_member_reset(&state[i]);
		members[i] = &state[i];
	}
}

/* One cycle under a budget: who is chosen, and the loads. *ret_most: the most that counts for the
 * budget. */
static bool replay(const struct bundle *bundle, uint64_t budget, uint16_t *chosen, uint64_t *loads,
		   uint64_t *ret_most)
{
	struct dwcs_member state[QOS_PROVE_BUNDLE_MAX], *members[QOS_PROVE_BUNDLE_MAX];

	*ret_most = 0;
	begin(bundle, state, members);
	for (uint32_t p = 0; p < bundle->cycle; p++) {
		uint64_t counted = dwcs_bundle_choose(members, (__u32)bundle->n, budget);

		chosen[p] = 0;
		loads[p] = 0;
		for (size_t i = 0; i < bundle->n; i++) {
			chosen[p] |= (uint16_t)(state[i].takes << i);
			loads[p] += state[i].takes ? member(bundle, i)->cost : 0;
		}
		if (counted > *ret_most)
			*ret_most = counted;
		if (!dwcs_bundle_count(members, (__u32)bundle->n))
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

/* Of a stream that is alone, and needs no budget. The first k of a window are the densest k. */
static void replay_alone(struct bundle *bundle)
{
	const struct qos_sim_task *task = member(bundle, 0);
	uint64_t sum = 0;

	for (uint32_t p = 0; p < bundle->cycle; p++) {
		bundle->chosen[p] = !task->y || qos_prove_pattern(task->x, task->y, p);
		sum += bundle->chosen[p] ? task->cost : 0;
		bundle->most[p] = sum;
	}
}

/* The budget, and what comes of it. `most` of one that keeps all windows does so too, so it is more than
 * any that broke one. False: no memory, or too much work. */
static bool bisect(struct bundle *bundle, uint64_t *best, uint64_t looks)
{
	_cleanup_free_ uint64_t *loads = calloc(bundle->cycle, sizeof(*loads));
	_cleanup_free_ uint16_t *chosen = calloc(bundle->cycle, sizeof(*chosen));
	uint64_t price = bundle->cycle * bundle->n * bundle->n, steps = looks / price;
	uint64_t breaks = 0, budget = UINT64_MAX, most;

	if (!loads || !chosen || !steps)
		return false;
	for (; steps > 0 && budget > breaks; steps--) {
		if (replay(bundle, budget, chosen, loads, &most)) {
			memcpy(bundle->chosen, chosen, bundle->cycle * sizeof(*chosen));
			memcpy(best, loads, bundle->cycle * sizeof(*loads));
			bundle->budget = most;
		} else {
			breaks = budget;
		}
		budget = breaks + (bundle->budget - breaks) / 2;
	}
	return true;
}

/* Finds the budget, the choices and the loads. False: no memory, or too much work. */
static bool plan(struct bundle *bundle, uint64_t looks)
{
	_cleanup_free_ uint64_t *loads = calloc(bundle->cycle, sizeof(*loads));
	uint64_t sums = (uint64_t)bundle->cycle * bundle->cycle / 8;

	bundle->chosen = calloc(bundle->cycle, sizeof(*bundle->chosen));
	bundle->most = calloc(bundle->cycle, sizeof(*bundle->most));
	if (!loads || !bundle->chosen || !bundle->most)
		return false;
	if (bundle->n == 1) {
		replay_alone(bundle);
		return true;
	}
	if (sums > looks || !bisect(bundle, loads, looks - sums))
		return false;
	largest_loads(bundle, loads);
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
		cycle = qos_prove_lcm(cycle, qos_prove_window(&tasks[i]));
		if (!cycle || cycle > DWCS_BUNDLE_CYCLE_MAX)
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

/* 0: a bundle has too many members, or too long a cycle. */
static size_t make_bundles(const struct qos_sim_task *tasks, size_t n, const uint64_t *weights,
			   struct bundle *bundles, bool *taken)
{
	size_t n_bundles = 0;

	for (size_t i = 0; i < n; i++) {
		if (taken[i])
			continue;
		if (!gather(&bundles[n_bundles], tasks, n, i, taken))
			return 0;
		bundles[n_bundles++].weights = weights;
	}
	return n_bundles;
}

static bool plan_all(struct bundle *bundles, size_t n, struct qos_demand_source *sources)
{
	for (size_t b = 0; b < n; b++) {
		if (!plan(&bundles[b], LOOKS_MAX / n))
			return false;
		sources[b] = (struct qos_demand_source){
			.period = member(&bundles[b], 0)->period,
			.deadline = bundles[b].deadline,
			.cycle = bundles[b].cycle,
			.most = most_more,
			.data = &bundles[b],
		};
	}
	return true;
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
	n_bundles = make_bundles(tasks, n, params->weights, bundles, taken);
	proven = n_bundles && plan_all(bundles, n_bundles, sources) &&
		 qos_prove_demand(sources, n_bundles, params->blocking, params->jobs_max);
	for (size_t b = 0; b < n; b++) {
		proven = proven && (b >= n_bundles || tell(&bundles[b], must, budgets));
		bundle_reset(&bundles[b]);
	}
	for (size_t i = 0; i < n && must && !proven; i++)
		qos_must_reset(&must[i]);
	return proven;
}
