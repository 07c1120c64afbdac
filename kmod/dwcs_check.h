/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is a claim about mandatory requests right? Somebody says: these requests of the streams of one CPU are
 * mandatory, each window gets enough of them, and EDF serves them all. Here both are verified, from the
 * tables alone and whoever made them. Includes nothing, like dwcs.h (whose types it takes); integers
 * only, no 64-bit division, no allocation, and no more work than the caller allows.
 *
 * A claim's C has all charges in it (dispatch, twice a request); its D has what may delay a request
 * taken off: release jitter, and the longest stretch without preemption. (Demand(t) + B <= t for all t is
 * the same as demand with all D shortened by B being at most t: replace t by t + B.)
 *
 * Sporadic: releases at least T apart. Streams of the same bundle (not 0) have equal T and are released
 * together, request n with request n; bundles and single streams know nothing of each other.
 *   dem_b(t) = most mandatory work of bundle b that is released and due within t, over all n at which
 *              its releases can begin; rel_b(t) the same, released within [0, t).
 *   EDF misses nothing if sum dem_b(t) <= t for all t (processor demand: Baruah, Rosier, Howell 1990;
 *   generalised multiframe: Baruah, Chen, Gorinsky, Mok 1999). The walk ends at the first release s > 0
 *   with sum rel_b(s) <= s: dem_b(t) <= rel_b(s) + dem_b(t - s), since what is due within t was
 *   released before s or is released and due within t - s of some release not before s. So were t the
 *   least with more demand than t, and t > s, t - s would have more demand than t - s, and be less.
 *   For a single stream with bits ceil(m(j+1)/y) - ceil(mj/y) the maximum is at n = 0, as no n in a row
 *   hold more than the first n: the walk is then EDF on the synchronous release of all first windows
 *   until its busy period ends, and exact. Else it is sufficient, and exact where C is always used.
 *
 * Phases: releases at phase + kT, no other. One EDF pass over the mandatory requests, from the start to
 * where all tables are in their cycle, then cycle by cycle until no stream has more left at the end of one
 * than at its start. From then on each cycle is served no later than that one (EDF is sustainable in
 * execution times on one preemptive CPU: Baruah, Burns 2006), so nothing is ever missed. Exact.
 *
 * Windows: bits [wy, wy + y) of a table hold at least y - x, for all w, the cycle being whole windows.
 *
 * Work is counted in looked-at streams and starts: an event costs n, in a bundle also its cycle. Linear
 * on purpose: this is no fast path, and it has to be believed by reading it.
 *
 * Bounds: T < 2^39, C <= D <= T, phase < 2^61, work <= 2^20. So every time that is reached is below 2^62.
 */
#pragma once

#define DWCS_CLAIM_PHASE_MAX (1ULL << 61)
#define DWCS_CLAIM_WORK_MAX  (1U << 20)
#define DWCS_CLAIM_BITS_MAX  (1U << 16)

enum dwcs_verdict {
	DWCS_HOLDS,
	DWCS_MALFORMED, /* parameters out of bounds, or tables that do not belong together */
	DWCS_TOO_FEW,	/* a window gets fewer requests than it needs */
	DWCS_MISSES,	/* EDF does not keep the mandatory requests, or may not */
	DWCS_TOO_LONG,	/* more work than allowed: nothing is known */
};

struct dwcs_claim {
	/* what is claimed */
	__u64 period;
	__u64 deadline; /* without jitter and blocking */
	__u64 cost;	/* with dispatch */
	__u64 phase;	/* of request 0; sporadic: ignored */
	__u32 x;
	__u32 y; /* 0: plain EDF, which needs every request */
	__u32 prefix;
	__u32 cycle;
	const unsigned char *bits; /* bit n is bit n % 8 of byte n / 8 */
	__u32 bundle;		   /* phases: ignored */
	/* Sporadic: room for 2 * cycle numbers, of the first claim of each bundle and of each single one. */
	__u64 *room;

	/* the pass's own */
	__u64 time; /* of its next event */
	__u64 due;
	__u64 left;  /* of the live request */
	__u64 saved; /* left, at the start of the cycle */
	__u32 at;    /* bit of its next event */
	int released;
	struct dwcs_claim *leader; /* of its bundle: has the room */
};

static inline int dwcs_claim_bit(const struct dwcs_claim *c, __u32 n)
{
	return c->bits[n / 8] >> n % 8 & 1;
}

