/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One stream of the cpu section: its table of keys, the values only it has, and the orders between
 * them (runtime <= deadline <= period, range around runtime).
 */
#include "contract/parse_field.h"

#include <errno.h>
#include <string.h>

enum {
	CPU_NAME,
	CPU_THREADS,
	CPU_MAX_THREADS,
	CPU_PERIOD,
	CPU_RUNTIME,
	CPU_DEADLINE,
	CPU_WINDOW,
	CPU_LATENCY,
	CPU_CPUS,
	CPU_OVERRUN,
	CPU_JOB,
	CPU_SILENCE,
	CPU_MANAGE,
	CPU_RANGE,
};

static bool read_thread(struct qos_reader *reader, const struct qos_parse_field *field,
			const struct qos_node *node, struct qos_cpu_stream *stream)
{
	if (!qos_reader_line(reader, field, node, 64))
		return false;
	if (!qos_parse_comm_fits(node->text)) {
		qos_reader_error(reader, &node->loc, "threads: '%s' can never fit", node->text);
		qos_diag_hint(reader->diag,
			      "a thread's name has at most %d letters; end the "
			      "pattern with * before that",
			      QOS_COMM_MAX);
		return false;
	}
	if (!qos_reader_dup(reader, node->text, &stream->threads[stream->n_threads]))
		return false;
	stream->n_threads++;
	return true;
}

static bool read_threads(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, void *out)
{
	struct qos_cpu_stream *stream = out;
	bool good = true;

	if (node->kind != QOS_NODE_LIST || node->n_children == 0 ||
	    node->n_children > QOS_CONTRACT_THREADS_MAX) {
		qos_reader_error(reader, &node->loc, "threads: expected a list of 1 to %d names",
				 QOS_CONTRACT_THREADS_MAX);
		qos_diag_hint(reader->diag,
			      "write for example `threads: %s`; without the key the "
			      "stream takes every thread",
			      field->example);
		return false;
	}
	stream->threads = calloc(node->n_children, sizeof(char *));
	if (!stream->threads) {
		reader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < node->n_children; i++)
		good &= read_thread(reader, field, node->children[i], stream);
	return good;
}

static bool read_cpus(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	struct qos_cpu_stream *stream = out;
	int r;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	if (!strcmp(node->text, "isolated")) {
		stream->where = QOS_WHERE_ISOLATED;
		return true;
	}
	r = qos_cpus_parse(node->text, &stream->cpus);
	if (r < 0) {
		qos_reader_error(reader, &node->loc, "cpus: '%.64s' %s", node->text,
				 r == -ERANGE ? "names a CPU that is too high"
					      : "is not a list of CPUs");
		qos_diag_hint(
			reader->diag,
			"write for example `cpus: 2-3,6` or `cpus: isolated`; CPUs are 0 to %d",
			QOS_CPUS_MAX - 1);
		return false;
	}
	stream->where = QOS_WHERE_LIST;
	return true;
}

static size_t count_char(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

/* "usdt:PATH:PROVIDER:NAME" or "uprobe:PATH:SYMBOL", all parts there and the path absolute. */
static bool is_probe(const char *text)
{
	static const struct {
		const char *prefix;
		size_t colons; /* after the prefix */
	} forms[] = {{"usdt:/", 2}, {"uprobe:/", 1}};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(forms); i++) {
		size_t len = strlen(forms[i].prefix);

		if (!strncmp(text, forms[i].prefix, len))
			return text[len] != ':' && count_char(text + len, ':') == forms[i].colons &&
			       !strstr(text + len, "::") && text[strlen(text) - 1] != ':';
	}
	return false;
}

static bool read_probe(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	if (!qos_reader_line(reader, field, node, QOS_PATH_MAX))
		return false;
	if (is_probe(node->text))
		return qos_reader_dup(reader, node->text, out);
	qos_reader_error(reader, &node->loc, "%s: '%.128s' is not a probe", field->key, node->text);
	qos_diag_hint(reader->diag, "write usdt:PATH:PROVIDER:NAME or uprobe:PATH:SYMBOL with an "
				    "absolute path that has no colon");
	return false;
}

#define AT(member) offsetof(struct qos_cpu_stream, member)

static const struct qos_parse_field probe_fields[] = {
	{"begin", read_probe, AT(job_begin), .needed = true,
	 .example = "uprobe:/usr/bin/app:job_begin"},
	{"end", read_probe, AT(job_end), .needed = true, .example = "uprobe:/usr/bin/app:job_end"},
	{},
};

static bool read_job(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	static const char *const words[] = {"wakeup", "period", NULL}; /* enum qos_job_kind */
	const struct qos_parse_field word = {
		.key = "job", .example = field->example, .words = words};
	struct qos_cpu_stream *stream = out;

	if (node->kind != QOS_NODE_MAP)
		return qos_read_word(reader, &word, node, &stream->job);
	stream->job = QOS_JOB_PROBES;
	return qos_parse_fields(reader, node, probe_fields, "job", stream) == 3;
}

static const struct qos_parse_field range_fields[] = {
	{"runtime", qos_read_range, AT(runtime_range), true, "4ms..12ms", 1, QOS_PERIOD_MAX_NS,
	 .quantity = &qos_quantity_duration},
	{"step", qos_read_duration, AT(runtime_range.step), false, "1ms", 1, QOS_PERIOD_MAX_NS},
	{},
};

static bool read_range(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	return qos_reader_map(reader, field, node) &&
	       qos_parse_fields(reader, node, range_fields, "range", out) & 1;
}

