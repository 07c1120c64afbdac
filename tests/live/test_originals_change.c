/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes of real processes: there and back, refusals, drift, children, and a SIGKILL at every odd
 * moment. */
#include "victim.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include "state/originals.h"

static const struct qos_sched_attr fifo = {
	.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 11};
static const struct qos_sched_attr fifo_higher = {
	.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 12};
static const struct qos_sched_attr deadline = {.policy = SCHED_DEADLINE,
					       .flags = QOS_SCHED_RESET_ON_FORK,
					       .runtime_ns = 2000000,
					       .deadline_ns = 20000000,
					       .period_ns = 30000000};
static const struct qos_sched_attr demoted = {.policy = SCHED_NORMAL,
					      .flags = QOS_SCHED_RESET_ON_FORK};
static const struct qos_sched_attr impossible = {
	.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 200};

static int records_setup(void **state)
{
	scratch_setup(state);
	return qos_originals_open(pin_dir, true, NULL, (struct qos_originals **)state);
}

static int records_teardown(void **state)
{
	qos_originals_close(*state);
	return scratch_teardown(state);
}

/* --- there and back --- */

struct own_case {
	struct qos_sched_attr attr;
	bool one_cpu;
};

static const struct own_case own_cases[] = {
	{{.policy = SCHED_NORMAL}},
	{{.policy = SCHED_NORMAL, .nice = 7}},
	{{.policy = SCHED_NORMAL, .nice = -5, .flags = QOS_SCHED_RESET_ON_FORK}},
	{{.policy = SCHED_NORMAL}, .one_cpu = true},
	{{.policy = SCHED_BATCH, .nice = 3}},
	{{.policy = SCHED_IDLE}},
	{{.policy = SCHED_FIFO, .priority = 5}},
	{{.policy = SCHED_RR, .priority = 6, .flags = QOS_SCHED_RESET_ON_FORK}, .one_cpu = true},
	{{.policy = SCHED_DEADLINE,
	  .runtime_ns = 1000000,
	  .deadline_ns = 40000000,
	  .period_ns = 50000000}},
};

static pid_t start_own(const struct own_case *own)
{
	struct qos_cpus last = one_cpu(last_cpu());
	pid_t pid = victim_start(NULL);

	if (own->one_cpu)
		assert_int_equal(qos_sched_set_affinity(pid, &last), 0);
	assert_int_equal(qos_sched_set(pid, &own->attr), 0);
	return pid;
}

static void change(struct qos_originals *originals, const struct qos_original_key *key,
		   const struct qos_sched_attr *attr, const struct qos_cpus *cpus)
{
	struct qos_sched_attr now;
	struct qos_cpus affinity;

	assert_int_equal(qos_originals_change(originals, key, attr, cpus, false, NULL), 0);
	assert_int_equal(qos_originals_verify(originals, key), 0);
	assert_int_equal(qos_sched_get((pid_t)key->tid, &now), 0);
	assert_true(qos_sched_same(&now, attr));
	assert_int_equal(qos_sched_get_affinity((pid_t)key->tid, &affinity), 0);
	if (cpus)
		assert_true(qos_cpus_equal(&affinity, cpus));
}

/* Every kind of origin, through every kind of change, comes back exactly. */
static void test_there_and_back(void **state)
{
	struct qos_cpus first = one_cpu(0);

	for (size_t i = 0; i < sizeof(own_cases) / sizeof(own_cases[0]); i++) {
		pid_t pid = start_own(&own_cases[i]);
		struct victim_state before = victim_state(pid);
		struct qos_original_key key;
		bool drifted = true;

		assert_int_equal(qos_originals_record(*state, pid, &key), 0);
		change(*state, &key, &fifo, &first);
		change(*state, &key, &demoted, &first);
		change(*state, &key, &fifo_higher, &first);
		if (!own_cases[i].one_cpu) {
			change(*state, &key, &deadline, NULL);
			change(*state, &key, &demoted, NULL);
			change(*state, &key, &deadline, NULL);
			change(*state, &key, &fifo, &first);
		}
		assert_int_equal(qos_originals_restore_key(*state, &key, &drifted), 0);
		assert_false(drifted);
		assert_victim(pid, &before);
		victim_stop(pid);
	}
}

