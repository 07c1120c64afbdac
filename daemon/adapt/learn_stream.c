/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One stream, from the jobs of its threads. It is measured as the monitor would, with its period, and
 * what is proposed follows from that:
 *
 *   runtime  a high quantile of what jobs used and a margin, a fifth of it, at least 10 us;
 *   window   of ten jobs in a row so many may be lost as took more than that, at least one;
 *   range    the median to the longest and the margin.
 *
 * Weakness: what was not seen is not known. A margin is no bound on a worst case.
 */
#include "adapt/learn_parts.h"

#include <errno.h>
#include <stddef.h>

#define MILLION		1000000U
#define ALIKE		10   /* periods that differ by less than such a part */
#define WINDOW_MOST	5    /* a window that loses more than half is no contract */
#define CLOCK_PART	5000 /* clocks of programs are off by less than such a part */
#define SNAP_PART	50   /* never further than such a part */
#define SHORT_APART_PPM 100000

bool qos_learn_alike(uint64_t a, uint64_t b)
{
	uint64_t off = a > b ? a - b : b - a;

	return off < (a < b ? a : b) / ALIKE;
}

static void figure(const struct qos_learn_members *members, uint64_t *values, size_t n,
		   struct qos_learn_figures *ret)
{
	qos_learn_sort(values, n);
	*ret = (struct qos_learn_figures){
		.p05 = qos_learn_quantile(values, n, 50000),
		.p50 = qos_learn_quantile(values, n, 500000),
		.p95 = qos_learn_quantile(values, n, 950000),
		.p99 = qos_learn_quantile(values, n, 990000),
		.max = qos_learn_quantile(values, n, MILLION),
		.asked = qos_learn_quantile(values, n, members->quantile_ppm),
	};
}

/* One field of all jobs of the stream. */
static size_t collect(const struct qos_learn_members *members, size_t field, uint64_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++) {
		const struct qos_learn_subject *subject = members->subjects[i];

		for (size_t j = 0; j < subject->n_jobs; j++)
			ret[n++] = *(const uint64_t *)((const char *)&subject->jobs[j] + field);
	}
	return n;
}

static size_t collect_apart(const struct qos_learn_members *members, uint64_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++) {
		const struct qos_learn_subject *subject = members->subjects[i];

		for (size_t j = 1; j < subject->n_jobs; j++)
			ret[n++] = subject->jobs[j].release_ns - subject->jobs[j - 1].release_ns;
	}
	return n;
}

/* The shortest period of its threads, and how regular they are. */
static void measure_period(const struct qos_learn_members *members, struct qos_learn_stream *stream)
{
	uint64_t regular = 0;

	stream->mean_ns = UINT64_MAX;
	for (size_t i = 0; i < members->n; i++)
		if (members->subjects[i]->period_ns < stream->mean_ns)
			stream->mean_ns = members->subjects[i]->period_ns;
	for (size_t i = 0; i < members->n; i++) {
		struct qos_learn_subject *subject = members->subjects[i];

		stream->mixed |= !qos_learn_alike(subject->period_ns, stream->mean_ns);
		regular += (uint64_t)qos_learn_multiples(subject->jobs, subject->n_jobs,
							 subject->period_ns) *
			   subject->n_jobs;
		stream->n_threads++;
		stream->n_jobs += subject->n_jobs;
	}
	stream->regular_ppm = (uint32_t)(regular / stream->n_jobs);
	stream->verdict = qos_learn_verdict_of(stream->regular_ppm);
}

static uint64_t root_of(uint64_t n)
{
	uint64_t root = 1;

	while (root * root < n)
		root++;
	return root;
}

/* The mean of n distances is known that much better than one; never worse than clocks are. */
static void propose_period(struct qos_learn_stream *stream, uint64_t *apart, size_t n)
{
	uint64_t error =
		(stream->apart.p95 - stream->apart.p05) / root_of(n) + stream->mean_ns / CLOCK_PART;

	if (error > stream->mean_ns / SNAP_PART)
		error = stream->mean_ns / SNAP_PART;
	stream->period = qos_learn_snap(stream->mean_ns, error);
	if (stream->verdict == QOS_LEARN_IRREGULAR)
		stream->period = qos_learn_snap(qos_learn_quantile(apart, n, SHORT_APART_PPM), 0);
}

