/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of streams in slots, and the module's algorithm run over them slot by slot: settle what is due
 * as lost, release, pick, serve one slot, settle what has got all of C as served.
 */
#pragma once

#include <assert.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "dwcs.h"
#include "random.h"

#define SLOT_STREAMS 8

struct slot_stream {
	uint32_t period, deadline, cost, x, y, phase; /* phase < period */
};

struct slot_set {
	uint32_t n;
	struct slot_stream s[SLOT_STREAMS];
};

static const char *const slot_orderings[DWCS_ORDERINGS] = {
	"edf", "dwcs", "dwcs-skip", "dwcs-window", "vds", "vds-skip", "fin", "fin-guard",
};

static inline uint64_t gcd(uint64_t a, uint64_t b)
{
	return b ? gcd(b, a % b) : a;
}

static inline uint64_t lcm(uint64_t a, uint64_t b)
{
	return a / gcd(a, b) * b;
}

/* The time after which releases repeat. */
static inline uint64_t slot_cycle(const struct slot_set *set)
{
	uint64_t cycle = 1;

	for (uint32_t i = 0; i < set->n; i++)
		cycle = lcm(cycle, set->s[i].period);
	return cycle;
}

/* U: what the windows ask for at least; with `all`, every request: sum C/T. */
static inline double slot_load(const struct slot_set *set, bool all)
{
	double load = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		const struct slot_stream *s = &set->s[i];
		double share = all || !s->y ? 1 : (double)(s->y - s->x) / s->y;

		load += share * s->cost / s->period;
	}
	return load;
}

/* For whoever has to repeat a failure. */
static inline const char *slot_text(const struct slot_set *set)
{
	static char text[64 * SLOT_STREAMS];
	size_t used = 0;

	text[0] = 0;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct slot_stream *s = &set->s[i];
		int n = snprintf(text + used, sizeof(text) - used,
				 "(T %u, D %u, C %u, %u/%u, phase %u) ", s->period, s->deadline,
				 s->cost, s->x, s->y, s->phase);

		used += (size_t)n < sizeof(text) - used ? (size_t)n : 0;
	}
	return text;
}

/* --- the module's algorithm over a set --- */

struct slot_run {
	const struct slot_set *set;
	struct dwcs_queue queue;
	struct dwcs_stream stream[SLOT_STREAMS];
	struct dwcs_stream *room[DWCS_HEAPS][SLOT_STREAMS];
	uint64_t now;
	unsigned int broken; /* windows */
};

static inline void slot_begin(struct slot_run *run, const struct slot_set *set,
			      enum dwcs_ordering ordering)
{
	memset(run, 0, sizeof(*run));
	run->set = set;
	run->queue.ordering = ordering;
	for (int heap = 0; heap < DWCS_HEAPS; heap++)
		run->queue.slot[heap] = run->room[heap];
	for (uint32_t i = 0; i < set->n; i++) {
		const struct slot_stream *s = &set->s[i];

		run->stream[i] = (struct dwcs_stream){
			.period = s->period,
			.deadline = s->deadline,
			.cost = s->cost,
			.x = s->x,
			.y = s->y,
			.id = i,
		};
		assert(dwcs_check(&run->stream[i]) && s->phase < s->period);
		dwcs_reset(&run->stream[i]);
	}
}

static inline void slot_settle(struct slot_run *run, struct dwcs_stream *s, int served)
{
	run->broken += (dwcs_settle(&run->queue, s, served) & DWCS_WINDOW_BROKEN) != 0;
}

/* What is due is lost, what comes is released; bit i of `mandatory` is about stream i. */
static inline void slot_arrive_with(struct slot_run *run, unsigned int mandatory)
{
	struct dwcs_stream *s;

	while ((s = dwcs_next_due(&run->queue)) && s->due <= run->now)
		slot_settle(run, s, 0);
	for (uint32_t i = 0; i < run->set->n; i++) {
		const struct slot_stream *of = &run->set->s[i];

		if (run->now >= of->phase && (run->now - of->phase) % of->period == 0)
			dwcs_release(&run->queue, &run->stream[i], run->now, mandatory >> i & 1);
	}
}

static inline void slot_arrive(struct slot_run *run)
{
	slot_arrive_with(run, 0);
}

static inline void slot_serve(struct slot_run *run, struct dwcs_stream *s)
{
	if (s) {
		dwcs_serve(&run->queue, s, 1);
		if (s->left == 0)
			slot_settle(run, s, 1);
	}
	run->now++;
}

/* One slot; the choice, or NULL. */
static inline struct dwcs_stream *slot_step(struct slot_run *run)
{
	struct dwcs_stream *s;

	slot_arrive(run);
	s = dwcs_pick(&run->queue, run->now);
	slot_serve(run, s);
	return s;
}

/* --- does an ordering keep all windows for ever? --- */

struct slot_state {
	struct {
		uint32_t k, m;
		uint32_t left, in; /* one bit a heap */
	} s[SLOT_STREAMS];
};

/* All that the future depends on, but for the time in the cycle. */
static inline void slot_state(const struct slot_run *run, struct slot_state *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; i < run->set->n; i++) {
		const struct dwcs_stream *s = &run->stream[i];

		ret->s[i].k = s->k;
		ret->s[i].m = s->m;
		ret->s[i].left = dwcs_is_live(s) ? (uint32_t)s->left : 0;
		for (int heap = 0; heap < DWCS_HEAPS; heap++)
			ret->s[i].in |= (s->pos[heap] != 0) << heap;
	}
}

/* Until a window breaks, or the state is one that was there a number of cycles ago (Brent). */
static inline bool slot_keeps(const struct slot_set *set, enum dwcs_ordering ordering)
{
	uint64_t cycle = slot_cycle(set), rounds = 0, next = 1;
	struct slot_state then, now;
	struct slot_run run;

	slot_begin(&run, set, ordering);
	slot_state(&run, &then);
	while (!run.broken) {
		slot_step(&run);
		if (run.now % cycle)
			continue;
		slot_state(&run, &now);
		if (memcmp(&now, &then, sizeof(now)) == 0)
			return !run.broken;
		if (++rounds == next) {
			then = now;
			next *= 2;
		}
	}
	return false;
}
