/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The canonical form: one order of keys, defaults left out, block style, a single stream called main
 * as a map. Values are quoted only where YAML could take them for something else. Weakness: of match
 * expressions only those can be written that a file can say, so a group "all of" that holds a group
 * "any of" cannot come from anywhere but a parsed `not:`.
 */
#include "contract/print.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Words that some YAML reader takes for a bool or null. */
static const char *const special_words[] = {"null", "true", "false", "yes", "no",
					    "on",   "off",  "y",     "n",   NULL};

/* Begins like a word or a path, so it can be no number or date; then signs that mean nothing to
 * YAML outside brackets. */
static bool is_plain(const char *text)
{
	if (!isalpha((unsigned char)*text) && *text != '/' && *text != '_')
		return false;
	for (size_t i = 0; special_words[i]; i++)
		if (!strcasecmp(text, special_words[i]))
			return false;
	for (const char *p = text; *p; p++) {
		bool inner = *p == ' ' && p[1] && p[1] != ' ';
		bool colon = *p == ':' && p[1] && p[1] != ' ';

		if (!isascii(*p) ||
		    (!isalnum((unsigned char)*p) && !strchr("_./@+-,%=", *p) && !inner && !colon))
			return false;
	}
	return true;
}

/* A document has no control characters but tab and line break, so a contract has none. */
static void print_quoted(struct qos_buf *buf, const char *text)
{
	qos_buf_add(buf, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			qos_buf_add(buf, "\\%c", *text);
		else if (*text == '\n')
			qos_buf_add(buf, "\\n");
		else if (*text == '\t')
			qos_buf_add(buf, "\\t");
		else
			qos_buf_add_bytes(buf, text, 1);
	}
	qos_buf_add(buf, "\"");
}

static void print_value(struct qos_buf *buf, const char *text)
{
	if (is_plain(text))
		qos_buf_add(buf, "%s", text);
	else
		print_quoted(buf, text);
}

/* Lines of one stream stand behind this. */
struct lines {
	struct qos_buf *buf;
	const char *indent;
	bool dash; /* the next line is the first of a list's item */
};

/* "key: " at the right place. */
static void begin(struct lines *lines, const char *key)
{
	if (lines->dash)
		qos_buf_add(lines->buf, "%.*s- %s: ", (int)strlen(lines->indent) - 2, lines->indent,
			    key);
	else
		qos_buf_add(lines->buf, "%s%s: ", lines->indent, key);
	lines->dash = false;
}

static void line(struct lines *lines, const char *key, const char *value)
{
	begin(lines, key);
	qos_buf_add(lines->buf, "%s\n", value);
}

static void line_text(struct lines *lines, const char *key, const char *value)
{
	if (!value)
		return;
	begin(lines, key);
	print_value(lines->buf, value);
	qos_buf_add(lines->buf, "\n");
}

/* A word of an enum, unless it is the default. */
static void line_word(struct lines *lines, const char *key, const char *const *words,
		      unsigned int value, unsigned int usual)
{
	if (value != usual)
		line(lines, key, words[value]);
}

static void line_count(struct lines *lines, const char *key, uint32_t value, uint32_t usual)
{
	if (value == usual)
		return;
	begin(lines, key);
	qos_buf_add(lines->buf, "%u\n", value);
}

static void line_duration(struct lines *lines, const char *key, uint64_t ns)
{
	char text[QOS_UNIT_MAX];

	line(lines, key, qos_print_duration(text, sizeof(text), ns));
}

static void line_period(struct lines *lines, const struct qos_period *period)
{
	char text[QOS_UNIT_MAX];

	line(lines, "period", qos_print_period(text, sizeof(text), period));
}

static void line_window(struct lines *lines, const struct qos_window *window)
{
	begin(lines, "window");
	qos_buf_add(lines->buf, "%u/%u\n", window->x, window->y);
}

static void line_range(struct lines *lines, const char *key, const struct qos_range *range,
		       const char *(*print)(char *buf, size_t size, uint64_t value))
{
	char lo[QOS_UNIT_MAX], hi[QOS_UNIT_MAX], step[QOS_UNIT_MAX];

	if (!range->set)
		return;
	begin(lines, "range");
	qos_buf_add(lines->buf, "{%s: %s..%s", key, print(lo, sizeof(lo), range->lo),
		    print(hi, sizeof(hi), range->hi));
	if (range->step)
		qos_buf_add(lines->buf, ", step: %s", print(step, sizeof(step), range->step));
	qos_buf_add(lines->buf, "}\n");
}