/* The number behind n, by the cycle. */
static inline __u32 dwcs_claim_next(const struct dwcs_claim *c, __u32 n)
{
	return n + 1 < c->prefix + c->cycle ? n + 1 : c->prefix;
}

static inline int dwcs_claim_is_formed(const struct dwcs_claim *c)
{
	return c->cost > 0 && c->cost <= c->deadline && c->deadline <= c->period &&
	       c->period < DWCS_PERIOD_MAX && c->phase < DWCS_CLAIM_PHASE_MAX && c->x <= c->y &&
	       c->y <= DWCS_Y_MAX && c->cycle > 0 && c->cycle <= DWCS_CLAIM_BITS_MAX &&
	       c->prefix <= DWCS_CLAIM_BITS_MAX - c->cycle && (c->y == 0 || c->cycle % c->y == 0);
}

static inline int dwcs_claim_pay(__u32 *work, __u32 price)
{
	int enough = *work >= price;

	*work = enough ? *work - price : 0;
	return enough;
}

/* Does each window get its due? */
static inline enum dwcs_verdict dwcs_claim_windows(const struct dwcs_claim *c, __u32 *work)
{
	__u32 y = c->y ? c->y : 1, end = c->prefix + c->cycle, n = 0, passed = 0, got, i;

	while (passed < end) {
		if (!dwcs_claim_pay(work, y))
			return DWCS_TOO_LONG;
		for (i = 0, got = 0; i < y; i++, passed++, n = dwcs_claim_next(c, n))
			got += (__u32)dwcs_claim_bit(c, n);
		if (got + c->x < y)
			return DWCS_TOO_FEW;
	}
	return DWCS_HOLDS;
}

static inline enum dwcs_verdict dwcs_claim_tables(const struct dwcs_claim *claims, __u32 n,
						  __u32 *work)
{
	enum dwcs_verdict verdict = DWCS_HOLDS;
	__u32 i;

	if (*work > DWCS_CLAIM_WORK_MAX)
		return DWCS_MALFORMED;
	for (i = 0; i < n && verdict == DWCS_HOLDS; i++)
		verdict = dwcs_claim_is_formed(&claims[i]) ? dwcs_claim_windows(&claims[i], work)
							   : DWCS_MALFORMED;
	return verdict;
}

/* The one whose next event is first. */
static inline struct dwcs_claim *dwcs_claim_first(struct dwcs_claim *claims, __u32 n)
{
	struct dwcs_claim *first = claims;
	__u32 i;

	/* at one time what is due goes before what is released: demand is asked, then whether it ends */
	for (i = 1; i < n; i++)
		if (claims[i].time < first->time ||
		    (claims[i].time == first->time && claims[i].released && !first->released))
			first = &claims[i];
	return first;
}

/* --- sporadic --- */

static inline enum dwcs_verdict dwcs_claim_gather(struct dwcs_claim *claims, __u32 n, __u32 *work)
{
	__u32 i, k;

	for (i = 0; i < n; i++) {
		struct dwcs_claim *c = &claims[i];

		if (!dwcs_claim_pay(work, n + c->cycle))
			return DWCS_TOO_LONG;
		for (k = 0; k < i && (!c->bundle || claims[k].bundle != c->bundle); k++)
			;
		c->leader = &claims[k];
		c->time = 0;
		c->at = 0;
		c->released = 0;
		if (c->prefix || c->period != c->leader->period || c->cycle != c->leader->cycle ||
		    !c->leader->room)
			return DWCS_MALFORMED;
		for (k = 0; c->leader == c && k < 2 * c->cycle; k++)
			c->room[k] = 0;
	}
	return DWCS_HOLDS;
}

/* A request of c for every start of its bundle; returns by how much the most of them grew. */
static inline __u64 dwcs_claim_add(struct dwcs_claim *c, __u64 *sums)
{
	__u64 before = 0, after = 0;
	__u32 start, n = c->at;

	for (start = 0; start < c->cycle; start++, n = dwcs_claim_next(c, n)) {
		before = sums[start] > before ? sums[start] : before;
		if (dwcs_claim_bit(c, n))
			sums[start] += c->cost;
		after = sums[start] > after ? sums[start] : after;
	}
	return after - before;
}

