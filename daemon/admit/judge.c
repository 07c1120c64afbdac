/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may be promised. The SCHED_DEADLINE set is one and is proven or not as a whole; each CPU's
 * SCHED_FIFO streams are judged one by one, below that set, and only if that set is proven, since
 * their analysis leans on its meeting its own deadlines. Only what a change touches is judged
 * again.
 *
 * Priorities are deadline monotonic on each CPU. Where a CPU has more distinct deadlines than the
 * band has levels, neighbours share a level and count as delaying each other.
 *
 * Among many, response times are first bounded from two running sums, which costs O(1) a stream;
 * only where that bound is too coarse the exact analysis runs. The verdict is the same.
 *
 * The kernel takes a CPU from real-time work that uses more of it than a quota (RT throttling, the
 * fair server). No test has that in it, so it is a hypothesis, and it is checked: where all that may
 * run on a CPU could fill a quota within one of its periods, nothing is proven under SCHED_FIFO or the
 * module.
 *
 * Weakness: of the FIFO work of others that check knows the average alone. For SCHED_DEADLINE the
 * fair server is in the cap only. An isolated CPU is taken to lie outside of the root domain that SCHED_DEADLINE balances
 * over, as isolcpus= and isolated cpuset partitions make it.
 */
#include "admit/judge.h"

#include <errno.h>
#include <string.h>

#include "admit/judge_windows.h"

#define EXACT_MAX 32 /* tasks: so few are analysed exactly at once */

/* One SCHED_FIFO stream of a CPU while that CPU is judged. */
struct rank {
	struct qos_entry *entry;
	size_t stream;
	struct qos_demand demand;
	uint32_t priority;
	enum qos_guarantee guarantee;
	const char *test; /* what says so */
	uint64_t response_ns;
	uint64_t plan;
};

struct judged_cpu {
	struct rank *ranks;	    /* by deadline */
	struct qos_sporadic *tasks; /* the same as plain tasks, then those above */
	size_t n;
	size_t n_above;
};

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t qos_judge_free_general_ppb(const struct qos_book *book)
{
	return minus(book->capacity->cap_ppb * book->n_general,
		     book->sums.dl_util_ppb + book->capacity->dl_foreign_ppb +
			     book->sums.fifo_general_ppb + book->foreign_general_ppb);
}

uint64_t qos_judge_free_ppb(const struct qos_book *book, unsigned int cpu)
{
	uint64_t own = minus(book->capacity->cap_ppb,
			     book->sums.cpu_fifo_ppb[cpu] + book->capacity->foreign_ppb[cpu]);
	uint64_t all = UINT64_MAX;

	if (qos_cpus_has(&book->general, cpu))
		all = qos_judge_free_general_ppb(book);
	return own < all ? own : all;
}

static bool cap_holds(const struct qos_book *book, bool dl_changed, unsigned int cpu)
{
	const struct qos_capacity *capacity = book->capacity;
	const struct qos_sums *sums = &book->sums;

	if (cpu < QOS_CPUS_MAX && sums->n_cpu_fifo[cpu] &&
	    sums->cpu_fifo_ppb[cpu] + capacity->foreign_ppb[cpu] > capacity->cap_ppb)
		return false;
	if (!(dl_changed && sums->n_dl) && !qos_cpus_has(&book->general, cpu))
		return true;
	return sums->dl_util_ppb + capacity->dl_foreign_ppb + sums->fifo_general_ppb +
		       book->foreign_general_ppb <=
	       capacity->cap_ppb * book->n_general;
}

/* All SCHED_DEADLINE streams, then those of others. `ret` has room. */
static size_t deadline_tasks(const struct qos_book *book, struct qos_sporadic *ret)
{
	const struct qos_capacity *capacity = book->capacity;
	size_t n = 0;

	for (size_t k = 0; k < book->n_entries && n < book->sums.n_dl; k++) {
		const struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			if (entry->grant.streams[i].policy == QOS_POLICY_DEADLINE)
				ret[n++] = qos_book_demand(book, entry, i).task;
		}
	}
	for (size_t i = 0; i < capacity->n_dl_foreign; i++)
		ret[n++] = capacity->dl_foreign[i];
	return n;
}

