/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: processor demand on one CPU of sources that release work at most every T. */
#pragma once

#include "admit/prove.h"

/* One source of mandatory work. `most(data, k)` is the most work that k + 1 releases in a row bring
 * beyond what k bring; k from 0. */
struct qos_demand_source {
	uint64_t period;
	uint64_t deadline;
	uint64_t cycle; /* releases after which `most` repeats */
	uint64_t (*most)(const void *data, uint64_t k);
	const void *data;
	/* the walk's own */
	uint64_t k;
	uint64_t next;
};

/*
 * Processor demand (Baruah, Rosier, Howell 1990) with concave-free increments: is the sum of all work
 * that is released and due within any t, and `blocking`, at most t, for all t in (0, L + largest D]? L
 * is the least common multiple of all cycles, after which all begins anew; the walk ends earlier where
 * nothing is left over at the end of a busy period of the synchronous release. Utilisation at most 1
 * was asked before.
 */
bool qos_prove_demand(struct qos_demand_source *sources, size_t n, uint64_t blocking,
		      uint64_t jobs_max);
