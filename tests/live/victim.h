/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes to be scheduled by the live tests, and a pin directory of a test's own. */
#pragma once

#include <assert.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "kern/sched.h"

#define TEST_DEADLINE_NS 10000000000LL

static inline long long test_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Waits for a condition, with a deadline. */
#define test_wait_for(condition)                                                                   \
	do {                                                                                       \
		long long until_ = test_now_ns() + TEST_DEADLINE_NS;                               \
		while (!(condition)) {                                                             \
			assert_true(test_now_ns() < until_);                                       \
			usleep(500);                                                               \
		}                                                                                  \
	} while (0)

/* A child that runs `body` (NULL: sleeps for ever) and dies with the test. */
static inline pid_t victim_start(void (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (body)
		body();
	for (;;)
		pause();
}

static inline void victim_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Everything that must be given back. */
struct victim_state {
	struct qos_sched_attr attr;
	struct qos_cpus cpus;
};

static inline struct victim_state victim_state(pid_t tid)
{
	struct victim_state state = {};

	assert_int_equal(qos_sched_get(tid, &state.attr), 0);
	assert_int_equal(qos_sched_get_affinity(tid, &state.cpus), 0);
	return state;
}

static inline void assert_victim(pid_t tid, const struct victim_state *expected)
{
	struct victim_state now = victim_state(tid);

	assert_int_equal(now.attr.policy, expected->attr.policy);
	assert_int_equal(now.attr.flags, expected->attr.flags);
	assert_int_equal(now.attr.nice, expected->attr.nice);
	assert_int_equal(now.attr.priority, expected->attr.priority);
	assert_int_equal(now.attr.runtime_ns, expected->attr.runtime_ns);
	assert_int_equal(now.attr.deadline_ns, expected->attr.deadline_ns);
	assert_int_equal(now.attr.period_ns, expected->attr.period_ns);
	assert_true(qos_cpus_equal(&now.cpus, &expected->cpus));
}

static inline struct qos_cpus one_cpu(unsigned int cpu)
{
	struct qos_cpus cpus = {};

	qos_cpus_add(&cpus, cpu);
	return cpus;
}

static inline struct qos_cpus online_cpus(void)
{
	struct qos_cpus cpus = {};

	assert_int_equal(qos_sched_online(&cpus), 0);
	return cpus;
}

static inline unsigned int last_cpu(void)
{
	struct qos_cpus online = online_cpus();
	unsigned int last = 0;

	QOS_CPU_FOREACH(cpu, &online)
		last = cpu;
	return last;
}

/* Mounts of the test stay in a mount namespace of its own, so nothing is left behind. */
static inline int private_mounts(void **state)
{
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	return 0;
}

/* A directory for pins, of one test. */
static char scratch[64];
static char pin_dir[80];

static inline int scratch_setup(void **state)
{
	strcpy(scratch, "/tmp/qos-live-XXXXXX");
	assert_non_null(mkdtemp(scratch));
	snprintf(pin_dir, sizeof(pin_dir), "%s/pins", scratch);
	return 0;
}

static inline int scratch_teardown(void **state)
{
	umount2(pin_dir, MNT_DETACH);
	rmdir(pin_dir);
	return rmdir(scratch);
}

/* The live suite needs root; 77 tells the harness that nothing was tested. */
static inline void need_root(void)
{
	if (geteuid() == 0)
		return;
	fprintf(stderr, "skipped: needs root\n");
	_exit(77);
}
