/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text is what print.c makes of the contract; comments are put between its lines, so that it
 * parses to the very contract. A comment belongs to a key of a stream, of which there is one a line.
 */
#include "adapt/learn_contract.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "contract/print.h"
#include "util/text.h"

static const char *const why[] = {
	[QOS_LEARN_PERIODIC] = "",
	[QOS_LEARN_IRREGULAR] = "",
	[QOS_LEARN_IDLE] = "did not run",
	[QOS_LEARN_NEGLIGIBLE] = "used less than 0.01 % of a CPU",
	[QOS_LEARN_SLEEPLESS] = "hardly slept: its jobs have no end",
	[QOS_LEARN_FEW] = "woke up too seldom to learn from",
	[QOS_LEARN_APERIODIC] = "has no period",
	[QOS_LEARN_BEYOND] = "would need a stream more than a contract has",
};

const char *qos_learn_why(enum qos_learn_verdict verdict)
{
	return why[verdict];
}

/* --- the contract --- */

/* false: no memory. A NULL value is no term. */
static bool add_term(struct qos_match *all, enum qos_match_key key, const char *value)
{
	struct qos_match *term;

	if (!value)
		return true;
	term = calloc(1, sizeof(*term));
	if (!term)
		return false;
	all->children[all->n_children++] = term;
	term->kind = QOS_MATCH_TERM;
	term->key = key;
	term->value = strdup(value);
	return term->value;
}

static bool fill_match(struct qos_contract *contract, const struct qos_learn_origin *origin)
{
	struct qos_match *all = calloc(1, sizeof(*all));
	bool good;

	contract->match = all;
	if (!all)
		return false;
	all->kind = QOS_MATCH_ALL;
	all->children = calloc(3, sizeof(struct qos_match *));
	if (!all->children)
		return false;
	if (origin->unit)
		good = add_term(all, QOS_MATCH_UNIT, origin->unit);
	else if (origin->user_unit)
		good = add_term(all, QOS_MATCH_USER_UNIT, origin->user_unit) &&
		       add_term(all, QOS_MATCH_USER, origin->user);
	else
		good = add_term(all, QOS_MATCH_EXE, origin->exe) &&
		       add_term(all, QOS_MATCH_USER, origin->user) &&
		       add_term(all, QOS_MATCH_CMDLINE, origin->cmdline);
	if (good && all->n_children == 1) { /* as the parser has it */
		contract->match = all->children[0];
		free(all->children);
		free(all);
	}
	return good;
}

static bool fill_stream(struct qos_cpu_stream *to, const struct qos_learn_stream *from)
{
	to->name = strdup(from->name);
	to->threads = calloc(1, sizeof(char *));
	if (!to->name || !to->threads)
		return false;
	to->threads[0] = strdup(from->glob);
	to->n_threads = to->threads[0] != NULL;
	to->max_threads = from->max_threads;
	to->period = from->period;
	to->runtime_ns = from->runtime_ns;
	to->deadline_ns = from->period.ns;
	to->window = from->window;
	to->runtime_range =
		(struct qos_range){.set = true, .lo = from->least_ns, .hi = from->most_ns};
	return to->n_threads;
}

static bool fill(struct qos_contract *contract, const struct qos_learn *learn,
		 const struct qos_learn_origin *origin)
{
	contract->importance = QOS_CONTRACT_IMPORTANCE;
	contract->accept = QOS_SIMULATED;
	contract->name = strdup(origin->name);
	contract->cpu = calloc(learn->n_streams, sizeof(*contract->cpu));
	if (!contract->name || !contract->cpu || !fill_match(contract, origin))
		return false;
	for (size_t i = 0; i < learn->n_streams; i++) {
		contract->n_cpu++;
		if (!fill_stream(&contract->cpu[i], &learn->streams[i]))
			return false;
	}
	return true;
}

int qos_learn_contract(const struct qos_learn *learn, const struct qos_learn_origin *origin,
		       struct qos_contract **ret)
{
	_cleanup_contract_ struct qos_contract *contract = calloc(1, sizeof(*contract));

	if (!contract || !fill(contract, learn, origin))
		return -ENOMEM;
	*ret = TAKE_PTR(contract);
	return 0;
}

/* --- what it is worth --- */

/* Three digits in the largest unit that is not larger: 1.88ms. */
static const char *about(char *buf, size_t size, uint64_t ns)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	uint64_t value = qos_learn_round(ns, 3), unit = 1;
	unsigned int i = 0;
	size_t len;

	for (; i < 3 && value / unit >= 1000; i++)
		unit *= 1000;
	snprintf(buf, size, "%" PRIu64 ".%03" PRIu64, value / unit, value % unit * 1000 / unit);
	len = strlen(buf);
	while (buf[len - 1] == '0')
		len--;
	len -= buf[len - 1] == '.';
	snprintf(buf + len, size - len, "%s", units[i]);
	return buf;
}

