/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a daemon opens of the kernel when it begins. What a killed one left comes first: behind its lock are
 * the map of what threads were and the one that the monitor counts in.
 */
#include "open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "extend.h"
#include "kern/probe.h"
#include "module.h"
#include "network.h"
#include "service/enforcer.h"
#include "service/route.h"
#include "state/counters.h"
#include "util/file.h"
#include "util/log.h"

/* The kernel hides exe and namespaces of other users' processes without CAP_SYS_PTRACE, so they match nothing. */
static const struct {
	int bit;
	const char *text;
} capabilities[] = {
	{19, "without CAP_SYS_PTRACE the programs of other users match no contract"},
	{23, "without CAP_SYS_NICE no thread's policy can be set: what schedules is refused"},
};

static void check_capabilities(struct qos_diag *diag)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long effective = 0;
	const char *line;
	size_t len;

	if (qos_file_read(AT_FDCWD, "/proc/self/status", 65536, &text, &len) < 0)
		return;
	line = strstr(text, "\nCapEff:");
	if (!line || sscanf(line, "\nCapEff: %llx", &effective) != 1)
		return;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(capabilities); i++) {
		if (effective & 1ULL << capabilities[i].bit)
			continue;
		qos_diag_add(diag, QOS_WARNING, NULL, "%s", capabilities[i].text);
		qos_diag_hint(diag, "run qosd as root with the capabilities that qosd(8) lists");
	}
}

/* What a killed daemon left, behind its lock. Without originals nothing can be managed. */
static int open_pins(struct qos_supervisor *supervisor)
{
	const char *dir = supervisor->options.pin_dir;
	int r, counters;

	r = qos_originals_open(dir, true, &supervisor->diag, &supervisor->originals);
	if (r < 0)
		return r;
	counters = qos_counters_open(dir, &supervisor->counters);
	if (counters < 0)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"counters cannot be kept for the next daemon: %s", strerror(-counters));
	supervisor->next_stream = qos_counters_last(supervisor->counters);
	return 0;
}

static void open_monitor(struct qos_supervisor *supervisor)
{
	bool wanted = supervisor->config.monitor;
	int r = wanted ? qos_monitor_new(qos_counters_fd(supervisor->counters), &supervisor->diag,
					 &supervisor->monitor)
		       : -ENOENT;

	if (r < 0)
		qos_diag_add(&supervisor->diag, QOS_WARNING, NULL,
			     "no monitor%s: jobs are not measured, new threads are found only at "
			     "reload, nothing runs under SCHED_FIFO",
			     wanted ? "" : " (monitor: none)");
}

static void open_taskstats(struct qos_supervisor *supervisor)
{
	const struct qos_errno_advice *advice;
	int r = qos_taskstats_new(&supervisor->taskstats);

	if (r == 0)
		return;
	advice = qos_errno_advice("taskstats", -r);
	qos_diag_add(&supervisor->diag, QOS_WARNING, NULL, "no telemetry over netlink: %s",
		     advice->cause);
	qos_diag_hint(&supervisor->diag, "%s", advice->remedy);
}

void qos_supervisor_open(struct qos_supervisor *supervisor)
{
	int r;

	check_capabilities(&supervisor->diag);
	r = open_pins(supervisor);
	open_monitor(supervisor);
	open_taskstats(supervisor);
	if (r == 0)
		r = qos_cpu_native_new(supervisor->originals, &supervisor->service);
	if (r == 0 && supervisor->monitor)
		r = qos_enforcer_new(TAKE_PTR(supervisor->service), supervisor->monitor,
				     supervisor->config.band_last + 1, &supervisor->service);
	if (r == 0)
		r = qos_route_new(TAKE_PTR(supervisor->service), &supervisor->service);
	if (r < 0)
		qos_diag_add(&supervisor->diag, QOS_WARNING, NULL,
			     "no thread can be managed: what it was before could not be kept");
	qos_module_open(supervisor);
	qos_network_open(supervisor);
	qos_extend_open(supervisor);
}
