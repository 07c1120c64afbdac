/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module would do with contracts on a host: their threads on CPUs, the proof that holds for
 * each CPU's set, and a simulated time under several phases, of which the worst is told. Pure.
 */
#pragma once

#include "admit/capacity.h"
#include "admit/prove.h"
#include "contract/contract.h"

#define QOS_WHATIF_THREADS_MAX	10000
#define QOS_WHATIF_RUNS_MAX	20000
#define QOS_WHATIF_REQUESTS_MAX 20000000ULL

struct qos_whatif_options {
	enum dwcs_ordering ordering;
	uint64_t horizon_ns;
	uint32_t phases; /* vectors of phases that are tried, at least 1; the first has all 0 */
	uint64_t seed;
	uint64_t span_ns; /* the timeline: from 0 to there */
};

/* One thread of a stream. */
struct qos_whatif_thread {
	const struct qos_contract *contract; /* borrowed */
	size_t stream;			     /* its index there */
	unsigned int cpu;
	bool placed; /* false: no CPU that it may run on has room for U, or there is none */
	struct qos_sim_task task; /* with the charges; phase: of the worst vector */
	struct qos_sim_stats stats;
};

struct qos_whatif_cpu {
	unsigned int cpu;
	uint32_t threads;
	uint64_t u_ppb;	      /* sum (1 - x/y) C'/T */
	uint64_t demand_ppb;  /* sum C'/T */
	enum qos_proof proof; /* of all its threads, as admission would find it */
	bool violated;
	uint64_t capped;
};

struct qos_whatif_run {
	uint32_t thread;
	bool spare;
	bool lost; /* no stretch, but a request that was due at `to` */
	uint64_t from, to;
};

struct qos_whatif {
	struct qos_whatif_thread *threads;
	size_t n_threads;
	struct qos_whatif_cpu *cpus;
	size_t n_cpus;
	struct qos_whatif_run *runs; /* by CPU, then by time */
	size_t n_runs;
	bool violated; /* or a thread is not placed */
};

#define QOS_WHATIF_E_MANY  1 /* more than QOS_WHATIF_THREADS_MAX threads */
#define QOS_WHATIF_E_BOUND 2 /* more than QOS_WHATIF_REQUESTS_MAX requests: a shorter horizon */
#define QOS_WHATIF_E_LIMIT                                                                         \
	3 /* parameters beyond the algorithm's bounds (dwcs.h), charges included */

/* 0, QOS_WHATIF_E_*, -ENOMEM. *ret is to be reset in any case; contracts must outlive it. */
int qos_whatif(const struct qos_contract *const *contracts, size_t n,
	       const struct qos_capacity *capacity, const struct qos_whatif_options *options,
	       struct qos_whatif *ret);
void qos_whatif_reset(struct qos_whatif *whatif);
#define _cleanup_whatif_ QOS_CLEANUP(qos_whatif_reset)
