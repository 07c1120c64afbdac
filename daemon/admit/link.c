/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two tests.
 *
 * Levels. A class that is let through by a token bucket of one packet P at rate P/T passes at most
 * floor(L/T) + 2 packets in any stretch of length L: one for a full bucket, one because the kernel lets
 * a packet go while tokens are not negative. With U the sum of C/T over all streams of a level and of
 * those before it, let
 *
 *	L = (B + sum of 2 C) / (1 - U)	which is at least  B + sum of (floor(L/T) + 2) C
 *
 * where B is what the largest packet of later levels takes, which may be on the wire already, and what
 * the driver holds. A
 * stretch in which the link is never without packets of these levels is at most L long, in whatever
 * order the packets of one level are served. A packet that conforms waits in its own queue for nobody,
 * so it lies in such a stretch from its coming to its end: it is delayed by at most L.
 *
 * EDF. Packets of the same streams by earliest deadline, not preempted: at every t the demand that is due
 * by t, and the largest packet that is due later, take at most t (Jeffay, Stanat, Martel: RTSS 1991;
 * George, Rivierre, Spuri: INRIA RR-2966, 1996). The demand is bounded by one packet at the deadline and
 * a slope behind it (Albers, Slomka: ECRTS 2004, with one step), so that only the deadlines themselves
 * are to be looked at: between them the bound grows no faster than t, and what is in the way only shrinks.
 *
 * Weakness: a stream whose packets are smaller than its largest pays more framing at the same rate than
 * is charged. What a driver takes before it says that it is full is the hypothesis `network.blocking`.
 */
#include "admit/link.h"

#include "admit/feasible.h"

#define NS 1000000000ULL

uint64_t qos_link_ns(uint64_t bytes, uint64_t capacity_bps)
{
	return (uint64_t)(((unsigned __int128)bytes * 8 * NS + capacity_bps - 1) / capacity_bps);
}

struct qos_link_stream qos_link_stream(const struct qos_net_stream *wish, uint64_t rate_bps,
				       uint64_t capacity_bps)
{
	uint64_t bits = wish->packet_bytes * 8, period_ns = bits * NS / rate_bps;

	return (struct qos_link_stream){
		.packet_ns = qos_link_ns(wish->packet_bytes + QOS_LINK_FRAMING, capacity_bps),
		.period_ns = period_ns ? period_ns : 1,
		.deadline_ns = wish->deadline_ns,
		.window = wish->window,
	};
}

uint64_t qos_link_util_ppb(const struct qos_link_stream *stream, bool mandatory)
{
	uint64_t util = qos_feasible_ppb(stream->packet_ns, stream->period_ns);
	const struct qos_window *window = &stream->window;

	if (!mandatory || !window->x || window->y <= window->x)
		return util;
	return (uint64_t)(((unsigned __int128)util * (window->y - window->x) + window->y - 1) /
			  window->y);
}

/* The smallest deadline above `above_ns`; UINT64_MAX: none. */
static uint64_t next_deadline(const struct qos_link_stream *streams, size_t n, uint64_t above_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		if (streams[i].deadline_ns > above_ns && streams[i].deadline_ns < next_ns)
			next_ns = streams[i].deadline_ns;
	}
	return next_ns;
}

void qos_link_levels(const struct qos_link_stream *streams, size_t n, uint32_t *ret)
{
	uint64_t deadline_ns = 0;

	for (size_t i = 0; i < n; i++)
		ret[i] = QOS_LINK_LEVELS - 1;
	for (uint32_t level = 0; level < QOS_LINK_LEVELS - 1; level++) {
		deadline_ns = next_deadline(streams, n, deadline_ns);
		for (size_t i = 0; i < n; i++) {
			if (streams[i].deadline_ns == deadline_ns)
				ret[i] = level;
		}
	}
}

/* No level is longer than the time until the link has caught up. */
static uint64_t level_delay(const struct qos_link_stream *streams, const uint32_t *levels, size_t n,
			    uint32_t level, const struct qos_link_supply *supply)
{
	uint64_t util_ppb = 0, largest_ns = supply->largest_ns;
	unsigned __int128 work = supply->driver_ns;

	for (size_t i = 0; i < n; i++) {
		if (levels[i] > level) {
			if (streams[i].packet_ns > largest_ns)
				largest_ns = streams[i].packet_ns;
			continue;
		}
		work += (unsigned __int128)2 * streams[i].packet_ns;
		util_ppb += qos_link_util_ppb(&streams[i], false);
		if (util_ppb >= NS)
			return UINT64_MAX;
	}
	work = ((work + largest_ns) * NS + (NS - util_ppb - 1)) / (NS - util_ppb);
	return work > UINT64_MAX ? UINT64_MAX : (uint64_t)work;
}

void qos_link_delays(const struct qos_link_stream *streams, const uint32_t *levels, size_t n,
		     const struct qos_link_supply *supply, uint64_t *ret)
{
	uint64_t delay_ns[QOS_LINK_LEVELS];

	for (uint32_t level = 0; level < QOS_LINK_LEVELS; level++)
		delay_ns[level] = level_delay(streams, levels, n, level, supply);
	for (size_t i = 0; i < n; i++)
		ret[i] = delay_ns[levels[i]];
}

/* The demand that is due by t, its steps taken for slopes, and the largest packet that may be in the
 * way; in parts per billion of ns. */
static unsigned __int128 demand(const struct qos_link_stream *streams, size_t n, uint64_t t,
				const struct qos_link_supply *supply)
{
	uint64_t largest_ns = supply->largest_ns;
	unsigned __int128 sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (streams[i].deadline_ns > t) {
			if (streams[i].packet_ns > largest_ns)
				largest_ns = streams[i].packet_ns;
			continue;
		}
		sum += (unsigned __int128)streams[i].packet_ns * NS +
		       (unsigned __int128)qos_link_util_ppb(&streams[i], false) *
			       (t - streams[i].deadline_ns);
	}
	return sum + ((unsigned __int128)largest_ns + supply->driver_ns) * NS;
}

bool qos_link_edf(const struct qos_link_stream *streams, size_t n,
		  const struct qos_link_supply *supply)
{
	uint64_t util_ppb = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t t = streams[i].deadline_ns;

		util_ppb += qos_link_util_ppb(&streams[i], false);
		if (util_ppb > NS || demand(streams, n, t, supply) > (unsigned __int128)t * NS)
			return false;
	}
	return true;
}