static uint64_t with_margin(uint64_t ns)
{
	return qos_learn_round_up(ns +
				  (ns / 5 > QOS_LEARN_MARGIN_NS ? ns / 5 : QOS_LEARN_MARGIN_NS));
}

static uint64_t at_most(uint64_t ns, uint64_t most)
{
	return ns < most ? ns : most;
}

/* Jobs that used more than the runtime: how many, and in QOS_LEARN_WINDOW in a row. */
static void count_exceeded(const struct qos_learn_members *members, struct qos_learn_stream *stream)
{
	stream->n_exceeded = stream->worst = 0;
	for (size_t i = 0; i < members->n; i++) {
		const struct qos_learn_subject *subject = members->subjects[i];
		size_t in_row = 0;

		for (size_t j = 0; j < subject->n_jobs; j++) {
			bool exceeds = subject->jobs[j].used_ns > stream->runtime_ns;

			in_row += exceeds;
			if (j >= QOS_LEARN_WINDOW)
				in_row -= subject->jobs[j - QOS_LEARN_WINDOW].used_ns >
					  stream->runtime_ns;
			stream->n_exceeded += exceeds;
			if (in_row > stream->worst)
				stream->worst = in_row;
		}
	}
}

static void propose(const struct qos_learn_members *members, struct qos_learn_stream *stream)
{
	uint64_t period_ns = stream->period.ns;

	stream->clipped = with_margin(stream->used.asked) > period_ns;
	stream->runtime_ns = at_most(with_margin(stream->used.asked), period_ns);
	stream->most_ns = at_most(with_margin(stream->used.max), period_ns);
	count_exceeded(members, stream);
	if (stream->worst > WINDOW_MOST && stream->runtime_ns < stream->most_ns) {
		stream->runtime_ns = stream->most_ns;
		stream->whole = true;
		count_exceeded(members, stream);
	}
	stream->least_ns = at_most(qos_learn_round_up(stream->used.p50), stream->runtime_ns);
	stream->window.y = QOS_LEARN_WINDOW;
	stream->window.x = (uint32_t)at_most(stream->worst ? stream->worst : 1, WINDOW_MOST);
}

/* Jobs are those of the proposed period from here on. */
static void make_jobs(const struct qos_learn_members *members, struct qos_learn_stream *stream)
{
	stream->n_jobs = 0;
	for (size_t i = 0; i < members->n; i++) {
		struct qos_learn_subject *subject = members->subjects[i];

		subject->n_jobs = qos_learn_jobs(subject->thread->bursts, subject->thread->n_bursts,
						 stream->period.ns, subject->jobs);
		stream->n_jobs += subject->n_jobs;
	}
}

int qos_learn_measure(const struct qos_learn_members *members, struct qos_learn_stream *stream)
{
	_cleanup_free_ uint64_t *values = NULL;
	size_t n = 0;

	for (size_t i = 0; i < members->n; i++)
		n += members->subjects[i]->thread->n_bursts;
	values = calloc(n + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	measure_period(members, stream);
	n = collect_apart(members, values);
	figure(members, values, n, &stream->apart);
	propose_period(stream, values, n);
	make_jobs(members, stream);
	n = collect(members, offsetof(struct qos_learn_job, latency_ns), values);
	figure(members, values, n, &stream->latency);
	n = collect(members, offsetof(struct qos_learn_job, response_ns), values);
	figure(members, values, n, &stream->response);
	for (size_t i = n; i && values[i - 1] > stream->period.ns; i--)
		stream->n_late++;
	n = collect(members, offsetof(struct qos_learn_job, used_ns), values);
	figure(members, values, n, &stream->used);
	propose(members, stream);
	return 0;
}
