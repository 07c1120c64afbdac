/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The default law: keep `runtime` just above what jobs use. For streams with `range` in contracts
 * without rules. Pure; one step a slow-loop turn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Signal of one turn, from the telemetry window. */
struct qos_law_signal {
	uint64_t jobs;	      /* completed in the window */
	uint64_t used_p99_ns; /* of these; 0 if jobs == 0 */
	uint64_t late;
	uint64_t
		overruns; /* requests that were cut at their budget: what they need is not known yet */
};

struct qos_law_state {
	uint32_t below_turns; /* turns in a row in which less would have done */
};

struct qos_law_bounds {
	uint64_t granted_ns;
	uint64_t lo_ns;
	uint64_t hi_ns;
};

/* Returns true and sets *ret_runtime_ns (lo..hi, differing from granted) and *ret_reason (static
 * text) if the runtime should change. Fewer than 5 jobs and no overrun: never. */
bool qos_law_step(struct qos_law_state *state, const struct qos_law_signal *signal,
		  const struct qos_law_bounds *bounds, uint64_t *ret_runtime_ns,
		  const char **ret_reason);
