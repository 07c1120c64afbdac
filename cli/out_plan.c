/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `plan`, as a difference: + comes, - goes, ~ changes, ! is not as its file wants it. A line that starts
 * with a sign says one thing.
 */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#include "out_sched.h"

enum kind { PLAIN, TIME, RATE };

struct field {
	const char *key;
	const char *label;
	enum kind kind;
};

static const struct field contract_fields[] = {
	{"contract", "name", PLAIN},
	{"state", "state", PLAIN},
	{"importance", "importance", PLAIN},
	{"guarantee", "guarantee", PLAIN},
};

static const struct field stream_fields[] = {
	{"period_ns", "period", TIME},	   {"deadline_ns", "deadline", TIME},
	{"window", "window", PLAIN},	   {"guaranteed_ns", "guaranteed", TIME},
	{"granted_ns", "granted", TIME},   {"wanted_ns", "wanted", TIME},
	{"manager", "manager", PLAIN},	   {"policy", "policy", PLAIN},
	{"priority", "priority", PLAIN},   {"cpus", "CPUs", PLAIN},
	{"guarantee", "guarantee", PLAIN}, {"test", "test", PLAIN},
};

static const struct field net_fields[] = {
	{"interface", "interface", PLAIN}, {"guaranteed_bps", "guaranteed", RATE},
	{"granted_bps", "granted", RATE},  {"wanted_bps", "wanted", RATE},
	{"guarantee", "guarantee", PLAIN}, {"test", "test", PLAIN},
};

static const char *rate(char *buf, int64_t bps)
{
	snprintf(buf, QOS_OUT_NUMBER_MAX, "%" PRId64 "%s",
		 bps % 1000000 == 0 ? bps / 1000000
		 : bps % 1000 == 0  ? bps / 1000
				    : bps,
		 bps % 1000000 == 0 ? "mbit"
		 : bps % 1000 == 0  ? "kbit"
				    : "bit");
	return buf;
}

static const char *value(char *buf, const json_t *object, const struct field *field)
{
	const json_t *json = json_object_get(object, field->key);

	if (json_is_string(json))
		return json_string_value(json);
	if (!json_is_integer(json))
		return "none";
	switch (field->kind) {
	case PLAIN:
		snprintf(buf, QOS_OUT_NUMBER_MAX, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(json));
		return buf;
	case TIME:
		return qos_out_duration(buf, QOS_OUT_NUMBER_MAX, json_integer_value(json));
	case RATE:
		return rate(buf, json_integer_value(json));
	}
	return "none";
}

static enum qos_paint paint_of(char sign)
{
	return sign == '+' ? QOS_GOOD : sign == '-' ? QOS_BAD : sign == ' ' ? QOS_PLAIN : QOS_WARN;
}

static void line(const struct qos_out *out, char sign, unsigned int indent, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void line(const struct qos_out *out, char sign, unsigned int indent, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r < 0)
		return;
	fprintf(out->file, "%c%*s", sign, (int)indent, "");
	qos_out_hang(out, paint_of(sign), 1 + indent, 3 + indent, text);
}

static void print_changes(const struct qos_out *out, const char *what, const struct field *fields,
			  size_t n, const json_t *before, const json_t *after)
{
	for (size_t i = 0; i < n; i++) {
		char was[QOS_OUT_NUMBER_MAX], is[QOS_OUT_NUMBER_MAX];

		if (!json_equal(json_object_get(before, fields[i].key),
				json_object_get(after, fields[i].key)))
			line(out, '~', 3, "%s%s %s -> %s", what, fields[i].label,
			     value(was, before, &fields[i]), value(is, after, &fields[i]));
	}
}

