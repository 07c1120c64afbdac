/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Supply changed. Everybody stands up, and the first of these that works is kept:
 *   1. all back on their seats with what they had: a change that harms nobody moves nobody;
 *   2. all back on their seats with the low ends of their ranges;
 *   3. one by one, the important first, each with the low end: back on its seat, or wherever there
 *      is room now; who finds none leaves.
 * Then all are raised to `runtime`, and then to what they wish, the important first. So the less
 * important shrink first, and a contract leaves only if it does not fit though all have shrunk.
 *
 * Weakness: in the third case streams that do not suffer may be moved too.
 */
#include "admit/resupply.h"

#include <errno.h>
#include <string.h>

#include "admit/judge.h"
#include "admit/judge_links.h"
#include "admit/place.h"

static int more_important_first(const void *a, const void *b)
{
	const struct qos_contract *x = (*(struct qos_entry *const *)a)->contract;
	const struct qos_contract *y = (*(struct qos_entry *const *)b)->contract;

	if (x->importance != y->importance)
		return x->importance > y->importance ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool is_scheduled(const struct qos_entry *entry, size_t i)
{
	return entry->contract->cpu[i].manage != QOS_MANAGE_OBSERVE;
}

static void stand_up(struct qos_book *book, struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++)
		qos_place_unseat(book, entry, i);
}

/* To the low end, and without extras. Nobody sits while this is done, so it needs no judgement. */
static void shrink(struct qos_book *book, struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		const struct qos_range *range = &entry->contract->cpu[i].runtime_range;
		uint64_t base = entry->holds[i].base_ns;

		if (is_scheduled(entry, i))
			qos_place_try(book, entry, i, QOS_SHARE_BASE,
				      range->set && range->lo < base ? range->lo : base);
	}
}

/* All back where they were, judged as a whole. False: they stand as before. */
static bool go_back(struct qos_book *book, struct qos_entry **order, size_t n)
{
	size_t mark = qos_book_mark(book);

	for (size_t k = 0; k < n; k++) {
		for (size_t i = 0; i < order[k]->grant.n_streams; i++) {
			if (is_scheduled(order[k], i) && !qos_place_back(book, order[k], i))
				goto undo;
		}
	}
	if (qos_judge_all(book))
		return true;
undo:
	qos_book_rollback(book, mark);
	return false;
}

static bool sit_down(struct qos_book *book, struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		if (!qos_place_stream(book, entry, i))
			return false;
	}
	return true;
}

/* Returns how many had to leave; the others come to the front of `order`. */
static size_t sit_down_one_by_one(struct qos_book *book, struct qos_entry **order, size_t n,
				  const char **out)
{
	size_t n_in = 0, n_out = 0;

	for (size_t k = 0; k < n && !book->error; k++) {
		if (sit_down(book, order[k])) {
			order[n_in++] = order[k];
			continue;
		}
		out[n_out++] = order[k]->contract->name;
		qos_book_remove(book, order[k]);
		qos_judge_without(book, order[k]);
	}
	return n_out;
}

static void raise_all(struct qos_book *book, struct qos_entry *entry, enum qos_share share)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		uint64_t target = share == QOS_SHARE_BASE ? entry->contract->cpu[i].runtime_ns
							  : entry->grant.streams[i].wanted_ns;

		if (is_scheduled(entry, i))
			qos_place_raise(book, entry, i, share, target);
	}
}

/* Extras must not cost others what they have. The log knows the old floors: all have stood up. */
static void fix_floors(struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		if (is_scheduled(entry, i))
			entry->holds[i].floor = entry->grant.streams[i].guarantee;
	}
}

/* The module came: it is better than what they have. */
static void forget_seats(struct qos_book *book, struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_streams; i++) {
		struct qos_hold hold = entry->holds[i];

		hold.before = (struct qos_seat){.policy = QOS_POLICY_NONE};
		qos_book_set(book, entry, i, &entry->grant.streams[i], &hold);
	}
}

static size_t bring_back(struct qos_book *book, struct qos_entry **order, size_t n, bool anew,
			 const char **out)
{
	for (size_t k = 0; anew && k < n; k++)
		forget_seats(book, order[k]);
	if (anew)
		return sit_down_one_by_one(book, order, n, out);
	if (go_back(book, order, n))
		return 0;
	for (size_t k = 0; k < n; k++)
		shrink(book, order[k]);
	if (go_back(book, order, n))
		return 0;
	return sit_down_one_by_one(book, order, n, out);
}

/* Who does not get on a link what his contract accepts leaves, the least important first. Returns how
 * many; the others come to the front of `order`. */
static size_t leave_links(struct qos_book *book, struct qos_entry **order, size_t n,
			  const char **out)
{
	struct qos_link_refusal refusal;
	size_t n_out = 0;

	for (size_t k = 0; k < n && !book->error; k++)
		memset(order[k]->grant.net, 0,
		       order[k]->grant.n_net * sizeof(*order[k]->grant.net));
	for (size_t k = n; k-- > 0 && !book->error;) {
		if (qos_judge_links(book, order[k], &refusal))
			continue;
		out[n_out++] = order[k]->contract->name;
		qos_book_remove(book, order[k]);
		qos_judge_without(book, order[k]);
		memmove(&order[k], &order[k + 1], (n - n_out - k) * sizeof(*order));
	}
	qos_judge_links_settle(book);
	return n_out;
}

size_t qos_resupply(struct qos_book *book, const struct qos_capacity *capacity, const char **out)
{
	bool anew = capacity->dwcs && !book->capacity->dwcs;
	size_t n = book->n_entries, n_out;
	_cleanup_free_ struct qos_entry **order = calloc(n + 1, sizeof(*order));

	if (!order) {
		book->error = -ENOMEM;
		return 0;
	}
	for (size_t k = 0; k < n; k++)
		order[k] = book->entries[k];
	qsort(order, n, sizeof(*order), more_important_first);
	for (size_t k = 0; k < n; k++)
		stand_up(book, order[k]);
	qos_book_supply(book, capacity);
	n_out = bring_back(book, order, n, anew, out);
	n_out += leave_links(book, order, n - n_out, out + n_out);
	for (size_t k = 0; k < n - n_out; k++)
		raise_all(book, order[k], QOS_SHARE_BASE);
	for (size_t k = 0; k < n - n_out; k++)
		fix_floors(order[k]);
	for (size_t k = 0; k < n - n_out; k++)
		raise_all(book, order[k], QOS_SHARE_GRANTED);
	return n_out;
}
