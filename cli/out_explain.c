/* SPDX-License-Identifier: GPL-2.0-only */
/* `explain`: whose it is and by which line, then how it should be and how it is. */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#include "out_sched.h"

/* "camera.yaml:8:5: unit: camera.service" */
static void print_place(const struct qos_out *out, const char *label, const json_t *place,
			const char *before, const char *behind)
{
	if (!json_is_object(place))
		return;
	qos_out_fact(out, QOS_PLAIN, label, "%s%s:%" PRId64 ":%" PRId64 ": %s%s", before,
		     qos_json_text(place, "file", "-"), qos_json_int(place, "line", 0),
		     qos_json_int(place, "col", 0), qos_json_text(place, "text", "-"), behind);
}

static void print_losers(const struct qos_out *out, const json_t *losers)
{
	const json_t *loser;
	size_t i;

	json_array_foreach(losers, i, loser) {
		char before[96];

		snprintf(before, sizeof(before),
			 "%s, by its %s (%" PRId64 "): ", qos_json_text(loser, "contract", "-"),
			 qos_json_text(loser, "because", "-"),
			 qos_json_int(loser, "importance", 0));
		print_place(out, i ? "" : "lost to it", json_object_get(loser, "match"), before,
			    "");
	}
}

static void print_nearest(const struct qos_out *out, const json_t *nearest)
{
	const json_t *near;
	size_t i;

	json_array_foreach(nearest, i, near) {
		int64_t missing = qos_json_int(near, "missing", 0);
		char before[64], behind[64] = " does not hold";

		snprintf(before, sizeof(before), "%s: ", qos_json_text(near, "contract", "-"));
		if (missing > 1)
			snprintf(behind, sizeof(behind), " does not hold, nor %s %" PRId64 " more",
				 missing == 2 ? "does" : "do", missing - 1);
		print_place(out, i ? "" : "nearest", json_object_get(near, "condition"), before,
			    behind);
	}
}

static void print_idle(const struct qos_out *out, const json_t *idle)
{
	const json_t *contract;
	size_t i;

	json_array_foreach(idle, i, contract) {
		const char *reason = qos_json_text(contract, "reason", NULL);

		qos_out_fact(out, QOS_WARN, i ? "" : "would match", "%s, which is %s%s%s",
			     qos_json_text(contract, "contract", "-"),
			     qos_json_text(contract, "state", "-"), reason ? ": " : "",
			     reason ? reason : "");
	}
}

static void print_sched(const struct qos_out *out, enum qos_paint paint, const char *label,
			const json_t *sched)
{
	char text[QOS_OUT_SCHED_MAX];

	if (json_is_object(sched))
		qos_out_fact(out, paint, label, "%s", qos_out_sched(text, sizeof(text), sched));
}

static void print_scheduling(const struct qos_out *out, const json_t *thread)
{
	const json_t *wanted = json_object_get(thread, "wanted");
	const json_t *actual = json_object_get(thread, "actual");
	bool differs = json_is_object(wanted) && !json_equal(wanted, actual) &&
		       strcmp(qos_json_text(wanted, "policy", ""), "dwcs") != 0;

	print_sched(out, QOS_PLAIN, "wanted", wanted);
	print_sched(out, differs ? QOS_WARN : QOS_PLAIN, "actual", actual);
	if (qos_json_bool(thread, "drift"))
		qos_out_fact(out, QOS_WARN, "drift", "somebody else changed it: %s",
			     qos_json_text(thread, "changed_by", "who is not known"));
	if (qos_json_bool(thread, "demoted"))
		qos_out_fact(out, QOS_WARN, "demoted", "%s",
			     "it used up its budget, until its next period");
	if (json_is_object(wanted))
		print_sched(out, QOS_PLAIN, "without qosd",
			    json_object_get(thread, "without_qosd"));
}

static void print_thread(const struct qos_out *out, const json_t *thread)
{
	const char *contract = qos_json_text(thread, "contract", NULL);
	const char *stream = qos_json_text(thread, "stream", NULL);
	const char *why = qos_json_text(thread, "why", NULL);
	size_t n = json_array_size(json_object_get(thread, "threads"));

	qos_out_paint(out, QOS_BOLD, qos_json_text(thread, "comm", "?"));
	fprintf(out->file, ": thread %" PRId64 " of process %" PRId64,
		qos_json_int(thread, "tid", 0), qos_json_int(thread, "pid", 0));
	if (n > 1)
		fprintf(out->file, ", which has %zu threads", n);
	fputc('\n', out->file);
	if (contract)
		qos_out_fact(out, QOS_PLAIN, "contract", "%s%s%s", contract, stream ? "/" : "",
			     stream ? stream : "");
	if (why)
		qos_out_fact(out, QOS_WARN,
			     qos_json_bool(thread, "managed") ? "but" : "not managed", "%s", why);
	print_place(out, "matched by", json_object_get(thread, "match"), "", "");
	print_place(out, "stream by", json_object_get(thread, "stream_at"), "", "");
	print_losers(out, json_object_get(thread, "losers"));
	print_nearest(out, json_object_get(thread, "nearest"));
	print_idle(out, json_object_get(thread, "not_in_force"));
	print_scheduling(out, thread);
}

