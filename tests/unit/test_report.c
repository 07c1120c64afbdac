/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervised.h"
#include "util/clock.h"

/* It started in 1970, before the machine was told the date, and seven seconds ago. */
static void test_uptime(void **state)
{
	static const char *const reports[] = {"status", "top"};

	test.supervisor->started_us = 12000000;
	test.supervisor->started_ns = qos_clock_ns(CLOCK_BOOTTIME) - 7000000000;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(reports); i++) {
		json_t *json = NULL;

		assert_int_equal(qos_supervisor_report(test.supervisor, reports[i], "", &json), 0);
		assert_in_range(json_integer_value(json_object_get(json, "uptime_s")), 7, 60);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_uptime, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
