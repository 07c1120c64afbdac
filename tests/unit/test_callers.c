/* SPDX-License-Identifier: GPL-2.0-only */
/* Nobody gets more than his share of the gateway, and who waits keeps his place in the books. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "util/callers.h"

#define SECOND 1000000000ULL

static unsigned int calls_that_pass(struct qos_callers *callers, uint32_t uid, uint64_t now_ns,
				    unsigned int tries)
{
	unsigned int n = 0;

	while (tries--)
		n += qos_callers_count(callers, uid, now_ns);
	return n;
}

static void test_rate(void **state)
{
	struct qos_callers callers = {};

	assert_int_equal(calls_that_pass(&callers, 1000, SECOND, 50), QOS_CALLS_MAX);
	assert_int_equal(calls_that_pass(&callers, 1001, SECOND, 50), QOS_CALLS_MAX);
	assert_int_equal(calls_that_pass(&callers, 1000, 2 * SECOND - 1, 50), 0);
	assert_int_equal(calls_that_pass(&callers, 1000, 2 * SECOND, 50), QOS_CALLS_MAX);
	assert_int_equal(calls_that_pass(&callers, 0, 2 * SECOND, 500), 500);
}

static void test_all_together(void **state)
{
	struct qos_callers callers = {};
	unsigned int n = 0;

	for (uint32_t uid = 1; uid <= 10; uid++)
		n += calls_that_pass(&callers, uid, SECOND, 50);
	assert_int_equal(n, QOS_CALLS_ALL_MAX);
	assert_int_equal(calls_that_pass(&callers, 0, SECOND, 5), 5);
}

static void test_pending(void **state)
{
	struct qos_callers callers = {};

	assert_true(qos_callers_count(&callers, 7, SECOND));
	for (unsigned int i = 0; i < QOS_PENDING_MAX; i++)
		assert_true(qos_callers_begin(&callers, 7));
	assert_false(qos_callers_begin(&callers, 7));
	qos_callers_end(&callers, 7);
	assert_true(qos_callers_begin(&callers, 7));
	for (unsigned int i = 0; i < 2 * QOS_PENDING_MAX; i++)
		qos_callers_end(&callers, 7);
	assert_int_equal(callers.pending, 0);
}

/* Users come and go by the thousand; one whose call waits is not forgotten for them. */
static void test_crowd(void **state)
{
	struct qos_callers callers = {};
	uint64_t now_ns = SECOND;

	assert_true(qos_callers_count(&callers, 7, now_ns));
	assert_true(qos_callers_begin(&callers, 7));
	for (uint32_t uid = 1000; uid < 5000; uid++) {
		now_ns += SECOND / 50;
		assert_true(qos_callers_count(&callers, uid, now_ns));
	}
	assert_int_equal(callers.pending, 1);
	qos_callers_end(&callers, 7);
	assert_int_equal(callers.pending, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_all_together),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
