/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard: the one way in which an attribute changes, whoever asks. A change is claimed, recorded
 * and committed:
 *
 *   claim    range, step, rate; an increase takes its cost from the pool, and gives it back if that
 *	      makes the pool negative. So no two claims that succeed ever hold more than the total,
 *	      however they interleave.
 *   record   by the caller, who may still give up (guard_undo).
 *   commit   sets the value, unless somebody else did meanwhile. A decrease gives its cost back only
 *	      now (guard_return), after the caller has sent the record.
 *
 * Plain C: compiled into the programs, into the daemon, and into the tests. Numbers: values are below
 * 2^42 (an hour in ns), so value << 20 fits; costs are rounded up, and totals are sums of costs.
 *
 * Weakness: of two CPUs that ask for the same attribute at the same moment, one is refused: for the rate,
 * or as busy if the value changed between its claim and its commit.
 */
#pragma once

#include "inline.bpf.h"
#include "qos_guard_abi.h"
#include "qos_rules_abi.h"

#define QOS_VALUE_MAX (1LL << QOS_RULES_TIME_BITS)

struct guard_claim {
	__s64 old;
	__s64 value;
	__s64 more; /* cost that was taken; negative: to be returned */
	__u64 next_ns;
};

QOS_INLINE __s64 guard_cost(__s64 value, __u64 period_ns)
{
	if (!period_ns || value <= 0 || value > QOS_VALUE_MAX)
		return 0;
	return (__s64)((((__u64)value << QOS_COST_SHIFT) + period_ns - 1) / period_ns);
}

QOS_INLINE bool guard_take(struct qos_pool *pool, __s64 cost)
{
	if (__sync_fetch_and_add(&pool->free, -cost) >= cost)
		return true;
	__sync_fetch_and_add(&pool->free, cost);
	return false;
}

QOS_INLINE int guard_check(const struct qos_attribute *attribute, __s64 old, __s64 value)
{
	if (value < attribute->lo || value > attribute->hi)
		return QOS_REFUSED_RANGE;
	if (attribute->step && (value > old ? value - old : old - value) > attribute->step)
		return QOS_REFUSED_STEP;
	return QOS_VERDICT_SET;
}

QOS_INLINE void guard_undo(struct qos_attribute *attribute, struct qos_pool *pool,
			   const struct guard_claim *claim)
{
	if (claim->more > 0)
		__sync_fetch_and_add(&pool->free, claim->more);
	*(volatile __u64 *)&attribute->next_ns = claim->next_ns;
}

/* QOS_VERDICT_SET: claimed; else why not. */
QOS_INLINE int guard_claim(struct qos_attribute *attribute, struct qos_pool *pool, __s64 value,
			   __u64 now, struct guard_claim *claim)
{
	__s64 old = *(volatile __s64 *)&attribute->value;
	__u64 next = *(volatile __u64 *)&attribute->next_ns;
	int verdict;

	if (attribute->held)
		return QOS_REFUSED_HELD;
	if (value == old)
		return QOS_VERDICT_SAME;
	verdict = guard_check(attribute, old, value);
	if (verdict != QOS_VERDICT_SET)
		return verdict;
	if (now < next ||
	    __sync_val_compare_and_swap(&attribute->next_ns, next, now + attribute->gap_ns) != next)
		return QOS_REFUSED_RATE;
	claim->old = old;
	claim->value = value;
	claim->next_ns = next;
	claim->more =
		guard_cost(value, attribute->period_ns) - guard_cost(old, attribute->period_ns);
	if (claim->more <= 0 || guard_take(pool, claim->more))
		return QOS_VERDICT_SET;
	claim->more = 0;
	guard_undo(attribute, pool, claim);
	return QOS_REFUSED_BUDGET;
}

QOS_INLINE bool guard_commit(struct qos_attribute *attribute, struct qos_pool *pool,
			     const struct guard_claim *claim)
{
	if (__sync_val_compare_and_swap(&attribute->value, claim->old, claim->value) ==
	    claim->old) {
		count(&attribute->changes, 1);
		return true;
	}
	guard_undo(attribute, pool, claim);
	return false;
}

QOS_INLINE void guard_return(struct qos_pool *pool, const struct guard_claim *claim)
{
	if (claim->more < 0)
		__sync_fetch_and_add(&pool->free, -claim->more);
}
