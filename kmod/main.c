// SPDX-License-Identifier: GPL-2.0-only
/*
 * qos_dwcs: Dynamic Window-Constrained Scheduling of threads on PREEMPT_RT kernels, as a module.
 *
 * uapi/qos_dwcs.h says what it does and how it is driven; dwcs.h is the algorithm; qos.h has the
 * objects, the locks and the list of the files. A stock kernel lets no module choose who runs, so
 * the choice is made here (request.c, cpu.c) and imposed by SCHED_FIFO priorities (levels.c,
 * dispatch.c).
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <net/genetlink.h>

#include "flow.h"
#include "qos.h"
#include "rules.h"
#include "sch_dwcs.h"

struct qos_config qos_config = {
	.band_first = 10,
	.band_last = 40,
	.cap_ppm = 900000,
	.cap_interval_ns = NSEC_PER_SEC,
	.dispatch_ns = 20 * NSEC_PER_USEC,
	.blocking_ns = 50 * NSEC_PER_USEC,
	.arm = true,
};

/* What follows from cap and interval. */
void qos_config_cap(struct qos_config *config)
{
	config->cap_ns = div_u64(config->cap_interval_ns * config->cap_ppm, 1000000);
	config->pace_ppm = config->cap_ppm / 20 * 19;
	config->pace_slack_ns = div_u64(config->cap_interval_ns, 50);
}

DEFINE_MUTEX(qos_mutex); /* the control path, see qos.h */
u32 qos_generation;

static int hotplug;

/* Runs on the CPU that goes down, cpus_write_lock() held by whoever takes it down. */
static int cpu_goes_down(unsigned int id)
{
	struct qos_cpu *cpu = per_cpu_ptr(&qos_cpus, id);
	struct qos_event event = {
		.kind = QOS_DWCS_EVENT_CPU_GONE,
		.time_ns = ktime_get_ns(),
		.cpu = id,
	};

	mutex_lock(&qos_mutex);
	if (cpu->threads_n) {
		qos_thread_detach_cpu(cpu);
		qos_genl_send_event(&event);
	}
	mutex_unlock(&qos_mutex);
	return 0;
}

static void flush(void)
{
	bool any = qos_threads_n;

	cpus_read_lock();
	mutex_lock(&qos_mutex);
	qos_streams_flush();
	mutex_unlock(&qos_mutex);
	cpus_read_unlock();
	if (any) /* children of theirs that are on their way */
		schedule_timeout_uninterruptible(nsecs_to_jiffies(QOS_FAMILY_NS));
}

/* Interrupts that a probe asked for may still be on their way when the probes are gone. */
static void quiesce(void)
{
	int id;

	cpus_read_lock();
	for_each_online_cpu(id)
		qos_cpu_quiesce(per_cpu_ptr(&qos_cpus, id));
	cpus_read_unlock();
}

static int __init qos_init(void)
{
	int error;

	error = qos_selftest();
	if (error)
		return error;
	qos_config_cap(&qos_config);
	qos_cpus_init();
	error = qos_worker_start();
	if (error)
		return error;
	error = qos_probes_register();
	if (error)
		goto stop_worker;
	hotplug = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "qos_dwcs:online", NULL, cpu_goes_down);
	if (hotplug < 0) {
		error = hotplug;
		goto unregister_probes;
	}
	error = qos_flows_start();
	if (error)
		goto remove_state;
	error = qos_guard_register();
	if (error)
		goto stop_flows;
	error = qos_genl_register();
	if (error)
		goto stop_flows;
	error = qos_sch_register();
	if (error)
		goto unregister_genl;
	return 0;

unregister_genl:
	qos_genl_unregister();
	qos_lease_stop();
	flush();
stop_flows:
	qos_flows_stop();
remove_state:
	cpuhp_remove_state_nocalls(hotplug);
unregister_probes:
	qos_probes_unregister();
	quiesce();
stop_worker:
	qos_worker_stop();
	return error;
}

/*
 * No command comes any more; then everything is given back; then nobody looks; then nothing is
 * left.
 */
static void __exit qos_exit(void)
{
	qos_sch_unregister();
	qos_genl_unregister();
	qos_lease_stop();
	flush();
	qos_flows_stop();
	cpuhp_remove_state_nocalls(hotplug);
	qos_probes_unregister();
	quiesce();
	qos_worker_stop();
	rcu_barrier();
}

module_init(qos_init);
module_exit(qos_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Window-constrained scheduling of threads (DWCS)");
MODULE_AUTHOR("qosd");
MODULE_VERSION("1");
MODULE_ALIAS_GENL_FAMILY("qos_dwcs");
MODULE_ALIAS("net-sch-dwcs"); /* how a kernel asks for a qdisc since 6.8, */
MODULE_ALIAS("sch_dwcs");     /* and before */
