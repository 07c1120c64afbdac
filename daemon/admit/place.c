/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where streams run. SCHED_DEADLINE on all CPUs that are not isolated is the first choice: the
 * kernel enforces C itself. What may not have it, or would break the bound of that set, is pinned
 * to one CPU under SCHED_FIFO, worst fit first, so that what is left stays in big pieces.
 *
 * Weakness: streams are placed one by one and never moved to make room for another, so a set that
 * a cleverer packing could hold may be refused.
 */
#include "admit/place.h"

#include <linux/types.h>

#include "admit/judge.h"
#include "dwcs.h"

#define GRAIN_NS 10000U /* grants are searched this finely, or to 1 % */

/* Can the module serve it? Its own bounds, of kmod/uapi/qos_dwcs.h. */
static bool is_for_module(const struct qos_book *book, const struct qos_cpu_stream *stream)
{
	return book->capacity->dwcs && stream->job != QOS_JOB_PROBES &&
	       stream->period.ns >= 100000 && stream->period.ns <= 500000000000 &&
	       stream->window.y <= DWCS_Y_MAX;
}

static bool may_be_pinned(const struct qos_book *book, const struct qos_cpu_stream *stream)
{
	return book->capacity->fifo || is_for_module(book, stream);
}

/* Puts a stream on a seat, with nothing promised yet. */
static void sit(struct qos_book *book, struct qos_entry *entry, size_t i,
		const struct qos_seat *seat)
{
	struct qos_stream_grant grant = entry->grant.streams[i];
	struct qos_hold hold = entry->holds[i];

	grant.policy = seat->policy;
	if (seat->policy == QOS_POLICY_FIFO && is_for_module(book, &entry->contract->cpu[i]))
		grant.policy = QOS_POLICY_DWCS;
	grant.ordering = DWCS_FIN;
	grant.guarantee = QOS_BEST_EFFORT;
	grant.test = "none";
	grant.priority = 0;
	grant.response_ns = 0;
	grant.plan = 0;
	qos_cpus_clear(&grant.cpus);
	if (seat->policy == QOS_POLICY_FIFO)
		qos_cpus_add(&grant.cpus, seat->cpu);
	if (seat->policy == QOS_POLICY_DEADLINE)
		grant.cpus = book->general;
	hold.floor = QOS_BEST_EFFORT;
	if (seat->policy == QOS_POLICY_NONE)
		hold.before = qos_book_seat(entry, i);
	qos_book_set(book, entry, i, &grant, &hold);
}

void qos_place_unseat(struct qos_book *book, struct qos_entry *entry, size_t i)
{
	const struct qos_seat nowhere = {.policy = QOS_POLICY_NONE};

	if (entry->grant.streams[i].policy != QOS_POLICY_NONE)
		sit(book, entry, i, &nowhere);
}

bool qos_place_may_deadline(const struct qos_book *book, const struct qos_entry *entry, size_t i)
{
	const struct qos_cpu_stream *stream = &entry->contract->cpu[i];
	const struct qos_capacity *capacity = book->capacity;
	bool anywhere =
		stream->where == QOS_WHERE_ANY ||
		(stream->where == QOS_WHERE_LIST && qos_cpus_subset(&book->general, &stream->cpus));

	return capacity->deadline && book->n_general && anywhere && !entry->holds[i].no_deadline &&
	       stream->period.ns >= capacity->dl_period_min_ns &&
	       stream->period.ns <= capacity->dl_period_max_ns &&
	       entry->grant.streams[i].granted_ns >= QOS_DL_RUNTIME_MIN_NS;
}

struct qos_cpus qos_place_choice(const struct qos_book *book, const struct qos_cpu_stream *stream)
{
	switch (stream->where) {
	case QOS_WHERE_ANY:
		return book->general;
	case QOS_WHERE_LIST:
		return qos_cpus_and(&stream->cpus, &book->capacity->online);
	case QOS_WHERE_ISOLATED:
		return book->capacity->isolated;
	}
	return (struct qos_cpus){};
}

/* Tries one seat; it keeps it if the guarantee is at least `least`. */
static bool try_seat(struct qos_book *book, struct qos_entry *entry, size_t i,
		     const struct qos_seat *seat, enum qos_guarantee least)
{
	size_t mark = qos_book_mark(book);

	sit(book, entry, i, seat);
	if (qos_judge_seat(book, seat) && entry->grant.streams[i].guarantee >= least)
		return true;
	qos_book_rollback(book, mark);
	return false;
}

static bool try_deadline(struct qos_book *book, struct qos_entry *entry, size_t i,
			 enum qos_guarantee least)
{
	const struct qos_seat seat = {.policy = QOS_POLICY_DEADLINE};

	return qos_place_may_deadline(book, entry, i) && try_seat(book, entry, i, &seat, least);
}

/* The CPU of the set with most left, or QOS_CPUS_MAX. */
static unsigned int emptiest(const struct qos_book *book, const struct qos_cpus *cpus)
{
	unsigned int best = qos_cpus_next(cpus, 0);

	QOS_CPU_FOREACH(cpu, cpus) {
		if (qos_judge_free_ppb(book, cpu) > qos_judge_free_ppb(book, best))
			best = cpu;
	}
	return best;
}

