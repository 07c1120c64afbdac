/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `report --html`: the same document as one page with plots. It needs neither network nor script, and may
 * use neither: names and texts come from files and programs, so all are escaped, and the page forbids
 * itself everything but its own style.
 */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "adapt/hist.h"
#include "plot.h"
#include "report_parts.h"

static const char head[] =
	"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
	"<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
	"style-src 'unsafe-inline'\">\n"
	"<meta name='viewport' content='width=device-width'>\n<title>qosd: report</title>\n"
	"<style>\n"
	":root{color-scheme:light dark;--ink:#222;--paper:#fff;--faint:#ddd;--dim:#666;"
	"--blue:#2563a8;--pale:#b8c9dc;--amber:#b36b00;--red:#c02020}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#181818;--faint:#3a3a3a;"
	"--dim:#999;--blue:#6aa9e9;--pale:#2c4664;--amber:#e0a040;--red:#f06060}}\n"
	"body{font:15px/1.5 sans-serif;max-width:50em;margin:1em auto;padding:0 1em;"
	"color:var(--ink);background:var(--paper)}\n"
	"h1{font-size:1.5em}h2{margin-top:2em;border-top:1px solid var(--faint)}\n"
	"svg{width:100%;height:auto;font:11px sans-serif}svg text{fill:var(--dim)}"
	"svg .head{fill:var(--ink);font-size:13px}svg path{fill:none}\n"
	".grid{stroke:var(--faint)}.band{fill:var(--pale);stroke:var(--pale)}"
	".granted{stroke:var(--blue);stroke-width:2}.used{stroke:var(--amber);stroke-width:1.5}"
	".median{stroke:var(--amber);stroke-width:1.5;stroke-dasharray:2 3}"
	".mark{stroke:var(--ink);stroke-width:2}"
	".violated{stroke:var(--red);stroke-width:2}"
	".lost{stroke:var(--red);stroke-width:1.5;stroke-dasharray:2 3}"
	".late{stroke:var(--amber);stroke-width:1.5}"
	".count{fill:var(--blue);stroke:var(--paper)}\n"
	".key{font-size:13px;color:var(--dim);margin:0}"
	".key svg{width:2em;height:.8em;margin:0 .3em 0 1em}\n"
	"table{border-collapse:collapse;font-size:13px}"
	"td,th{padding:2px 8px;text-align:left;vertical-align:top;"
	"border-bottom:1px solid var(--faint);overflow-wrap:anywhere}"
	"td:first-child{white-space:nowrap}\n"
	"</style>\n</head>\n<body>\n<h1>qosd: the last hours of each contract</h1>\n";

/* --- words on scales --- */

static void say_time(char *buf, double value)
{
	char moment[QOS_OUT_NUMBER_MAX];

	qos_out_moment(moment, sizeof(moment), (int64_t)value);
	snprintf(buf, QOS_PLOT_LABEL_MAX, "%s", qos_report_hour(moment));
}

static void say_duration(char *buf, double value)
{
	qos_out_duration(buf, QOS_PLOT_LABEL_MAX, (int64_t)value);
}

static void say_rate(char *buf, double value)
{
	snprintf(buf, QOS_PLOT_LABEL_MAX, "%.4g Mbit/s", value / 1e6);
}

static void say_count(char *buf, double value)
{
	snprintf(buf, QOS_PLOT_LABEL_MAX, "%.12g", value);
}

/* Scales that are logarithms; two digits are enough there. */
static void say_octave(char *buf, double value)
{
	double ns = exp2(fmin(value, 62)), unit = pow(10, fmax(0, floor(log10(ns)) - 1));

	qos_out_duration(buf, QOS_PLOT_LABEL_MAX, (int64_t)(round(ns / unit) * unit));
}

static void say_power(char *buf, double value)
{
	double n = value < 1 ? 0 : pow(10, value - 1);

	snprintf(buf, QOS_PLOT_LABEL_MAX, n < 1e6 ? "%.0f" : "%.0e", n);
}

/* --- plots --- */

/* "<sample of a line> what": what a class of lines is. */
static void key(FILE *out, const char *style, const char *what)
{
	fprintf(out,
		"<svg viewBox='0 0 24 10' aria-hidden='true'><path class='%s' d='M0 5H24'/></svg>"
		"%s\n",
		style, what);
}

