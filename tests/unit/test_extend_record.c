/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether a later version of rules goes on with the state of the one before. */
#include "../harness/rules.h"

#include "extend_parts.h"
#include "extension/front.h"

/* Rules with this condition, compiled as far as the daemon does. */
static struct qos_extension *extension_of(const char *when)
{
	struct qos_live live = {.contract = rules_contract()};
	struct qos_extension *extension = NULL;
	_cleanup_image_ struct qos_image *image = NULL;
	struct qos_rule *rule = calloc(1, sizeof(*rule));

	assert_non_null(rule);
	live.contract->rules = rule;
	live.contract->n_rules = 1;
	rule->event.text = rules_dup("cpu.a.job");
	rule->when.text = rules_dup(when);
	rule->emit.text = rules_dup("x");
	assert_int_equal(qos_front_here.image(NULL, live.contract, QOS_RULES_FRAME, NULL, &image),
			 0);
	assert_int_equal(qos_extension_new(&live, image, &extension), 0);
	qos_contract_free(live.contract);
	return extension;
}

/* The hash, which finds the maps again after a crash, says the same. */
static void assert_goes_on(const char *before, const char *after, bool expected)
{
	struct qos_extension *old = extension_of(before), *extension = extension_of(after);

	if (qos_extension_goes_on(old, extension) != expected ||
	    (qos_extension_hash(old) == qos_extension_hash(extension)) != expected)
		fail_msg("%s -> %s", before, after);
	qos_extension_free(old);
	qos_extension_free(extension);
}

static void test_numbers_alone(void **state)
{
	assert_goes_on("prev(cpu.a.used) > 1ms", "prev(cpu.a.used) > 2ms", true);
	assert_goes_on("ewma(cpu.a.used, 1/8) > 1ms", "ewma(cpu.a.used, 1/4) > 1ms", true);
	assert_goes_on("prev(cpu.a.used) > 1ms", "delta(cpu.a.used) > 1ms", false);
	assert_goes_on("prev(cpu.a.used) > 1ms", "prev(cpu.a.slack) > 1ms", false);
}

/* 50 ms that were remembered in 27 bits are 0.72 ms in 20. */
static void test_widths(void **state)
{
	assert_goes_on("prev(min(cpu.a.used, 100ms)) > 1us", "prev(min(cpu.a.used, 1ms)) > 1us",
		       false);
	assert_goes_on("prev(min(cpu.a.used, 100ms)) > 1us", "prev(min(cpu.a.used, 101ms)) > 1us",
		       true);
	assert_goes_on("rate(min(cpu.a.used, 100ms)) > 1", "rate(min(cpu.a.used, 1ms)) > 1", false);
	assert_goes_on("pid(min(cpu.a.used, 9ms), 1, 0, 0) > 1ns",
		       "pid(min(cpu.a.used, 1ms), 1, 0, 0) > 1ns", false);
	/* as many bits, but a sign */
	assert_goes_on("delta(max(cpu.a.slack, 1ns - 0ns)) > 1ns",
		       "delta(max(cpu.a.slack, 0ns - 1ns)) > 1ns", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_alone),
		cmocka_unit_test(test_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
