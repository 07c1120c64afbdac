// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mandatory requests: whether the request that a thread releases now is one. Admission made the
 * table and proved it (the tests T1, T2, T3: sporadic, bundle, phases); here it is followed, and
 * given up as soon as what it rests on is gone.
 *
 * sporadic  by the place in the window, for any releases at least T apart
 * phases    by the number of the period since an agreed time; every period must see its release
 * bundle    streams of equal T that are released together: those that still owe, most urgent first,
 *           within a budget. Chosen once a period, at the first release of the bundle, when every
 *           request of the period before has its outcome; the choice uses counters, not timing.
 */
#include <linux/bitmap.h>
#include <linux/math64.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "qos.h"

static void off(struct qos_thread *thread, u32 reason, u64 now)
{
	struct qos_event *event;

	thread->table->on = false;
	event = qos_event_begin(thread->cpu, thread, QOS_DWCS_EVENT_UNPROVEN, now);
	if (!event)
		return;
	event->what = reason;
	qos_event_end(thread->cpu);
}

static bool is_member(const struct qos_thread *thread, u32 bundle)
{
	return thread->table && thread->table->on && thread->table->bundle == bundle;
}

/* A bundle stands and falls together. */
void qos_table_off(struct qos_thread *thread, u32 reason, u64 now)
{
	struct qos_thread *t;
	u32 bundle;

	if (!thread->table || !thread->table->on)
		return;
	bundle = thread->table->bundle;
	off(thread, reason, now);
	if (!bundle)
		return;
	list_for_each_entry(t, &thread->cpu->bundled, in_bundled) {
		if (is_member(t, bundle))
			off(t, reason, now);
	}
}

static bool has_bit(const struct qos_table *table, u64 n)
{
	u32 at;

	if (n < table->prefix)
		return test_bit(n, table->bits);
	div_u64_rem(n - table->prefix, table->cycle, &at);
	return test_bit(table->prefix + at, table->bits);
}

static bool asks_sporadic(struct qos_thread *thread)
{
	const struct dwcs_stream *s = &thread->dwcs;

	return has_bit(thread->table, s->y - s->k);
}

static bool asks_phases(struct qos_thread *thread, u64 now)
{
	struct qos_table *table = thread->table;
	u64 n, rest;

	if (thread->grid_ns < table->epoch_ns)
		return false; /* not yet */
	n = div64_u64_rem(thread->grid_ns - table->epoch_ns, thread->params.period_ns, &rest);
	if (rest || n != table->next) {
		qos_table_off(thread, rest ? QOS_DWCS_UNPROVEN_ANCHOR : QOS_DWCS_UNPROVEN_SILENCE,
			      now);
		return false;
	}
	if (!n)
		dwcs_reset(&thread->dwcs);
	table->next++;
	return has_bit(table, n);
}

/* Does a go before b in a bundle's order: k'/m' ascending, the larger C, the id? */
static bool goes_first(const struct qos_thread *a, const struct qos_thread *b)
{
	u32 left = a->dwcs.k * b->dwcs.m, right = b->dwcs.k * a->dwcs.m;

	if (left != right)
		return left < right;
	if (a->params.runtime_ns != b->params.runtime_ns)
		return a->params.runtime_ns > b->params.runtime_ns;
	return a->stream->id < b->stream->id;
}

/* The most urgent member that was not asked in this round. */
static struct qos_thread *next_member(struct qos_cpu *cpu, u32 bundle, u64 round)
{
	struct qos_thread *t, *best = NULL;

	list_for_each_entry(t, &cpu->bundled, in_bundled) {
		if (!is_member(t, bundle) || t->table->round_ns == round || !t->dwcs.m)
			continue;
		if (!best || goes_first(t, best))
			best = t;
	}
	return best;
}

/* The bundle's choice for the period that begins at `round`. */
static void choose(struct qos_thread *thread, u64 round)
{
	u32 bundle = thread->table->bundle;
	u64 left = thread->table->budget_ns;
	struct qos_thread *t;
	bool takes = true;

	while ((t = next_member(thread->cpu, bundle, round))) {
		takes = takes && t->params.runtime_ns <= left;
		left -= takes ? t->params.runtime_ns : 0;
		t->table->takes = takes;
		t->table->round_ns = round;
	}
	list_for_each_entry(t, &thread->cpu->bundled, in_bundled) {
		if (!is_member(t, bundle) || t->table->round_ns == round)
			continue;
		t->table->takes = false; /* its quota is met */
		t->table->round_ns = round;
	}
}