/* nice is the person's: a renice while the thread is managed survives the restore. */
static void test_renice_survives(void **state)
{
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state now;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, NULL);
	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)pid, 4), 0);
	change(*state, &key, &demoted, NULL);
	assert_int_equal(victim_state(pid).attr.nice, 4);
	assert_int_equal(qos_originals_restore_key(*state, &key, NULL), 0);
	now = victim_state(pid);
	assert_int_equal(now.attr.policy, SCHED_NORMAL);
	assert_int_equal(now.attr.flags, 0);
	assert_int_equal(now.attr.nice, 4);
	victim_stop(pid);
}

/* The kernel keeps the bandwidth of a thread that leaves the class asleep (see leave_deadline). Twenty
 * percent, a hundred times, is more than any machine here has. */
static void test_no_bandwidth_stays_behind(void **state)
{
	const struct qos_sched_attr large = {.policy = SCHED_DEADLINE,
					     .flags = QOS_SCHED_RESET_ON_FORK,
					     .runtime_ns = 20000000,
					     .deadline_ns = 100000000,
					     .period_ns = 100000000};
	pid_t pid = victim_start(NULL);

	for (unsigned int i = 0; i < 100 + 10 * last_cpu(); i++) {
		struct qos_original_key key;

		assert_int_equal(qos_originals_record(*state, pid, &key), 0);
		change(*state, &key, &large, NULL);
		if (i % 2)
			change(*state, &key, &demoted, NULL);
		assert_int_equal(qos_originals_restore_key(*state, &key, NULL), 0);
	}
	victim_stop(pid);
}

/* --- refused changes --- */

static void test_refused_first_step(void **state)
{
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	const char *call = NULL;
	struct victim_state before;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &deadline, NULL);
	before = victim_state(pid);
	assert_int_equal(qos_originals_change(*state, &key, &impossible, NULL, false, &call),
			 -EINVAL);
	assert_string_equal(call, "sched_setattr(FIFO)");
	assert_victim(pid, &before);
	assert_int_equal(qos_originals_verify(*state, &key), 0);
	victim_stop(pid);
}

/* The affinity was set already when the policy is refused. */
static void test_refused_second_step(void **state)
{
	struct qos_cpus last = one_cpu(last_cpu());
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state before = victim_state(pid);

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	assert_int_equal(qos_originals_change(*state, &key, &impossible, &last, false, NULL),
			 -EINVAL);
	assert_victim(pid, &before);
	assert_int_equal(qos_originals_verify(*state, &key), 0);
	change(*state, &key, &fifo, &last);
	victim_stop(pid);
}

/* Out of SCHED_DEADLINE, then the affinity is refused: no such CPU. */
static void test_refused_affinity(void **state)
{
	struct qos_cpus nowhere = one_cpu(QOS_CPUS_MAX - 1);
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	const char *call = NULL;
	struct victim_state before;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &deadline, NULL);
	before = victim_state(pid);
	assert_int_equal(qos_originals_change(*state, &key, &fifo, &nowhere, false, &call),
			 -EINVAL);
	assert_string_equal(call, "sched_setaffinity");
	assert_victim(pid, &before);
	assert_int_equal(qos_originals_verify(*state, &key), 0);
	victim_stop(pid);
}

/* --- drift --- */

static void test_policy_drift(void **state)
{
	const struct qos_sched_attr person = {.policy = SCHED_RR, .priority = 50};
	struct qos_cpus first = one_cpu(0);
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state before = victim_state(pid), now;
	bool drifted = false;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	assert_int_equal(qos_sched_set(pid, &person), 0);
	assert_int_equal(qos_originals_verify(*state, &key), QOS_ORIGINALS_E_DRIFT);
	assert_int_equal(qos_originals_change(*state, &key, &demoted, &first, false, NULL),
			 QOS_ORIGINALS_E_DRIFT);
	assert_int_equal(victim_state(pid).attr.policy, SCHED_RR);
	assert_int_equal(qos_originals_restore_key(*state, &key, &drifted), 0);
	assert_true(drifted);
	now = victim_state(pid);
	assert_int_equal(now.attr.policy, SCHED_RR);
	assert_int_equal(now.attr.priority, 50);
	assert_true(qos_cpus_equal(&now.cpus, &before.cpus));
	victim_stop(pid);
}

