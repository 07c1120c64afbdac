/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of fields, and names -> rows. A row's bits are what makes arithmetic cheap: the compiler
 * knows that a duration below 2^42 ns (73 minutes; no contract's period is above one hour) times a
 * ratio below 200 % cannot overflow, and leaves the guard against it out.
 */
#include "extension/field.h"

#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "qos_rules_abi.h"
#include "util/text.h"
#include "util/units.h"

#define JOB	QOS_RULE_JOB
#define LATE	QOS_RULE_LATE
#define DROP	QOS_RULE_DROP
#define WINDOW	QOS_RULE_WINDOW
#define TICK	QOS_RULE_TICK
#define OVERRUN QOS_RULE_OVERRUN
#define ALL	(JOB | OVERRUN | LATE | WINDOW | TICK) /* of a cpu stream */
#define NET_ALL (LATE | DROP | WINDOW | TICK)	       /* of a network stream */

#define DURATION(name, events, word, text)                                                         \
	{                                                                                          \
		"cpu", name, QOS_TYPE_DURATION, events, QOS_RULES_##word, QOS_RULES_TIME_BITS,     \
			.help = text                                                               \
	}
#define SIGNED(name, events, word, text)                                                           \
	{                                                                                          \
		"cpu", name, QOS_TYPE_DURATION, events, QOS_RULES_##word, QOS_RULES_TIME_BITS,     \
			true, .help = text                                                         \
	}
#define COUNT(name, events, word, text)                                                            \
	{                                                                                          \
		"cpu", name, QOS_TYPE_COUNT, events, QOS_RULES_##word, QOS_RULES_COUNT_BITS,       \
			.help = text                                                               \
	}
#define NETWORK(name, type, bits, events, word, text)                                              \
	{                                                                                          \
		"network", name, type, events, QOS_RULES_##word, bits, .help = text                \
	}
/* Not by NETWORK(), which would expand LATE before it is pasted. */
#define PACKETS(name, events, word, text)                                                          \
	{                                                                                          \
		"network", name, QOS_TYPE_COUNT, events, QOS_RULES_##word, QOS_RULES_COUNT_BITS,   \
			.help = text                                                               \
	}

const struct qos_rule_field qos_rule_fields[] = {
	{"cpu", "runtime", QOS_TYPE_DURATION, ALL, QOS_RULES_ATTRIBUTE, QOS_RULES_TIME_BITS,
	 .attribute = QOS_RULES_CPU_RUNTIME, .help = "the runtime in force"},
	{"cpu", "period", QOS_TYPE_DURATION, ALL, -1, QOS_RULES_TIME_BITS,
	 .help = "as the contract has it"},
	{"cpu", "deadline", QOS_TYPE_DURATION, ALL, -1, QOS_RULES_TIME_BITS,
	 .help = "as the contract has it"},
	DURATION("used", JOB | OVERRUN | LATE, USED, "CPU time of the job so far"),
	SIGNED("slack", JOB | OVERRUN | LATE, SLACK, "deadline minus now: negative if late"),
	DURATION("response", JOB | OVERRUN | LATE, RESPONSE, "now minus release"),
	DURATION("latency", JOB, LATENCY, "from wake-up to running"),
	COUNT("late", JOB | TICK, LATE, "job: 0 or 1; tick: late jobs since the last"),
	COUNT("jobs", TICK, JOBS, "completed since the last tick"),
	COUNT("served", WINDOW | TICK, SERVED, "requests of the window, or since the last tick"),
	COUNT("lost", WINDOW | TICK, LOST, "requests of the window, or since the last tick"),
	COUNT("violations", WINDOW | TICK, VIOLATIONS, "window: 0 or 1; tick: since the last tick"),
	DURATION("used.p50", TICK, USED_P50, "half of the last 1,000 jobs used at most this"),
	DURATION("used.p90", TICK, USED_P90, "90 % of the last 1,000 jobs used at most this"),
	DURATION("used.p99", TICK, USED_P99, "99 % of the last 1,000 jobs used at most this"),
	SIGNED("slack.p1", TICK, SLACK_P1, "99 % of the last 1,000 jobs had at least this"),
	SIGNED("slack.p10", TICK, SLACK_P10, "90 % of the last 1,000 jobs had at least this"),
	SIGNED("slack.p50", TICK, SLACK_P50, "half of the last 1,000 jobs had at least this"),
	DURATION("response.p50", TICK, RESPONSE_P50,
		 "half of the last 1,000 jobs took at most this"),
	DURATION("response.p90", TICK, RESPONSE_P90,
		 "90 % of the last 1,000 jobs took at most this"),
	DURATION("response.p99", TICK, RESPONSE_P99,
		 "99 % of the last 1,000 jobs took at most this"),
	DURATION("latency.p50", TICK, LATENCY_P50,
		 "half of the last 1,000 wake-ups took at most this"),
	DURATION("latency.p90", TICK, LATENCY_P90,
		 "90 % of the last 1,000 wake-ups took at most this"),
	DURATION("latency.p99", TICK, LATENCY_P99,
		 "99 % of the last 1,000 wake-ups took at most this"),
	{"network", "rate", QOS_TYPE_RATE, NET_ALL, QOS_RULES_ATTRIBUTE, QOS_RULES_BYTES_BITS,
	 .attribute = QOS_RULES_NET_RATE, .help = "the rate in force"},
	NETWORK("sent", QOS_TYPE_BYTES, QOS_RULES_BYTES_BITS, TICK, SENT, "since the last tick"),
	NETWORK("backlog", QOS_TYPE_BYTES, QOS_RULES_COUNT_BITS, NET_ALL, BACKLOG, "queued now"),
	PACKETS("dropped", DROP | TICK, DROPPED, "packets since the last such event"),
	PACKETS("late", LATE | TICK, LATE, "late packets since the last such event"),
	PACKETS("served", WINDOW | TICK, SERVED, "requests since the last such event"),
	PACKETS("lost", WINDOW | TICK, LOST, "requests since the last such event"),
	PACKETS("violations", WINDOW | TICK, VIOLATIONS, "windows since the last such event"),
	NETWORK("delay", QOS_TYPE_DURATION, QOS_RULES_TIME_BITS, NET_ALL, DELAY,
		"largest in the queue: of those packets, since the last such event, or so far"),
	NETWORK("rtt", QOS_TYPE_DURATION, QOS_RULES_TIME_BITS, NET_ALL, RTT,
		"smoothed round trip of TCP; 0: not known"),
	{},
};

static size_t n_streams(const struct qos_contract *contract, bool cpu)
{
	return cpu ? contract->n_cpu : contract->n_net;
}

static const char *section_name(bool cpu)
{
	return cpu ? "cpu" : "network";
}

/* In the contract, from that in the section. */
static size_t index_of(const struct qos_contract *contract, bool cpu, int stream)
{
	return (size_t)stream + (cpu ? 0 : contract->n_cpu);
}

static const char *stream_name(const struct qos_contract *contract, bool cpu, size_t i)
{
	return cpu ? contract->cpu[i].name : contract->net[i].name;
}

/* "network.NAME", of an index in the contract. */
static const char *print_stream(char *buf, size_t size, const struct qos_contract *contract,
				size_t index)
{
	bool cpu = index < contract->n_cpu;

	snprintf(buf, size, "%s.%s", section_name(cpu),
		 stream_name(contract, cpu, cpu ? index : index - contract->n_cpu));
	return buf;
}

/* Index in the section, or -1. */
static int find_stream(const struct qos_contract *contract, bool cpu, const char *name, size_t len)
{
	for (size_t i = 0; i < n_streams(contract, cpu); i++) {
		const char *other = stream_name(contract, cpu, i);

		if (strlen(other) == len && !strncmp(other, name, len))
			return (int)i;
	}
	return -1;
}

static void hint_streams(const struct qos_contract *contract, bool cpu, struct qos_diag *diag)
{
	struct qos_buf names = {};

	for (size_t i = 0; i < n_streams(contract, cpu); i++)
		qos_buf_add(&names, "%s %s", i ? "," : "", stream_name(contract, cpu, i));
	if (names.len)
		qos_diag_hint(diag, "the %s streams of this contract are:%s", section_name(cpu),
			      names.text);
	else
		qos_diag_hint(diag, "this contract has no `%s` section", section_name(cpu));
	qos_buf_reset(&names);
}

/* Cuts "cpu." or "network." off; NULL: neither. */
static const char *cut_section(const char *text, bool *ret_cpu)
{
	if (!strncmp(text, "cpu.", 4)) {
		*ret_cpu = true;
		return text + 4;
	}
	if (!strncmp(text, "network.", 8)) {
		*ret_cpu = false;
		return text + 8;
	}
	return NULL;
}

/* Splits "[NAME.]REST" behind the section: an existing stream's name goes first, else it is main's.
 * Returns the stream's index, or -1 with *ret_rest the whole. */
static int cut_stream(const struct qos_contract *contract, bool cpu, const char *text,
		      const char **ret_rest)
{
	const char *dot = strchr(text, '.');
	int stream = dot ? find_stream(contract, cpu, text, (size_t)(dot - text)) : -1;

	*ret_rest = stream >= 0 ? dot + 1 : text;
	return stream >= 0 ? stream : find_stream(contract, cpu, "main", 4);
}

static const struct {
	const char *name;
	enum qos_rule_event_kind kind;
} events[] = {{"job", JOB},   {"overrun", OVERRUN}, {"late", LATE},
	      {"drop", DROP}, {"window", WINDOW},   {"tick", TICK}};

const char *qos_rule_event_name(enum qos_rule_event_kind kind)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(events); i++)
		if (events[i].kind == kind)
			return events[i].name;
	return "";
}

