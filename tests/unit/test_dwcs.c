/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The laws of kmod/dwcs.h: its orders are total orders, its adjustment is that of DWCS's tables, its
 * heaps are heaps, its bounds hold; and sets whose outcome under each ordering is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/slots.h"
#include "util/cleanup.h"

#define TRIPLES 200000
#define WINDOWS 200000
#define ROUNDS	200
#define STEPS	400
#define CROWD	40

/* --- orders --- */

/* Small numbers, so that ties are common; now and then the largest ones. */
static struct dwcs_stream random_stream(uint32_t id, bool large)
{
	struct dwcs_stream s = {.id = id, .cost = 1, .left = 1};

	s.y = 1 + rnd(large ? DWCS_Y_MAX : 5);
	s.x = rnd(s.y + 1);
	s.period = 1 + rnd(6);
	if (large)
		s.period = DWCS_PERIOD_MAX - 1 - rnd(2);
	s.deadline = s.period;
	s.k = 1 + rnd(s.y);
	s.m = 1 + rnd(s.y);
	s.release = rnd(4);
	if (large)
		s.release = 0 - (uint64_t)rnd(3) * (DWCS_PERIOD_MAX / 2);
	s.due = s.release + s.deadline;
	return s;
}

static void orders_are_total_orders(void **state)
{
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		unsigned int chains = 0;

		for (unsigned int round = 0; round < TRIPLES; round++) {
			bool large = rnd(4) == 0;
			struct dwcs_stream a = random_stream(0, large), b = random_stream(1, large);
			struct dwcs_stream c = random_stream(2, large);
			int ab = dwcs_order(ordering, &a, &b), bc = dwcs_order(ordering, &b, &c);
			int ac = dwcs_order(ordering, &a, &c);

			if (ab != 1 && ab != -1)
				fail_msg("%s: %d", slot_orderings[ordering], ab);
			assert_int_equal(dwcs_order(ordering, &b, &a), -ab);
			assert_int_equal(dwcs_order(ordering, &a, &a), 0);
			chains += ab == bc;
			if (ab == bc && ac != ab)
				fail_msg("%s: not transitive", slot_orderings[ordering]);
		}
		assert_in_range(chains, TRIPLES / 4, TRIPLES);
	}
}

/* Without the ties by arrival two may be equal; equality must then be one too. */
static void ties_are_equivalences(void **state)
{
	int (*const orders[])(const struct dwcs_stream *, const struct dwcs_stream *) = {
		dwcs_by_due,	   dwcs_by_constraint, dwcs_order_dwcs,
		dwcs_order_window, dwcs_order_virtual, dwcs_by_arrival,
	};

	for (size_t o = 0; o < QOS_ARRAY_SIZE(orders); o++) {
		unsigned int ties = 0;

		for (unsigned int round = 0; round < TRIPLES; round++) {
			struct dwcs_stream a = random_stream(0, false), b = random_stream(0, false);
			struct dwcs_stream c = random_stream(0, false);

			assert_int_equal(orders[o](&a, &b), -orders[o](&b, &a));
			if (orders[o](&a, &b))
				continue;
			ties++;
			assert_int_equal(orders[o](&a, &c), orders[o](&b, &c));
		}
		assert_in_range(ties, TRIPLES / 1000, TRIPLES);
	}
}

/* The product that is compared, against wider arithmetic, at the ends of what dwcs_check() lets in. */
static void nothing_overflows(void **state)
{
	for (unsigned int round = 0; round < TRIPLES; round++) {
		struct dwcs_stream a = random_stream(0, true), b = random_stream(1, true);
		__int128 va, vb;

		if (rnd(2)) {
			a.y = a.k = DWCS_Y_MAX;
			a.m = 1 + rnd(2) * (DWCS_Y_MAX - 1);
		}
		va = (__int128)(int64_t)a.due * a.m + ((__int128)a.k - a.m) * a.period;
		vb = (__int128)(int64_t)b.due * b.m + ((__int128)b.k - b.m) * b.period;
		va *= b.m;
		vb *= a.m;
		if (va != vb)
			assert_int_equal(dwcs_order_virtual(&a, &b), va < vb ? -1 : 1);
		else
			assert_int_equal(dwcs_order_virtual(&a, &b), dwcs_by_due(&a, &b));
	}
}

/* --- the adjustment --- */