static void print_stream(const struct qos_out *out, char sign, const json_t *stream)
{
	char buf[4][QOS_OUT_NUMBER_MAX], priority[24] = "";
	const char *policy = qos_json_text(stream, "policy", "none");

	line(out, sign, 3, "cpu.%s: period %s, deadline %s, window %s",
	     qos_json_text(stream, "stream", "-"), value(buf[0], stream, &stream_fields[0]),
	     value(buf[1], stream, &stream_fields[1]), qos_json_text(stream, "window", "-"));
	if (!strcmp(policy, "none")) {
		line(out, sign, 5, "observed only");
		return;
	}
	if (!strcmp(policy, "fifo"))
		snprintf(priority, sizeof(priority), " %" PRId64,
			 qos_json_int(stream, "priority", 0));
	line(out, sign, 5, "guaranteed %s, granted %s, %s (%s)",
	     value(buf[2], stream, &stream_fields[3]), value(buf[3], stream, &stream_fields[4]),
	     qos_json_text(stream, "guarantee", "-"), qos_json_text(stream, "test", "none"));
	line(out, sign, 5, "%s: %s%s on CPUs %s", qos_json_text(stream, "manager", "-"), policy,
	     priority, qos_json_text(stream, "cpus", "-"));
}

static void print_net(const struct qos_out *out, char sign, const json_t *stream)
{
	char buf[2][QOS_OUT_NUMBER_MAX];

	line(out, sign, 3, "network.%s: %s: guaranteed %s, granted %s, %s",
	     qos_json_text(stream, "stream", "-"), qos_json_text(stream, "interface", "-"),
	     value(buf[0], stream, &net_fields[1]), value(buf[1], stream, &net_fields[2]),
	     qos_json_text(stream, "guarantee", "-"));
}

static const json_t *find(const json_t *streams, const char *name)
{
	const json_t *stream;
	size_t i;

	json_array_foreach(streams, i, stream) {
		if (!strcmp(qos_json_text(stream, "stream", ""), name))
			return stream;
	}
	return NULL;
}

/* One of a contract's lists of streams. */
struct section {
	const char *key;
	const char *prefix;
	const struct field *fields;
	size_t n_fields;
	void (*print)(const struct qos_out *out, char sign, const json_t *stream);
};

static const struct section sections[] = {
	{"streams", "cpu", stream_fields, QOS_ARRAY_SIZE(stream_fields), print_stream},
	{"network", "network", net_fields, QOS_ARRAY_SIZE(net_fields), print_net},
};

static void print_section(const struct qos_out *out, const struct section *section,
			  const json_t *before, const json_t *after)
{
	const json_t *was = json_object_get(before, section->key);
	const json_t *is = json_object_get(after, section->key);
	const json_t *stream;
	size_t i;

	json_array_foreach(was, i, stream) {
		if (!find(is, qos_json_text(stream, "stream", "")))
			section->print(out, '-', stream);
	}
	json_array_foreach(is, i, stream) {
		const char *name = qos_json_text(stream, "stream", "");
		const json_t *old = find(was, name);
		char what[64];

		snprintf(what, sizeof(what), "%s.%s: ", section->prefix, name);
		if (old)
			print_changes(out, what, section->fields, section->n_fields, old, stream);
		else
			section->print(out, '+', stream);
	}
}

static char sign_of(const json_t *entry)
{
	static const struct {
		const char *word;
		char sign;
	} signs[] = {{"add", '+'}, {"remove", '-'}, {"change", '~'}};
	const char *word = qos_json_text(entry, "change", "");

	for (size_t i = 0; i < QOS_ARRAY_SIZE(signs); i++) {
		if (!strcmp(signs[i].word, word))
			return signs[i].sign;
	}
	return '!';
}

static bool is_in_force(const json_t *side)
{
	return !strcmp(qos_json_text(side, "state", ""), "in-force");
}

/* What does not come into force changes nothing. */
static char contract_sign(const json_t *entry)
{
	char sign = sign_of(entry);

	return sign == '+' && !is_in_force(json_object_get(entry, "after")) ? '!' : sign;
}

static void print_contract(const struct qos_out *out, const json_t *entry)
{
	const json_t *before = json_object_get(entry, "before");
	const json_t *after = json_object_get(entry, "after");
	const json_t *side = json_is_object(after) ? after : before;
	const char *reason = qos_json_text(entry, "reason", NULL);
	char sign = contract_sign(entry);

	line(out, sign, 1, "%s: %s%s%s", qos_json_text(side, "contract", "no contract"),
	     sign == '-' ? "removed" : qos_json_text(side, "state", "-"), sign == '+' ? ", " : "",
	     sign == '+' ? qos_json_text(side, "guarantee", "-") : "");
	line(out, ' ', 3, "%s", qos_json_text(entry, "file", "-"));
	if (reason)
		line(out, ' ', 3, "%s", reason);
	if (sign == '~')
		print_changes(out, "", contract_fields, QOS_ARRAY_SIZE(contract_fields), before,
			      after);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(sections); i++)
		print_section(out, &sections[i], before, after);
	if (sign == '~' && json_equal(before, after))
		line(out, '~', 3, "its text, but nothing that is granted");
}

