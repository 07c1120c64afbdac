/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one CPU of the module does with a set of streams, event by event, on the module's own
 * algorithm (kmod/dwcs.h). Pure and deterministic. Times are of any one unit: ns, or slots.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admit/must.h"
#include "dwcs.h"

/* One stream (one thread of it). Whoever asks has put all charges into cost and deadline already. */
struct qos_sim_task {
	uint64_t period;      /* T < DWCS_PERIOD_MAX */
	uint64_t deadline;    /* D <= T */
	uint64_t cost;	      /* 0 < C <= D */
	uint64_t needs;	      /* of C, by each job; 0: all of it */
	uint64_t phase;	      /* first release */
	uint64_t requests;    /* so many are released; 0: without end, or until the horizon */
	uint32_t x, y;	      /* y <= DWCS_Y_MAX */
	struct qos_must must; /* borrowed; its request 0 is the first release */
};

extern const char *const qos_ordering_names[]; /* edf dwcs ... fin-guard, by enum dwcs_ordering */

enum qos_sim_outcome { QOS_SIM_LOST, QOS_SIM_SERVED, QOS_SIM_SERVED_OWED /* while m' > 0 */ };

struct qos_sim_options {
	enum dwcs_ordering ordering;
	uint64_t horizon;      /* no event from this time on; 0: until the state repeats */
	uint64_t requests_max; /* of all streams together, then QOS_SIM_E_BOUND */
	bool stop_at_violation;
	/* The band's cap: at most `cap` of each `cap_interval`, without spare work; 0: none. */
	uint64_t cap;
	uint64_t cap_interval;
	/* So much time passes before another task than the last one is served. */
	uint64_t change;
	bool no_spare; /* what no window needs is not done: others outweigh it */
	/* Actual times are drawn from [early_percent, 100] % of C; 0: always what a task needs. */
	uint32_t early_percent;
	/* Releases come up to this much later than a period after the last; 0: never. */
	uint64_t late_max;
	uint64_t seed;
	/* A stretch in which task i ran, `spare` if outside the band. May be NULL. */
	void (*ran)(void *data, size_t i, uint64_t from, uint64_t to, bool spare);
	/* Request number `request` of task i came to its end. May be NULL. */
	void (*ended)(void *data, size_t i, uint64_t request, enum qos_sim_outcome outcome);
	void *data;
};

struct qos_sim_stats {
	uint64_t requests; /* released */
	uint64_t served;
	uint64_t lost;
	uint64_t windows;
	uint64_t violations;
	uint64_t mandatory; /* of the requests */
	uint64_t mandatory_lost;
	uint64_t response_max; /* of served requests */
	uint64_t response_sum;
	uint64_t
		backlog_late; /* late jobs of a program that never skips one: its job n gets what */
	uint64_t backlog_jobs;	/* the requests from n on get, and nothing when the CPU is idle */
	uint64_t backlog_worst; /* most that one of these was late */
	/* A program that skips has one job a request: `lost` of them are late. */
};

struct qos_sim_result {
	uint64_t end; /* time reached */
	uint64_t busy;
	uint64_t band;	 /* of `busy`: not spare */
	uint64_t capped; /* intervals in which the cap came into force */
	/* The state at repeat_from came again at repeat_to: so it goes on for ever. to == 0: it did not
	 * (yet). Never with early_percent or late_max. */
	uint64_t repeat_from;
	uint64_t repeat_to;
	bool violated; /* a window broke, or a stream without windows (0/0) lost a request */
};

#define QOS_SIM_E_BOUND                                                                            \
	1 /* requests_max were released, and neither horizon nor repetition reached */

/* n tasks; stats has room for n. 0, QOS_SIM_E_BOUND (result and stats as far as it went), -EINVAL for
 * parameters that dwcs_check() refuses, -ENOMEM. O(log n) an event. */
int qos_simulate(const struct qos_sim_task *tasks, size_t n, const struct qos_sim_options *options,
		 struct qos_sim_stats *stats, struct qos_sim_result *ret);

/* Have all tasks kept all windows for ever? For `repeat_to`, and without violation. */
static inline bool qos_sim_keeps(const struct qos_sim_result *result)
{
	return result->repeat_to && !result->violated;
}
