// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs, the program's side of a thread: release to completion. The same rules as the BPF monitor's
 * (bpf/job.bpf.h):
 *
 *   wakeup  A sleep that may end a job ends it tentatively. A wakeup sooner than half a period
 *           after the release takes that back: the job goes on. Any later one is a new release
 *           and makes the completion final; when the sleep itself comes that late, it is final at
 *           once.
 *   period  Each request releases a job, unless the last one still runs; it completes with C of
 *           service or at a sleep.
 *
 * Weakness: of a thread that sleeps for ever, the last job that took less than half a period is
 * never counted.
 */
#include "job.h"
#include "rules.h"

static void finish(struct qos_thread *thread, u64 at, u64 used)
{
	qos_stats_job(&thread->stats, thread->params.deadline_ns, at - thread->release_ns, used);
	if (qos_rules_on())
		qos_rules_job(thread, at - thread->release_ns, used);
	thread->release_ns = 0;
}

static u64 used(const struct qos_thread *thread)
{
	return thread->total_ns - thread->job_from_ns;
}

void qos_job_release(struct qos_thread *thread, u64 at)
{
	thread->release_ns = at;
	thread->job_from_ns = thread->total_ns;
	thread->last_release_ns = at;
	thread->stats.last_release_ns = at;
}

void qos_job_serve(struct qos_thread *thread, u64 from, u64 ns)
{
	u64 runtime = thread->params.runtime_ns, had = used(thread);
	u64 left = had < runtime ? runtime - had : 0;

	if (thread->params.job == QOS_DWCS_JOB_PERIOD && thread->release_ns && ns >= left)
		finish(thread, from + left, had + left);
}

bool qos_job_sleep(struct qos_thread *thread, u64 now)
{
	if (thread->params.job == QOS_DWCS_JOB_WAKEUP &&
	    (!thread->release_ns || now - thread->release_ns < thread->params.period_ns / 2))
		return false;
	if (thread->release_ns)
		finish(thread, now, used(thread));
	return true;
}

bool qos_job_over(struct qos_thread *thread, u64 now, bool *ended)
{
	*ended = false;
	if (thread->params.job != QOS_DWCS_JOB_WAKEUP || thread->doing == QOS_DOES_BLOCK)
		return false;
	if (!thread->release_ns)
		return true;
	if (now - thread->release_ns < thread->params.period_ns / 2)
		return false;
	finish(thread, thread->slept_ns, used(thread));
	*ended = true;
	return true;
}
