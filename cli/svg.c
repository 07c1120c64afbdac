/* SPDX-License-Identifier: GPL-2.0-only */
/* The timeline of `simulate` as SVG: a row a thread, by CPU; releases are ticks, lost requests crosses. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "simulate_parts.h"

#define LEFT	  190 /* of the names */
#define WIDE	  1000
#define ROW	  26
#define TOP	  56
#define TICKS_MAX 400 /* a row */

struct picture {
	FILE *out;
	const struct qos_whatif *whatif;
	uint64_t span_ns;
	unsigned int y;
};

static double x_of(const struct picture *picture, uint64_t time)
{
	if (time > picture->span_ns)
		time = picture->span_ns;
	return LEFT + (double)WIDE * (double)time / (double)picture->span_ns;
}

static void ticks(const struct picture *picture, const struct qos_sim_task *task)
{
	if (picture->span_ns / task->period > TICKS_MAX)
		return;
	for (uint64_t t = task->phase; t <= picture->span_ns; t += task->period)
		fprintf(picture->out, "<path class='tick' d='M%.2f %uv%d'/>\n", x_of(picture, t),
			picture->y + 2, ROW - 6);
}

static void run(const struct picture *picture, const struct qos_whatif_run *run)
{
	double from = x_of(picture, run->from), to = x_of(picture, run->to);

	if (run->lost)
		fprintf(picture->out,
			"<path class='lost' d='M%.2f %ul8 8m0 -8l-8 8'><title>request "
			"lost</title></path>\n",
			to - 4, picture->y + 7);
	else
		fprintf(picture->out,
			"<rect class='%s' x='%.2f' y='%u' width='%.2f' height='%d'/>\n",
			run->spare ? "spare" : "band", from, picture->y + 5, to - from, ROW - 12);
}

static void thread(struct picture *picture, size_t index)
{
	char name[QOS_SIMULATE_NAME_MAX];

	fprintf(picture->out, "<text x='8' y='%u'>%s</text>\n", picture->y + ROW - 9,
		qos_simulate_name(name, picture->whatif, index));
	fprintf(picture->out, "<path class='line' d='M%d %uh%d'/>\n", LEFT, picture->y + ROW - 4,
		WIDE);
	ticks(picture, &picture->whatif->threads[index].task);
	for (size_t i = 0; i < picture->whatif->n_runs; i++) {
		if (picture->whatif->runs[i].thread == index)
			run(picture, &picture->whatif->runs[i]);
	}
	picture->y += ROW;
}

static void cpu(struct picture *picture, const struct qos_whatif_cpu *cpu)
{
	fprintf(picture->out, "<text class='cpu' x='8' y='%u'>CPU %u</text>\n", picture->y + 18,
		cpu->cpu);
	picture->y += ROW;
	for (size_t i = 0; i < picture->whatif->n_threads; i++) {
		const struct qos_whatif_thread *each = &picture->whatif->threads[i];

		if (each->placed && each->cpu == cpu->cpu)
			thread(picture, i);
	}
}

static unsigned int height(const struct qos_whatif *whatif)
{
	unsigned int rows = 0;

	for (size_t i = 0; i < whatif->n_cpus; i++)
		rows += whatif->cpus[i].threads ? whatif->cpus[i].threads + 1 : 0;
	return TOP + rows * ROW + 12;
}

static void head(const struct picture *picture)
{
	char span[QOS_OUT_NUMBER_MAX];

	fprintf(picture->out,
		"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %u' "
		"font-family='sans-serif' "
		"font-size='13'>\n<style>.band{fill:#2563a8}.spare{fill:#b8c9dc}.lost{stroke:#"
		"c02020;"
		"stroke-width:2;fill:none}.tick{stroke:#888;fill:none}.line{stroke:#ddd;fill:none}"
		".cpu{font-weight:bold}</style>\n<rect width='100%%' height='100%%' "
		"fill='#fff'/>\n",
		LEFT + WIDE + 16, height(picture->whatif));
	fprintf(picture->out,
		"<text x='8' y='20'>The first %s: dark: service; light: spare time; tick: release; "
		"cross: request lost</text>\n",
		qos_out_duration(span, sizeof(span), (int64_t)picture->span_ns));
	for (int i = 0; i <= 10; i++)
		fprintf(picture->out,
			"<text x='%d' y='%d' text-anchor='middle' fill='#666'>%s</text>\n",
			LEFT + WIDE * i / 10, TOP - 14,
			qos_out_duration(span, sizeof(span),
					 (int64_t)(picture->span_ns / 10 * (uint64_t)i)));
}

int qos_svg_write(const char *path, const struct qos_whatif *whatif, uint64_t span_ns)
{
	_cleanup_fclose_ FILE *out = fopen(path, "we");
	struct picture picture = {.out = out, .whatif = whatif, .span_ns = span_ns, .y = TOP};

	if (!out)
		return -errno;
	head(&picture);
	for (size_t i = 0; i < whatif->n_cpus; i++) {
		if (whatif->cpus[i].threads)
			cpu(&picture, &whatif->cpus[i]);
	}
	fputs("</svg>\n", out);
	return fflush(out) || ferror(out) ? -errno : 0;
}
