/* SPDX-License-Identifier: GPL-2.0-only */
/* The period of one thread, from when it woke up and slept. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/units.h"

/* From a wake-up to the next sleep that may end a job. Times are of one clock; release_ns <= start_ns
 * <= end_ns <= the next release_ns. */
struct qos_burst {
	uint64_t release_ns; /* woken */
	uint64_t start_ns;   /* on a CPU */
	uint64_t end_ns;     /* asleep again */
	uint64_t used_ns;    /* CPU time */
};

/* A job, as the monitor would have it with that period: bursts that began sooner than half a period
 * after its release belong to it. */
struct qos_learn_job {
	uint64_t release_ns;
	uint64_t used_ns;
	uint64_t response_ns; /* completion - release */
	uint64_t latency_ns;  /* wake-up to running, of its first burst */
};

/* Writes the complete jobs to `ret` (room for n) and returns how many: the last one may still go on,
 * so it is left out. period_ns > 0. */
size_t qos_learn_jobs(const struct qos_burst *bursts, size_t n, uint64_t period_ns,
		      struct qos_learn_job *ret);

/* The mean period of these releases if their period is about this one: jobs left out do not count,
 * nor do distances that are no multiple. period_ns if there is nothing to go by. */
uint64_t qos_learn_mean(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns);

/* How many millionths of the distances between releases are one to four periods, each give or take a
 * quarter of one. For choosing among periods: one that is two or more counts half. */
uint32_t qos_learn_multiples(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns);
uint32_t qos_learn_regular(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns);

/* The period that fits best, or 0: fewer than four bursts, or memory (*error is -ENOMEM). */
uint64_t qos_learn_period(const struct qos_burst *bursts, size_t n, int *error);

/* The figure that people would have written: a round time or a usual rate within `error_ns` of the
 * measured mean; else the mean, rounded down to three digits. mean_ns > 0. */
struct qos_period qos_learn_snap(uint64_t mean_ns, uint64_t error_ns);

/* The value below which `ppm` millionths lie (the next higher one); 0 if n is 0. `sorted` ascends. */
uint64_t qos_learn_quantile(const uint64_t *sorted, size_t n, uint32_t ppm);
void qos_learn_sort(uint64_t *values, size_t n);

/* To so many digits, the nearest; to two digits, up. */
uint64_t qos_learn_round(uint64_t ns, unsigned int digits);
uint64_t qos_learn_round_up(uint64_t ns);
