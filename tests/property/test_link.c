/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tests of admit/link.c against a link that knows nothing of them. Random streams send as often as
 * they may, at random phases, some of them more than they may (cut by a token bucket that lets a packet
 * go while its tokens are not negative, as HTB does); beneath them the largest packets of others never
 * end. By strict priority no conforming packet may take longer than the bound, by earliest deadline
 * none may be late where the test says so.
 *
 * The seed is fixed; QOS_SEED in the environment sets another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/random.h"
#include "admit/link.h"

#define SETS	4000
#define STREAMS 6
#define US	1000ULL
#define HORIZON (200000 * US)
#define QUEUE	4096

struct queue {
	struct qos_link_stream stream;
	uint32_t level;
	bool floods;
	uint64_t came_ns[QUEUE]; /* of the packets that were let through and wait */
	size_t first, n;
	uint64_t next_ns;    /* when the next one comes, as far as a bucket or the sender says */
	bool full;	     /* its bucket has a packet to spare */
	uint64_t longest_ns; /* delay of a packet */
};

static void random_set(struct queue *queues, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct qos_link_stream *stream = &queues[i].stream;

		queues[i] = (struct queue){.floods = rnd(3) == 0, .full = true};
		stream->packet_ns = (1 + rnd(120)) * US;
		stream->period_ns = stream->packet_ns * (2 + rnd(10)) + rnd(1000);
		stream->deadline_ns = stream->packet_ns * (1 + rnd(30));
		queues[i].next_ns = rnd(2) ? 0 : rnd((uint32_t)stream->period_ns);
	}
}

/* Who sends more than it may passes one packet extra, then one a period. */
static void arrive(struct queue *queue, uint64_t now_ns)
{
	while (queue->next_ns <= now_ns) {
		assert_true(queue->n < QUEUE);
		queue->came_ns[(queue->first + queue->n++) % QUEUE] = queue->next_ns;
		if (queue->floods && queue->full)
			queue->full = false;
		else
			queue->next_ns +=
				queue->stream.period_ns + (queue->floods || rnd(2) ? 0 : rnd(5000));
	}
}

static uint64_t due_ns(const struct queue *queue)
{
	return queue->came_ns[queue->first] + queue->stream.deadline_ns;
}

static struct queue *choose(struct queue *queues, size_t n, bool by_deadline)
{
	struct queue *best = NULL;

	for (size_t i = 0; i < n; i++) {
		struct queue *queue = &queues[i];

		if (!queue->n)
			continue;
		if (!best || (by_deadline ? due_ns(queue) < due_ns(best)
					  : queue->level < best->level ||
						    (queue->level == best->level && rnd(2))))
			best = queue;
	}
	return best;
}

static void run(struct queue *queues, size_t n, uint64_t blocking_ns, bool by_deadline)
{
	uint64_t now_ns = 0;

	while (now_ns < HORIZON) {
		struct queue *queue;

		for (size_t i = 0; i < n; i++)
			arrive(&queues[i], now_ns);
		queue = choose(queues, n, by_deadline);
		if (!queue) {
			now_ns += blocking_ns; /* one of others, not to be taken back */
			continue;
		}
		now_ns += queue->stream.packet_ns;
		if (now_ns - queue->came_ns[queue->first] > queue->longest_ns)
			queue->longest_ns = now_ns - queue->came_ns[queue->first];
		queue->first = (queue->first + 1) % QUEUE;
		queue->n--;
	}
}

static void check_levels(struct queue *queues, size_t n, uint64_t blocking_ns, unsigned int *told)
{
	struct qos_link_stream streams[STREAMS];
	uint32_t levels[STREAMS];
	uint64_t delays[STREAMS], util_ppb = 0;
	const struct qos_link_supply supply = {.largest_ns = blocking_ns};

	for (size_t i = 0; i < n; i++) {
		streams[i] = queues[i].stream;
		util_ppb += qos_link_util_ppb(&streams[i], false);
	}
	qos_link_levels(streams, n, levels);
	qos_link_delays(streams, levels, n, &supply, delays);
	if (util_ppb > 900000000)
		return;
	for (size_t i = 0; i < n; i++)
		queues[i].level = levels[i];
	run(queues, n, blocking_ns, false);
	for (size_t i = 0; i < n; i++) {
		assert_true(delays[i] != UINT64_MAX);
		if (queues[i].floods)
			continue;
		++*told;
		if (queues[i].longest_ns > delays[i])
			fail_msg("seed %#llx: stream %zu took %llu ns, bound %llu",
				 (unsigned long long)seed, i,
				 (unsigned long long)queues[i].longest_ns,
				 (unsigned long long)delays[i]);
	}
}

static void test_levels(void **state)
{
	unsigned int told = 0;

	random_seed();
	for (unsigned int round = 0; round < SETS; round++) {
		struct queue queues[STREAMS];
		size_t n = 1 + rnd(STREAMS);

		random_set(queues, n);
		check_levels(queues, n, (1 + rnd(200)) * US, &told);
	}
	print_message("%u streams were bounded\n", told);
	assert_true(told > SETS / 4);
}

static void test_edf(void **state)
{
	unsigned int told = 0;

	random_seed();
	for (unsigned int round = 0; round < SETS; round++) {
		const struct qos_link_supply supply = {.largest_ns = (1 + rnd(200)) * US};
		struct qos_link_stream streams[STREAMS];
		struct queue queues[STREAMS];
		size_t n = 1 + rnd(STREAMS);

		random_set(queues, n);
		for (size_t i = 0; i < n; i++) {
			queues[i].floods = false;
			streams[i] = queues[i].stream;
		}
		if (!qos_link_edf(streams, n, &supply))
			continue;
		told++;
		run(queues, n, supply.largest_ns, true);
		for (size_t i = 0; i < n; i++)
			assert_in_range(queues[i].longest_ns, 0, queues[i].stream.deadline_ns);
	}
	print_message("%u sets were proven\n", told);
	assert_true(told > SETS / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_levels),
					   cmocka_unit_test(test_edf)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
