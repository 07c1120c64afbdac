/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `show`: one contract, stream by stream. The scheduler's side (requests) and the program's side
 * (jobs) stand on lines of their own, since a lost request removes no work.
 */
#include "out.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "columns.h"

static const char *duration_of(char *buf, const json_t *object, const char *key)
{
	if (!json_is_number(json_object_get(object, key)))
		return "-";
	return qos_out_duration(buf, QOS_OUT_NUMBER_MAX, qos_json_int(object, key, 0));
}

static void print_head(const struct qos_out *out, const json_t *show)
{
	const char *state = qos_json_text(show, "state", "-");
	const char *description = qos_json_text(show, "description", NULL);
	const char *reason = qos_json_text(show, "reason", NULL);
	bool in_force = !strcmp(state, "in-force");

	qos_out_paint(out, QOS_BOLD, qos_json_text(show, "contract", "-"));
	fputs(": ", out->file);
	qos_out_paint(out, in_force ? QOS_GOOD : QOS_BAD, in_force ? "in force" : state);
	fprintf(out->file, ", %s (accepts %s), importance %" PRId64 "\n",
		qos_json_text(show, "guarantee", "no guarantee"),
		qos_json_text(show, "accept", "-"), qos_json_int(show, "importance", 0));
	if (description)
		qos_out_lines(out, 2, description);
	if (reason)
		qos_out_lines(out, 2, reason);
	qos_out_fact(out, QOS_PLAIN, "file", "%s", qos_json_text(show, "file", "-"));
}

static void print_wish(const struct qos_out *out, const json_t *stream)
{
	const char *policy = qos_json_text(stream, "policy", "none");
	char period[QOS_OUT_NUMBER_MAX], deadline[QOS_OUT_NUMBER_MAX];

	fputs("\nstream ", out->file);
	qos_out_paint(out, QOS_BOLD, qos_json_text(stream, "stream", "-"));
	if (!strcmp(qos_json_text(stream, "manage", ""), "observe"))
		fputs(": observed only", out->file);
	else
		fprintf(out->file, ": policy %s on CPUs %s", policy,
			qos_json_text(stream, "cpus", "-"));
	if (!strcmp(policy, "fifo"))
		fprintf(out->file, ", priority %" PRId64, qos_json_int(stream, "priority", 0));
	fputc('\n', out->file);
	qos_out_fact(out, QOS_PLAIN, "asks for", "period %s, deadline %s, window %s",
		     duration_of(period, stream, "period_ns"),
		     duration_of(deadline, stream, "deadline_ns"),
		     qos_json_text(stream, "window", "-"));
}

static void print_runtime(const struct qos_out *out, const json_t *stream)
{
	const json_t *runtime = json_object_get(stream, "runtime");
	const json_t *range = json_object_get(runtime, "range_ns");
	char buf[6][QOS_OUT_NUMBER_MAX];
	char range_text[2 * QOS_OUT_NUMBER_MAX + 16] = "";

	if (json_array_size(range) == 2)
		snprintf(range_text, sizeof(range_text), ", range %s..%s",
			 qos_out_duration(buf[4], sizeof(buf[4]),
					  json_integer_value(json_array_get(range, 0))),
			 qos_out_duration(buf[5], sizeof(buf[5]),
					  json_integer_value(json_array_get(range, 1))));
	qos_out_fact(out, QOS_PLAIN, "runtime",
		     "contract %s, guaranteed %s, granted %s, wanted %s%s",
		     duration_of(buf[0], runtime, "contract_ns"),
		     duration_of(buf[1], runtime, "guaranteed_ns"),
		     duration_of(buf[2], runtime, "granted_ns"),
		     duration_of(buf[3], runtime, "wanted_ns"), range_text);
}

static void print_promise(const struct qos_out *out, const json_t *stream)
{
	bool bounded = json_is_integer(json_object_get(stream, "response_bound_ns"));
	char buf[QOS_OUT_NUMBER_MAX];

	qos_out_fact(out, QOS_PLAIN, "guarantee", "%s (test: %s)%s%s",
		     qos_json_text(stream, "guarantee", "none"),
		     qos_json_text(stream, "test", "none"),
		     bounded ? ", a job's response at most " : "",
		     bounded ? duration_of(buf, stream, "response_bound_ns") : "");
}

