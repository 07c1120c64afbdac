/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which streams of a bundle are mandatory in a period: one choice, for admission, which proves that it
 * keeps all windows (daemon/admit/prove_bundle.c), for the check of that claim (claim.c) and for the
 * module that follows it (table.c). Includes nothing, like dwcs.h; integers only, no division.
 * y is at most DWCS_Y_MAX, so k' x m' fits into 20 bits; work never passes the budget.
 *
 * The streams of a bundle have equal T and are released together. In each period those that still owe
 * (m' > 0) are taken in the order of k'/m' ascending (ties: the larger C, then the first of the members),
 * while their C together stay within a budget; one that does not fit is passed over.
 *
 * k' and m' are counters of the bundle's own. They count as if exactly what was taken were served: not
 * those of dwcs.h, whose m' falls with what is served in spare time too. So the choices are a function of
 * the members, the budget and the number of the period alone, and repeat after lcm(y) periods.
 */
#pragma once

#define DWCS_BUNDLE_MAX	      16U
#define DWCS_BUNDLE_CYCLE_MAX 4096U /* periods; a proof is quadratic in it */

struct dwcs_member {
	/* as claimed */
	__u64 cost;
	__u32 x;
	__u32 y; /* 0: plain EDF, which needs every request */

	__u32 k;   /* k', before the latest choice is counted */
	__u32 m;   /* m', likewise */
	int takes; /* is of the latest choice */
	int asked; /* the choice's own */
};

static inline void dwcs_member_reset(struct dwcs_member *member)
{
	member->k = member->y ? member->y : 1;
	member->m = member->y ? member->y - member->x : 1;
	member->takes = 0;
}

/* Does a, which is before b in the bundle, give way to b? */
static inline int dwcs_member_gives_way(const struct dwcs_member *a, const struct dwcs_member *b)
{
	__u32 left = a->k * b->m, right = b->k * a->m;

	return left != right ? left > right : a->cost < b->cost;
}

/* The choice of a period: `takes` of each member. Returns its work. */
static inline __u64 dwcs_bundle_choose(struct dwcs_member *const *members, __u32 n, __u64 budget)
{
	__u64 work = 0;
	__u32 i, left;

	for (i = 0; i < n; i++) {
		members[i]->takes = 0;
		members[i]->asked = 0;
	}
	for (left = n; left > 0; left--) {
		struct dwcs_member *best = (struct dwcs_member *)0;

		for (i = 0; i < n; i++) {
			if (!members[i]->m || members[i]->asked)
				continue;
			if (!best || dwcs_member_gives_way(best, members[i]))
				best = members[i];
		}
		if (!best)
			break;
		best->asked = 1;
		best->takes = best->cost <= budget - work;
		work += best->takes ? best->cost : 0;
	}
	return work;
}

/* The period is over. Returns 0 if a window broke, which then starts anew like all others. */
static inline int dwcs_bundle_count(struct dwcs_member *const *members, __u32 n)
{
	int keeps = 1;
	__u32 i;

	for (i = 0; i < n; i++) {
		struct dwcs_member *member = members[i];

		member->m -= member->takes ? 1 : 0;
		if (--member->k)
			continue;
		keeps &= !member->m;
		dwcs_member_reset(member);
	}
	return keeps;
}
