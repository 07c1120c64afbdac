/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened: the latest QOS_HISTORY_MAX events, for `qosctl events`. The journal keeps them for
 * longer; this is what can be had where there is none, with its evidence as data. Pure: times are
 * the caller's.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "contract/contract.h"

enum qos_history_kind {
	/* as enum qos_live_state: a contract came into it */
	QOS_HISTORY_IN_FORCE,
	QOS_HISTORY_WAITING,
	QOS_HISTORY_REFUSED,
	QOS_HISTORY_INVALID,
	QOS_HISTORY_REMOVED,
	QOS_HISTORY_PANIC,
	QOS_HISTORY_ROLLED_BACK, /* a file that nobody confirmed */
	QOS_HISTORY_ADAPTED,
	QOS_HISTORY_VIOLATION,
	QOS_HISTORY_OVERRUN,
	QOS_HISTORY_DRIFT,
	QOS_HISTORY_UNPROVEN,	 /* what was proven rests on something that is gone */
	QOS_HISTORY_SIGNAL,	 /* a rule emits it */
	QOS_HISTORY_QUARANTINED, /* rules were taken out of service, or put back */
	QOS_HISTORY_LEASE,
	QOS_HISTORY_MANAGER, /* the module came or went, or its telemetry did */
	QOS_HISTORY_KERNEL,  /* the kernel did not do what was asked */
	QOS_HISTORY_KINDS,
};

extern const char *const qos_history_kind_names[];

/* Who ran in place of a stream that lost a request, and for how long. No contract: all the rest. */
struct qos_history_instead {
	char contract[QOS_CONTRACT_NAME_MAX + 1];
	char stream[QOS_CONTRACT_NAME_MAX + 1];
	uint64_t ran_ns;
};

#define QOS_HISTORY_INSTEAD_MAX	 16
#define QOS_HISTORY_OUTCOMES_MAX 1000

/* What is not known is NULL, "" or 0. */
struct qos_history_event {
	uint64_t seq;	  /* 1, 2, ... since the daemon started; set by add */
	uint64_t at_us;	  /* CLOCK_REALTIME */
	uint64_t boot_ns; /* CLOCK_BOOTTIME */
	enum qos_history_kind kind;
	char contract[QOS_CONTRACT_NAME_MAX + 1]; /* or the name of a file that never was one */
	char stream[QOS_CONTRACT_NAME_MAX + 1];
	pid_t tid;
	bool on_cpu;
	unsigned int cpu;
	uint32_t muted; /* events of this kind and contract that were left out before it */
	char *text;
	char *outcomes; /* of the last requests, oldest first: s served, L lost */
	struct qos_history_instead *instead;
	size_t n_instead;
};

#define QOS_HISTORY_MAX 1024

/* All zeroes is an empty one. */
struct qos_history {
	struct qos_history_event *events[QOS_HISTORY_MAX]; /* oldest first */
	size_t n;
	uint64_t seq; /* of the latest */
};

void qos_history_event_free(struct qos_history_event *event);
QOS_DEFINE_CLEANUP(struct qos_history_event *, qos_history_event_free)
#define _cleanup_history_event_ QOS_CLEANUP(qos_history_event_freep)

/* Takes the event over. If there is no room, a contract that has a quarter of it gives up its own
 * oldest, else the oldest of all goes: who makes many events does not cost others theirs. */
void qos_history_add(struct qos_history *history, struct qos_history_event *event);
void qos_history_reset(struct qos_history *history);

/* Is an event of this name about the contract: its own name, or its file's, which is what mistakes and roll-backs have? */
bool qos_history_is_about(const char *name, const char *contract);

/* As in qosctl(1). `contract`: only of this one, unless "". from_boot_ns: not older. NULL: out of
 * memory. */
json_t *qos_history_event_json(const struct qos_history_event *event);
json_t *qos_history_json(const struct qos_history *history, const char *contract,
			 uint64_t from_boot_ns);

/* Is there any of this contract? */
bool qos_history_knows(const struct qos_history *history, const char *contract);
