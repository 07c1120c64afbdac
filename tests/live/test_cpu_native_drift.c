/* SPDX-License-Identifier: GPL-2.0-only */
/* The native manager and what becomes of its threads without it: drift, lost records, exec(). */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>

/* --- drift --- */

static const struct qos_sched_attr person = {.policy = SCHED_RR, .priority = 50};
static const struct qos_sched_attr lowered = {
	.policy = SCHED_FIFO, .flags = QOS_SCHED_RESET_ON_FORK, .priority = 11};

static void attach_and_drift(struct world *world, enum qos_drift on_drift)
{
	world->stream.on_drift = on_drift;
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	assert_int_equal(qos_sched_set(world->pid, &person), 0);
}

static void test_drift_yield(void **state)
{
	struct world *world = *state;
	struct victim_state now;

	attach_and_drift(world, QOS_DRIFT_YIELD);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_int_equal(attach(world), QOS_SERVICE_E_DRIFT);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	now = victim_state(world->pid);
	assert_int_equal(now.attr.policy, SCHED_RR);
	assert_true(qos_cpus_equal(&now.cpus, &world->before.cpus));
	assert_int_equal(counts(world).drifted, 1);
	assert_int_equal(detach(world), QOS_SERVICE_E_DRIFT);
	assert_victim(world->pid, &now);
	assert_unrecorded(world);
}

/* The next daemon leaves it alone too. */
static void test_drift_yield_outlives_the_daemon(void **state)
{
	struct world *world = *state;

	attach_and_drift(world, QOS_DRIFT_YIELD);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	world->service->ops->free(world->service);
	assert_int_equal(qos_cpu_native_new(world->originals, &world->service), 0);
	assert_int_equal(attach(world), QOS_SERVICE_E_DRIFT);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_RR);
}

static void test_drift_warn(void **state)
{
	struct world *world = *state;

	attach_and_drift(world, QOS_DRIFT_WARN);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_RR);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(verify(world), 0);
}

static void test_drift_warn_leaves_the_fair(void **state)
{
	const struct qos_sched_attr batch = {.policy = SCHED_BATCH};
	struct world *world = *state;

	world->stream.on_drift = QOS_DRIFT_WARN;
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	assert_int_equal(qos_sched_set(world->pid, &batch), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	tell(world, QOS_EVENT_OVERRUN, 2000, 6000);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_BATCH);
	assert_int_equal(counts(world).drifted, 1);
}

/* A thread may lower its own priority. That frees it from nothing, noticed before or not. */
static void check_lowered(struct world *world, enum qos_drift on_drift, bool noticed)
{
	world->stream.on_drift = on_drift;
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(qos_sched_set(world->pid, &lowered), 0);
		if (noticed)
			assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
		tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
		assert_int_equal(victim_state(world->pid).attr.policy, SCHED_NORMAL);
		if (on_drift == QOS_DRIFT_YIELD)
			break;
		assert_true(world->service->ops->is_demoted(world->service, world->pid));
		world->service->ops->expire(world->service, 5000);
		assert_policy(world, SCHED_FIFO);
		assert_int_equal(verify(world), 0);
	}
	detach(world);
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
}

static void test_lowered_is_cut(void **state)
{
	for (int noticed = 0; noticed < 2; noticed++) {
		check_lowered(*state, QOS_DRIFT_YIELD, noticed);
		check_lowered(*state, QOS_DRIFT_WARN, noticed);
		check_lowered(*state, QOS_DRIFT_RESTORE, noticed);
	}
}

static void test_toggled_affinity_is_cut(void **state)
{
	static const enum qos_drift all[] = {QOS_DRIFT_YIELD, QOS_DRIFT_WARN, QOS_DRIFT_RESTORE};
	struct world *world = *state;
	struct qos_cpus last = one_cpu(last_cpu());

	assert_int_not_equal(last_cpu(), 0);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(all); i++) {
		world->stream.on_drift = all[i];
		grant_fifo(world, 0, 12);
		assert_int_equal(attach(world), 0);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(qos_sched_set_affinity(world->pid, &last), 0);
			tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
			assert_int_equal(victim_state(world->pid).attr.policy, SCHED_NORMAL);
			world->service->ops->expire(world->service, 5000);
		}
		detach(world);
		assert_int_equal(qos_sched_set_affinity(world->pid, &world->before.cpus), 0);
		assert_victim(world->pid, &world->before);
	}
}

/* Drift is no way out of a demotion, and does not make the clock run hot. */
static void test_drift_restore_keeps_demoted(void **state)
{
	struct world *world = *state;
	const struct qos_service_ops *ops = world->service->ops;
	struct qos_cpus last = one_cpu(last_cpu());

	world->stream.on_drift = QOS_DRIFT_RESTORE;
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_int_equal(qos_sched_set_affinity(world->pid, &last), 0);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_policy(world, SCHED_NORMAL);
	assert_int_equal(verify(world), 0);
	assert_int_equal(qos_sched_set_affinity(world->pid, &last), 0);
	ops->expire(world->service, 5000);
	assert_policy(world, SCHED_NORMAL);
	assert_int_equal(ops->next_expiry(world->service), 5000 + 100 * MS);
}

