/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `report`: the last hours of contracts. The points of a series become at most ROWS_MAX rows of about the
 * same time; the page of --html (report_page.c) has them all.
 */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#include "columns.h"
#include "report_parts.h"

#define ROWS_MAX 12
#define BAR_MAX	 40

/* --- sums, for the page too --- */

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* -1: nothing was counted. */
static int64_t quantile_of(const json_t *point, const char *key, const char *quantile)
{
	return qos_json_int(json_object_get(point, key), quantile, -1);
}

struct qos_report_point qos_report_point(const json_t *point)
{
	const json_t *granted_ns = json_object_get(point, "granted_ns");
	const json_t *granted = granted_ns ? granted_ns : json_object_get(point, "granted_bps");

	return (struct qos_report_point){
		.from = qos_json_int(point, "from", 0),
		.to = qos_json_int(point, "to", 0),
		.jobs = qos_json_int(point, "jobs", 0),
		.late = qos_json_int(point, "late", 0),
		.requests = qos_json_int(point, granted_ns ? "requests" : "packets", 0),
		.lost = qos_json_int(point, granted_ns ? "lost" : "dropped", 0),
		.windows = qos_json_int(point, "windows", 0),
		.violations = qos_json_int(point, "violations", 0),
		.granted_lo = json_integer_value(json_array_get(granted, 0)),
		.granted_hi = json_integer_value(json_array_get(granted, 1)),
		.used_p50_ns = quantile_of(point, "used_ns", "p50"),
		.used_p99_ns = quantile_of(point, "used_ns", "p99"),
		.latency_p99_ns = quantile_of(point, "latency_ns", "p99"),
		.sent_bytes = qos_json_int(point, "sent_bytes", 0),
		.backlog_bytes = qos_json_int(point, "backlog_bytes", 0),
	};
}

/* `more` follows `sum`. */
static void add(struct qos_report_point *sum, const struct qos_report_point *more)
{
	if (!sum->to) {
		*sum = *more;
		return;
	}
	sum->to = more->to;
	sum->jobs += more->jobs;
	sum->late += more->late;
	sum->requests += more->requests;
	sum->lost += more->lost;
	sum->windows += more->windows;
	sum->violations += more->violations;
	if (more->granted_lo < sum->granted_lo)
		sum->granted_lo = more->granted_lo;
	sum->granted_hi = larger(sum->granted_hi, more->granted_hi);
	sum->used_p50_ns = larger(sum->used_p50_ns, more->used_p50_ns);
	sum->used_p99_ns = larger(sum->used_p99_ns, more->used_p99_ns);
	sum->latency_p99_ns = larger(sum->latency_p99_ns, more->latency_p99_ns);
	sum->sent_bytes += more->sent_bytes;
	sum->backlog_bytes = larger(sum->backlog_bytes, more->backlog_bytes);
}

struct qos_report_point qos_report_sum(const json_t *points)
{
	struct qos_report_point sum = {}, point;
	const json_t *item;
	size_t i;

	json_array_foreach(points, i, item) {
		point = qos_report_point(item);
		add(&sum, &point);
	}
	return sum;
}

const char *qos_report_hour(const char *moment)
{
	const char *blank = strrchr(moment, ' ');

	return blank ? blank + 1 : moment;
}

int64_t qos_report_sent_bps(const struct qos_report_point *point)
{
	int64_t seconds = point->to - point->from;

	return seconds > 0 ? point->sent_bytes / seconds * 8 : 0;
}

bool qos_report_is_adaptation(const json_t *event)
{
	return !strcmp(qos_json_text(event, "kind", ""), "adapted");
}

/* --- tables --- */

/* Three digits, rounded up: more say nothing here, and would not fit. */
static const char *brief(char *buf, int64_t ns)
{
	int64_t unit = 1;

	ns = ns < INT64_MAX / 2 ? ns : INT64_MAX / 2;
	while (ns / unit >= 1000)
		unit *= 10;
	return qos_out_duration(buf, QOS_OUT_NUMBER_MAX, (ns / unit + (ns % unit > 0)) * unit);
}

