/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How good the orderings and the tests of admission are: on random sets of streams in slots, by
 * utilisation, which share of the sets that can be kept at all (tests/harness/optimum.h) each one keeps,
 * or proves. The control is the optimum, and edf stands for a scheduler that knows no windows.
 *
 * A set: 2 to 6 streams, C of 1 to 6 slots, y <= 5, D = T, sum C/T > 1 >= U >= .5, so that all requests
 * cannot be served and the windows perhaps can. A third of the sets have equal periods, half of them are
 * released together. Periods come from one of two lists with a small common multiple (240, 252), else the
 * optimum is too dear.
 *
 * Bounds: nothing keeps a set that cannot be kept; nearly every set has an answer; fin is the best of the
 * orderings, and admission proves what it keeps, by search nearly all that can be kept. QOS_SEED in the environment sets another seed.
 */
#include <stdio.h>

#include "../harness/optimum.h"
#include "admit/prove.h"
#include "util/cleanup.h"

#define PER_BIN 2000
#define WORK	2000000

static const double bins[] = {.5, .6, .7, .8, .9, .95, 1 + 1e-9};
#define BINS (QOS_ARRAY_SIZE(bins) - 1)

/* --- the judges: the orderings, then the tests --- */

enum { T1 = DWCS_ORDERINGS, T2, T3, SEARCH, PROVEN, JUDGES };

static const char *name_of(int judge)
{
	static const char *const tests[] = {"t1", "t2", "t3", "search", "proven"};

	return judge < DWCS_ORDERINGS ? slot_orderings[judge] : tests[judge - DWCS_ORDERINGS];
}

static void tasks_of(const struct slot_set *set, struct qos_sim_task *tasks)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct slot_stream *s = &set->s[i];

		tasks[i] = (struct qos_sim_task){
			.period = s->period,
			.deadline = s->deadline,
			.cost = s->cost,
			.phase = s->phase,
			.x = s->x,
			.y = s->y,
		};
	}
}

/* T3 replays an ordering: here each of them; admission tries those that are worth it. */
static bool is_replayed(const struct qos_sim_task *tasks, size_t n,
			const struct qos_prove_params *params)
{
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++)
		if (qos_prove_table(tasks, n, ordering, params, NULL))
			return true;
	return false;
}

static bool is_proven(const struct slot_set *set, int judge)
{
	static const struct qos_prove_params params = {.jobs_max = QOS_PROVE_JOBS_MAX};
	struct qos_sim_task tasks[SLOT_STREAMS];

	tasks_of(set, tasks);
	switch (judge) {
	case T1:
		return qos_prove_sporadic(tasks, set->n, &params, NULL);
	case T2:
		return qos_prove_bundle(tasks, set->n, &params, NULL, NULL);
	case T3:
		return is_replayed(tasks, set->n, &params);
	default:
		return qos_prove_search(tasks, set->n, &params, NULL);
	}
}

static bool keeps(const struct slot_set *set, int judge)
{
	return judge < DWCS_ORDERINGS ? slot_keeps(set, judge) : is_proven(set, judge);
}

/* --- sets --- */

static void random_set(struct slot_set *set)
{
	static const uint8_t lists[2][12] = {
		{1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20},
		{2, 3, 4, 6, 7, 9, 12, 14, 18, 6, 12, 18},
	};
	const uint8_t *periods = lists[rnd(4) == 0];
	bool together = rnd(2), equal = rnd(3) == 0;
	uint32_t period = periods[rnd(12)];

	set->n = 2 + rnd(5);
	for (uint32_t i = 0; i < set->n; i++) {
		struct slot_stream *s = &set->s[i];

		s->period = s->deadline = equal ? period : periods[rnd(12)];
		s->cost = 1 + rnd(s->period < 6 ? s->period : 6);
		s->phase = together ? 0 : rnd(s->period);
		s->y = 1 + rnd(5);
		s->x = rnd(s->y);
	}
}

/* The bin of a set, or BINS if it is not to be looked at. */
static size_t bin_of(const struct slot_set *set)
{
	double u = slot_load(set, false);
	size_t bin = 0;

	if (u < bins[0] || u > bins[BINS] || slot_load(set, true) <= 1 + 1e-9)
		return BINS;
	while (u >= bins[bin + 1])
		bin++;
	return bin;
}

/* --- counting --- */

struct tally {
	unsigned int sets[BINS + 1], feasible[BINS + 1], unknown; /* the last: all */
	unsigned int kept[JUDGES][BINS + 1];
	unsigned int wrong;    /* kept, although nobody can */
	unsigned int fin_only; /* kept by fin, but not proven */
};

