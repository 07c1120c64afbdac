/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A rate is the difference of a counter over the time between two documents; a counter that became
 * smaller began anew. Quantiles are not differences: they are of all that was measured since the contract
 * came into force. Weakness: a stream that is renamed has no rate until the next document.
 */
#include "top_model.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"

const char *const qos_top_key_names[QOS_TOP_KEYS] = {
	[QOS_TOP_BY_NAME] = "name",	  [QOS_TOP_BY_USED] = "used",
	[QOS_TOP_BY_LATE] = "late",	  [QOS_TOP_BY_VIOLATIONS] = "violations",
	[QOS_TOP_BY_LATENCY] = "latency",
};

/* --- documents to rows --- */

struct maker {
	double seconds; /* between the documents; 0: there is none before */
	const char *filter;
	struct qos_top top;
	size_t room;
	int error;
};

/* The object of that name; where it stood before is where it stands now, as a rule. */
static const json_t *find(const json_t *array, size_t hint, const char *key, const char *name)
{
	const json_t *item = json_array_get(array, hint);
	size_t i;

	if (!strcmp(qos_json_text(item, key, ""), name))
		return item;
	json_array_foreach(array, i, item) {
		if (!strcmp(qos_json_text(item, key, ""), name))
			return item;
	}
	return NULL;
}

