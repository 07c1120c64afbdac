/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * T3 by search, for sets that no replayed ordering keeps. Releases at phase + kT. A schedule is decided by
 * which requests it serves, since EDF serves them all if anything does (prove_table.c has the sources):
 * so the only choices are made at releases, accept or reject. The state there is, of each task, what
 * its window still owes and what its accepted request still needs; all else follows from the time and
 * repeats with H = lcm(T y).
 *
 * Depth first, accepting before rejecting. Of two states at the same release within H, one with no task
 * worse off is no worse. A state that is no worse than one on the way to it can go the same way on for
 * ever: the choices up to that one are the table's prefix, those since its cycle. A state that is no
 * better than one from which all ways ended ends as well.
 *
 * Exact where it ends, but it is exponential, so the work is capped and many tasks are not tried.
 */
#include <string.h>

#include "admit/prove.h"
#include "util/cleanup.h"

#define TASKS_MAX    16U
#define RELEASES_MAX 65536U
#define STATES_MAX   65536U
#define NONE	     UINT32_MAX

struct release {
	uint64_t time; /* in [0, H) */
	uint32_t task;
	uint32_t request; /* number within the window */
	uint32_t known;	  /* the state met here last, or NONE */
};

struct state {
	uint32_t release;
	uint32_t before; /* met at the same release */
	uint8_t tried;	 /* ways, of two */
	bool ended;	 /* all ways did; else it is on the way */
	uint32_t owed[TASKS_MAX];
	uint64_t rest[TASKS_MAX];
};

struct search {
	const struct qos_sim_task *tasks;
	size_t n;
	uint64_t whole; /* H */
	struct release *releases;
	uint32_t n_releases;
	struct state *states;
	uint32_t n_states, room;
	uint32_t *way; /* states, from the first */
	uint32_t depth;
	uint32_t back; /* where on the way the cycle starts */
	uint64_t work; /* left */
};

static int by_time(const void *a, const void *b)
{
	const struct release *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return (x->task > y->task) - (x->task < y->task);
}

/* Their number in H, or 0 if they are too many. */
static uint32_t count_releases(struct search *search)
{
	uint64_t n = 0;

	search->whole = 1;
	for (size_t i = 0; i < search->n; i++) {
		const struct qos_sim_task *task = &search->tasks[i];

		search->whole = qos_prove_lcm(search->whole,
					      task->period * (uint64_t)qos_prove_window(task));
		if (search->whole == 0 || task->phase >= task->period)
			return 0;
	}
	for (size_t i = 0; i < search->n; i++) {
		n += search->whole / search->tasks[i].period;
		if (n > RELEASES_MAX)
			return 0;
	}
	return (uint32_t)n;
}

static bool list_releases(struct search *search)
{
	uint32_t n = count_releases(search), at = 0;

	if (n == 0 || !(search->releases = calloc(n, sizeof(*search->releases))))
		return false;
	for (uint32_t i = 0; i < search->n; i++) {
		const struct qos_sim_task *task = &search->tasks[i];

		for (uint64_t k = 0; k < search->whole / task->period; k++)
			search->releases[at++] = (struct release){
				.time = task->phase + k * task->period,
				.task = i,
				.request = (uint32_t)(k % qos_prove_window(task)),
				.known = NONE,
			};
	}
	qsort(search->releases, n, sizeof(*search->releases), by_time);
	search->n_releases = n;
	return true;
}

/* How long after a release the request that task i has then is due. */
static uint64_t time_left(const struct search *search, const struct release *at, size_t i)
{
	const struct qos_sim_task *task = &search->tasks[i];
	uint64_t since = (at->time % task->period + task->period - task->phase) % task->period;

	if (since == 0 && i > at->task) /* its next one comes right after */
		since = task->period;
	return task->deadline > since ? task->deadline - since : 0;
}

static size_t earliest(const struct search *search, const uint64_t *rest, const uint64_t *left)
{
	size_t best = search->n;

	for (size_t i = 0; i < search->n; i++)
		if (rest[i] && (best == search->n || left[i] < left[best]))
			best = i;
	return best;
}

/* Runs EDF for `span`. False: something accepted would be lost. */
static bool run(const struct search *search, struct state *state, const uint64_t *left,
		uint64_t span)
{
	uint64_t rest[TASKS_MAX], demand = 0;
	size_t i;

	memcpy(rest, state->rest, sizeof(rest));
	while ((i = earliest(search, rest, left)) < search->n) {
		uint64_t now = demand < span ? span - demand : 0;

		demand += rest[i];
		if (demand > left[i])
			return false;
		state->rest[i] -= rest[i] < now ? rest[i] : now;
		rest[i] = 0;
	}
	return true;
}

/* The state at the next release, if the request at this one is accepted or not. False: a window broke,
 * or something accepted would be lost. */
