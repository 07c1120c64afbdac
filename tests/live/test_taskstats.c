/* SPDX-License-Identifier: GPL-2.0-only */
/* TASKSTATS of the live kernel, against what the kernel tells of the same thread elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>
#include <errno.h>
#include <unistd.h>

#include "kern/taskstats.h"

#define MS 1000000ULL

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void test_own_thread(void **state)
{
	_cleanup_taskstats_ struct qos_taskstats *taskstats = NULL;
	struct qos_taskstats_sample before = {}, after = {};
	uint64_t from, to, end;
	struct rusage usage;

	assert_int_equal(qos_taskstats_new(&taskstats), 0);
	from = cpu_ns();
	assert_int_equal(qos_taskstats_read(taskstats, gettid(), &before), 0);
	for (end = from + 30 * MS; cpu_ns() < end;)
		;
	usleep(1000);
	assert_int_equal(qos_taskstats_read(taskstats, gettid(), &after), 0);
	to = cpu_ns();
	assert_true(before.cpu_run_ns > 0);
	/* The kernel brings the figure up to date at ticks and switches only. */
	assert_in_range(after.cpu_run_ns - before.cpu_run_ns, 25 * MS, to - from + 10 * MS);
	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	assert_true(after.voluntary_switches > before.voluntary_switches);
	assert_in_range(usage.ru_nvcsw - after.voluntary_switches, 0, 2);
	assert_in_range(usage.ru_nivcsw - after.involuntary_switches, 0, 5);
}

static void test_thread_that_is_gone(void **state)
{
	_cleanup_taskstats_ struct qos_taskstats *taskstats = NULL;
	struct qos_taskstats_sample sample = {.cpu_run_ns = 7};
	pid_t pid;

	assert_int_equal(qos_taskstats_new(&taskstats), 0);
	pid = fork();
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(qos_taskstats_read(taskstats, pid, &sample), -ESRCH);
	assert_int_equal(sample.cpu_run_ns, 7);
	/* The socket is as good as before. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(qos_taskstats_read(taskstats, getpid(), &sample), 0);
}

static void test_without_privilege(void **state)
{
	struct qos_taskstats *taskstats = NULL;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setuid(65534))
			_exit(100);
		_exit(-qos_taskstats_new(&taskstats));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

static void test_free_null(void **state)
{
	qos_taskstats_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_thread),
		cmocka_unit_test(test_thread_that_is_gone),
		cmocka_unit_test(test_without_privilege),
		cmocka_unit_test(test_free_null),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: taskstats need root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("taskstats", tests, NULL, NULL);
}
