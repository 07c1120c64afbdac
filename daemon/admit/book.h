/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internal to admit/: the entries behind the ledger, their sums, and the log that undoes changes.
 * Every change goes through qos_book_insert, _remove, _set and _supply, so that it can be undone to
 * any mark and the sums never drift from the entries. Running out of memory sticks in `error`, the
 * change is then not made; callers look once, at the end, and go back to their mark.
 */
#pragma once

#include "admit/capacity.h"
#include "admit/feasible.h"
#include "admit/grant.h"

/* Where a stream stands; cpu only with QOS_POLICY_FIFO, which stands for QOS_POLICY_DWCS too: who is
 * pinned to a CPU is the module's if it is there. NONE: nowhere (yet). */
struct qos_seat {
	enum qos_policy policy;
	unsigned int cpu;
};

/* What the book knows of a stream beside its grant. */
struct qos_hold {
	uint64_t base_ns; /* always reserved: the contract's runtime, less when supply shrank */
	/* What it had when the transaction began: nobody may take it away. */
	enum qos_guarantee floor;
	bool no_deadline;	/* the kernel refused SCHED_DEADLINE */
	struct qos_seat before; /* to be tried first when it is placed again */
	bool logged;		/* the log has a record of it, or of its entry's coming */
};

struct qos_entry {
	const struct qos_contract *contract;
	struct qos_grant grant;
	struct qos_hold *holds; /* one a stream, in the same block as the entry */
};

/* What a stream asks of a CPU, all its threads together: n threads of (C, D, T) delay others exactly
 * as one of (nC, D, T) does, as long as nC <= D. */
struct qos_demand {
	/* c: n * one_ns; late: T - one_ns, under SCHED_DEADLINE D - one_ns; no priority yet */
	struct qos_sporadic task;
	/* C' of one thread: reserved + 2 * overhead + samples, and what passes until it is cut. */
	uint64_t one_ns;
	uint64_t fixed_ns; /* c + util * late, for qos_feasible_rta_bound */
	uint64_t util_ppb;
	uint64_t one_util_ppb;
	uint64_t density_ppb; /* with blocking, as gfb wants it */
	uint64_t one_density_ppb;
};

struct qos_sums {
	uint64_t dl_util_ppb;
	uint64_t dl_density_ppb;
	uint64_t dl_max_ppb; /* largest density of one thread; an upper bound while stale */
	bool dl_max_stale;
	uint64_t dl_fixed_ns;
	size_t n_dl;
	size_t n_dl_proven;
	uint64_t fifo_ppb; /* all CPUs */
	uint64_t fifo_general_ppb;
	uint64_t cpu_fifo_ppb[QOS_CPUS_MAX];
	uint32_t n_cpu_fifo[QOS_CPUS_MAX];
};

struct qos_undo;

struct qos_book {
	struct qos_capacity *capacity;
	struct qos_cpus general; /* online, not isolated: where SCHED_DEADLINE balances */
	unsigned int n_general;
	uint64_t foreign_general_ppb; /* FIFO and RR of others there */
	uint64_t foreign_fixed_ns;    /* SCHED_DEADLINE of others, as dl_fixed_ns */
	struct qos_entry **entries;   /* by name */
	size_t n_entries;
	size_t entries_size;
	struct qos_sums sums;
	struct qos_undo *log;
	size_t n_log;
	size_t log_size;
	int error; /* 0 or -ENOMEM */
};

int qos_book_init(struct qos_book *book, const struct qos_capacity *capacity);
void qos_book_deinit(struct qos_book *book);

/* Marks nest: what lies behind a mark is either rolled back or kept (in the outer one). Commit ends
 * the outermost. */
static inline size_t qos_book_mark(const struct qos_book *book)
{
	return book->n_log;
}
void qos_book_rollback(struct qos_book *book, size_t mark);
void qos_book_keep(struct qos_book *book, size_t mark);
void qos_book_commit(struct qos_book *book);

struct qos_entry *qos_book_find(const struct qos_book *book, const char *name);

/* The entry of that name which was taken out since the oldest mark, or NULL. */
const struct qos_entry *qos_book_find_removed(const struct qos_book *book, const char *name);

/* A new entry, its streams placed nowhere (observed ones: done). NULL on -ENOMEM. */
struct qos_entry *qos_book_insert(struct qos_book *book, const struct qos_contract *contract);
void qos_book_remove(struct qos_book *book, struct qos_entry *entry);
void qos_book_set(struct qos_book *book, struct qos_entry *entry, size_t i,
		  const struct qos_stream_grant *grant, const struct qos_hold *hold);

/* The grant's own guarantee: the least of all its streams'. */
void qos_book_find_guarantee(struct qos_entry *entry);

/* Exchanges the capacity (copied); streams stay where they are, unjudged. */
void qos_book_supply(struct qos_book *book, const struct qos_capacity *capacity);

struct qos_seat qos_book_seat(const struct qos_entry *entry, size_t i);

struct qos_demand qos_book_demand(const struct qos_book *book, const struct qos_entry *entry,
				  size_t i);
uint64_t qos_book_dl_max(struct qos_book *book);
