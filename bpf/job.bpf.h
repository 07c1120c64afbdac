/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Jobs, the program's side: release to completion.
 *
 *   wakeup  A sleep that may end a job ends it tentatively. A wakeup sooner than half a period after
 *           the release takes that back: the job goes on. Any later one is a new release and makes
 *           the completion final; when the sleep itself comes that late, it is final at once.
 *   period  Each request that opens (request.bpf.h) releases a job, unless the last one still runs;
 *           it completes with C of service or at a sleep. So a job that takes longer than a period
 *           delays the next release: the program is one thread, it has no two jobs at once.
 *   probes  Marked by the program itself, at uprobes: probes.bpf.h.
 *
 * Weakness: of a thread that sleeps for ever, the last job that took less than half a period is
 * never counted, since nothing comes that could make its completion final.
 */
#pragma once

#include "hist.bpf.h"

/* n jobs that took the same time and the same service. */
QOS_INLINE void jobs_add(const struct qos_stream_config *config, struct qos_stream_stats *stats,
			 __u64 response, __u64 used, __u32 n)
{
	count(&stats->jobs, n);
	hist_add(stats->response, response, n);
	hist_add(stats->used, used, n);
	raise_to(&stats->response_max_ns, response);
	if (response > config->deadline_ns)
		count(&stats->late, n);
	else
		hist_add(stats->slack, config->deadline_ns - response, n);
}

/* For rules: raised at the thread's next switch (chain.bpf.h). The bit goes last: a probe may be
 * interrupted by that switch. */
QOS_INLINE void job_mark(struct qos_task_state *task, const struct qos_stream_config *config,
			 __u64 response, __u64 used)
{
	__u32 marks = 1 << QOS_HOOK_JOB;

	if (!config->hooks.contract)
		return;
	task->mark_response_ns = response;
	task->mark_used_ns = used;
	task->mark_latency_ns = task->latency_ns;
	if (response > config->deadline_ns && task->late_of_ns != task->release_ns) {
		task->late_of_ns = task->release_ns;
		marks |= 1 << QOS_HOOK_LATE;
	}
	__sync_fetch_and_or(&task->marks, marks);
}

QOS_INLINE void job_complete(struct qos_task_state *task, const struct qos_stream_config *config,
			     struct qos_stream_stats *stats, __u64 at, __u64 used)
{
	jobs_add(config, stats, at - task->release_ns, used, 1);
	job_mark(task, config, at - task->release_ns, used);
	task->release_ns = 0;
}

QOS_INLINE void job_release(struct qos_task_state *task, struct qos_stream_stats *stats, __u64 at)
{
	task->release_ns = at;
	task->latency_ns = 0;
	task->job_from_ns = task->total_ns;
	task->last_release_ns = at;
	stats->last_release_ns = at;
}

QOS_INLINE __u64 job_used(const struct qos_task_state *task)
{
	return task->total_ns - task->job_from_ns;
}

/* `job: period`: completes the job if C is reached within `ns` more of service. */
QOS_INLINE void job_serve(struct qos_task_state *task, const struct qos_stream_config *config,
			  struct qos_stream_stats *stats, __u64 ns)
{
	__u64 used = job_used(task);
	__u64 left = used < config->runtime_ns ? config->runtime_ns - used : 0;

	if (task->release_ns && ns >= left)
		job_complete(task, config, stats, task->accounted_ns + left, used + left);
}

/* The thread falls asleep at accounted_ns. */
QOS_INLINE void job_sleep(struct qos_task_state *task, const struct qos_stream_config *config,
			  struct qos_stream_stats *stats)
{
	__u64 now = task->accounted_ns;

	if (config->job == QOS_ABI_JOB_PROBES)
		return;
	if (config->job == QOS_ABI_JOB_WAKEUP &&
	    (!task->release_ns || now - task->release_ns < config->period_ns / 2))
		return;
	if (task->release_ns)
		job_complete(task, config, stats, now, job_used(task));
	task->request |= QOS_REQUEST_ENDED;
}

/* The thread woke up at accounted_ns and slept since `slept`: does a new job begin? If so, the old
 * one, if any, is complete. `job: wakeup` only. */
QOS_INLINE bool job_over(struct qos_task_state *task, const struct qos_stream_config *config,
			 struct qos_stream_stats *stats, __u64 slept)
{
	if (config->job != QOS_ABI_JOB_WAKEUP || task->doing != QOS_DOES_SLEEP)
		return false;
	if (!task->release_ns)
		return true;
	if (task->accounted_ns - task->release_ns < config->period_ns / 2)
		return false;
	job_complete(task, config, stats, slept, job_used(task));
	task->request |= QOS_REQUEST_ENDED;
	return true;
}
