/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ladder claims of random sets is what the module would take, and keeps all windows: the claims
 * are verified by kmod/dwcs_check.h with charges as kmod/claim.c makes them, bundles by the choice that the
 * module follows, tables also when streams join at any later time; and they are run, with jobs that end
 * early, from whatever phases are not ours.
 */
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../harness/admit.h"
#include "../harness/random.h"
#include "admit/plan_windows.h"
#include "dwcs_check.h"
#include "service/cpu_module.h"

#define SETS	    6000
#define MAX	    4
#define BLOCKING_NS (20 * US)
#define OVERHEAD_NS (5 * US)
#define CAP_PPM	    900000ULL
#define RUNS	    3

struct set {
	struct test_contract contract;
	struct qos_windows_stream streams[MAX];
	struct qos_claim claims[MAX];
	struct qos_must must[MAX]; /* of BUNDLE, as the module chooses */
	size_t n;
};

/* One in three has one period, one in two only releases that are ours. */
static void random_set(struct set *set)
{
	static const uint32_t periods[] = {4, 6, 8, 12, 24};
	uint32_t equal = rnd(3) ? 0 : periods[rnd(5)], ours = rnd(2);

	memset(set, 0, sizeof(*set));
	set->n = 2 + rnd(MAX - 1);
	test_contract_init(&set->contract, "a", 50);
	for (size_t i = 0; i < set->n; i++) {
		uint64_t period = MS * (equal ? equal : periods[rnd(5)]);
		struct qos_cpu_stream *wish = test_stream(&set->contract, MS, period, period);
		uint32_t y = 1 + rnd(4);

		wish->runtime_ns = period * (5 + rnd(80)) / 100;
		wish->window = (struct qos_window){.x = rnd(y), .y = y};
		wish->job = ours || rnd(2) ? QOS_JOB_PERIOD : QOS_JOB_WAKEUP;
		set->streams[i] =
			(struct qos_windows_stream){.wish = wish,
						    .runtime_ns = wish->runtime_ns,
						    .cost_ns = wish->runtime_ns + 2 * OVERHEAD_NS};
	}
}

/* As kmod/claim.c charges. */
static uint64_t charged_ns(const struct qos_windows_stream *stream)
{
	return ((stream->runtime_ns + 2 * OVERHEAD_NS) * 1000000 + CAP_PPM - 1) / CAP_PPM;
}

static uint64_t deadline_ns(const struct qos_windows_stream *stream)
{
	uint64_t part = stream->wish->period.ns / 16;

	return stream->wish->deadline_ns - BLOCKING_NS - (part < 100 * US ? part : 100 * US);
}

/* The bits of the bundle that claim `first` is in, all of whose members lie behind it. */
static void replay_bundle(struct set *set, size_t first)
{
	struct dwcs_member state[MAX], *members[MAX];
	size_t index[MAX], n = 0;
	uint32_t cycle = 12; /* y <= 4 */

	for (size_t i = first; i < set->n; i++) {
		const struct qos_window *window = &set->streams[i].wish->window;

		if (set->claims[i].bundle != set->claims[first].bundle)
			continue;
		assert_true(set->claims[i].budget_ns == set->claims[first].budget_ns);
		state[n] = (struct dwcs_member){
			.cost = charged_ns(&set->streams[i]), .x = window->x, .y = window->y};
		dwcs_member_reset(&state[n]);
		members[n] = &state[n];
		assert_int_equal(qos_must_init(&set->must[i], 0, cycle), 0);
		index[n++] = i;
	}
	assert_true(n > 1);
	for (uint32_t period = 0; period < cycle; period++) {
		dwcs_bundle_choose(members, (__u32)n, set->claims[first].budget_ns);
		for (size_t i = 0; i < n; i++) {
			if (state[i].takes)
				qos_must_set(&set->must[index[i]], period);
		}
		assert_true(dwcs_bundle_count(members, (__u32)n));
	}
}

static const struct qos_must *must_of(const struct set *set, size_t i)
{
	return set->claims[i].mode == QOS_CLAIM_BUNDLE ? &set->must[i] : &set->claims[i].must;
}

static void fill(const struct set *set, struct dwcs_claim *ret, __u64 (*room)[32])
{
	for (size_t i = 0; i < set->n; i++) {
		const struct qos_windows_stream *stream = &set->streams[i];

		ret[i] = (struct dwcs_claim){
			.period = stream->wish->period.ns,
			.deadline = deadline_ns(stream),
			.cost = charged_ns(stream),
			.phase = set->claims[i].phase_ns,
			.x = stream->wish->window.x,
			.y = stream->wish->window.y,
			.prefix = must_of(set, i)->prefix,
			.cycle = must_of(set, i)->cycle,
			.bits = must_of(set, i)->bits,
			.bundle = set->claims[i].bundle,
			.room = room[i],
		};
	}
}

