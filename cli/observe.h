/* SPDX-License-Identifier: GPL-2.0-only */
/* Watching a process, or all of a unit, for a while (kern/record.h), for `qosctl record`. */
#pragma once

#include <sys/types.h>

#include "adapt/learn.h"
#include "util/diag.h"
#include "util/table.h"

#define QOS_OBSERVE_BURSTS_MAX (1 << 21) /* of all threads together: 64 MiB */

struct qos_observed_thread {
	struct qos_learn_thread learn;
	size_t room; /* for bursts */
};

struct qos_observation {
	pid_t tgid;	  /* of the process, or 0 */
	const char *unit; /* or its name, borrowed */
	/* the result */
	struct qos_observed_thread **threads;
	size_t n_threads;
	uint64_t span_ns;
	uint64_t n_lost; /* bursts */
	bool ended;	 /* before the time: no process was left */
	/* private */
	struct qos_table by_tid;
	size_t n_bursts;
};

/* Of the system or of a user. */
bool qos_observe_is_in_unit(pid_t tgid, const char *unit);

/* The first process of a unit of the system or of a user; 0: there is none; -errno. */
pid_t qos_observe_find_unit(const char *unit);

/* Observes for so long, or until SIGINT or SIGTERM, or until no process is left. tgid or unit is set.
 * 0, or -errno with words in diag. To be reset by the caller in any case. */
int qos_observe(struct qos_observation *observation, uint64_t for_ns, struct qos_diag *diag);
void qos_observation_reset(struct qos_observation *observation);