/* DWCS's own tables, word for word: (A) a request was served, (B) one was missed. */
struct table {
	uint32_t x, y, now_x, now_y;
};

static void table_a(struct table *w)
{
	if (w->now_y > w->now_x)
		w->now_y--;
	else if (w->now_y == w->now_x && w->now_x > 0)
		w->now_x--, w->now_y--;
	if (w->now_x == 0 && w->now_y == 0)
		w->now_x = w->x, w->now_y = w->y;
}

/* Only windows without violation: the published one shifts the window, ours does not. */
static void table_b(struct table *w)
{
	assert_true(w->now_x > 0);
	w->now_x--, w->now_y--;
	if (w->now_x == 0 && w->now_y == 0)
		w->now_x = w->x, w->now_y = w->y;
}

static void adjusts_as_the_tables_say(void **state)
{
	unsigned int ended = 0;

	for (unsigned int round = 0; round < WINDOWS; round++) {
		uint32_t y = 1 + rnd(rnd(10) ? 6 : DWCS_Y_MAX), x = rnd(y + 1);
		struct table table = {x, y, x, y};
		struct dwcs_stream s = {.x = x, .y = y};
		int result = 0;

		dwcs_reset(&s);
		for (uint32_t i = 0; i < 2 * y; i++) {
			int served = table.now_x == 0 || rnd(2);

			assert_int_equal(s.k - s.m, table.now_x);
			assert_int_equal(s.k, table.now_y);
			if (served)
				table_a(&table);
			else
				table_b(&table);
			result = dwcs_adjust(&s, served);
			assert_int_equal(result, i % y == y - 1 ? DWCS_WINDOW_ENDED : 0);
			ended += result != 0;
		}
	}
	assert_int_equal(ended, 2 * WINDOWS);
}

/* Against counting: more than x of y lost, whatever the order of them. */
static void tells_broken_windows(void **state)
{
	unsigned int broken = 0;

	for (unsigned int round = 0; round < WINDOWS; round++) {
		uint32_t y = 1 + rnd(6), x = rnd(y + 1), lost = 0;
		struct dwcs_stream s = {.x = x, .y = y};

		dwcs_reset(&s);
		for (uint32_t i = 0; i < y; i++) {
			int served = rnd(3) != 0, result;

			lost += !served;
			result = dwcs_adjust(&s, served);
			if (i < y - 1) {
				assert_int_equal(result, 0);
				assert_int_equal(dwcs_is_doomed(&s), lost > x);
				continue;
			}
			assert_int_equal(result,
					 DWCS_WINDOW_ENDED | (lost > x ? DWCS_WINDOW_BROKEN : 0));
		}
		assert_int_equal(s.k, y);
		assert_int_equal(s.m, y - x);
		broken += lost > x;
	}
	assert_in_range(broken, WINDOWS / 10, WINDOWS);
}

static void plain_edf_has_no_window(void **state)
{
	struct dwcs_stream s = {};

	dwcs_reset(&s);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(dwcs_adjust(&s, i % 3), 0);
		assert_int_equal(s.k, 1);
		assert_int_equal(s.m, 1);
	}
}

static void checks_its_bounds(void **state)
{
	static const struct {
		struct dwcs_stream s;
		int good;
	} cases[] = {
		{{.period = 1, .deadline = 1, .cost = 1}, 1},
		{{.period = DWCS_PERIOD_MAX - 1, .deadline = DWCS_PERIOD_MAX - 1, .cost = 1}, 1},
		{{.period = DWCS_PERIOD_MAX, .deadline = 1, .cost = 1}, 0},
		{{.period = 5, .deadline = 4, .cost = 4}, 1},
		{{.period = 5, .deadline = 4, .cost = 5}, 0},
		{{.period = 5, .deadline = 6, .cost = 4}, 0},
		{{.period = 5, .deadline = 4, .cost = 0}, 0},
		{{.period = 5, .deadline = 5, .cost = 1, .x = 3, .y = 3}, 1},
		{{.period = 5, .deadline = 5, .cost = 1, .x = 4, .y = 3}, 0},
		{{.period = 5, .deadline = 5, .cost = 1, .x = 1, .y = 0}, 0},
		{{.period = 5, .deadline = 5, .cost = 1, .x = 0, .y = DWCS_Y_MAX}, 1},
		{{.period = 5, .deadline = 5, .cost = 1, .x = 0, .y = DWCS_Y_MAX + 1}, 0},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		print_message("case %zu\n", i);
		assert_int_equal(dwcs_check(&cases[i].s) != 0, cases[i].good);
	}
}