static bool asks_bundle(struct qos_thread *thread, u64 now)
{
	struct qos_table *table = thread->table;

	if (table->round_ns != thread->grid_ns) {
		if (table->round_ns &&
		    thread->grid_ns - table->round_ns < thread->params.period_ns) {
			qos_table_off(thread, QOS_DWCS_UNPROVEN_ANCHOR, now);
			return false;
		}
		choose(thread, thread->grid_ns);
	}
	return table->takes;
}

/* A request is released at grid_ns: is it mandatory? */
bool qos_table_asks(struct qos_thread *thread, u64 now)
{
	if (!thread->table || !thread->table->on)
		return false;
	switch ((enum qos_dwcs_table_mode)thread->table->mode) {
	case QOS_DWCS_TABLE_NONE:
		return false;
	case QOS_DWCS_TABLE_SPORADIC:
		return asks_sporadic(thread);
	case QOS_DWCS_TABLE_PHASES:
		return asks_phases(thread, now);
	case QOS_DWCS_TABLE_BUNDLE:
		return asks_bundle(thread, now);
	}
	return false;
}

/* --- the control path --- */

void qos_table_drop(struct qos_thread *thread)
{
	struct qos_table *none = NULL;

	if (!thread->table)
		return;
	qos_cpu_table(thread, &none);
	kvfree(none);
}

static int check_sporadic(const struct qos_thread *thread, const struct qos_table *table,
			  struct netlink_ext_ack *extack)
{
	const struct qos_params *params = &thread->params;

	if (table->prefix || table->cycle != params->y) {
		NL_SET_ERR_MSG(
			extack,
			"mode sporadic: the cycle is the window's y, and there is no prefix");
		return -EINVAL;
	}
	if (bitmap_weight(table->bits, table->cycle) < params->y - params->x) {
		NL_SET_ERR_MSG(extack,
			       "mode sporadic: fewer requests are mandatory than the window needs");
		return -EINVAL;
	}
	return 0;
}

static int check_phases(const struct qos_thread *thread, const struct qos_table *table,
			struct netlink_ext_ack *extack)
{
	if (thread->params.rate_mhz) {
		NL_SET_ERR_MSG(extack,
			       "mode phases: the period must be in nanoseconds, not a rate");
		return -EINVAL;
	}
	if (table->epoch_ns <= ktime_get_ns()) {
		NL_SET_ERR_MSG(extack, "mode phases: the epoch has passed");
		return -EINVAL;
	}
	return 0;
}

static int check_bundle(const struct qos_thread *thread, const struct qos_table *table,
			struct netlink_ext_ack *extack)
{
	const struct qos_thread *t;
	u32 n = 1;

	list_for_each_entry(t, &thread->cpu->threads, in_cpu) {
		if (t == thread || !t->table || t->table->bundle != table->bundle)
			continue;
		if (t->params.period_ns != thread->params.period_ns ||
		    t->params.rate_mhz != thread->params.rate_mhz ||
		    t->table->budget_ns != table->budget_ns) {
			NL_SET_ERR_MSG(
				extack,
				"mode bundle: period and budget of its streams must be equal");
			return -EINVAL;
		}
		if (++n > QOS_DWCS_BUNDLE_MAX) {
			NL_SET_ERR_MSG(extack, "mode bundle: too many streams in it");
			return -ENOSPC;
		}
	}
	return 0;
}

int qos_table_check(const struct qos_thread *thread, const struct qos_table *table,
		    struct netlink_ext_ack *extack)
{
	if (!thread->params.y) {
		NL_SET_ERR_MSG(extack, "a stream without a window has no mandatory requests");
		return -EINVAL;
	}
	switch ((enum qos_dwcs_table_mode)table->mode) {
	case QOS_DWCS_TABLE_NONE:
		return 0;
	case QOS_DWCS_TABLE_SPORADIC:
		return check_sporadic(thread, table, extack);
	case QOS_DWCS_TABLE_PHASES:
		return check_phases(thread, table, extack);
	case QOS_DWCS_TABLE_BUNDLE:
		return check_bundle(thread, table, extack);
	}
	return -EINVAL;
}