static void print_override(const struct qos_out *out, const json_t *override)
{
	bool timed = json_is_number(json_object_get(override, "left_s"));
	char value[QOS_OUT_NUMBER_MAX], left[QOS_OUT_NUMBER_MAX];

	if (!json_is_object(override))
		return;
	qos_out_age(left, sizeof(left), qos_json_int(override, "left_s", 0));
	qos_out_fact(out, QOS_WARN, "override", "runtime %s by a person, %s%s",
		     duration_of(value, override, "value_ns"),
		     timed ? left : "until `qosctl revert`", timed ? " left" : "");
}

/* One line a thread: names may be long, and marks must be seen. */
static void print_threads(const struct qos_out *out, const json_t *stream)
{
	const json_t *threads = json_object_get(stream, "threads");
	int64_t unmanaged = qos_json_int(stream, "unmanaged_threads", 0);
	const json_t *thread;
	size_t i;

	if (!json_array_size(threads))
		qos_out_fact(out, QOS_PLAIN, "threads", "none is running");
	json_array_foreach(threads, i, thread) {
		bool demoted = qos_json_bool(thread, "demoted");
		bool drift = qos_json_bool(thread, "drift");

		qos_out_fact(out, demoted || drift ? QOS_WARN : QOS_PLAIN, i ? "" : "threads",
			     "%" PRId64 " %s%s%s", qos_json_int(thread, "tid", 0),
			     qos_json_text(thread, "comm", "?"),
			     demoted ? ", demoted until its next period" : "",
			     drift ? ", changed by somebody else" : "");
	}
	if (unmanaged)
		qos_out_fact(out, QOS_WARN, "", "%" PRId64 " more fit, but are not managed",
			     unmanaged);
}

static void print_counters(const struct qos_out *out, const json_t *stats)
{
	int64_t violations = qos_json_int(stats, "violations", 0);

	qos_out_fact(out, QOS_PLAIN, "jobs",
		     "%" PRId64 ", late %" PRId64 ", woken too late %" PRId64,
		     qos_json_int(stats, "jobs", 0), qos_json_int(stats, "late", 0),
		     qos_json_int(stats, "latency_passed", 0));
	qos_out_fact(out, QOS_PLAIN, "requests",
		     "served %" PRId64 ", lost %" PRId64 ", overrun %" PRId64,
		     qos_json_int(stats, "served", 0), qos_json_int(stats, "lost", 0),
		     qos_json_int(stats, "overruns", 0));
	qos_out_fact(out, violations ? QOS_BAD : QOS_PLAIN, "windows",
		     "%" PRId64 ", violated %" PRId64, qos_json_int(stats, "windows", 0),
		     violations);
}

static void quantile_cell(struct qos_columns *table, const json_t *object, const char *key)
{
	const json_t *us = json_object_get(object, key);
	char buf[QOS_OUT_NUMBER_MAX];

	if (!json_is_number(us)) {
		qos_columns_cell(table, QOS_PLAIN, "-");
		return;
	}
	qos_columns_cell(
		table, QOS_PLAIN, "%s",
		qos_out_duration(buf, sizeof(buf), (int64_t)(json_number_value(us) * 1000.0)));
}

static void print_quantiles(const struct qos_out *out, const json_t *stats)
{
	static const struct qos_column columns[] = {{"TIME"},
						    {"P01", .right = true},
						    {"P50", .right = true},
						    {"P99", .right = true},
						    {"MAX", .right = true}};
	static const char *const rows[][2] = {{"response_us", "response"},
					      {"slack_us", "slack"},
					      {"used_us", "used"},
					      {"latency_us", "latency"}};
	static const char *const keys[] = {"p01", "p50", "p99", "max"};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);

	for (size_t i = 0; i < QOS_ARRAY_SIZE(rows); i++) {
		const json_t *object = json_object_get(stats, rows[i][0]);

		qos_columns_cell(&table, QOS_PLAIN, "%s", rows[i][1]);
		for (size_t k = 0; k < QOS_ARRAY_SIZE(keys); k++)
			quantile_cell(&table, object, keys[k]);
	}
	qos_columns_print(&table, out, 2);
}