static bool try_fifo(struct qos_book *book, struct qos_entry *entry, size_t i,
		     enum qos_guarantee least)
{
	struct qos_cpus choice = qos_place_choice(book, &entry->contract->cpu[i]);
	/* What the module would reserve is less, and only known on the seat. */
	uint64_t need = is_for_module(book, &entry->contract->cpu[i])
				? 0
				: qos_book_demand(book, entry, i).util_ppb;

	if (!may_be_pinned(book, &entry->contract->cpu[i]))
		return false;
	for (;;) {
		struct qos_seat seat = {.policy = QOS_POLICY_FIFO};
		struct qos_cpus tried = {};

		seat.cpu = emptiest(book, &choice);
		if (seat.cpu == QOS_CPUS_MAX || qos_judge_free_ppb(book, seat.cpu) < need)
			return false;
		if (try_seat(book, entry, i, &seat, least))
			return true;
		qos_cpus_add(&tried, seat.cpu);
		choice = qos_cpus_minus(&choice, &tried);
	}
}

/* May it still have the seat that it had before? */
static bool may_go_back(const struct qos_book *book, const struct qos_entry *entry, size_t i)
{
	struct qos_cpus choice = qos_place_choice(book, &entry->contract->cpu[i]);
	const struct qos_seat *before = &entry->holds[i].before;

	switch (before->policy) {
	case QOS_POLICY_NONE:
		return false;
	case QOS_POLICY_DEADLINE:
		return qos_place_may_deadline(book, entry, i);
	case QOS_POLICY_FIFO:
		return may_be_pinned(book, &entry->contract->cpu[i]) &&
		       qos_cpus_has(&choice, before->cpu);
	case QOS_POLICY_DWCS:
		return false; /* no seat has it */
	}
	return false;
}

static bool try_before(struct qos_book *book, struct qos_entry *entry, size_t i,
		       enum qos_guarantee least)
{
	const struct qos_seat before = entry->holds[i].before;

	return may_go_back(book, entry, i) && try_seat(book, entry, i, &before, least);
}

bool qos_place_back(struct qos_book *book, struct qos_entry *entry, size_t i)
{
	const struct qos_seat before = entry->holds[i].before;

	if (!may_go_back(book, entry, i))
		return false;
	sit(book, entry, i, &before);
	return true;
}

/* With the module there a stream is its own if the contract takes what it can promise: windows that are
 * only simulated are better kept than a proof that leaves no room for others, since below
 * SCHED_DEADLINE the module could promise nothing. */
static bool try_module(struct qos_book *book, struct qos_entry *entry, size_t i)
{
	enum qos_guarantee accept = entry->contract->accept;

	return is_for_module(book, &entry->contract->cpu[i]) &&
	       (try_fifo(book, entry, i, QOS_PROVEN) ||
		(accept <= QOS_SIMULATED && try_fifo(book, entry, i, QOS_SIMULATED)) ||
		(accept == QOS_BEST_EFFORT && try_fifo(book, entry, i, QOS_BEST_EFFORT)));
}

/* What cannot be proven is pinned if possible: there it harms one CPU's proofs, and not the whole
 * SCHED_DEADLINE set's. */
bool qos_place_stream(struct qos_book *book, struct qos_entry *entry, size_t i)
{
	if (entry->contract->cpu[i].manage == QOS_MANAGE_OBSERVE)
		return true;
	if (try_before(book, entry, i, QOS_PROVEN) || try_module(book, entry, i) ||
	    try_deadline(book, entry, i, QOS_PROVEN) || try_fifo(book, entry, i, QOS_PROVEN))
		return true;
	if (entry->contract->accept > QOS_BEST_EFFORT)
		return false;
	return try_before(book, entry, i, QOS_BEST_EFFORT) ||
	       try_fifo(book, entry, i, QOS_BEST_EFFORT) ||
	       try_deadline(book, entry, i, QOS_BEST_EFFORT);
}

bool qos_place_try(struct qos_book *book, struct qos_entry *entry, size_t i, enum qos_share share,
		   uint64_t ns)
{
	struct qos_stream_grant grant = entry->grant.streams[i];
	struct qos_seat seat = qos_book_seat(entry, i);
	struct qos_hold hold = entry->holds[i];
	size_t mark = qos_book_mark(book);

	if (share == QOS_SHARE_BASE) {
		hold.base_ns = ns;
		grant.granted_ns = grant.wanted_ns < ns ? grant.wanted_ns : ns;
	} else {
		grant.granted_ns = ns;
	}
	grant.guaranteed_ns = grant.granted_ns > hold.base_ns ? grant.granted_ns : hold.base_ns;
	qos_book_set(book, entry, i, &grant, &hold);
	if (seat.policy == QOS_POLICY_NONE || qos_judge_seat(book, &seat))
		return true;
	qos_book_rollback(book, mark);
	return false;
}

void qos_place_raise(struct qos_book *book, struct qos_entry *entry, size_t i, enum qos_share share,
		     uint64_t ns)
{
	uint64_t lo = share == QOS_SHARE_BASE ? entry->holds[i].base_ns
					      : entry->grant.streams[i].granted_ns;
	uint64_t hi = ns, grain = ns / 100 > GRAIN_NS ? ns / 100 : GRAIN_NS;

	if (ns <= lo || qos_place_try(book, entry, i, share, ns))
		return;
	while (!book->error && hi - lo > grain) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (qos_place_try(book, entry, i, share, mid))
			lo = mid;
		else
			hi = mid;
	}
}
