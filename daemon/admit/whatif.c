/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads go to CPUs by worst fit, the largest (1 - x/y) C/T first: what has few places left to go is
 * not kept for the end, and no CPU gets fuller than it must. Charges are those of a proof: dispatch
 * twice on C, blocking off D. The cap is the module's: a share of each second. The proof is the one that
 * admission would find for the same threads on that CPU (plan_windows.c), no other.
 *
 * Weakness: the first vector of phases has all of them 0, the others are drawn; the worst of some is
 * not the worst of all, which is what a proof is for.
 */
#include "admit/whatif.h"

#include <errno.h>
#include <string.h>

#include "admit/plan_windows.h"
#include "util/cleanup.h"

#define SECOND_NS 1000000000ULL

/* --- placing --- */

static size_t count_threads(const struct qos_contract *const *contracts, size_t n)
{
	size_t threads = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < contracts[i]->n_cpu; k++) {
			if (contracts[i]->cpu[k].manage == QOS_MANAGE_SCHEDULE)
				threads += contracts[i]->cpu[k].max_threads;
		}
	}
	return threads;
}

static struct qos_sim_task charged(const struct qos_cpu_stream *stream,
				   const struct qos_capacity *capacity)
{
	uint64_t deadline = stream->deadline_ns;

	return (struct qos_sim_task){
		.period = stream->period.ns,
		.deadline = deadline > capacity->blocking_ns ? deadline - capacity->blocking_ns : 0,
		.cost = stream->runtime_ns + 2 * capacity->overhead_ns,
		.x = stream->window.x,
		.y = stream->window.y,
	};
}

static uint64_t u_of(const struct qos_sim_task *task)
{
	uint64_t demand = qos_feasible_ppb(task->cost, task->period);

	return task->y ? demand * (task->y - task->x) / task->y : demand;
}

static void add_threads(const struct qos_contract *contract, const struct qos_capacity *capacity,
			struct qos_whatif *whatif)
{
	for (size_t k = 0; k < contract->n_cpu; k++) {
		const struct qos_cpu_stream *stream = &contract->cpu[k];

		if (stream->manage != QOS_MANAGE_SCHEDULE)
			continue;
		for (uint32_t i = 0; i < stream->max_threads; i++)
			whatif->threads[whatif->n_threads++] = (struct qos_whatif_thread){
				.contract = contract,
				.stream = k,
				.task = charged(stream, capacity),
			};
	}
}

static int by_size(const void *a, const void *b)
{
	const struct qos_whatif_thread *const *x = a, *const *y = b;
	uint64_t left = u_of(&(*x)->task), right = u_of(&(*y)->task);

	if (left != right)
		return left < right ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

static bool may_run_on(const struct qos_whatif_thread *thread, const struct qos_capacity *capacity,
		       unsigned int cpu)
{
	const struct qos_cpu_stream *stream = &thread->contract->cpu[thread->stream];
	bool isolated = qos_cpus_has(&capacity->isolated, cpu);

	switch (stream->where) {
	case QOS_WHERE_ANY:
		return !isolated;
	case QOS_WHERE_LIST:
		return qos_cpus_has(&stream->cpus, cpu);
	case QOS_WHERE_ISOLATED:
		return isolated;
	}
	return false;
}

static void place(struct qos_whatif_thread *thread, const struct qos_capacity *capacity,
		  struct qos_whatif *whatif)
{
	struct qos_whatif_cpu *best = NULL;

	for (size_t i = 0; i < whatif->n_cpus; i++) {
		struct qos_whatif_cpu *cpu = &whatif->cpus[i];

		if (may_run_on(thread, capacity, cpu->cpu) && (!best || cpu->u_ppb < best->u_ppb))
			best = cpu;
	}
	if (!best || best->u_ppb + u_of(&thread->task) > capacity->cap_ppb) {
		whatif->violated = true;
		return;
	}
	thread->placed = true;
	thread->cpu = best->cpu;
	best->threads++;
	best->u_ppb += u_of(&thread->task);
	best->demand_ppb += qos_feasible_ppb(thread->task.cost, thread->task.period);
}

static int place_all(const struct qos_capacity *capacity, struct qos_whatif *whatif)
{
	_cleanup_free_ struct qos_whatif_thread **order =
		calloc(whatif->n_threads + 1, sizeof(struct qos_whatif_thread *));

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < whatif->n_threads; i++)
		order[i] = &whatif->threads[i];
	qsort(order, whatif->n_threads, sizeof(*order), by_size);
	for (size_t i = 0; i < whatif->n_threads; i++)
		place(order[i], capacity, whatif);
	return 0;
}

