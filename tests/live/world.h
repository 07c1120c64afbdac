/* SPDX-License-Identifier: GPL-2.0-only */
/* A native manager with originals of its own, one stream and one process to serve. */
#pragma once

#include "victim.h"

#include <errno.h>
#include <linux/sched.h>

#include "admit/enforce.h"
#include "service/service.h"
#include "state/originals.h"

#define MS	       1000000ULL
#define SAMPLE_COST_NS 22000 /* whatever this machine has */

struct world {
	struct qos_originals *originals;
	struct qos_service *service;
	struct qos_cpu_stream wish;
	struct qos_stream_grant grant;
	struct qos_service_stream stream;
	struct qos_diag diag;
	pid_t pid;
	struct victim_state before;
};

static inline int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	scratch_setup(state);
	assert_int_equal(qos_originals_open(pin_dir, true, NULL, &world->originals), 0);
	assert_int_equal(qos_cpu_native_new(world->originals, &world->service), 0);
	world->wish = (struct qos_cpu_stream){.period = {.ns = 100 * MS},
					      .deadline_ns = 50 * MS,
					      .runtime_ns = MS,
					      .overrun = QOS_OVERRUN_DEMOTE};
	world->stream = (struct qos_service_stream){
		.id = 1,
		.wish = &world->wish,
		.grant = &world->grant,
		.on_drift = QOS_DRIFT_YIELD,
		.sample_cost_ns = SAMPLE_COST_NS,
	};
	world->pid = victim_start(NULL);
	world->before = victim_state(world->pid);
	*state = world;
	return 0;
}

static inline int world_teardown(void **state)
{
	struct world *world = *state;

	victim_stop(world->pid);
	world->service->ops->free(world->service);
	qos_originals_close(world->originals);
	qos_diag_reset(&world->diag);
	free(world);
	return scratch_teardown(state);
}

static inline void grant_fifo(struct world *world, unsigned int cpu, uint32_t priority)
{
	world->grant = (struct qos_stream_grant){.granted_ns = MS,
						 .policy = QOS_POLICY_FIFO,
						 .cpus = one_cpu(cpu),
						 .priority = priority};
}

static inline void grant_deadline(struct world *world, uint64_t runtime_ns)
{
	world->grant = (struct qos_stream_grant){
		.granted_ns = runtime_ns, .policy = QOS_POLICY_DEADLINE, .cpus = online_cpus()};
}

static inline int attach(struct world *world)
{
	return world->service->ops->attach(world->service, world->pid, &world->stream,
					   &world->diag);
}

static inline int detach(struct world *world)
{
	return world->service->ops->detach(world->service, world->pid);
}

static inline int verify(struct world *world)
{
	return world->service->ops->verify(world->service, world->pid);
}

static inline void tell(struct world *world, uint32_t type, uint64_t now_ns, uint64_t until_ns)
{
	const struct qos_event event = {
		.type = type, .tid = (__u32)world->pid, .now_ns = now_ns, .until_ns = until_ns};

	world->service->ops->event(world->service, &event);
}

static inline struct qos_service_counts counts(struct world *world)
{
	struct qos_service_counts ret;

	world->service->ops->counts(world->service, &ret);
	return ret;
}

static inline void assert_policy(struct world *world, uint32_t policy)
{
	struct qos_sched_attr attr;

	assert_int_equal(qos_sched_get(world->pid, &attr), 0);
	assert_int_equal(attr.policy, policy);
	assert_int_equal(attr.flags & QOS_SCHED_RESET_ON_FORK, QOS_SCHED_RESET_ON_FORK);
}

static inline void assert_unrecorded(struct world *world)
{
	struct qos_original original;

	assert_int_equal(qos_originals_get(world->originals, world->pid, &original), -ENOENT);
}

static inline bool tell_overrun(struct world *world, uint64_t until_ns)
{
	struct qos_sched_attr attr;

	tell(world, QOS_EVENT_OVERRUN, (uint64_t)test_now_ns(), until_ns);
	assert_int_equal(qos_sched_get(world->pid, &attr), 0);
	return attr.policy == SCHED_NORMAL;
}

/* Under SCHED_DEADLINE only fresh news count; on a busy machine it takes more than one try. */
static inline void demote_now(struct world *world, uint64_t until_ns)
{
	test_wait_for(tell_overrun(world, until_ns));
}

#define native_test(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
