// SPDX-License-Identifier: GPL-2.0-only
/* Requests that were served or lost, and the windows that they make up. */
#include <linux/math64.h>

#include "qos.h"
#include "rules.h"

static void outcome_note(struct qos_thread *thread, bool served, u64 n)
{
	u32 left = min_t(u64, n, QOS_OUTCOMES);

	for (; left; left--, thread->outcomes_n++) {
		u32 at = thread->outcomes_n % QOS_OUTCOMES;
		u64 bit = 1ULL << (at % 64);

		if (served)
			thread->outcomes[at / 64] |= bit;
		else
			thread->outcomes[at / 64] &= ~bit;
	}
}

/* Of the window that just ended. What m' owed is exact; else nobody kept count but the outcomes. */
static u32 window_lost(const struct qos_thread *thread, u32 owed)
{
	u32 i, lost = 0, x = thread->dwcs.x;

	if (owed)
		return x + owed;
	for (i = 1; i <= thread->dwcs.y && i <= thread->outcomes_n; i++) {
		u32 at = (thread->outcomes_n - i) % QOS_OUTCOMES;

		lost += !(thread->outcomes[at / 64] & (1ULL << (at % 64)));
	}
	return min(lost, x);
}

/* `owed`: what m' is at the end of the window, before it starts anew. */
static void window_note(struct qos_thread *thread, int ended, u32 owed, u64 from, u64 to, u64 now)
{
	if (!(ended & DWCS_WINDOW_ENDED))
		return;
	thread->stats.windows++;
	if (qos_rules_on())
		qos_rules_window(thread, window_lost(thread, owed));
	if (!(ended & DWCS_WINDOW_BROKEN))
		return;
	thread->stats.violations++;
	qos_evidence_violation(thread, thread->dwcs.x + owed, from, to, now);
}

void qos_outcome_settle(struct qos_thread *thread, bool served, u64 now)
{
	struct qos_cpu *cpu = thread->cpu;
	u32 owed = thread->dwcs.m - (served && thread->dwcs.m > 0);
	int ended = dwcs_settle(&cpu->queue, &thread->dwcs, served);

	thread->parked = false;
	cpu->dirty = true;
	outcome_note(thread, served, 1);
	if (served) {
		thread->stats.served++;
		qos_count(cpu, SERVED);
	} else {
		thread->stats.lost++;
		qos_count(cpu, LOST);
	}
	window_note(thread, ended, owed, thread->dwcs.release, thread->dwcs.due, now);
	if (served || !thread->mandatory)
		return;
	thread->stats.mandatory_lost++;
	qos_count(cpu, MANDATORY_LOST);
	qos_table_off(thread, QOS_DWCS_UNPROVEN_LOST, now);
}

/* In closed form, for a thread may sleep long. */
void qos_outcome_lose(struct qos_thread *thread, u64 n, u64 now)
{
	struct dwcs_stream *s = &thread->dwcs;
	u64 from = thread->grid_ns;

	thread->stats.lost += n;
	qos_count_add(thread->cpu, LOST, n);
	outcome_note(thread, false, n);
	if (!s->y)
		return;
	if (n >= s->k) {
		u64 whole;
		u32 rest, owed = s->m;

		whole = div_u64_rem(n - s->k, s->y, &rest);
		n = rest;
		dwcs_reset(s);
		thread->stats.windows += whole;
		thread->stats.violations += s->m ? whole : 0;
		window_note(thread, DWCS_WINDOW_ENDED | (owed ? DWCS_WINDOW_BROKEN : 0), owed, from,
			    now, now);
	}
	s->k -= n;
}