/* Is the SCHED_DEADLINE set proven? On one CPU the density bound is only the quick way to yes. */
static bool deadline_is_proven(struct qos_book *book)
{
	const struct qos_capacity *capacity = book->capacity;
	_cleanup_free_ struct qos_sporadic *tasks = NULL;
	uint64_t max = qos_book_dl_max(book);
	size_t n;

	if (capacity->dl_foreign_max_ppb > max)
		max = capacity->dl_foreign_max_ppb;
	if (qos_feasible_gfb(book->sums.dl_density_ppb + capacity->dl_foreign_density_ppb, max,
			     book->n_general, capacity->cap_ppb))
		return true;
	if (book->n_general != 1)
		return false;
	tasks = calloc(book->sums.n_dl + capacity->n_dl_foreign + 1, sizeof(*tasks));
	if (!tasks) {
		book->error = -ENOMEM;
		return false;
	}
	n = deadline_tasks(book, tasks);
	return qos_feasible_edf(tasks, n, capacity->blocking_ns, capacity->cap_ppb);
}

static enum qos_guarantee floor_of(const struct qos_entry *entry, size_t i)
{
	enum qos_guarantee floor = entry->holds[i].floor, accept = entry->contract->accept;

	/* Under the module all of a CPU have one proof or none: to keep whatever somebody had would
	 * let the first comer shut others out for more than he asked. */
	if (entry->grant.streams[i].policy == QOS_POLICY_DWCS)
		return accept;
	return floor > accept ? floor : accept;
}

/* Gives one stream what was found for it. False: that is less than its floor. */
static bool award(struct qos_book *book, struct qos_entry *entry, size_t i, const struct rank *rank)
{
	struct qos_stream_grant grant = entry->grant.streams[i];

	if (rank->guarantee < floor_of(entry, i))
		return false;
	grant.guarantee = rank->guarantee;
	grant.test = rank->guarantee > QOS_BEST_EFFORT ? rank->test : "none";
	grant.priority = rank->priority;
	grant.response_ns = rank->response_ns;
	grant.plan = rank->plan;
	if (grant.guarantee == entry->grant.streams[i].guarantee &&
	    grant.test == entry->grant.streams[i].test &&
	    grant.priority == entry->grant.streams[i].priority &&
	    grant.response_ns == entry->grant.streams[i].response_ns &&
	    grant.plan == entry->grant.streams[i].plan)
		return true;
	qos_book_set(book, entry, i, &grant, &entry->holds[i]);
	return !book->error;
}

/* The SCHED_DEADLINE set is proven or not as a whole. */
static bool award_deadline(struct qos_book *book, bool proven)
{
	const struct rank rank = {.guarantee = proven ? QOS_PROVEN : QOS_BEST_EFFORT,
				  .test = book->n_general == 1 ? "edf-demand" : "gfb"};

	if (proven && book->sums.n_dl_proven == book->sums.n_dl)
		return true;
	for (size_t k = 0; k < book->n_entries; k++) {
		struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			if (entry->grant.streams[i].policy == QOS_POLICY_DEADLINE &&
			    !award(book, entry, i, &rank))
				return false;
		}
	}
	return true;
}

static int by_deadline(const void *a, const void *b)
{
	const struct rank *left = a, *right = b;
	uint64_t x = left->demand.task.d, y = right->demand.task.d;
	int order;

	if (x != y)
		return x < y ? -1 : 1;
	order = strcmp(left->entry->contract->name, right->entry->contract->name);
	return order ? order : (left->stream > right->stream) - (left->stream < right->stream);
}

/* The streams pinned to `cpu`, by deadline; judged->ranks has room. */
static void gather(const struct qos_book *book, unsigned int cpu, struct judged_cpu *judged)
{
	for (size_t k = 0; k < book->n_entries && judged->n < book->sums.n_cpu_fifo[cpu]; k++) {
		struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			struct qos_seat seat = qos_book_seat(entry, i);

			if (seat.policy != QOS_POLICY_FIFO || seat.cpu != cpu)
				continue;
			judged->ranks[judged->n++] =
				(struct rank){.entry = entry,
					      .stream = i,
					      .test = "rta",
					      .demand = qos_book_demand(book, entry, i)};
		}
	}
	qsort(judged->ranks, judged->n, sizeof(*judged->ranks), by_deadline);
}