static void print_threads(struct lines *lines, const struct qos_cpu_stream *stream)
{
	if (!stream->n_threads)
		return;
	begin(lines, "threads");
	for (size_t i = 0; i < stream->n_threads; i++) {
		qos_buf_add(lines->buf, "%s", i ? ", " : "[");
		print_quoted(lines->buf, stream->threads[i]);
	}
	qos_buf_add(lines->buf, "]\n");
}

static void print_cpus(struct lines *lines, const struct qos_cpu_stream *stream)
{
	char text[QOS_CPUS_TEXT_MAX];

	switch (stream->where) {
	case QOS_WHERE_ANY:
		return;
	case QOS_WHERE_LIST:
		line(lines, "cpus", qos_cpus_print(text, sizeof(text), &stream->cpus));
		return;
	case QOS_WHERE_ISOLATED:
		line(lines, "cpus", "isolated");
	}
}

static void print_job(struct lines *lines, const struct qos_cpu_stream *stream)
{
	if (stream->job != QOS_JOB_PROBES) {
		line_word(lines, "job", qos_job_names, stream->job, QOS_JOB_WAKEUP);
		return;
	}
	begin(lines, "job");
	qos_buf_add(lines->buf, "{begin: ");
	print_quoted(lines->buf, stream->job_begin);
	qos_buf_add(lines->buf, ", end: ");
	print_quoted(lines->buf, stream->job_end);
	qos_buf_add(lines->buf, "}\n");
}

static void print_cpu(struct lines *lines, const struct qos_cpu_stream *stream)
{
	if (lines->dash)
		line(lines, "name", stream->name);
	print_threads(lines, stream);
	line_count(lines, "max-threads", stream->max_threads, 1);
	line_period(lines, &stream->period);
	line_duration(lines, "runtime", stream->runtime_ns);
	if (stream->deadline_ns != stream->period.ns)
		line_duration(lines, "deadline", stream->deadline_ns);
	line_window(lines, &stream->window);
	if (stream->latency_ns)
		line_duration(lines, "latency", stream->latency_ns);
	print_cpus(lines, stream);
	line_word(lines, "overrun", qos_overrun_names, stream->overrun, QOS_OVERRUN_DEMOTE);
	print_job(lines, stream);
	line_word(lines, "silence", qos_silence_names, stream->silence, QOS_SILENCE_IGNORE);
	line_word(lines, "manage", qos_manage_names, stream->manage, QOS_MANAGE_SCHEDULE);
	line_range(lines, "runtime", &stream->runtime_range, qos_print_duration);
}

static bool flow_is_set(const struct qos_flow_match *match)
{
	return match->proto || match->sport || match->dport || match->dst || match->dscp >= 0 ||
	       match->mark_set || match->cgroup;
}

static void print_flow(struct lines *lines, const struct qos_flow_match *match)
{
	char indent[16];
	struct lines inner = {lines->buf, indent};

	if (!flow_is_set(match))
		return;
	snprintf(indent, sizeof(indent), "%s  ", lines->indent);
	qos_buf_add(lines->buf, "%smatch:\n", lines->indent);
	line_text(&inner, "proto", match->proto);
	line_count(&inner, "sport", match->sport, 0);
	line_count(&inner, "dport", match->dport, 0);
	line_text(&inner, "dst", match->dst);
	if (match->dscp >= 0)
		line_count(&inner, "dscp", (uint32_t)match->dscp, UINT32_MAX);
	if (match->mark_set) {
		begin(&inner, "mark");
		qos_buf_add(lines->buf, "%u\n", match->mark);
	}
	line_text(&inner, "cgroup", match->cgroup);
}

static void print_net(struct lines *lines, const struct qos_net_stream *stream)
{
	char text[QOS_UNIT_MAX];

	if (lines->dash)
		line(lines, "name", stream->name);
	line_text(lines, "interface", stream->interface);
	print_flow(lines, &stream->match);
	line(lines, "rate", qos_print_rate(text, sizeof(text), stream->rate_bps));
	line(lines, "packet", qos_print_bytes(text, sizeof(text), stream->packet_bytes));
	if (stream->period.mhz || stream->period.ns != qos_net_packet_ns(stream))
		line_period(lines, &stream->period);
	if (stream->deadline_ns != stream->period.ns)
		line_duration(lines, "deadline", stream->deadline_ns);
	line_window(lines, &stream->window);
	line_word(lines, "late", qos_late_names, stream->late, QOS_LATE_DROP);
	line_word(lines, "excess", qos_excess_names, stream->excess, QOS_EXCESS_SEND);
	line_count(lines, "limit", stream->limit, QOS_CONTRACT_LIMIT);
	line_word(lines, "manage", qos_manage_names, stream->manage, QOS_MANAGE_SCHEDULE);
	line_range(lines, "rate", &stream->rate_range, qos_print_rate);
}

