/* SPDX-License-Identifier: GPL-2.0-only */
/* The native manager on real processes; the monitor's events are made here, by hand. */
#include "world.h"

/* --- attach and detach --- */

static void test_fifo(void **state)
{
	struct world *world = *state;
	struct victim_state now;
	struct qos_cpus last = one_cpu(last_cpu());

	grant_fifo(world, last_cpu(), 17);
	assert_int_equal(attach(world), 0);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	now = victim_state(world->pid);
	assert_int_equal(now.attr.priority, 17);
	assert_true(qos_cpus_equal(&now.cpus, &last));
	assert_int_equal(verify(world), 0);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
	assert_int_equal(detach(world), 0);
}

static void test_deadline(void **state)
{
	struct world *world = *state;
	struct victim_state now;

	grant_deadline(world, 2 * MS);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_DEADLINE);
	now = victim_state(world->pid);
	assert_int_equal(now.attr.runtime_ns, 2 * MS + qos_enforcement_ns(2 * MS, SAMPLE_COST_NS));
	assert_int_equal(now.attr.deadline_ns, 50 * MS);
	assert_int_equal(now.attr.period_ns, 100 * MS);
	assert_int_equal(now.attr.flags, QOS_SCHED_RESET_ON_FORK);
	grant_deadline(world, 3 * MS);
	assert_int_equal(attach(world), 0);
	assert_int_equal(victim_state(world->pid).attr.runtime_ns,
			 3 * MS + qos_enforcement_ns(3 * MS, SAMPLE_COST_NS));
	assert_int_equal(verify(world), 0);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
}

static void test_allow_reclaims(void **state)
{
	struct world *world = *state;

	world->wish.overrun = QOS_OVERRUN_ALLOW;
	grant_deadline(world, MS);
	assert_int_equal(attach(world), 0);
	assert_int_equal(victim_state(world->pid).attr.flags,
			 QOS_SCHED_RESET_ON_FORK | QOS_SCHED_RECLAIM);
}

static void test_from_one_policy_to_the_other(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	grant_deadline(world, MS);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_DEADLINE);
	grant_fifo(world, last_cpu(), 13);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
}

static void test_observe_touches_nothing(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	world->wish.manage = QOS_MANAGE_OBSERVE;
	assert_int_equal(attach(world), 0);
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
	world->wish.manage = QOS_MANAGE_SCHEDULE;
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	world->grant.policy = QOS_POLICY_NONE;
	assert_int_equal(attach(world), 0);
	assert_victim(world->pid, &world->before);
}

static void test_narrow_affinity_has_no_deadline(void **state)
{
	struct world *world = *state;
	struct qos_cpus first = one_cpu(0);

	assert_int_not_equal(last_cpu(), 0);
	assert_int_equal(qos_sched_set_affinity(world->pid, &first), 0);
	grant_deadline(world, MS);
	assert_int_equal(attach(world), QOS_SERVICE_E_NO_DEADLINE);
	assert_int_equal(world->diag.n_warnings, 1);
	assert_non_null(strstr(world->diag.entries[0].text, "may run on"));
	assert_non_null(world->diag.entries[0].hint);
	assert_int_equal(victim_state(world->pid).attr.policy, SCHED_NORMAL);
	assert_unrecorded(world);
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
}

static void test_kernel_refuses_deadline(void **state)
{
	struct world *world = *state;

	world->wish.period.ns = world->wish.deadline_ns =
		10000 * MS; /* above the kernel's maximum */
	grant_deadline(world, MS);
	assert_int_equal(attach(world), QOS_SERVICE_E_NO_DEADLINE);
	assert_non_null(strstr(world->diag.entries[0].text, "sched_setattr(DEADLINE)"));
	assert_non_null(strstr(world->diag.entries[0].hint, "sched_deadline_period"));
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
}

static void test_other_refusal(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 200);
	assert_int_equal(attach(world), -EINVAL);
	assert_non_null(strstr(world->diag.entries[0].text, "sched_setattr(FIFO)"));
	assert_victim(world->pid, &world->before);
	assert_unrecorded(world);
}

static void test_gone(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	victim_stop(world->pid);
	assert_int_equal(attach(world), QOS_SERVICE_E_GONE);
	assert_int_equal(verify(world), 0);
	tell(world, QOS_EVENT_OVERRUN, MS, 2 * MS);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(detach(world), 0);
	world->pid = victim_start(NULL);
}

