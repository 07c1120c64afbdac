/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kmod/dwcs.h itself makes of sets whose jobs take their whole C: for each line of standard input,
 *
 *   ORDERING HORIZON INTERVAL,TAKEN,OFFSET EARLY,PERMILLE,SWITCH,SPARE (T,C,x/y,phase) ...
 *
 * a line {"streams": [{"requests": ..., "served": ..., "windows": ..., "violations": ...}, ...]}. One unit
 * of time throughout. TAKEN of each INTERVAL is somebody else's, at its end: what the cap leaves to the
 * rest of the machine; the first ends at OFFSET. Jobs end EARLY (and PERMILLE of C) before their C; before another stream
 * than the last one is served, SWITCH passes. SPARE 0: work that no window needs is not done at all, for
 * others are there, which outweigh it. Counts requests whose deadline is within HORIZON, as tests/vm/crowd.c does.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/types.h>

#include "../../kmod/dwcs.h"

#define STREAMS_MAX 1025 /* and the interval's own */
#define TEXT_MAX    65536

struct line {
	uint64_t horizon, interval, taken, offset, early, permille, change, spare;
	unsigned int n;
	struct dwcs_stream stream[STREAMS_MAX];
	uint64_t next[STREAMS_MAX]; /* release */
	uint64_t served[STREAMS_MAX], lost[STREAMS_MAX];
	uint64_t windows[STREAMS_MAX], violations[STREAMS_MAX];
};

static struct line line;
static struct dwcs_stream *heap[DWCS_HEAPS][STREAMS_MAX];
static struct dwcs_queue queue;

static const char *const names[DWCS_ORDERINGS] = {
	[DWCS_EDF] = "edf",
	[DWCS_DWCS] = "dwcs",
	[DWCS_DWCS_SKIP] = "dwcs-skip",
	[DWCS_WINDOW] = "dwcs-window",
	[DWCS_VDS] = "vds",
	[DWCS_VDS_SKIP] = "vds-skip",
	[DWCS_FIN] = "fin",
	[DWCS_FIN_GUARD] = "fin-guard",
};

static void settle(unsigned int i, bool served)
{
	int window = dwcs_settle(&queue, &line.stream[i], served);

	line.served[i] += served;
	line.lost[i] += !served;
	line.windows[i] += (window & DWCS_WINDOW_ENDED) != 0;
	line.violations[i] += (window & DWCS_WINDOW_BROKEN) != 0;
}

/* A request is released only if it is due within the horizon; the interval's own are endless. */
static bool is_released_at(unsigned int i, uint64_t now)
{
	const struct dwcs_stream *s = &line.stream[i];

	return line.next[i] <= now && (i == 0 || line.next[i] + s->deadline <= line.horizon);
}

static void catch_up(uint64_t now)
{
	struct dwcs_stream *s;
	unsigned int i;

	while ((s = dwcs_next_due(&queue)) && s->due <= now)
		settle((unsigned int)(s - line.stream), false);
	for (i = line.taken ? 0 : 1; i < line.n; i++) {
		if (!is_released_at(i, now))
			continue;
		dwcs_release(&queue, &line.stream[i], line.next[i], i == 0);
		line.next[i] += line.stream[i].period;
	}
}

static uint64_t next_release(uint64_t now)
{
	uint64_t least = line.horizon;
	unsigned int i;

	for (i = line.taken ? 0 : 1; i < line.n; i++) {
		if (line.next[i] > now && line.next[i] < least)
			least = line.next[i];
	}
	return least;
}

/* What the running job has to get yet; the interval's own is no job. */
static uint64_t wants(const struct dwcs_stream *s)
{
	uint64_t early = line.early + s->cost * line.permille / 1000;

	return s == &line.stream[0] ? s->left : s->left - early;
}

/* Lets time go on, to `until` at most; returns the new time. */
static uint64_t spend(struct dwcs_stream *s, uint64_t *change, uint64_t now, uint64_t until)
{
	uint64_t amount = until - now;

	if (s && *change) {
		amount = *change < amount ? *change : amount;
		*change -= amount;
		return now + amount;
	}
	if (!s)
		return until;
	amount = wants(s) < amount ? wants(s) : amount;
	dwcs_serve(&queue, s, amount);
	if (wants(s) == 0)
		settle((unsigned int)(s - line.stream), true);
	return now + amount;
}

static void run(void)
{
	const struct dwcs_stream *last = NULL;
	uint64_t now = 0, change = 0;
	struct dwcs_stream *s;

	while (now < line.horizon) {
		catch_up(now);
		s = dwcs_pick(&queue, now);
		if (s && s->pos[DWCS_SPARE] && !line.spare)
			s = NULL;
		if (s && s != last && s != &line.stream[0])
			change = line.change;
		last = s;
		now = spend(s, &change, now, next_release(now));
	}
	catch_up(now);
}

static bool parse_streams(const char *text)
{
	unsigned long period, cost, phase;
	unsigned int x, y;
	int length;

	for (line.n = 1; line.n < STREAMS_MAX; line.n++, text += length) {
		struct dwcs_stream *s = &line.stream[line.n];

		if (sscanf(text, " (%lu,%lu,%u/%u,%lu)%n", &period, &cost, &x, &y, &phase,
			   &length) != 5)
			break;
		*s = (struct dwcs_stream){.period = period,
					  .deadline = period,
					  .cost = cost,
					  .x = x,
					  .y = y,
					  .id = line.n};
		dwcs_reset(s);
		line.next[line.n] = phase;
		if (!dwcs_check(s) || cost * (1000 - line.permille) <= line.early * 1000)
			return false;
	}
	return line.n > 1 && text[strspn(text, " \n")] == 0;
}

static void init_queue(enum dwcs_ordering ordering)
{
	int i;

	queue = (struct dwcs_queue){.ordering = ordering};
	for (i = 0; i < DWCS_HEAPS; i++)
		queue.slot[i] = heap[i];
	line.stream[0] = (struct dwcs_stream){
		.period = line.interval, .deadline = line.taken, .cost = line.taken};
	dwcs_reset(&line.stream[0]);
	line.next[0] = line.offset - line.taken;
}

static bool parse(const char *text)
{
	char ordering[32];
	int i, length;

	memset(&line, 0, sizeof(line));
	if (sscanf(text, "%31s %lu %lu,%lu,%lu %lu,%lu,%lu,%lu%n", ordering, &line.horizon,
		   &line.interval, &line.taken, &line.offset, &line.early, &line.permille,
		   &line.change, &line.spare, &length) != 9)
		return false;
	for (i = 0; i < DWCS_ORDERINGS && strcmp(names[i], ordering) != 0; i++)
		;
	if (i == DWCS_ORDERINGS || line.taken > line.interval || line.taken > line.offset)
		return false;
	init_queue((enum dwcs_ordering)i);
	return parse_streams(text + length);
}

static void print(void)
{
	unsigned int i;

	printf("{\"streams\": [");
	for (i = 1; i < line.n; i++)
		printf("%s{\"requests\": %lu, \"served\": %lu, \"windows\": %lu, \"violations\": "
		       "%lu}",
		       i > 1 ? ", " : "", line.served[i] + line.lost[i], line.served[i],
		       line.windows[i], line.violations[i]);
	printf("]}\n");
	fflush(stdout);
}

int main(void)
{
	static char text[TEXT_MAX];

	while (fgets(text, sizeof(text), stdin)) {
		if (!parse(text)) {
			fprintf(stderr, "predict: cannot read: %s", text);
			return 1;
		}
		run();
		print();
	}
	return 0;
}
