/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The optimum that the bench of the orderings measures by, against brute force: every state that any
 * choice at any slot leads to, then those without a successor are taken away until none is left or the
 * rest can go on for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/optimum.h"
#include "util/cleanup.h"

#define SETS   3000
#define WORK   100000
#define STATES 400000

/* All that decides about the future before slot `time` of the cycle: of each stream, requests left of
 * its window, how many of them are owed, what the live request needs (0: none, or served). */
struct place {
	uint32_t time;
	uint8_t k[3], m[3], left[3];
};

struct node {
	struct place place;
	uint32_t to[4]; /* by what runs: nothing, or a stream */
	bool dead;
};

static struct node nodes[STATES];
static uint32_t n_nodes, table[2 * STATES];

/* The node of a place, made if there is none. STATES: too many. */
static uint32_t node_of(const struct place *place)
{
	uint64_t hash = place->time;
	uint32_t at;

	for (int i = 0; i < 3; i++)
		hash = hash * 1000003 + place->k[i] * 4096U + place->m[i] * 64U + place->left[i];
	for (at = (hash ^ hash >> 29) % (2 * STATES); table[at]; at = (at + 1) % (2 * STATES))
		if (memcmp(&nodes[table[at] - 1].place, place, sizeof(*place)) == 0)
			return table[at] - 1;
	if (n_nodes == STATES)
		return STATES;
	nodes[n_nodes] = (struct node){.place = *place};
	table[at] = ++n_nodes;
	return n_nodes - 1;
}

/* One slot in which stream `runs` runs (n: none); false: a window broke. */
static bool follow(const struct slot_set *set, struct place *p, uint32_t runs, uint32_t cycle)
{
	for (uint32_t i = 0; i < set->n; i++) {
		const struct slot_stream *s = &set->s[i];

		if (p->time % s->period == s->phase) {
			if (p->k[i] == 0) {
				p->k[i] = s->y;
				p->m[i] = s->y - s->x;
			}
			p->k[i]--;
			p->left[i] = s->cost;
		}
		if (runs == i && p->left[i] && --p->left[i] == 0 && p->m[i])
			p->m[i]--;
		if ((p->time + s->period - s->phase) % s->period == s->deadline - 1)
			p->left[i] = 0;
		if ((p->time + s->period - s->phase) % s->period == s->period - 1 && !p->k[i] &&
		    p->m[i])
			return false;
	}
	p->time = (p->time + 1) % cycle;
	return true;
}

/* -1: too many states. */
static int brute_force(const struct slot_set *set)
{
	struct place start = {};
	uint32_t cycle = (uint32_t)slot_cycle(set);
	bool changed = true;

	memset(table, 0, sizeof(table));
	n_nodes = 0;
	node_of(&start);
	for (uint32_t i = 0; i < n_nodes; i++) {
		for (uint32_t runs = 0; runs <= set->n; runs++) {
			struct place next = nodes[i].place;

			if (!follow(set, &next, runs, cycle)) {
				nodes[i].to[runs] = STATES;
				continue;
			}
			nodes[i].to[runs] = node_of(&next);
			if (nodes[i].to[runs] == STATES)
				return -1;
		}
	}
	while (changed) {
		changed = false;
		for (uint32_t i = n_nodes; i-- > 0;) {
			bool dead = true;

			for (uint32_t runs = 0; runs <= set->n; runs++)
				dead = dead && (nodes[i].to[runs] == STATES ||
						nodes[nodes[i].to[runs]].dead);
			changed |= dead && !nodes[i].dead;
			nodes[i].dead = dead;
		}
	}
	return !nodes[0].dead;
}

static void random_set(struct slot_set *set)
{
	set->n = 2 + rnd(2);
	for (uint32_t i = 0; i < set->n; i++) {
		struct slot_stream *s = &set->s[i];

		s->period = 1 + rnd(set->n == 2 ? 7 : 4);
		s->cost = 1 + rnd(s->period);
		s->deadline = rnd(3) ? s->period : s->cost + rnd(s->period - s->cost + 1);
		s->phase = rnd(s->period);
		s->y = 1 + rnd(set->n == 2 ? 4 : 3);
		s->x = rnd(s->y + (rnd(8) == 0));
	}
}

static void agrees_with_brute_force(void **state)
{
	unsigned int feasible = 0, infeasible = 0;

	while (feasible + infeasible < SETS) {
		struct slot_set set;
		int brute;

		random_set(&set);
		if (slot_load(&set, false) > 1 + 1e-9 || slot_load(&set, true) <= 1)
			continue;
		brute = brute_force(&set);
		if (brute < 0)
			continue;
		if ((int)optimum_of(&set, WORK) != brute)
			fail_msg("the optimum says %d, brute force %d: %s", optimum_of(&set, WORK),
				 brute, slot_text(&set));
		feasible += brute;
		infeasible += !brute;
	}
	print_message("%u feasible, %u infeasible\n", feasible, infeasible);
	assert_in_range(feasible, SETS / 10, SETS);
	assert_in_range(infeasible, SETS / 10, SETS);
}

#define S(T, C, X, Y, PHASE)                                                                       \
	{                                                                                          \
		.period = T, .deadline = T, .cost = C, .x = X, .y = Y, .phase = PHASE              \
	}

/* The study's vectors V1 to V10: only the first is infeasible. */
static void knows_the_vectors(void **state)
{
	static const struct slot_set sets[] = {
		{2, {S(6, 5, 3, 4, 0), S(2, 1, 0, 1, 0)}},
		{2, {S(8, 4, 0, 3, 0), S(6, 5, 3, 4, 0)}},
		{2, {S(3, 2, 1, 3, 1), S(2, 2, 2, 3, 0)}},
		{2, {S(2, 2, 1, 3, 0), S(3, 1, 0, 3, 0)}},
		{2, {S(3, 2, 1, 4, 0), S(8, 6, 2, 3, 0)}},
		{2, {S(2, 2, 1, 3, 0), S(3, 1, 0, 1, 2)}},
		{2, {S(6, 6, 3, 5, 3), S(6, 5, 2, 3, 5)}},
		{2, {S(5, 4, 3, 4, 0), S(2, 2, 1, 2, 0)}},
		{3, {S(4, 2, 0, 1, 0), S(2, 2, 4, 5, 0), S(5, 1, 0, 1, 0)}},
		{2, {S(2, 1, 1, 5, 0), S(2, 2, 4, 5, 0)}},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(sets); i++) {
		print_message("V%zu\n", i + 1);
		assert_int_equal(optimum_of(&sets[i], WORK),
				 i == 0 ? OPTIMUM_INFEASIBLE : OPTIMUM_FEASIBLE);
	}
}

/* V2 repeats after 24 slots; with less work there is no answer. Too much load needs none. */
static void is_capped(void **state)
{
	static const struct slot_set set = {2, {S(8, 4, 0, 3, 0), S(6, 5, 3, 4, 0)}};
	static const struct slot_set full = {2, {S(8, 4, 0, 3, 0), S(6, 5, 1, 4, 0)}};

	for (uint32_t work = 0; work < 24; work++)
		assert_int_equal(optimum_of(&set, work), OPTIMUM_UNKNOWN);
	assert_int_equal(optimum_of(&full, 0), OPTIMUM_INFEASIBLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_brute_force),
		cmocka_unit_test(knows_the_vectors),
		cmocka_unit_test(is_capped),
	};

	random_seed();
	print_message("QOS_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
