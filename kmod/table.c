// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mandatory requests: whether the request that a thread releases now is one. Admission made the
 * table and proved it (the tests T1, T2, T3: sporadic, bundle, phases); here it is followed, and
 * given up as soon as what it rests on is gone.
 *
 * sporadic  by the place in the window, for any releases at least T apart
 * phases    by the number of the period since an agreed time; every period must see its release
 * bundle    streams of equal T that are released together: those that dwcs_bundle.h takes. Chosen
 *           once a period, at the first release of the bundle.
 */
#include <linux/math64.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "qos.h"

static_assert(DWCS_BUNDLE_MAX == QOS_DWCS_BUNDLE_MAX);

static void off(struct qos_thread *thread, u32 reason, u64 now)
{
	struct qos_event *event;

	thread->table->on = false;
	qos_levels_urgent(thread);
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

	if (n >= table->prefix) {
		div_u64_rem(n - table->prefix, table->cycle, &at);
		n = table->prefix + at;
	}
	return table->bits[n / 8] >> n % 8 & 1;
}

static bool asks_sporadic(struct qos_thread *thread)
{
	const struct dwcs_stream *s = &thread->dwcs;

	return has_bit(thread->table, s->y ? s->y - s->k : 0);
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

/* The members of a bundle that is on, in its order. */
static u32 members_of(struct qos_cpu *cpu, u32 bundle, struct dwcs_member **members)
{
	struct qos_thread *t;
	u32 n = 0;

	list_for_each_entry(t, &cpu->bundled, in_bundled) {
		if (is_member(t, bundle))
			members[n++] = &t->table->member;
	}
	return n;
}

/* The bundle's choice for the period that begins at `round`. */
static void choose(struct qos_thread *thread, u64 round)
{
	struct dwcs_member *members[DWCS_BUNDLE_MAX];
	struct qos_table *table = thread->table;
	struct qos_thread *t;
	u32 i, n = members_of(thread->cpu, table->bundle, members);

	if (table->round_ns)
		dwcs_bundle_count(members, n);
	else
		for (i = 0; i < n; i++)
			dwcs_member_reset(members[i]);
	dwcs_bundle_choose(members, n, table->budget_ns);
	list_for_each_entry(t, &thread->cpu->bundled, in_bundled) {
		if (is_member(t, table->bundle))
			t->table->round_ns = round;
	}
}

/*
 * Who is released with the others, but for moments, is brought to their grid. Its own count of the
 * window tells whether it was there in every period.
 */
static bool asks_bundle(struct qos_thread *thread, u64 now)
{
	struct qos_table *table = thread->table;
	s64 tolerance = thread->params.tolerance_ns, since = thread->grid_ns - table->round_ns;

	if (!table->round_ns || since >= (s64)thread->params.period_ns - tolerance) {
		choose(thread, thread->grid_ns);
	} else if (abs(since) <= tolerance) {
		thread->grid_ns = table->round_ns;
	} else {
		qos_table_off(thread, QOS_DWCS_UNPROVEN_ANCHOR, now);
		return false;
	}
	if (!table->joined)
		dwcs_reset(&thread->dwcs);
	table->joined = true;
	if (thread->dwcs.k != table->member.k) {
		qos_table_off(thread, QOS_DWCS_UNPROVEN_SILENCE, now);
		return false;
	}
	return table->member.takes;
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

/* Will the next request of a sleeper be mandatory, as far as is known? A bundle has not chosen. */
bool qos_table_will_ask(const struct qos_thread *thread)
{
	const struct qos_table *table = thread->table;
	const struct dwcs_stream *s = &thread->dwcs;

	if (!table || !table->on)
		return false;
	if (table->mode == QOS_DWCS_TABLE_PHASES)
		return has_bit(table, table->next);
	if (table->mode != QOS_DWCS_TABLE_SPORADIC)
		return false;
	return has_bit(table, s->y ? s->y - s->k + dwcs_is_live(s) : 0);
}

/* It has a new table, which may be none: its bundle begins anew. */
void qos_table_join(struct qos_thread *thread)
{
	struct list_head *at = &thread->cpu->bundled;
	struct qos_thread *t;

	list_del_init(&thread->in_bundled);
	if (!thread->table || !thread->table->bundle)
		return;
	list_for_each_entry(t, &thread->cpu->bundled, in_bundled) {
		if (t->stream->id > thread->stream->id && at == &thread->cpu->bundled)
			at = &t->in_bundled;
		if (!is_member(t, thread->table->bundle))
			continue;
		t->table->round_ns = 0;
		t->table->joined = false;
	}
	list_add_tail(&thread->in_bundled, at);
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

	if (table->prefix || table->cycle != (params->y ?: 1)) {
		NL_SET_ERR_MSG(
			extack,
			"mode sporadic: the cycle is the window's y, and there is no prefix");
		return -EINVAL;
	}
	return 0;
}

static int check_epoch(const struct qos_thread *thread, const struct qos_table *table,
		       struct netlink_ext_ack *extack)
{
	if (thread->params.rate_mhz) {
		NL_SET_ERR_MSG(extack, "EPOCH: the period must be in nanoseconds, not a rate");
		return -EINVAL;
	}
	if (table->epoch_ns <= ktime_get_ns()) {
		NL_SET_ERR_MSG(extack, "EPOCH: it has passed");
		return -EINVAL;
	}
	return 0;
}

static int check_bundle(const struct qos_thread *thread, const struct qos_table *table,
			struct netlink_ext_ack *extack)
{
	const struct qos_thread *t;
	u32 n = 1;
	int error = table->epoch_ns ? check_epoch(thread, table, extack) : 0;

	if (error)
		return error;
	list_for_each_entry(t, &thread->cpu->threads, in_cpu) {
		if (t == thread || !is_member(t, table->bundle))
			continue;
		if (t->params.period_ns != thread->params.period_ns ||
		    t->params.rate_mhz != thread->params.rate_mhz ||
		    t->table->budget_ns != table->budget_ns) {
			NL_SET_ERR_MSG(
				extack,
				"mode bundle: period and budget of its streams must be equal");
			return -EINVAL;
		}
		if (++n > DWCS_BUNDLE_MAX) {
			NL_SET_ERR_MSG(extack, "mode bundle: too many streams in it");
			return -ENOSPC;
		}
	}
	return 0;
}

static int check_mode(const struct qos_thread *thread, const struct qos_table *table,
		      struct netlink_ext_ack *extack)
{
	switch ((enum qos_dwcs_table_mode)table->mode) {
	case QOS_DWCS_TABLE_NONE:
		return 0;
	case QOS_DWCS_TABLE_SPORADIC:
		return check_sporadic(thread, table, extack);
	case QOS_DWCS_TABLE_PHASES:
		return check_epoch(thread, table, extack);
	case QOS_DWCS_TABLE_BUNDLE:
		return check_bundle(thread, table, extack);
	}
	return -EINVAL;
}

/* Nothing is changed but what the new table is charged with. */
int qos_table_check(const struct qos_thread *thread, struct qos_table *table,
		    struct netlink_ext_ack *extack)
{
	int error = check_mode(thread, table, extack);

	return error ?: qos_claim_check(thread, table, extack);
}
