/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The laws of kmod/dwcs_link.h: where a flow's head is, when it is released and due, what sending ahead and
 * losing leave behind, and that times stay as near as dwcs.h may compare, whatever stops the link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "../harness/random.h"
#include "dwcs_link.h"

#define FLOWS 8
#define STEPS 200000

struct world {
	struct dwcs_link link;
	struct dwcs_flow flow[FLOWS];
	struct dwcs_stream *room[DWCS_HEAPS + 2][FLOWS];
	__u64 now;
	uint32_t packets[FLOWS];
};

static void begin(struct world *world, enum dwcs_ordering ordering)
{
	memset(world, 0, sizeof(*world));
	world->link.queue.ordering = ordering;
	for (int heap = 0; heap < DWCS_HEAPS; heap++)
		world->link.queue.slot[heap] = world->room[heap];
	/* as the header says, these are not used */
	world->link.queue.slot[DWCS_MUST] = world->link.queue.slot[DWCS_STARTED] = NULL;
	world->link.clock.slot[DWCS_DUE] = world->room[DWCS_HEAPS];
	world->link.held.slot[DWCS_DUE] = world->room[DWCS_HEAPS + 1];
	world->now = 1000;
}

static struct dwcs_flow *add(struct world *world, uint32_t i, __u64 period, __u64 deadline,
			     uint32_t x, uint32_t y)
{
	struct dwcs_flow *flow = &world->flow[i];

	flow->request = (struct dwcs_stream){
		.period = period, .deadline = deadline, .cost = 1, .x = x, .y = y, .id = i};
	assert_true(dwcs_flow_check(&flow->request));
	dwcs_flow_init(flow);
	return flow;
}

static bool waits(const struct dwcs_flow *flow)
{
	return dwcs_is_live(&flow->clock);
}

static void a_release_is_arrival_or_a_period_after_the_last(void **state)
{
	struct world w;
	struct dwcs_flow *flow;

	begin(&w, DWCS_FIN);
	flow = add(&w, 0, 100, 40, 0, 1);
	dwcs_link_head(&w.link, flow, 1000, 1000);
	dwcs_link_release(&w.link, 1000);
	assert_true(dwcs_flow_is_live(flow));
	assert_int_equal(flow->request.due, 1040);
	assert_ptr_equal(dwcs_link_pick(&w.link, 1010), flow);
	assert_int_equal(dwcs_link_served(&w.link, flow), DWCS_WINDOW_ENDED);
	/* the second of a burst waits for its grid point */
	dwcs_link_head(&w.link, flow, 1000, 1010);
	dwcs_link_release(&w.link, 1099);
	assert_true(waits(flow) && !dwcs_flow_is_live(flow));
	assert_null(dwcs_link_pick(&w.link, 1099));
	dwcs_link_release(&w.link, 1100);
	assert_true(!waits(flow) && dwcs_flow_is_live(flow));
	assert_int_equal(flow->request.due, 1140);
	/* nobody served it; the next one came long after */
	assert_null(dwcs_link_due(&w.link, 1139));
	assert_ptr_equal(dwcs_link_due(&w.link, 1140), flow);
	assert_int_equal(dwcs_link_lost(&w.link, flow, 0, 1140),
			 DWCS_WINDOW_ENDED | DWCS_WINDOW_BROKEN);
	dwcs_link_head(&w.link, flow, 1777, 1777);
	dwcs_link_release(&w.link, 1777);
	assert_int_equal(flow->request.due, 1817);
}

/* Alone, and beside one that does not hold and is released later. */
static void what_is_held_is_not_sent_ahead(void **state)
{
	struct world w;
	struct dwcs_flow *held, *other;
	int window;

	begin(&w, DWCS_FIN);
	held = add(&w, 0, 100, 100, 0, 1);
	other = add(&w, 1, 200, 200, 0, 1);
	held->hold = 1;
	dwcs_link_head(&w.link, held, 1000, 1000);
	assert_ptr_equal(dwcs_link_send_only(&w.link, 1000, &window), held);
	dwcs_link_head(&w.link, held, 1001, 1001);
	assert_null(dwcs_link_send_only(&w.link, 1099, &window));
	dwcs_link_release(&w.link, 1099);
	assert_null(dwcs_link_ahead(&w.link));
	assert_int_equal(dwcs_link_next(&w.link), 1100);
	other->next = 1150;
	dwcs_link_head(&w.link, other, 1099, 1099);
	assert_ptr_equal(dwcs_link_ahead(&w.link), other);
	dwcs_link_release(&w.link, 1100);
	assert_ptr_equal(dwcs_link_pick(&w.link, 1100), held);
	assert_int_equal(dwcs_link_next(&w.link), 0);
	dwcs_link_served(&w.link, held);
	dwcs_link_head(&w.link, held, 1100, 1101);
	dwcs_link_withdraw(&w.link, held);
	assert_int_equal(dwcs_link_next(&w.link), 0);
}

