/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A job may sleep in its middle, so the distances between wake-ups are not yet the period. What is
 * sought is a fixed point: a period P such that, with wake-ups sooner than P/2 merged into the job
 * that they follow, the median distance of releases is P. There are several (two wake-ups a job make
 * one of the short distance, one of the long, and one of their sum), so each is judged by how many
 * distances it explains, and the shortest of the best is taken.
 *
 * Candidates are quantiles of the distances and medians of sums of up to eight in a row; a job with
 * more sleeps in it than that is not found. Weakness: a thread that serves two timers whose periods
 * are no multiples of each other has none, and is told as irregular or aperiodic.
 */
#include "adapt/learn_period.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

#define PROBE	      2048 /* bursts that candidates are tried on, from the middle */
#define STEPS	      8
#define ITERATIONS    4
#define MULTIPLES     4
#define BEST_TIES_PPM 30000
#define MILLION	      1000000ULL

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void qos_learn_sort(uint64_t *values, size_t n)
{
	if (n)
		qsort(values, n, sizeof(*values), by_value);
}

uint64_t qos_learn_quantile(const uint64_t *sorted, size_t n, uint32_t ppm)
{
	size_t rank = (n * (uint64_t)ppm + MILLION - 1) / MILLION;

	return n ? sorted[rank ? rank - 1 : 0] : 0;
}

static uint64_t median_of(uint64_t *values, size_t n)
{
	qos_learn_sort(values, n);
	return qos_learn_quantile(values, n, MILLION / 2);
}

size_t qos_learn_jobs(const struct qos_burst *bursts, size_t n, uint64_t period_ns,
		      struct qos_learn_job *ret)
{
	size_t n_jobs = 0;

	for (size_t i = 0; i < n; i++) {
		struct qos_learn_job *job = n_jobs ? &ret[n_jobs - 1] : NULL;
		const struct qos_burst *burst = &bursts[i];

		if (!job || burst->release_ns - job->release_ns >= period_ns / 2) {
			job = &ret[n_jobs++];
			*job = (struct qos_learn_job){
				.release_ns = burst->release_ns,
				.latency_ns = burst->start_ns - burst->release_ns,
			};
		}
		job->used_ns += burst->used_ns;
		job->response_ns = burst->end_ns - job->release_ns;
	}
	return n_jobs ? n_jobs - 1 : 0;
}

/* How many periods lie between, 0: no whole number of at most MULTIPLES. */
static uint64_t multiple_of(uint64_t distance, uint64_t period_ns)
{
	uint64_t k = (distance + period_ns / 2) / period_ns, off;

	if (!k)
		k = 1;
	off = distance > k * period_ns ? distance - k * period_ns : k * period_ns - distance;
	return k <= MULTIPLES && off <= period_ns / 4 ? k : 0;
}

uint32_t qos_learn_regular(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns)
{
	uint64_t halves = 0;

	for (size_t i = 1; i < n; i++) {
		uint64_t k = multiple_of(jobs[i].release_ns - jobs[i - 1].release_ns, period_ns);

		halves += k == 1 ? 2 : k > 1;
	}
	return n > 1 ? (uint32_t)(halves * MILLION / 2 / (n - 1)) : 0;
}

uint32_t qos_learn_multiples(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns)
{
	uint64_t count = 0;

	for (size_t i = 1; i < n; i++)
		count += multiple_of(jobs[i].release_ns - jobs[i - 1].release_ns, period_ns) > 0;
	return n > 1 ? (uint32_t)(count * MILLION / (n - 1)) : 0;
}

uint64_t qos_learn_mean(const struct qos_learn_job *jobs, size_t n, uint64_t period_ns)
{
	uint64_t sum = 0, count = 0;

	for (size_t i = 1; i < n; i++) {
		uint64_t distance = jobs[i].release_ns - jobs[i - 1].release_ns;
		uint64_t k = multiple_of(distance, period_ns);

		sum += k ? distance : 0;
		count += k;
	}
	return count ? (sum + count / 2) / count : period_ns;
}

/* --- candidates --- */

struct probe {
	const struct qos_burst *bursts;
	size_t n;
	struct qos_learn_job *jobs; /* room for n */
	uint64_t *values;	    /* room for n */
	uint64_t best_ns;
	uint32_t best_ppm;
};

/* The fixed point that this leads to, or near one: ITERATIONS bound it. */
static uint64_t settle(struct probe *probe, uint64_t period_ns, size_t *ret_jobs)
{
	for (int i = 0; i < ITERATIONS && period_ns; i++) {
		uint64_t before = period_ns;

		*ret_jobs = qos_learn_jobs(probe->bursts, probe->n, period_ns, probe->jobs);
		if (*ret_jobs < 2)
			return 0;
		for (size_t j = 1; j < *ret_jobs; j++)
			probe->values[j - 1] =
				probe->jobs[j].release_ns - probe->jobs[j - 1].release_ns;
		period_ns = median_of(probe->values, *ret_jobs - 1);
		if (period_ns == before)
			break;
	}
	return period_ns;
}