static void duration_cell(struct qos_columns *table, int64_t ns)
{
	char buf[QOS_OUT_NUMBER_MAX];

	qos_columns_cell(table, QOS_PLAIN, "%s", ns < 0 ? "-" : brief(buf, ns));
}

static void count_cell(struct qos_columns *table, int64_t n, enum qos_paint paint)
{
	qos_columns_cell(table, n ? paint : QOS_PLAIN, "%" PRId64, n);
}

static void row(struct qos_columns *table, const struct qos_report_point *point)
{
	char moment[QOS_OUT_NUMBER_MAX], lo[QOS_OUT_NUMBER_MAX], hi[QOS_OUT_NUMBER_MAX];

	qos_columns_cell(table, QOS_PLAIN, "%s",
			 qos_report_hour(qos_out_moment(moment, sizeof(moment), point->from)));
	count_cell(table, point->jobs, QOS_PLAIN);
	count_cell(table, point->late, QOS_WARN);
	count_cell(table, point->lost, QOS_PLAIN);
	count_cell(table, point->violations, QOS_BAD);
	brief(lo, point->granted_lo);
	brief(hi, point->granted_hi);
	if (strcmp(lo, hi))
		qos_columns_cell(table, QOS_PLAIN, "%s..%s", lo, hi);
	else
		qos_columns_cell(table, QOS_PLAIN, "%s", hi);
	duration_cell(table, point->used_p99_ns);
	duration_cell(table, point->latency_p99_ns);
}

/* Which of the rows a time falls into. */
static int64_t row_of(int64_t at, const struct qos_report_point *all)
{
	int64_t span = all->to - all->from;

	return span > 0 ? (at - all->from) * ROWS_MAX / span : 0;
}

static void fill_rows(struct qos_columns *table,
		      void (*fill)(struct qos_columns *table, const struct qos_report_point *point),
		      const json_t *points, const struct qos_report_point *all)
{
	struct qos_report_point sum = {}, point;
	const json_t *item;
	size_t i;

	json_array_foreach(points, i, item) {
		point = qos_report_point(item);
		if (sum.to && row_of(sum.from, all) != row_of(point.from, all)) {
			fill(table, &sum);
			sum = (struct qos_report_point){};
		}
		add(&sum, &point);
	}
	fill(table, &sum);
}

