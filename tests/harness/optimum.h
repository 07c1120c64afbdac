/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exact optimum of a set in slots: is there any schedule, clairvoyant and preemptive at slots, on
 * one CPU, that keeps all windows for ever? Knows nothing of dwcs.h.
 *
 * A schedule is decided by which requests it serves: EDF serves them all if anything does, and service
 * of others is wasted. So the only choices are made at releases, accept or reject, and the state there
 * is, of each stream, m' (what must still be served of its window, accepted ones taken off) and r (what
 * the accepted request still needs). k' follows from the time. Rejecting is allowed while x' > 0,
 * accepting where EDF then still keeps what was accepted.
 *
 * All that follows from the time repeats with H = lcm(T_i y_i). Depth first over the releases, which
 * are numbered within H; at the same number a state with no m' and no r larger is never worse. So a
 * state that is no worse than one on the way to it can go on for ever: feasible. One that is no better
 * than one from which all ways ended is bad too.
 *
 * Any T is taken, but H must be within the cap on the work, or the answer is "unknown": draw periods
 * from lists whose members have a small common multiple.
 */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "slots.h"

enum optimum { OPTIMUM_INFEASIBLE, OPTIMUM_FEASIBLE, OPTIMUM_UNKNOWN };

#define OPTIMUM_NONE UINT32_MAX

/* A release, and a state met at it. */
struct optimum_release {
	uint32_t time, stream;
	uint32_t request; /* number within the window */
	uint32_t states;  /* the last one met here, or OPTIMUM_NONE */
};

struct optimum_state {
	uint8_t m[SLOT_STREAMS], r[SLOT_STREAMS];
	uint32_t release; /* its number */
	uint32_t before;  /* met at the same release */
	uint8_t tried;	  /* choices, of two */
	bool is_bad;	  /* else it is on the way */
};

struct optimum_search {
	const struct slot_set *set;
	uint64_t cycle; /* H */
	uint32_t n_releases;
	struct optimum_release *releases;
	struct optimum_state *states;
	uint32_t n_states, states_max;
	uint64_t work, work_max;
	uint32_t *way; /* states, from the first */
	uint32_t depth;
};

static inline uint32_t optimum_window(const struct slot_stream *s)
{
	return s->y ? s->y : 1;
}

static inline uint32_t optimum_owed(const struct slot_stream *s)
{
	return s->y ? s->y - s->x : 1;
}

static inline int optimum_by_time(const void *a, const void *b)
{
	const struct optimum_release *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->stream > y->stream) - (x->stream < y->stream);
}

/* All releases in [0, H), by time. False: there are too many. */
static inline bool optimum_list(struct optimum_search *o)
{
	uint64_t n = 0;

	o->cycle = 1;
	for (uint32_t i = 0; i < o->set->n; i++) {
		const struct slot_stream *s = &o->set->s[i];

		o->cycle = lcm(o->cycle, (uint64_t)s->period * optimum_window(s));
		if (o->cycle > o->work_max)
			return false;
	}
	for (uint32_t i = 0; i < o->set->n; i++)
		n += o->cycle / o->set->s[i].period;
	if (n > o->work_max)
		return false;
	o->releases = calloc(n, sizeof(*o->releases));
	assert(o->releases);
	for (uint32_t i = 0; i < o->set->n; i++) {
		const struct slot_stream *s = &o->set->s[i];

		for (uint32_t k = 0; k < o->cycle / s->period; k++)
			o->releases[o->n_releases++] = (struct optimum_release){
				.time = s->phase + k * s->period,
				.stream = i,
				.request = k % optimum_window(s),
				.states = OPTIMUM_NONE,
			};
	}
	qsort(o->releases, o->n_releases, sizeof(*o->releases), optimum_by_time);
	return true;
}

/* When what stream i has pending now is due, from `time` on; its release was the last one. */
static inline uint32_t optimum_due(const struct slot_stream *s, uint32_t time, bool released_now)
{
	uint32_t since = (time + s->period - s->phase) % s->period;

	if (since == 0 && !released_now)
		since = s->period;
	return s->deadline - since;
}

/* The stream with pending work whose deadline is next, or set->n. */
static inline uint32_t optimum_edf(const struct slot_set *set, const uint8_t *r,
				   const uint32_t *due)
{
	uint32_t best = set->n;

	for (uint32_t i = 0; i < set->n; i++)
		if (r[i] && (best == set->n || due[i] < due[best]))
			best = i;
	return best;
}

/* EDF from one release to the next, `span` slots. False: something accepted cannot be kept. */
static inline bool optimum_advance(const struct slot_set *set, uint8_t *r, const uint32_t *due,
				   uint32_t span)
{
	uint8_t rest[SLOT_STREAMS];
	uint32_t demand = 0, i;

	memcpy(rest, r, sizeof(rest));
	while ((i = optimum_edf(set, rest, due)) < set->n) {
		demand += rest[i];
		rest[i] = 0;
		if (demand > due[i])
			return false;
	}
	while (span && (i = optimum_edf(set, r, due)) < set->n) {
		uint32_t got = r[i] < span ? r[i] : span;

		r[i] -= got;
		span -= got;
	}
	return true;
}

