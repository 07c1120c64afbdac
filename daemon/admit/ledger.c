/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ledger's operations. Each is all or nothing by itself, inside a transaction and outside of
 * one: it marks the book's log, tries, and either keeps what it did or rolls back to the mark.
 *
 * What a stream may count on is its hold's base: the contract's `runtime`, or less after supply
 * shrank. What is granted above may be taken back by whoever needs it to get in (admit.c); a grant
 * below the base leaves the base reserved.
 */
#include "admit/ledger.h"

#include <errno.h>
#include <string.h>

#include "admit/admit.h"
#include "admit/judge.h"
#include "admit/judge_links.h"
#include "admit/place.h"
#include "admit/resupply.h"
#include "admit/wayout.h"

struct qos_ledger {
	struct qos_book book;
	bool open; /* between begin and commit or rollback */
};

int qos_ledger_new(const struct qos_capacity *capacity, struct qos_ledger **ret)
{
	_cleanup_free_ struct qos_ledger *ledger = calloc(1, sizeof(*ledger));
	int r;

	if (!ledger)
		return -ENOMEM;
	r = qos_book_init(&ledger->book, capacity);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ledger);
	return 0;
}

void qos_ledger_free(struct qos_ledger *ledger)
{
	if (!ledger)
		return;
	qos_book_deinit(&ledger->book);
	free(ledger);
}

void qos_ledger_begin(struct qos_ledger *ledger)
{
	ledger->open = true;
}

/* Grants on links follow from who is there; without memory they stay as they were. */
static void close_transaction(struct qos_ledger *ledger)
{
	qos_judge_links_settle(&ledger->book);
	ledger->book.error = 0;
	ledger->open = false;
}

void qos_ledger_preview(struct qos_ledger *ledger)
{
	qos_judge_links_settle(&ledger->book);
}

void qos_ledger_commit(struct qos_ledger *ledger)
{
	qos_book_commit(&ledger->book);
	close_transaction(ledger);
}

void qos_ledger_rollback(struct qos_ledger *ledger)
{
	qos_book_rollback(&ledger->book, 0);
	close_transaction(ledger);
}

/* Every operation ends here: the one look at `error`. */
static int finish(struct qos_ledger *ledger, size_t mark, int r)
{
	struct qos_book *book = &ledger->book;

	if (book->error) {
		r = book->error;
		book->error = 0;
	}
	if (r)
		qos_book_rollback(book, mark);
	else
		qos_book_keep(book, mark);
	if (!ledger->open)
		qos_ledger_commit(ledger);
	return r;
}

int qos_ledger_add(struct qos_ledger *ledger, const struct qos_contract *contract,
		   struct qos_diag *diag)
{
	struct qos_book *book = &ledger->book;
	size_t mark = qos_book_mark(book), failed = 0;
	int r = 0;

	if (qos_book_find(book, contract->name))
		return -EEXIST;
	if (!qos_admit(book, contract, &failed)) {
		r = QOS_LEDGER_E_REFUSED;
		if (diag && !book->error)
			qos_wayout_refuse(book, contract, failed, diag);
	}
	return finish(ledger, mark, r);
}

int qos_ledger_remove(struct qos_ledger *ledger, const char *name)
{
	struct qos_book *book = &ledger->book;
	struct qos_entry *entry = qos_book_find(book, name);
	size_t mark = qos_book_mark(book);

	if (!entry)
		return QOS_LEDGER_E_UNKNOWN;
	qos_book_remove(book, entry);
	qos_judge_without(book, entry);
	return finish(ledger, mark, 0);
}

/* Finds a stream by name. False: words are in diag. */
static bool find_stream(const struct qos_book *book, const char *name, const char *stream,
			struct qos_diag *diag, struct qos_entry **ret, size_t *ret_i)
{
	struct qos_entry *entry = qos_book_find(book, name);

