/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Refusals of network streams. As in wayout.c each way out was carried out by the code that admits,
 * over CPUs and links, and rolled back.
 */
#include <string.h>

#include "admit/judge_links.h"
#include "admit/link.h"
#include "admit/wayout_parts.h"

static bool with_rate(struct qos_attempt *attempt, uint64_t bps)
{
	const struct qos_net_stream *wish =
		&attempt->contract->net[attempt->failed - attempt->contract->n_cpu];

	attempt->net->rate_bps = bps;
	if (wish->period.ns == qos_net_packet_ns(wish))
		attempt->net->period.ns = qos_net_packet_ns(attempt->net);
	return qos_wayout_is_admitted(attempt, &attempt->variant);
}

/* The largest rate of at most three digits that is admitted, down to a quarter. */
static enum qos_answer less_rate(struct qos_attempt *attempt)
{
	uint64_t hi = attempt->net->rate_bps, lo = hi / QOS_WAYOUT_SCALE;
	uint64_t least = attempt->net->rate_range.set ? attempt->net->rate_range.lo : 1;
	char text[QOS_UNIT_MAX];

	lo = lo > least ? lo : least;
	if (lo >= hi)
		return QOS_ANSWER_NOT_ASKED;
	if (!with_rate(attempt, lo))
		return QOS_ANSWER_NO;
	for (int i = 0; i < QOS_WAYOUT_HALVINGS; i++) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (with_rate(attempt, mid))
			lo = mid;
		else
			hi = mid;
	}
	if (qos_wayout_round_down(lo) >= least && with_rate(attempt, qos_wayout_round_down(lo)))
		lo = qos_wayout_round_down(lo);
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "rate: %s", qos_print_rate(text, sizeof(text), lo));
	return QOS_ANSWER_YES;
}

static bool with_deadline(struct qos_attempt *attempt, uint64_t ns)
{
	attempt->net->deadline_ns = ns;
	return qos_wayout_is_admitted(attempt, &attempt->variant);
}

/* The shortest that is admitted, up to a hundred times: what is slow is often one packet of others. */
static enum qos_answer longer_deadline(struct qos_attempt *attempt)
{
	uint64_t lo = attempt->net->deadline_ns, hi = 100 * lo;
	char text[QOS_UNIT_MAX];

	if (lo > UINT64_MAX / 200)
		return QOS_ANSWER_NOT_ASKED;
	if (!with_deadline(attempt, hi))
		return QOS_ANSWER_NO;
	for (int i = 0; i < 2 * QOS_WAYOUT_HALVINGS && hi - lo > lo / 1000; i++) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (with_deadline(attempt, mid))
			hi = mid;
		else
			lo = mid;
	}
	if (with_deadline(attempt, qos_wayout_round_up(hi)))
		hi = qos_wayout_round_up(hi);
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "deadline: %s", qos_print_duration(text, sizeof(text), hi));
	return QOS_ANSWER_YES;
}

/* Without segmentation offload others' packets are short. Tried on a capacity of the attempt's own. */
static enum qos_answer smaller_packets(struct qos_attempt *attempt)
{
	struct qos_link *link = (struct qos_link *)qos_capacity_link(attempt->book->capacity,
								     attempt->net->interface);
	uint64_t largest = link ? link->largest_bytes : 0;
	bool admitted;

	if (largest <= 1500)
		return QOS_ANSWER_NOT_ASKED;
	link->largest_bytes = 1500;
	admitted = qos_wayout_is_admitted(attempt, &attempt->variant);
	link->largest_bytes = largest;
	if (!admitted)
		return QOS_ANSWER_NO;
	qos_wayout_found(attempt);
	qos_buf_add(&attempt->found, "`ip link set %s gso_max_size 1500`", link->name);
	return QOS_ANSWER_YES;
}

static const struct qos_way ways[] = {
	{"a rate down to a quarter", less_rate},
	{"a deadline up to a hundred times as long", longer_deadline},
	{"no segmentation offload", smaller_packets},
	{"accept: best-effort", qos_wayout_best_effort},
	{"disabling another contract", qos_wayout_others_leave},
};

