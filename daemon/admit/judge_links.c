/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links are judged one by one, from whoever is in the book. Under the native manager each stream's
 * delay is bounded by itself (levels); under the module's queue all are proven or none. Windows count
 * where the module serves them: if the full rates do not fit, the mandatory parts may, unproven.
 *
 * Weakness: an addition looks at every entry, so a set of n contracts with network streams costs n^2;
 * those without cost nothing.
 */
#include "admit/judge_links.h"

#include <errno.h>
#include <string.h>

#include "admit/link.h"

/* One stream on the link that is being judged. */
struct seat {
	struct qos_entry *entry;
	size_t i;
	enum qos_guarantee guarantee;
	const char *test;
	uint64_t delay_ns;
};

/* All streams on one link. */
struct link_set {
	const struct qos_link *link;
	struct seat *seats;
	struct qos_link_stream *streams;
	uint32_t *levels;
	uint64_t *delays;
	size_t n;
};

static const struct qos_net_stream *wish_of(const struct seat *seat)
{
	return &seat->entry->contract->net[seat->i];
}

static bool is_on(const struct qos_net_stream *wish, const char *interface)
{
	return wish->manage == QOS_MANAGE_SCHEDULE && !strcmp(wish->interface, interface);
}

static void set_reset(struct link_set *set)
{
	free(set->seats);
	free(set->streams);
	free(set->levels);
	free(set->delays);
}

static size_t count(const struct qos_book *book, const char *interface)
{
	size_t n = 0;

	for (size_t k = 0; k < book->n_entries; k++) {
		const struct qos_contract *contract = book->entries[k]->contract;

		for (size_t i = 0; i < contract->n_net; i++)
			n += is_on(&contract->net[i], interface);
	}
	return n;
}

static void gather(const struct qos_book *book, struct link_set *set)
{
	for (size_t k = 0; k < book->n_entries; k++) {
		struct qos_entry *entry = book->entries[k];

		for (size_t i = 0; i < entry->contract->n_net; i++) {
			const struct qos_net_stream *wish = &entry->contract->net[i];

			if (!is_on(wish, set->link->name))
				continue;
			set->streams[set->n] =
				qos_link_stream(wish, wish->rate_bps, set->link->bps);
			set->seats[set->n++] = (struct seat){.entry = entry, .i = i};
		}
	}
}

/* False: no memory. The link's speed is known. */
static bool make_set(struct qos_book *book, const struct qos_link *link, struct link_set *set)
{
	size_t n = count(book, link->name) + 1;

	*set = (struct link_set){
		.link = link,
		.seats = calloc(n, sizeof(*set->seats)),
		.streams = calloc(n, sizeof(*set->streams)),
		.levels = calloc(n, sizeof(*set->levels)),
		.delays = calloc(n, sizeof(*set->delays)),
	};
	if (!set->seats || !set->streams || !set->levels || !set->delays) {
		set_reset(set);
		book->error = -ENOMEM;
		return false;
	}
	gather(book, set);
	qos_link_levels(set->streams, set->n, set->levels);
	return true;
}

static uint64_t util_of(const struct link_set *set, bool mandatory)
{
	uint64_t util_ppb = 0;

	for (size_t k = 0; k < set->n; k++)
		util_ppb += qos_link_util_ppb(&set->streams[k], mandatory);
	return util_ppb;
}

/* What each stream may be promised; all rates fit. */
static void prove(const struct qos_capacity *capacity, struct link_set *set)
{
	const struct qos_link_supply supply = {
		.largest_ns =
			qos_link_ns(set->link->largest_bytes + QOS_LINK_FRAMING, set->link->bps),
		.driver_ns = capacity->link_blocking_ns};
	bool all = capacity->link_windows && qos_link_edf(set->streams, set->n, &supply);

	qos_link_delays(set->streams, set->levels, set->n, &supply, set->delays);
	for (size_t k = 0; k < set->n; k++) {
		struct seat *seat = &set->seats[k];
		bool proven = capacity->link_windows
				      ? all
				      : set->delays[k] <= set->streams[k].deadline_ns;

		seat->guarantee = proven ? QOS_PROVEN : QOS_BEST_EFFORT;
		seat->test = !proven ? "none" : capacity->link_windows ? "link-edf" : "link-levels";
		seat->delay_ns = capacity->link_windows ? 0 : set->delays[k];
	}
}

/* All guarantees of a link; false: it has too little. */
static bool judge(const struct qos_capacity *capacity, struct link_set *set)
{
	if (util_of(set, false) <= capacity->link_share_ppb) {
		prove(capacity, set);
		return true;
	}
	if (!capacity->link_windows || util_of(set, true) > capacity->link_share_ppb)
		return false;
	for (size_t k = 0; k < set->n; k++) {
		set->seats[k].guarantee = QOS_BEST_EFFORT;
		set->seats[k].test = "none";
	}
	return true;
}

/* --- the newcomer --- */

/* The very same packets; of two that overlap the narrower one has them. */
static bool same_flow(const struct seat *a, const struct seat *b)
{
	const struct qos_flow_match *x = &wish_of(a)->match;

	if (!x->cgroup && a->entry != b->entry)
		return false; /* each its own processes */
	return qos_flow_equal(x, &wish_of(b)->match);
}

static const struct qos_contract *claimant(const struct link_set *set, size_t own)
{
	for (size_t k = 0; k < set->n; k++) {
		if (k != own && same_flow(&set->seats[k], &set->seats[own]))
			return set->seats[k].entry->contract;
	}
	return NULL;
}

