/* SPDX-License-Identifier: GPL-2.0-only */
/* `doctor`: what the kernel has and lacks, what each lack costs, the remedy; and the errno table. */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#include "columns.h"

static enum qos_paint state_paint(const json_t *feature)
{
	const char *state = qos_json_text(feature, "state", "");

	if (!strcmp(state, "present"))
		return QOS_GOOD;
	return qos_json_bool(feature, "needed") ? QOS_BAD : QOS_WARN;
}

static void print_advice(const struct qos_out *out, const char *label, const char *text)
{
	_cleanup_free_ char *line = NULL;

	if (*text && asprintf(&line, "%s %s", label, text) >= 0)
		qos_out_lines(out, 10, line);
}

static void print_feature(const struct qos_out *out, const json_t *feature)
{
	const char *state = qos_json_text(feature, "state", "unknown");
	bool present = !strcmp(state, "present");
	char tag[16];

	snprintf(tag, sizeof(tag), "%s", present ? "ok" : state);
	fputs("[", out->file);
	qos_out_paint(out, state_paint(feature), tag);
	fprintf(out->file, "]%*s", (int)(strlen(tag) < 8 ? 8 - strlen(tag) : 1), "");
	fprintf(out->file, "%-17s %s%s\n", qos_json_text(feature, "feature", "-"),
		qos_json_text(feature, "config", ""),
		!present && qos_json_bool(feature, "needed") ? " (needed)" : "");
	if (present || out->quiet)
		return;
	print_advice(out, "what:", qos_json_text(feature, "what", ""));
	print_advice(out, "found:", qos_json_text(feature, "found", ""));
	print_advice(out, "cost:", qos_json_text(feature, "cost", ""));
	print_advice(out, "remedy:", qos_json_text(feature, "remedy", ""));
}

static void print_limits(const struct qos_out *out, const json_t *capacity)
{
	int64_t rt_runtime = qos_json_int(capacity, "rt_runtime_us", 0);
	char runtime[QOS_OUT_NUMBER_MAX], period[QOS_OUT_NUMBER_MAX];

	if (rt_runtime < 0)
		qos_out_fact(out, QOS_PLAIN, "RT limit", "none (kernel.sched_rt_runtime_us = -1)");
	else
		qos_out_fact(out, QOS_PLAIN, "RT limit",
			     "%" PRId64 " us of %" PRId64 " us (kernel.sched_rt_runtime_us)",
			     rt_runtime, qos_json_int(capacity, "rt_period_us", 0));
	if (!qos_json_int(capacity, "fair_period_ns", 0))
		qos_out_fact(out, QOS_PLAIN, "fair server", "none, or not to be read");
	else
		qos_out_fact(out, QOS_PLAIN, "fair server", "%s of %s",
			     qos_out_duration(runtime, sizeof(runtime),
					      qos_json_int(capacity, "fair_runtime_ns", 0)),
			     qos_out_duration(period, sizeof(period),
					      qos_json_int(capacity, "fair_period_ns", 0)));
}

#define DEAR_NS 10000 /* a short `runtime` is then charged several times itself */

static void print_sampling(const struct qos_out *out, const json_t *capacity)
{
	int64_t cost = qos_json_int(capacity, "sample_cost_ns", 0);
	char text[QOS_OUT_NUMBER_MAX];

	qos_out_fact(out, QOS_PLAIN, "sampling", "%s for each look at a thread's budget",
		     qos_out_duration(text, sizeof(text), cost));
	if (cost >= DEAR_NS)
		qos_out_fact(out, QOS_WARN, "",
			     "timer interrupts are dear here, as in most virtual machines: "
			     "admission charges each job some hundred microseconds for being cut "
			     "in time, so few long jobs need less than many short ones");
}