static void try(struct probe *probe, uint64_t candidate_ns)
{
	size_t n_jobs = 0;
	uint64_t period_ns = settle(probe, candidate_ns, &n_jobs);
	uint32_t ppm;

	if (!period_ns)
		return;
	ppm = qos_learn_regular(probe->jobs, n_jobs, period_ns);
	if (ppm > probe->best_ppm + BEST_TIES_PPM ||
	    (ppm + BEST_TIES_PPM >= probe->best_ppm && period_ns < probe->best_ns)) {
		probe->best_ns = period_ns;
		if (ppm > probe->best_ppm)
			probe->best_ppm = ppm;
	}
}

static void try_all(struct probe *probe)
{
	uint64_t candidates[STEPS + 19];
	size_t n = 0;

	for (size_t step = 1; step <= STEPS && step < probe->n; step++) {
		for (size_t i = step; i < probe->n; i++)
			probe->values[i - step] =
				probe->bursts[i].release_ns - probe->bursts[i - step].release_ns;
		candidates[n++] = median_of(probe->values, probe->n - step);
		for (uint32_t percent = 5; step == 1 && percent < 100; percent += 5)
			candidates[n++] =
				qos_learn_quantile(probe->values, probe->n - step, percent * 10000);
	}
	for (size_t i = 0; i < n; i++)
		try(probe, candidates[i]);
}

uint64_t qos_learn_period(const struct qos_burst *bursts, size_t n, int *error)
{
	size_t room = n < PROBE ? n : PROBE;
	_cleanup_free_ struct qos_learn_job *jobs = calloc(room + 1, sizeof(*jobs));
	_cleanup_free_ uint64_t *values = calloc(room + 1, sizeof(*values));
	struct probe probe = {.bursts = bursts + (n - room) / 2,
			      .n = room,
			      .jobs = jobs,
			      .values = values,
			      .best_ns = UINT64_MAX};

	if (!jobs || !values) {
		*error = -ENOMEM;
		return 0;
	}
	if (n < 4)
		return 0;
	try_all(&probe);
	return probe.best_ns == UINT64_MAX ? 0 : probe.best_ns;
}

/* --- figures that people write --- */

/* Thousandths of a hertz; whole rates first, then those of film and of sound cards. */
static const uint32_t whole_rates[] = {
	1000,	2000,	4000,	5000,	8000,	 10000,	  12000,   15000,   16000,  20000,
	24000,	25000,	30000,	40000,	48000,	 50000,	  60000,   72000,   75000,  80000,
	90000,	100000, 120000, 144000, 150000,	 165000,  200000,  240000,  250000, 300000,
	400000, 500000, 600000, 800000, 1000000, 1500000, 2000000, 3000000, 4000000};
static const uint32_t other_rates[] = {23976,  29970,  46875,  59940,  86133,  93750,
				       119880, 172266, 187500, 344531, 375000, 750000};

static uint64_t off_by(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool find_rate(const uint32_t *rates, size_t n, uint64_t mean_ns, uint64_t error_ns,
		      struct qos_period *ret)
{
	uint64_t least = error_ns + 1;

	for (size_t i = 0; i < n; i++) {
		uint64_t ns = MILLION * MILLION / rates[i];

		if (off_by(ns, mean_ns) >= least)
			continue;
		least = off_by(ns, mean_ns);
		*ret = (struct qos_period){.ns = ns, .mhz = rates[i]};
	}
	return least <= error_ns;
}

/* The unit of the last of `digits` digits. */
static uint64_t last_digit(uint64_t ns, unsigned int digits)
{
	uint64_t unit = 1, limit = 1;

	while (digits--)
		limit *= 10;
	while (ns / unit >= limit)
		unit *= 10;
	return unit;
}

uint64_t qos_learn_round(uint64_t ns, unsigned int digits)
{
	uint64_t unit = last_digit(ns, digits);

	return (ns + unit / 2) / unit * unit;
}

uint64_t qos_learn_round_up(uint64_t ns)
{
	uint64_t unit = last_digit(ns, 2);

	return (ns + unit - 1) / unit * unit;
}

static bool find_round(unsigned int digits, uint64_t mean_ns, uint64_t error_ns,
		       struct qos_period *ret)
{
	uint64_t ns = qos_learn_round(mean_ns, digits);

	if (off_by(ns, mean_ns) > error_ns)
		return false;
	*ret = (struct qos_period){.ns = ns};
	return true;
}

struct qos_period qos_learn_snap(uint64_t mean_ns, uint64_t error_ns)
{
	struct qos_period period = {};

	if (find_round(1, mean_ns, error_ns, &period) ||
	    find_rate(whole_rates, QOS_ARRAY_SIZE(whole_rates), mean_ns, error_ns, &period) ||
	    find_round(2, mean_ns, error_ns, &period) ||
	    find_rate(other_rates, QOS_ARRAY_SIZE(other_rates), mean_ns, error_ns, &period))
		return period;
	period.ns = mean_ns - mean_ns % last_digit(mean_ns, 3);
	return period;
}
