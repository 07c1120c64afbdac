/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ladder of proofs for a CPU of the module, one thread a stream, since what is claimed belongs to a
 * thread. Where the releases are the program's own (`job: wakeup`) nobody knows the phases. Where they
 * are ours (`job: period`, T in ns), the module releases at the points of a grid that it can move, so
 * admission chooses the phases:
 *
 *   T1  any releases                    the pattern, of each stream for itself
 *   T2  ours of equal T: one bundle,    the bundle's budget; the pattern for whoever is alone
 *       all others sporadic
 *   T3  all are ours                    a table and a phase for each
 *
 * For T3 some vectors of phases are tried: all 0, each one behind the work of those before it, and drawn
 * ones (the same whenever the same set is asked about), under four orderings, those first that keep most
 * sets, and then by search. All of it together looks at no more than JOBS_ALL requests, and as many
 * states in searches; a set whose hyperperiod has more is not tried at all.
 *
 * Charges: C' = C + 2 x dispatch; the cap as a CPU that is slower by that share, since the module takes
 * the band away for the rest of an interval when it is used up; off the deadlines how much later than a
 * grid point a wakeup may be and still count as at it; blocking on the demand (T1, T2), or off the
 * deadlines (T3). The module verifies what is claimed with the same charges (kmod/claim.c).
 *
 * Weakness: the phases tried are few, and which of them are good is not known beforehand.
 */
#include "admit/plan_windows.h"

#include <string.h>

#include "uapi/qos_dwcs.h"
#include "util/cleanup.h"

#define JOBS_ONE 20000ULL
#define JOBS_ALL 100000ULL
#define VERIFIED 65536ULL /* requests x streams: what the module looks through in time */
#define VECTORS	 8
#define WAYS	 5

static uint64_t slower(uint64_t ns, uint64_t cap_ppb)
{
	return (uint64_t)(((unsigned __int128)ns * QOS_PPB + cap_ppb - 1) / cap_ppb);
}

static uint64_t tolerance(uint64_t period_ns)
{
	uint64_t part = period_ns / QOS_DWCS_TOLERANCE_PART;

	return part < QOS_DWCS_TOLERANCE_MAX_NS ? part : QOS_DWCS_TOLERANCE_MAX_NS;
}

