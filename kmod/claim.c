// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who sets a table claims that EDF keeps all mandatory requests of the CPU. dwcs_check.h verifies
 * that before the table is taken: for all tables of the CPU that are on, the new one in the place
 * of the stream's old one. So whatever is on was verified together with whatever else is.
 *
 * Charges, as in admission (daemon/admit/judge_windows.c):
 *   C' = (C + 2 x dispatch) / cap, since the cap is as good as a CPU that is slower by its share;
 *   D' = D - tolerance - blocking: a request is released that much late at most (its wakeup counts
 *	  as at the grid point), and what cannot be preempted runs before it.
 * A table keeps the charges that it was verified with. Larger ones end all claims (CONFIG_SET).
 *
 * All in process context, under qos_mutex; nothing is changed here but the new table's own charges.
 */
#include <linux/lcm.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "compat.h"
#include "qos.h"
#include "dwcs_check.h"

/* One table, and what is claimed by it. */
struct entry {
	const struct qos_thread *thread;
	const struct qos_table *table;
};

/* All of a CPU. What it points to is its own. */
struct claims {
	u32 n;
	struct entry *entry; /* by stream id, as a bundle's order has it */
	struct dwcs_claim *claim;
	u64 *room;
	u8 *bits;
};

/* --- words --- */

/* Names the stream. extack takes words that last, so they are kept until some refusals later. */
static int __printf(4, 5) refuse(const struct qos_thread *thread, struct netlink_ext_ack *extack,
				 int error, const char *format, ...)
{
	static char words[8][160];
	static u32 at;
	char *text = words[at++ % ARRAY_SIZE(words)];
	va_list args;
	int n;

	n = scnprintf(text, sizeof(words[0]), "stream %s/%s: ", thread->stream->contract->name,
		      thread->stream->name);
	va_start(args, format);
	vscnprintf(text + n, sizeof(words[0]) - n, format, args);
	va_end(args);
	qos_refuse(extack, text);
	return error;
}

static int judge(const struct qos_thread *thread, enum dwcs_verdict verdict,
		 struct netlink_ext_ack *extack)
{
	switch (verdict) {
	case DWCS_HOLDS:
		return 0;
	case DWCS_MALFORMED:
		return refuse(
			thread, extack, -EINVAL,
			"the cycles of all tables of CPU %d must be equally long, in whole windows",
			thread->cpu->id);
	case DWCS_TOO_FEW:
		return refuse(thread, extack, -EINVAL,
			      "fewer requests are mandatory than a window needs");
	case DWCS_MISSES:
		return refuse(thread, extack, -EINVAL,
			      "EDF would miss mandatory requests of CPU %d with this table",
			      thread->cpu->id);
	case DWCS_TOO_LONG:
		break;
	}
	return refuse(thread, extack, -E2BIG, "the tables of CPU %d take too long to verify",
		      thread->cpu->id);
}

/* --- the set --- */

static bool is_on(const struct qos_thread *thread)
{
	return thread->table && READ_ONCE(thread->table->on);
}

static void claims_free(struct claims *claims)
{
	kvfree(claims->entry);
	kvfree(claims->claim);
	kvfree(claims->room);
	kvfree(claims->bits);
}

static int by_stream(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	u32 x = left->thread->stream->id, y = right->thread->stream->id;

	return (x > y) - (x < y);
}

static int gather(struct claims *claims, const struct qos_thread *thread,
		  const struct qos_table *table)
{
	const struct qos_thread *t;
	u32 max = thread->cpu->threads_n;

	claims->entry = kvcalloc(max, sizeof(*claims->entry), GFP_KERNEL);
	claims->claim = kvcalloc(max, sizeof(*claims->claim), GFP_KERNEL);
	if (!claims->entry || !claims->claim)
		return -ENOMEM;
	list_for_each_entry(t, &thread->cpu->threads, in_cpu) {
		if (t == thread)
			claims->entry[claims->n++] = (struct entry){t, table};
		else if (is_on(t))
			claims->entry[claims->n++] = (struct entry){t, t->table};
	}
	sort(claims->entry, claims->n, sizeof(*claims->entry), by_stream, NULL);
	return 0;
}

