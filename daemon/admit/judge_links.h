/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: what may be promised to network streams. Where they sit is no choice, so all
 * follows from the entries: nothing is kept but the grants. */
#pragma once

#include "admit/book.h"

enum qos_link_obstacle {
	QOS_LINK_SPEED,	  /* nobody knows how fast it is */
	QOS_LINK_FOREIGN, /* somebody set up a queue on it */
	QOS_LINK_CLAIMED, /* another contract has the very same packets */
	QOS_LINK_SHARE,	  /* too little is left */
	QOS_LINK_DELAY,	  /* its own deadline is not proven */
	QOS_LINK_OTHERS,  /* others' would not be any more */
};

struct qos_link_refusal {
	size_t stream; /* of the contract's net */
	enum qos_link_obstacle obstacle;
	uint64_t need_bps; /* of the stream, and what is left to it, both as rates of its packets */
	uint64_t free_bps;
	uint64_t delay_ns; /* QOS_LINK_DELAY: the bound; UINT64_MAX: none, 0: no such test */
	const struct qos_contract *other; /* QOS_LINK_CLAIMED */
};

/* Would every stream on the links of this entry, which is in the book, get what it was promised and
 * what its contract accepts? Writes nothing. False also without memory (book->error). */
bool qos_judge_links(struct qos_book *book, const struct qos_entry *entry,
		     struct qos_link_refusal *ret);

/* Writes the grants of all network streams as they follow from who is in the book. */
void qos_judge_links_settle(struct qos_book *book);