static double number(const json_t *object, const char *group, const char *key)
{
	const json_t *value = json_object_get(json_object_get(object, group), key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

/* In nanoseconds; 0 in a document is none, for nothing was measured yet. */
static double quantile(const json_t *stats, const char *group)
{
	double us = number(stats, group, "p99");

	return us > 0 ? us * 1e3 : -1;
}

static double rate(const struct maker *maker, const json_t *before, const json_t *now,
		   const char *key)
{
	double last = number(before, "stats", key), value = number(now, "stats", key);

	if (maker->seconds <= 0 || value < 0 || last < 0)
		return -1;
	return (value < last ? value : value - last) / maker->seconds;
}

/* Times three significant digits: what moves in the fourth is noise. */
static double rounded(double ns)
{
	double unit = 1;

	while (ns / unit >= 1000)
		unit *= 10;
	return (double)(int64_t)(ns / unit + 0.5) * unit;
}

static void write_time(char *buf, size_t size, double ns)
{
	if (ns < 0)
		snprintf(buf, size, "-");
	else
		qos_out_duration(buf, size, (int64_t)rounded(ns));
}

/* The next row, or NULL: it is filtered out, or there is no memory. */
static struct qos_top_row *add(struct maker *maker, const char *contract, const char *stream)
{
	char name[QOS_TOP_NAME_MAX];
	struct qos_top_row *rows;

	snprintf(name, sizeof(name), "%s%s%s", contract, *stream ? "/" : "", stream);
	for (char *p = name; *p; p++)
		*p = qos_text_shown(*p);
	maker->top.n_all++;
	if (!strstr(name, maker->filter))
		return NULL;
	if (maker->top.n == maker->room) {
		size_t room = maker->room ? maker->room * 2 : 64;

		rows = realloc(maker->top.rows, room * sizeof(*rows));
		if (!rows) {
			maker->error = -ENOMEM;
			return NULL;
		}
		maker->top.rows = rows;
		maker->room = room;
	}
	rows = &maker->top.rows[maker->top.n++];
	*rows = (struct qos_top_row){
		.used_ns = -1, .late_rate = -1, .violation_rate = -1, .latency_ns = -1};
	memcpy(rows->name, name, sizeof(name));
	return rows;
}

static void fill_cpu(struct qos_top_row *row, const json_t *stream)
{
	const json_t *stats = json_object_get(stream, "stats");

	write_time(row->granted, sizeof(row->granted), number(stream, "runtime", "granted_ns"));
	row->used_ns = quantile(stats, "used_us");
	row->latency_ns = quantile(stats, "latency_us");
}

static void fill_link(struct qos_top_row *row, const json_t *stream)
{
	int64_t bps = qos_json_int(stream, "granted_bps", 0);

	if (strncmp(qos_json_text(stream, "state", ""), "in force", strlen("in force")) != 0) {
		row->state = "not set";
		row->paint = QOS_WARN;
	}
	if (bps >= 10000000)
		snprintf(row->granted, sizeof(row->granted), "%" PRId64 "mbit", bps / 1000000);
	else if (bps > 0)
		snprintf(row->granted, sizeof(row->granted), "%" PRId64 "kbit", bps / 1000);
}

static void add_streams(struct maker *maker, const json_t *contract, const json_t *before,
			const char *kind, void (*fill)(struct qos_top_row *, const json_t *stream))
{
	const json_t *then = json_object_get(before, kind), *stream;
	size_t i;

	json_array_foreach(json_object_get(contract, kind), i, stream) {
		const char *name = qos_json_text(stream, "stream", "-");
		const json_t *old = find(then, i, "stream", name);
		struct qos_top_row *row =
			add(maker, qos_json_text(contract, "contract", "-"), name);

		if (!row)
			continue;
		row->state = qos_out_state(qos_json_text(contract, "state", ""), &row->paint);
		snprintf(row->guarantee, sizeof(row->guarantee), "%s",
			 qos_json_text(stream, "guarantee", ""));
		row->late_rate = rate(maker, old, stream, "late");
		row->violation_rate = rate(maker, old, stream, "violations");
		fill(row, stream);
	}
}

/* A contract that has no stream in force has a row of its own. */
static void add_contract(struct maker *maker, const json_t *before, const json_t *contract)
{
	struct qos_top_row *row;
	size_t n = maker->top.n_all;

	add_streams(maker, contract, before, "streams", fill_cpu);
	add_streams(maker, contract, before, "network", fill_link);
	if (maker->top.n_all > n)
		return;
	row = add(maker, qos_json_text(contract, "contract", "-"), "");
	if (row)
		row->state = qos_out_state(qos_json_text(contract, "state", ""), &row->paint);
}

/* --- order --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct qos_top_row *)a)->name, ((const struct qos_top_row *)b)->name);
}

/* The larger first; those that are alike by name, so that lines do not dance. */
#define BY(name, member)                                                                           \
	static int name(const void *a, const void *b)                                              \
	{                                                                                          \
		double x = ((const struct qos_top_row *)a)->member;                                \
		double y = ((const struct qos_top_row *)b)->member;                                \
                                                                                                   \
		return x > y ? -1 : x < y ? 1 : by_name(a, b);                                     \
	}
BY(by_used, used_ns)
BY(by_late, late_rate)
BY(by_violations, violation_rate)
BY(by_latency, latency_ns)

static int (*const orders[QOS_TOP_KEYS])(const void *, const void *) = {
	[QOS_TOP_BY_NAME] = by_name,	   [QOS_TOP_BY_USED] = by_used,
	[QOS_TOP_BY_LATE] = by_late,	   [QOS_TOP_BY_VIOLATIONS] = by_violations,
	[QOS_TOP_BY_LATENCY] = by_latency,
};

int qos_top_rows(const json_t *before, const json_t *now, const struct qos_top_view *view,
		 struct qos_top *ret)
{
	struct maker maker = {.filter = view->filter};
	const json_t *then = json_object_get(before, "contracts"), *contract;
	size_t i;

	if (before)
		maker.seconds = json_number_value(json_object_get(now, "at_s")) -
				json_number_value(json_object_get(before, "at_s"));
	json_array_foreach(json_object_get(now, "contracts"), i, contract)
		add_contract(&maker,
			     find(then, i, "contract", qos_json_text(contract, "contract", "")),
			     contract);
	if (maker.error) {
		qos_top_reset(&maker.top);
		return maker.error;
	}
	if (maker.top.n)
		qsort(maker.top.rows, maker.top.n, sizeof(*maker.top.rows), orders[view->key]);
	*ret = maker.top;
	return 0;
}

void qos_top_reset(struct qos_top *top)
{
	free(top->rows);
	*top = (struct qos_top){};
}

/* --- rows to lines --- */

#define NAME_LEAST 16 /* columns that names have before another column may stand beside them */

static void cell_state(const struct qos_top_row *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s", row->state);
}

static void cell_guarantee(const struct qos_top_row *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s", *row->guarantee ? row->guarantee : "-");
}

static void cell_granted(const struct qos_top_row *row, char *buf, size_t size)
{
	snprintf(buf, size, "%s", *row->granted ? row->granted : "-");
}

static void cell_used(const struct qos_top_row *row, char *buf, size_t size)
{
	write_time(buf, size, row->used_ns);
}

static void write_rate(double rate, char *buf, size_t size)
{
	if (rate < 0)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%.*f", rate < 100 ? 1 : 0, rate);
}

static void cell_late(const struct qos_top_row *row, char *buf, size_t size)
{
	write_rate(row->late_rate, buf, size);
}

static void cell_violations(const struct qos_top_row *row, char *buf, size_t size)
{
	write_rate(row->violation_rate, buf, size);
}

static void cell_latency(const struct qos_top_row *row, char *buf, size_t size)
{
	write_time(buf, size, row->latency_ns);
}

/* After the name, from left to right. `worth`: those with the least are left out first. */
static const struct {
	const char *title;
	int width; /* < 0: to the left */
	unsigned int worth;
	void (*cell)(const struct qos_top_row *row, char *buf, size_t size);
} columns[] = {
	{"STATE", -8, 3, cell_state},	 {"GUARANTEE", -11, 1, cell_guarantee},
	{"GRANTED", 8, 2, cell_granted}, {"USED P99", 8, 5, cell_used},
	{"LATE/S", 6, 6, cell_late},	 {"VIOL/S", 6, 7, cell_violations},
	{"LAT P99", 8, 4, cell_latency},
};

static size_t width_of(size_t i)
{
	return (size_t)(columns[i].width < 0 ? -columns[i].width : columns[i].width) + 1;
}

/* The least worth that still has room, and what names have left. */
static unsigned int fit(size_t width, size_t *ret_name)
{
	for (unsigned int least = 0;; least++) {
		size_t taken = 0;

		for (size_t i = 0; i < QOS_ARRAY_SIZE(columns); i++)
			taken += columns[i].worth >= least ? width_of(i) : 0;
		if (taken && taken + NAME_LEAST > width)
			continue;
		*ret_name = width - taken;
		return least;
	}
}

const char *qos_top_line(char buf[QOS_TOP_LINE_MAX], size_t width, const struct qos_top_row *row)
{
	const char *name = row ? row->name : "CONTRACT/STREAM";
	size_t len, name_width;
	unsigned int least;

	width = width < QOS_TOP_LINE_MAX ? width : QOS_TOP_LINE_MAX - 1;
	least = fit(width, &name_width);
	len = (size_t)snprintf(buf, QOS_TOP_LINE_MAX, "%-*.*s", (int)name_width, (int)name_width,
			       name);
	if (strlen(name) > name_width && name_width)
		buf[name_width - 1] = '~';
	for (size_t i = 0; i < QOS_ARRAY_SIZE(columns); i++) {
		char cell[QOS_OUT_NUMBER_MAX];

		if (columns[i].worth < least)
			continue;
		if (row)
			columns[i].cell(row, cell, sizeof(cell));
		len += (size_t)snprintf(buf + len, QOS_TOP_LINE_MAX - len, " %*.*s",
					columns[i].width, (int)width_of(i) - 1,
					row ? cell : columns[i].title);
	}
	return buf;
}
