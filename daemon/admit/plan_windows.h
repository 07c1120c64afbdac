/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: which proof the streams of one CPU of the module can have, and what is to be
 * claimed there for it. */
#pragma once

#include "admit/book.h"
#include "admit/claim.h"

/* The streams pinned to a CPU, all of them under QOS_POLICY_DWCS. */
struct qos_windows_stream {
	const struct qos_cpu_stream *wish;
	uint64_t runtime_ns; /* C as the module has it */
	uint64_t cost_ns;    /* C' of one thread, all charges included */
};

/* The ladder. *ret_id: differs wherever what is to be claimed of a stream may, 0 without a proof. claims: n
 * that are empty, filled where there is a proof (owned by the caller, qos_claim_reset); or NULL.
 * Memory that is lacking is no proof. */
enum qos_proof qos_plan_windows(const struct qos_capacity *capacity,
				const struct qos_windows_stream *streams, size_t n,
				struct qos_claim *claims, uint64_t *ret_id);

/* One task a thread, with the charges of a proof, as those of a simulation. False: one has no room for
 * its charges within its deadline. `tasks` has room. */
bool qos_plan_tasks(const struct qos_capacity *capacity, const struct qos_windows_stream *streams,
		    size_t n, uint64_t blocking_ns, struct qos_sim_task *tasks);