static int make(const struct qos_contract *const *contracts, size_t n,
		const struct qos_capacity *capacity, struct qos_whatif *whatif)
{
	size_t n_threads = count_threads(contracts, n);

	if (n_threads > QOS_WHATIF_THREADS_MAX)
		return QOS_WHATIF_E_MANY;
	whatif->threads = calloc(n_threads + 1, sizeof(*whatif->threads));
	whatif->cpus = calloc(capacity->n_cpus + 1, sizeof(*whatif->cpus));
	whatif->runs = calloc(QOS_WHATIF_RUNS_MAX, sizeof(*whatif->runs));
	if (!whatif->threads || !whatif->cpus || !whatif->runs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		add_threads(contracts[i], capacity, whatif);
	for (unsigned int cpu = 0; cpu < QOS_CPUS_MAX; cpu++) {
		if (qos_cpus_has(&capacity->online, cpu))
			whatif->cpus[whatif->n_cpus++].cpu = cpu;
	}
	return place_all(capacity, whatif);
}

/* --- one CPU --- */

/* Its threads, gathered. */
struct local {
	struct qos_whatif *whatif;
	const struct qos_whatif_options *options;
	struct qos_sim_task *tasks;
	struct qos_sim_stats *stats;
	uint32_t *index; /* in whatif->threads */
	size_t n;
	bool record;
};

static void add_run(struct local *local, size_t i, uint64_t from, uint64_t to, bool spare,
		    bool lost)
{
	struct qos_whatif *whatif = local->whatif;

	if (!local->record || from >= local->options->span_ns ||
	    whatif->n_runs == QOS_WHATIF_RUNS_MAX)
		return;
	whatif->runs[whatif->n_runs++] = (struct qos_whatif_run){
		.thread = local->index[i], .spare = spare, .lost = lost, .from = from, .to = to};
}

static void ran(void *data, size_t i, uint64_t from, uint64_t to, bool spare)
{
	add_run(data, i, from, to, spare, false);
}

static void ended(void *data, size_t i, uint64_t request, enum qos_sim_outcome outcome)
{
	struct local *local = data;
	const struct qos_sim_task *task = &local->tasks[i];
	uint64_t due = task->phase + request * task->period + task->deadline;

	if (outcome == QOS_SIM_LOST)
		add_run(local, i, due, due, false, true);
}

static void draw_phases(struct local *local, uint32_t vector)
{
	uint64_t random = local->options->seed * 2 + 1;

	for (size_t i = 0; i < local->n; i++) {
		random ^= random << 13 ^ vector;
		random ^= random >> 7;
		random ^= random << 17;
		local->tasks[i].phase = vector ? random % local->tasks[i].period : 0;
	}
}

static int simulate(struct local *local, const struct qos_capacity *capacity,
		    struct qos_sim_result *ret)
{
	const struct qos_sim_options options = {
		.ordering = local->options->ordering,
		.horizon = local->options->horizon_ns,
		.requests_max = QOS_WHATIF_REQUESTS_MAX / local->options->phases,
		.cap = capacity->cap_ppb,
		.cap_interval = SECOND_NS,
		.ran = local->record ? ran : NULL,
		.ended = local->record ? ended : NULL,
		.data = local,
	};
	int r = qos_simulate(local->tasks, local->n, &options, local->stats, ret);

	if (r == QOS_SIM_E_BOUND)
		return QOS_WHATIF_E_BOUND;
	return r == -EINVAL ? QOS_WHATIF_E_LIMIT : r;
}

static uint64_t violations(const struct local *local)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < local->n; i++)
		sum += local->tasks[i].y ? local->stats[i].violations : local->stats[i].lost;
	return sum;
}