/* Back to what it was before us is somebody's decision too. */
static void test_drift_to_the_original(void **state)
{
	const struct qos_sched_attr other = {.policy = SCHED_NORMAL};
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, NULL);
	assert_int_equal(qos_sched_set(pid, &other), 0);
	assert_int_equal(qos_originals_verify(*state, &key), QOS_ORIGINALS_E_DRIFT);
	assert_int_equal(qos_originals_change(*state, &key, &fifo, NULL, true, NULL), 0);
	assert_int_equal(qos_originals_verify(*state, &key), 0);
	victim_stop(pid);
}

static void test_affinity_drift(void **state)
{
	struct qos_cpus first = one_cpu(0), last = one_cpu(last_cpu());
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state now;
	bool drifted = false;

	assert_int_not_equal(last_cpu(), 0);
	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	assert_int_equal(qos_sched_set_affinity(pid, &last), 0);
	assert_int_equal(qos_originals_verify(*state, &key), QOS_ORIGINALS_E_DRIFT);
	assert_int_equal(qos_originals_restore_key(*state, &key, &drifted), 0);
	assert_true(drifted);
	now = victim_state(pid);
	assert_int_equal(now.attr.policy, SCHED_NORMAL);
	assert_true(qos_cpus_equal(&now.cpus, &last));
	victim_stop(pid);
}

struct way_down {
	struct qos_sched_attr own, to;
	bool stays;
};

/* What a thread can do by itself with what it was given, and what only a person can. */
static const struct way_down ways_down[] = {
	{{.policy = SCHED_NORMAL, .nice = 3}, {.policy = SCHED_FIFO, .priority = 10}},
	{{.policy = SCHED_NORMAL}, {.policy = SCHED_RR, .priority = 11}},
	{{.policy = SCHED_BATCH}, {.policy = SCHED_FIFO, .priority = 1}},
	{{.policy = SCHED_NORMAL},
	 {.policy = SCHED_DEADLINE,
	  .runtime_ns = 1000000,
	  .deadline_ns = 40000000,
	  .period_ns = 50000000}},
	{{.policy = SCHED_FIFO, .priority = 5}, {.policy = SCHED_FIFO, .priority = 6}},
	{{.policy = SCHED_FIFO, .priority = 5}, {.policy = SCHED_FIFO, .priority = 4}, true},
	{{.policy = SCHED_NORMAL}, {.policy = SCHED_FIFO, .priority = 12}, true},
	{{.policy = SCHED_NORMAL}, {.policy = SCHED_BATCH}, true},
	{{.policy = SCHED_NORMAL}, {.policy = SCHED_IDLE}, true},
};

static void check_way_down(struct qos_originals *originals, const struct way_down *way, bool yield)
{
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state before, then;
	bool drifted = false;

	assert_int_equal(qos_sched_set(pid, &way->own), 0);
	before = victim_state(pid);
	assert_int_equal(qos_originals_record(originals, pid, &key), 0);
	change(originals, &key, &fifo, NULL);
	assert_int_equal(qos_sched_set(pid, &way->to), 0);
	then = victim_state(pid);
	if (yield) {
		assert_int_equal(qos_originals_yield(originals, &key), 0);
		assert_victim(pid, way->stays ? &then : &before);
	}
	assert_int_equal(qos_originals_restore_key(originals, &key, &drifted), 0);
	assert_true(drifted);
	assert_victim(pid, way->stays ? &then : &before);
	victim_stop(pid);
}

/* A grant is no way to a real-time policy of one's own. */
static void test_policy_from_ours_does_not_stay(void **state)
{
	for (size_t i = 0; i < sizeof(ways_down) / sizeof(ways_down[0]); i++) {
		check_way_down(*state, &ways_down[i], false);
		check_way_down(*state, &ways_down[i], true);
	}
}

/* An affinity that qosd never touched is the thread's own affair. */
static void test_affinity_of_its_own(void **state)
{
	struct qos_cpus first = one_cpu(0), last = one_cpu(last_cpu());
	struct qos_original_key key;
	pid_t pid = victim_start(NULL);
	struct victim_state now;
	bool drifted = true;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, NULL);
	assert_int_equal(qos_sched_set_affinity(pid, &last), 0);
	assert_int_equal(qos_originals_verify(*state, &key), 0);
	change(*state, &key, &fifo, &first);
	assert_int_equal(qos_originals_restore_key(*state, &key, &drifted), 0);
	assert_false(drifted);
	now = victim_state(pid);
	assert_true(qos_cpus_equal(&now.cpus, &last));
	victim_stop(pid);
}

