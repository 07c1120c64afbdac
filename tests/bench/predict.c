/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the simulator (daemon/admit/simulate.c) makes of sets of streams on a machine like the lab's: for each
 * line of standard input,
 *
 *   ORDERING HORIZON INTERVAL,TAKEN,OFFSET EARLY,PERMILLE,SWITCH (T,C,x/y,phase) ...
 *
 * a line {"streams": [{"requests": ..., "served": ..., "windows": ..., "violations": ...}, ...]}. One unit
 * of time throughout. The streams get all but TAKEN of each INTERVAL: the cap leaves what is left at its
 * end to the rest of the machine; the first interval ends at OFFSET. Jobs end EARLY (and PERMILLE of C)
 * before their C; before another stream than the last one is served, SWITCH passes. Work that no window
 * needs is not done at all, for others are there, which outweigh it. Requests that are due after HORIZON
 * are not released, as in tests/vm/crowd.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admit/simulate.h"

#define STREAMS_MAX 1024
#define TEXT_MAX    65536

struct line {
	struct qos_sim_options options;
	uint64_t interval, taken, offset, early, permille;
	size_t n;
	struct qos_sim_task task[STREAMS_MAX];
	struct qos_sim_stats stats[STREAMS_MAX];
};

static bool parse_stream(struct line *line, const char *text, int *length)
{
	struct qos_sim_task *task = &line->task[line->n];
	uint64_t early;

	if (sscanf(text, " (%" SCNu64 ",%" SCNu64 ",%u/%u,%" SCNu64 ")%n", &task->period,
		   &task->cost, &task->x, &task->y, &task->phase, length) != 5)
		return false;
	early = line->early + task->cost * line->permille / 1000;
	task->deadline = task->period;
	task->needs = task->cost > early ? task->cost - early : 0;
	if (task->phase + task->period > line->options.horizon)
		task->phase = line->options.horizon + 1; /* none */
	else
		task->requests = (line->options.horizon - task->phase) / task->period;
	line->n++;
	return true;
}

/* The simulator's intervals begin at 0: everything else is moved. */
static void set_cap(struct line *line)
{
	uint64_t later = line->interval - line->offset;

	if (!line->taken)
		return;
	line->options.cap = line->interval - line->taken;
	line->options.cap_interval = line->interval;
	line->options.horizon += later;
	for (size_t i = 0; i < line->n; i++)
		line->task[i].phase += later;
}

static bool is_good(const struct line *line)
{
	for (size_t i = 0; i < line->n; i++) {
		if (!line->task[i].needs)
			return false;
	}
	return line->n && line->taken <= line->interval && line->offset <= line->interval;
}

static bool parse(struct line *line, const char *text)
{
	char ordering[32];
	int length, i;

	memset(line, 0, sizeof(*line));
	if (sscanf(text,
		   "%31s %" SCNu64 " %" SCNu64 ",%" SCNu64 ",%" SCNu64 " %" SCNu64 ",%" SCNu64
		   ",%" SCNu64 "%n",
		   ordering, &line->options.horizon, &line->interval, &line->taken, &line->offset,
		   &line->early, &line->permille, &line->options.change, &length) != 8)
		return false;
	for (i = 0; i < DWCS_ORDERINGS && strcmp(qos_ordering_names[i], ordering) != 0; i++)
		;
	if (i == DWCS_ORDERINGS)
		return false;
	line->options.ordering = (enum dwcs_ordering)i;
	line->options.requests_max = UINT64_MAX;
	line->options.no_spare = true;
	for (text += length; line->n < STREAMS_MAX && parse_stream(line, text, &length);)
		text += length;
	if (text[strspn(text, " \n")] || !is_good(line))
		return false;
	set_cap(line);
	line->options.horizon++; /* what is due then has its outcome */
	return true;
}

static void print(const struct line *line)
{
	printf("{\"streams\": [");
	for (size_t i = 0; i < line->n; i++) {
		const struct qos_sim_stats *stats = &line->stats[i];

		printf("%s{\"requests\": %" PRIu64 ", \"served\": %" PRIu64
		       ", \"windows\": %" PRIu64 ", \"violations\": %" PRIu64 "}",
		       i ? ", " : "", stats->served + stats->lost, stats->served, stats->windows,
		       stats->violations);
	}
	printf("]}\n");
	fflush(stdout);
}

int main(void)
{
	static char text[TEXT_MAX];
	static struct line line;
	struct qos_sim_result result;

	while (fgets(text, sizeof(text), stdin)) {
		if (!parse(&line, text) ||
		    qos_simulate(line.task, line.n, &line.options, line.stats, &result) < 0) {
			fprintf(stderr, "predict: cannot read: %s", text);
			return 1;
		}
		print(&line);
	}
	return 0;
}