/* Level j of `distinct` goes to band_last - j, squeezed where there are too few levels. */
static void give_priorities(const struct qos_capacity *capacity, struct judged_cpu *judged)
{
	size_t levels = capacity->band_last - capacity->band_first + 1, distinct = 0, j = 0;

	for (size_t i = 0; i < judged->n; i++)
		distinct += i == 0 ||
			    judged->ranks[i].demand.task.d != judged->ranks[i - 1].demand.task.d;
	for (size_t i = 0; i < judged->n; i++) {
		struct rank *rank = &judged->ranks[i];

		j += i > 0 && rank->demand.task.d != judged->ranks[i - 1].demand.task.d;
		rank->priority = capacity->band_last -
				 (uint32_t)(distinct <= levels ? j : j * levels / distinct);
		judged->tasks[i] = rank->demand.task;
		judged->tasks[i].priority = rank->priority;
	}
}

/* The exact analysis of one stream. */
static bool analyse(const struct qos_book *book, struct judged_cpu *judged, size_t i)
{
	return qos_feasible_rta(judged->tasks, judged->n, i, judged->tasks + judged->n,
				judged->n_above, book->capacity->blocking_ns,
				&judged->ranks[i].response_ns) == 0;
}

/* Can all that may run on the CPU, those above included, never fill a quota of the kernel? */
static bool stays_within(const struct qos_book *book, unsigned int cpu,
			 const struct qos_quota *quota, const struct judged_cpu *judged)
{
	unsigned __int128 foreign = book->capacity->foreign_ppb[cpu];
	uint64_t most = (uint64_t)(foreign * quota->period_ns / QOS_PPB);

	for (size_t i = 0; i < judged->n + judged->n_above && most <= quota->runtime_ns; i++)
		most += qos_feasible_most(&judged->tasks[i], quota->period_ns);
	return most <= quota->runtime_ns;
}

static bool may_prove(const struct qos_book *book, unsigned int cpu,
		      const struct judged_cpu *judged)
{
	const struct qos_capacity *capacity = book->capacity;

	if (qos_cpus_has(&capacity->disturbed, cpu))
		return false;
	for (size_t i = 0; i < capacity->n_quotas; i++) {
		if (!stays_within(book, cpu, &capacity->quotas[i], judged))
			return false;
	}
	return true;
}

/* Guarantees of all ranks, level by level: who is on the level or above delays who is on it. */
static void judge_ranks(const struct qos_book *book, bool has_above, struct judged_cpu *judged)
{
	bool many = judged->n + book->sums.n_dl + book->capacity->n_dl_foreign > EXACT_MAX;
	uint64_t fixed = book->capacity->blocking_ns, util = 0;
	size_t end = 0;

	if (has_above) {
		fixed += book->sums.dl_fixed_ns + book->foreign_fixed_ns;
		util += book->sums.dl_util_ppb + book->capacity->dl_foreign_ppb;
	}
	for (size_t i = 0; i < judged->n; i++) {
		struct rank *rank = &judged->ranks[i];

		for (; end < judged->n && judged->ranks[end].priority == rank->priority; end++) {
			fixed += judged->ranks[end].demand.fixed_ns;
			util += judged->ranks[end].demand.util_ppb;
		}
		if ((many &&
		     qos_feasible_rta_bound(fixed, util - rank->demand.one_util_ppb,
					    rank->demand.task.d, &rank->response_ns) == 0) ||
		    analyse(book, judged, i))
			rank->guarantee = QOS_PROVEN;
	}
}

static bool is_dwcs(const struct rank *rank)
{
	return rank->entry->grant.streams[rank->stream].policy == QOS_POLICY_DWCS;
}

/* Is the CPU the module's alone? Where it is shared with native FIFO, neither's analysis holds. */
enum sharing { NATIVE, MODULE, SHARED };

static enum sharing sharing_of(const struct judged_cpu *judged)
{
	size_t n = 0;

	for (size_t i = 0; i < judged->n; i++)
		n += is_dwcs(&judged->ranks[i]);
	return n == 0 ? NATIVE : (n == judged->n ? MODULE : SHARED);
}

static struct qos_windows_stream windows_of(const struct rank *rank)
{
	return (struct qos_windows_stream){
		.wish = &rank->entry->contract->cpu[rank->stream],
		.runtime_ns = rank->entry->grant.streams[rank->stream].granted_ns,
		.cost_ns = rank->demand.one_ns,
	};
}

/* SCHED_DEADLINE goes before all of the band, so nothing holds below it. */
static void judge_module(struct qos_book *book, unsigned int cpu, bool has_above,
			 struct judged_cpu *judged)
{
	enum qos_windows_cpu kind = QOS_WINDOWS_ALONE;
	_cleanup_free_ struct qos_windows_stream *streams = calloc(judged->n + 1, sizeof(*streams));
	enum qos_guarantee guarantee;
	const char *test;
	uint64_t plan;

