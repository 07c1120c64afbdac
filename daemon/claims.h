/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proofs of windows under the module: `proven` is only what the module has as mandatory requests and
 * follows. What admission proved is claimed there once a stream has its thread; what the module gives up
 * (an overrun, a new phase) is claimed again after a while, and until then the guarantee is less.
 */
#pragma once

#include "supervisor.h"

struct qos_evidence;

/* Claims what is proven and not claimed. Cheap if there is nothing to do. */
void qos_claims_make(struct qos_supervisor *supervisor);

/* The stream's threads changed, or what they have: it is to be claimed. */
void qos_claims_due(struct qos_supervisor *supervisor, struct qos_live_stream *stream);

/* The module gave it up at event_ns (CLOCK_MONOTONIC), for a reason in words. Nothing if it was claimed
 * since. */
void qos_claims_lost(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		     uint64_t event_ns, const struct qos_evidence *evidence, const char *reason);

/* What can be said of the stream now: the grant's, or less. */
enum qos_guarantee qos_claims_guarantee(const struct qos_supervisor *supervisor,
					const struct qos_live_stream *stream,
					const struct qos_stream_grant *grant);
