// SPDX-License-Identifier: GPL-2.0-only
/*
 * Windows that an ordering keeps on an ideal machine: kmod/dwcs.h, slot by slot. The measure of
 * what the module does with the same set.
 *
 *   slots ORDERING SLOTS T,C,x,y,phase ...      prints windows and violations of each stream
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint32_t __u32;
typedef uint64_t __u64;
typedef int64_t __s64;

#include "../../kmod/dwcs.h"

#define MAX 64

struct one {
	struct dwcs_stream dwcs;
	unsigned int phase, windows, broken;
};

static void note(struct one *one, int ended)
{
	one->windows += !!(ended & DWCS_WINDOW_ENDED);
	one->broken += !!(ended & DWCS_WINDOW_BROKEN);
}

static void slot(struct dwcs_queue *queue, struct one *all, int n, __u64 t)
{
	struct dwcs_stream *s;

	while ((s = dwcs_next_due(queue)) && s->due <= t)
		note((struct one *)s, dwcs_settle(queue, s, 0));
	for (int i = 0; i < n; i++) {
		if (t >= all[i].phase && (t - all[i].phase) % all[i].dwcs.period == 0)
			dwcs_release(queue, &all[i].dwcs, t, 0);
	}
	s = dwcs_pick(queue, t);
	if (!s)
		return;
	dwcs_serve(queue, s, 1);
	if (!s->left)
		note((struct one *)s, dwcs_settle(queue, s, 1));
}

int main(int argc, char **argv)
{
	static struct one all[MAX];
	static struct dwcs_stream *slots[DWCS_HEAPS][MAX];
	struct dwcs_queue queue = {0};
	int n = argc - 3;

	if (n < 1 || n > MAX)
		return 64;
	queue.ordering = atoi(argv[1]);
	for (int i = 0; i < DWCS_HEAPS; i++)
		queue.slot[i] = slots[i];
	for (int i = 0; i < n; i++) {
		unsigned int v[5];

		if (sscanf(argv[i + 3], "%u,%u,%u,%u,%u", v, v + 1, v + 2, v + 3, v + 4) != 5)
			return 64;
		all[i].dwcs = (struct dwcs_stream){.period = v[0],
						   .deadline = v[0],
						   .cost = v[1],
						   .x = v[2],
						   .y = v[3],
						   .id = i};
		all[i].phase = v[4];
		dwcs_reset(&all[i].dwcs);
	}
	for (__u64 t = 0; t < strtoull(argv[2], NULL, 10); t++)
		slot(&queue, all, n, t);
	for (int i = 0; i < n; i++)
		printf("%u %u\n", all[i].windows, all[i].broken);
	return 0;
}