static int parse_tick(const struct qos_rule_source *source, struct qos_diag *diag,
		      struct qos_rule_event *ret)
{
	const char *text = source->text + strlen("tick");
	struct qos_loc loc;
	uint64_t ns = 0;
	int r;

	text += strspn(text, " ");
	loc = qos_rule_loc(source, (size_t)(text - source->text));
	r = qos_parse_duration(text, &ns);
	if (r == 0 && ns >= QOS_RULE_TICK_MIN_NS && ns <= QOS_RULE_TICK_MAX_NS) {
		*ret = (struct qos_rule_event){.kind = TICK, .tick_ns = ns};
		return 0;
	}
	qos_diag_error(diag, &loc,
		       r == -EINVAL ? "tick: '%.64s' is not a duration"
				    : "tick: '%.64s' is out of range",
		       text);
	qos_diag_hint(diag, "write for example `tick 1s`; a tick comes every 10ms to 1h");
	return -EINVAL;
}

static int bad_event(const struct qos_rule_source *source, size_t at, struct qos_diag *diag)
{
	struct qos_loc loc = qos_rule_loc(source, at);
	const char *names[QOS_ARRAY_SIZE(events) + 1] = {}, *nearest;
	enum qos_rule_event_kind kinds = strncmp(source->text, "network.", 8) ? ALL : NET_ALL;
	size_t n = 0;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(events); i++)
		if (events[i].kind & kinds)
			names[n++] = events[i].name;
	nearest = qos_text_nearest(source->text + at, names);
	qos_diag_error(diag, &loc, "event: there is no event '%.64s'", source->text + at);
	qos_diag_hint(diag,
		      "%s%s%sthe events are cpu.NAME.job, overrun, late or window, "
		      "network.NAME.late, drop or window, and for example `tick 1s`",
		      nearest ? "did you mean `" : "", nearest ? nearest : "",
		      nearest ? "`? " : "");
	return -EINVAL;
}