/* The state after a choice at a state's release; false: that choice breaks something. */
static inline bool optimum_choose(const struct optimum_search *o, const struct optimum_state *s,
				  bool accept, struct optimum_state *ret)
{
	const struct optimum_release *at = &o->releases[s->release], *next = at + 1;
	const struct slot_stream *of = &o->set->s[at->stream];
	uint32_t due[SLOT_STREAMS], span;

	*ret = (struct optimum_state){.release = s->release + 1};
	memcpy(ret->m, s->m, sizeof(ret->m));
	memcpy(ret->r, s->r, sizeof(ret->r));
	if (at->request == 0) {
		if (s->m[at->stream])
			return false;
		ret->m[at->stream] = optimum_owed(of);
	}
	if (accept) {
		if (ret->m[at->stream] == 0)
			return false;
		ret->m[at->stream]--;
		ret->r[at->stream] = of->cost;
	}
	if (ret->m[at->stream] > optimum_window(of) - at->request - 1)
		return false;
	span = ret->release == o->n_releases ? (uint32_t)o->cycle - at->time + o->releases[0].time
					     : next->time - at->time;
	ret->release %= o->n_releases;
	for (uint32_t i = 0; i < o->set->n; i++)
		due[i] = optimum_due(&o->set->s[i], at->time, i <= at->stream);
	return optimum_advance(o->set, ret->r, due, span);
}

/* Is a never worse than b? */
static inline bool optimum_is_no_worse(const struct optimum_search *o,
				       const struct optimum_state *a, const struct optimum_state *b)
{
	for (uint32_t i = 0; i < o->set->n; i++)
		if (a->m[i] > b->m[i] || a->r[i] > b->r[i])
			return false;
	return true;
}

/* What was learnt at this release says: feasible, infeasible, or nothing. */
static inline enum optimum optimum_recall(struct optimum_search *o, const struct optimum_state *s)
{
	const struct optimum_state *known;

	for (uint32_t i = o->releases[s->release].states; i != OPTIMUM_NONE; i = known->before) {
		known = &o->states[i];
		o->work++;
		if (!known->is_bad && optimum_is_no_worse(o, s, known))
			return OPTIMUM_FEASIBLE;
		if (known->is_bad && optimum_is_no_worse(o, known, s))
			return OPTIMUM_INFEASIBLE;
	}
	return OPTIMUM_UNKNOWN;
}

/* Goes on to a state. False: no room. */
static inline bool optimum_enter(struct optimum_search *o, const struct optimum_state *s)
{
	struct optimum_release *at = &o->releases[s->release];

	if (o->n_states == o->states_max)
		return false;
	o->states[o->n_states] = *s;
	o->states[o->n_states].before = at->states;
	at->states = o->n_states;
	o->way[o->depth++] = o->n_states++;
	return true;
}

static inline enum optimum optimum_explore(struct optimum_search *o)
{
	struct optimum_state first = {}, next;

	if (!optimum_enter(o, &first))
		return OPTIMUM_UNKNOWN;
	while (o->depth) {
		struct optimum_state *s = &o->states[o->way[o->depth - 1]];
		enum optimum known;

		if (o->work++ >= o->work_max)
			return OPTIMUM_UNKNOWN;
		if (s->tried == 2) {
			s->is_bad = true;
			o->depth--;
			continue;
		}
		if (!optimum_choose(o, s, s->tried++ == 0, &next))
			continue;
		known = optimum_recall(o, &next);
		if (known == OPTIMUM_FEASIBLE)
			return OPTIMUM_FEASIBLE;
		if (known == OPTIMUM_UNKNOWN && !optimum_enter(o, &next))
			return OPTIMUM_UNKNOWN;
	}
	return OPTIMUM_INFEASIBLE;
}

/* `work_max` bounds time and memory: about 10 ns and 32 bytes each. A million answers nearly all small
 * sets. */
static inline enum optimum optimum_of(const struct slot_set *set, uint32_t work_max)
{
	struct optimum_search o = {.set = set, .work_max = work_max, .states_max = work_max};
	enum optimum answer = OPTIMUM_UNKNOWN;

	if (slot_load(set, false) > 1 + 1e-9)
		return OPTIMUM_INFEASIBLE;
	if (optimum_list(&o)) {
		o.states = malloc(o.states_max * sizeof(*o.states));
		o.way = malloc(o.states_max * sizeof(*o.way));
		assert(o.states && o.way);
		answer = optimum_explore(&o);
	}
	free(o.way);
	free(o.states);
	free(o.releases);
	return answer;
}