static void describe_share(const struct qos_capacity *capacity, const struct link_set *set,
			   size_t own, struct qos_link_refusal *ret)
{
	const struct qos_net_stream *wish = wish_of(&set->seats[own]);
	bool mandatory = capacity->link_windows;
	uint64_t others =
		util_of(set, mandatory) - qos_link_util_ppb(&set->streams[own], mandatory);
	uint64_t free_ppb =
		others < capacity->link_share_ppb ? capacity->link_share_ppb - others : 0;

	ret->obstacle = QOS_LINK_SHARE;
	ret->need_bps = wish->rate_bps;
	ret->free_bps =
		(uint64_t)((unsigned __int128)free_ppb * set->link->bps * wish->packet_bytes /
			   (wish->packet_bytes + QOS_LINK_FRAMING) / QOS_PPB);
}

/* Is anybody worse off than promised, or than his contract accepts? */
static bool harms(const struct link_set *set, const struct qos_entry *newcomer, size_t *ret)
{
	for (size_t k = 0; k < set->n; k++) {
		const struct seat *seat = &set->seats[k];
		enum qos_guarantee floor = seat->entry->contract->accept;
		const struct qos_net_grant *grant = &seat->entry->grant.net[seat->i];

		if (seat->entry != newcomer && grant->guarantee > floor)
			floor = grant->guarantee;
		if (seat->guarantee >= floor)
			continue;
		*ret = k;
		return true;
	}
	return false;
}

static bool fits(struct qos_book *book, struct link_set *set, const struct qos_entry *newcomer,
		 struct qos_link_refusal *ret)
{
	size_t own = 0, harmed;

	while (set->seats[own].entry != newcomer || set->seats[own].i != ret->stream)
		own++;
	ret->other = claimant(set, own);
	if (ret->other) {
		ret->obstacle = QOS_LINK_CLAIMED;
		return false;
	}
	if (!judge(book->capacity, set)) {
		describe_share(book->capacity, set, own, ret);
		return false;
	}
	if (!harms(set, newcomer, &harmed))
		return true;
	if (set->seats[harmed].entry == newcomer)
		ret->stream = set->seats[harmed].i;
	ret->obstacle = set->seats[harmed].entry == newcomer ? QOS_LINK_DELAY : QOS_LINK_OTHERS;
	ret->delay_ns = set->seats[harmed].delay_ns;
	return false;
}

static bool stream_fits(struct qos_book *book, const struct qos_entry *entry, size_t i,
			struct qos_link_refusal *ret)
{
	const struct qos_net_stream *wish = &entry->contract->net[i];
	const struct qos_link *link = qos_capacity_link(book->capacity, wish->interface);
	struct link_set set;
	bool ok;

	*ret = (struct qos_link_refusal){.stream = i};
	if (!link || wish->manage != QOS_MANAGE_SCHEDULE)
		return true;
	ret->obstacle = *link->foreign ? QOS_LINK_FOREIGN : QOS_LINK_SPEED;
	if (*link->foreign || !link->bps || !make_set(book, link, &set))
		return false;
	ok = fits(book, &set, entry, ret);
	set_reset(&set);
	return ok;
}

bool qos_judge_links(struct qos_book *book, const struct qos_entry *entry,
		     struct qos_link_refusal *ret)
{
	for (size_t i = 0; i < entry->contract->n_net; i++) {
		if (!stream_fits(book, entry, i, ret))
			return false;
	}
	return true;
}

/* --- grants --- */

static void settle_link(struct qos_book *book, const struct qos_link *link)
{
	struct link_set set;

	if (!link->bps || !count(book, link->name) || !make_set(book, link, &set))
		return;
	if (judge(book->capacity, &set)) {
		for (size_t k = 0; k < set.n; k++) {
			const struct seat *seat = &set.seats[k];
			struct qos_net_grant *grant = &seat->entry->grant.net[seat->i];

			grant->waits = false;
			grant->guaranteed_bps = grant->granted_bps = wish_of(seat)->rate_bps;
			grant->guarantee = seat->guarantee;
			grant->test = seat->test;
			grant->level = set.levels[k];
			grant->delay_ns = seat->guarantee == QOS_PROVEN ? seat->delay_ns : 0;
		}
	}
	set_reset(&set);
}

/* What is not reserved anywhere: observed, or its interface is awaited. */
static void settle_rest(const struct qos_book *book, struct qos_entry *entry)
{
	for (size_t i = 0; i < entry->grant.n_net; i++) {
		const struct qos_net_stream *wish = &entry->contract->net[i];

		entry->grant.net[i] = (struct qos_net_grant){
			.wanted_bps = wish->rate_bps,
			.guarantee = QOS_PROVEN,
			.test = "none",
			.waits = !qos_capacity_link(book->capacity, wish->interface),
		};
	}
}

void qos_judge_links_settle(struct qos_book *book)
{
	bool any = false;

	for (size_t k = 0; k < book->n_entries; k++) {
		settle_rest(book, book->entries[k]);
		any |= book->entries[k]->grant.n_net != 0;
	}
	for (size_t l = 0; any && l < book->capacity->n_links; l++)
		settle_link(book, &book->capacity->links[l]);
	for (size_t k = 0; k < book->n_entries; k++) {
		if (book->entries[k]->grant.n_net)
			qos_book_find_guarantee(book->entries[k]);
	}
}