static void describe_delay(const struct qos_book *book, const struct qos_net_stream *wish,
			   const struct qos_link_refusal *refusal, struct qos_diag *diag)
{
	const struct qos_link *link = qos_capacity_link(book->capacity, wish->interface);
	char delay[QOS_UNIT_MAX], deadline[QOS_UNIT_MAX], largest[QOS_UNIT_MAX],
		bytes[QOS_UNIT_MAX];

	qos_print_duration(deadline, sizeof(deadline), wish->deadline_ns);
	qos_print_bytes(bytes, sizeof(bytes), link->largest_bytes);
	qos_print_duration(largest, sizeof(largest),
			   qos_link_ns(link->largest_bytes + QOS_LINK_FRAMING, link->bps));
	if (!refusal->delay_ns || refusal->delay_ns == UINT64_MAX)
		qos_diag_error(diag, &wish->loc,
			       "refused: no test proves that packets of %s leave %s within %s; one "
			       "packet of others (%s) takes %s",
			       wish->name, wish->interface, deadline, bytes, largest);
	else
		qos_diag_error(
			diag, &wish->loc,
			"refused: packets of %s may wait %s on %s, and its deadline is %s; one "
			"packet of others (%s) takes %s",
			wish->name, qos_print_duration(delay, sizeof(delay), refusal->delay_ns),
			wish->interface, deadline, bytes, largest);
}

static void describe(const struct qos_book *book, const struct qos_net_stream *wish,
		     const struct qos_link_refusal *refusal, struct qos_diag *diag)
{
	const struct qos_link *link = qos_capacity_link(book->capacity, wish->interface);
	char need[QOS_UNIT_MAX], left[QOS_UNIT_MAX];

	switch (refusal->obstacle) {
	case QOS_LINK_SPEED:
		qos_diag_error(diag, &wish->loc,
			       "refused: nobody knows how fast %s is, which %s needs",
			       wish->interface, wish->name);
		break;
	case QOS_LINK_FOREIGN:
		qos_diag_error(
			diag, &wish->loc,
			"refused: %s has a queue that somebody set up (%s), and %s needs its "
			"place",
			wish->interface, link->foreign, wish->name);
		break;
	case QOS_LINK_CLAIMED:
		qos_diag_error(diag, &wish->loc,
			       "refused: the packets of %s are those of %s already", wish->name,
			       refusal->other->name);
		break;
	case QOS_LINK_SHARE:
		qos_print_rate(need, sizeof(need), refusal->need_bps);
		qos_print_rate(left, sizeof(left), qos_wayout_round_down(refusal->free_bps));
		qos_diag_error(diag, &wish->loc,
			       "refused: %s needs %s of %s; %s is free for packets of its size",
			       wish->name, need, wish->interface, left);
		break;
	case QOS_LINK_DELAY:
		describe_delay(book, wish, refusal, diag);
		break;
	case QOS_LINK_OTHERS:
		qos_diag_error(diag, &wish->loc,
			       "refused: beside %s on %s, what others were promised would not hold",
			       wish->name, wish->interface);
		break;
	}
}

/* These are not tried: they are not qosd's to change. */
static bool has_plain_remedy(const struct qos_net_stream *wish,
			     const struct qos_link_refusal *refusal, struct qos_diag *diag)
{
	if (refusal->obstacle == QOS_LINK_SPEED)
		qos_diag_hint(diag, "qosd.yaml: network: {interfaces: {%s: {capacity: ...}}}",
			      wish->interface);
	else if (refusal->obstacle == QOS_LINK_FOREIGN)
		qos_diag_hint(
			diag,
			"`tc qdisc del dev %s root` removes it; with qosd.yaml: network: "
			"{interfaces: {%s: {takeover: yes}}} it is replaced, and put back later",
			wish->interface, wish->interface);
	else if (refusal->obstacle == QOS_LINK_CLAIMED)
		qos_diag_hint(diag,
			      "make `match` of one of them narrower; the narrower one counts");
	else
		return false;
	return true;
}

void qos_wayout_refuse_link(struct qos_book *book, const struct qos_contract *contract,
			    size_t failed, struct qos_diag *diag)
{
	size_t mark = qos_book_mark(book);
	struct qos_entry *entry = qos_book_insert(book, contract);
	struct qos_link_refusal refusal = {.stream = failed - contract->n_cpu};
	const struct qos_net_stream *wish;
	bool plain;

	if (!entry)
		return;
	if (qos_judge_links(book, entry, &refusal) || book->error) {
		qos_book_rollback(book, mark);
		return;
	}
	wish = &contract->net[refusal.stream];
	describe(book, wish, &refusal, diag);
	plain = has_plain_remedy(wish, &refusal, diag);
	qos_book_rollback(book, mark);
	if (!plain)
		qos_wayout_advise(book, contract, contract->n_cpu + refusal.stream, ways,
				  QOS_ARRAY_SIZE(ways), diag);
}
