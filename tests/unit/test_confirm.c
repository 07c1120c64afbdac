/* SPDX-License-Identifier: GPL-2.0-only */
/* A change that waits for its confirmation: it is put back in time, and what fails is told, of each one once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervised.h"
#include "confirm.h"

static void begin(void)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;

	assert_int_equal(qos_confirm_begin(test.supervisor, test.dir, "a", 1, &diag, &json), 0);
	json_decref(json);
}

static int end(bool keep)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;
	int r = qos_confirm_end(test.supervisor, keep, &diag, &json);

	json_decref(json);
	qos_diag_reset(&diag);
	return r;
}

static size_t n_told(void)
{
	const struct qos_history *history = &test.supervisor->history;
	size_t n = 0;

	for (size_t i = 0; i < history->n; i++)
		n += history->events[i]->kind == QOS_HISTORY_ROLLED_BACK;
	return n;
}

static void test_expiry(void **state)
{
	begin();
	put_contract(&test, "a", "a", "");
	qos_confirm_expire(test.supervisor, 0);
	assert_non_null(test.supervisor->pending);
	qos_confirm_expire(test.supervisor, 1);
	assert_null(test.supervisor->pending);
	assert_int_equal(n_told(), 1);
	assert_int_equal(end(true), -ENOENT);
}

/* Nothing can be put back over a directory. */
static void in_the_way(bool is)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/a.yaml", test.dir);
	if (is) {
		unlink(path);
		assert_int_equal(mkdir(path, 0755), 0);
	} else {
		assert_int_equal(rmdir(path), 0);
	}
}

static void fail_twice(void)
{
	put_contract(&test, "a", "a", "");
	begin();
	in_the_way(true);
	qos_confirm_expire(test.supervisor, 1);
	qos_confirm_expire(test.supervisor, 2);
	assert_non_null(test.supervisor->pending);
}

static void test_failure_is_told_once(void **state)
{
	fail_twice();
	assert_int_equal(n_told(), 1);
	assert_int_equal(end(false), -EISDIR);
	in_the_way(false);
	assert_int_equal(end(false), 0);
}

static void test_failure_of_the_next_is_told(void **state)
{
	fail_twice();
	assert_int_equal(end(true), 0);
	in_the_way(false);
	fail_twice();
	assert_int_equal(n_told(), 2);
	in_the_way(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_is_told_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_of_the_next_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