/*
 * Phases are counted from a time when the common cycle begins. A table that has no prefix is in its cycle
 * for ever, so it does not matter how many of them went by: streams may claim at any time.
 */
static u64 phase_of(const struct entry *entry, u64 origin)
{
	u64 cycle = entry->table->cycle * entry->thread->params.period_ns, rest;

	if (entry->table->mode != QOS_DWCS_TABLE_PHASES)
		return 0;
	if (entry->table->prefix)
		return entry->table->epoch_ns - origin;
	div64_u64_rem(entry->table->epoch_ns, cycle, &rest);
	return rest;
}

static u64 origin_of(const struct claims *claims)
{
	u64 origin = U64_MAX, cycle = 1, rest;
	u32 i;

	for (i = 0; i < claims->n; i++) {
		const struct qos_table *table = claims->entry[i].table;

		if (table->mode != QOS_DWCS_TABLE_PHASES || !table->prefix)
			continue;
		origin = min(origin, table->epoch_ns);
		cycle = table->cycle * claims->entry[i].thread->params.period_ns;
	}
	div64_u64_rem(origin, cycle, &rest);
	return origin - rest;
}

static void fill(struct claims *claims)
{
	u64 origin = origin_of(claims);
	u32 i;

	for (i = 0; i < claims->n; i++) {
		const struct qos_table *table = claims->entry[i].table;

		claims->claim[i] = (struct dwcs_claim){
			.period = claims->entry[i].thread->params.period_ns,
			.deadline = table->deadline_ns,
			.cost = table->member.cost,
			.phase = phase_of(&claims->entry[i], origin),
			.x = table->member.x,
			.y = table->member.y,
			.prefix = table->prefix,
			.cycle = table->cycle,
			.bits = table->bits,
			.bundle = table->bundle,
		};
	}
}

/* --- bundles: their bits are what the choice makes mandatory --- */

static bool is_leader(const struct claims *claims, u32 i)
{
	u32 bundle = claims->claim[i].bundle;

	while (bundle && i-- > 0) {
		if (claims->claim[i].bundle == bundle)
			return false;
	}
	return true;
}

/* Of the bundle of claim `leader`, in its order. */
static u32 members_of(const struct claims *claims, u32 leader, u32 *members)
{
	u32 i, n = 0;

	for (i = leader; i < claims->n && n < DWCS_BUNDLE_MAX; i++) {
		if (claims->claim[i].bundle == claims->claim[leader].bundle)
			members[n++] = i;
	}
	return n;
}

/* After so many periods the choices repeat. False: that is too many. */
static bool find_cycle(struct claims *claims, u32 leader)
{
	u32 members[DWCS_BUNDLE_MAX], n = members_of(claims, leader, members), i;
	unsigned long cycle = 1;

	for (i = 0; i < n && cycle <= DWCS_BUNDLE_CYCLE_MAX; i++)
		cycle = lcm(cycle, claims->claim[members[i]].y ?: 1);
	for (i = 0; i < n; i++)
		claims->claim[members[i]].cycle = cycle;
	return cycle <= DWCS_BUNDLE_CYCLE_MAX;
}

/* False: a window breaks. */
static bool replay(struct claims *claims, u32 leader, u8 *bits)
{
	u32 index[DWCS_BUNDLE_MAX], n = members_of(claims, leader, index), i, period;
	struct dwcs_member state[DWCS_BUNDLE_MAX], *members[DWCS_BUNDLE_MAX];
	u32 cycle = claims->claim[leader].cycle, bytes = DIV_ROUND_UP(cycle, 8);
	u64 budget = claims->entry[leader].table->budget_ns;

	for (i = 0; i < n; i++) {
		claims->claim[index[i]].bits = bits + i * bytes;
		state[i] = claims->entry[index[i]].table->member;
		dwcs_member_reset(&state[i]);
		members[i] = &state[i];
	}
	for (period = 0; period < cycle; period++) {
		dwcs_bundle_choose(members, n, budget);
		for (i = 0; i < n; i++)
			bits[i * bytes + period / 8] |= state[i].takes << period % 8;
		if (!dwcs_bundle_count(members, n))
			return false;
	}
	return true;
}

