/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The oracle of admission: slots of 1 ms, global EDF on the CPUs that are not isolated, fixed
 * priorities below it on the pinned ones. It knows nothing of the tests that it judges. Ties, and
 * the CPUs that EDF jobs run on, are decided at random, mostly against the pinned streams.
 *
 * SLEEPY: some pinned tasks keep no rule but their budget of C in each period. They sleep within a
 * request, most often until there is just time for what is left of the budget, and so bring two in a
 * row; nobody asks whether they meet deadlines. Blocking: now and then whatever had a CPU, or the
 * idle CPU, keeps it for one slot more although something higher came.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "random.h"

#define SLOTS	  64
#define TASKS_MAX 16
#define BACKLOG	  64
#define CPUS	  3

struct task {
	uint32_t c, d, t; /* slots */
	bool deadline;	  /* SCHED_DEADLINE, else pinned */
	unsigned int cpu;
	uint32_t priority;
	bool proven;
	/* state */
	bool sleepy;   /* in this run */
	bool waits;    /* sleeps as long as it can, this period */
	uint32_t next; /* release */
	uint32_t released[BACKLOG];
	uint32_t head, n;
	uint32_t left; /* of the job at the head */
	bool begun;    /* has it run? */
};

struct machine {
	struct task tasks[TASKS_MAX];
	size_t n_tasks;
	unsigned int n_cpus;
	bool isolated[CPUS];
	bool blocking; /* one slot */
	/* state: what ran last (NULL: nothing), and was that by blocking? */
	struct task *last[CPUS];
	bool blocked[CPUS];
};

enum { SYNCHRONOUS, PHASES, SPORADIC, EARLY, SLEEPY, KINDS };

static inline bool is_judged(const struct task *task)
{
	return task->proven && !task->sleepy;
}

static inline bool is_awake(const struct task *task, uint32_t now)
{
	if (!task->n)
		return false;
	return !task->sleepy || !task->waits ||
	       now + task->left >= task->released[task->head] + task->t;
}

static inline void release_due(struct task *task, uint32_t now, int kind)
{
	if (now < task->next || task->n == BACKLOG)
		return;
	if (task->sleepy) { /* a new budget; what is left of the old one is gone */
		task->n = 0;
		task->begun = false;
		task->waits = rnd(4);
	}
	if (task->n == 0)
		task->left = kind == EARLY ? 1 + rnd(task->c) : task->c;
	task->released[(task->head + task->n++) % BACKLOG] = now;
	task->next = now + task->t + (kind == SPORADIC || kind == EARLY ? rnd(3) : 0);
}

static inline uint32_t due(const struct task *task)
{
	return task->released[task->head] + task->d;
}

/* One slot of service; completion at its end. */
static inline bool run(struct task *task, uint32_t now, int kind)
{
	bool in_time = true;

	task->begun = --task->left;
	if (task->begun)
		return true;
	in_time = now + 1 <= due(task);
	task->head = (task->head + 1) % BACKLOG;
	task->n--;
	task->left = kind == EARLY ? 1 + rnd(task->c) : task->c;
	return in_time || !is_judged(task);
}

static inline bool is_late(const struct task *task, uint32_t now)
{
	return is_judged(task) && task->n && now >= due(task);
}

/* The waiting task that comes first under EDF among those not yet chosen; ties at random. */
static inline struct task *earliest(struct machine *machine, const bool *chosen)
{
	struct task *best = NULL;

	for (size_t i = 0; i < machine->n_tasks; i++) {
		struct task *task = &machine->tasks[i];

		if (!task->deadline || !task->n || chosen[i])
			continue;
		if (!best || due(task) < due(best) || (due(task) == due(best) && rnd(2)))
			best = task;
	}
	return best;
}

static inline struct task *highest(struct machine *machine, unsigned int cpu, uint32_t now)
{
	struct task *best = NULL;

	for (size_t i = 0; i < machine->n_tasks; i++) {
		struct task *task = &machine->tasks[i];

		if (task->deadline || task->cpu != cpu || !is_awake(task, now))
			continue;
		if (!best || task->priority > best->priority ||
		    (task->priority == best->priority && rnd(2)))
			best = task;
	}
	return best;
}

/* A CPU for the next EDF job: most often one where a pinned job waits. */
static inline unsigned int pick_cpu(struct machine *machine, const bool *busy, uint32_t now)
{
	unsigned int start = rnd(machine->n_cpus), any = CPUS;
	bool kind = rnd(8);

	for (unsigned int k = 0; k < machine->n_cpus; k++) {
		unsigned int cpu = (start + k) % machine->n_cpus;

		if (busy[cpu] || machine->isolated[cpu])
			continue;
		any = cpu;
		if (!kind || highest(machine, cpu, now))
			return cpu;
	}
	return any;
}

/* Who has the CPU may keep it for a slot, once in a row: a stretch that began just before now. A
 * task must still be at the same job; a CPU that fell idle has nothing to begin with. */
static inline bool may_block(const struct machine *machine, unsigned int cpu, uint32_t now)
{
	const struct task *task = machine->last[cpu];

	if (!machine->blocking || machine->blocked[cpu] || now == 0 || rnd(2))
		return false;
	return !task || (is_awake(task, now) && task->begun);
}

static inline bool slot(struct machine *machine, uint32_t now, int kind)
{
	bool chosen[TASKS_MAX] = {}, busy[CPUS] = {}, good = true;
	struct task *ran[CPUS] = {}, *task;
	unsigned int cpu;

	for (cpu = 0; cpu < machine->n_cpus; cpu++) {
		busy[cpu] = machine->blocked[cpu] = may_block(machine, cpu, now);
		ran[cpu] = busy[cpu] ? machine->last[cpu] : NULL;
		if (ran[cpu])
			chosen[ran[cpu] - machine->tasks] = true;
	}
	while ((cpu = pick_cpu(machine, busy, now)) < CPUS && (task = earliest(machine, chosen))) {
		chosen[task - machine->tasks] = true;
		busy[cpu] = true;
		ran[cpu] = task;
	}
	for (cpu = 0; cpu < machine->n_cpus; cpu++) {
		if (!busy[cpu])
			ran[cpu] = highest(machine, cpu, now);
		if (ran[cpu])
			good &= run(ran[cpu], now, kind);
		machine->last[cpu] = ran[cpu];
	}
	return good;
}

/* True if every proven task keeps every deadline. */
static inline bool simulate(struct machine *machine, int kind)
{
	for (size_t i = 0; i < machine->n_tasks; i++) {
		struct task *task = &machine->tasks[i];

		task->head = task->n = task->left = 0;
		task->begun = false;
		task->sleepy = kind == SLEEPY && !task->deadline && rnd(2);
		task->next = kind == SYNCHRONOUS ? 0 : rnd(task->t);
	}
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		machine->last[cpu] = NULL;
		machine->blocked[cpu] = false;
	}
	for (uint32_t now = 0; now < SLOTS; now++) {
		for (size_t i = 0; i < machine->n_tasks; i++) {
			if (is_late(&machine->tasks[i], now))
				return false;
			release_due(&machine->tasks[i], now, kind);
		}
		if (!slot(machine, now, kind))
			return false;
	}
	return true;
}