static void print_process(const struct qos_out *out, const json_t *process, bool first)
{
	const char *lost_to = qos_json_text(process, "lost_to", NULL);
	char before[64], behind[128] = "";

	snprintf(before, sizeof(before), "%" PRId64 " %s: ", qos_json_int(process, "pid", 0),
		 qos_json_text(process, "comm", "?"));
	if (lost_to)
		snprintf(behind, sizeof(behind), ", but %s has it, by its %s", lost_to,
			 qos_json_text(process, "because", "-"));
	print_place(out, first ? "processes" : "", json_object_get(process, "match"), before,
		    behind);
}

static void print_contract(const struct qos_out *out, const json_t *contract)
{
	const char *reason = qos_json_text(contract, "reason", NULL);
	const json_t *matching = json_object_get(contract, "matching"); /* null: nobody looked */
	const json_t *item;
	size_t i;

	qos_out_paint(out, QOS_BOLD, qos_json_text(contract, "contract", "-"));
	fprintf(out->file, ": %s\n", qos_json_text(contract, "state", "-"));
	if (reason)
		qos_out_fact(out, QOS_WARN, "because", "%s", reason);
	print_place(out, "match", json_object_get(contract, "match"), "", "");
	json_array_foreach(json_object_get(contract, "streams"), i, item) {
		qos_out_fact(
			out, QOS_PLAIN, i ? "" : "streams",
			"%s: %s, %s (%s), %" PRId64 " of at most %" PRId64 " threads managed%s",
			qos_json_text(item, "stream", "-"), qos_json_text(item, "policy", "-"),
			qos_json_text(item, "guarantee", "-"), qos_json_text(item, "test", "-"),
			qos_json_int(item, "managed", 0), qos_json_int(item, "max_threads", 0),
			qos_json_int(item, "unmanaged", 0) ? ", others fit too" : "");
	}
	json_array_foreach(json_object_get(contract, "processes"), i, item)
		print_process(out, item, !i);
	if (json_is_integer(matching) && !json_integer_value(matching))
		qos_out_fact(out, QOS_WARN, "processes", "none that runs matches");
}

static void print_class(const struct qos_out *out, const json_t *class)
{
	const char *problem = qos_json_text(class, "problem", NULL);
	bool well = qos_json_bool(class, "set") && !qos_json_bool(class, "drift");

	if (!json_is_object(class))
		return;
	qos_out_fact(out, well ? QOS_PLAIN : QOS_WARN, "",
		     "class %s: queue wanted %s, actual %s%s%s", qos_json_text(class, "class", "-"),
		     qos_json_text(class, "wanted", "-"), qos_json_text(class, "actual", "-"),
		     qos_json_bool(class, "drift") ? "; somebody else changed it: who is not known"
						   : "",
		     qos_json_bool(class, "has_flows") ? "" : "; no packet is known to be its own");
	if (problem)
		qos_out_fact(out, QOS_BAD, "", "%s", problem);
}

static void print_streams(const struct qos_out *out, const char *label, const json_t *streams,
			  bool others)
{
	const json_t *stream;
	size_t i;

	json_array_foreach(streams, i, stream) {
		const json_t *place = json_object_get(stream, "match");
		const char *condition = qos_json_text(stream, "if", NULL);

		qos_out_fact(out, QOS_PLAIN, i ? "" : label,
			     "%s/%s on %s: %s:%" PRId64 ":%" PRId64 "%s%s%s%s",
			     qos_json_text(stream, "contract", "-"),
			     qos_json_text(stream, "stream", "-"),
			     qos_json_text(stream, "interface", "-"),
			     qos_json_text(place, "file", "-"), qos_json_int(place, "line", 0),
			     qos_json_int(place, "col", 0), condition && *condition ? ", if " : "",
			     condition ? condition : "", others ? ": " : "",
			     others ? qos_json_text(place, "text", "-") : "");
		if (!others)
			print_class(out, json_object_get(stream, "class"));
	}
}

static void print_flow(const struct qos_out *out, const json_t *flow)
{
	const json_t *streams = json_object_get(flow, "streams");

	qos_out_paint(out, QOS_BOLD, qos_json_text(flow, "flow", "-"));
	fprintf(out->file, ": %s\n",
		json_array_size(streams) ? "the first of these whose condition holds has it"
					 : "no stream in force has such packets");
	print_streams(out, "stream", streams, false);
	print_streams(out, "differs in", json_object_get(flow, "others"), true);
}

static void print_class_of(const struct qos_out *out, const json_t *class)
{
	qos_out_paint(out, QOS_BOLD, qos_json_text(class, "interface", "-"));
	fputs(": a class of qosd\n", out->file);
	print_streams(out, "stream", json_object_get(class, "streams"), false);
}

void qos_out_explain(const struct qos_out *out, const json_t *explain)
{
	static const struct {
		const char *kind;
		void (*print)(const struct qos_out *out, const json_t *explain);
	} kinds[] = {{"thread", print_thread},
		     {"contract", print_contract},
		     {"flow", print_flow},
		     {"class", print_class_of}};
	const char *kind = qos_json_text(explain, "kind", "");

	for (size_t i = 0; i < QOS_ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].kind, kind))
			kinds[i].print(out, explain);
	}
}
