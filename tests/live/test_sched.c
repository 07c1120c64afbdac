/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies and affinities of real processes, read back from the kernel. */
#include "victim.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/resource.h>

static void test_every_policy(void **state)
{
	static const struct qos_sched_attr attrs[] = {
		{.policy = SCHED_NORMAL, .nice = 3},
		{.policy = SCHED_BATCH, .nice = 1, .flags = QOS_SCHED_RESET_ON_FORK},
		{.policy = SCHED_IDLE},
		{.policy = SCHED_FIFO, .priority = 3, .flags = QOS_SCHED_RESET_ON_FORK},
		{.policy = SCHED_RR, .priority = 4},
		{.policy = SCHED_DEADLINE,
		 .flags = QOS_SCHED_RESET_ON_FORK | QOS_SCHED_RECLAIM,
		 .runtime_ns = 100000,
		 .deadline_ns = 50000000,
		 .period_ns = 60000000},
	};
	pid_t pid = victim_start(NULL);

	for (size_t i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++) {
		struct qos_sched_attr now;

		assert_int_equal(qos_sched_set(pid, &attrs[i]), 0);
		assert_int_equal(qos_sched_get(pid, &now), 0);
		assert_true(qos_sched_same(&now, &attrs[i]));
		assert_int_equal(now.flags, attrs[i].flags);
		for (size_t k = 0; k < sizeof(attrs) / sizeof(attrs[0]); k++)
			assert_int_equal(qos_sched_same(&now, &attrs[k]), i == k);
	}
	victim_stop(pid);
}

/* sched_getattr does not tell it under a real-time policy. */
static void test_nice_under_fifo(void **state)
{
	const struct qos_sched_attr fifo = {.policy = SCHED_FIFO, .priority = 2};
	struct qos_sched_attr now;
	pid_t pid = victim_start(NULL);

	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)pid, -1), 0);
	assert_int_equal(qos_sched_set(pid, &fifo), 0);
	assert_int_equal(qos_sched_get(pid, &now), 0);
	assert_int_equal(now.nice, -1);
	victim_stop(pid);
}

static void spin(void)
{
	for (;;)
		;
}

/* A hog is throttled nearly all the time, a sleeper never. */
static void test_unthrottled(void **state)
{
	const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
						.runtime_ns = 1000000,
						.deadline_ns = 500000000,
						.period_ns = 500000000};
	pid_t pid = victim_start(NULL), hog = victim_start(spin);

	assert_false(qos_sched_is_unthrottled(pid));
	assert_int_equal(qos_sched_set(pid, &deadline), 0);
	assert_int_equal(qos_sched_set(hog, &deadline), 0);
	if (access("/proc/self/sched", R_OK) == 0) {
		assert_true(qos_sched_is_unthrottled(pid));
		test_wait_for(!qos_sched_is_unthrottled(hog));
	}
	victim_stop(pid);
	victim_stop(hog);
	assert_false(qos_sched_is_unthrottled(pid));
}

static void test_same(void **state)
{
	const struct qos_sched_attr fifo = {.policy = SCHED_FIFO, .priority = 2};
	struct qos_sched_attr other = fifo;

	assert_true(qos_sched_same(&fifo, &other));
	other.priority = 3;
	assert_false(qos_sched_same(&fifo, &other));
	other = fifo;
	other.flags = QOS_SCHED_RESET_ON_FORK;
	assert_false(qos_sched_same(&fifo, &other));
	other = fifo;
	other.flags = QOS_SCHED_RECLAIM;
	assert_true(qos_sched_same(&fifo, &other));
}

static void test_affinity(void **state)
{
	struct qos_cpus last = one_cpu(last_cpu()), online = online_cpus(), now;
	struct qos_cpus nowhere = one_cpu(QOS_CPUS_MAX - 1);
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_sched_set_affinity(pid, &last), 0);
	assert_int_equal(qos_sched_get_affinity(pid, &now), 0);
	assert_true(qos_cpus_equal(&now, &last));
	assert_int_equal(qos_sched_set_affinity(pid, &online), 0);
	assert_int_equal(qos_sched_set_affinity(pid, &nowhere), -EINVAL);
	assert_int_equal(qos_sched_get_affinity(pid, &now), 0);
	assert_true(qos_cpus_equal(&now, &online));
	victim_stop(pid);
}

static void test_errors(void **state)
{
	const struct qos_sched_attr wrong = {.policy = SCHED_FIFO, .priority = 100};
	struct qos_sched_attr attr = {.policy = 77};
	struct qos_cpus cpus = {};
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_sched_set(pid, &wrong), -EINVAL);
	victim_stop(pid);
	assert_int_equal(qos_sched_get(pid, &attr), -ESRCH);
	assert_int_equal(attr.policy, 77);
	assert_int_equal(qos_sched_get_affinity(pid, &cpus), -ESRCH);
	assert_int_equal(qos_sched_set_affinity(pid, &cpus), -ESRCH);
	assert_int_equal(qos_sched_set(pid, &wrong), -ESRCH);
}

static void test_call_names(void **state)
{
	assert_string_equal(qos_sched_call_name(SCHED_DEADLINE), "sched_setattr(DEADLINE)");
	assert_string_equal(qos_sched_call_name(SCHED_NORMAL), "sched_setattr(OTHER)");
	assert_string_equal(qos_sched_call_name(4), "sched_setattr");
	assert_string_equal(qos_sched_call_name(99), "sched_setattr");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_policy), cmocka_unit_test(test_nice_under_fifo),
		cmocka_unit_test(test_unthrottled),  cmocka_unit_test(test_same),
		cmocka_unit_test(test_affinity),     cmocka_unit_test(test_errors),
		cmocka_unit_test(test_call_names),
	};

	need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