static void warn_of(const struct qos_learn_stream *stream, struct qos_diag *diag)
{
	char span[QOS_UNIT_MAX];

	if (stream->n_jobs < QOS_LEARN_JOBS_GOOD)
		qos_diag_warning(diag, NULL,
				 "%s: %zu jobs are too few to rely on; record for %s or longer",
				 stream->name, stream->n_jobs,
				 about(span, sizeof(span),
				       QOS_LEARN_JOBS_GOOD * stream->mean_ns /
					       (stream->n_threads ? stream->n_threads : 1)));
	if (stream->verdict == QOS_LEARN_IRREGULAR)
		qos_diag_warning(
			diag, NULL,
			"%s: only %u %% of the releases are multiples of a period apart; the one "
			"proposed is the shortest tenth of what lay between them",
			stream->name, stream->regular_ppm / 10000);
	if (stream->mixed)
		qos_diag_warning(diag, NULL,
				 "%s: threads of one name have different periods, of which this "
				 "is the shortest; name them apart",
				 stream->name);
	if (stream->clipped)
		qos_diag_warning(diag, NULL, "%s: jobs need about as much as their period",
				 stream->name);
	if (stream->n_late)
		qos_diag_warning(diag, NULL, "%s: %zu of %zu jobs took longer than a period",
				 stream->name, stream->n_late, stream->n_jobs);
	if (stream->n_named > stream->max_threads)
		qos_diag_warning(diag, NULL, "%s: %zu threads have such names, a stream %u at most",
				 stream->name, stream->n_named, stream->max_threads);
}

void qos_learn_warn(const struct qos_learn *learn, struct qos_diag *diag)
{
	for (size_t i = 0; i < learn->n_streams; i++)
		warn_of(&learn->streams[i], diag);
}

/* --- its text --- */

/* Names come from programs: a comment must not end in the middle of one. */
static void add_clean(struct qos_buf *buf, const char *text)
{
	for (; *text; text++)
		qos_buf_add(buf, "%c", qos_text_shown(*text));
}

static void comment_threads(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			    const char *indent, struct qos_buf *buf)
{
	qos_buf_add(buf, "%s# observed: %zu jobs of %zu thread%s", indent, stream->n_jobs,
		    stream->n_threads, stream->n_threads == 1 ? "" : "s");
	if (stream->n_named > stream->n_threads)
		qos_buf_add(buf, "; %zu threads have such a name", stream->n_named);
	qos_buf_add(buf, "\n");
}

static void comment_period(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			   const char *indent, struct qos_buf *buf)
{
	char mean[QOS_UNIT_MAX], low[QOS_UNIT_MAX], high[QOS_UNIT_MAX];

	qos_buf_add(buf,
		    "%s# between releases: %s on average, 90 %% of them %s to %s; %u %% a multiple "
		    "of it\n",
		    indent, about(mean, sizeof(mean), stream->mean_ns),
		    about(low, sizeof(low), stream->apart.p05),
		    about(high, sizeof(high), stream->apart.p95), stream->regular_ppm / 10000);
}

static void add_figures(const struct qos_learn_figures *figures, struct qos_buf *buf)
{
	char p50[QOS_UNIT_MAX], p99[QOS_UNIT_MAX], max[QOS_UNIT_MAX];

	qos_buf_add(buf, "p50 %s, p99 %s, max %s", about(p50, sizeof(p50), figures->p50),
		    about(p99, sizeof(p99), figures->p99), about(max, sizeof(max), figures->max));
}

static void comment_runtime(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			    const char *indent, struct qos_buf *buf)
{
	char asked[QOS_UNIT_MAX];

	qos_buf_add(buf, "%s# CPU time of a job: ", indent);
	add_figures(&stream->used, buf);
	if (stream->whole)
		qos_buf_add(buf, "; here max, since long jobs come in rows,");
	else
		qos_buf_add(buf, "; here p%u (%s)", learn->quantile_ppm / 10000,
			    about(asked, sizeof(asked), stream->used.asked));
	qos_buf_add(buf, " and a fifth, at least 10us\n");
}

