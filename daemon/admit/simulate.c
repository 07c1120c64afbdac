/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The simulator: the queue of kmod/dwcs.h, a clock of releases beside it, and nothing else that decides.
 * Preemption is free here: whoever asks charges dispatch to C, and blocking and release jitter to D.
 * Where the algorithm sends a request to spare time, it runs only while the CPU is otherwise idle and
 * outside the band, as the module does.
 *
 * Repetition. At each release of task 0 all that decides about the future is compared with what it was
 * at an earlier one (Brent's cycle finding: one copy, taken anew at powers of two). Phases count in
 * it, so the hyperperiod need not be known; it may have more digits than a word.
 *
 * Weakness: a program that never skips gets no idle time for its backlog, which it may in the kernel.
 */
#include "admit/simulate.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

const char *const qos_ordering_names[] = {
	[DWCS_EDF] = "edf",
	[DWCS_DWCS] = "dwcs",
	[DWCS_DWCS_SKIP] = "dwcs-skip",
	[DWCS_WINDOW] = "dwcs-window",
	[DWCS_VDS] = "vds",
	[DWCS_VDS_SKIP] = "vds-skip",
	[DWCS_FIN] = "fin",
	[DWCS_FIN_GUARD] = "fin-guard",
	[DWCS_ORDERINGS] = NULL,
};

/* One task's state. */
struct actor {
	struct dwcs_stream stream;
	struct dwcs_stream clock; /* `due`: its next release */
	const struct qos_sim_task *task;
	uint64_t request; /* number of the next one */
	uint64_t work;	  /* left of what the request really needs */
	uint64_t got;	  /* service of all requests */
	uint64_t jobs;	  /* done, of a program that does not skip */
	bool mandatory;
};

/* What decides about an actor's future, times from now. */
struct memory {
	uint64_t next;
	uint64_t due;
	uint64_t left;
	uint64_t position; /* in its table */
	uint32_t k, m;
	uint8_t heaps; /* which it is in */
};

struct sim {
	const struct qos_sim_options *options;
	struct qos_sim_stats *stats;
	struct qos_sim_result *result;
	struct actor *actors;
	size_t n;
	struct dwcs_queue queue;
	struct dwcs_queue clock;
	uint64_t now;
	uint64_t requests;
	uint64_t random;
	const struct dwcs_stream *last; /* that was served, or is about to be */
	uint64_t change;		/* that is left to pass before */
	/* the cap */
	uint64_t interval; /* number of the present one */
	uint64_t band;	   /* in-band time in it */
	/* repetition */
	struct memory *memory;
	uint64_t memory_band;
	uint64_t memory_phase;
	uint64_t memory_ns;
	uint64_t steps; /* since it was taken */
	uint64_t power;
};

static uint64_t draw(struct sim *sim, uint64_t below)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return below ? (sim->random >> 11) % below : 0;
}

static struct actor *actor_of(const struct sim *sim, const struct dwcs_stream *stream)
{
	return &sim->actors[stream->id];
}

/* --- outcomes --- */

static void settle(struct sim *sim, struct actor *actor, bool served)
{
	struct qos_sim_stats *stats = &sim->stats[actor->stream.id];
	bool owed = actor->stream.m > 0;
	int window;

	window = dwcs_settle(&sim->queue, &actor->stream, served);
	stats->served += served;
	stats->lost += !served;
	stats->mandatory_lost += !served && actor->mandatory;
	stats->windows += !!(window & DWCS_WINDOW_ENDED);
	stats->violations += !!(window & DWCS_WINDOW_BROKEN);
	sim->result->violated |= window & DWCS_WINDOW_BROKEN || (!served && !actor->task->y);
	if (sim->options->ended)
		sim->options->ended(sim->options->data, actor->stream.id, actor->request - 1,
				    !served ? QOS_SIM_LOST
					    : (owed ? QOS_SIM_SERVED_OWED : QOS_SIM_SERVED));
}

static void complete(struct sim *sim, struct actor *actor)
{
	struct qos_sim_stats *stats = &sim->stats[actor->stream.id];
	uint64_t response = sim->now - actor->stream.release;

	stats->response_sum += response;
	if (response > stats->response_max)
		stats->response_max = response;
	settle(sim, actor, true);
}

static void lose_what_is_due(struct sim *sim)
{
	struct dwcs_stream *stream;

	while ((stream = dwcs_next_due(&sim->queue)) && stream->due <= sim->now)
		settle(sim, actor_of(sim, stream), false);
}

/* The program that does not skip: its jobs get, one after the other, what the requests get. */
static void account_backlog(struct sim *sim, struct actor *actor, uint64_t amount)
{
	struct qos_sim_stats *stats = &sim->stats[actor->stream.id];
	const struct qos_sim_task *task = actor->task;

	actor->got += amount;
	for (; actor->got >= (actor->jobs + 1) * task->cost; actor->jobs++) {
		uint64_t done = sim->now - (actor->got - (actor->jobs + 1) * task->cost);
		uint64_t due = task->phase + actor->jobs * task->period + task->deadline;

		stats->backlog_jobs++;
		if (done <= due)
			continue;
		stats->backlog_late++;
		if (done - due > stats->backlog_worst)
			stats->backlog_worst = done - due;
	}
}