const char *qos_out_sched(char *buf, size_t size, const json_t *sched)
{
	const char *policy = qos_json_text(sched, "policy", "-");
	const char *cpus = qos_json_text(sched, "cpus", "-");
	char time[3][QOS_OUT_NUMBER_MAX];

	if (!strcmp(policy, "deadline"))
		snprintf(buf, size, "deadline %s/%s/%s on CPUs %s",
			 qos_out_duration(time[0], sizeof(time[0]),
					  qos_json_int(sched, "runtime_ns", 0)),
			 qos_out_duration(time[1], sizeof(time[1]),
					  qos_json_int(sched, "deadline_ns", 0)),
			 qos_out_duration(time[2], sizeof(time[2]),
					  qos_json_int(sched, "period_ns", 0)),
			 cpus);
	else if (qos_json_int(sched, "priority", 0))
		snprintf(buf, size, "%s %" PRId64 " on CPUs %s", policy,
			 qos_json_int(sched, "priority", 0), cpus);
	else
		snprintf(buf, size, "%s on CPUs %s", policy, cpus);
	return buf;
}

static void print_sched(const struct qos_out *out, char sign, const json_t *sched)
{
	char text[QOS_OUT_SCHED_MAX];

	line(out, sign, 3, "%s", qos_out_sched(text, sizeof(text), sched));
}

static void print_thread(const struct qos_out *out, const json_t *thread)
{
	line(out, sign_of(thread), 1, "thread %" PRId64 " %s (%s/%s)",
	     qos_json_int(thread, "tid", 0), qos_json_text(thread, "comm", "?"),
	     qos_json_text(thread, "contract", "-"), qos_json_text(thread, "stream", "-"));
	print_sched(out, '-', json_object_get(thread, "before"));
	print_sched(out, '+', json_object_get(thread, "after"));
}

static void print_link(const struct qos_out *out, const json_t *link)
{
	const char *before = qos_json_text(link, "before", "-");
	const char *after = qos_json_text(link, "after", "-");
	const json_t *class;
	size_t i;

	line(out, '~', 1, "interface %s", qos_json_text(link, "interface", "-"));
	if (strcmp(before, after)) {
		line(out, '-', 3, "queue %s", before);
		line(out, '+', 3, "queue %s", after);
	}
	json_array_foreach(json_object_get(link, "classes"), i, class)
		line(out, sign_of(class), 3, "class %s%s%s/%s", qos_json_text(class, "class", ""),
		     qos_json_text(class, "class", NULL) ? " " : "",
		     qos_json_text(class, "contract", "-"), qos_json_text(class, "stream", "-"));
}

void qos_out_plan(const struct qos_out *out, const json_t *plan)
{
	const json_t *contracts = json_object_get(plan, "contracts");
	const json_t *threads = json_object_get(plan, "threads");
	const json_t *links = json_object_get(plan, "links");
	size_t n = json_array_size(threads), n_links = json_array_size(links), changed = 0, i;
	const json_t *item;

	json_array_foreach(contracts, i, item) {
		print_contract(out, item);
		changed += contract_sign(item) != '!';
	}
	json_array_foreach(threads, i, item)
		print_thread(out, item);
	json_array_foreach(links, i, item)
		print_link(out, item);
	if (!changed && !n && !n_links)
		fputs("nothing would change", out->file);
	else
		fprintf(out->file, "%zu contract%s, %zu thread%s and %zu interface%s would change",
			changed, qos_out_plural(changed), n, qos_out_plural(n), n_links,
			qos_out_plural(n_links));
	fprintf(out->file, "; contracts that go on: %" PRId64 "\n",
		qos_json_int(plan, "unchanged", 0));
}