static void print_points(const struct qos_out *out, const json_t *points,
			 const struct qos_report_point *all)
{
	static const struct qos_column columns[] = {{"FROM"},
						    {"JOBS", .right = true},
						    {"LATE", .right = true},
						    {"LOST", .right = true},
						    {"VIOLATED", .right = true},
						    {"GRANTED", .right = true},
						    {"USED", .right = true},
						    {"LATENCY", .right = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);

	fill_rows(&table, row, points, all);
	qos_columns_print(&table, out, 2);
}

/* --- packets --- */

static void rate_cell(struct qos_columns *table, int64_t bps)
{
	if (bps < 1000000)
		qos_columns_cell(table, QOS_PLAIN, "%.3gkbit", (double)bps / 1e3);
	else
		qos_columns_cell(table, QOS_PLAIN, "%.4gmbit", (double)bps / 1e6);
}

static void packet_row(struct qos_columns *table, const struct qos_report_point *point)
{
	char moment[QOS_OUT_NUMBER_MAX];

	qos_columns_cell(table, QOS_PLAIN, "%s",
			 qos_report_hour(qos_out_moment(moment, sizeof(moment), point->from)));
	rate_cell(table, qos_report_sent_bps(point));
	rate_cell(table, point->granted_lo);
	count_cell(table, point->requests, QOS_PLAIN);
	count_cell(table, point->late, QOS_WARN);
	count_cell(table, point->lost, QOS_WARN);
	count_cell(table, point->violations, QOS_BAD);
	qos_columns_cell(table, QOS_PLAIN, "%" PRId64 "kB", (point->backlog_bytes + 999) / 1000);
}

static void print_packets(const struct qos_out *out, const json_t *points,
			  const struct qos_report_point *all)
{
	static const struct qos_column columns[] = {{"FROM"},
						    {"SENT", .right = true},
						    {"GRANTED", .right = true},
						    {"PACKETS", .right = true},
						    {"LATE", .right = true},
						    {"DROPPED", .right = true},
						    {"VIOLATED", .right = true},
						    {"BACKLOG", .right = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);

	fill_rows(&table, packet_row, points, all);
	qos_columns_print(&table, out, 2);
}

/* --- latency --- */

/* Rows are powers of two: what lies below 2^n us is one row with all that is not below 2^(n-1). */
static int64_t octave_of(int64_t below_ns)
{
	int64_t edge = 1024;

	while (edge < below_ns && edge < INT64_MAX / 2)
		edge *= 2;
	return edge;
}

static void latency_row(struct qos_columns *table, int64_t edge, int64_t n, int64_t all)
{
	char bar[BAR_MAX + 1], buf[QOS_OUT_NUMBER_MAX];
	double part = all ? (double)n / (double)all : 0;
	size_t len = (size_t)(part * BAR_MAX + 0.5);

	len = len ? len : 1;
	memset(bar, '#', len);
	bar[len] = '\0';
	qos_columns_cell(table, QOS_PLAIN, "%s", brief(buf, edge));
	qos_columns_cell(table, QOS_PLAIN, "%" PRId64, n);
	qos_columns_cell(table, QOS_PLAIN, "%.3f", part * 100);
	qos_columns_cell(table, QOS_PLAIN, "%s", bar);
}

static void print_latency(const struct qos_out *out, const json_t *buckets)
{
	static const struct qos_column columns[] = {{"LATENCY BELOW", .right = true},
						    {"WAKE-UPS", .right = true},
						    {"PERCENT", .right = true},
						    {"SHARE"}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	int64_t all = qos_report_count(buckets), n = 0, edge = 0;
	const json_t *bucket;
	size_t i;

	json_array_foreach(buckets, i, bucket) {
		int64_t next = octave_of(qos_json_int(bucket, "below_ns", 0));

		if (n && next != edge) {
			latency_row(&table, edge, n, all);
			n = 0;
		}
		edge = next;
		n += larger(qos_json_int(bucket, "count", 0), 0);
	}
	if (n)
		latency_row(&table, edge, n, all);
	if (table.n_cells)
		qos_columns_print(&table, out, 2);
}

int64_t qos_report_count(const json_t *buckets)
{
	const json_t *bucket;
	int64_t all = 0;
	size_t i;

	json_array_foreach(buckets, i, bucket)
		all += larger(qos_json_int(bucket, "count", 0), 0);
	return all;
}

/* --- one contract --- */

/* False: there is nothing. */
static bool begin_stream(const struct qos_out *out, const char *kind, const json_t *stream,
			 const struct qos_report_point *all)
{
	char age[QOS_OUT_NUMBER_MAX], from[QOS_OUT_NUMBER_MAX];

	fprintf(out->file, "\n%s ", kind);
	qos_out_paint(out, QOS_BOLD, qos_json_text(stream, "stream", "-"));
	if (!all->to) {
		fputs(": nothing was measured\n", out->file);
		return false;
	}
	fprintf(out->file, ": %s from %s on\n", qos_out_age(age, sizeof(age), all->to - all->from),
		qos_out_moment(from, sizeof(from), all->from));
	return true;
}

static void print_windows(const struct qos_out *out, const struct qos_report_point *all)
{
	qos_out_fact(out, all->violations ? QOS_BAD : QOS_PLAIN, "windows",
		     "%" PRId64 ", violated %" PRId64, all->windows, all->violations);
}

static void print_link(const struct qos_out *out, const json_t *stream)
{
	const json_t *points = json_object_get(stream, "points");
	const struct qos_report_point all = qos_report_sum(points);

	if (!begin_stream(out, "network stream", stream, &all))
		return;
	qos_out_fact(out, QOS_PLAIN, "packets",
		     "%" PRId64 ", late %" PRId64 ", dropped %" PRId64 "; on %s", all.requests,
		     all.late, all.lost, qos_json_text(stream, "interface", "-"));
	print_windows(out, &all);
	print_packets(out, points, &all);
}

static void print_stream(const struct qos_out *out, const json_t *stream)
{
	const json_t *points = json_object_get(stream, "points");
	const struct qos_report_point all = qos_report_sum(points);

	if (!begin_stream(out, "stream", stream, &all))
		return;
	qos_out_fact(out, QOS_PLAIN, "jobs", "%" PRId64 ", late %" PRId64, all.jobs, all.late);
	qos_out_fact(out, QOS_PLAIN, "requests", "%" PRId64 ", lost %" PRId64, all.requests,
		     all.lost);
	print_windows(out, &all);
	print_points(out, points, &all);
	print_latency(out, json_object_get(stream, "latency"));
}

static void print_adaptations(const struct qos_out *out, const json_t *events)
{
	const json_t *event;
	size_t i, n = 0;

	json_array_foreach(events, i, event) {
		char moment[QOS_OUT_NUMBER_MAX];
		const char *stream = qos_json_text(event, "stream", NULL);
		_cleanup_free_ char *text = NULL;

		if (!qos_report_is_adaptation(event))
			continue;
		if (!n++)
			fputs("\nadaptations\n", out->file);
		if (asprintf(&text, "%s%s%s", stream ? stream : "", stream ? ": " : "",
			     qos_json_text(event, "text", "-")) < 0)
			return;
		qos_out_moment(moment, sizeof(moment), qos_json_int(event, "at", 0));
		fprintf(out->file, "  %s  ", moment);
		qos_out_hang(out, QOS_PLAIN, 4 + (unsigned int)strlen(moment), 6, text);
	}
}

/* All other events are counted: `qosctl events` shows them. */
static void print_others(const struct qos_out *out, const json_t *events)
{
	_cleanup_json_ json_t *counts = json_object();
	const char *kind, *before = "\nevents: ";
	const json_t *event;
	json_t *n;
	size_t i;

	json_array_foreach(events, i, event) {
		kind = qos_json_text(event, "kind", "-");
		if (!qos_report_is_adaptation(event))
			json_object_set_new(counts, kind,
					    json_integer(qos_json_int(counts, kind, 0) + 1));
	}
	json_object_foreach(counts, kind, n) {
		fputs(before, out->file);
		qos_out_paint(out, QOS_PLAIN, kind);
		fprintf(out->file, " %" JSON_INTEGER_FORMAT, json_integer_value(n));
		before = ", ";
	}
	if (json_object_size(counts))
		fputc('\n', out->file);
}

static void print_contract(const struct qos_out *out, const json_t *contract)
{
	const char *state = qos_json_text(contract, "state", "gone");
	const json_t *stream, *events = json_object_get(contract, "events");
	bool in_force = !strcmp(state, "in-force");
	size_t i;

	qos_out_paint(out, QOS_BOLD, qos_json_text(contract, "contract", "-"));
	fputs(": ", out->file);
	qos_out_paint(out, in_force ? QOS_GOOD : QOS_WARN, in_force ? "in force" : state);
	fputc('\n', out->file);
	json_array_foreach(json_object_get(contract, "streams"), i, stream)
		print_stream(out, stream);
	json_array_foreach(json_object_get(contract, "network"), i, stream)
		print_link(out, stream);
	print_adaptations(out, events);
	print_others(out, events);
}

void qos_out_report(const struct qos_out *out, const json_t *report)
{
	const json_t *contract;
	size_t i;

	json_array_foreach(json_object_get(report, "contracts"), i, contract) {
		if (i)
			fputc('\n', out->file);
		print_contract(out, contract);
	}
	if (!i)
		fputs("no contracts\n", out->file);
	else if (!out->quiet)
		qos_out_lines(out, 0,
			      "\nUSED (by a job) and LATENCY (wake-up to running) are upper bounds "
			      "on the 99th percentile; the histogram of latencies is since the "
			      "contract came into force.");
}