/* An event of streams by its name; 0: there is none. */
static enum qos_rule_event_kind kind_of(const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(events); i++)
		if (events[i].kind != TICK && !strcmp(events[i].name, name))
			return events[i].kind;
	return 0;
}

int qos_rule_event_parse(const struct qos_contract *contract, const struct qos_rule_source *source,
			 struct qos_diag *diag, struct qos_rule_event *ret)
{
	const char *text = source->text, *behind, *rest;
	enum qos_rule_event_kind kind;
	struct qos_loc loc;
	int stream;
	bool cpu;

	if (!strcmp(text, "tick") || !strncmp(text, "tick ", 5))
		return parse_tick(source, diag, ret);
	behind = cut_section(text, &cpu);
	if (!behind)
		return bad_event(source, 0, diag);
	stream = cut_stream(contract, cpu, behind, &rest);
	kind = kind_of(rest);
	if (stream >= 0 && kind & (cpu ? ALL : NET_ALL)) {
		*ret = (struct qos_rule_event){.kind = kind,
					       .stream = index_of(contract, cpu, stream)};
		return 0;
	}
	if (stream >= 0 && (kind || rest != behind))
		return bad_event(source, (size_t)(rest - text), diag);
	if (find_stream(contract, cpu, rest, strlen(rest)) >= 0)
		return bad_event(source, 0, diag);
	if (stream >= 0 && !strchr(rest, '.'))
		return bad_event(source, (size_t)(rest - text), diag);
	loc = qos_rule_loc(source, (size_t)(behind - text));
	qos_diag_error(diag, &loc, "event: there is no %s stream '%.*s'", section_name(cpu),
		       (int)strcspn(behind, "."), behind);
	hint_streams(contract, cpu, diag);
	return -EINVAL;
}

