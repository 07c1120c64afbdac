/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `qosctl record` observed -> streams that a contract could have, and the threads that belong to
 * none, each with the reason. Pure. learn_contract.h makes the contract of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapt/learn_name.h"
#include "adapt/learn_period.h"
#include "contract/contract.h"

#define QOS_LEARN_JOBS_LEAST 10	   /* of a thread, or nothing is said about it */
#define QOS_LEARN_JOBS_GOOD  100   /* fewer of a stream are too few to rely on */
#define QOS_LEARN_MARGIN_NS  10000 /* added to what jobs used, or a fifth of it, if that is more */
#define QOS_LEARN_WINDOW     10

/* One thread as it was observed. */
struct qos_learn_thread {
	int32_t tid;
	char comm[16];
	bool alive;	  /* at the end */
	uint64_t used_ns; /* CPU time meanwhile */
	struct qos_burst *bursts;
	size_t n_bursts;
};

enum qos_learn_verdict {
	QOS_LEARN_PERIODIC,  /* 90 % of its releases are multiples of a period apart */
	QOS_LEARN_IRREGULAR, /* 70 % */
	/* no stream's: */
	QOS_LEARN_IDLE,	      /* did not run */
	QOS_LEARN_NEGLIGIBLE, /* less than a ten thousandth of a CPU */
	QOS_LEARN_SLEEPLESS,  /* hardly slept, so nothing ended its jobs */
	QOS_LEARN_FEW,	      /* fewer jobs than QOS_LEARN_JOBS_LEAST */
	QOS_LEARN_APERIODIC,
	QOS_LEARN_BEYOND, /* a contract has no more than QOS_CONTRACT_STREAMS_MAX */
};

/* Of all jobs of a stream, in ns. */
struct qos_learn_figures {
	uint64_t p05, p50, p95, p99, max;
	uint64_t asked; /* of the quantile that was asked for */
};

struct qos_learn_stream {
	char name[QOS_CONTRACT_NAME_MAX + 1];
	char glob[QOS_LEARN_GLOB_MAX]; /* as `threads` has it */
	size_t n_threads;	       /* observed, as one stream */
	size_t n_named;		       /* that are alive and that the stream takes by their names */
	enum qos_learn_verdict verdict; /* PERIODIC or IRREGULAR, by all its jobs */
	bool mixed; /* threads of one name have different periods: the shortest */
	/* measured */
	size_t n_jobs;
	uint64_t mean_ns; /* between releases */
	uint32_t regular_ppm;
	struct qos_learn_figures apart; /* between releases */
	struct qos_learn_figures used, response, latency;
	size_t n_late;	   /* responses longer than the period */
	size_t n_exceeded; /* jobs that used more than runtime_ns */
	size_t worst;	   /* of QOS_LEARN_WINDOW jobs in a row at most so many did */
	/* proposed; all at most the period */
	struct qos_period period;
	uint64_t runtime_ns, least_ns, most_ns;
	bool whole;   /* the runtime is that of the longest job: long ones come in rows */
	bool clipped; /* it needs more than its period */
	struct qos_window window;
	uint32_t max_threads;
};

struct qos_learn_out {
	const struct qos_learn_thread *thread;
	enum qos_learn_verdict verdict;
};

struct qos_learn {
	uint64_t span_ns;
	uint32_t quantile_ppm;
	struct qos_learn_stream
		*streams; /* in the contract's order: the first that fits has a thread */
	size_t n_streams;
	struct qos_learn_out *out;
	size_t n_out;
};

/* Bursts of each thread in order. span_ns: how long was observed. quantile_ppm: of what jobs used,
 * for the runtime; the window takes what lies beyond. The threads are borrowed as long as *ret lives,
 * which the caller frees. 0 or -ENOMEM. */
#define QOS_LEARN_QUANTILE_PPM 990000
int qos_learn(const struct qos_learn_thread *threads, size_t n, uint64_t span_ns,
	      uint32_t quantile_ppm, struct qos_learn **ret);
void qos_learn_free(struct qos_learn *learn);
QOS_DEFINE_CLEANUP(struct qos_learn *, qos_learn_free)
#define _cleanup_learn_ QOS_CLEANUP(qos_learn_freep)
