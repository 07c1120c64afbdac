/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads for the tests of adapt/learn.h that woke, worked and slept as a plan says. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/learn.h"
#include "random.h"

#define US 1000ULL
#define MS 1000000ULL

struct plan {
	const char *comm;
	uint64_t period_ns;
	uint64_t jitter_ns; /* a release is at most so much late */
	uint64_t used_ns;
	uint64_t spread_ns; /* more or less work, at most */
	uint64_t long_ns;   /* work of each long_every'th job */
	size_t long_every;
	size_t n_jobs;
	size_t n_bursts; /* a job, spread over its first 45 %; 0: one */
	size_t skip_every;
};

static inline void plan_job(const struct plan *plan, uint64_t release_ns, uint64_t used_ns,
			    struct qos_learn_thread *thread)
{
	size_t n = plan->n_bursts ? plan->n_bursts : 1;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = release_ns + plan->period_ns * 45 / 100 / n * i;

		thread->bursts[thread->n_bursts++] =
			(struct qos_burst){.release_ns = at,
					   .start_ns = at + US,
					   .end_ns = at + US + used_ns / n,
					   .used_ns = used_ns / n};
	}
	thread->used_ns += used_ns / n * n;
}

/* To be freed by plan_free. */
static inline struct qos_learn_thread plan_thread(const struct plan *plan)
{
	static int32_t tid = 1000;
	struct qos_learn_thread thread = {.tid = tid++, .alive = true};
	size_t n = plan->n_bursts ? plan->n_bursts : 1;

	snprintf(thread.comm, sizeof(thread.comm), "%s", plan->comm);
	thread.bursts = calloc(plan->n_jobs * n + 1, sizeof(*thread.bursts));
	for (size_t k = 0; thread.bursts && k < plan->n_jobs; k++) {
		uint64_t release = 1000 * MS + k * plan->period_ns +
				   (plan->jitter_ns ? rnd((uint32_t)plan->jitter_ns) : 0);
		uint64_t used =
			plan->used_ns + (plan->spread_ns ? rnd((uint32_t)plan->spread_ns) : 0);

		if (plan->long_every && k % plan->long_every == plan->long_every - 1)
			used = plan->long_ns;
		if (!plan->skip_every || rnd((uint32_t)plan->skip_every))
			plan_job(plan, release, used, &thread);
	}
	return thread;
}

static inline void plan_free(struct qos_learn_thread *threads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(threads[i].bursts);
}