	for (size_t i = 0; entry && i < entry->grant.n_streams; i++) {
		if (!strcmp(entry->contract->cpu[i].name, stream)) {
			*ret = entry;
			*ret_i = i;
			return true;
		}
	}
	if (!entry)
		qos_diag_error(diag, NULL, "no contract named %s is in force", name);
	else
		qos_diag_error(diag, &entry->contract->loc, "%s has no cpu stream named %s", name,
			       stream);
	qos_diag_hint(diag, "`qosctl list` shows the contracts in force and their streams");
	return false;
}

/* Which runtimes may be asked for at all. */
static struct qos_range permitted(const struct qos_entry *entry, size_t i, bool by_person)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	bool deadline = entry->grant.streams[i].policy == QOS_POLICY_DEADLINE;
	struct qos_range range = {.lo = wish->runtime_ns, .hi = wish->runtime_ns};

	if (by_person)
		range = (struct qos_range){.lo = 1, .hi = wish->deadline_ns};
	else if (wish->runtime_range.set)
		range = wish->runtime_range;
	if (range.hi > wish->deadline_ns)
		range.hi = wish->deadline_ns;
	if (deadline && range.lo < QOS_DL_RUNTIME_MIN_NS)
		range.lo = QOS_DL_RUNTIME_MIN_NS;
	return range;
}

static bool check_range(const struct qos_entry *entry, size_t i, uint64_t ns, bool by_person,
			struct qos_diag *diag)
{
	const struct qos_cpu_stream *wish = &entry->contract->cpu[i];
	struct qos_range range = permitted(entry, i, by_person);
	char asked[QOS_UNIT_MAX], lo[QOS_UNIT_MAX], hi[QOS_UNIT_MAX];

	if (ns >= range.lo && ns <= range.hi)
		return true;
	qos_diag_error(diag, &wish->loc, "runtime %s of %s lies outside of %s..%s",
		       qos_print_duration(asked, sizeof(asked), ns), wish->name,
		       qos_print_duration(lo, sizeof(lo), range.lo),
		       qos_print_duration(hi, sizeof(hi), range.hi));
	qos_diag_hint(diag, by_person ? "a runtime is at most the deadline"
				      : "`range` in the contract says how far runtime may move");
	return false;
}

/* A smaller amount needs no leave. */
static void reduce(struct qos_book *book, struct qos_entry *entry, size_t i, uint64_t ns)
{
	struct qos_stream_grant grant = entry->grant.streams[i];
	struct qos_seat seat = qos_book_seat(entry, i);
	uint64_t base = entry->holds[i].base_ns;

	grant.granted_ns = ns;
	if (seat.policy != QOS_POLICY_NONE)
		grant.guaranteed_ns = ns > base ? ns : base;
	qos_book_set(book, entry, i, &grant, &entry->holds[i]);
	if (seat.policy != QOS_POLICY_NONE)
		qos_judge_again(book, &seat);
}

/* Another seat may hold what this one cannot; the contract's `accept` is all that binds then. */
static bool reseat(struct qos_book *book, struct qos_entry *entry, size_t i, uint64_t ns)
{
	struct qos_seat seat = qos_book_seat(entry, i);
	size_t mark = qos_book_mark(book);

	qos_place_unseat(book, entry, i);
	if (qos_place_try(book, entry, i, QOS_SHARE_GRANTED, ns) &&
	    qos_place_stream(book, entry, i)) {
		qos_judge_again(book, &seat);
		return true;
	}
	qos_book_rollback(book, mark);
	return false;
}

static int increase(struct qos_book *book, struct qos_entry *entry, size_t i, uint64_t ns,
		    bool by_person)
{
	uint64_t before = entry->grant.streams[i].granted_ns;

	if (by_person) {
		bool fits = qos_place_try(book, entry, i, QOS_SHARE_GRANTED, ns) ||
			    reseat(book, entry, i, ns);

		return fits ? 0 : QOS_LEDGER_E_REFUSED;
	}
	qos_place_raise(book, entry, i, QOS_SHARE_GRANTED, ns);
	return entry->grant.streams[i].granted_ns > before ? 0 : QOS_LEDGER_E_REFUSED;
}