/* Streams whose first request is a later one, at whatever time each came. */
static void verify_late(const struct set *set, struct dwcs_claim *claims)
{
	struct qos_must late[MAX];

	for (size_t i = 0; i < set->n; i++) {
		uint64_t period = claims[i].period, length = claims[i].cycle * period;
		uint64_t n = qos_cpu_module_first(claims[i].phase, period, claims[i].y,
						  (uint64_t)rnd(1000000) * MS);

		assert_int_equal(n % claims[i].y, 0);
		assert_int_equal(qos_must_from(&set->claims[i].must, n, &late[i]), 0);
		claims[i].phase = (claims[i].phase + n * period) % length;
		claims[i].bits = late[i].bits;
	}
	assert_int_equal(dwcs_check_phases(claims, (__u32)set->n, DWCS_CLAIM_WORK_MAX), DWCS_HOLDS);
	for (size_t i = 0; i < set->n; i++)
		qos_must_reset(&late[i]);
}

static void verify(struct set *set, enum qos_proof proof)
{
	struct dwcs_claim claims[MAX];
	__u64 room[MAX][32];

	for (size_t i = 0; i < set->n; i++) {
		if (set->claims[i].mode == QOS_CLAIM_BUNDLE && !set->must[i].cycle)
			replay_bundle(set, i);
	}
	fill(set, claims, room);
	if (proof != QOS_PROOF_TABLE) {
		assert_int_equal(dwcs_check_sporadic(claims, (__u32)set->n, DWCS_CLAIM_WORK_MAX),
				 DWCS_HOLDS);
		return;
	}
	assert_int_equal(dwcs_check_phases(claims, (__u32)set->n, DWCS_CLAIM_WORK_MAX), DWCS_HOLDS);
	fill(set, claims, room);
	verify_late(set, claims);
}

static void run(const struct set *set)
{
	struct qos_sim_options options = {
		.ordering = DWCS_FIN, .horizon = 2000 * MS, .requests_max = UINT64_MAX};
	uint64_t common = rnd(24) * MS;
	struct qos_sim_task tasks[MAX];
	struct qos_sim_stats stats[MAX];
	struct qos_sim_result result;

	for (size_t i = 0; i < set->n; i++) {
		const struct qos_windows_stream *stream = &set->streams[i];
		enum qos_claim_mode mode = set->claims[i].mode;

		tasks[i] = (struct qos_sim_task){
			.period = stream->wish->period.ns,
			.deadline = deadline_ns(stream),
			.cost = charged_ns(stream),
			.phase = mode == QOS_CLAIM_SPORADIC ? rnd(24) * MS
							    : common + set->claims[i].phase_ns,
			.x = stream->wish->window.x,
			.y = stream->wish->window.y,
			.must = *must_of(set, i),
		};
	}
	options.early_percent = 1 + rnd(100);
	options.seed = seed;
	assert_int_equal(qos_simulate(tasks, set->n, &options, stats, &result), 0);
	assert_false(result.violated);
	for (size_t i = 0; i < set->n; i++)
		assert_int_equal(stats[i].mandatory_lost, 0);
}

static void test_claims_hold(void **state)
{
	unsigned int found[4] = {};
	struct qos_capacity capacity;
	struct set set;
	uint64_t id;

	(void)state;
	test_capacity(&capacity, 1);
	capacity.blocking_ns = BLOCKING_NS;
	capacity.overhead_ns = OVERHEAD_NS;
	for (int i = 0; i < SETS; i++) {
		enum qos_proof proof;

		random_set(&set);
		proof = qos_plan_windows(&capacity, set.streams, set.n, set.claims, &id);
		found[proof]++;
		assert_int_equal(!!id, proof != QOS_PROOF_NONE);
		if (proof == QOS_PROOF_NONE)
			continue;
		verify(&set, proof);
		for (int k = 0; k < RUNS; k++)
			run(&set);
		for (size_t k = 0; k < set.n; k++) {
			qos_claim_reset(&set.claims[k]);
			qos_must_reset(&set.must[k]);
		}
	}
	print_message("T1 %u, T2 %u, T3 %u, none %u of %d\n", found[1], found[2], found[3],
		      found[0], SETS);
	assert_true(found[1] > SETS / 50 && found[2] > SETS / 100 && found[3] > SETS / 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_claims_hold)};

	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