static void test_forget(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, MS, 2 * MS);
	world->service->ops->forget(world->service, world->pid);
	world->service->ops->forget(world->service, world->pid);
	assert_unrecorded(world);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(verify(world), 0);
}

/* --- children --- */

static int child_pipe[2];

static void fork_and_tell(void)
{
	struct qos_sched_attr attr;
	pid_t child;

	do
		qos_sched_get(0, &attr);
	while (attr.policy != SCHED_DEADLINE && attr.policy != SCHED_FIFO);
	child = fork();
	if (child == 0) {
		for (;;)
			pause();
	}
	if (write(child_pipe[1], &child, sizeof(child)) != sizeof(child))
		_exit(1);
}

static void check_child(struct world *world)
{
	struct victim_state now;
	pid_t child;

	assert_int_equal(pipe(child_pipe), 0);
	victim_stop(world->pid);
	world->pid = victim_start(fork_and_tell);
	assert_int_equal(attach(world), 0);
	assert_int_equal(read(child_pipe[0], &child, sizeof(child)), sizeof(child));
	assert_true(child > 0);
	now = victim_state(child);
	assert_int_equal(now.attr.policy, SCHED_NORMAL);
	world->service->ops->inherit(world->service, world->pid, child);
	assert_victim(child, &world->before);
	kill(child, SIGKILL);
	close(child_pipe[0]);
	close(child_pipe[1]);
}

static void test_child_of_deadline(void **state)
{
	struct world *world = *state;

	/* enough to run through in one go, bandwidth that the machine surely has */
	grant_deadline(world, 5 * MS);
	check_child(world);
}

static void test_child_of_fifo(void **state)
{
	struct world *world = *state;

	grant_fifo(world, last_cpu(), 12);
	check_child(world);
}

/* --- overruns --- */

static void test_demote_until_expiry(void **state)
{
	struct world *world = *state;
	struct qos_service_ops const *ops = world->service->ops;
	struct qos_cpus first = one_cpu(0), cpus;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	assert_int_equal(ops->next_expiry(world->service), 0);
	assert_false(ops->is_demoted(world->service, world->pid));
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_true(ops->is_demoted(world->service, world->pid));
	assert_policy(world, SCHED_NORMAL);
	assert_int_equal(qos_sched_get_affinity(world->pid, &cpus), 0);
	assert_true(qos_cpus_equal(&cpus, &first));
	assert_int_equal(verify(world), 0);
	assert_int_equal(ops->next_expiry(world->service), 5000);
	tell(world, QOS_EVENT_OVERRUN, 2000, 7000);
	assert_int_equal(ops->next_expiry(world->service), 7000);
	ops->expire(world->service, 6999);
	assert_policy(world, SCHED_NORMAL);
	ops->expire(world->service, 7000);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(ops->next_expiry(world->service), 0);
	assert_int_equal(counts(world).demoted, 1);
	assert_int_equal(counts(world).promoted, 1);
	tell(world, QOS_EVENT_OVERRUN, 8000, 0); /* no grid point known: a period */
	assert_int_equal(ops->next_expiry(world->service), 8000 + 100 * MS);
	assert_int_equal(detach(world), 0);
	assert_int_equal(ops->next_expiry(world->service), 0);
	assert_victim(world->pid, &world->before);
}

static void test_demote_until_idle(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_IDLE, 500, 0); /* not demoted: nothing to do */
	assert_policy(world, SCHED_FIFO);
	demote_now(world, 5000);
	tell(world, QOS_EVENT_IDLE, 2000, 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(counts(world).promoted, 1);
}

