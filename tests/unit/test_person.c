/* SPDX-License-Identifier: GPL-2.0-only */
/* What persons adjust: kept, refused with words, taken back in time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervise.h"

static struct supervised test;

static int setup(void **state)
{
	struct qos_reload_summary sum;

	if (supervise(&test) < 0)
		return -1;
	put_contract(&test, "a", "x", "");
	return qos_supervisor_reload(test.supervisor, &sum);
}

static int teardown(void **state)
{
	return supervise_end(&test);
}

/* *words: of the first error, "" if there is none. */
static int adjust(uint64_t value_ns, uint64_t until_ns, char *words)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;
	int r;

	r = qos_supervisor_adjust(test.supervisor, "x", "cpu.runtime", value_ns, until_ns, &diag,
				  &json);
	snprintf(words, 128, "%s", diag.n_entries ? diag.entries[0].text : "");
	json_decref(json);
	qos_diag_reset(&diag);
	return r;
}

static uint64_t granted(void)
{
	return live_of(&test, "a")->streams[0].applied.granted_ns;
}

static const struct qos_override *kept(void)
{
	return qos_overrides_find(test.supervisor->overrides, "x", "main", "runtime");
}

static void test_bounds(void **state)
{
	char words[128];

	assert_int_equal(adjust(1, 0, words), QOS_SUPERVISOR_E_REFUSED);
	assert_non_null(strstr(words, "at least 1us"));
	assert_int_equal(adjust(2000000, (uint64_t)INT64_MAX + 1, words), QOS_SUPERVISOR_E_REFUSED);
	assert_non_null(strstr(words, "too long"));
	assert_int_equal(adjust(99000000, 0, words), QOS_SUPERVISOR_E_REFUSED);
	assert_true(*words);
	assert_int_equal(granted(), 1000000);
	assert_null(kept());
	assert_int_equal(adjust(QOS_ADJUST_MIN_NS, 0, words), 0);
	assert_int_equal(granted(), QOS_ADJUST_MIN_NS);
}

/* What cannot be written down does not happen, and leaves what a person said before. */
static void test_failure_keeps_the_earlier_one(void **state)
{
	char words[128];

	assert_int_equal(adjust(2000000, 0, words), 0);
	test.supervisor->options.run_dir = "/no/such/directory";
	assert_true(adjust(3000000, 77, words) < 0);
	assert_non_null(strstr(words, "cannot be written"));
	assert_int_equal(granted(), 2000000);
	assert_non_null(kept());
	assert_int_equal(kept()->value, 2000000);
	assert_int_equal(kept()->until_ns, 0);
}

static void test_expiry(void **state)
{
	char words[128];

	assert_int_equal(adjust(2000000, 100, words), 0);
	qos_supervisor_expire_overrides(test.supervisor, 99);
	assert_int_equal(granted(), 2000000);
	qos_supervisor_expire_overrides(test.supervisor, 100);
	assert_int_equal(granted(), 1000000);
	assert_null(kept());
}

/* Of contracts that are no more; nothing freed is looked at (needs a sanitizer). */
static void test_expiry_of_the_gone(void **state)
{
	struct qos_overrides *overrides = test.supervisor->overrides;

	assert_int_equal(qos_overrides_set(overrides, "gone", "main", "other", 1, 1), 0);
	assert_int_equal(qos_overrides_set(overrides, "gone", "main", "runtime", 1, 1), 0);
	assert_int_equal(qos_overrides_set(overrides, "later", "main", "runtime", 1, 0), 0);
	qos_supervisor_expire_overrides(test.supervisor, 2);
	assert_int_equal(overrides->n_items, 1);
	assert_string_equal(overrides->items[0].contract, "later");
}

/* It does not fit: tried again ever more seldom, and the disk is left alone meanwhile. */
static void test_refused_expiry_backs_off(void **state)
{
	const uint64_t s = 1000000000;
	char words[128], path[160];

	assert_int_equal(adjust(2000000, 1, words), 0);
	snprintf(path, sizeof(path), "%s/overrides.json", test.dir);
	assert_int_equal(unlink(path), 0);
	qos_ledger_remove(test.supervisor->ledger, "x");
	qos_supervisor_expire_overrides(test.supervisor, 10 * s);
	assert_non_null(kept());
	assert_int_equal(kept()->retry_ns, 12 * s);
	qos_supervisor_expire_overrides(test.supervisor, 11 * s);
	assert_int_equal(kept()->refusals, 1);
	qos_supervisor_expire_overrides(test.supervisor, 12 * s);
	assert_int_equal(kept()->retry_ns, 16 * s);
	assert_int_equal(access(path, F_OK), -1);
	for (int i = 0; i < 50; i++)
		qos_supervisor_expire_overrides(test.supervisor, 1000 * s * (uint64_t)(i + 1));
	assert_int_equal(kept()->retry_ns, 50000 * s + 256 * s);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(
		qos_ledger_add(test.supervisor->ledger, live_of(&test, "a")->contract, NULL), 0);
	qos_supervisor_expire_overrides(test.supervisor, 60000 * s);
	assert_null(kept());
	assert_int_equal(access(path, F_OK), 0);
}

#define person_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		person_test(test_bounds),
		person_test(test_failure_keeps_the_earlier_one),
		person_test(test_expiry),
		person_test(test_expiry_of_the_gone),
		person_test(test_refused_expiry_backs_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
