/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When rules are taken out of service. Pure; one step a turn of the slow loop and contract.
 *
 *   breach      its program did not end in the guard: at once
 *   refused     nearly all that it asked for was refused, for many turns. Refusals that say nothing
 *               against rules do not count: too soon, held by a person, two CPUs at once
 *   oscillates  nearly every change took back the one before, for many turns
 *   sandbox     its process ended, hung, or did what it may not: at once, by who watches it
 *   harms       it lost windows while it held more than its base and others lost windows too
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum qos_quarantine {
	QOS_QUARANTINE_NONE,
	QOS_QUARANTINE_BREACH,
	QOS_QUARANTINE_REFUSED,
	QOS_QUARANTINE_OSCILLATES,
	QOS_QUARANTINE_HARMS,
	QOS_QUARANTINE_SANDBOX, /* not by a step */
};

/* Words for people, in enum order: "none", "its program did not end in the guard", ... */
extern const char *const qos_quarantine_causes[];

#define QOS_QUARANTINE_TURNS   10 /* in a row */
#define QOS_QUARANTINE_LEAST   5  /* requests or changes in a turn; fewer say nothing */
#define QOS_QUARANTINE_PERCENT 90

/* Of one turn. */
struct qos_quarantine_signal {
	uint64_t breaches;
	uint64_t requests; /* without those whose refusal does not count */
	uint64_t refused;
	uint64_t changes;
	uint64_t reversals; /* changes in the direction opposite to the one before */
	uint64_t violations;
	uint64_t others_violations;
	bool above_base;
};

/* Turns in a row that spoke against it; all zeroes at first. */
struct qos_quarantine_state {
	uint32_t refused;
	uint32_t oscillates;
	uint32_t harms;
};

/* Why it is to be taken out now; NONE: it goes on. A turn that says nothing changes nothing. */
enum qos_quarantine qos_quarantine_step(struct qos_quarantine_state *state,
					const struct qos_quarantine_signal *signal);