/* Under SCHED_DEADLINE the thread stays in its class; the kernel is made to look. */
static void test_poke(void **state)
{
	struct world *world = *state;
	struct qos_sched_attr before, after;

	grant_deadline(world, MS);
	assert_int_equal(attach(world), 0);
	assert_int_equal(qos_sched_get(world->pid, &before), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_int_equal(qos_sched_get(world->pid, &after), 0);
	assert_int_equal(after.policy, SCHED_DEADLINE);
	assert_int_equal(after.runtime_ns, before.runtime_ns ^ 1);
	assert_int_equal(verify(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 6000, 9000);
	assert_int_equal(qos_sched_get(world->pid, &after), 0);
	assert_int_equal(after.runtime_ns, before.runtime_ns);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	assert_int_equal(counts(world).throttled, 2);
	assert_int_equal(counts(world).demoted, 0);
}

static void test_throttle(void **state)
{
	struct world *world = *state;

	world->wish.overrun = QOS_OVERRUN_THROTTLE;
	grant_deadline(world, MS);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_policy(world, SCHED_DEADLINE);
	assert_int_equal(world->service->ops->next_expiry(world->service), 0);
	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	assert_policy(world, SCHED_IDLE);
	world->service->ops->expire(world->service, 5000);
	assert_policy(world, SCHED_FIFO);
}

static void test_new_grant_while_demoted(void **state)
{
	struct world *world = *state;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	grant_deadline(world, 2 * MS);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_NORMAL);
	assert_int_equal(verify(world), 0);
	world->service->ops->expire(world->service, 5000);
	assert_policy(world, SCHED_DEADLINE);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
}

/* A period that the kernel does not take, given while the thread was demoted: tried again after pauses
 * of at most a second, until there is a better one. */
static void test_refused_promotion(void **state)
{
	struct world *world = *state;
	const struct qos_service_ops *ops = world->service->ops;
	uint64_t now = 5000, next = 0, good_ns = world->wish.period.ns;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	demote_now(world, now);
	grant_deadline(world, MS);
	world->wish.period.ns = 10000 * MS; /* kernel.sched_deadline_period_max_us: 4.2 s */
	assert_int_equal(attach(world), 0);
	for (int i = 0; i < 6; i++) {
		ops->expire(world->service, now);
		next = ops->next_expiry(world->service);
		assert_true(next >= now + 100 * MS && next <= now + 1000 * MS);
		now = next;
	}
	assert_int_equal(counts(world).promote_failed, 6);
	assert_policy(world, SCHED_NORMAL);
	tell(world, QOS_EVENT_IDLE, now, 0); /* does not cut the pause short */
	assert_int_equal(counts(world).promote_failed, 6);
	world->wish.period.ns = good_ns;
	assert_int_equal(attach(world), 0);
	ops->expire(world->service, now);
	assert_policy(world, SCHED_DEADLINE);
	assert_int_equal(ops->next_expiry(world->service), 0);
}

static void spin(void)
{
	for (;;)
		;
}

static long long cpu_ns(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &used), 0);
	return used.tv_sec * 1000000000LL + used.tv_nsec;
}

/* A thread that never sleeps is held back, and lives on. */
static void test_hog_makes_progress(void **state)
{
	struct world *world = *state;

	victim_stop(world->pid);
	world->pid = victim_start(spin);
	grant_deadline(world, MS);
	assert_int_equal(attach(world), 0);
	for (int i = 0; i < 5; i++) {
		long long start = cpu_ns(world->pid);

		test_wait_for(cpu_ns(world->pid) > start + (long long)MS);
		tell(world, QOS_EVENT_OVERRUN, (uint64_t)test_now_ns(), 0);
		assert_policy(world, SCHED_DEADLINE);
	}
	assert_int_equal(counts(world).promote_failed, 0);
	assert_int_equal(detach(world), 0);
}

/* --- restart --- */

/* The old daemon died with the thread demoted; the new one takes it as its own. */
static void test_adoption(void **state)
{
	struct world *world = *state;
	struct qos_originals *again = NULL;

	grant_fifo(world, 0, 12);
	assert_int_equal(attach(world), 0);
	tell(world, QOS_EVENT_OVERRUN, 1000, 5000);
	world->service->ops->free(world->service);
	qos_originals_close(world->originals);
	assert_int_equal(qos_originals_open(pin_dir, true, NULL, &again), 0);
	world->originals = again;
	assert_int_equal(qos_cpu_native_new(again, &world->service), 0);
	assert_int_equal(attach(world), 0);
	assert_policy(world, SCHED_FIFO);
	assert_int_equal(detach(world), 0);
	assert_victim(world->pid, &world->before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		native_test(test_fifo),
		native_test(test_deadline),
		native_test(test_allow_reclaims),
		native_test(test_from_one_policy_to_the_other),
		native_test(test_observe_touches_nothing),
		native_test(test_narrow_affinity_has_no_deadline),
		native_test(test_kernel_refuses_deadline),
		native_test(test_other_refusal),
		native_test(test_gone),
		native_test(test_forget),
		native_test(test_child_of_deadline),
		native_test(test_child_of_fifo),
		native_test(test_demote_until_expiry),
		native_test(test_demote_until_idle),
		native_test(test_poke),
		native_test(test_throttle),
		native_test(test_new_grant_while_demoted),
		native_test(test_refused_promotion),
		native_test(test_hog_makes_progress),
		native_test(test_adoption),
	};

	need_root();
	return cmocka_run_group_tests(tests, private_mounts, NULL);
}
