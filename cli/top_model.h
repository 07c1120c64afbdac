/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `top` shows: two documents of the daemon become rows with rates, and rows become lines that fit a
 * width. Pure; cmd_top.c has the screen.
 */
#pragma once

#include "out.h"

#define QOS_TOP_NAME_MAX   80 /* contract/stream; of a bad file the beginning of its name */
#define QOS_TOP_FILTER_MAX 40
#define QOS_TOP_LINE_MAX   256

/* Figures are negative where they are not known. */
struct qos_top_row {
	char name[QOS_TOP_NAME_MAX];
	const char *state; /* words, static */
	enum qos_paint paint;
	char guarantee[16]; /* "": none */
	char granted[24];   /* a time a period, or a rate; "": nothing */
	double used_ns;	    /* p99, since the contract came into force, like latency_ns */
	double late_rate; /* a second, between the documents; of packets where it is a network stream */
	double violation_rate;
	double latency_ns; /* p99 */
};

enum qos_top_key {
	QOS_TOP_BY_NAME,
	QOS_TOP_BY_USED,
	QOS_TOP_BY_LATE,
	QOS_TOP_BY_VIOLATIONS,
	QOS_TOP_BY_LATENCY,
	QOS_TOP_KEYS,
};

extern const char *const qos_top_key_names[QOS_TOP_KEYS];

struct qos_top_view {
	enum qos_top_key key;		 /* names rise, figures fall */
	char filter[QOS_TOP_FILTER_MAX]; /* only names that contain it */
};

struct qos_top {
	struct qos_top_row *rows;
	size_t n;
	size_t n_all; /* without the filter */
};

/* `before` may be NULL: then no rate is known. 0 or -ENOMEM, with *ret untouched. Reset frees. */
int qos_top_rows(const json_t *before, const json_t *now, const struct qos_top_view *view,
		 struct qos_top *ret);
void qos_top_reset(struct qos_top *top);
#define _cleanup_top_ QOS_CLEANUP(qos_top_reset)

/* One line, at most `width` columns and QOS_TOP_LINE_MAX bytes: the titles where row is NULL. Columns that
 * matter less are left out where names would be cut short. ASCII only. Returns buf. */
const char *qos_top_line(char buf[QOS_TOP_LINE_MAX], size_t width, const struct qos_top_row *row);
