/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The oracle of admission: slots of 1 ms, global EDF on the CPUs that are not isolated, fixed
 * priorities below it on the pinned ones. It knows nothing of the tests that it judges. Ties, and
 * the CPUs that EDF jobs run on, are decided at random, mostly against the pinned streams.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTS	  64
#define TASKS_MAX 16
#define BACKLOG	  64
#define CPUS	  3

static uint64_t seed;

static inline uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

struct task {
	uint32_t c, d, t; /* slots */
	bool deadline;	  /* SCHED_DEADLINE, else pinned */
	unsigned int cpu;
	uint32_t priority;
	bool proven;
	/* state */
	uint32_t next; /* release */
	uint32_t released[BACKLOG];
	uint32_t head, n;
	uint32_t left; /* of the job at the head */
};

struct machine {
	struct task tasks[TASKS_MAX];
	size_t n_tasks;
	unsigned int n_cpus;
	bool isolated[CPUS];
};

enum { SYNCHRONOUS, PHASES, SPORADIC, EARLY, KINDS };

static inline void release_due(struct task *task, uint32_t now, int kind)
{
	if (now < task->next || task->n == BACKLOG)
		return;
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

	if (--task->left)
		return true;
	in_time = now + 1 <= due(task);
	task->head = (task->head + 1) % BACKLOG;
	task->n--;
	task->left = kind == EARLY ? 1 + rnd(task->c) : task->c;
	return in_time || !task->proven;
}

static inline bool is_late(const struct task *task, uint32_t now)
{
	return task->proven && task->n && now >= due(task);
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

static inline struct task *highest(struct machine *machine, unsigned int cpu)
{
	struct task *best = NULL;

	for (size_t i = 0; i < machine->n_tasks; i++) {
		struct task *task = &machine->tasks[i];

		if (task->deadline || task->cpu != cpu || !task->n)
			continue;
		if (!best || task->priority > best->priority ||
		    (task->priority == best->priority && rnd(2)))
			best = task;
	}
	return best;
}

/* A CPU for the next EDF job: most often one where a pinned job waits. */
static inline unsigned int pick_cpu(struct machine *machine, const bool *busy)
{
	unsigned int start = rnd(machine->n_cpus), any = CPUS;
	bool kind = rnd(8);

	for (unsigned int k = 0; k < machine->n_cpus; k++) {
		unsigned int cpu = (start + k) % machine->n_cpus;

		if (busy[cpu] || machine->isolated[cpu])
			continue;
		any = cpu;
		if (!kind || highest(machine, cpu))
			return cpu;
	}
	return any;
}

static inline bool slot(struct machine *machine, uint32_t now, int kind)
{
	bool chosen[TASKS_MAX] = {}, busy[CPUS] = {}, good = true;
	struct task *task;
	unsigned int cpu;

	while ((cpu = pick_cpu(machine, busy)) < CPUS && (task = earliest(machine, chosen))) {
		chosen[task - machine->tasks] = true;
		busy[cpu] = true;
	}
	for (cpu = 0; cpu < machine->n_cpus; cpu++) {
		task = busy[cpu] ? NULL : highest(machine, cpu);
		if (task)
			good &= run(task, now, kind);
	}
	for (size_t i = 0; i < machine->n_tasks; i++) {
		if (chosen[i])
			good &= run(&machine->tasks[i], now, kind);
	}
	return good;
}

/* True if every proven task keeps every deadline. */
static inline bool simulate(struct machine *machine, int kind)
{
	for (size_t i = 0; i < machine->n_tasks; i++) {
		struct task *task = &machine->tasks[i];

		task->head = task->n = task->left = 0;
		task->next = kind == SYNCHRONOUS ? 0 : rnd(task->t);
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