/* --- the heaps --- */

static void expect_heaps(const struct dwcs_queue *q, const struct dwcs_stream *s, uint32_t n)
{
	for (int h = 0; h < DWCS_HEAPS; h++) {
		uint32_t in = 0;

		for (uint32_t pos = 1; pos <= q->n[h]; pos++) {
			assert_int_equal(q->slot[h][pos - 1]->pos[h], pos);
			if (pos > 1)
				assert_true(dwcs_goes_before(q, h, q->slot[h][pos / 2 - 1],
							     q->slot[h][pos - 1]));
		}
		for (uint32_t i = 0; i < n; i++)
			in += s[i].pos[h] != 0;
		assert_int_equal(in, q->n[h]);
	}
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t *pos = s[i].pos;
		int waits = (pos[DWCS_MUST] != 0) + (pos[DWCS_RANK] != 0) + (pos[DWCS_SPARE] != 0);

		assert_in_range(waits, 0, dwcs_is_live(&s[i]) ? 1 : 0);
		assert_int_equal(pos[DWCS_STARTED] != 0, pos[DWCS_RANK] &&
								 dwcs_finishes(q->ordering) &&
								 s[i].left < s[i].cost);
		assert_int_equal(pos[DWCS_CRITICAL] != 0, pos[DWCS_RANK] &&
								  q->ordering == DWCS_FIN_GUARD &&
								  s[i].k == s[i].m);
	}
}

static void random_operation(struct dwcs_queue *q, struct dwcs_stream *s, uint64_t *now)
{
	switch (dwcs_is_live(s) ? rnd(8) : 8) {
	case 0:
		dwcs_withdraw(q, s);
		break;
	case 1:
		dwcs_settle(q, s, 1);
		break;
	case 2:
		dwcs_settle(q, s, 0);
		break;
	case 3:
		dwcs_drop(q, s);
		if (rnd(2))
			dwcs_enqueue(q, s, rnd(6) == 0);
		break;
	case 4:
		*now += rnd(3);
		break;
	case 5:
		dwcs_serve(q, s, rnd(3));
		break;
	case 6:
		s = dwcs_pick(q, *now);
		assert_ptr_equal(s, dwcs_pick(q, *now));
		assert_true(!s || dwcs_is_live(s));
		if (s)
			dwcs_serve(q, s, 1);
		break;
	case 7:
		while ((s = dwcs_next_due(q)) && s->due <= *now)
			dwcs_settle(q, s, 0);
		break;
	case 8:
		dwcs_release(q, s, *now, rnd(6) == 0);
		break;
	}
}

static void heaps_stay_heaps(void **state)
{
	static struct dwcs_stream *room[DWCS_HEAPS][CROWD];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct dwcs_queue q = {.ordering = round % DWCS_ORDERINGS};
		struct dwcs_stream s[CROWD] = {};
		uint64_t now = (uint64_t)0 - rnd(50);

		for (int h = 0; h < DWCS_HEAPS; h++)
			q.slot[h] = room[h];
		for (uint32_t i = 0; i < CROWD; i++) {
			s[i] = random_stream(i, false);
			s[i].period = s[i].deadline = 1 + rnd(30);
			s[i].cost = 1 + rnd((uint32_t)s[i].deadline);
			dwcs_reset(&s[i]);
		}
		for (unsigned int step = 0; step < STEPS; step++) {
			random_operation(&q, &s[rnd(CROWD)], &now);
			expect_heaps(&q, s, CROWD);
		}
	}
}

/* The walk yields a heap's first ones in order. */
static void walks_in_order(void **state)
{
	static struct dwcs_stream *room[DWCS_HEAPS][CROWD];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct dwcs_queue q = {.ordering = DWCS_EDF};
		struct dwcs_stream s[CROWD], *last = NULL, *next;
		struct dwcs_walk walk = {.edge = {1}, .n = 1};
		uint32_t n = 1 + rnd(CROWD), seen = 0;

		for (int h = 0; h < DWCS_HEAPS; h++)
			q.slot[h] = room[h];
		for (uint32_t i = 0; i < n; i++) {
			s[i] = random_stream(i, false);
			dwcs_release(&q, &s[i], s[i].release, 0);
		}
		for (; seen < DWCS_GUARD_MAX; seen++, last = next) {
			next = dwcs_walk_next(&q, DWCS_DUE, &walk);
			if (!next)
				break;
			assert_true(!last || dwcs_goes_before(&q, DWCS_DUE, last, next));
			assert_true(seen || next == dwcs_top(&q, DWCS_DUE));
		}
		assert_int_equal(seen, n < DWCS_GUARD_MAX ? n : DWCS_GUARD_MAX);
	}
}