static void test_yield(void **state)
{
	const struct qos_sched_attr person = {.policy = SCHED_RR, .priority = 50};
	struct qos_cpus first = one_cpu(0), own;
	struct qos_original_key key;
	struct qos_original original;
	pid_t pid = victim_start(NULL);
	struct victim_state before = victim_state(pid), now;
	bool drifted = false;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	assert_int_equal(qos_originals_own_affinity(*state, &key, &own), 0);
	assert_true(qos_cpus_equal(&own, &before.cpus));
	assert_int_equal(qos_sched_set(pid, &person), 0);
	assert_int_equal(qos_originals_yield(*state, &key), 0);
	assert_int_equal(qos_originals_get(*state, pid, &original), 0);
	assert_int_equal(original.drifted, 1);
	now = victim_state(pid);
	assert_int_equal(now.attr.policy, SCHED_RR);
	assert_true(qos_cpus_equal(&now.cpus, &before.cpus));
	assert_int_equal(qos_originals_restore_key(*state, &key, &drifted), 0);
	assert_true(drifted);
	assert_victim(pid, &now);
	victim_stop(pid);
}

/* --- exec --- */

/* Another process stands for the thread under its new identity: it is as the old one was set. */
static void test_exec(void **state)
{
	struct qos_cpus first = one_cpu(0);
	struct qos_original_key key;
	struct qos_original original;
	pid_t pid = victim_start(NULL), next = victim_start(NULL);
	struct victim_state before = victim_state(pid);

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	assert_int_equal(qos_sched_set_affinity(next, &first), 0);
	assert_int_equal(qos_sched_set(next, &fifo), 0);
	victim_stop(pid);
	assert_int_equal(qos_originals_exec(*state, &key, next), 0);
	assert_victim(next, &before);
	assert_int_equal(qos_originals_get(*state, next, &original), -ENOENT);
	assert_int_equal(qos_originals_unpin(*state), 0);
	assert_int_equal(qos_sched_set(next, &fifo), 0);
	assert_int_equal(qos_originals_exec(*state, &key, next), 0); /* not recorded */
	assert_int_equal(victim_state(next).attr.policy, SCHED_FIFO);
	victim_stop(next);
}

/* --- children --- */

static int child_pipe[2];

static void fork_when_told(void)
{
	pid_t child;
	int sig;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigwait(&set, &sig);
	child = fork();
	if (child == 0) {
		for (;;)
			pause();
	}
	if (write(child_pipe[1], &child, sizeof(child)) != sizeof(child))
		_exit(1);
}

static pid_t start_forker(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	assert_int_equal(pipe(child_pipe), 0);
	return victim_start(fork_when_told);
}

static pid_t let_fork(pid_t pid)
{
	pid_t child;

	kill(pid, SIGUSR1);
	assert_int_equal(read(child_pipe[0], &child, sizeof(child)), sizeof(child));
	close(child_pipe[0]);
	close(child_pipe[1]);
	assert_true(child > 0);
	return child;
}

static void test_inherit(void **state)
{
	const struct qos_sched_attr own = {.policy = SCHED_NORMAL, .nice = 5};
	struct qos_cpus first = one_cpu(0);
	pid_t pid = start_forker(), child;
	struct qos_original_key key;
	struct victim_state before, born;

	assert_int_equal(qos_sched_set(pid, &own), 0);
	before = victim_state(pid);
	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	child = let_fork(pid);
	born = victim_state(child);
	assert_int_equal(born.attr.policy, SCHED_NORMAL);
	assert_true(qos_cpus_equal(&born.cpus, &first));
	victim_stop(pid); /* the parent's end does not matter as long as it is recorded */
	assert_int_equal(qos_originals_inherit(*state, &key, child), 0);
	assert_victim(child, &before);
	kill(child, SIGKILL);
	key.tid = 1;
	assert_int_equal(qos_originals_inherit(*state, &key, getpid()), 0);
}