/* A member of a point, by its offset. */
#define FIGURE(field) offsetof(struct qos_report_point, field)

static int64_t figure_of(const struct qos_report_point *point, size_t figure)
{
	return *(const int64_t *)((const char *)point + figure);
}

/* Points in which nothing was counted (-1) leave a gap. */
static void line(struct qos_plot *plot, const char *style, const json_t *points, size_t figure)
{
	const json_t *item;
	size_t i;

	json_array_foreach(points, i, item) {
		const struct qos_report_point point = qos_report_point(item);
		int64_t value = figure_of(&point, figure);

		if (value < 0) {
			qos_plot_end_line(plot);
			continue;
		}
		qos_plot_to(plot, style, (double)point.from, (double)value);
		qos_plot_to(plot, style, (double)point.to, (double)value);
	}
	qos_plot_end_line(plot);
}

/* Where a grant moved within a point. */
static void bands(struct qos_plot *plot, const json_t *points)
{
	const json_t *item;
	size_t i;

	json_array_foreach(points, i, item) {
		const struct qos_report_point point = qos_report_point(item);

		if (point.granted_lo != point.granted_hi)
			qos_plot_box(plot, "band", (double)point.from, (double)point.to,
				     (double)point.granted_lo, (double)point.granted_hi,
				     "granted, from the least to the most");
	}
}

static bool is_of(const json_t *event, const char *stream)
{
	return qos_report_is_adaptation(event) &&
	       !strcmp(qos_json_text(event, "stream", stream), stream);
}

static void marks(struct qos_plot *plot, const json_t *events, const char *stream)
{
	const json_t *event;
	size_t i;

	json_array_foreach(events, i, event) {
		double at = (double)qos_json_int(event, "at", 0);

		if (is_of(event, stream) && at >= plot->left && at <= plot->right)
			qos_plot_mark(plot, "mark", at, qos_json_text(event, "text", ""));
	}
}

static void plot_runtime(FILE *out, const json_t *points, const json_t *events, const char *stream,
			 const struct qos_report_point *all)
{
	int64_t top = all->granted_hi > all->used_p99_ns ? all->granted_hi : all->used_p99_ns;
	struct qos_plot plot = {
		.out = out,
		.left = (double)all->from,
		.right = (double)all->to,
		.top = (double)top,
		.across = say_time,
		.upward = say_duration,
	};

	qos_plot_open(&plot, "Runtime in each period: granted, and used by jobs");
	bands(&plot, points);
	marks(&plot, events, stream);
	line(&plot, "granted", points, FIGURE(granted_hi));
	line(&plot, "used", points, FIGURE(used_p99_ns));
	line(&plot, "median", points, FIGURE(used_p50_ns));
	qos_plot_close(&plot);
	fputs("<p class='key'>", out);
	key(out, "granted", "granted (below it: down to the least)");
	key(out, "used", "used, 99th percentile");
	key(out, "median", "median");
	key(out, "mark", "adaptation");
	fputs("</p>\n", out);
}

/* Sums so far, so that points of different lengths can stand beside each other. */
static void line_so_far(struct qos_plot *plot, const char *style, const json_t *points,
			size_t figure)
{
	const json_t *item;
	int64_t sum = 0;
	size_t i;

	json_array_foreach(points, i, item) {
		const struct qos_report_point point = qos_report_point(item);

		if (!i)
			qos_plot_to(plot, style, (double)point.from, 0);
		sum += figure_of(&point, figure);
		qos_plot_to(plot, style, (double)point.to, (double)sum);
	}
	qos_plot_end_line(plot);
}

/* The words for lost requests and late jobs; packets have others. */
struct misses {
	const char *title;
	const char *lost;
	const char *late;
};

static void plot_misses(FILE *out, const struct misses *words, const json_t *points,
			const struct qos_report_point *all)
{
	int64_t top = all->late > all->lost ? all->late : all->lost;
	struct qos_plot plot = {
		.out = out,
		.left = (double)all->from,
		.right = (double)all->to,
		.top = (double)(top > all->violations ? top : all->violations),
		.across = say_time,
		.upward = say_count,
	};

	plot.top = plot.top < 4 ? 4 : plot.top; /* whole numbers */
	qos_plot_open(&plot, words->title);
	line_so_far(&plot, "late", points, FIGURE(late));
	line_so_far(&plot, "lost", points, FIGURE(lost));
	line_so_far(&plot, "violated", points, FIGURE(violations));
	qos_plot_close(&plot);
	fputs("<p class='key'>", out);
	key(out, "violated", "violated windows");
	key(out, "lost", words->lost);
	key(out, "late", words->late);
	fputs("</p>\n", out);
}