/* --- known outcomes --- */

#define SET(...)                                                                                   \
	{                                                                                          \
		.n = sizeof((struct slot_stream[]){__VA_ARGS__}) / sizeof(struct slot_stream),     \
		.s = { __VA_ARGS__ }                                                               \
	}
#define S(T, C, X, Y, PHASE)                                                                       \
	{                                                                                          \
		.period = T, .deadline = T, .cost = C, .x = X, .y = Y, .phase = PHASE              \
	}

/* fin finishes what it started, not what merely ran for a moment. */
static void grazing_starts_nothing(void **state)
{
	static struct dwcs_stream *room[DWCS_HEAPS][2];
	struct dwcs_queue q = {.ordering = DWCS_FIN};
	struct dwcs_stream top = {.period = 20, .deadline = 20, .cost = 4, .x = 0, .y = 1};
	struct dwcs_stream sooner = {
		.period = 10, .deadline = 10, .cost = 4, .x = 2, .y = 3, .id = 1};

	for (int h = 0; h < DWCS_HEAPS; h++)
		q.slot[h] = room[h];
	dwcs_reset(&top);
	dwcs_reset(&sooner);
	dwcs_release(&q, &top, 0, 0);
	dwcs_release(&q, &sooner, 0, 0);
	assert_ptr_equal(dwcs_pick(&q, 0), &top);
	dwcs_graze(&sooner, 1);
	assert_int_equal(sooner.left, 3);
	assert_ptr_equal(dwcs_pick(&q, 1), &top);
	dwcs_serve(&q, &sooner, 1);
	assert_ptr_equal(dwcs_pick(&q, 2), &sooner);
	dwcs_graze(&sooner, 5);
	assert_int_equal(sooner.left, 0);
}

/* The study's vectors: does edf, dwcs, dwcs-skip, dwcs-window, vds, vds-skip, fin keep all windows? */
static const struct {
	const char *name;
	struct slot_set set;
	const char *keeps;
} vectors[] = {
	{"V1", SET(S(6, 5, 3, 4, 0), S(2, 1, 0, 1, 0)), "0000000"},
	{"V2", SET(S(8, 4, 0, 3, 0), S(6, 5, 3, 4, 0)), "0000111"},
	{"V3", SET(S(3, 2, 1, 3, 1), S(2, 2, 2, 3, 0)), "0110001"},
	{"V4", SET(S(2, 2, 1, 3, 0), S(3, 1, 0, 3, 0)), "0010011"},
	{"V5", SET(S(3, 2, 1, 4, 0), S(8, 6, 2, 3, 0)), "0010001"},
	{"V6", SET(S(2, 2, 1, 3, 0), S(3, 1, 0, 1, 2)), "0110000"},
	{"V7", SET(S(6, 6, 3, 5, 3), S(6, 5, 2, 3, 5)), "0010000"},
	{"V8", SET(S(5, 4, 3, 4, 0), S(2, 2, 1, 2, 0)), "0000000"},
	{"V9", SET(S(4, 2, 0, 1, 0), S(2, 2, 4, 5, 0), S(5, 1, 0, 1, 0)), "0111111"},
	{"V10", SET(S(2, 1, 1, 5, 0), S(2, 2, 4, 5, 0)), "0111111"},
	/* Deadline-first without its gate (a stream whose quota is met waits) breaks these. */
	{"1a", SET(S(1, 1, 99, 100, 0), S(100, 1, 0, 1, 0), S(100, 1, 0, 1, 0)), "0111111"},
	{"1b", SET(S(1, 1, 9, 10, 0), S(20, 1, 0, 1, 0), S(20, 1, 0, 1, 0)), "0111111"},
	{"1c", SET(S(1, 1, 2, 3, 0), S(5, 1, 0, 1, 0), S(5, 1, 0, 1, 0)), "0111111"},
	{"2", SET(S(1, 1, 2, 3, 0), S(6, 1, 0, 1, 0), S(5, 1, 0, 1, 0)), "0111111"},
};