static bool choose(const struct search *search, const struct state *from, bool accept,
		   struct state *ret)
{
	const struct release *at = &search->releases[from->release];
	const struct qos_sim_task *task = &search->tasks[at->task];
	uint32_t next = (from->release + 1) % search->n_releases;
	uint64_t left[TASKS_MAX], wrap = next ? 0 : search->whole;
	uint32_t owed = at->request ? from->owed[at->task] : qos_prove_owed(task);

	if ((accept && owed == 0) || owed - accept > qos_prove_window(task) - at->request - 1)
		return false;
	*ret = *from;
	ret->release = next;
	ret->before = NONE;
	ret->tried = 0;
	ret->owed[at->task] = owed - accept;
	ret->rest[at->task] = accept ? task->cost : 0;
	for (size_t i = 0; i < search->n; i++)
		left[i] = time_left(search, at, i);
	return run(search, ret, left, search->releases[next].time + wrap - at->time);
}

static bool no_worse(const struct search *search, const struct state *a, const struct state *b)
{
	for (size_t i = 0; i < search->n; i++)
		if (a->owed[i] > b->owed[i] || a->rest[i] > b->rest[i])
			return false;
	return true;
}

enum verdict { GO_ON, ENDS, REPEATS, GIVE_UP };

static uint32_t depth_of(const struct search *search, uint32_t state)
{
	uint32_t depth = search->depth;

	while (search->way[--depth] != state)
		;
	return depth;
}

/* What the states that were met at the same release say of a new one. */
static enum verdict recall(struct search *search, const struct state *state)
{
	const struct state *known;

	for (uint32_t i = search->releases[state->release].known; i != NONE; i = known->before) {
		known = &search->states[i];
		if (search->work == 0)
			return GIVE_UP;
		search->work--;
		if (known->ended && no_worse(search, known, state))
			return ENDS;
		if (known->ended || !no_worse(search, state, known))
			continue;
		search->back = depth_of(search, i);
		return REPEATS;
	}
	return GO_ON;
}

static bool make_room(struct search *search)
{
	uint32_t room = search->room ? 2 * search->room : 256;
	struct state *states;
	uint32_t *way;

	if (search->n_states < search->room)
		return true;
	if (room > STATES_MAX)
		return false;
	states = realloc(search->states, room * sizeof(*states));
	if (!states)
		return false;
	search->states = states;
	way = realloc(search->way, room * sizeof(*way));
	if (!way)
		return false;
	search->way = way;
	search->room = room;
	return true;
}

static enum verdict enter(struct search *search, const struct state *state)
{
	struct release *at = &search->releases[state->release];

	if (!make_room(search))
		return GIVE_UP;
	search->states[search->n_states] = *state;
	search->states[search->n_states].before = at->known;
	at->known = search->n_states;
	search->way[search->depth++] = search->n_states++;
	return GO_ON;
}

/* One step on, or one back. */
static enum verdict step(struct search *search)
{
	struct state *state = &search->states[search->way[search->depth - 1]], next;
	enum verdict verdict;

	if (search->work == 0)
		return GIVE_UP;
	search->work--;
	if (state->tried == 2) {
		state->ended = true;
		return --search->depth ? GO_ON : ENDS;
	}
	if (!choose(search, state, state->tried++ == 0, &next))
		return GO_ON;
	verdict = recall(search, &next);
	if (verdict == ENDS)
		return GO_ON;
	return verdict == GO_ON ? enter(search, &next) : verdict;
}

static bool find(struct search *search)
{
	const struct state first = {};
	enum verdict verdict = enter(search, &first);

	while (verdict == GO_ON)
		verdict = step(search);
	return verdict == REPEATS;
}

/* The way's releases of task i before `end`. */
static uint32_t released(const struct search *search, size_t i, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < end; k++)
		n += search->releases[k % search->n_releases].task == i;
	return n;
}

static bool make_table(const struct search *search, uint32_t i, struct qos_must *must)
{
	uint32_t prefix = released(search, i, search->back), request = 0;
	uint32_t all = released(search, i, search->depth);

	if (all > QOS_PROVE_BITS_MAX || qos_must_init(must, prefix, all - prefix) < 0)
		return false;
	for (uint32_t k = 0; k < search->depth; k++) {
		if (search->releases[k % search->n_releases].task != i)
			continue;
		if (search->states[search->way[k]].tried == 1)
			qos_must_set(must, request);
		request++;
	}
	return true;
}

static bool make_tables(const struct search *search, struct qos_must *must)
{
	for (uint32_t i = 0; i < search->n; i++) {
		if (make_table(search, i, &must[i]))
			continue;
		while (i-- > 0)
			qos_must_reset(&must[i]);
		return false;
	}
	return true;
}

bool qos_prove_search(const struct qos_sim_task *tasks, size_t n,
		      const struct qos_prove_params *params, struct qos_must *must)
{
	struct search search = {.tasks = tasks, .n = n, .work = params->jobs_max};
	bool proven;

	if (n == 0 || n > TASKS_MAX)
		return false;
	proven = list_releases(&search) && find(&search) && (!must || make_tables(&search, must));
	free(search.releases);
	free(search.states);
	free(search.way);
	return proven;
}
