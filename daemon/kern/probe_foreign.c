/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Real-time work of others: every thread of user space under SCHED_FIFO, RR or DEADLINE, and the
 * kernel's own threads where they use enough to matter (threaded interrupts stand above the band,
 * the stopper threads above all). The rest of those are part of the machine: there are several a
 * CPU, and nearly all never run.
 *
 * If there are more than there is room for, SCHED_DEADLINE and those that use most are kept.
 *
 * Weakness: FIFO and RR threads tell no period, so all that is known is what they used on average
 * since their start. One that will use more tomorrow is not foreseen.
 */
#include "kern/probe_parts.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admit/capacity.h"
#include "kern/proc.h"
#include "kern/sched.h"
#include "util/cleanup.h"

#define HELPERS	       1  /* their priority on any PREEMPT_RT kernel */
#define MODULE_HELPERS 47 /* QOS_PRIO_HELPERS of kmod/qos.h, see qos_dwcs(4) */

struct scan {
	struct qos_host *host;
	const struct qos_probe_own *own;
	uint64_t now_ticks; /* since boot, USER_HZ */
};

static uint64_t boot_ticks(void)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * hz + (uint64_t)now.tv_nsec * hz / 1000000000;
}

/* Of one CPU; a thread that started within this tick counts as busy for one. */
static uint32_t used_ppm(const struct qos_proc_stat *stat, uint64_t now_ticks)
{
	uint64_t life = now_ticks > stat->start_time ? now_ticks - stat->start_time : 1;
	uint64_t ppm = stat->cpu_ticks * 1000000 / life;

	return ppm > 1000000 ? 1000000 : (uint32_t)ppm;
}

static bool is_realtime(uint32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

/* Does `a` matter less to admission than `b`? */
static bool is_less(const struct qos_foreign *a, const struct qos_foreign *b)
{
	bool deadline = a->policy == SCHED_DEADLINE;

	if (deadline != (b->policy == SCHED_DEADLINE))
		return !deadline;
	return a->used_ppm < b->used_ppm;
}

/* Where there is no room left, whatever matters least goes. */
static void keep(struct qos_host *host, const struct qos_foreign *foreign)
{
	struct qos_foreign *least = &host->foreign[0];

	if (host->n_foreign < QOS_FOREIGN_MAX) {
		host->foreign[host->n_foreign++] = *foreign;
		return;
	}
	host->foreign_truncated = true;
	for (size_t i = 1; i < host->n_foreign; i++) {
		if (is_less(&host->foreign[i], least))
			least = &host->foreign[i];
	}
	if (is_less(least, foreign))
		*least = *foreign;
}

/* Its dispatchers are what `cpu.overhead` stands for. */
static bool is_of_module(const char *comm)
{
	return strncmp(comm, "qos_dwcs", strlen("qos_dwcs")) == 0;
}

/* The kernel's timer and RCU threads of a CPU, which the module raises above its band: what they do at a
 * time is short, and stands in `cpu.blocking`. They count as what they are without it. */
static bool is_raised_by_module(const struct qos_proc_stat *stat, uint32_t priority)
{
	static const char *const helpers[] = {"ktimers/", "irq_work/", "rcuc/"};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(helpers); i++) {
		if (strncmp(stat->comm, helpers[i], strlen(helpers[i])) == 0)
			return stat->kernel_thread && priority == MODULE_HELPERS;
	}
	return false;
}

static void add(struct scan *scan, pid_t tid, const struct qos_sched_attr *attr,
		const struct qos_proc_stat *stat)
{
	struct qos_foreign foreign = {
		.tid = tid,
		.policy = (int)attr->policy,
		.priority = (int)attr->priority,
		.used_ppm = used_ppm(stat, scan->now_ticks),
	};
	if (stat->kernel_thread &&
	    (foreign.used_ppm < QOS_NEGLIGIBLE_PPM || is_of_module(stat->comm)))
		return;
	if (is_raised_by_module(stat, attr->priority))
		foreign.priority = HELPERS;
	memcpy(foreign.comm, stat->comm, sizeof(foreign.comm));
	if (attr->policy == SCHED_DEADLINE) {
		/* the shorter of the two is what its density is measured by */
		foreign.period_ns =
			attr->deadline_ns < attr->period_ns ? attr->deadline_ns : attr->period_ns;
		foreign.runtime_ns = attr->runtime_ns;
	}
	if (qos_sched_get_affinity(tid, &foreign.cpus) < 0)
		foreign.cpus = scan->host->online;
	keep(scan->host, &foreign);
}

/* The policy first: one system call tells almost all threads off. A zombie keeps its policy until somebody waits for
 * it, and uses nothing; of SCHED_DEADLINE it has no parameters any more. */
static int visit_thread(void *data, pid_t tgid, pid_t tid)
{
	struct scan *scan = data;
	struct qos_sched_attr attr;
	struct qos_proc_stat stat;
	char path[64];

	if (qos_sched_get(tid, &attr) < 0 || !is_realtime(attr.policy))
		return 0;
	if (scan->own && scan->own->is_own(scan->own->data, tid))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	if (qos_proc_stat_read(AT_FDCWD, path, &stat) < 0 || stat.state == 'Z' || stat.state == 'X')
		return 0;
	add(scan, tid, &attr, &stat);
	return 0;
}

/* Whoever asks is no stranger: the daemon's own level is accounted for by cpu.band. */
static int visit_process(void *data, pid_t tgid)
{
	if (tgid != getpid())
		qos_proc_each_thread(tgid, visit_thread, data);
	return 0;
}

void qos_probe_foreign(struct qos_host *host, const struct qos_probe_own *own)
{
	struct scan scan = {.host = host, .own = own, .now_ticks = boot_ticks()};

	qos_proc_each_process(visit_process, &scan);
}
