/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The timeline of `simulate` as text, a row a thread, by CPU:
 *     #  ran for at least half of the column    +  ran for less
 *     :  ran in spare time only                 x  a request was lost in this column
 */
#include <inttypes.h>
#include <string.h>

#include "simulate_parts.h"

#define COLUMNS_MAX 200
#define NAME_WIDTH  22

struct row {
	uint64_t band[COLUMNS_MAX];
	uint64_t spare[COLUMNS_MAX];
	bool lost[COLUMNS_MAX];
};

/* Spreads one stretch over the columns that it touches. */
static void spread(uint64_t *row, const struct qos_whatif_run *run, uint64_t column_ns,
		   size_t columns)
{
	for (size_t i = run->from / column_ns; i < columns && i * column_ns < run->to; i++) {
		uint64_t from = i * column_ns, to = from + column_ns;

		if (from < run->from)
			from = run->from;
		if (to > run->to)
			to = run->to;
		row[i] += to - from;
	}
}

static void collect(struct row *row, const struct qos_whatif *whatif, size_t thread,
		    uint64_t column_ns, size_t columns)
{
	memset(row, 0, sizeof(*row));
	for (size_t i = 0; i < whatif->n_runs; i++) {
		const struct qos_whatif_run *run = &whatif->runs[i];

		if (run->thread != thread)
			continue;
		if (run->lost && run->to / column_ns < columns)
			row->lost[run->to / column_ns] = true;
		else if (!run->lost)
			spread(run->spare ? row->spare : row->band, run, column_ns, columns);
	}
}

static char mark(const struct row *row, size_t i, uint64_t column_ns)
{
	if (row->lost[i])
		return 'x';
	if (row->band[i] * 2 >= column_ns)
		return '#';
	if (row->band[i])
		return '+';
	return row->spare[i] ? ':' : '.';
}

static void print_thread(const struct qos_out *out, const struct qos_whatif *whatif, size_t thread,
			 uint64_t column_ns, size_t columns)
{
	char name[QOS_SIMULATE_NAME_MAX], line[COLUMNS_MAX + 1];
	struct row row;

	collect(&row, whatif, thread, column_ns, columns);
	for (size_t i = 0; i < columns; i++)
		line[i] = mark(&row, i, column_ns);
	line[columns] = '\0';
	fprintf(out->file, "  %-*.*s %s\n", NAME_WIDTH, NAME_WIDTH,
		qos_simulate_name(name, whatif, thread), line);
}

void qos_timeline_print(const struct qos_out *out, const struct qos_whatif *whatif,
			uint64_t span_ns)
{
	size_t width = out->width ? out->width : 80, columns;
	char column[QOS_OUT_NUMBER_MAX];
	uint64_t column_ns;

	columns = width > NAME_WIDTH + 13 ? width - NAME_WIDTH - 4 : 10;
	if (columns > COLUMNS_MAX)
		columns = COLUMNS_MAX;
	column_ns = span_ns / columns ? span_ns / columns : 1;
	fprintf(out->file,
		"\n# ran  + ran a little  : in spare time  x request lost;  a column is %s\n",
		qos_out_duration(column, sizeof(column), (int64_t)column_ns));
	for (size_t i = 0; i < whatif->n_cpus; i++) {
		if (!whatif->cpus[i].threads)
			continue;
		fprintf(out->file, "CPU %u\n", whatif->cpus[i].cpu);
		for (size_t k = 0; k < whatif->n_threads; k++) {
			if (whatif->threads[k].placed &&
			    whatif->threads[k].cpu == whatif->cpus[i].cpu)
				print_thread(out, whatif, k, column_ns, columns);
		}
	}
}
