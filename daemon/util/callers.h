/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much each user may ask, of the gateway and of the private socket: QOS_CALLS_MAX calls a second and
 * QOS_PENDING_MAX that wait (for polkit, for the daemon), and all users together. By user, since anybody can make many
 * connections.
 * Times are the caller's; root is counted and never refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QOS_CALLERS_MAX	    64 /* users that are told apart; beyond it those asleep are forgotten */
#define QOS_CALLS_MAX	    20 /* a second, of a user */
#define QOS_CALLS_ALL_MAX   100
#define QOS_PENDING_MAX	    8 /* of a user */
#define QOS_PENDING_ALL_MAX 64

struct qos_caller {
	bool used;
	uint32_t uid;
	uint64_t second;
	uint32_t calls; /* in that second */
	uint32_t pending;
};

/* All zeroes is empty. */
struct qos_callers {
	struct qos_caller list[QOS_CALLERS_MAX];
	uint64_t second;
	uint32_t calls;
	uint32_t pending;
};

/* One call more. false: too many; it is to be refused. */
bool qos_callers_count(struct qos_callers *callers, uint32_t uid, uint64_t now_ns);

/* A call of this user, counted just now, begins to wait, and ends to. false: too many do. */
bool qos_callers_begin(struct qos_callers *callers, uint32_t uid);
void qos_callers_end(struct qos_callers *callers, uint32_t uid);
