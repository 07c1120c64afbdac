/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a thread, or a packet, belongs to whom it does: which line decided, and what is missing. Pure, from
 * the same functions that decide (match.h). */
#pragma once

#include "contract/match.h"

/* What decided about an expression. */
struct qos_match_why {
	bool holds;
	/* It holds: the term, or the map of terms, that does. Else the term that does not, of the alternative
	 * that is nearest to holding. */
	const struct qos_match *decides;
	bool negated;	      /* `decides` holds, and stands under `not` */
	unsigned int missing; /* terms that would have to be otherwise; 0: it holds */
};
struct qos_match_why qos_explain_match(const struct qos_match *match, const struct qos_task *task,
				       const struct qos_resolver *names);

/* "unit: camera.service", "all of these", ... of what decides, in whole letters; returns buf. */
#define QOS_EXPLAIN_TEXT_MAX 320
const char *qos_explain_text(char *buf, size_t size, const struct qos_match_why *why);

/* Why no contract whatever has this task: a static sentence, or NULL. */
const char *qos_explain_never(const struct qos_task *task);

/* Why `loser` has not what `winner` has, though both match: "importance" or "name". */
const char *qos_explain_lost(const struct qos_contract *winner, const struct qos_contract *loser);

/* A packet, as far as it is known. */
struct qos_packet {
	const char *proto; /* as in a contract */
	const char *dst;   /* address, IPv4 or IPv6 */
	uint16_t dport;	   /* 0: not known */
};

/* Can a stream's packets look like this? NULL: they can, and `open` has what else must hold ("sport 5004,
 * dscp 46"; "" if nothing). Else the name of the first field that differs. */
const char *qos_explain_packet(const struct qos_flow_match *match, const struct qos_packet *packet,
			       char *open, size_t size);

/* Of several streams that a packet fits, the narrowest has it: the most. */
unsigned int qos_explain_narrowness(const struct qos_flow_match *match);
