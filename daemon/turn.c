/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slow loop: telemetry -> window -> law -> admission -> action, once a turn. A stream is
 * adapted if its contract gives `range` and has no rules, and no person set it. What a job used
 * comes from the telemetry of the module that schedules it, else from the monitor; where there is none,
 * from the TASKSTATS family over netlink, as the mean of a turn (a poorer signal, but a signal).
 */
#include "supervisor.h"

#include <string.h>
#include <time.h>

#include "adapt/hist.h"
#include "confirm.h"
#include "extend.h"
#include "kern/probe.h"
#include "metrics_collect.h"
#include "module.h"
#include "network.h"
#include "stats.h"
#include "tell.h"
#include "util/clock.h"
#include "util/log.h"

static bool is_adaptive(const struct qos_supervisor *supervisor,
			const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	return wish->runtime_range.set && wish->manage == QOS_MANAGE_SCHEDULE &&
	       stream->n_managed && !stream->live->contract->n_rules &&
	       !qos_overrides_find(supervisor->overrides, stream->live->contract->name, wish->name,
				   "runtime");
}

/* The window since the last turn, as it was counted. False: no window yet. */
static bool signal_of_counters(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			       struct qos_law_signal *ret)
{
	uint32_t window[QOS_HIST_BUCKETS];
	struct qos_stream_stats now;
	struct qos_live_before *before = stream->before;
	bool first = !before;

	if (!qos_stats_read(supervisor, stream, &now))
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

#define TELL_EVERY_NS 10000000000ULL /* a stream */

/* The enforcer cuts them without a word; here they are told. */
static void tell_overruns(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			  uint64_t now_ns)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	struct qos_stream_stats stats;
	char budget[QOS_UNIT_MAX];

	if (!stream->n_managed || now_ns - stream->overrun_told_ns < TELL_EVERY_NS ||
	    !qos_stats_read(supervisor, stream, &stats) || stats.overruns <= stream->overruns_told)
		return;
	qos_tell_of(supervisor, QOS_HISTORY_OVERRUN, stream, NULL,
		    "%llu requests more needed more than the runtime of %s (overrun: %s)",
		    (unsigned long long)(stats.overruns - stream->overruns_told),
		    qos_print_duration(budget, sizeof(budget), stream->applied.granted_ns),
		    qos_overrun_names[wish->overrun]);
	stream->overruns_told = stats.overruns;
	stream->overrun_told_ns = now_ns;
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
	if (stream->applied.policy == QOS_POLICY_DWCS)
		has_signal = qos_module_is_heard(supervisor) &&
			     signal_of_counters(supervisor, stream, &signal);
	else if (supervisor->monitor)
		has_signal = signal_of_counters(supervisor, stream, &signal);
	else if (supervisor->taskstats)
		has_signal = signal_of_netlink(supervisor, stream, &signal);
	if (!has_signal ||
	    !qos_law_step(&stream->law, &signal, &bounds, &request.runtime_ns, &request.reason))
		return;
	request.signal_ns = signal.used_p99_ns;
	qos_supervisor_adapt(supervisor, &request, NULL);
}

/* What `qosctl report` shows. Only streams whose threads ran have a series, and counters are read only
 * when a sample is due. */
static void keep_series(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
			uint32_t now_s)
{
	struct qos_series *series =
		stream->n_managed ? qos_series_start(&supervisor->series, stream->id, now_s)
				  : qos_series_find(&supervisor->series, stream->id);
	struct qos_stream_stats stats;

	if (series)
		qos_series_see(series, stream->applied.granted_ns, 0);
	if (!series || !qos_series_is_due(series, now_s) ||
	    !qos_stats_read(supervisor, stream, &stats))
		return;
	qos_series_add(series, now_s,
		       &(struct qos_series_sample){.stats = &stats,
						   .granted = stream->applied.granted_ns,
						   .running = stream->n_managed});
}

#define LOOK_AGAIN_NS 10000000000ULL
#define NOTICED_PPB   10000000 /* 1 % of a CPU; the load of others is an average that creeps */