int qos_ledger_change(struct qos_ledger *ledger, const char *name, const char *stream,
		      uint64_t runtime_ns, bool by_person, struct qos_diag *diag)
{
	struct qos_book *book = &ledger->book;
	size_t mark = qos_book_mark(book), i;
	struct qos_stream_grant grant;
	struct qos_entry *entry;
	int r = 0;

	if (!find_stream(book, name, stream, diag, &entry, &i))
		return QOS_LEDGER_E_UNKNOWN;
	if (!check_range(entry, i, runtime_ns, by_person, diag))
		return QOS_LEDGER_E_RANGE;
	grant = entry->grant.streams[i];
	grant.wanted_ns = runtime_ns;
	qos_book_set(book, entry, i, &grant, &entry->holds[i]);
	if (grant.policy == QOS_POLICY_NONE || runtime_ns <= grant.guaranteed_ns)
		reduce(book, entry, i, runtime_ns);
	else
		r = increase(book, entry, i, runtime_ns, by_person);
	if (r == QOS_LEDGER_E_REFUSED && !book->error)
		qos_wayout_refuse_change(book, entry, i, runtime_ns, diag);
	return finish(ledger, mark, r);
}

int qos_ledger_forbid_deadline(struct qos_ledger *ledger, const char *name, const char *stream,
			       struct qos_diag *diag)
{
	const struct qos_seat deadline = {.policy = QOS_POLICY_DEADLINE};
	struct qos_book *book = &ledger->book;
	size_t mark = qos_book_mark(book), i;
	struct qos_entry *entry;
	struct qos_hold hold;
	bool was_deadline;

	if (!find_stream(book, name, stream, diag, &entry, &i))
		return QOS_LEDGER_E_UNKNOWN;
	was_deadline = entry->grant.streams[i].policy == QOS_POLICY_DEADLINE;
	hold = entry->holds[i];
	hold.no_deadline = true;
	qos_book_set(book, entry, i, &entry->grant.streams[i], &hold);
	if (!was_deadline)
		return finish(ledger, mark, 0);
	qos_place_unseat(book, entry, i);
	if (qos_place_stream(book, entry, i)) {
		qos_judge_again(book, &deadline);
		return finish(ledger, mark, 0);
	}
	if (!book->error)
		qos_wayout_refuse_fifo(book, entry, i, diag);
	return finish(ledger, mark, QOS_LEDGER_E_REFUSED);
}

int qos_ledger_resupply(struct qos_ledger *ledger, const struct qos_capacity *capacity,
			const char ***ret_out, size_t *ret_n_out)
{
	struct qos_book *book = &ledger->book;
	size_t mark = qos_book_mark(book), n = book->n_entries, n_out = 0;
	_cleanup_free_ const char **out = calloc(n + 1, sizeof(*out));
	int r;

	if (!out)
		return -ENOMEM;
	n_out = qos_resupply(book, capacity, out);
	r = finish(ledger, mark, 0);
	if (r < 0)
		return r;
	*ret_out = TAKE_PTR(out);
	*ret_n_out = n_out;
	return 0;
}

const struct qos_grant *qos_ledger_grant(const struct qos_ledger *ledger, const char *name)
{
	const struct qos_entry *entry = qos_book_find(&ledger->book, name);

	return entry ? &entry->grant : NULL;
}

int qos_ledger_claims(const struct qos_ledger *ledger, unsigned int cpu, qos_claim_id_fn id,
		      void *data, struct qos_cpu_claims *ret)
{
	return qos_claims_of(&ledger->book, cpu, id, data, ret);
}

void qos_ledger_sums(const struct qos_ledger *ledger, struct qos_ledger_sums *ret)
{
	const struct qos_book *book = &ledger->book;
	uint64_t all = book->capacity->cap_ppb * book->capacity->n_cpus;
	uint64_t foreign = book->capacity->dl_foreign_ppb;

	QOS_CPU_FOREACH(cpu, &book->capacity->online)
		foreign += book->capacity->foreign_ppb[cpu];
	*ret = (struct qos_ledger_sums){
		.used_ppb = book->sums.dl_util_ppb + book->sums.fifo_ppb,
		.cap_ppb = all > foreign ? all - foreign : 0,
		.n_contracts = book->n_entries,
	};
}