static inline enum dwcs_verdict dwcs_check_sporadic(struct dwcs_claim *claims, __u32 n, __u32 work)
{
	enum dwcs_verdict verdict = dwcs_claim_tables(claims, n, &work);
	__u64 demand = 0, released = 0;

	if (n == 0)
		return DWCS_HOLDS;
	if (verdict == DWCS_HOLDS)
		verdict = dwcs_claim_gather(claims, n, &work);
	while (verdict == DWCS_HOLDS) {
		struct dwcs_claim *c = dwcs_claim_first(claims, n);

		if (!dwcs_claim_pay(&work, n + c->cycle))
			return DWCS_TOO_LONG;
		if (c->released) {
			demand += dwcs_claim_add(c, c->leader->room + c->cycle);
			if (demand > c->time)
				return DWCS_MISSES;
			c->time += c->period - c->deadline;
			c->at = dwcs_claim_next(c, c->at);
		} else {
			if (c->time > 0 && released <= c->time)
				return DWCS_HOLDS;
			released += dwcs_claim_add(c, c->leader->room);
			c->time += c->deadline;
		}
		c->released = !c->released;
	}
	return verdict;
}

/* --- phases --- */

/* Releases what comes at `now`; returns the time of the next release. *misses: something was left of
 * the request before, whose deadline is not later than that.
 */
static inline __u64 dwcs_claim_release(struct dwcs_claim *claims, __u32 n, __u64 now, int *misses)
{
	__u64 next = ~0ULL;
	__u32 i;

	for (i = 0; i < n; i++) {
		struct dwcs_claim *c = &claims[i];

		if (c->time == now) {
			*misses |= c->left > 0;
			c->left = dwcs_claim_bit(c, c->at) ? c->cost : 0;
			c->due = now + c->deadline;
			c->at = dwcs_claim_next(c, c->at);
			c->time += c->period;
		}
		next = c->time < next ? c->time : next;
	}
	return next;
}

/* Who runs by EDF, NULL: nobody. *misses: somebody cannot finish any more. */
static inline struct dwcs_claim *dwcs_claim_pick(struct dwcs_claim *claims, __u32 n, __u64 now,
						 int *misses)
{
	struct dwcs_claim *best = (struct dwcs_claim *)0;
	__u32 i;

	for (i = 0; i < n; i++) {
		struct dwcs_claim *c = &claims[i];

		if (!c->left)
			continue;
		*misses |= now + c->left > c->due;
		if (!best || c->due < best->due)
			best = c;
	}
	return best;
}

/* Has nobody more left than a cycle ago? Remembers what is left now. */
static inline int dwcs_claim_settles(struct dwcs_claim *claims, __u32 n)
{
	int settles = 1;
	__u32 i;

	for (i = 0; i < n; i++) {
		settles &= claims[i].left <= claims[i].saved;
		claims[i].saved = claims[i].left;
	}
	return settles;
}

/* When all tables are in their cycle, and how long it is; 0: they do not belong together. */
static inline __u64 dwcs_claim_begin(struct dwcs_claim *claims, __u32 n, __u64 *start)
{
	__u64 length = claims[0].cycle * claims[0].period;
	__u32 i;

	*start = 0;
	for (i = 0; i < n; i++) {
		struct dwcs_claim *c = &claims[i];
		__u64 own = c->phase + c->prefix * c->period;

		if (c->cycle * c->period != length)
			return 0;
		*start = own > *start ? own : *start;
		c->time = c->phase;
		c->at = 0;
		c->left = 0;
		c->saved = 0;
	}
	return length;
}

static inline enum dwcs_verdict dwcs_check_phases(struct dwcs_claim *claims, __u32 n, __u32 work)
{
	enum dwcs_verdict verdict = dwcs_claim_tables(claims, n, &work);
	__u64 now = 0, look, length, next;
	int misses = 0, first = 1;

	if (n == 0 || verdict != DWCS_HOLDS)
		return n == 0 ? DWCS_HOLDS : verdict;
	length = dwcs_claim_begin(claims, n, &look);
	if (length == 0)
		return DWCS_MALFORMED;
	while (dwcs_claim_pay(&work, 2 * n)) {
		struct dwcs_claim *c;

		if (now == look) {
			if (dwcs_claim_settles(claims, n) && !first)
				return DWCS_HOLDS;
			first = 0;
			look += length;
		}
		next = dwcs_claim_release(claims, n, now, &misses);
		next = look < next ? look : next;
		c = dwcs_claim_pick(claims, n, now, &misses);
		if (misses)
			return DWCS_MISSES;
		if (c) {
			__u64 ran = c->left < next - now ? c->left : next - now;

			c->left -= ran;
			next = now + ran;
		}
		now = next;
	}
	return DWCS_TOO_LONG;
}