static int make_room(struct claims *claims)
{
	size_t numbers = 0, bytes = 0;
	u32 i;

	for (i = 0; i < claims->n; i++) {
		if (is_leader(claims, i))
			numbers += 2 * claims->claim[i].cycle;
		if (claims->claim[i].bundle)
			bytes += DIV_ROUND_UP(claims->claim[i].cycle, 8);
	}
	claims->room = kvcalloc(numbers, sizeof(*claims->room), GFP_KERNEL);
	claims->bits = kvzalloc(bytes, GFP_KERNEL);
	return claims->room && claims->bits ? 0 : -ENOMEM;
}

/* --- the check --- */

static int check_sporadic(struct claims *claims, const struct qos_thread *thread,
			  struct netlink_ext_ack *extack)
{
	u32 i, members[DWCS_BUNDLE_MAX];
	u64 *room;
	u8 *bits;

	for (i = 0; i < claims->n; i++) {
		if (claims->claim[i].bundle && is_leader(claims, i) && !find_cycle(claims, i))
			return refuse(thread, extack, -EINVAL,
				      "the windows of its bundle repeat after more than %u periods",
				      DWCS_BUNDLE_CYCLE_MAX);
	}
	if (make_room(claims))
		return -ENOMEM;
	room = claims->room;
	bits = claims->bits;
	for (i = 0; i < claims->n; i++) {
		struct dwcs_claim *claim = &claims->claim[i];

		if (!is_leader(claims, i))
			continue;
		claim->room = room;
		room += 2 * claim->cycle;
		if (!claim->bundle)
			continue;
		if (!replay(claims, i, bits))
			return refuse(thread, extack, -EINVAL,
				      "its bundle's budget is too small to keep all windows");
		bits += members_of(claims, i, members) * DIV_ROUND_UP(claim->cycle, 8);
	}
	return judge(thread, dwcs_check_sporadic(claims->claim, claims->n, DWCS_CLAIM_WORK_MAX),
		     extack);
}

static int check_all(struct claims *claims, const struct qos_thread *thread,
		     const struct qos_table *table, struct netlink_ext_ack *extack)
{
	bool phases = table->mode == QOS_DWCS_TABLE_PHASES;
	u32 i;

	for (i = 0; i < claims->n; i++) {
		if ((claims->entry[i].table->mode == QOS_DWCS_TABLE_PHASES) != phases)
			return refuse(thread, extack, -EINVAL,
				      "mode phases goes with no other mode on one CPU");
	}
	if (!phases)
		return check_sporadic(claims, thread, extack);
	return judge(thread, dwcs_check_phases(claims->claim, claims->n, DWCS_CLAIM_WORK_MAX),
		     extack);
}

static void charge(const struct qos_thread *thread, struct qos_table *table)
{
	const struct qos_params *params = &thread->params;
	u64 late = params->tolerance_ns + qos_config.blocking_ns;
	u64 runtime = max(params->runtime_ns, READ_ONCE(thread->stream->limits.reserved));
	u64 cost = runtime + 2 * qos_config.dispatch_ns;

	table->runtime_ns = runtime;
	table->deadline_ns = params->deadline_ns > late ? params->deadline_ns - late : 0;
	table->member = (struct dwcs_member){
		.cost = div_u64(cost * 1000000 + qos_config.cap_ppm - 1, qos_config.cap_ppm),
		.x = params->x,
		.y = params->y,
	};
}

/* Is what `table` claims for the thread right, together with all that is claimed on its CPU? */
int qos_claim_check(const struct qos_thread *thread, struct qos_table *table,
		    struct netlink_ext_ack *extack)
{
	struct claims claims = {};
	int error;

	charge(thread, table);
	if (table->member.cost > table->deadline_ns)
		return refuse(thread, extack, -EINVAL,
			      "with its charges C does not fit into the deadline");
	error = gather(&claims, thread, table);
	if (!error) {
		fill(&claims);
		error = check_all(&claims, thread, table, extack);
	}
	claims_free(&claims);
	return error;
}