static void keeps_what_the_study_says(void **state)
{
	unsigned int wrong = 0;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(vectors); i++) {
		char keeps[DWCS_ORDERINGS + 1] = "";

		for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++)
			keeps[ordering] = slot_keeps(&vectors[i].set, ordering) ? '1' : '0';
		print_message("%-4s %s\n", vectors[i].name, keeps);
		wrong += strncmp(keeps, vectors[i].keeps, DWCS_FIN_GUARD) != 0;
		wrong += keeps[DWCS_FIN_GUARD] != keeps[DWCS_FIN];
	}
	assert_int_equal(wrong, 0);
}

/* Vectors 1a to 2 are such that deadline-first breaks windows if the streams whose quota is met do
 * not wait. */
static void ungated_breaks_windows(void **state)
{
	for (size_t i = QOS_ARRAY_SIZE(vectors) - 4; i < QOS_ARRAY_SIZE(vectors); i++) {
		struct slot_run run;

		slot_begin(&run, &vectors[i].set, DWCS_DWCS);
		while (run.now < 4 * slot_cycle(&vectors[i].set) && !run.broken) {
			struct dwcs_stream *best = NULL;

			slot_arrive(&run);
			for (uint32_t k = 0; k < run.set->n; k++) {
				struct dwcs_stream *s = &run.stream[k];

				if (dwcs_is_live(s) &&
				    (!best || dwcs_order(DWCS_DWCS, s, best) < 0))
					best = s;
			}
			slot_serve(&run, best);
		}
		assert_int_not_equal(run.broken, 0);
	}
}

/* The verdict does not depend on the order of the streams. */
static void keeps_whatever_the_ids(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(vectors); i++) {
		struct slot_set turned = {.n = vectors[i].set.n};

		for (uint32_t k = 0; k < turned.n; k++)
			turned.s[k] = vectors[i].set.s[turned.n - 1 - k];
		for (int ordering = 0; ordering < DWCS_FIN_GUARD; ordering++)
			assert_int_equal(slot_keeps(&turned, ordering),
					 vectors[i].keeps[ordering] == '1');
	}
}

/* Earliest deadline, then first come, then the id: whatever claims EDF is this on streams of 0/0. */
static const struct dwcs_stream *edf(const struct slot_run *run)
{
	const struct dwcs_stream *best = NULL;

	for (uint32_t i = 0; i < run->set->n; i++) {
		const struct dwcs_stream *s = &run->stream[i];

		if (!dwcs_is_live(s))
			continue;
		if (!best || s->due < best->due ||
		    (s->due == best->due && s->release < best->release))
			best = s;
	}
	return best;
}

static void plain_streams_go_by_edf(void **state)
{
	static const struct slot_set set =
		SET(S(4, 1, 0, 0, 0), S(6, 2, 0, 0, 1), S(12, 3, 0, 0, 4), S(6, 1, 0, 0, 1));

	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		struct slot_run run;

		slot_begin(&run, &set, ordering);
		for (int t = 0; t < 500; t++) {
			const struct dwcs_stream *s;

			slot_arrive(&run);
			s = dwcs_pick(&run.queue, run.now);
			assert_ptr_equal(s, edf(&run));
			slot_serve(&run, dwcs_pick(&run.queue, run.now));
		}
		assert_int_equal(run.broken, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_total_orders),
		cmocka_unit_test(ties_are_equivalences),
		cmocka_unit_test(nothing_overflows),
		cmocka_unit_test(adjusts_as_the_tables_say),
		cmocka_unit_test(tells_broken_windows),
		cmocka_unit_test(plain_edf_has_no_window),
		cmocka_unit_test(checks_its_bounds),
		cmocka_unit_test(heaps_stay_heaps),
		cmocka_unit_test(walks_in_order),
		cmocka_unit_test(grazing_starts_nothing),
		cmocka_unit_test(keeps_what_the_study_says),
		cmocka_unit_test(ungated_breaks_windows),
		cmocka_unit_test(keeps_whatever_the_ids),
		cmocka_unit_test(plain_streams_go_by_edf),
	};

	random_seed();
	print_message("QOS_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