static void sending_ahead_leaves_no_debt(void **state)
{
	struct world w;
	struct dwcs_flow *flow;

	begin(&w, DWCS_FIN);
	flow = add(&w, 0, 100, 100, 0, 2);
	dwcs_link_head(&w.link, flow, 1000, 1000);
	dwcs_link_release(&w.link, 1000);
	dwcs_link_served(&w.link, dwcs_link_pick(&w.link, 1000));
	for (int i = 0; i < 50; i++) {
		dwcs_link_head(&w.link, flow, 1000, 1001);
		dwcs_link_release(&w.link, 1001);
		assert_null(dwcs_link_pick(&w.link, 1001));
		assert_ptr_equal(dwcs_link_ahead(&w.link), flow);
		dwcs_link_withdraw(&w.link, flow);
	}
	assert_int_equal(flow->request.k, 1); /* of two, the one served */
	dwcs_link_head(&w.link, flow, 1050, 1050);
	dwcs_link_release(&w.link, 1100);
	assert_int_equal(flow->request.due, 1200);
}

static void a_kept_head_begins_again(void **state)
{
	struct world w;
	struct dwcs_flow *flow;

	begin(&w, DWCS_EDF);
	flow = add(&w, 0, 100, 50, 0, 1);
	dwcs_link_head(&w.link, flow, 1000, 1000);
	assert_ptr_equal(dwcs_link_due(&w.link, 1060), flow);
	dwcs_link_lost(&w.link, flow, 1, 1060);
	dwcs_link_head(&w.link, flow, 1000, 1060);
	dwcs_link_release(&w.link, 1060);
	assert_true(waits(flow));
	dwcs_link_release(&w.link, 1100);
	assert_int_equal(flow->request.due, 1150);
	/* the link stopped for a hundred periods: one is counted */
	dwcs_link_lost(&w.link, flow, 1, 11000);
	dwcs_link_head(&w.link, flow, 1000, 11000);
	dwcs_link_release(&w.link, 11000);
	assert_int_equal(flow->request.release, 11000);
}

static void who_cannot_be_in_time_is_last(void **state)
{
	struct world w;
	struct dwcs_flow *flow;

	begin(&w, DWCS_FIN);
	flow = add(&w, 0, 100, 50, 0, 1);
	flow->request.cost = 30;
	dwcs_link_head(&w.link, flow, 1000, 1000);
	dwcs_link_release(&w.link, 1000);
	assert_ptr_equal(dwcs_link_pick(&w.link, 1020), flow);
	assert_null(dwcs_link_pick(&w.link, 1021));
	assert_ptr_equal(dwcs_link_doomed(&w.link), flow);
	dwcs_link_withdraw(&w.link, flow);
	assert_null(dwcs_link_doomed(&w.link));
}

/* One flow, sent by the short cut and by the long way: the same windows, the same grid. */
static void the_short_cut_is_the_long_way(void **state)
{
	for (int round = 0; round < 2000; round++) {
		__u64 period = 2 + rnd(50), deadline = 1 + rnd(3 * (uint32_t)period), y = rnd(4);
		struct world a, b;
		int short_cut, long_way;

		begin(&a, DWCS_FIN);
		begin(&b, DWCS_FIN);
		add(&a, 0, period, deadline, rnd((uint32_t)y + 1), (uint32_t)y);
		b.flow[0] = a.flow[0];
		for (__u64 now = 1000; now < 1500; now += rnd(40)) {
			__u64 arrival = now - rnd(30);
			struct dwcs_flow *flow;

			dwcs_link_head(&a.link, &a.flow[0], arrival, now);
			dwcs_link_head(&b.link, &b.flow[0], arrival, now);
			dwcs_link_release(&b.link, now);
			if (!dwcs_link_send_only(&a.link, now, &short_cut)) {
				dwcs_link_release(&a.link, now);
				assert_null(dwcs_link_pick(&b.link, now));
				short_cut = dwcs_link_lost(&a.link, &a.flow[0], 0, now);
				long_way = dwcs_link_lost(&b.link, &b.flow[0], 0, now);
			} else if ((flow = dwcs_link_pick(&b.link, now))) {
				long_way = dwcs_link_served(&b.link, flow);
			} else {
				long_way = -1;
				dwcs_link_withdraw(&b.link, &b.flow[0]);
			}
			assert_int_equal(short_cut, long_way);
			assert_int_equal(a.flow[0].next, b.flow[0].next);
			assert_int_equal(a.flow[0].request.k, b.flow[0].request.k);
			assert_int_equal(a.flow[0].request.m, b.flow[0].request.m);
		}
	}
}