static void print_netlink(const struct qos_out *out, const json_t *netlink)
{
	char ran[QOS_OUT_NUMBER_MAX], waited[QOS_OUT_NUMBER_MAX];

	if (!json_is_object(netlink))
		return;
	qos_out_fact(out, QOS_PLAIN, "netlink",
		     "ran %s, waited %s, switches %" PRId64 " wanted, %" PRId64 " forced",
		     duration_of(ran, netlink, "cpu_run_ns"),
		     duration_of(waited, netlink, "cpu_delay_ns"),
		     qos_json_int(netlink, "voluntary_switches", 0),
		     qos_json_int(netlink, "involuntary_switches", 0));
}

static void print_stream(const struct qos_out *out, const json_t *stream)
{
	const json_t *stats = json_object_get(stream, "stats");

	print_wish(out, stream);
	print_runtime(out, stream);
	print_promise(out, stream);
	print_override(out, json_object_get(stream, "override"));
	print_threads(out, stream);
	if (json_is_object(stats)) {
		print_counters(out, stats);
		print_quantiles(out, stats);
	}
	print_netlink(out, json_object_get(stream, "netlink"));
}

static void print_net_counters(const struct qos_out *out, const json_t *stats)
{
	int64_t violations = qos_json_int(stats, "violations", 0);

	qos_out_fact(out, QOS_PLAIN, "packets",
		     "sent %" PRId64 " (%" PRId64 " bytes), dropped %" PRId64 ", late %" PRId64
		     ", waiting %" PRId64 " bytes",
		     qos_json_int(stats, "sent_packets", 0), qos_json_int(stats, "sent_bytes", 0),
		     qos_json_int(stats, "dropped", 0), qos_json_int(stats, "late", 0),
		     qos_json_int(stats, "backlog_bytes", 0));
	qos_out_fact(out, violations ? QOS_BAD : QOS_PLAIN, "windows",
		     "%" PRId64 ", violated %" PRId64 " (counted by the %s)",
		     qos_json_int(stats, "windows", 0), violations,
		     qos_json_text(stats, "windows_by", "turn"));
}

static void print_net_promise(const struct qos_out *out, const json_t *stream)
{
	bool bounded = json_is_integer(json_object_get(stream, "delay_bound_ns"));
	char delay[QOS_OUT_NUMBER_MAX];

	qos_out_fact(out, QOS_PLAIN, "rate",
		     "contract %" PRId64 " bit/s, guaranteed %" PRId64 " bit/s, manager %s",
		     qos_json_int(stream, "rate_bps", 0), qos_json_int(stream, "guaranteed_bps", 0),
		     qos_json_text(stream, "manager", "-"));
	qos_out_fact(out, QOS_PLAIN, "guarantee", "%s (test: %s)%s%s",
		     qos_json_text(stream, "guarantee", "none"),
		     qos_json_text(stream, "test", "none"),
		     bounded ? ", a packet waits at most " : "",
		     bounded ? duration_of(delay, stream, "delay_bound_ns") : "");
}

static void print_sockets(const struct qos_out *out, const json_t *sockets)
{
	char rtt[QOS_OUT_NUMBER_MAX];

	if (!qos_json_int(sockets, "n", 0))
		return;
	qos_out_fact(out, QOS_PLAIN, "sockets",
		     "%" PRId64 " TCP, round trip at most %s, retransmitted %" PRId64
		     " packets, delivering %" PRId64 " bit/s",
		     qos_json_int(sockets, "n", 0), duration_of(rtt, sockets, "rtt_max_ns"),
		     qos_json_int(sockets, "retransmits", 0),
		     qos_json_int(sockets, "delivery_bps", 0));
}