static void count(struct tally *tally, const struct slot_set *set, size_t bin)
{
	enum optimum optimum = optimum_of(set, WORK);
	bool kept[JUDGES];

	if (optimum == OPTIMUM_UNKNOWN) {
		tally->unknown++;
		return;
	}
	tally->sets[bin]++;
	tally->feasible[bin] += optimum == OPTIMUM_FEASIBLE;
	for (int judge = 0; judge < JUDGES; judge++) {
		kept[judge] = judge == PROVEN ? kept[T1] || kept[T2] || kept[T3] || kept[SEARCH]
					      : keeps(set, judge);
		tally->kept[judge][bin] += kept[judge];
		if (kept[judge] && optimum == OPTIMUM_INFEASIBLE) {
			fprintf(stderr, "%s keeps what cannot be kept: %s\n", name_of(judge),
				slot_text(set));
			tally->wrong++;
		}
	}
	tally->fin_only += kept[DWCS_FIN] && !kept[PROVEN];
}

static void add_up(struct tally *tally)
{
	for (size_t bin = 0; bin < BINS; bin++) {
		tally->sets[BINS] += tally->sets[bin];
		tally->feasible[BINS] += tally->feasible[bin];
		for (int judge = 0; judge < JUDGES; judge++)
			tally->kept[judge][BINS] += tally->kept[judge][bin];
	}
}

static void draw(struct tally *tally)
{
	struct slot_set set;

	for (size_t full = 0; full < BINS;) {
		size_t bin;

		random_set(&set);
		bin = bin_of(&set);
		if (bin == BINS || tally->sets[bin] == PER_BIN)
			continue;
		count(tally, &set, bin);
		full += tally->sets[bin] == PER_BIN;
	}
	add_up(tally);
}

/* --- the report --- */

static double percent(unsigned int part, unsigned int whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static void print_table(const struct tally *tally)
{
	printf("%-24s", "by U from");
	for (size_t bin = 0; bin < BINS; bin++)
		printf("%7.2f", bins[bin]);
	printf("%7s\n%-24s", "all", "feasible, % of the sets");
	for (size_t bin = 0; bin <= BINS; bin++)
		printf("%7.1f", percent(tally->feasible[bin], tally->sets[bin]));
	printf("\nkept, %% of the feasible:\n");
	for (int judge = 0; judge < JUDGES; judge++) {
		printf("%-24s", name_of(judge));
		for (size_t bin = 0; bin <= BINS; bin++)
			printf("%7.1f", percent(tally->kept[judge][bin], tally->feasible[bin]));
		printf("\n");
	}
	printf("%u sets, %u more without an answer\n", tally->sets[BINS], tally->unknown);
}

static void print_json(const struct tally *tally)
{
	printf("{\"bench\": \"orderings\", \"rows\": [");
	for (int judge = 0; judge < JUDGES; judge++)
		for (size_t bin = 0; bin < BINS; bin++)
			printf("%s{\"ordering\": \"%s\", \"u\": [%.4g, %.4g], \"sets\": %u, "
			       "\"feasible\": %u, \"kept\": %u}",
			       judge || bin ? ", " : "", name_of(judge), bins[bin], bins[bin + 1],
			       tally->sets[bin], tally->feasible[bin], tally->kept[judge][bin]);
	printf("], \"unknown\": %u}\n", tally->unknown);
}

static bool expect(bool good, const char *what)
{
	if (!good)
		fprintf(stderr, "MISSED: %s\n", what);
	return good;
}

static bool is_good(const struct tally *tally)
{
	unsigned int fin = tally->kept[DWCS_FIN][BINS];
	bool good = true, best = true;

	for (int ordering = 0; ordering < DWCS_FIN; ordering++)
		best &= fin >= tally->kept[ordering][BINS];
	good &= expect(tally->wrong == 0, "nothing keeps what cannot be kept");
	good &= expect(tally->unknown * 50 <= tally->sets[BINS], "at most 2 % without an answer");
	good &= expect(best, "fin keeps no less than any other");
	good &= expect(percent(fin, tally->feasible[BINS]) >= 90, "fin keeps 90 %");
	good &= expect(percent(tally->kept[SEARCH][BINS], tally->feasible[BINS]) >= 98,
		       "the search proves 98 %");
	good &= expect(tally->fin_only == 0, "what fin keeps is proven");
	return good;
}

int main(int argc, char **argv)
{
	static struct tally tally;

	random_seed();
	draw(&tally);
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		print_json(&tally);
	else
		print_table(&tally);
	return is_good(&tally) ? 0 : 1;
}