static void print_capacity(const struct qos_out *out, const json_t *capacity)
{
	const char *isolated = qos_json_text(capacity, "isolated", "");
	char cap[QOS_OUT_NUMBER_MAX], taken[QOS_OUT_NUMBER_MAX];

	qos_out_tenths(cap, sizeof(cap), json_object_get(capacity, "cap_percent"));
	qos_out_tenths(taken, sizeof(taken), json_object_get(capacity, "dl_foreign_percent"));
	qos_out_fact(out, QOS_PLAIN, "CPUs", "online %s, isolated %s",
		     qos_json_text(capacity, "cpus", "?"), *isolated ? isolated : "none");
	qos_out_fact(out, QOS_PLAIN, "cap", "%s %% of each CPU (%s); others' SCHED_DEADLINE: %s %%",
		     cap, qos_json_text(capacity, "cap_reason", "?"), taken);
	print_limits(out, capacity);
	print_sampling(out, capacity);
}

static void print_foreign(const struct qos_out *out, const json_t *foreign)
{
	static const struct qos_column columns[] = {
		{"OTHER RT WORK", .flex = true}, {"TID", .right = true},    {"POLICY"},
		{"PRIORITY", .right = true},	 {"USED %", .right = true}, {"CPUS"}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	char used[QOS_OUT_NUMBER_MAX];
	const json_t *item;
	size_t i;

	json_array_foreach(foreign, i, item) {
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "comm", "?"));
		qos_columns_cell(&table, QOS_PLAIN, "%" PRId64, qos_json_int(item, "tid", 0));
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "policy", "?"));
		qos_columns_cell(&table, QOS_PLAIN, "%" PRId64, qos_json_int(item, "priority", 0));
		qos_columns_cell(
			&table, QOS_PLAIN, "%s",
			qos_out_tenths(used, sizeof(used), json_object_get(item, "used_percent")));
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "cpus", "?"));
	}
	if (!json_array_size(foreign))
		return;
	fputc('\n', out->file);
	qos_columns_print(&table, out, 2);
}

static void print_daemon(const struct qos_out *out, const json_t *daemon)
{
	const json_t *problem;
	size_t i;

	if (!qos_json_bool(daemon, "running")) {
		qos_out_fact(out, QOS_WARN, "daemon", "%s",
			     qos_json_text(daemon, "why", "not running"));
		return;
	}
	qos_out_fact(out, QOS_PLAIN, "daemon", "answers, state %s",
		     qos_json_text(daemon, "state", "?"));
	json_array_foreach(json_object_get(daemon, "problems"), i, problem)
		qos_out_fact(out, QOS_WARN, "", "%s: %s",
			     qos_json_text(problem, "severity", "error"),
			     qos_json_text(problem, "text", ""));
}

static void print_bus(const struct qos_out *out, const json_t *bus)
{
	const char *cost = qos_json_text(bus, "cost", "");

	qos_out_fact(out, *cost ? QOS_WARN : QOS_PLAIN, "system bus", "%s",
		     qos_json_text(bus, "found", "?"));
	if (!*cost || out->quiet)
		return;
	qos_out_fact(out, QOS_PLAIN, "", "cost: %s", cost);
	qos_out_fact(out, QOS_PLAIN, "", "remedy: %s", qos_json_text(bus, "remedy", ""));
}

void qos_out_doctor(const struct qos_out *out, const json_t *doctor)
{
	const json_t *feature;
	size_t i;

	qos_out_paint(out, qos_json_bool(doctor, "ok") ? QOS_GOOD : QOS_BAD,
		      qos_json_text(doctor, "verdict", "-"));
	fprintf(out->file, "\n\nkernel %s\n", qos_json_text(doctor, "release", "?"));
	json_array_foreach(json_object_get(doctor, "features"), i, feature)
		print_feature(out, feature);
	fputc('\n', out->file);
	print_capacity(out, json_object_get(doctor, "capacity"));
	print_daemon(out, json_object_get(doctor, "daemon"));
	print_bus(out, json_object_get(doctor, "bus"));
	print_foreign(out, json_object_get(doctor, "foreign"));
}

void qos_out_errors(const struct qos_out *out, const json_t *errors)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(errors, "errors"), i, row) {
		qos_out_paint(out, QOS_BOLD, qos_json_text(row, "call", "-"));
		fprintf(out->file, ": %s\n", qos_json_text(row, "name", "-"));
		print_advice(out, "cause:", qos_json_text(row, "cause", ""));
		print_advice(out, "remedy:", qos_json_text(row, "remedy", ""));
	}
}