static void line_of_sent(struct qos_plot *plot, const json_t *points)
{
	const json_t *item;
	size_t i;

	json_array_foreach(points, i, item) {
		const struct qos_report_point point = qos_report_point(item);
		double bps = (double)qos_report_sent_bps(&point);

		qos_plot_to(plot, "used", (double)point.from, bps);
		qos_plot_to(plot, "used", (double)point.to, bps);
	}
	qos_plot_end_line(plot);
}

static double most_sent(const json_t *points)
{
	const json_t *item;
	double most = 0;
	size_t i;

	json_array_foreach(points, i, item) {
		const struct qos_report_point point = qos_report_point(item);

		most = fmax(most, (double)qos_report_sent_bps(&point));
	}
	return most;
}

static void plot_rate(FILE *out, const json_t *points, const struct qos_report_point *all)
{
	struct qos_plot plot = {
		.out = out,
		.left = (double)all->from,
		.right = (double)all->to,
		.top = fmax((double)all->granted_hi, most_sent(points)),
		.across = say_time,
		.upward = say_rate,
	};

	qos_plot_open(&plot, "Rate: granted, and sent");
	bands(&plot, points);
	line(&plot, "granted", points, FIGURE(granted_hi));
	line_of_sent(&plot, points);
	qos_plot_close(&plot);
	fputs("<p class='key'>", out);
	key(out, "granted", "granted (below it: down to the least)");
	key(out, "used", "sent");
	fputs("</p>\n", out);
}

/* Edges as logarithms. The first bucket begins at nothing, of which there is none. */
static double upper_edge(const json_t *bucket)
{
	int64_t below_ns = qos_json_int(bucket, "below_ns", 0);

	return log2(below_ns > 1 ? (double)below_ns : 1);
}

static double lower_edge(const json_t *bucket)
{
	int64_t below_ns = qos_json_int(bucket, "below_ns", 0);
	uint32_t index = qos_hist_bucket(below_ns > 0 ? (uint64_t)below_ns - 1 : 0);

	return index ? log2((double)qos_hist_edge(index - 1)) : upper_edge(bucket) - 1;
}

/* How many, as a logarithm of which one is 1, since it is more than none. */
static double height(const json_t *bucket)
{
	int64_t n = qos_json_int(bucket, "count", 0);

	return n > 0 ? log10((double)n) + 1 : 0;
}

static void plot_latency(FILE *out, const json_t *buckets)
{
	struct qos_plot plot = {.out = out, .across = say_octave, .upward = say_power};
	const json_t *bucket;
	size_t i;

	if (!qos_report_count(buckets))
		return;
	json_array_foreach(buckets, i, bucket) {
		plot.left = i ? fmin(plot.left, lower_edge(bucket)) : lower_edge(bucket);
		plot.right = fmax(plot.right, upper_edge(bucket));
		plot.top = fmax(plot.top, height(bucket));
	}
	plot.top = ceil(plot.top);
	qos_plot_open(&plot, "Wake-ups by latency, since the contract came into force "
			     "(logarithmic)");
	json_array_foreach(buckets, i, bucket) {
		char words[2 * QOS_OUT_NUMBER_MAX], edge[QOS_OUT_NUMBER_MAX];

		snprintf(words, sizeof(words), "%" PRId64 " below %s",
			 qos_json_int(bucket, "count", 0),
			 qos_out_duration(edge, sizeof(edge), qos_json_int(bucket, "below_ns", 0)));
		qos_plot_box(&plot, "count", lower_edge(bucket), upper_edge(bucket), 0,
			     height(bucket), words);
	}
	qos_plot_close(&plot);
}

/* --- the page --- */

