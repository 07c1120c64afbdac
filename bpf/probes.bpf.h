/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `job: {begin, end}`: user probes that mark release and completion for the thread that runs into
 * them. The cookie is the stream's id, so other threads of the process do not count.
 *
 * Unlike the scheduler's, these programs can be preempted, and interrupted by the task clock, in the
 * middle. So they write only what the others leave alone for such streams: the job (release_ns,
 * job_from_ns, completion), and the two marks probe_begin_ns and probe_end_ns, which
 * qos_account() takes and clears. A mark that is set just after such a step is older than
 * accounted_ns, and is taken for a mark at accounted_ns at the next one: off by one preemption.
 */
#pragma once

#include "event.bpf.h"

#define QOS_PROBE_TRIES 4

/* Service up to now; read again if a switch came between. false: not known yet. */
static __always_inline bool probe_service(const struct qos_task_state *task, __u64 now, __u64 *ret)
{
	const volatile struct qos_task_state *seen = task;

	for (int i = 0; i < QOS_PROBE_TRIES; i++) {
		__u64 accounted = seen->accounted_ns, total = seen->total_ns;

		if (seen->doing != QOS_DOES_RUN)
			return false;
		if (seen->accounted_ns != accounted)
			continue;
		*ret = total + (now > accounted ? now - accounted : 0);
		return true;
	}
	return false;
}

static __always_inline void probe_begin(struct ours *ours, __u64 now, __u64 service)
{
	if (ours->task->release_ns)
		count(&counters.probe_twice, 1);
	ours->task->release_ns = now;
	ours->task->job_from_ns = service;
	ours->stats->last_release_ns = now;
	if (!ours->task->probe_begin_ns)
		ours->task->probe_begin_ns = now;
}

static __always_inline void probe_end(struct ours *ours, __u64 now, __u64 service)
{
	if (!ours->task->release_ns) {
		count(&counters.probe_stray, 1);
		return;
	}
	job_complete(ours->task, ours->config, ours->stats, now, service - ours->task->job_from_ns);
	if (!ours->task->probe_end_ns)
		ours->task->probe_end_ns = now;
}

static __always_inline int probe(__u64 stream, bool begin)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 now, service;
	struct ours ours;

	if (!may_be_ours(tid) || !find_ours(tid, &ours))
		return 0;
	if (ours.task->stream != stream || ours.config->job != QOS_ABI_JOB_PROBES)
		return 0;
	now = bpf_ktime_get_ns();
	if (!probe_service(ours.task, now, &service))
		count(&counters.probe_stray, 1);
	else if (begin)
		probe_begin(&ours, now, service);
	else
		probe_end(&ours, now, service);
	return 0;
}

SEC("uprobe")
int qos_uprobe_begin(struct pt_regs *ctx)
{
	return probe(bpf_get_attach_cookie(ctx), true);
}

SEC("uprobe")
int qos_uprobe_end(struct pt_regs *ctx)
{
	return probe(bpf_get_attach_cookie(ctx), false);
}

SEC("usdt")
int qos_usdt_begin(struct pt_regs *ctx)
{
	return probe(bpf_usdt_cookie(ctx), true);
}

SEC("usdt")
int qos_usdt_end(struct pt_regs *ctx)
{
	return probe(bpf_usdt_cookie(ctx), false);
}
