/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each thread is judged for itself. Those with a period are put together by name: numbered ones
 * (worker-1, worker-2) whose periods are alike become one stream, and so do those of the very same
 * name, which no contract can tell apart. learn_stream.c has what is proposed for a stream.
 */
#include "adapt/learn_parts.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define PERIODIC_PPM  900000
#define IRREGULAR_PPM 700000
#define NEGLIGIBLE    10000 /* of the span, one part */
#define SLEEPLESS     10    /* likewise */
#define ASLEEP	      20    /* of the time between its wake-ups, one part */

struct work {
	struct qos_learn_subject *subjects;
	size_t n;
	uint32_t quantile_ppm;
};

static void work_reset(struct work *work)
{
	for (size_t i = 0; work->subjects && i < work->n; i++)
		free(work->subjects[i].jobs);
	free(work->subjects);
}

void qos_learn_free(struct qos_learn *learn)
{
	if (!learn)
		return;
	free(learn->streams);
	free(learn->out);
	free(learn);
}

/* --- a thread --- */

/* Work and a nap by turns: what lies between its wake-ups is its own work, and no period. */
static bool hardly_sleeps(const struct qos_learn_thread *thread)
{
	const struct qos_burst *bursts = thread->bursts;
	uint64_t awake_ns = 0, span_ns;

	for (size_t i = 0; i < thread->n_bursts; i++)
		awake_ns += bursts[i].end_ns - bursts[i].release_ns;
	span_ns = bursts[thread->n_bursts - 1].end_ns - bursts[0].release_ns;
	return span_ns - awake_ns < span_ns / ASLEEP;
}

static enum qos_learn_verdict judge_use(const struct qos_learn_thread *thread, uint64_t span_ns)
{
	if (!thread->used_ns && !thread->n_bursts)
		return QOS_LEARN_IDLE;
	if (thread->used_ns < span_ns / NEGLIGIBLE)
		return QOS_LEARN_NEGLIGIBLE;
	if (thread->n_bursts < QOS_LEARN_JOBS_LEAST)
		return thread->used_ns > span_ns / SLEEPLESS ? QOS_LEARN_SLEEPLESS : QOS_LEARN_FEW;
	return hardly_sleeps(thread) ? QOS_LEARN_SLEEPLESS : QOS_LEARN_PERIODIC;
}

enum qos_learn_verdict qos_learn_verdict_of(uint32_t regular_ppm)
{
	if (regular_ppm < IRREGULAR_PPM)
		return QOS_LEARN_APERIODIC;
	return regular_ppm < PERIODIC_PPM ? QOS_LEARN_IRREGULAR : QOS_LEARN_PERIODIC;
}

static enum qos_learn_verdict judge_period(struct qos_learn_subject *subject)
{
	const struct qos_learn_thread *thread = subject->thread;
	uint32_t regular;

	subject->n_jobs =
		qos_learn_jobs(thread->bursts, thread->n_bursts, subject->period_ns, subject->jobs);
	regular = qos_learn_multiples(subject->jobs, subject->n_jobs, subject->period_ns);
	subject->period_ns = qos_learn_mean(subject->jobs, subject->n_jobs, subject->period_ns);
	return subject->n_jobs < QOS_LEARN_JOBS_LEAST ? QOS_LEARN_FEW
						      : qos_learn_verdict_of(regular);
}

static int judge(struct qos_learn_subject *subject, uint64_t span_ns)
{
	const struct qos_learn_thread *thread = subject->thread;
	int error = 0;

	subject->verdict = judge_use(thread, span_ns);
	if (subject->verdict != QOS_LEARN_PERIODIC)
		return 0;
	subject->jobs = calloc(thread->n_bursts, sizeof(*subject->jobs));
	if (!subject->jobs)
		return -ENOMEM;
	subject->period_ns = qos_learn_period(thread->bursts, thread->n_bursts, &error);
	if (error < 0)
		return error;
	subject->verdict = subject->period_ns ? judge_period(subject) : QOS_LEARN_APERIODIC;
	return 0;
}

static bool has_period(const struct qos_learn_subject *subject)
{
	return subject->verdict <= QOS_LEARN_IRREGULAR;
}

/* --- names --- */

static bool same_stem(const struct qos_learn_subject *a, const struct qos_learn_subject *b)
{
	size_t len = qos_learn_stem(a->thread->comm);

	return len == qos_learn_stem(b->thread->comm) && a->thread->comm[len] &&
	       b->thread->comm[len] && !strncmp(a->thread->comm, b->thread->comm, len);
}

/* Several numbered threads, and all of them with about one period? */
static bool is_numbered_group(const struct work *work, const struct qos_learn_subject *subject)
{
	size_t others = 0;

	for (size_t i = 0; i < work->n; i++) {
		const struct qos_learn_subject *other = &work->subjects[i];

		if (!has_period(other) || !same_stem(subject, other))
			continue;
		if (!qos_learn_alike(subject->period_ns, other->period_ns))
			return false;
		others += strcmp(subject->thread->comm, other->thread->comm) != 0;
	}
	return others > 0;
}

static void name_globs(struct work *work)
{
	for (size_t i = 0; i < work->n; i++) {
		struct qos_learn_subject *subject = &work->subjects[i];
		const char *comm = subject->thread->comm;
		bool numbered = has_period(subject) && is_numbered_group(work, subject);

		qos_learn_glob(comm, numbered, subject->glob);
	}
}

static bool has_star(const struct qos_learn_stream *stream)
{
	size_t len = strlen(stream->glob);

	return len && stream->glob[len - 1] == '*';
}