/* A flow with packets is live or waits, one without is neither; live times are near. */
static void check(const struct world *w)
{
	__u64 least = ~0ULL, most = 0;

	for (int i = 0; i < FLOWS; i++) {
		const struct dwcs_flow *flow = &w->flow[i];

		assert_int_equal(dwcs_flow_is_live(flow) + waits(flow) + (w->link.only == flow),
				 w->packets[i] > 0);
		if (!dwcs_flow_is_live(flow))
			continue;
		least = flow->request.due < least ? flow->request.due : least;
		most = flow->request.due > most ? flow->request.due : most;
	}
	if (most)
		assert_true(most - least < DWCS_PERIOD_MAX * 2);
}

static void settle_due(struct world *w)
{
	struct dwcs_flow *flow, *idle[FLOWS];
	int n = 0;

	while ((flow = dwcs_link_due(&w->link, w->now))) {
		int kept = flow->request.id & 1;

		dwcs_link_lost(&w->link, flow, kept, w->now);
		w->packets[flow->request.id] -= !kept;
		idle[n++] = flow;
	}
	while (n-- > 0)
		if (w->packets[idle[n]->request.id])
			dwcs_link_head(&w->link, idle[n], w->now - rnd(1000), w->now);
	if (dwcs_link_due(&w->link, w->now))
		settle_due(w);
}

static void send_one(struct world *w)
{
	struct dwcs_flow *flow;
	int window;

	flow = rnd(2) ? dwcs_link_send_only(&w->link, w->now, &window) : NULL;
	if (flow) {
		if (--w->packets[flow->request.id])
			dwcs_link_head(&w->link, flow, w->now - rnd(1000), w->now);
		return;
	}
	settle_due(w);
	dwcs_link_release(&w->link, w->now);
	flow = dwcs_link_pick(&w->link, w->now);
	if (flow) {
		dwcs_link_served(&w->link, flow);
	} else {
		flow = dwcs_link_ahead(&w->link);
		flow = flow ? flow : dwcs_link_doomed(&w->link);
		if (!flow)
			return;
		dwcs_link_withdraw(&w->link, flow);
	}
	if (--w->packets[flow->request.id])
		dwcs_link_head(&w->link, flow, w->now - rnd(1000), w->now);
}

static void arrive(struct world *w, uint32_t i)
{
	if (dwcs_link_is_stale(&w->link, w->now))
		settle_due(w);
	if (w->packets[i]++ == 0)
		dwcs_link_head(&w->link, &w->flow[i], w->now, w->now);
}

static void heads_are_where_they_belong(void **state)
{
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		struct world w;

		begin(&w, ordering);
		w.now = DWCS_PERIOD_MAX * 4;
		for (uint32_t i = 0; i < FLOWS; i++) {
			__u64 period = i < 2 ? DWCS_PERIOD_MAX - 1 - i : 1000 + rnd(1000);
			uint32_t y = rnd(2) ? rnd(5) : DWCS_Y_MAX;

			add(&w, i, period, rnd(2) ? period : period / 2, rnd(y + 1), y);
		}
		for (int step = 0; step < STEPS; step++) {
			w.now += rnd(300);
			if (rnd(1000) == 0) /* the link stops for long */
				w.now += (__u64)rnd(20) * DWCS_PERIOD_MAX / 2;
			if (rnd(2))
				arrive(&w, rnd(FLOWS));
			else
				send_one(&w);
			check(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_release_is_arrival_or_a_period_after_the_last),
		cmocka_unit_test(sending_ahead_leaves_no_debt),
		cmocka_unit_test(what_is_held_is_not_sent_ahead),
		cmocka_unit_test(a_kept_head_begins_again),
		cmocka_unit_test(who_cannot_be_in_time_is_last),
		cmocka_unit_test(the_short_cut_is_the_long_way),
		cmocka_unit_test(heads_are_where_they_belong),
	};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
