/* SPDX-License-Identifier: GPL-2.0-only */
/* The tables of words are complete, unambiguous, and say something. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "kern/probe.h"

static void assert_sentence(const char *text)
{
	assert_non_null(text);
	assert_true(strlen(text) > 3);
	assert_null(strchr(text, '\n'));
	assert_int_not_equal(text[strlen(text) - 1], '.');
}

static void test_every_feature(void **state)
{
	for (int i = 0; i < QOS_FEATURE_COUNT; i++) {
		const struct qos_feature_advice *advice = qos_feature_advice(i);

		assert_sentence(advice->what);
		assert_sentence(advice->config);
		assert_sentence(advice->cost);
		assert_sentence(advice->remedy);
	}
	assert_true(qos_feature_advice(QOS_FEATURE_BPF)->needed);
	assert_false(qos_feature_advice(QOS_FEATURE_MODULE)->needed);
}

static void test_every_row(void **state)
{
	const struct qos_errno_advice *rows;
	size_t n;

	rows = qos_errno_advice_table(&n);
	assert_true(n > 20);
	for (size_t i = 0; i < n; i++) {
		assert_sentence(rows[i].call);
		assert_sentence(rows[i].cause);
		assert_sentence(rows[i].remedy);
		/* found again by its own key: no row hides another */
		assert_ptr_equal(qos_errno_advice(rows[i].call, rows[i].error), &rows[i]);
	}
}

/* Everything the daemon does that the kernel can refuse in a way of its own. */
static void test_calls_of_the_daemon(void **state)
{
	static const struct {
		const char *call;
		int error;
	} met[] = {
		{"sched_setattr(DEADLINE)", EPERM},
		{"sched_setattr(DEADLINE)", EBUSY},
		{"sched_setattr(DEADLINE)", EINVAL},
		{"sched_setattr(FIFO)", EPERM},
		{"sched_setattr(OTHER)", EPERM},
		{"sched_setattr(IDLE)", EPERM},
		{"sched_setaffinity", EINVAL},
		{"sched_setaffinity", EBUSY},
		{"fork", EAGAIN},
		{"bpf(PROG_LOAD)", EPERM},
		{"bpf(PROG_LOAD)", EINVAL},
		{"bpf(PROG_LOAD)", E2BIG},
		{"bpf(MAP_CREATE)", EPERM},
		{"bpf(MAP_CREATE)", ENOMEM},
		{"bpf(MAP_UPDATE_ELEM)", E2BIG},
		{"bpf(OBJ_PIN)", EPERM},
		{"bpf(OBJ_PIN)", ENOENT},
		{"mount(bpf)", EPERM},
		{"perf_event_open", EPERM},
		{"perf_event_open", EACCES},
		{"perf_event_open", EMFILE},
		{"netlink", EPERM},
		{"netlink", ENOBUFS},
		{"taskstats", ENOENT},
		{"genl(qos_dwcs)", ENODEV},
		{"genl(qos_dwcs)", EPERM},
		{"genl(qos_dwcs)", ENOENT},
		{"genl(qos_dwcs)", EEXIST},
		{"genl(qos_dwcs)", EBUSY},
		{"genl(qos_dwcs)", ENOSPC},
		{"genl(qos_dwcs)", EOPNOTSUPP},
		{"genl(qos_dwcs)", EINVAL},
		{"genl(qos_dwcs)", ERANGE},
		{"genl(qos_dwcs)", ETIMEDOUT},
		{"genl(qos_dwcs)", EBADMSG},
		{"uprobe", EINVAL},
		{"uprobe", ENOENT},
		{"uprobe", EACCES},
	};

	for (size_t i = 0; i < sizeof(met) / sizeof(met[0]); i++) {
		const struct qos_errno_advice *advice = qos_errno_advice(met[i].call, met[i].error);

		assert_string_equal(advice->call, met[i].call);
		assert_int_equal(advice->error, met[i].error);
	}
}

static void test_general_rows(void **state)
{
	const struct qos_errno_advice *advice = qos_errno_advice("no such call", EPERM);

	assert_string_equal(advice->call, "any call");
	assert_int_equal(advice->error, EPERM);
	advice = qos_errno_advice("sched_setattr(FIFO)", EXDEV);
	assert_string_equal(advice->call, "any call");
	assert_int_equal(advice->error, 0);
	for (int error = 0; error < 200; error++)
		assert_non_null(qos_errno_advice("", error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_feature),
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_calls_of_the_daemon),
		cmocka_unit_test(test_general_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