static bool is_main(const char *name)
{
	return !strcmp(name, "main");
}

static void print_streams(const struct qos_contract *contract, struct qos_buf *buf)
{
	bool map = contract->n_cpu == 1 && is_main(contract->cpu[0].name);

	if (contract->n_cpu)
		qos_buf_add(buf, "cpu:\n");
	for (size_t i = 0; i < contract->n_cpu; i++)
		print_cpu(&(struct lines){buf, map ? "  " : "    ", !map}, &contract->cpu[i]);
	map = contract->n_net == 1 && is_main(contract->net[0].name);
	if (contract->n_net)
		qos_buf_add(buf, "network:\n");
	for (size_t i = 0; i < contract->n_net; i++)
		print_net(&(struct lines){buf, map ? "  " : "    ", !map}, &contract->net[i]);
}

static void indent_to(struct qos_buf *buf, unsigned int depth)
{
	qos_buf_add(buf, "%*s", (int)depth * 2, "");
}

static void print_match(const struct qos_match *match, unsigned int depth, bool inside,
			struct qos_buf *buf);

/* One entry of a map; `inside`: the line has begun already, behind a dash. */
static void print_entry(const struct qos_match *match, unsigned int depth, bool inside,
			struct qos_buf *buf)
{
	if (!inside)
		indent_to(buf, depth);
	if (match->kind == QOS_MATCH_NOT) {
		qos_buf_add(buf, "not:\n");
		print_match(match->children[0], depth + 1, false, buf);
		return;
	}
	qos_buf_add(buf, "%s: ", qos_match_key_names[match->key]);
	print_value(buf, match->value);
	qos_buf_add(buf, "\n");
}

static void print_match(const struct qos_match *match, unsigned int depth, bool inside,
			struct qos_buf *buf)
{
	switch (match->kind) {
	case QOS_MATCH_TERM:
	case QOS_MATCH_NOT:
		print_entry(match, depth, inside, buf);
		return;
	case QOS_MATCH_ALL:
		for (size_t i = 0; i < match->n_children; i++)
			print_entry(match->children[i], depth, inside && i == 0, buf);
		return;
	case QOS_MATCH_ANY:
		for (size_t i = 0; i < match->n_children; i++) {
			if (!inside || i > 0)
				indent_to(buf, depth);
			qos_buf_add(buf, "- ");
			print_match(match->children[i], depth + 1, true, buf);
		}
	}
}

static void print_rule(const struct qos_rule *rule, struct qos_buf *buf)
{
	struct lines lines = {buf, "      ", true};

	line_text(&lines, "event", rule->event.text);
	line_text(&lines, "when", rule->when.text);
	if (rule->n_sets)
		qos_buf_add(buf, "      set:\n");
	for (size_t i = 0; i < rule->n_sets; i++) {
		qos_buf_add(buf, "        ");
		print_value(buf, rule->sets[i].attribute.text);
		qos_buf_add(buf, ": ");
		print_value(buf, rule->sets[i].value.text);
		qos_buf_add(buf, "\n");
	}
	line_text(&lines, "emit", rule->emit.text);
}

static void print_adapt(const struct qos_contract *contract, struct qos_buf *buf)
{
	qos_buf_add(buf, "adapt:\n  placement: %s\n", qos_placement_names[contract->placement]);
	if (contract->n_rules)
		qos_buf_add(buf, "  rules:\n");
	for (size_t i = 0; i < contract->n_rules; i++)
		print_rule(&contract->rules[i], buf);
}

void qos_contract_print(const struct qos_contract *contract, struct qos_buf *buf)
{
	struct lines lines = {buf, ""};

	qos_buf_add(buf, "version: %d\ncontract: ", QOS_CONTRACT_VERSION);
	print_value(buf, contract->name);
	qos_buf_add(buf, "\n");
	line_text(&lines, "description", contract->description);
	line_count(&lines, "importance", contract->importance, QOS_CONTRACT_IMPORTANCE);
	qos_buf_add(buf, "match:\n");
	print_match(contract->match, 1, false, buf);
	print_streams(contract, buf);
	if (contract->has_adapt)
		print_adapt(contract, buf);
	line_word(&lines, "accept", qos_guarantee_names, contract->accept, QOS_SIMULATED);
	line_word(&lines, "on-lease-expiry", qos_lease_names, contract->on_lease_expiry,
		  QOS_LEASE_HOLD);
	line_word(&lines, "on-drift", qos_drift_names, contract->on_drift, QOS_DRIFT_YIELD);
}