/* Its name, and of when it is. False: there is nothing. */
static bool write_heading(FILE *out, const char *kind, const json_t *stream,
			  const struct qos_report_point *all)
{
	char from[QOS_OUT_NUMBER_MAX], to[QOS_OUT_NUMBER_MAX];

	fprintf(out, "<h3>%s ", kind);
	qos_plot_text(out, qos_json_text(stream, "stream", "-"));
	fputs("</h3>\n", out);
	if (!all->to) {
		fputs("<p>Nothing was measured.</p>\n", out);
		return false;
	}
	fprintf(out, "<p>%s to %s: ", qos_out_moment(from, sizeof(from), all->from),
		qos_out_moment(to, sizeof(to), all->to));
	return true;
}

static void write_link(FILE *out, const json_t *stream)
{
	static const struct misses words = {
		"Violated windows, dropped packets and late packets so far", "dropped packets",
		"late packets"};
	const json_t *points = json_object_get(stream, "points");
	const struct qos_report_point all = qos_report_sum(points);

	if (!write_heading(out, "network stream", stream, &all))
		return;
	fprintf(out,
		"%" PRId64 " packets, %" PRId64 " late, %" PRId64 " dropped; %" PRId64
		" windows, %" PRId64 " violated; at most %" PRId64 " kB waited on ",
		all.requests, all.late, all.lost, all.windows, all.violations,
		(all.backlog_bytes + 999) / 1000);
	qos_plot_text(out, qos_json_text(stream, "interface", "-"));
	fputs(".</p>\n", out);
	plot_rate(out, points, &all);
	plot_misses(out, &words, points, &all);
}

static void write_stream(FILE *out, const json_t *stream, const json_t *events)
{
	static const struct misses words = {"Violated windows, lost requests and late jobs so far",
					    "lost requests", "late jobs"};
	const json_t *points = json_object_get(stream, "points");
	const struct qos_report_point all = qos_report_sum(points);
	const char *name = qos_json_text(stream, "stream", "-");

	if (!write_heading(out, "stream", stream, &all))
		return;
	fprintf(out,
		"%" PRId64 " jobs, %" PRId64 " late; %" PRId64 " requests, %" PRId64
		" lost; %" PRId64 " windows, %" PRId64 " violated.</p>\n",
		all.jobs, all.late, all.requests, all.lost, all.windows, all.violations);
	plot_runtime(out, points, events, name, &all);
	plot_misses(out, &words, points, &all);
	plot_latency(out, json_object_get(stream, "latency"));
}

static void write_events(FILE *out, const json_t *events)
{
	const json_t *event;
	size_t i;

	if (!json_array_size(events))
		return;
	fputs("<h3>What happened</h3>\n<table>\n<tr><th>at</th><th>kind</th><th>stream</th>"
	      "<th>what, and why</th></tr>\n",
	      out);
	json_array_foreach(events, i, event) {
		char moment[QOS_OUT_NUMBER_MAX];

		fprintf(out, "<tr><td>%s</td><td>",
			qos_out_moment(moment, sizeof(moment), qos_json_int(event, "at", 0)));
		qos_plot_text(out, qos_json_text(event, "kind", "-"));
		fputs("</td><td>", out);
		qos_plot_text(out, qos_json_text(event, "stream", ""));
		fputs("</td><td>", out);
		qos_plot_text(out, qos_json_text(event, "text", ""));
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
}

void qos_out_report_page(const struct qos_out *out, const json_t *report)
{
	const json_t *contract, *stream, *events;
	size_t i, k;

	fputs(head, out->file);
	json_array_foreach(json_object_get(report, "contracts"), i, contract) {
		events = json_object_get(contract, "events");
		fputs("<h2>", out->file);
		qos_plot_text(out->file, qos_json_text(contract, "contract", "-"));
		fputs(": ", out->file);
		qos_plot_text(out->file, qos_json_text(contract, "state", "gone"));
		fputs("</h2>\n", out->file);
		json_array_foreach(json_object_get(contract, "streams"), k, stream)
			write_stream(out->file, stream, events);
		json_array_foreach(json_object_get(contract, "network"), k, stream)
			write_link(out->file, stream);
		write_events(out->file, events);
	}
	if (!i)
		fputs("<p>No contracts.</p>\n", out->file);
	fputs("<p class='key'>Quantiles are upper bounds. Made by qosctl " QOS_VERSION
	      ".</p>\n</body>\n</html>\n",
	      out->file);
}