/* Exact names before globs, which could take them; then by period. */
static int by_order(const void *a, const void *b)
{
	const struct qos_learn_stream *x = a, *y = b;

	if (has_star(x) != has_star(y))
		return has_star(x) - has_star(y);
	if (x->mean_ns != y->mean_ns)
		return x->mean_ns < y->mean_ns ? -1 : 1;
	return strcmp(x->glob, y->glob);
}

static bool is_taken(const struct qos_learn *learn, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(learn->streams[i].name, name))
			return true;
	return false;
}

/* No two alike. */
static void name_stream(struct qos_learn *learn, size_t index)
{
	struct qos_learn_stream *stream = &learn->streams[index];
	char base[QOS_CONTRACT_NAME_MAX - 3]; /* a number fits behind it */

	qos_learn_name(stream->glob, '_', "stream", base, sizeof(base));
	snprintf(stream->name, sizeof(stream->name), "%s", base);
	for (unsigned int i = 2; is_taken(learn, index, stream->name); i++)
		snprintf(stream->name, sizeof(stream->name), "%s_%u", base, i);
}

static void name_streams(struct qos_learn *learn)
{
	if (learn->n_streams)
		qsort(learn->streams, learn->n_streams, sizeof(*learn->streams), by_order);
	for (size_t i = 0; learn->n_streams > 1 && i < learn->n_streams; i++)
		name_stream(learn, i);
	if (learn->n_streams == 1)
		memcpy(learn->streams[0].name, "main", sizeof("main"));
}

/* --- all of them --- */

static bool is_known(const struct qos_learn *learn, const char *glob)
{
	for (size_t i = 0; i < learn->n_streams; i++)
		if (!strcmp(learn->streams[i].glob, glob))
			return true;
	return false;
}

static void find_streams(struct work *work, struct qos_learn *learn)
{
	for (size_t i = 0; i < work->n; i++) {
		struct qos_learn_subject *subject = &work->subjects[i];

		if (!has_period(subject) || is_known(learn, subject->glob))
			continue;
		if (learn->n_streams == QOS_CONTRACT_STREAMS_MAX)
			subject->verdict = QOS_LEARN_BEYOND;
		else
			memcpy(learn->streams[learn->n_streams++].glob, subject->glob,
			       sizeof(subject->glob));
	}
}

static int measure(struct work *work, struct qos_learn_stream *stream)
{
	_cleanup_free_ struct qos_learn_subject **subjects = calloc(work->n, sizeof(*subjects));
	struct qos_learn_members members = {.subjects = subjects,
					    .quantile_ppm = work->quantile_ppm};

	if (!subjects)
		return -ENOMEM;
	for (size_t i = 0; i < work->n; i++) {
		struct qos_learn_subject *subject = &work->subjects[i];

		if (has_period(subject) && !strcmp(subject->glob, stream->glob))
			subjects[members.n++] = subject;
	}
	return qos_learn_measure(&members, stream);
}

/* A contract goes by names alone: whoever has one that fits takes a place in the stream. */
static void count_named(const struct work *work, struct qos_learn *learn)
{
	for (size_t i = 0; i < work->n; i++) {
		const struct qos_learn_thread *thread = work->subjects[i].thread;

		for (size_t j = 0; thread->alive && j < learn->n_streams; j++) {
			if (fnmatch(learn->streams[j].glob, thread->comm, FNM_NOESCAPE) != 0)
				continue;
			learn->streams[j].n_named++;
			break;
		}
	}
	for (size_t j = 0; j < learn->n_streams; j++) {
		struct qos_learn_stream *stream = &learn->streams[j];

		stream->max_threads = QOS_CONTRACT_THREADS_MAX;
		if (stream->n_named < stream->max_threads)
			stream->max_threads = (uint32_t)stream->n_named;
		if (!stream->max_threads)
			stream->max_threads = 1;
	}
}

static int build(struct work *work, struct qos_learn *learn)
{
	int r = 0;

	name_globs(work);
	find_streams(work, learn);
	for (size_t i = 0; r == 0 && i < learn->n_streams; i++)
		r = measure(work, &learn->streams[i]);
	if (r < 0)
		return r;
	name_streams(learn);
	count_named(work, learn);
	for (size_t i = 0; i < work->n; i++)
		if (!has_period(&work->subjects[i]))
			learn->out[learn->n_out++] = (struct qos_learn_out){
				work->subjects[i].thread, work->subjects[i].verdict};
	return 0;
}

int qos_learn(const struct qos_learn_thread *threads, size_t n, uint64_t span_ns,
	      uint32_t quantile_ppm, struct qos_learn **ret)
{
	_cleanup_learn_ struct qos_learn *learn = calloc(1, sizeof(*learn));
	QOS_CLEANUP(work_reset)
	struct work work = {.subjects = calloc(n + 1, sizeof(*work.subjects)),
			    .quantile_ppm = quantile_ppm};
	int r = 0;

	if (!learn || !work.subjects)
		return -ENOMEM;
	work.n = n;
	learn->span_ns = span_ns;
	learn->quantile_ppm = quantile_ppm;
	learn->out = calloc(n + 1, sizeof(*learn->out));
	learn->streams = calloc(QOS_CONTRACT_STREAMS_MAX, sizeof(*learn->streams));
	if (!learn->out || !learn->streams)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		work.subjects[i].thread = &threads[i];
		r = judge(&work.subjects[i], span_ns);
	}
	if (r == 0)
		r = build(&work, learn);
	if (r == 0)
		*ret = TAKE_PTR(learn);
	return r;
}