static void print_network(const struct qos_out *out, const json_t *network)
{
	const json_t *stream;
	size_t i;

	json_array_foreach(network, i, stream) {
		fprintf(out->file, "\nnetwork stream %s on %s: %s\n",
			qos_json_text(stream, "stream", "-"),
			qos_json_text(stream, "interface", "-"),
			qos_json_text(stream, "state", "-"));
		if (json_object_get(stream, "manager"))
			print_net_promise(out, stream);
		if (json_is_object(json_object_get(stream, "stats")))
			print_net_counters(out, json_object_get(stream, "stats"));
		print_sockets(out, json_object_get(stream, "sockets"));
	}
}

static void time_cell(struct qos_columns *table, const json_t *adaptation)
{
	char text[QOS_OUT_NUMBER_MAX];

	qos_columns_cell(table, QOS_PLAIN, "%s",
			 qos_out_moment(text, sizeof(text), qos_json_int(adaptation, "at", 0)));
}

/* The refusals that there were, by cause. */
static void print_refused(const struct qos_out *out, const json_t *refused)
{
	const char *cause, *before = "";
	const json_t *n;

	json_object_foreach((json_t *)refused, cause, n) {
		if (!json_integer_value(n))
			continue;
		fprintf(out->file, "%s%lld %s", before, (long long)json_integer_value(n), cause);
		before = ", ";
	}
	fputs(*before ? "\n" : "none\n", out->file);
}

static void print_rules(const struct qos_out *out, const json_t *rules)
{
	const char *cause = qos_json_text(rules, "cause", "");
	const json_t *ns = json_object_get(rules, "ns_a_run");

	if (!json_is_object(rules))
		return;
	fprintf(out->file, "\nrules: %s%s%s\n", qos_json_text(rules, "state", "-"),
		*cause ? ", " : "", cause);
	if (!ns)
		return;
	fprintf(out->file, "  runs         %lld, %.0fns a run\n",
		(long long)qos_json_int(rules, "runs", 0), json_number_value(ns));
	fprintf(out->file, "  requests     %lld, set %lld, signals %lld\n",
		(long long)qos_json_int(rules, "requests", 0),
		(long long)qos_json_int(rules, "set", 0),
		(long long)qos_json_int(rules, "signals", 0));
	fputs("  refused      ", out->file);
	print_refused(out, json_object_get(rules, "refused"));
}

static void print_adaptations(const struct qos_out *out, const json_t *adaptations)
{
	static const struct qos_column columns[] = {{"ADAPTED"},
						    {"RUNTIME OF"},
						    {"FROM", .right = true},
						    {"TO", .right = true},
						    {"SIGNAL", .right = true},
						    {"BY"},
						    {"REASON", .flex = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	char buf[QOS_OUT_NUMBER_MAX];
	const json_t *item;
	size_t i;

	if (!json_array_size(adaptations))
		return;
	json_array_foreach(adaptations, i, item) {
		time_cell(&table, item);
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "stream", "-"));
		qos_columns_cell(&table, QOS_PLAIN, "%s", duration_of(buf, item, "old_ns"));
		qos_columns_cell(&table, QOS_PLAIN, "%s", duration_of(buf, item, "new_ns"));
		qos_columns_cell(&table, QOS_PLAIN, "%s", duration_of(buf, item, "signal_ns"));
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "by", "-"));
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(item, "reason", "-"));
	}
	fputc('\n', out->file);
	qos_columns_print(&table, out, 0);
}

void qos_out_show(const struct qos_out *out, const json_t *show)
{
	const json_t *diagnostics = json_object_get(show, "diagnostics");
	const json_t *stream;
	size_t i;

	print_head(out, show);
	json_array_foreach(json_object_get(show, "streams"), i, stream)
		print_stream(out, stream);
	print_network(out, json_object_get(show, "network"));
	print_rules(out, json_object_get(show, "rules"));
	print_adaptations(out, json_object_get(show, "adaptations"));
	if (json_array_size(diagnostics))
		fputc('\n', out->file);
	qos_out_diagnostics(out, diagnostics);
}
