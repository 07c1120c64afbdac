/* SPDX-License-Identifier: GPL-2.0-only */
/* What learn.c and learn_stream.c share; nobody else includes it. */
#pragma once

#include "adapt/learn.h"

/* One thread under judgement. */
struct qos_learn_subject {
	const struct qos_learn_thread *thread;
	enum qos_learn_verdict verdict;
	uint64_t period_ns;	    /* mean; 0: none */
	struct qos_learn_job *jobs; /* with its own period, then with its stream's */
	size_t n_jobs;
	char glob[QOS_LEARN_GLOB_MAX];
};

/* Those of one stream. */
struct qos_learn_members {
	struct qos_learn_subject **subjects;
	size_t n;
	uint32_t quantile_ppm;
};

/* Is it PERIODIC, IRREGULAR or APERIODIC, if so many distances are multiples of the period? */
enum qos_learn_verdict qos_learn_verdict_of(uint32_t regular_ppm);

/* Are two periods one, as far as can be measured? */
bool qos_learn_alike(uint64_t a, uint64_t b);

/* Fills in all but the names and max_threads. There is at least one member with jobs; its jobs become
 * those of the stream's period. 0 or -ENOMEM. */
int qos_learn_measure(const struct qos_learn_members *members, struct qos_learn_stream *stream);