/* --- releases --- */

static uint64_t actual_cost(struct sim *sim, const struct qos_sim_task *task)
{
	uint64_t least = task->cost * sim->options->early_percent / 100;

	if (!sim->options->early_percent)
		return task->needs ? task->needs : task->cost;
	if (!least)
		least = 1;
	return least + draw(sim, task->cost - least + 1);
}

static void release(struct sim *sim, struct actor *actor)
{
	struct qos_sim_stats *stats = &sim->stats[actor->stream.id];
	uint64_t late = sim->options->late_max ? draw(sim, sim->options->late_max + 1) : 0;

	actor->mandatory = qos_must_bit(&actor->task->must, actor->request);
	actor->work = actual_cost(sim, actor->task);
	dwcs_release(&sim->queue, &actor->stream, sim->now, actor->mandatory);
	stats->requests++;
	stats->mandatory += actor->mandatory;
	actor->request++;
	sim->requests++;
	dwcs_remove(&sim->clock, DWCS_DUE, &actor->clock);
	if (actor->request == actor->task->requests)
		return;
	actor->clock.due = sim->now + actor->task->period + late;
	dwcs_push(&sim->clock, DWCS_DUE, &actor->clock);
}

/* Was one of them task 0's? */
static bool release_all(struct sim *sim)
{
	struct dwcs_stream *clock;
	bool first = false;

	while ((clock = dwcs_next_due(&sim->clock)) && clock->due <= sim->now) {
		first |= clock->id == 0;
		release(sim, actor_of(sim, clock));
	}
	return first;
}

/* --- repetition --- */

static uint8_t heaps_of(const struct dwcs_stream *stream)
{
	uint8_t heaps = 0;

	for (int heap = 0; heap < DWCS_HEAPS; heap++)
		heaps |= (uint8_t)((stream->pos[heap] != 0) << heap);
	return heaps;
}

static struct memory remember(const struct sim *sim, const struct actor *actor)
{
	const struct qos_must *must = &actor->task->must;
	bool live = dwcs_is_live(&actor->stream);
	struct memory memory;

	memset(&memory, 0, sizeof(memory)); /* compared as bytes */
	memory.next = actor->clock.due - sim->now;
	memory.due = live ? actor->stream.due - sim->now : 0;
	memory.left = live ? actor->stream.left : 0;
	memory.k = actor->stream.k;
	memory.m = actor->stream.m;
	memory.heaps = heaps_of(&actor->stream);
	if (must->cycle)
		memory.position =
			actor->request < must->prefix
				? actor->request
				: must->prefix + (actor->request - must->prefix) % must->cycle;
	return memory;
}

static uint64_t cap_phase(const struct sim *sim)
{
	return sim->options->cap_interval ? sim->now % sim->options->cap_interval : 0;
}

static bool is_as_remembered(const struct sim *sim)
{
	if (sim->band != sim->memory_band || cap_phase(sim) != sim->memory_phase)
		return false;
	for (size_t i = 0; i < sim->n; i++) {
		struct memory now = remember(sim, &sim->actors[i]);

		if (memcmp(&now, &sim->memory[i], sizeof(now)) != 0)
			return false;
	}
	return true;
}

static void take_memory(struct sim *sim)
{
	for (size_t i = 0; i < sim->n; i++)
		sim->memory[i] = remember(sim, &sim->actors[i]);
	sim->memory_band = sim->band;
	sim->memory_phase = cap_phase(sim);
	sim->memory_ns = sim->now;
	sim->power = sim->power ? 2 * sim->power : 1;
	sim->steps = 0;
}

/* At a release of task 0: has all this been before? */
static bool repeats(struct sim *sim)
{
	if (sim->options->early_percent || sim->options->late_max)
		return false;
	if (sim->power && is_as_remembered(sim)) {
		sim->result->repeat_from = sim->memory_ns;
		sim->result->repeat_to = sim->now;
		return true;
	}
	if (sim->steps++ == sim->power)
		take_memory(sim);
	return false;
}

/* --- time --- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* In-band time that is left of this interval. */
static uint64_t cap_left(struct sim *sim)
{
	const struct qos_sim_options *options = sim->options;

	if (!options->cap)
		return UINT64_MAX;
	if (sim->now / options->cap_interval != sim->interval) {
		sim->interval = sim->now / options->cap_interval;
		sim->band = 0;
	}
	return options->cap > sim->band ? options->cap - sim->band : 0;
}

