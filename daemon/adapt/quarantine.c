/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each reason is a row of turns that spoke for it; one that speaks against it ends the row. So what
 * happens once, at a start or in a bad moment, costs nobody his rules. Weakness: who does harm in nine
 * turns of ten is never taken out; the guard holds him all the same.
 */
#include "adapt/quarantine.h"

const char *const qos_quarantine_causes[] = {
	"none",
	"its program did not end in the guard",
	"nearly all that it asked for was refused",
	"it takes back nearly every change",
	"it loses windows with more than its base while others lose theirs",
	"its process is gone",
};

static bool is_most(uint64_t part, uint64_t of)
{
	return part * 100 >= of * QOS_QUARANTINE_PERCENT;
}

/* Is the row long enough? */
static bool count_turn(uint32_t *turns, bool speaks, bool against)
{
	if (speaks)
		*turns = against ? *turns + 1 : 0;
	return *turns >= QOS_QUARANTINE_TURNS;
}

enum qos_quarantine qos_quarantine_step(struct qos_quarantine_state *state,
					const struct qos_quarantine_signal *signal)
{
	bool refused, oscillates, harms;

	if (signal->breaches)
		return QOS_QUARANTINE_BREACH;
	refused = count_turn(&state->refused, signal->requests >= QOS_QUARANTINE_LEAST,
			     is_most(signal->refused, signal->requests));
	oscillates = count_turn(&state->oscillates, signal->changes >= QOS_QUARANTINE_LEAST,
				is_most(signal->reversals, signal->changes));
	harms = count_turn(&state->harms, true,
			   signal->violations && signal->others_violations && signal->above_base);
	return refused	    ? QOS_QUARANTINE_REFUSED
	       : oscillates ? QOS_QUARANTINE_OSCILLATES
	       : harms	    ? QOS_QUARANTINE_HARMS
			    : QOS_QUARANTINE_NONE;
}
