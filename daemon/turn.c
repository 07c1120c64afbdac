/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slow loop: telemetry -> window -> law -> admission -> action, once a turn. A stream is
 * adapted if its contract gives `range` and has no rules, and no person set it. What a job used
 * comes from the monitor; where there is none, from the TASKSTATS family over netlink, as the mean
 * of a turn (a poorer signal, but a signal).
 */
#include "supervisor.h"

#include <string.h>

#include "adapt/hist.h"
#include "kern/probe.h"
#include "util/log.h"

static bool is_adaptive(const struct qos_supervisor *supervisor,
			const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	return wish->runtime_range.set && wish->manage == QOS_MANAGE_SCHEDULE &&
	       stream->n_managed && !stream->live->contract->has_adapt &&
	       !qos_overrides_find(supervisor->overrides, stream->live->contract->name, wish->name,
				   "runtime");
}

/* The window since the last turn, from the monitor. False: no window yet. */
static bool signal_of_monitor(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			      struct qos_law_signal *ret)
{
	uint32_t window[QOS_HIST_BUCKETS];
	struct qos_stream_stats now;
	struct qos_live_before *before = stream->before;
	bool first = !before;

	if (qos_monitor_stream_read(supervisor->monitor, stream->id, &now) < 0)
		return false;
	if (first)
		before = stream->before = calloc(1, sizeof(*before));
	if (!before)
		return false;
	qos_hist_delta(window, now.used, before->used);
	*ret = (struct qos_law_signal){
		.jobs = now.jobs - before->jobs,
		.used_p99_ns = qos_hist_quantile(window, 990000),
		.late = now.late - before->late,
		.overruns = now.overruns - before->overruns,
	};
	*before = (struct qos_live_before){
		.jobs = now.jobs, .late = now.late, .overruns = now.overruns};
	memcpy(before->used, now.used, sizeof(before->used));
	return !first;
}

/* CPU time of the stream's threads, all together. */
static uint64_t run_time_ns(struct qos_supervisor *supervisor, uint32_t id)
{
	struct qos_taskstats_sample sample;
	const struct qos_thread *thread;
	uint64_t sum = 0;
	size_t pos = 0;

	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		if (thread->stream == id && thread->managed &&
		    qos_taskstats_read(supervisor->taskstats, thread->tid, &sample) == 0)
			sum += sample.cpu_run_ns;
	}
	return sum;
}

static bool signal_of_netlink(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			      struct qos_law_signal *ret)
{
	uint64_t now = run_time_ns(supervisor, stream->id), before = stream->run_before_ns;
	uint64_t jobs = supervisor->config.slow_loop_ns / qos_live_wish(stream)->period.ns;

	stream->run_before_ns = now;
	if (!before || now <= before || !jobs)
		return false;
	*ret = (struct qos_law_signal){
		.jobs = jobs * stream->n_managed,
		.used_p99_ns = (now - before) / (jobs * stream->n_managed),
	};
	return true;
}

static void adapt_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	const struct qos_range *range = &qos_live_wish(stream)->runtime_range;
	const struct qos_law_bounds bounds = {
		.granted_ns = stream->applied.granted_ns, .lo_ns = range->lo, .hi_ns = range->hi};
	struct qos_adapt_request request = {.stream = stream, .by = QOS_BY_LAW};
	struct qos_law_signal signal = {};
	bool has_signal = false;

	if (!is_adaptive(supervisor, stream))
		return;
	if (supervisor->monitor)
		has_signal = signal_of_monitor(supervisor, stream, &signal);
	else if (supervisor->taskstats)
		has_signal = signal_of_netlink(supervisor, stream, &signal);
	if (!has_signal ||
	    !qos_law_step(&stream->law, &signal, &bounds, &request.runtime_ns, &request.reason))
		return;
	request.signal_ns = signal.used_p99_ns;
	qos_supervisor_adapt(supervisor, &request, NULL);
}

/* CPUs or real-time limits changed under us: supply is counted again, and those that wait are
 * tried again. */
static void follow_supply(struct qos_supervisor *supervisor)
{
	struct qos_reload_summary summary;

	if (!qos_probe_supply_changed(supervisor->host))
		return;
	qos_log(LOG_NOTICE, NULL, NULL, NULL,
		"the machine's supply changed: contracts are "
		"admitted again");
	qos_supervisor_reload(supervisor, &summary);
}

void qos_supervisor_turn(struct qos_supervisor *supervisor, uint64_t now_boot_ns)
{
	supervisor->turns++;
	qos_supervisor_expire_overrides(supervisor, now_boot_ns);
	if (supervisor->panicked)
		return;
	follow_supply(supervisor);
	qos_threads_verify(supervisor);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		for (size_t k = 0; k < live->n_streams; k++)
			adapt_stream(supervisor, &live->streams[k]);
	}
}
