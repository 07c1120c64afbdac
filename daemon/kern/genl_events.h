/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module says by itself: events, and telemetry of each stream. Both are counted by the module,
 * so a gap is a lost message, whether the socket noticed or not.
 */
#pragma once

#include "kern/genl.h"
#include "kern/genl_read.h"

struct qos_dwcs_ears {
	void (*presence)(void *data, bool there);
	void (*event)(void *data, const struct qos_dwcs_event *event);
	void (*telemetry)(void *data, const struct qos_dwcs_report *report);
	/* Something was missed: whatever events would have told is to be asked for by a dump. Once a
	 * dispatch, after all else. */
	void (*missed)(void *data);
};

/* One counter of the module's. */
struct qos_dwcs_sequence {
	bool begun;
	uint32_t next;
};

/* All zeroes to begin with. */
struct qos_dwcs_hearing {
	const struct qos_dwcs_ears *ears;
	void *data;
	struct qos_dwcs_sequence events;
	struct qos_dwcs_sequence telemetry;
	bool missed;
	/* for `status` and tests */
	uint64_t n_missed;    /* times */
	uint64_t n_malformed; /* messages that were not as the family's specification says */
};

/* Hands on what waits, at most QOS_GENL_DISPATCH_MAX messages. The number, or -errno. */
int qos_dwcs_hear(struct qos_dwcs_hearing *hearing, struct qos_genl *genl);

/* One message of the family, as if it had been heard. */
void qos_dwcs_take(struct qos_dwcs_hearing *hearing, const struct nlmsghdr *message);