bool qos_rule_event_exists(const struct qos_contract *contract, const struct qos_rule_event *event)
{
	if (event->kind == TICK)
		return !event->stream && event->tick_ns >= QOS_RULE_TICK_MIN_NS &&
		       event->tick_ns <= QOS_RULE_TICK_MAX_NS;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(events); i++) {
		if (events[i].kind == event->kind)
			return !event->tick_ns &&
			       event->stream < contract->n_cpu + contract->n_net &&
			       event->kind & (event->stream < contract->n_cpu ? ALL : NET_ALL);
	}
	return false;
}

static const struct qos_rule_field *find_field(bool cpu, const char *name)
{
	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++)
		if (!strcmp(field->section, "cpu") == cpu && !strcmp(field->name, name))
			return field;
	return NULL;
}

static void hint_fields(bool cpu, enum qos_rule_event_kind kind, const char *name,
			struct qos_diag *diag)
{
	const char *names[QOS_ARRAY_SIZE(qos_rule_fields)] = {};
	struct qos_buf all = {};
	const char *nearest;
	size_t n = 0;

	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++) {
		if (!strcmp(field->section, "cpu") != cpu || !(field->events & kind))
			continue;
		qos_buf_add(&all, " %s", field->name);
		names[n++] = field->name;
	}
	nearest = qos_text_nearest(name, names);
	if (nearest)
		qos_diag_hint(diag, "did you mean `%s` (%s)? on this event there are:%s", nearest,
			      find_field(cpu, nearest)->help, all.text ? all.text : "");
	else
		qos_diag_hint(diag, "on this event there are:%s", all.text ? all.text : "");
	qos_buf_reset(&all);
}

static int no_field(const struct qos_rule_event *event, bool cpu, const char *name,
		    const struct qos_loc *loc, struct qos_diag *diag)
{
	const struct qos_rule_field *field = find_field(cpu, name);
	struct qos_buf names = {};

	if (!field) {
		qos_diag_error(diag, loc, "there is no metric or attribute '%.64s'", name);
		hint_fields(cpu, event->kind, name, diag);
		return -EINVAL;
	}
	qos_diag_error(diag, loc, "%s is not known on the event %s", name,
		       qos_rule_event_name(event->kind));
	for (size_t i = 0; i < QOS_ARRAY_SIZE(events); i++)
		if (field->events & events[i].kind)
			qos_buf_add(&names, " %s", events[i].name);
	qos_diag_hint(diag, "events with it:%s", names.text ? names.text : "");
	qos_buf_reset(&names);
	return -EINVAL;
}