bool qos_plan_tasks(const struct qos_capacity *capacity, const struct qos_windows_stream *streams,
		    size_t n, uint64_t blocking_ns, struct qos_sim_task *tasks)
{
	for (size_t i = 0; i < n; i++) {
		const struct qos_cpu_stream *wish = streams[i].wish;
		uint64_t late = blocking_ns + tolerance(wish->period.ns);
		struct qos_sim_task task = {
			.period = wish->period.ns,
			.deadline = wish->deadline_ns > late ? wish->deadline_ns - late : 0,
			.cost = slower(streams[i].cost_ns, capacity->cap_ppb),
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

/* Are its releases ours? */
static bool is_ours(const struct qos_windows_stream *stream)
{
	return stream->wish->job == QOS_JOB_PERIOD && !stream->wish->period.mhz;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x100000001B3ULL;
}

/* Of everything that the claims were made of. */
static uint64_t identify(enum qos_proof proof, const struct qos_windows_stream *streams,
			 const struct qos_sim_task *tasks, size_t n)
{
	uint64_t id = mix(0xCBF29CE484222325ULL, (uint64_t)proof);

	for (size_t i = 0; i < n && proof != QOS_PROOF_SPORADIC; i++) {
		const uint64_t parts[] = {tasks[i].period,	tasks[i].deadline,    tasks[i].cost,
					  tasks[i].phase,	tasks[i].x,	      tasks[i].y,
					  is_ours(&streams[i]), streams[i].runtime_ns};

		for (size_t k = 0; k < QOS_ARRAY_SIZE(parts); k++)
			id = mix(id, parts[k]);
	}
	return id ? id : 1;
}

/* --- T1, T2 --- */

/* Ours are released together if they have one T; the others never. A phase is only a name here. */
static bool name_bundles(const struct qos_windows_stream *streams, struct qos_sim_task *tasks,
			 size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		tasks[i].phase = i + 1;
		for (size_t k = 0; k < i && is_ours(&streams[i]) && tasks[i].phase == i + 1; k++) {
			if (is_ours(&streams[k]) && tasks[k].period == tasks[i].period)
				tasks[i].phase = tasks[k].phase;
		}
		any |= tasks[i].phase != i + 1;
	}
	return any;
}

static void claim_bundles(const struct qos_sim_task *tasks, size_t n, const uint64_t *budgets,
			  struct qos_must *must, struct qos_claim *claims)
{
	for (size_t i = 0; claims && i < n; i++) {
		if (budgets[i]) {
			claims[i] = (struct qos_claim){.mode = QOS_CLAIM_BUNDLE,
						       .bundle = (uint32_t)tasks[i].phase,
						       .budget_ns = budgets[i]};
			qos_must_reset(&must[i]);
		} else {
			claims[i] = (struct qos_claim){.mode = QOS_CLAIM_SPORADIC, .must = must[i]};
		}
	}
}

static enum qos_proof try_bundles(const struct qos_capacity *capacity,
				  const struct qos_windows_stream *streams,
				  struct qos_sim_task *tasks, size_t n, struct qos_claim *claims)
{
	_cleanup_free_ uint64_t *weights = calloc(n + 1, sizeof(*weights));
	_cleanup_free_ uint64_t *budgets = calloc(n + 1, sizeof(*budgets));
	_cleanup_free_ struct qos_must *must = calloc(n + 1, sizeof(*must));
	const struct qos_prove_params params = {
		.blocking = capacity->blocking_ns, .jobs_max = JOBS_ALL, .weights = weights};
	enum qos_proof proof = QOS_PROOF_NONE;

	if (!weights || !budgets || !must || !qos_plan_tasks(capacity, streams, n, 0, tasks))
		return QOS_PROOF_NONE;
	for (size_t i = 0; i < n; i++)
		weights[i] = slower(streams[i].runtime_ns + 2 * capacity->overhead_ns,
				    capacity->cap_ppb);
	if (qos_prove_sporadic(tasks, n, &params, claims ? must : NULL))
		proof = QOS_PROOF_SPORADIC;
	else if (name_bundles(streams, tasks, n) &&
		 qos_prove_bundle(tasks, n, &params, claims ? must : NULL, budgets))
		proof = QOS_PROOF_BUNDLE;
	if (proof != QOS_PROOF_NONE)
		claim_bundles(tasks, n, budgets, must, claims);
	return proof;
}

/* --- T3 --- */

static void set_phases(struct qos_sim_task *tasks, size_t n, uint64_t vector)
{
	uint64_t random = 0x9E3779B97F4A7C15ULL * (vector + 1), work = 0;

	for (size_t i = 0; i < n; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		tasks[i].phase =
			vector > 1 ? random % tasks[i].period : vector * (work % tasks[i].period);
		work += tasks[i].cost;
	}
}

/* Requests until all windows and phases come again; UINT64_MAX: more than can be told. */
static uint64_t requests_of_all(const struct qos_sim_task *tasks, size_t n)
{
	uint64_t whole = 1, requests = 0;

	for (size_t i = 0; i < n && whole; i++) {
		uint32_t y = qos_prove_window(&tasks[i]);

		whole = qos_prove_lcm(whole, tasks[i].period * y);
	}
	for (size_t i = 0; i < n && whole; i++)
		requests += whole / tasks[i].period;
	return whole ? requests : UINT64_MAX;
}

/*
 * A table without its prefix, from a window's first request on: what went before is work less, and
 * windows begin where they did. All tables are of one length, after which they begin anew, so a phase
 * is less than that. False: no memory.
 */
static bool claim_table(const struct qos_sim_task *task, const struct qos_must *must,
			struct qos_claim *claim)
{
	uint64_t y = qos_prove_window(task), first = (must->prefix + y - 1) / y * y;

	*claim = (struct qos_claim){
		.mode = QOS_CLAIM_PHASES,
		.phase_ns = (task->phase + first * task->period) % (must->cycle * task->period),
	};
	return qos_must_from(must, first, &claim->must) == 0;
}

static bool claim_tables(const struct qos_sim_task *tasks, size_t n, struct qos_must *must,
			 struct qos_claim *claims)
{
	bool done = true;

	for (size_t i = 0; claims && i < n; i++) {
		done = done && claim_table(&tasks[i], &must[i], &claims[i]);
		qos_must_reset(&must[i]);
	}
	for (size_t i = 0; claims && i < n && !done; i++)
		qos_claim_reset(&claims[i]);
	return done;
}

/* Way 0, 1, ...: the orderings one by one, then the search. */
static bool try_way(const struct qos_sim_task *tasks, size_t n, size_t way, struct qos_must *must)
{
	static const enum dwcs_ordering orderings[] = {DWCS_FIN, DWCS_FIN_GUARD, DWCS_DWCS_SKIP,
						       DWCS_VDS_SKIP};
	const struct qos_prove_params params = {.jobs_max = JOBS_ONE};

	_Static_assert(QOS_ARRAY_SIZE(orderings) + 1 == WAYS, "the orderings and the search");
	return way < QOS_ARRAY_SIZE(orderings)
		       ? qos_prove_table(tasks, n, orderings[way], &params, must)
		       : qos_prove_search(tasks, n, &params, must);
}

static bool try_phases(struct qos_sim_task *tasks, size_t n, struct qos_must *must)
{
	uint64_t requests = requests_of_all(tasks, n);

	if (requests > JOBS_ONE || requests * n > VERIFIED)
		return false;
	for (size_t way = 0; way < WAYS; way++) {
		for (size_t i = 0; i < VECTORS && i * requests < JOBS_ALL / WAYS; i++) {
			set_phases(tasks, n, i);
			if (try_way(tasks, n, way, must))
				return true;
		}
	}
	return false;
}

static enum qos_proof try_tables(const struct qos_capacity *capacity,
				 const struct qos_windows_stream *streams,
				 struct qos_sim_task *tasks, size_t n, struct qos_claim *claims)
{
	_cleanup_free_ struct qos_must *must = calloc(n + 1, sizeof(*must));

	for (size_t i = 0; i < n; i++) {
		if (!is_ours(&streams[i]))
			return QOS_PROOF_NONE;
	}
	if (!must || !qos_plan_tasks(capacity, streams, n, capacity->blocking_ns, tasks) ||
	    !qos_prove_fits(tasks, n) || !try_phases(tasks, n, claims ? must : NULL) ||
	    !claim_tables(tasks, n, must, claims))
		return QOS_PROOF_NONE;
	return QOS_PROOF_TABLE;
}

enum qos_proof qos_plan_windows(const struct qos_capacity *capacity,
				const struct qos_windows_stream *streams, size_t n,
				struct qos_claim *claims, uint64_t *ret_id)
{
	_cleanup_free_ struct qos_sim_task *tasks = calloc(n + 1, sizeof(*tasks));
	enum qos_proof proof;

	*ret_id = 0;
	for (size_t i = 0; i < n; i++) {
		if (streams[i].wish->max_threads != 1)
			return QOS_PROOF_NONE;
	}
	if (!tasks)
		return QOS_PROOF_NONE;
	proof = try_bundles(capacity, streams, tasks, n, claims);
	if (proof == QOS_PROOF_NONE)
		proof = try_tables(capacity, streams, tasks, n, claims);
	if (proof != QOS_PROOF_NONE)
		*ret_id = identify(proof, streams, tasks, n);
	return proof;
}