static void comment_window(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			   const char *indent, struct qos_buf *buf)
{
	qos_buf_add(buf, "%s# deadline: the period; a job took ", indent);
	add_figures(&stream->response, buf);
	qos_buf_add(buf, "\n%s# of which from waking up to running: ", indent);
	add_figures(&stream->latency, buf);
	qos_buf_add(buf, "\n%s# %zu jobs used more than runtime, of %d in a row %zu at most\n",
		    indent, stream->n_exceeded, QOS_LEARN_WINDOW, stream->worst);
}

static void comment_range(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			  const char *indent, struct qos_buf *buf)
{
	qos_buf_add(buf, "%s# p50 to max and its margin\n", indent);
}

static const struct {
	const char *key;
	void (*comment)(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			const char *indent, struct qos_buf *buf);
} comments[] = {
	{"threads: ", comment_threads}, {"period: ", comment_period},
	{"runtime: ", comment_runtime}, {"window: ", comment_window},
	{"range: ", comment_range},
};

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static void comment_line(const struct qos_learn *learn, const struct qos_learn_stream *stream,
			 const char *line, struct qos_buf *buf)
{
	size_t blanks = strspn(line, " ");
	char indent[8];

	snprintf(indent, sizeof(indent), "%*s", (int)blanks, "");
	for (size_t i = 0; i < QOS_ARRAY_SIZE(comments); i++)
		if (starts_with(line + blanks, comments[i].key))
			comments[i].comment(learn, stream, indent, buf);
}

/* Streams stand in the contract's order, each from its "- name:", or the only one without. */
static void weave(const struct qos_learn *learn, const char *text, struct qos_buf *buf)
{
	const struct qos_learn_stream *stream = NULL, *next = learn->streams;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (starts_with(text, learn->n_streams > 1 ? "  - name: " : "cpu:\n") &&
		    next < learn->streams + learn->n_streams)
			stream = next++;
		if (stream)
			comment_line(learn, stream, text, buf);
		qos_buf_add(buf, "%.*s\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static void print_head(const struct qos_learn *learn, const struct qos_learn_origin *origin,
		       const struct qos_diag *diag, struct qos_buf *buf)
{
	char span[QOS_UNIT_MAX];

	qos_buf_add(buf, "# Made by `qosctl record` from what ");
	add_clean(buf, origin->subject);
	qos_buf_add(buf,
		    " did in %s.\n# Look at it before it is applied: what was not seen is not "
		    "in it.\n",
		    about(span, sizeof(span), learn->span_ns));
	for (size_t i = 0; i < diag->n_entries; i++) {
		qos_buf_add(buf, "# %s: ", qos_severity_name(diag->entries[i].severity));
		add_clean(buf, diag->entries[i].text);
		if (diag->entries[i].hint) {
			qos_buf_add(buf, "\n#   hint: ");
			add_clean(buf, diag->entries[i].hint);
		}
		qos_buf_add(buf, "\n");
	}
}

static bool same_reason(const struct qos_learn_out *a, const struct qos_learn_out *b)
{
	return a->verdict == b->verdict && !strcmp(a->thread->comm, b->thread->comm);
}

/* Threads of one name that are left out for one reason are told as one, the first time. */
static void print_out(const struct qos_learn *learn, size_t index, struct qos_buf *buf)
{
	const struct qos_learn_out *out = &learn->out[index];
	uint64_t n = 0, wakeups = 0, used_ns = 0;
	char used[QOS_UNIT_MAX];

	for (size_t i = 0; i < learn->n_out; i++) {
		if (!same_reason(&learn->out[i], out))
			continue;
		if (i < index)
			return;
		n++;
		wakeups += learn->out[i].thread->n_bursts;
		used_ns += learn->out[i].thread->used_ns;
	}
	qos_buf_add(buf, "# left out: %" PRIu64 " thread%s ", n, n == 1 ? "" : "s");
	add_clean(buf, out->thread->comm);
	qos_buf_add(buf, ": %s", why[out->verdict]);
	if (out->verdict != QOS_LEARN_IDLE)
		qos_buf_add(buf, "; %" PRIu64 " wake-ups, %s of CPU time", wakeups,
			    about(used, sizeof(used), used_ns));
	qos_buf_add(buf, "\n");
}

void qos_learn_print(const struct qos_learn *learn, const struct qos_learn_origin *origin,
		     const struct qos_contract *contract, const struct qos_diag *diag,
		     struct qos_buf *buf)
{
	struct qos_buf plain = {};

	print_head(learn, origin, diag, buf);
	qos_contract_print(contract, &plain);
	if (plain.text)
		weave(learn, plain.text, buf);
	if (plain.error < 0)
		buf->error = plain.error;
	qos_buf_reset(&plain);
	for (size_t i = 0; i < learn->n_out; i++)
		print_out(learn, i, buf);
}