	if (!streams) {
		book->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < judged->n; i++)
		streams[i] = windows_of(&judged->ranks[i]);
	if (has_above || qos_cpus_has(&book->capacity->disturbed, cpu))
		kind = QOS_WINDOWS_DISTURBED;
	else if (!may_prove(book, cpu, judged))
		kind = QOS_WINDOWS_TAXED;
	guarantee = qos_judge_windows(book, streams, judged->n, kind, &test, &plan);
	for (size_t i = 0; i < judged->n; i++) {
		judged->ranks[i].guarantee = guarantee;
		judged->ranks[i].test = test;
		judged->ranks[i].priority = 0;
		judged->ranks[i].plan = plan;
	}
}

static bool settle_cpu(struct qos_book *book, unsigned int cpu, bool dl_proven)
{
	bool general = qos_cpus_has(&book->general, cpu);
	bool has_above = general && (book->sums.n_dl || book->capacity->n_dl_foreign);
	size_t n = book->sums.n_cpu_fifo[cpu];
	_cleanup_free_ struct qos_sporadic *tasks = NULL;
	_cleanup_free_ struct rank *ranks = calloc(n + 1, sizeof(*ranks));
	struct judged_cpu judged = {.ranks = ranks};

	tasks = calloc(n + book->sums.n_dl + book->capacity->n_dl_foreign + 1, sizeof(*tasks));
	if (!ranks || !tasks) {
		book->error = -ENOMEM;
		return false;
	}
	judged.tasks = tasks;
	gather(book, cpu, &judged);
	give_priorities(book->capacity, &judged);
	if (has_above)
		judged.n_above = deadline_tasks(book, tasks + judged.n);
	if (sharing_of(&judged) == MODULE)
		judge_module(book, cpu, has_above, &judged);
	else if (sharing_of(&judged) == NATIVE && (dl_proven || !has_above) &&
		 may_prove(book, cpu, &judged))
		judge_ranks(book, has_above, &judged);
	for (size_t i = 0; i < judged.n; i++) {
		if (book->error || !award(book, ranks[i].entry, ranks[i].stream, &ranks[i]))
			return false;
	}
	return true;
}

bool qos_judge(struct qos_book *book, bool dl_changed, unsigned int cpu)
{
	bool dl_proven;

	if (book->error || !cap_holds(book, dl_changed, cpu))
		return false;
	dl_proven = deadline_is_proven(book);
	if (book->error || (dl_changed && !award_deadline(book, dl_proven)))
		return false;
	if (cpu < QOS_CPUS_MAX && book->sums.n_cpu_fifo[cpu] && !settle_cpu(book, cpu, dl_proven))
		return false;
	if (!dl_changed || !book->sums.fifo_general_ppb)
		return true;
	QOS_CPU_FOREACH(other, &book->general) {
		if (other != cpu && book->sums.n_cpu_fifo[other] &&
		    !settle_cpu(book, other, dl_proven))
			return false;
	}
	return true;
}

bool qos_judge_seat(struct qos_book *book, const struct qos_seat *seat)
{
	return qos_judge(book, seat->policy == QOS_POLICY_DEADLINE,
			 seat->policy == QOS_POLICY_FIFO ? seat->cpu : QOS_CPUS_MAX);
}

void qos_judge_again(struct qos_book *book, const struct qos_seat *seat)
{
	size_t mark = qos_book_mark(book);

	if (book->error || qos_judge_seat(book, seat))
		return;
	qos_book_rollback(book, mark);
	book->error = 0;
}

void qos_judge_without(struct qos_book *book, const struct qos_entry *gone)
{
	for (size_t i = 0; i < gone->grant.n_streams; i++) {
		struct qos_seat seat = qos_book_seat(gone, i);

		if (seat.policy != QOS_POLICY_NONE)
			qos_judge_again(book, &seat);
	}
}

bool qos_judge_all(struct qos_book *book)
{
	if (!qos_judge(book, true, QOS_CPUS_MAX))
		return false;
	QOS_CPU_FOREACH(cpu, &book->capacity->online) {
		if (book->sums.n_cpu_fifo[cpu] && !qos_judge(book, false, cpu))
			return false;
	}
	return true;
}