const struct qos_parse_field qos_parse_cpu_fields[] = {
	[CPU_NAME] = {"name", qos_read_stream_name, AT(name), .example = "capture"},
	[CPU_THREADS] = {"threads", read_threads, .example = "[\"worker*\"]"},
	[CPU_MAX_THREADS] = {"max-threads", qos_read_count, AT(max_threads), .example = "2",
			     .min = 1, .max = QOS_CONTRACT_THREADS_MAX},
	[CPU_PERIOD] = {"period", qos_read_period, AT(period), true, "10ms", 1000,
			QOS_PERIOD_MAX_NS},
	[CPU_RUNTIME] = {"runtime", qos_read_duration, AT(runtime_ns), true, "2ms", 1,
			 QOS_PERIOD_MAX_NS},
	[CPU_DEADLINE] = {"deadline", qos_read_duration, AT(deadline_ns), false, "8ms", 1,
			  QOS_PERIOD_MAX_NS},
	[CPU_WINDOW] = {"window", qos_read_window, AT(window), true, "1/10"},
	[CPU_LATENCY] = {"latency", qos_read_duration, AT(latency_ns), false, "200us", 1,
			 QOS_PERIOD_MAX_NS},
	[CPU_CPUS] = {"cpus", read_cpus, .example = "2-3"},
	[CPU_OVERRUN] = {"overrun", qos_read_word, AT(overrun), .example = "demote",
			 .words = qos_overrun_names},
	[CPU_JOB] = {"job", read_job, .example = "wakeup"},
	[CPU_SILENCE] = {"silence", qos_read_word, AT(silence), .example = "ignore",
			 .words = qos_silence_names},
	[CPU_MANAGE] = {"manage", qos_read_word, AT(manage), .example = "observe",
			.words = qos_manage_names},
	[CPU_RANGE] = {"range", read_range, .example = "{runtime: 4ms..12ms}"},
	{},
};

/* Is the value of row `i` there and valid? */
#define VALID(i) (valid & 1U << (i))

static void check_deadline(struct qos_reader *reader, const struct qos_node *node,
			   const struct qos_cpu_stream *stream)
{
	char deadline[QOS_UNIT_MAX], period[QOS_UNIT_MAX];

	if (stream->deadline_ns <= stream->period.ns)
		return;
	qos_reader_error(reader, &qos_node_get(node, "deadline")->loc,
			 "deadline: %s is longer than the period, %s",
			 qos_print_duration(deadline, sizeof(deadline), stream->deadline_ns),
			 qos_print_period(period, sizeof(period), &stream->period));
	qos_diag_hint(reader->diag, "a deadline is at most the period, which is the default; "
				    "leave it out or shorten it");
}

static void check_runtime(struct qos_reader *reader, const struct qos_node *node,
			  const struct qos_cpu_stream *stream, bool has_deadline)
{
	char runtime[QOS_UNIT_MAX], limit[QOS_UNIT_MAX];

	if (stream->runtime_ns <= stream->deadline_ns)
		return;
	qos_print_duration(runtime, sizeof(runtime), stream->runtime_ns);
	if (has_deadline)
		qos_print_duration(limit, sizeof(limit), stream->deadline_ns);
	else
		qos_print_period(limit, sizeof(limit), &stream->period);
	qos_reader_error(reader, &qos_node_get(node, "runtime")->loc,
			 "runtime: %s is longer than the %s, %s", runtime,
			 has_deadline ? "deadline" : "period", limit);
	qos_diag_hint(reader->diag,
		      "runtime is CPU time within one period: write less, or a longer "
		      "%s",
		      has_deadline ? "deadline" : "period");
}

static void check_range(struct qos_reader *reader, const struct qos_node *node,
			const struct qos_cpu_stream *stream, bool deadline_known)
{
	const struct qos_range *range = &stream->runtime_range;
	const struct qos_loc *loc = &qos_node_get(qos_node_get(node, "range"), "runtime")->loc;
	char value[QOS_UNIT_MAX];

	if (stream->runtime_ns < range->lo || stream->runtime_ns > range->hi) {
		qos_reader_error(reader, loc, "range: does not hold runtime, %s",
				 qos_print_duration(value, sizeof(value), stream->runtime_ns));
		qos_diag_hint(reader->diag, "low is at most `runtime`, high at least `runtime`");
	}
	if (deadline_known && range->hi > stream->deadline_ns) {
		qos_reader_error(reader, loc, "range: ends above the deadline, %s",
				 qos_print_duration(value, sizeof(value), stream->deadline_ns));
		qos_diag_hint(reader->diag, "more runtime than that could never be used in time; "
					    "write at most the deadline");
	}
}

void qos_parse_cpu_stream(struct qos_reader *reader, const struct qos_node *node, void *out)
{
	struct qos_cpu_stream *stream = out;
	bool has_deadline, deadline_known;
	uint32_t valid;

	stream->max_threads = 1;
	valid = qos_parse_fields(reader, node, qos_parse_cpu_fields, "cpu stream", stream);
	has_deadline = qos_node_get(node, "deadline");
	if (!has_deadline && VALID(CPU_PERIOD))
		stream->deadline_ns = stream->period.ns;
	deadline_known = has_deadline ? VALID(CPU_DEADLINE) : VALID(CPU_PERIOD);
	if (VALID(CPU_DEADLINE) && VALID(CPU_PERIOD))
		check_deadline(reader, node, stream);
	if (VALID(CPU_RUNTIME) && deadline_known)
		check_runtime(reader, node, stream, has_deadline);
	if (VALID(CPU_RUNTIME) && VALID(CPU_RANGE))
		check_range(reader, node, stream, deadline_known);
}
