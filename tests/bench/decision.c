/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the choice of kmod/dwcs.h costs by itself, in user space: for each ordering and 10 to 10,000
 * streams, ns a decision, which is all that happens in one slot: losses are settled, the next request
 * is picked and served, and what was settled is released anew. So all streams are live all the time; their
 * periods are such that in each slot about one request is served or lost.
 *
 * The control, in the same run and from the same state, is the plain way: one scan over the streams for
 * what is due and for the best (fin: a second one for what is started; fin-guard is held against
 * fin's). It must choose the same. Short rounds of both and of all
 * sizes alternate, and the least time of a round counts: neighbours on the machine only add.
 *
 * Bounds: by that at n = 10 a decision costs at most log n / log 10 times 1.5: 6 times as much at 10,000
 * streams (a square root would be 32, a scan 1,000). The half as much again is for the caches: 10,000
 * streams are more than a megabyte. And from 1,000 streams on the scan costs more.
 */
#include <stdio.h>
#include <time.h>

#include "../harness/slots.h"
#include "util/cleanup.h"

#define ROUNDS	60
#define STREAMS 10000
#define SLACK	1.5

static const uint32_t sizes[] = {10, 100, 1000, STREAMS};
#define SIZES QOS_ARRAY_SIZE(sizes)

/* Streams, their queue, and the ids that were chosen, hashed. */
struct world {
	enum dwcs_ordering ordering;
	uint32_t n;
	struct dwcs_queue queue;
	struct dwcs_stream streams[STREAMS];
	struct dwcs_stream *room[DWCS_HEAPS][STREAMS];
	uint64_t now, chosen;
};

static void begin(struct world *world, enum dwcs_ordering ordering, uint32_t n)
{
	memset(world, 0, sizeof(*world));
	world->ordering = world->queue.ordering = ordering;
	world->n = n;
	random_seed();
	for (int heap = 0; heap < DWCS_HEAPS; heap++)
		world->queue.slot[heap] = world->room[heap];
	for (uint32_t i = 0; i < n; i++) {
		struct dwcs_stream *s = &world->streams[i];

		s->id = i;
		s->cost = 1 + rnd(3);
		s->period = s->cost * (n + rnd(2 * n));
		s->deadline = s->period;
		s->y = 1 + rnd(10);
		s->x = rnd(s->y);
		dwcs_reset(s);
		dwcs_release(&world->queue, s, 0, 0);
	}
}

static void note(struct world *world, const struct dwcs_stream *s)
{
	world->chosen = (world->chosen ^ (s ? s->id : STREAMS)) * 1099511628211ULL;
}

/* --- one decision with the queue --- */

static void settle(struct world *world, struct dwcs_stream *s, int served)
{
	dwcs_settle(&world->queue, s, served);
	dwcs_release(&world->queue, s, world->now, 0);
}

static void decide(struct world *world)
{
	struct dwcs_stream *s;

	while ((s = dwcs_next_due(&world->queue)) && s->due <= world->now)
		settle(world, s, 0);
	s = dwcs_pick(&world->queue, world->now++);
	note(world, s);
	if (!s)
		return;
	dwcs_serve(&world->queue, s, 1);
	if (s->left == 0)
		settle(world, s, 1);
}

/* --- and by scans; the heaps are there, but not looked at --- */

static void settle_plainly(struct world *world, struct dwcs_stream *s, int served)
{
	dwcs_adjust(s, served);
	s->release = world->now;
	s->due = s->release + s->deadline;
	s->left = s->cost;
}

static bool is_earlier(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	int order = dwcs_by_due(a, b);

	return (order ? order : dwcs_by_arrival(a, b)) < 0;
}

static bool is_ranked(const struct world *world, const struct dwcs_stream *s)
{
	return dwcs_heap_of(&world->queue, s) == DWCS_RANK;
}

static struct dwcs_stream *finish_by_scan(struct world *world, struct dwcs_stream *top)
{
	struct dwcs_stream *best = top;

	for (uint32_t i = 0; i < world->n; i++) {
		struct dwcs_stream *s = &world->streams[i];

		if (s->left < s->cost && s != top && s->due <= top->due &&
		    world->now + s->left + top->left <= top->due &&
		    dwcs_is_possible(s, world->now) && is_ranked(world, s) &&
		    (best == top || is_earlier(s, best)))
			best = s;
	}
	return best;
}

static struct dwcs_stream *pick_by_scan(struct world *world)
{
	struct dwcs_stream *best = NULL, *spare = NULL;

	for (uint32_t i = 0; i < world->n; i++) {
		struct dwcs_stream *s = &world->streams[i];

		if (s->due <= world->now)
			settle_plainly(world, s, 0);
		if (dwcs_skips(world->ordering) && !dwcs_is_possible(s, world->now))
			continue;
		if (!is_ranked(world, s)) {
			if (!best && (!spare || is_earlier(s, spare)))
				spare = s;
		} else if (!best || dwcs_order(world->ordering, s, best) < 0) {
			best = s;
		}
	}
	if (!best)
		return spare;
	return dwcs_finishes(world->ordering) ? finish_by_scan(world, best) : best;
}

static void decide_by_scan(struct world *world)
{
	struct dwcs_stream *s = pick_by_scan(world);

	note(world, s);
	world->now++;
	if (s && --s->left == 0)
		settle_plainly(world, s, 1);
}

/* --- measuring --- */

struct row {
	enum dwcs_ordering ordering;
	uint32_t streams;
	double ns, scan_ns;
	double growth; /* by the row of the least size */
};

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_of(void (*one)(struct world *), struct world *world, uint32_t decisions)
{
	double from = cpu_ns();

	for (uint32_t i = 0; i < decisions; i++)
		one(world);
	return (cpu_ns() - from) / decisions;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* From the queue's state the scans must choose what the queue chooses. */
static void expect_same_choices(struct world *world, struct world *plain)
{
	*plain = *world;
	for (int i = 0; i < 200; i++) {
		decide(world);
		decide_by_scan(plain);
	}
	if (plain->chosen != world->chosen && world->ordering != DWCS_FIN_GUARD) {
		fprintf(stderr, "%s, %u streams: the scan chooses differently\n",
			slot_orderings[world->ordering], world->n);
		exit(1);
	}
}

static void measure(enum dwcs_ordering ordering, struct row *rows)
{
	static struct world worlds[SIZES], plain[SIZES];

	for (size_t i = 0; i < SIZES; i++) {
		rows[i] = (struct row){ordering, sizes[i], 1e18, 1e18, 0};
		begin(&worlds[i], ordering, sizes[i]);
		time_of(decide, &worlds[i], 10 * sizes[i] + 1000);
		expect_same_choices(&worlds[i], &plain[i]);
	}
	for (size_t n = 0; n < ROUNDS * SIZES; n++) {
		struct row *row = &rows[n % SIZES];
		uint32_t scans = 5 + 5000 / row->streams;

		row->ns = least(row->ns, time_of(decide, &worlds[n % SIZES], 3000));
		row->scan_ns =
			least(row->scan_ns, time_of(decide_by_scan, &plain[n % SIZES], scans));
	}
	for (size_t i = 0; i < SIZES; i++)
		rows[i].growth = rows[i].ns / rows[0].ns;
}

/* Of row i, for 10^(i+1) streams. */
static double most_growth(size_t i)
{
	return i ? SLACK * (double)(i + 1) : 1;
}

static bool is_good(const struct row *rows, size_t i)
{
	if (rows[i].streams >= 1000 && rows[i].ns > rows[i].scan_ns)
		return false;
	return rows[i].growth <= most_growth(i);
}

static void print(const struct row *row, double most, bool good, bool json, bool first)
{
	const char *name = slot_orderings[row->ordering];

	if (json)
		printf("%s{\"ordering\": \"%s\", \"streams\": %u, \"ns\": %.1f, "
		       "\"linear_ns\": %.1f, \"growth\": %.2f, \"bound\": %.1f, \"good\": %s}",
		       first ? "" : ", ", name, row->streams, row->ns, row->scan_ns, row->growth,
		       most, good ? "true" : "false");
	else
		printf("%-12s %7u %9.1f %11.1f %7.2f %9.3f %s\n", name, row->streams, row->ns,
		       row->scan_ns, row->growth, row->ns / row->scan_ns, good ? "" : "MISSED");
}

/* True: within its bounds. */
static bool bench(enum dwcs_ordering ordering, bool json)
{
	struct row rows[SIZES];
	bool all_good = true;

	measure(ordering, rows);
	for (size_t i = 0; i < SIZES; i++) {
		bool good = is_good(rows, i);

		all_good &= good;
		print(&rows[i], most_growth(i), good, json, ordering == 0 && i == 0);
	}
	return all_good;
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0, good = true;

	if (json)
		printf("{\"bench\": \"decision\", \"rows\": [");
	else
		printf("%-12s %7s %9s %11s %7s %9s\n", "ordering", "streams", "ns", "linear ns",
		       "by n=10", "by linear");
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++)
		good &= bench(ordering, json);
	if (json)
		printf("]}\n");
	return good ? 0 : 1;
}