static void test_inherit_leaves_the_childs_own(void **state)
{
	const struct qos_sched_attr batch = {.policy = SCHED_BATCH, .nice = 2};
	struct qos_cpus last = one_cpu(last_cpu()), first = one_cpu(0);
	pid_t pid = start_forker(), child;
	struct qos_original_key key;
	struct victim_state own;

	assert_int_equal(qos_originals_record(*state, pid, &key), 0);
	change(*state, &key, &fifo, &first);
	child = let_fork(pid);
	assert_int_equal(qos_sched_set(child, &batch), 0);
	assert_int_equal(qos_sched_set_affinity(child, &last), 0);
	own = victim_state(child);
	assert_int_equal(qos_originals_inherit(*state, &key, child), 0);
	assert_victim(child, &own);
	kill(child, SIGKILL);
	victim_stop(pid);
}

/* --- SIGKILL --- */

#define VICTIMS 4
#define KILLS	100

static pid_t victims[VICTIMS];

/* Changes the victims as fast as it can, in any order, and restores one now and then. */
static void change_for_ever(const char *dir, unsigned int seed)
{
	static const struct qos_sched_attr *const targets[] = {&fifo, &fifo_higher, &demoted,
							       &deadline};
	struct qos_originals *originals = NULL;
	struct qos_cpus cpus[2] = {one_cpu(0), one_cpu(last_cpu())};

	if (qos_originals_open(dir, false, NULL, &originals) < 0)
		_exit(1);
	for (;;) {
		unsigned int which = (unsigned int)rand_r(&seed) % 4;
		const struct qos_cpus *pin = &cpus[(unsigned int)rand_r(&seed) % 2];
		pid_t pid = victims[(unsigned int)rand_r(&seed) % VICTIMS];
		struct qos_original_key key;

		if (qos_originals_record(originals, pid, &key) < 0)
			_exit(2);
		if (rand_r(&seed) % 8 == 0) {
			bool drifted;

			if (qos_originals_restore_key(originals, &key, &drifted) < 0 || drifted)
				_exit(3);
		} else if (qos_originals_change(originals, &key, targets[which],
						targets[which] == &deadline ? NULL : pin, false,
						NULL) != 0) {
			_exit(4);
		}
	}
}

/* Successive daemons are killed, the next one goes on with what it finds; at the end, and now and
 * then in between, a restore gives back everything. Nothing may ever look like drift. */
static void test_sigkill_at_any_moment(void **state)
{
	static const struct own_case *const owns[VICTIMS] = {&own_cases[1], &own_cases[4],
							     &own_cases[6], &own_cases[0]};
	struct victim_state before[VICTIMS];
	unsigned int seed = 20240607;

	print_message("seed %u\n", seed);
	for (int i = 0; i < VICTIMS; i++) {
		victims[i] = start_own(owns[i]);
		before[i] = victim_state(victims[i]);
	}
	for (int i = 0; i < KILLS; i++) {
		unsigned int delay_us = (unsigned int)rand_r(&seed) % 4000;
		pid_t pid = fork();
		int status;

		if (pid == 0)
			change_for_ever(pin_dir, seed);
		usleep(delay_us);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			fail_msg("it gave up with %d", WEXITSTATUS(status));
		if (i % 3)
			continue;
		assert_int_equal(qos_originals_restore_all(*state), 0);
		for (int k = 0; k < VICTIMS; k++)
			assert_victim(victims[k], &before[k]);
	}
	for (int i = 0; i < VICTIMS; i++)
		victim_stop(victims[i]);
	assert_int_equal(qos_originals_unpin(*state), 0);
}

#define record_test(f) cmocka_unit_test_setup_teardown(f, records_setup, records_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		record_test(test_there_and_back),
		record_test(test_renice_survives),
		record_test(test_no_bandwidth_stays_behind),
		record_test(test_refused_first_step),
		record_test(test_refused_second_step),
		record_test(test_refused_affinity),
		record_test(test_policy_drift),
		record_test(test_drift_to_the_original),
		record_test(test_policy_from_ours_does_not_stay),
		record_test(test_affinity_drift),
		record_test(test_affinity_of_its_own),
		record_test(test_yield),
		record_test(test_exec),
		record_test(test_inherit),
		record_test(test_inherit_leaves_the_childs_own),
		record_test(test_sigkill_at_any_moment),
	};

	need_root();
	return cmocka_run_group_tests(tests, private_mounts, NULL);
}
