/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One contract into the book. What others were given above their base is theirs only while nobody
 * needs it. So much is taken back as the newcomer needs: first the shortest run of the list (lowest
 * importance first) with which it fits is found by halving, then, the newcomer in its seat, each of
 * those is given back what it can still have, the most important first.
 */
#include "admit/admit.h"

#include <errno.h>
#include <string.h>

#include "admit/judge.h"
#include "admit/judge_links.h"
#include "admit/place.h"

/* Service that a stream holds above its base. */
struct extra {
	struct qos_entry *entry;
	size_t stream;
	uint64_t granted_ns;
};

static int by_importance(const void *a, const void *b)
{
	const struct extra *left = a, *right = b;
	const struct qos_contract *x = left->entry->contract, *y = right->entry->contract;
	int order;

	if (x->importance != y->importance)
		return x->importance < y->importance ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order ? order : (left->stream > right->stream) - (left->stream < right->stream);
}

static size_t find_extras(const struct qos_book *book, struct extra *ret)
{
	size_t n = 0;

	for (size_t k = 0; k < book->n_entries; k++) {
		struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->grant.n_streams; i++) {
			const struct qos_stream_grant *grant = &entry->grant.streams[i];

			if (grant->policy == QOS_POLICY_NONE ||
			    grant->granted_ns <= entry->holds[i].base_ns)
				continue;
			if (ret)
				ret[n] = (struct extra){.entry = entry,
							.stream = i,
							.granted_ns = grant->granted_ns};
			n++;
		}
	}
	if (ret)
		qsort(ret, n, sizeof(*ret), by_importance);
	return n;
}

static void take(struct qos_book *book, const struct extra *extra)
{
	struct qos_stream_grant grant = extra->entry->grant.streams[extra->stream];
	const struct qos_hold *hold = &extra->entry->holds[extra->stream];

	grant.granted_ns = grant.guaranteed_ns = hold->base_ns;
	qos_book_set(book, extra->entry, extra->stream, &grant, hold);
}

/* Not an extra's whole list: only sums are looked at afterwards. */
void qos_admit_take_all(struct qos_book *book)
{
	for (size_t k = 0; k < book->n_entries; k++) {
		struct extra extra = {.entry = book->entries[k]};

		for (; extra.stream < extra.entry->grant.n_streams; extra.stream++) {
			size_t i = extra.stream;

			if (extra.entry->grant.streams[i].policy != QOS_POLICY_NONE &&
			    extra.entry->grant.streams[i].granted_ns >
				    extra.entry->holds[i].base_ns)
				take(book, &extra);
		}
	}
}

/* An older version of the contract left in the same transaction: its streams find their seats
 * again, so that an exchange moves no thread without need and can always be taken back. */
static void remember(const struct qos_book *book, struct qos_entry *entry)
{
	const struct qos_entry *old = qos_book_find_removed(book, entry->contract->name);

	for (size_t i = 0; old && i < entry->grant.n_streams; i++) {
		for (size_t k = 0; k < old->grant.n_streams; k++) {
			if (strcmp(old->contract->cpu[k].name, entry->contract->cpu[i].name))
				continue;
			entry->holds[i].before = qos_book_seat(old, k);
			entry->holds[i].no_deadline = old->holds[k].no_deadline;
		}
	}
}

/* Takes the first n extras back, then seats the newcomer, on CPUs and links alike. False: nothing was
 * changed. */
static bool enter(struct qos_book *book, const struct qos_contract *contract,
		  const struct extra *extras, size_t n, size_t *ret_failed)
{
	size_t mark = qos_book_mark(book);
	struct qos_link_refusal refusal;
	struct qos_entry *entry;

	for (size_t k = 0; k < n; k++)
		take(book, &extras[k]);
	entry = qos_book_insert(book, contract);
	if (!entry)
		goto undo;
	remember(book, entry);
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		*ret_failed = i;
		if (!qos_place_stream(book, entry, i))
			goto undo;
		/* the next stream must not harm it; undone with the entry */
		entry->holds[i].floor = entry->grant.streams[i].guarantee;
	}
	if (!qos_judge_links(book, entry, &refusal)) {
		*ret_failed = entry->grant.n_streams + refusal.stream;
		goto undo;
	}
	if (!book->error)
		return true;
undo:
	qos_book_rollback(book, mark);
	return false;
}

/* The fewest extras with which the newcomer fits; all n are known to do. */
static size_t fewest(struct qos_book *book, const struct qos_contract *contract,
		     const struct extra *extras, size_t n)
{
	size_t mark = qos_book_mark(book), failed, lo = 0, hi = n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (enter(book, contract, extras, mid, &failed)) {
			qos_book_rollback(book, mark);
			hi = mid;
		} else {
			lo = mid;
		}
	}
	return hi;
}

static void give_back(struct qos_book *book, const struct extra *extra)
{
	struct qos_seat seat = qos_book_seat(extra->entry, extra->stream);

	qos_place_raise(book, extra->entry, extra->stream, QOS_SHARE_GRANTED, extra->granted_ns);
	qos_judge_again(book, &seat);
}

bool qos_admit(struct qos_book *book, const struct qos_contract *contract, size_t *ret_failed)
{
	size_t mark = qos_book_mark(book), n, failed;
	_cleanup_free_ struct extra *extras = NULL;

	if (enter(book, contract, NULL, 0, ret_failed))
		return true;
	n = book->error ? 0 : find_extras(book, NULL);
	if (n == 0)
		return false;
	extras = calloc(n, sizeof(*extras));
	if (!extras) {
		book->error = -ENOMEM;
		return false;
	}
	find_extras(book, extras);
	if (!enter(book, contract, extras, n, ret_failed))
		return false;
	qos_book_rollback(book, mark);
	n = fewest(book, contract, extras, n);
	if (!enter(book, contract, extras, n, &failed))
		return false;
	while (n-- > 0)
		give_back(book, &extras[n]);
	return true;
}
