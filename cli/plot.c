/* SPDX-License-Identifier: GPL-2.0-only */
/* Coordinates are of the view box, whatever size the page gives it. A figure beyond a scale is drawn at its
 * end, never outside of the frame. */
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

#define WIDTH	760
#define HEIGHT	220
#define LEFT	76 /* of the frame */
#define RIGHT	(WIDTH - 12)
#define ABOVE	26
#define BELOW	(HEIGHT - 24)
#define UPWARD	4 /* steps of the scale, or a few more */
#define ACROSS	5
#define MARK	14
#define TOP_MAX 1e18

static double clamp(double value, double lo, double hi)
{
	return value < lo ? lo : value > hi ? hi : value;
}

static double x_of(const struct qos_plot *plot, double value)
{
	double part = (value - plot->left) / (plot->right - plot->left);

	return LEFT + (RIGHT - LEFT) * clamp(part, 0, 1);
}

static double y_of(const struct qos_plot *plot, double value)
{
	return BELOW - (BELOW - ABOVE) * clamp(value / plot->top, 0, 1);
}

void qos_plot_text(FILE *out, const char *text)
{
	_cleanup_free_ char *clean = strdup(text);

	if (!clean)
		return;
	qos_out_clean(clean, false);
	for (const char *c = clean; *c; c++) {
		if (strchr("<>&\"'", *c))
			fprintf(out, "&#%d;", *c);
		else
			fputc(*c, out);
	}
}

static void title(const struct qos_plot *plot, const char *words)
{
	fputs("<title>", plot->out);
	qos_plot_text(plot->out, words);
	fputs("</title>", plot->out);
}

/* 1, 2 or 5 times a power of ten, at least `least`. */
static double round_step(double least)
{
	double step = 1;

	while (step < least)
		step *= 10;
	while (step / 10 >= least)
		step /= 10;
	if (step / 5 >= least)
		return step / 5;
	return step / 2 >= least ? step / 2 : step;
}

static void label(const struct qos_plot *plot, double x, double y, const char *anchor,
		  qos_plot_label_fn say, double value)
{
	char words[QOS_PLOT_LABEL_MAX];

	say(words, value);
	fprintf(plot->out, "<text x='%.1f' y='%.1f' text-anchor='%s'>", x, y, anchor);
	qos_plot_text(plot->out, words);
	fputs("</text>\n", plot->out);
}

static void scales(const struct qos_plot *plot, double step)
{
	for (int i = 0; i * step < plot->top + step / 2; i++) {
		double value = i * step, y = y_of(plot, value);

		fprintf(plot->out, "<path class='grid' d='M%d %.1fH%d'/>", LEFT, y, RIGHT);
		label(plot, LEFT - 6, y + 4, "end", plot->upward, value);
	}
	for (int i = 0; i <= ACROSS; i++) {
		const char *anchor = i == 0 ? "start" : i == ACROSS ? "end" : "middle";
		double value = plot->left + (plot->right - plot->left) * i / ACROSS;

		label(plot, x_of(plot, value), HEIGHT - 6, anchor, plot->across, value);
	}
}

void qos_plot_open(struct qos_plot *plot, const char *words)
{
	double step;

	if (!(plot->right > plot->left))
		plot->right = plot->left + 1;
	plot->top = plot->top > 0 ? clamp(plot->top, 1e-3, TOP_MAX) : 1;
	step = round_step(plot->top / UPWARD);
	plot->top = ceil(plot->top / step - 1e-9) * step;
	fprintf(plot->out, "<svg viewBox='0 0 %d %d' role='img'>", WIDTH, HEIGHT);
	title(plot, words);
	fprintf(plot->out, "\n<text class='head' x='%d' y='16'>", LEFT);
	qos_plot_text(plot->out, words);
	fputs("</text>\n", plot->out);
	scales(plot, step);
}

void qos_plot_close(struct qos_plot *plot)
{
	qos_plot_end_line(plot);
	fputs("</svg>\n", plot->out);
}

void qos_plot_end_line(struct qos_plot *plot)
{
	if (plot->drawing)
		fputs("'/>\n", plot->out);
	plot->drawing = false;
}

void qos_plot_to(struct qos_plot *plot, const char *style, double across, double upward)
{
	if (!plot->drawing)
		fprintf(plot->out, "<path class='%s' d='M", style);
	fprintf(plot->out, "%s%.1f %.1f", plot->drawing ? "L" : "", x_of(plot, across),
		y_of(plot, upward));
	plot->drawing = true;
}

void qos_plot_box(const struct qos_plot *plot, const char *style, double from, double to, double lo,
		  double hi, const char *words)
{
	double x = x_of(plot, from), y = y_of(plot, hi);

	fprintf(plot->out, "<rect class='%s' x='%.1f' y='%.1f' width='%.1f' height='%.1f'>", style,
		x, y, x_of(plot, to) - x, y_of(plot, lo) - y);
	title(plot, words);
	fputs("</rect>\n", plot->out);
}

void qos_plot_mark(const struct qos_plot *plot, const char *style, double at, const char *words)
{
	fprintf(plot->out, "<path class='%s' d='M%.1f %dv%d'>", style, x_of(plot, at), ABOVE, MARK);
	title(plot, words);
	fputs("</path>\n", plot->out);
}
