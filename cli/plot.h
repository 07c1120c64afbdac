/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pictures of figures as SVG that stands inside a page: a frame with scales, lines, boxes and marks. Colours
 * are the page's: each thing has a class, of which the page says what it looks like. Text is escaped.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define QOS_PLOT_LABEL_MAX 64

/* Words for a figure on a scale, at most QOS_PLOT_LABEL_MAX with the NUL. */
typedef void (*qos_plot_label_fn)(char *buf, double value);

struct qos_plot {
	FILE *out;
	double left; /* of what lies across */
	double right;
	double top; /* of what lies upwards, from 0; qos_plot_open() makes it a round number */
	qos_plot_label_fn across;
	qos_plot_label_fn upward;
	bool drawing; /* inside of a line */
};

/* Frame, title and scales. A span or height that is none becomes 1. */
void qos_plot_open(struct qos_plot *plot, const char *title);
void qos_plot_close(struct qos_plot *plot);

/* A line, point by point. qos_plot_end_line() ends it; what comes after that is another line. */
void qos_plot_to(struct qos_plot *plot, const char *style, double across, double upward);
void qos_plot_end_line(struct qos_plot *plot);

/* A filled box from `lo` to `hi`; `words` are shown where somebody points at it. */
void qos_plot_box(const struct qos_plot *plot, const char *style, double from, double to, double lo,
		  double hi, const char *words);

/* A short line at the top, likewise. */
void qos_plot_mark(const struct qos_plot *plot, const char *style, double at, const char *words);

/* Text as HTML and SVG have it, in elements and in attributes. Control characters become '?'. */
void qos_plot_text(FILE *out, const char *text);
