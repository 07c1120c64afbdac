/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules mean, by example: the interpreter is the reference of everything else, so here it is held
 * against numbers that were worked out by hand from qos-rules(7).
 */
#include "../harness/rules.h"

#define MAX QOS_RULE_MAX

/* The rule's value; prev() keeps it in word `state` whatever its type. */
struct world {
	struct qos_contract *contract;
	struct qos_compiled *compiled;
	struct qos_rules_frame frame;
	uint64_t state[QOS_RULES_STATE_MAX];
};

static void open_world(struct world *world, const char *event, const char *format, const char *text)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_rule *rule = calloc(1, sizeof(*rule));

	assert_non_null(rule);
	*world = (struct world){.contract = rules_contract()};
	world->contract->rules = rule;
	world->contract->n_rules = 1;
	rule->event.text = rules_dup(event);
	rule->emit.text = rules_dup("x");
	assert_true(asprintf(&rule->when.text, format, text) > 0);
	if (qos_compile(world->contract, QOS_RULES_TEST, QOS_STAGE_TYPES, &diag, &world->compiled))
		fail_msg("%s: %s", text, diag.n_entries ? diag.entries[0].text : "?");
	qos_diag_reset(&diag);
}

static void close_world(struct world *world)
{
	qos_compiled_free(world->compiled);
	qos_contract_free(world->contract);
}

/* One event; returns whether `when` was true. */
static bool step(struct world *world)
{
	qos_rules_eval(world->compiled, 0, &world->frame, world->state);
	assert_int_equal(world->frame.n_requests, 1);
	return world->frame.request[0].wanted;
}

/* Numbers that need no metric. */
static void assert_number(const char *text, int64_t value)
{
	struct world world;
	size_t last;

	open_world(&world, "cpu.a.job", "prev(%1$s) == prev(%1$s)", text);
	assert_true(step(&world));
	last = world.compiled->n_state - 1;
	if ((int64_t)world.state[last] >> 1 != value)
		fail_msg("%s: %lld, not %lld", text, (long long)((int64_t)world.state[last] >> 1),
			 (long long)value);
	close_world(&world);
}

static void assert_truth(const char *text, bool value)
{
	struct world world;

	open_world(&world, "cpu.a.job", "%s", text);
	if (step(&world) != value)
		fail_msg("%s is %s", text, value ? "false" : "true");
	close_world(&world);
}

static void test_literals(void **state)
{
	assert_number("1.5ms", 1500000);
	assert_number("2KiB", 2048);
	assert_number("12mbit", 12000000);
	assert_number("12.5%", 125000);
	assert_number("250%", 2500000);
	assert_number("1/8", 125000);
	assert_number("2 / 3", 666666);
	assert_number("7", 7);
}

static void test_precedence(void **state)
{
	assert_number("2 + 3 * 4", 14);
	assert_number("(2 + 3) * 4", 20);
	assert_number("10 - 3 - 2", 5);
	assert_number("-2 * 3", -6);
	assert_number("- - 2", 2);
	assert_truth("false and false or true", true);
	assert_truth("false and (false or true)", false);
	assert_truth("not true == false", true); /* not (true == false) */
	assert_truth("true == not false", true);
	assert_truth("true == not 1 > 2 and false", false); /* not (1 > 2) alone */
	assert_truth("1 + 1 > 1 and 2 * 2 == 4", true);
}

static void test_arithmetic(void **state)
{
	assert_number("10ms * 110%", 11000000);
	assert_number("110% * 10ms", 11000000);
	assert_number("3 * 10ms", 30000000);
	assert_number("7ns * 50%", 3);
	assert_number("-7ns * 50%", -3); /* towards 0 */
	assert_number("10ms / 4", 2500000);
	assert_number("-7ns / 2", -3);
	assert_number("10ms / 80%", 12500000);
	assert_number("1ms / 4ms", 250000);
	assert_number("-1ms / 3ms", -333333);
	assert_number("50% * 50%", 250000);
	assert_number("3 * 50%", 1500000); /* a bare number times a ratio is a ratio */
	assert_number("50% * -3", -1500000);
	assert_number("2000000 * 50%", QOS_RULE_RATIO_MAX);
	assert_number("(1ns / 1ms) * 2000000", 2000000);
	assert_number("1 / 40%", 2500000);
	assert_truth("2 * (7ms / 10ms) > 135%", true);
	assert_truth("(7ms / 10ms) * 2 > 150%", false);
	assert_number("min(3ms, 1ms, 2ms)", 1000000);
	assert_number("max(3ms, 1ms, 2ms)", 3000000);
	assert_number("clamp(5ms, 1ms, 4ms)", 4000000);
	assert_number("clamp(5ms, 6ms, 4ms)", 6000000); /* the low end goes first */
	assert_number("abs(-3ms)", 3000000);
}

static void test_saturation(void **state)
{
	assert_number("2305843009213693951ns + 1ns", MAX);
	assert_number("-2305843009213693951ns - 1ns", -MAX);
	assert_number("2305843009213693951ns * 2", MAX);
	assert_number("-2305843009213693951 * 3", -MAX);
	assert_number("2305843009213693951 * -2305843009213693951", -MAX);
	assert_number("2305843009213693951ns * 200%", MAX);
	assert_number("2305843009213693951ns / 50%", MAX);
	assert_number("2305843009213693951ns / 1ns", QOS_RULE_RATIO_MAX);
	assert_number("100000000% + 1%", QOS_RULE_RATIO_MAX);
	assert_number("100000000% * 100000000%", QOS_RULE_RATIO_MAX);
	assert_number("2305843009213693951ns / 2305843009213693951ns", 1000000);
}

