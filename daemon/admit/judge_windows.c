/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the streams of one CPU of the module are promised: `proven` if the ladder of plan_windows.c has a
 * proof, whose mandatory requests the module then runs first by EDF, and says so when an overrun or a
 * new phase ends the claim. Failing that, the very algorithm is run for
 * HORIZON_PERIODS of the longest period or HORIZON_WINDOWS of the longest window, at most REQUESTS_MAX
 * requests, under PHASES vectors of phases (the first all 0), and `simulated` says that each stream saw
 * windows end there and lost none; it is not sustainable, and promises nothing for other phases.
 */
#include "admit/judge_windows.h"

#include <errno.h>

#include "util/cleanup.h"

#define HORIZON_PERIODS 200
#define HORIZON_WINDOWS 2
#define REQUESTS_MAX	20000ULL
#define PHASES		4
#define THREADS_MAX	1024 /* on a CPU: the module takes no more */

const char *const qos_windows_tests[] = {[QOS_PROOF_NONE] = "none",
					 [QOS_PROOF_SPORADIC] = "windows-sporadic",
					 [QOS_PROOF_BUNDLE] = "windows-bundle",
					 [QOS_PROOF_TABLE] = "windows-table"};

static size_t count_threads(const struct qos_windows_stream *streams, size_t n)
{
	size_t threads = 0;

	for (size_t i = 0; i < n; i++)
		threads += streams[i].wish->max_threads;
	return threads;
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

static uint64_t horizon_of(const struct qos_sim_task *task)
{
	uint64_t periods = (uint64_t)task->y * HORIZON_WINDOWS + 1; /* for the phase */

	return task->period * (periods > HORIZON_PERIODS ? periods : HORIZON_PERIODS);
}

/* Windows are judged when they end: of one that did not, nothing is known. */
static bool saw_all(const struct qos_sim_task *tasks, const struct qos_sim_stats *stats, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (tasks[i].y && !stats[i].windows)
			return false;
	}
	return true;
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
		if (horizon_of(&tasks[i]) > options.horizon)
			options.horizon = horizon_of(&tasks[i]);
	}
	for (uint64_t vector = 0; vector < PHASES; vector++) {
		int r;

		set_phases(tasks, n, vector);
		r = qos_simulate(tasks, n, &options, stats, &result);
		if (r == -ENOMEM)
			return r;
		if (r < 0 || result.violated || !saw_all(tasks, stats, n))
			return 0;
	}
	return 1;
}

enum qos_guarantee qos_judge_windows(struct qos_book *book,
				     const struct qos_windows_stream *streams, size_t n,
				     enum qos_windows_cpu kind, const char **ret_test,
				     uint64_t *ret_plan)
{
	size_t n_threads = count_threads(streams, n);
	_cleanup_free_ struct qos_sim_task *tasks = calloc(n_threads + 1, sizeof(*tasks));
	enum qos_proof proof = QOS_PROOF_NONE;
	int r;

	*ret_test = qos_windows_tests[QOS_PROOF_NONE];
	*ret_plan = 0;
	if (!tasks) {
		book->error = -ENOMEM;
		return QOS_BEST_EFFORT;
	}
	if (kind == QOS_WINDOWS_DISTURBED || n_threads > THREADS_MAX)
		return QOS_BEST_EFFORT;
	if (kind == QOS_WINDOWS_ALONE)
		proof = qos_plan_windows(book->capacity, streams, n, NULL, ret_plan);
	if (proof != QOS_PROOF_NONE) {
		*ret_test = qos_windows_tests[proof];
		return QOS_PROVEN;
	}
	if (!qos_plan_tasks(book->capacity, streams, n, book->capacity->blocking_ns, tasks) ||
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
