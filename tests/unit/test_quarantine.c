/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is taken out of service, after how long, and who is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapt/quarantine.h"

/* After how many turns like this one; 0: never. */
static int turns_until(const struct qos_quarantine_signal *signal, enum qos_quarantine cause)
{
	struct qos_quarantine_state state = {};

	for (int i = 1; i <= 100; i++) {
		enum qos_quarantine found = qos_quarantine_step(&state, signal);

		if (found == QOS_QUARANTINE_NONE)
			continue;
		assert_int_equal(found, cause);
		return i;
	}
	return 0;
}

static void test_causes(void **state)
{
	static const struct {
		struct qos_quarantine_signal signal;
		enum qos_quarantine cause;
		int turns;
	} cases[] = {
		{{.breaches = 1}, QOS_QUARANTINE_BREACH, 1},
		{{.requests = 100, .refused = 90}, QOS_QUARANTINE_REFUSED, QOS_QUARANTINE_TURNS},
		{{.requests = 100, .refused = 89}, QOS_QUARANTINE_NONE, 0},
		{{.requests = 4, .refused = 4}, QOS_QUARANTINE_NONE, 0},
		{{.changes = 10, .reversals = 9}, QOS_QUARANTINE_OSCILLATES, QOS_QUARANTINE_TURNS},
		{{.changes = 10, .reversals = 8}, QOS_QUARANTINE_NONE, 0},
		{{.violations = 1, .others_violations = 1, .above_base = true},
		 QOS_QUARANTINE_HARMS,
		 QOS_QUARANTINE_TURNS},
		{{.violations = 1, .others_violations = 1}, QOS_QUARANTINE_NONE, 0},
		{{.violations = 1, .above_base = true}, QOS_QUARANTINE_NONE, 0},
		{{.others_violations = 9, .above_base = true}, QOS_QUARANTINE_NONE, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(turns_until(&cases[i].signal, cases[i].cause), cases[i].turns);
}

/* One good turn ends the row, a silent one does not. */
static void test_rows(void **state)
{
	const struct qos_quarantine_signal bad = {.requests = 10, .refused = 10};
	const struct qos_quarantine_signal good = {.requests = 10}, silent = {};
	struct qos_quarantine_state row = {};

	for (int i = 0; i < QOS_QUARANTINE_TURNS - 1; i++) {
		assert_int_equal(qos_quarantine_step(&row, &bad), QOS_QUARANTINE_NONE);
		assert_int_equal(qos_quarantine_step(&row, &silent), QOS_QUARANTINE_NONE);
	}
	assert_int_equal(qos_quarantine_step(&row, &good), QOS_QUARANTINE_NONE);
	for (int i = 0; i < QOS_QUARANTINE_TURNS - 1; i++)
		assert_int_equal(qos_quarantine_step(&row, &bad), QOS_QUARANTINE_NONE);
	assert_int_equal(qos_quarantine_step(&row, &bad), QOS_QUARANTINE_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