static uint64_t next_event(const struct sim *sim)
{
	const struct dwcs_stream *due = dwcs_next_due(&sim->queue);
	const struct dwcs_stream *clock = dwcs_next_due(&sim->clock);
	uint64_t next = clock ? clock->due : UINT64_MAX;

	if (due)
		next = least(next, due->due);
	if (sim->options->cap)
		next = least(next, (sim->interval + 1) * sim->options->cap_interval);
	if (sim->options->horizon)
		next = least(next, sim->options->horizon);
	return next;
}

/* Lets `actor` run until `to`, which is no later than its end. */
static void run(struct sim *sim, struct actor *actor, uint64_t to)
{
	uint64_t amount = to - sim->now;
	bool spare = actor->stream.pos[DWCS_SPARE];

	if (sim->options->ran)
		sim->options->ran(sim->options->data, actor->stream.id, sim->now, to, spare);
	dwcs_serve(&sim->queue, &actor->stream, amount);
	actor->work -= amount;
	sim->result->busy += amount;
	sim->now = to;
	if (!spare)
		sim->result->band += amount;
	if (!spare && sim->options->cap) {
		sim->band += amount;
		sim->result->capped += sim->band == sim->options->cap;
	}
	account_backlog(sim, actor, amount);
	if (!actor->work)
		complete(sim, actor);
}

/* The one to serve, if it may be. `left`: of the cap. */
static struct dwcs_stream *choose(struct sim *sim, uint64_t left)
{
	struct dwcs_stream *stream = dwcs_pick(&sim->queue, sim->now);

	if (!stream || (stream->pos[DWCS_SPARE] ? sim->options->no_spare : !left))
		stream = NULL;
	if (stream && stream != sim->last)
		sim->change = sim->options->change;
	sim->last = stream;
	return stream;
}

/* From one event to the next. */
static void step(struct sim *sim)
{
	uint64_t left = cap_left(sim), to = next_event(sim), change;
	struct dwcs_stream *stream = choose(sim, left);
	struct actor *actor;

	if (!stream) {
		sim->now = to;
		return;
	}
	if (sim->change) {
		change = least(sim->change, to - sim->now);
		sim->change -= change;
		sim->now += change;
		return;
	}
	actor = actor_of(sim, stream);
	to = least(to, sim->now + actor->work);
	if (!stream->pos[DWCS_SPARE] && left < to - sim->now)
		to = sim->now + left;
	run(sim, actor, to);
}

static int play(struct sim *sim)
{
	const struct qos_sim_options *options = sim->options;

	while (!options->horizon || sim->now < options->horizon) {
		lose_what_is_due(sim);
		if (!dwcs_next_due(&sim->queue) && !dwcs_next_due(&sim->clock))
			break;
		if (sim->result->violated && options->stop_at_violation)
			break;
		if (release_all(sim) && repeats(sim) && !options->horizon)
			break;
		if (sim->requests > options->requests_max)
			return QOS_SIM_E_BOUND;
		step(sim);
	}
	return 0;
}

/* --- making --- */

static int begin(struct sim *sim, const struct qos_sim_task *tasks)
{
	for (size_t i = 0; i < sim->n; i++) {
		struct actor *actor = &sim->actors[i];

		actor->task = &tasks[i];
		actor->stream = (struct dwcs_stream){
			.period = tasks[i].period,
			.deadline = tasks[i].deadline,
			.cost = tasks[i].cost,
			.x = tasks[i].x,
			.y = tasks[i].y,
			.id = (uint32_t)i,
		};
		if (!dwcs_check(&actor->stream))
			return -EINVAL;
		dwcs_reset(&actor->stream);
		actor->clock = (struct dwcs_stream){.due = tasks[i].phase, .id = (uint32_t)i};
		dwcs_push(&sim->clock, DWCS_DUE, &actor->clock);
	}
	return 0;
}

int qos_simulate(const struct qos_sim_task *tasks, size_t n, const struct qos_sim_options *options,
		 struct qos_sim_stats *stats, struct qos_sim_result *ret)
{
	_cleanup_free_ struct dwcs_stream **slots =
		calloc(n + 1, (DWCS_HEAPS + 1) * sizeof(*slots));
	_cleanup_free_ struct actor *actors = calloc(n + 1, sizeof(*actors));
	_cleanup_free_ struct memory *memory = calloc(n + 1, sizeof(*memory));
	struct sim sim = {.options = options,
			  .stats = stats,
			  .result = ret,
			  .actors = actors,
			  .n = n,
			  .memory = memory,
			  .random = options->seed * 2 + 0x9E3779B97F4A7C15ULL};
	int r;

	if (!slots || !actors || !memory)
		return -ENOMEM;
	memset(stats, 0, n * sizeof(*stats));
	*ret = (struct qos_sim_result){};
	if (!n)
		return 0;
	sim.queue.ordering = options->ordering;
	for (size_t heap = 0; heap < DWCS_HEAPS; heap++)
		sim.queue.slot[heap] = slots + heap * n;
	sim.clock.slot[DWCS_DUE] = slots + DWCS_HEAPS * n;
	r = begin(&sim, tasks);
	if (r >= 0)
		r = play(&sim);
	ret->end = sim.now;
	return r;
}
