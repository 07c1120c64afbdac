/* SPDX-License-Identifier: GPL-2.0-only */
/* `simulate` for people: the verdict, the CPUs, a row a thread. */
#include <inttypes.h>
#include <string.h>

#include "columns.h"
#include "out.h"

static void verdict(const struct qos_out *out, const json_t *document)
{
	char span[QOS_OUT_NUMBER_MAX], text[160];
	bool kept = qos_json_bool(document, "kept");
	const char *words = json_is_null(json_object_get(document, "kept"))
				    ? "too short for some windows to end"
				    : "windows break, or a thread finds no room";

	snprintf(text, sizeof(text), "%s: %s, worst of %" PRId64 " phases, %s",
		 kept ? "all windows kept" : words,
		 qos_out_duration(span, sizeof(span), qos_json_int(document, "for_ns", 0)),
		 qos_json_int(document, "phases", 0), qos_json_text(document, "ordering", "-"));
	qos_out_paint(out, kept ? QOS_GOOD : QOS_BAD, text);
	fputs("\n", out->file);
}

static void cpus(const struct qos_out *out, const json_t *document)
{
	json_t *cpu;
	size_t i;

	json_array_foreach(json_object_get(document, "cpus"), i, cpu) {
		if (!qos_json_int(cpu, "threads", 0))
			continue;
		fprintf(out->file,
			"CPU %" PRId64 ": %.1f %% must be served of %.1f %% asked for; proof: %s\n",
			qos_json_int(cpu, "cpu", 0),
			100 * json_real_value(json_object_get(cpu, "minimum_utilisation")),
			100 * json_real_value(json_object_get(cpu, "demand")),
			qos_json_text(cpu, "proof", "none"));
	}
	fputs("\n", out->file);
}

static void count(struct qos_columns *table, const json_t *thread, const char *key,
		  enum qos_paint if_any)
{
	int64_t n = qos_json_int(thread, key, 0);

	qos_columns_cell(table, n ? if_any : QOS_PLAIN, "%" PRId64, n);
}

static void row(struct qos_columns *table, const json_t *thread)
{
	char response[QOS_OUT_NUMBER_MAX];
	const json_t *cpu = json_object_get(thread, "cpu");

	qos_columns_cell(table, QOS_PLAIN, "%s.%s", qos_json_text(thread, "contract", "-"),
			 qos_json_text(thread, "stream", "-"));
	if (json_is_integer(cpu))
		qos_columns_cell(table, QOS_PLAIN, "%" PRId64, (int64_t)json_integer_value(cpu));
	else
		qos_columns_cell(table, QOS_BAD, "none");
	qos_columns_cell(table, QOS_PLAIN, "%s", qos_json_text(thread, "guarantee", "-"));
	count(table, thread, "windows", QOS_PLAIN);
	count(table, thread, "violations", QOS_BAD);
	count(table, thread, "late_skipping", QOS_PLAIN);
	count(table, thread, "late_never_skipping", QOS_PLAIN);
	qos_columns_cell(table, QOS_PLAIN, "%s",
			 qos_out_duration(response, sizeof(response),
					  qos_json_int(thread, "response_max_ns", 0)));
}

void qos_out_simulate(const struct qos_out *out, const json_t *simulate)
{
	static const struct qos_column columns[] = {{"STREAM", .flex = true},
						    {"CPU"},
						    {"GUARANTEE"},
						    {"WINDOWS", .right = true},
						    {"BROKEN", .right = true},
						    {"LATE", .right = true},
						    {"BACKLOG", .right = true},
						    {"RESPONSE", .right = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	json_t *thread;
	size_t i;

	verdict(out, simulate);
	cpus(out, simulate);
	json_array_foreach(json_object_get(simulate, "threads"), i, thread)
		row(&table, thread);
	qos_columns_print(&table, out, 0);
	qos_out_lines(
		out, 0,
		"LATE: late jobs of a program that skips what it is too late for; BACKLOG: of one "
		"that never skips.");
}