static bool is_noticed(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) >= NOTICED_PPB;
}

static bool differs(const struct qos_capacity *a, const struct qos_capacity *b)
{
	if (!qos_cpus_equal(&a->online, &b->online) ||
	    !qos_cpus_equal(&a->isolated, &b->isolated) ||
	    !qos_cpus_equal(&a->disturbed, &b->disturbed) || a->deadline != b->deadline ||
	    a->fifo != b->fifo || a->dwcs != b->dwcs || a->cap_ppb != b->cap_ppb ||
	    a->n_dl_foreign != b->n_dl_foreign || is_noticed(a->dl_foreign_ppb, b->dl_foreign_ppb))
		return true;
	for (size_t cpu = 0; cpu < QOS_CPUS_MAX; cpu++) {
		if (is_noticed(a->foreign_ppb[cpu], b->foreign_ppb[cpu]))
			return true;
	}
	return false;
}

/* All that admission counts, beyond what can be asked each turn. */
static bool capacity_changed(struct qos_supervisor *supervisor)
{
	_cleanup_free_ struct qos_capacity *now = calloc(2, sizeof(*now));
	_cleanup_host_ struct qos_host *host = NULL;

	if (!now || qos_supervisor_probe(supervisor, &host) < 0)
		return false;
	qos_capacity_of(host, &supervisor->config, &now[0]);
	qos_capacity_of(supervisor->host, &supervisor->config, &now[1]);
	return differs(&now[0], &now[1]);
}

static bool anybody_waits(const struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (supervisor->lives[i]->state == QOS_LIVE_WAITING)
			return true;
	}
	return false;
}

/* Isolated CPUs and the real-time work of others cost a walk over all threads: only now and then,
 * and only for the sake of those who wait. */
static bool is_worth_a_look(const struct qos_supervisor *supervisor)
{
	uint64_t every = LOOK_AGAIN_NS / supervisor->config.slow_loop_ns;

	return supervisor->turns % (every ? every : 1) == 0 && anybody_waits(supervisor);
}

/* CPUs, real-time limits or the work of others changed under us: supply is counted again, and those
 * that wait are tried again. */
static void follow_supply(struct qos_supervisor *supervisor)
{
	struct qos_reload_summary summary;

	if (!qos_probe_supply_changed(supervisor->host) &&
	    !(is_worth_a_look(supervisor) && capacity_changed(supervisor)))
		return;
	qos_log(LOG_NOTICE, NULL, NULL, NULL,
		"the machine's supply changed: contracts are "
		"admitted again");
	qos_supervisor_reload(supervisor, &summary);
}

static void turn(struct qos_supervisor *supervisor, uint64_t now_boot_ns)
{
	supervisor->turns++;
	qos_supervisor_expire_overrides(supervisor, now_boot_ns);
	qos_confirm_expire(supervisor, now_boot_ns);
	if (supervisor->panicked)
		return;
	follow_supply(supervisor);
	qos_module_turn(supervisor);
	qos_network_turn(supervisor);
	qos_threads_verify(supervisor);
	qos_extend_turn(supervisor);
	if (supervisor->monitor)
		qos_monitor_rest(supervisor->monitor);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		for (size_t k = 0; k < live->n_streams; k++) {
			tell_overruns(supervisor, &live->streams[k], now_boot_ns);
			adapt_stream(supervisor, &live->streams[k]);
			keep_series(supervisor, &live->streams[k],
				    (uint32_t)(now_boot_ns / 1000000000));
		}
	}
}

void qos_supervisor_turn(struct qos_supervisor *supervisor, uint64_t now_boot_ns)
{
	uint64_t began_ns = qos_clock_ns(CLOCK_MONOTONIC), took_ns;

	supervisor->options.front->rest(supervisor->options.front->data);
	turn(supervisor, now_boot_ns);
	qos_metrics_file(supervisor);
	took_ns = qos_clock_ns(CLOCK_MONOTONIC) - began_ns;
	supervisor->turn_ns += took_ns;
	if (took_ns > supervisor->turn_longest_ns)
		supervisor->turn_longest_ns = took_ns;
}
