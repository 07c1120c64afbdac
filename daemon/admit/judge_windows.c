/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ladder for a CPU whose streams the module serves. Releases are the programs' own, at phases that
 * nobody knows, so of the proofs only T1 (prove_sporadic.c) can be claimed: its pattern goes to the
 * module, which runs these requests first by EDF, and says so when an overrun ends the claim. It needs
 * one thread a stream, since a table belongs to a thread. Failing that, the very algorithm is run for
 * HORIZON_PERIODS of the longest period, at most REQUESTS_MAX requests, under PHASES vectors of phases
 * (the first all 0), and `simulated` says that it lost no window there; it is not sustainable, and
 * promises nothing for other phases.
 *
 * Charges: C' = C + 2 x dispatch; the cap as a CPU that is slower by that share, since the module takes
 * the band away for the rest of an interval when it is used up; off the deadlines how much later than a
 * grid point a wakeup may be and still count as at it; blocking on the demand, or off the deadlines. The
 * module verifies what is claimed with the same charges (kmod/claim.c).
 */
#include "admit/judge_windows.h"

#include <errno.h>
#include <string.h>

#include "admit/prove.h"
#include "uapi/qos_dwcs.h"
#include "util/cleanup.h"

#define HORIZON_PERIODS 200
#define REQUESTS_MAX	20000ULL
#define PHASES		4
#define THREADS_MAX	1024 /* on a CPU: the module takes no more */

static uint64_t slower(uint64_t ns, uint64_t cap_ppb)
{
	return (uint64_t)(((unsigned __int128)ns * QOS_PPB + cap_ppb - 1) / cap_ppb);
}

static uint64_t tolerance(uint64_t period_ns)
{
	uint64_t part = period_ns / QOS_DWCS_TOLERANCE_PART;

	return part < QOS_DWCS_TOLERANCE_MAX_NS ? part : QOS_DWCS_TOLERANCE_MAX_NS;
}

static size_t count_threads(const struct qos_windows_stream *streams, size_t n)
{
	size_t threads = 0;

	for (size_t i = 0; i < n; i++)
		threads += streams[i].wish->max_threads;
	return threads;
}

/* One task a thread. False: one has no room for its charges within its deadline. */
static bool make_tasks(const struct qos_book *book, const struct qos_windows_stream *streams,
		       size_t n, uint64_t blocking_ns, struct qos_sim_task *tasks)
{
	for (size_t i = 0; i < n; i++) {
		const struct qos_cpu_stream *wish = streams[i].wish;
		uint64_t late = blocking_ns + tolerance(wish->period.ns);
		struct qos_sim_task task = {
			.period = wish->period.ns,
			.deadline = wish->deadline_ns > late ? wish->deadline_ns - late : 0,
			.cost = slower(streams[i].cost_ns, book->capacity->cap_ppb),
			.x = wish->window.x,
			.y = wish->window.y,
		};

		if (task.cost > task.deadline)
			return false;
		for (uint32_t k = 0; k < wish->max_threads; k++)
			*tasks++ = task;
	}
	return true;
}

static bool is_proven(const struct qos_book *book, const struct qos_sim_task *tasks, size_t n)
{
	const struct qos_prove_params params = {.blocking = book->capacity->blocking_ns,
						.jobs_max = QOS_PROVE_JOBS_MAX};

	return qos_prove_sporadic(tasks, n, &params, NULL);
}

/* Phases of one vector; the same ones whenever the same set is asked about. */
static void set_phases(struct qos_sim_task *tasks, size_t n, uint64_t vector)
{
	uint64_t random = 0x9E3779B97F4A7C15ULL * (vector + 1);

	for (size_t i = 0; i < n; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		tasks[i].phase = vector ? random % tasks[i].period : 0;
	}
}

/* 1: no window was lost, 0, or -ENOMEM. */
static int is_simulated(struct qos_sim_task *tasks, size_t n)
{
	_cleanup_free_ struct qos_sim_stats *stats = calloc(n + 1, sizeof(*stats));
	struct qos_sim_options options = {
		.ordering = DWCS_FIN, .requests_max = REQUESTS_MAX, .stop_at_violation = true};
	struct qos_sim_result result;

	if (!stats)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (tasks[i].period * HORIZON_PERIODS > options.horizon)
			options.horizon = tasks[i].period * HORIZON_PERIODS;
	}
	for (uint64_t vector = 0; vector < PHASES; vector++) {
		int r;

		set_phases(tasks, n, vector);
		r = qos_simulate(tasks, n, &options, stats, &result);
		if (r == -ENOMEM)
			return r;
		if (r < 0 || result.violated)
			return 0;
	}
	return 1;
}

enum qos_guarantee qos_judge_windows(struct qos_book *book,
				     const struct qos_windows_stream *streams, size_t n,
				     bool disturbed, const char **ret_test)
{
	size_t n_threads = count_threads(streams, n);
	_cleanup_free_ struct qos_sim_task *tasks = calloc(n_threads + 1, sizeof(*tasks));
	int r;

	*ret_test = "none";
	if (!tasks) {
		book->error = -ENOMEM;
		return QOS_BEST_EFFORT;
	}
	if (disturbed || n_threads > THREADS_MAX)
		return QOS_BEST_EFFORT;
	if (n_threads == n && make_tasks(book, streams, n, 0, tasks) && is_proven(book, tasks, n)) {
		*ret_test = QOS_WINDOWS_TEST_PROVEN;
		return QOS_PROVEN;
	}
	if (!make_tasks(book, streams, n, book->capacity->blocking_ns, tasks) ||
	    !qos_prove_fits(tasks, n_threads))
		return QOS_BEST_EFFORT;
	r = is_simulated(tasks, n_threads);
	if (r < 0)
		book->error = r;
	if (r <= 0)
		return QOS_BEST_EFFORT;
	*ret_test = QOS_WINDOWS_TEST_SIMULATED;
	return QOS_SIMULATED;
}
