// SPDX-License-Identifier: GPL-2.0-only
/*
 * At load, in debug builds: is dwcs.h the same here as in user space? Sets of streams whose fate
 * under each ordering is known (the tree's tests have the same ones, and many more) are run slot by
 * slot; a request that is not finished at its deadline is lost. A wrong verdict keeps the module
 * from loading.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "../qos.h"

#define STREAMS_MAX 3
#define SLOTS	    10000

struct vector {
	const char *name;
	const char *keeps; /* by ordering, as enum dwcs_ordering counts: 1, all windows are kept */
	u32 n;
	struct {
		u32 period, cost, x, y, phase;
	} stream[STREAMS_MAX];
};

static const struct vector vectors[] = {
	/* edf, dwcs, dwcs-skip, dwcs-window, vds, vds-skip, fin */
	{"V1", "0000000", 2, {{6, 5, 3, 4, 0}, {2, 1, 0, 1, 0}}},
	{"V2", "0000111", 2, {{8, 4, 0, 3, 0}, {6, 5, 3, 4, 0}}},
	{"V3", "0110001", 2, {{3, 2, 1, 3, 1}, {2, 2, 2, 3, 0}}},
	{"V4", "0010011", 2, {{2, 2, 1, 3, 0}, {3, 1, 0, 3, 0}}},
	{"V5", "0010001", 2, {{3, 2, 1, 4, 0}, {8, 6, 2, 3, 0}}},
	{"V6", "0110000", 2, {{2, 2, 1, 3, 0}, {3, 1, 0, 1, 2}}},
	{"V7", "0010000", 2, {{6, 6, 3, 5, 3}, {6, 5, 2, 3, 5}}},
	{"V8", "0000000", 2, {{5, 4, 3, 4, 0}, {2, 2, 1, 2, 0}}},
	{"V9", "0111111", 3, {{4, 2, 0, 1, 0}, {2, 2, 4, 5, 0}, {5, 1, 0, 1, 0}}},
	{"V10", "0111111", 2, {{2, 1, 1, 5, 0}, {2, 2, 4, 5, 0}}},
};

static void set_up(const struct vector *vector, struct dwcs_stream *streams)
{
	u32 i;

	memset(streams, 0, STREAMS_MAX * sizeof(*streams));
	for (i = 0; i < vector->n; i++) {
		streams[i].period = vector->stream[i].period;
		streams[i].deadline = vector->stream[i].period;
		streams[i].cost = vector->stream[i].cost;
		streams[i].x = vector->stream[i].x;
		streams[i].y = vector->stream[i].y;
		streams[i].id = i;
		dwcs_reset(&streams[i]);
	}
}

/* One slot. Returns DWCS_WINDOW_*, of all streams together. */
static int slot(struct dwcs_queue *queue, const struct vector *vector, struct dwcs_stream *streams,
		u64 t)
{
	struct dwcs_stream *s;
	int ended = 0;
	u32 i;

	while ((s = dwcs_next_due(queue)) && s->due <= t)
		ended |= dwcs_settle(queue, s, 0);
	for (i = 0; i < vector->n; i++) {
		u32 phase = vector->stream[i].phase;

		if (t >= phase && (t - phase) % vector->stream[i].period == 0)
			dwcs_release(queue, &streams[i], t, 0);
	}
	s = dwcs_pick(queue, t);
	if (!s)
		return ended;
	dwcs_serve(queue, s, 1);
	return s->left ? ended : ended | dwcs_settle(queue, s, 1);
}

static bool keeps(const struct vector *vector, enum dwcs_ordering ordering)
{
	struct dwcs_stream streams[STREAMS_MAX], *slots[DWCS_HEAPS][STREAMS_MAX];
	struct dwcs_queue queue = {.ordering = ordering};
	u32 t;
	int i;

	for (i = 0; i < DWCS_HEAPS; i++)
		queue.slot[i] = slots[i];
	set_up(vector, streams);
	for (t = 0; t < SLOTS; t++) {
		if (slot(&queue, vector, streams, t) & DWCS_WINDOW_BROKEN)
			return false;
	}
	return true;
}

int qos_selftest(void)
{
	int i, ordering, failed = 0;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		for (ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
			if (keeps(&vectors[i], ordering) == (vectors[i].keeps[ordering] == '1'))
				continue;
			pr_err("qos_dwcs: self-test: %s under ordering %d\n", vectors[i].name,
			       ordering);
			failed++;
		}
	}
	if (failed)
		return -EINVAL;
	pr_info("qos_dwcs: self-test: %zu vectors hold\n", ARRAY_SIZE(vectors));
	return 0;
}