static void test_no_unit(void **state)
{
	assert_truth("1ms > 0", true);
	assert_truth("0 < 1mbit", true);
	assert_truth("3ms / 2ms > 1", true);
	assert_truth("3ms / 2ms == 3/2", true);
	assert_number("1 - 25%", 750000);
	assert_number("max(0, -1ms)", 0);
	assert_truth("-0 < cpu.a.period", true);
	assert_truth("-1 < 1ms / 2ms", true);
	assert_truth("-1ms / 1ms > -2", true);
	assert_number("1ms / 2ms - (3 - 2)", -500000);
	assert_number("max(-3000000, -50%)", -500000);
	assert_number("min(-3000000, -50%)", -QOS_RULE_RATIO_MAX);
}

/* A metric that may be 0 is no error; the quotient is 0. */
static void test_division_by_zero(void **state)
{
	struct world world;

	open_world(&world, "cpu.a.job", "%s", "1ms / cpu.a.used == 0 and 1ms / cpu.a.late == 0");
	assert_true(step(&world));
	close_world(&world);
}

/* A count of something stays one, whatever scales it. */
static void test_counts_are_scaled(void **state)
{
	struct world world;

	open_world(&world, "cpu.a.job", "%s",
		   "cpu.a.late * 50% == 3 and 150% * cpu.a.late == 10 and cpu.a.late / 50% == 14 "
		   "and 3 * cpu.a.late == 21 and cpu.a.late * 7 == 49 and cpu.a.late / 2 > 3");
	world.frame.stream[0].word[QOS_RULES_LATE] = 7;
	assert_true(step(&world));
	close_world(&world);
}

/* Only a field's own bits count. */
static void test_fields(void **state)
{
	struct world world;

	open_world(&world, "cpu.a.job", "%s", "cpu.a.used == 5ns and cpu.a.slack == -3ns");
	world.frame.stream[0].word[QOS_RULES_USED] = 5 | INT64_C(1) << 42;
	world.frame.stream[0].word[QOS_RULES_SLACK] = -3;
	assert_true(step(&world));
	world.frame.stream[0].word[QOS_RULES_SLACK] = 3;
	assert_false(step(&world));
	close_world(&world);
	assert_truth("cpu.a.period == 10ms and cpu.a.deadline == cpu.a.period", true);
}

/* On a tick every stream has its place, the network's behind cpu's. */
static void test_tick(void **state)
{
	struct world world;

	open_world(&world, "tick 1s", "%s", "cpu.b.jobs == 7 and network.n.backlog == 9B");
	world.frame.stream[1].word[QOS_RULES_JOBS] = 7;
	world.frame.stream[2].word[QOS_RULES_BACKLOG] = 9;
	assert_true(step(&world));
	close_world(&world);
}

/* A network stream's event has that stream first, whatever is before it in the contract. */
static void test_event_of_a_network(void **state)
{
	struct world world;

	open_world(&world, "network.n.drop", "%s",
		   "network.n.dropped == 3 and network.n.rtt == 20ms and network.n.rate > 1mbit");
	world.frame.stream[0].word[QOS_RULES_DROPPED] = 3;
	world.frame.stream[0].word[QOS_RULES_RTT] = 20000000;
	world.frame.stream[0].word[QOS_RULES_ATTRIBUTE] = 1000001;
	assert_true(step(&world));
	world.frame.stream[0].word[QOS_RULES_RTT] = 0;
	world.frame.stream[2].word[QOS_RULES_RTT] = 20000000;
	assert_false(step(&world));
	close_world(&world);
}

/* Feeds cpu.a.late with the values; after each event `when` must be as expected. */
static void assert_sequence(const char *text, const int64_t *values, const char *expected)
{
	struct world world;

	open_world(&world, "cpu.a.job", "%s", text);
	for (size_t i = 0; expected[i]; i++) {
		world.frame.now_ns += 1000000;
		world.frame.stream[0].word[QOS_RULES_LATE] = values[i];
		if (step(&world) != (expected[i] == '1'))
			fail_msg("%s: event %zu", text, i);
	}
	close_world(&world);
}

static void test_state(void **state)
{
	const int64_t ramp[] = {10, 10, 20, 40, 40};
	const int64_t jobs[] = {1, 0, 0, 0, 1, 1, 1};

	assert_sequence("prev(cpu.a.late) == 10", ramp, "11100");
	assert_sequence("delta(cpu.a.late) == 10", ramp, "00100");
	assert_sequence("delta(cpu.a.late) == 0", ramp, "11001");
	assert_sequence("ewma(cpu.a.late, 1/2) == 15", ramp, "00100");
	assert_sequence("ewma(cpu.a.late, 1/2) >= 27", ramp, "00011");
	assert_sequence("rate(cpu.a.late) == 10000", ramp, "00100"); /* 10 in 1 ms */
	assert_sequence("pid(cpu.a.late, 1, 0, 0) == cpu.a.late", ramp, "11111");
	assert_sequence("pid(cpu.a.late, 0, 1, 0) == 80", ramp, "00010");
	assert_sequence("pid(cpu.a.late, 0, 0, 2) == 40", ramp, "00010");
	assert_sequence("cpu.a.late over 4 jobs == 1/4", jobs, "0001111");
	assert_sequence("cpu.a.late over 4 jobs == 1", jobs, "1000000"); /* of what there is */
}

/* State advances also where the condition is settled already. */
static void test_everything_is_evaluated(void **state)
{
	const int64_t ramp[] = {10, 10, 20, 40, 40};

	assert_sequence("cpu.a.late == 40 and delta(cpu.a.late) == 20", ramp, "00010");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_no_unit),
		cmocka_unit_test(test_division_by_zero),
		cmocka_unit_test(test_counts_are_scaled),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_event_of_a_network),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_everything_is_evaluated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