static void test_drift_restore(void **state)
{
	struct world *world = *state;

	attach_and_drift(world, QOS_DRIFT_RESTORE);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(verify(world), 0);
	assert_int_equal(qos_sched_set(world->pid, &person), 0);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT); /* too soon after the last time */
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_RR);
	assert_int_equal(counts(world).drift_restored, 1);
	test_wait_for(verify(world) == 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(counts(world).drift_restored, 2);
}

/* Noticed at the next change, whatever asks for it. */
static void test_drift_seen_by_an_overrun(void **state)
{
	struct world *world = *state;

	attach_and_drift(world, QOS_DRIFT_YIELD);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_RR);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(counts(world).drifted, 1);
}

static void test_drift_seen_by_a_promotion(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_int_equal(qos_sched_set(world->pid, &person), 0);
	world->service->ops->expire(world->service, 5000);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_RR);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(detach(world), QOS_SERVICE_E_DRIFT);
}

static void test_affinity_drift(void **state)
{
	struct world *world = *state;
	struct qos_cpus last = one_cpu(last_cpu());

	assert_int_not_equal(last_cpu(), 0);
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	assert_int_equal(qos_sched_set_affinity(world->pid, &last), 0);
	assert_int_equal(verify(world), QOS_SERVICE_E_DRIFT);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_NORMAL);
}

/* Somebody restored it by the pinned records. */
static void test_lost_record(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_int_equal(qos_originals_restore(world->originals, world->pid, NULL), 0);
	assert_int_equal(verify(world), QOS_SERVICE_E_LOST);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(verify(world), 0);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
}

/* --- exec --- */

static int child_pipe[2];

static void *exec_under_fifo(void *data)
{
	pid_t tid = gettid();

	if (write(child_pipe[1], &tid, sizeof(tid)) != sizeof(tid))
		_exit(1);
	while ((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_FIFO)
		usleep(500);
	execl("/bin/sleep", "sleep", "60", NULL);
	_exit(1);
}

static void thread_that_execs(void)
{
	pthread_t thread;

	fcntl(child_pipe[1], F_SETFD, FD_CLOEXEC);
	pthread_create(&thread, NULL, exec_under_fifo, NULL);
}

static bool is_sleep(pid_t pid)
{
	char path[64], comm[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(comm, sizeof(comm), file))
		comm[0] = '\0';
	fclose(file);
	return strcmp(comm, "sleep\n") == 0;
}

/* The thread that calls exec() takes over the identity of its process's first thread. */
enum told { TOLD, ENDED, DEAD };

static void check_exec(struct world *world, bool leader_too, enum told told)
{
	struct qos_service *service = world->service;
	pid_t tid;

	assert_int_equal(pipe(child_pipe), 0);
	victim_stop(world->pid);
	world->pid = victim_start(thread_that_execs);
	assert_int_equal(read(child_pipe[0], &tid, sizeof(tid)), sizeof(tid));
	grant_fifo(world, 0, 12);
	if (leader_too)
		assert_int_equal(attach(world), 0);
	assert_int_equal(service->ops->attach(service, tid, &world->stream, &world->diag), 0);
	test_wait_for(is_sleep(world->pid));
	assert_policy(world, SCHED_FIFO);
	if (told == TOLD)
		service->ops->exec(service, tid, world->pid);
	else if (told == ENDED)
		service->ops->forget(service, tid);
	else
		assert_int_equal(qos_originals_restore_all(world->originals), 0);
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
	service->ops->exec(service, tid, world->pid);
	assert_int_equal(attach(world), 0);
	service->ops->exec(service, world->pid, world->pid);
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
	close(child_pipe[0]);
	close(child_pipe[1]);
}

static void test_exec(void **state)
{
	check_exec(*state, false, TOLD);
}

static void test_exec_beside_a_managed_leader(void **state)
{
	check_exec(*state, true, TOLD);
}

/* Found dead before its exec() is told. */
static void test_exec_untold(void **state)
{
	check_exec(*state, false, ENDED);
}

static void test_exec_without_a_daemon(void **state)
{
	check_exec(*state, false, DEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		native_test(test_drift_yield),
		native_test(test_drift_yield_outlives_the_daemon),
		native_test(test_drift_warn),
		native_test(test_drift_warn_leaves_the_fair),
		native_test(test_lowered_is_cut),
		native_test(test_toggled_affinity_is_cut),
		native_test(test_drift_restore_keeps_demoted),
		native_test(test_drift_restore),
		native_test(test_drift_seen_by_an_overrun),
		native_test(test_drift_seen_by_a_promotion),
		native_test(test_affinity_drift),
		native_test(test_lost_record),
		native_test(test_exec),
		native_test(test_exec_beside_a_managed_leader),
		native_test(test_exec_untold),
		native_test(test_exec_without_a_daemon),
	};

	need_root();
	return cmocka_run_group_tests(tests, private_mounts, NULL);
}
