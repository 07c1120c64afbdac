/* SPDX-License-Identifier: GPL-2.0-only */
/* What admission claims of one stream of the module: which requests are mandatory, and when they come. */
#pragma once

#include "admit/prove.h"

enum qos_claim_mode {
	QOS_CLAIM_SPORADIC, /* must: by the place in the window; whenever the program releases */
	QOS_CLAIM_BUNDLE,   /* who is taken within budget_ns; released together */
	QOS_CLAIM_PHASES, /* must: by number; released at phase_ns + kT of a time that all share */
};

struct qos_claim {
	enum qos_claim_mode mode;
	struct qos_must must; /* owned */
	uint64_t phase_ns;    /* BUNDLE: 0 */
	uint32_t bundle;      /* from 1; of one CPU */
	uint64_t budget_ns;   /* charges included */
};

/* One stream of a CPU, and what is claimed of it. */
struct qos_stream_claim {
	const char *contract; /* borrowed from the contract */
	size_t stream;	      /* into contract->cpu */
	uint32_t id;	      /* the module's */
	struct qos_claim claim;
};

void qos_stream_claims_free(struct qos_stream_claim *claims, size_t n);

/* All that is proven of one CPU of the module. */
struct qos_cpu_claims {
	struct qos_stream_claim *streams; /* by id */
	size_t n;			  /* 0: nothing is proven there */
	uint64_t plan;			  /* as qos_plan_windows has it; 0: nothing */
};

static inline void qos_cpu_claims_reset(struct qos_cpu_claims *claims)
{
	qos_stream_claims_free(claims->streams, claims->n);
	*claims = (struct qos_cpu_claims){};
}

/* Tells the id under which the module knows a stream; 0: it does not. */
typedef uint32_t (*qos_claim_id_fn)(void *data, const char *contract, size_t stream);

struct qos_book;

/* Proves once more, with the streams in the order of their ids, by which the module tells apart who is
 * equal otherwise. 0 or -ENOMEM. */
int qos_claims_of(const struct qos_book *book, unsigned int cpu, qos_claim_id_fn id, void *data,
		  struct qos_cpu_claims *ret);

static inline void qos_claim_reset(struct qos_claim *claim)
{
	qos_must_reset(&claim->must);
	*claim = (struct qos_claim){};
}