/* Tries all vectors, then plays the worst again to keep what it did. */
static int worst_of_all(struct local *local, const struct qos_capacity *capacity,
			struct qos_whatif_cpu *cpu)
{
	struct qos_sim_result result;
	uint64_t most = 0;
	uint32_t worst = 0;
	int r;

	for (uint32_t vector = 0; vector < local->options->phases; vector++) {
		draw_phases(local, vector);
		r = simulate(local, capacity, &result);
		if (r)
			return r;
		if (violations(local) > most) {
			most = violations(local);
			worst = vector;
		}
	}
	draw_phases(local, worst);
	local->record = true;
	r = simulate(local, capacity, &result);
	cpu->violated = result.violated;
	cpu->capped = result.capped;
	return r;
}

/* What admission would find: a proof that needs phases only where they are ours to choose. */
static void prove(const struct local *local, const struct qos_capacity *capacity,
		  struct qos_whatif_cpu *cpu)
{
	_cleanup_free_ struct qos_windows_stream *streams = calloc(local->n + 1, sizeof(*streams));
	uint64_t id;

	if (!streams || qos_cpus_has(&capacity->disturbed, cpu->cpu))
		return;
	for (size_t i = 0; i < local->n; i++) {
		const struct qos_whatif_thread *thread = &local->whatif->threads[local->index[i]];
		const struct qos_cpu_stream *wish = &thread->contract->cpu[thread->stream];

		streams[i] = (struct qos_windows_stream){
			.wish = wish, .runtime_ns = wish->runtime_ns, .cost_ns = thread->task.cost};
	}
	cpu->proof = qos_plan_windows(capacity, streams, local->n, NULL, &id);
}

static void gather(struct local *local, const struct qos_whatif_cpu *cpu)
{
	for (size_t i = 0; i < local->whatif->n_threads; i++) {
		const struct qos_whatif_thread *thread = &local->whatif->threads[i];

		if (!thread->placed || thread->cpu != cpu->cpu)
			continue;
		local->index[local->n] = (uint32_t)i;
		local->tasks[local->n++] = thread->task;
	}
}

static void hand_back(const struct local *local)
{
	for (size_t i = 0; i < local->n; i++) {
		struct qos_whatif_thread *thread = &local->whatif->threads[local->index[i]];

		thread->task = local->tasks[i];
		thread->stats = local->stats[i];
	}
}

static int play_cpu(struct qos_whatif *whatif, const struct qos_capacity *capacity,
		    const struct qos_whatif_options *options, struct qos_whatif_cpu *cpu)
{
	_cleanup_free_ struct qos_sim_task *tasks = calloc(cpu->threads + 1, sizeof(*tasks));
	_cleanup_free_ struct qos_sim_stats *stats = calloc(cpu->threads + 1, sizeof(*stats));
	_cleanup_free_ uint32_t *index = calloc(cpu->threads + 1, sizeof(*index));
	struct local local = {.whatif = whatif,
			      .options = options,
			      .tasks = tasks,
			      .stats = stats,
			      .index = index};
	int r;

	if (!tasks || !stats || !index)
		return -ENOMEM;
	gather(&local, cpu);
	prove(&local, capacity, cpu);
	r = worst_of_all(&local, capacity, cpu);
	if (r)
		return r;
	hand_back(&local);
	whatif->violated |= cpu->violated;
	return 0;
}

int qos_whatif(const struct qos_contract *const *contracts, size_t n,
	       const struct qos_capacity *capacity, const struct qos_whatif_options *options,
	       struct qos_whatif *ret)
{
	int r;

	*ret = (struct qos_whatif){};
	r = make(contracts, n, capacity, ret);
	for (size_t i = 0; r == 0 && i < ret->n_cpus; i++) {
		if (ret->cpus[i].threads)
			r = play_cpu(ret, capacity, options, &ret->cpus[i]);
	}
	return r;
}

void qos_whatif_reset(struct qos_whatif *whatif)
{
	free(whatif->threads);
	free(whatif->cpus);
	free(whatif->runs);
	*whatif = (struct qos_whatif){};
}
