/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sufficient tests for packets on one link, which transmits one at a time and is never taken from a
 * packet again. Pure; each is cited or proved at the head of link.c. A stream is a sporadic task whose
 * C is the time of a largest packet on the wire, framing included.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/contract.h"

/* Preamble, addresses, type, VLAN tag, check sequence and gap of a packet on Ethernet, bytes. */
#define QOS_LINK_FRAMING 42

/* Levels of strict priority that streams are divided among; one below them is left to all others. */
#define QOS_LINK_LEVELS 7

struct qos_link_stream {
	uint64_t packet_ns; /* C > 0 */
	uint64_t period_ns; /* T > 0: two largest packets are at least so far apart, at its rate */
	uint64_t deadline_ns; /* D > 0: from enqueueing to the last bit; may be more than T */
	struct qos_window window;
};

struct qos_link_supply {
	uint64_t largest_ns; /* the largest packet of others */
	uint64_t driver_ns;  /* that a packet may be held behind its queue */
};

/* What a rate and its packets ask of a link of capacity_bps > 0. */
struct qos_link_stream qos_link_stream(const struct qos_net_stream *wish, uint64_t rate_bps,
				       uint64_t capacity_bps);

/* Time of so many bytes (below 2^30) on a link, rounded up. */
uint64_t qos_link_ns(uint64_t bytes, uint64_t capacity_bps);

/* C/T of one; of its mandatory part, (1 - x/y) C/T, if `mandatory`. Rounded up. */
uint64_t qos_link_util_ppb(const struct qos_link_stream *stream, bool mandatory);

/* Which level each stream has, 0 first, by deadline; equal deadlines share one. */
void qos_link_levels(const struct qos_link_stream *streams, size_t n, uint32_t *ret);

/* Strict priorities, each stream let through by a token bucket of one packet: a bound on the delay of
 * each stream's packets as long as its sender keeps to its rate, UINT64_MAX if there is none. */
void qos_link_delays(const struct qos_link_stream *streams, const uint32_t *levels, size_t n,
		     const struct qos_link_supply *supply, uint64_t *ret);

/* By earliest deadline, each stream let through at its rate: are all deadlines kept? O(n^2). */
bool qos_link_edf(const struct qos_link_stream *streams, size_t n,
		  const struct qos_link_supply *supply);
