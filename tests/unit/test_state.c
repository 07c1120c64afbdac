/* SPDX-License-Identifier: GPL-2.0-only */
/* State from one version of the rules to the next. */
#include "../harness/rules.h"

#include "extension/state.h"

/* The rules' conditions on cpu.a.job, NULL-terminated. */
static struct qos_compiled *compile(struct qos_contract *contract, const char *const *whens)
{
	struct qos_compiled *compiled = NULL;
	size_t n = 0;

	while (whens[n])
		n++;
	contract->rules = calloc(n, sizeof(*contract->rules));
	assert_non_null(contract->rules);
	contract->n_rules = n;
	for (size_t i = 0; i < n; i++) {
		contract->rules[i].event.text = rules_dup("cpu.a.job");
		contract->rules[i].when.text = rules_dup(whens[i]);
		contract->rules[i].emit.text = rules_dup("x");
	}
	assert_int_equal(qos_compile(contract, QOS_RULES_TEST, QOS_STAGE_TYPES, NULL, &compiled),
			 0);
	return compiled;
}

struct version {
	struct qos_contract *contract;
	struct qos_compiled *compiled;
	struct qos_state_map map;
};

static void open_version(struct version *version, const char *const *whens)
{
	*version = (struct version){.contract = rules_contract()};
	version->compiled = compile(version->contract, whens);
	assert_int_equal(qos_state_map(version->compiled, &version->map), 0);
}

static void close_version(struct version *version)
{
	qos_state_map_reset(&version->map);
	qos_compiled_free(version->compiled);
	qos_contract_free(version->contract);
}

static void test_carry(void **state)
{
	static const char *const before[] = {"ewma(cpu.a.used, 1/8) > 1ms",
					     "prev(cpu.a.late) > delta(cpu.a.late)",
					     "rate(cpu.a.used) > 1", NULL};
	/* moved, the same with another unit for the constant outside, changed weight, new, nested */
	static const char *const after[] = {
		"rate(cpu.a.used) > 150%",     "ewma(cpu.a.used, 2/16) > 9us",
		"ewma(cpu.a.used, 1/4) > 1ms", "prev(cpu.a.late) > 0 and prev(cpu.a.late) > 1",
		"prev(delta(cpu.a.late)) > 0", NULL};
	uint64_t old_words[QOS_RULES_STATE_MAX], words[QOS_RULES_STATE_MAX];
	struct version old, new;

	for (size_t i = 0; i < QOS_RULES_STATE_MAX; i++) {
		old_words[i] = i + 100;
		words[i] = UINT64_MAX;
	}
	open_version(&old, before);
	open_version(&new, after);
	assert_int_equal(old.map.n, 4);
	/* rate 2 words, ewma, prev once, delta inside prev */
	assert_int_equal(qos_state_carry(&old.map, old_words, &new.map, words), 5);
	assert_int_equal(words[0], 103); /* rate: behind ewma, prev, delta */
	assert_int_equal(words[1], 104);
	assert_int_equal(words[2], 100);
	assert_int_equal(words[3], 0);
	assert_int_equal(words[4], 101);
	assert_int_equal(words[5], 0); /* the second of two like one */
	assert_int_equal(words[6], 102);
	assert_int_equal(words[7], 0);
	close_version(&old);
	close_version(&new);
}

/* Who answers for the parser may give one key as many words as he likes; the old map's end is close. */
static void test_a_lying_key(void **state)
{
	char key[] = "x";
	const struct qos_state_map old = {
		.slots = {{QOS_RULES_STATE_MAX - 2, 1, key}, {QOS_RULES_STATE_MAX - 1, 1, key}},
		.n = 2};
	const struct qos_state_map new = {
		.slots = {{0, QOS_RULES_STATE_MAX - 1, key}, {QOS_RULES_STATE_MAX - 1, 1, key}},
		.n = 2};
	/* behind the words there are more, which are nobody's */
	uint64_t old_words[2 * QOS_RULES_STATE_MAX], words[QOS_RULES_STATE_MAX];

	for (size_t i = 0; i < 2 * QOS_RULES_STATE_MAX; i++)
		old_words[i] = i + 1;
	assert_int_equal(qos_state_carry(&old, old_words, &new, words), 1);
	for (size_t i = 0; i < QOS_RULES_STATE_MAX - 1; i++)
		assert_int_equal(words[i], 0);
	assert_int_equal(words[QOS_RULES_STATE_MAX - 1], QOS_RULES_STATE_MAX - 1);
}

/* The interpreter goes on where the old version was. */
static void test_nothing_is_lost(void **state)
{
	static const char *const before[] = {"cpu.a.late over 3 jobs > 1", NULL};
	static const char *const after[] = {"delta(cpu.a.used) > 1ms",
					    "cpu.a.late over 3 jobs == 2", NULL};
	static struct qos_rules_frame frame;
	uint64_t words[QOS_RULES_STATE_MAX] = {}, next[QOS_RULES_STATE_MAX] = {};
	struct version old, new;

	open_version(&old, before);
	open_version(&new, after);
	for (int64_t late = 1; late <= 2; late++) {
		frame.stream[0].word[QOS_RULES_LATE] = late;
		qos_rules_eval(old.compiled, 0, &frame, words);
	}
	assert_int_equal(qos_state_carry(&old.map, words, &new.map, next), 3);
	frame.stream[0].word[QOS_RULES_LATE] = 3;
	qos_rules_eval(new.compiled, 0, &frame, next);
	assert_int_equal(frame.request[1].wanted, 1); /* (1 + 2 + 3) / 3 */
	close_version(&old);
	close_version(&new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_carry),
		cmocka_unit_test(test_a_lying_key),
		cmocka_unit_test(test_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