static int64_t constant_of(const struct qos_contract *contract, const struct qos_rule_field *field,
			   size_t stream)
{
	const struct qos_cpu_stream *cpu = &contract->cpu[stream];

	return (int64_t)(!strcmp(field->name, "period") ? cpu->period.ns : cpu->deadline_ns);
}

static int no_stream(const struct qos_contract *contract, bool cpu, const char *name,
		     const struct qos_loc *loc, struct qos_diag *diag)
{
	qos_diag_error(diag, loc, "there is no %s stream '%.*s'", section_name(cpu),
		       (int)strcspn(name, "."), name);
	hint_streams(contract, cpu, diag);
	return -EINVAL;
}

/* "capture.used", but not "used.p98": the word before the point begins no row's name. */
static bool is_of_a_stream(bool cpu, const char *name)
{
	size_t len = strcspn(name, ".");

	if (!name[len])
		return false;
	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++)
		if (!strcmp(field->section, "cpu") == cpu && strcspn(field->name, ".") == len &&
		    !strncmp(field->name, name, len))
			return false;
	return true;
}

static int other_stream(const struct qos_contract *contract, const struct qos_rule_event *event,
			const struct qos_loc *loc, struct qos_diag *diag)
{
	char name[96];

	qos_diag_error(diag, loc, "on an event of a stream only that stream is known: %s",
		       print_stream(name, sizeof(name), contract, event->stream));
	qos_diag_hint(diag, "a rule on `tick 1s` (or another time) sees all streams");
	return -EINVAL;
}

int qos_rule_field_find(const struct qos_contract *contract, const struct qos_rule_event *event,
			const struct qos_rule_source *source, size_t at, size_t len,
			struct qos_diag *diag, struct qos_rule_ref *ret)
{
	struct qos_loc loc = qos_rule_loc(source, at);
	const struct qos_rule_field *field;
	const char *behind, *rest;
	char text[128];
	bool cpu;
	int stream;

	snprintf(text, sizeof(text), "%.*s", (int)len, source->text + at);
	behind = cut_section(text, &cpu);
	if (!behind) {
		qos_diag_error(diag, &loc, "'%.64s' is not known", text);
		qos_diag_hint(diag, "metrics and attributes are written cpu.NAME.METRIC or "
				    "network.NAME.METRIC");
		return -EINVAL;
	}
	if (find_stream(contract, cpu, behind, strlen(behind)) >= 0) {
		qos_diag_error(diag, &loc, "%s is a stream", text);
		qos_diag_hint(diag, "a metric or an attribute of it is meant: %.64s.METRIC", text);
		return -EINVAL;
	}
	stream = cut_stream(contract, cpu, behind, &rest);
	if (stream < 0 || (rest == behind && is_of_a_stream(cpu, behind)))
		return no_stream(contract, cpu, behind, &loc, diag);
	if (event->kind != TICK && index_of(contract, cpu, stream) != event->stream)
		return other_stream(contract, event, &loc, diag);
	field = find_field(cpu, rest);
	if (!field || !(field->events & event->kind))
		return no_field(event, cpu, rest, &loc, diag);
	*ret = (struct qos_rule_ref){.field = field, .stream = index_of(contract, cpu, stream)};
	ret->slot = event->kind == TICK ? ret->stream : 0;
	if (field->word < 0)
		ret->constant = constant_of(contract, field, (size_t)stream);
	return 0;
}

struct qos_range qos_rule_range(const struct qos_contract *contract, const struct qos_rule_ref *ref)
{
	if (ref->stream < contract->n_cpu)
		return contract->cpu[ref->stream].runtime_range;
	return contract->net[ref->stream - contract->n_cpu].rate_range;
}

const char *qos_rule_event_print(char *buf, size_t size, const struct qos_contract *contract,
				 const struct qos_rule_event *event)
{
	char time[QOS_UNIT_MAX], stream[96];

	if (event->kind == TICK)
		snprintf(buf, size, "tick %s",
			 qos_print_duration(time, sizeof(time), event->tick_ns));
	else
		snprintf(buf, size, "%s.%s",
			 print_stream(stream, sizeof(stream), contract, event->stream),
			 qos_rule_event_name(event->kind));
	return buf;
}
