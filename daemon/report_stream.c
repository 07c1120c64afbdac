/* SPDX-License-Identifier: GPL-2.0-only */
/* A stream's grant, threads, counters and telemetry as JSON. Times of day are seconds, the rest
 * says its unit in its name. */
#include "report_stream.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "adapt/hist.h"
#include "claims.h"
#include "stats.h"
#include "util/file.h"

/* A bucket's upper edge may lie above the largest value that was seen: 0 means not known. */
static double us_of(const uint32_t *buckets, uint32_t ppm, uint64_t max_ns)
{
	uint64_t ns = qos_hist_quantile(buckets, ppm);

	return (double)(max_ns && ns > max_ns ? max_ns : ns) / 1e3;
}

static json_t *report_stats(struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	struct qos_stream_stats s;

	if (!qos_stats_read(supervisor, stream, &s))
		return json_null();
	return json_pack(
		"{sI sI sI sI sI sI sI sI sI s{sf sf sf} s{sf sf} s{sf sf} s{sf sf sf}}", "jobs",
		(json_int_t)s.jobs, "late", (json_int_t)s.late, "served", (json_int_t)s.served,
		"lost", (json_int_t)s.lost, "windows", (json_int_t)s.windows, "violations",
		(json_int_t)s.violations, "used_ns", (json_int_t)s.used_ns, "overruns",
		(json_int_t)s.overruns, "latency_passed", (json_int_t)s.latency_passed,
		"response_us", "p50", us_of(s.response, 500000, s.response_max_ns), "p99",
		us_of(s.response, 990000, s.response_max_ns), "max",
		(double)s.response_max_ns / 1e3, "slack_us", "p01", us_of(s.slack, 10000, 0), "p50",
		us_of(s.slack, 500000, 0), "used_us", "p50", us_of(s.used, 500000, 0), "p99",
		us_of(s.used, 990000, 0), "latency_us", "p50",
		us_of(s.latency, 500000, s.latency_max_ns), "p99",
		us_of(s.latency, 990000, s.latency_max_ns), "max", (double)s.latency_max_ns / 1e3);
}

void qos_report_comm(char *comm)
{
	comm[strcspn(comm, "\n")] = '\0';
	for (; *comm; comm++)
		*comm = qos_text_shown(*comm);
}

static json_t *report_thread(struct qos_supervisor *supervisor, const struct qos_thread *thread)
{
	_cleanup_free_ char *comm = NULL;
	char path[48];
	size_t len;
	bool demoted = supervisor->service && supervisor->service->ops->is_demoted &&
		       supervisor->service->ops->is_demoted(supervisor->service, thread->tid);

	snprintf(path, sizeof(path), "/proc/%d/comm", thread->tid);
	if (qos_file_read(AT_FDCWD, path, 64, &comm, &len) == 0)
		qos_report_comm(comm);
	return json_pack("{si ss sb sb}", "tid", (int)thread->tid, "comm", comm ? comm : "",
			 "demoted", demoted, "drift", thread->drifted);
}

static json_t *report_threads(struct qos_supervisor *supervisor, uint32_t id)
{
	const struct qos_thread *thread;
	json_t *list = json_array();
	size_t pos = 0;

	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		if (thread->stream == id && thread->managed)
			json_array_append_new(list, report_thread(supervisor, thread));
	}
	return list;
}

/* Telemetry that came over netlink, all threads added up. */
static json_t *report_netlink(struct qos_supervisor *supervisor, uint32_t id)
{
	struct qos_taskstats_sample sum = {}, sample;
	const struct qos_thread *thread;
	size_t pos = 0;

	if (!supervisor->taskstats)
		return json_null();
	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		if (thread->stream != id || !thread->managed ||
		    qos_taskstats_read(supervisor->taskstats, thread->tid, &sample) < 0)
			continue;
		sum.cpu_run_ns += sample.cpu_run_ns;
		sum.cpu_delay_ns += sample.cpu_delay_ns;
		sum.voluntary_switches += sample.voluntary_switches;
		sum.involuntary_switches += sample.involuntary_switches;
	}
	return json_pack("{sI sI sI sI}", "cpu_run_ns", (json_int_t)sum.cpu_run_ns, "cpu_delay_ns",
			 (json_int_t)sum.cpu_delay_ns, "voluntary_switches",
			 (json_int_t)sum.voluntary_switches, "involuntary_switches",
			 (json_int_t)sum.involuntary_switches);
}

static json_t *report_override(const struct qos_supervisor *supervisor,
			       const struct qos_live_stream *stream)
{
	const struct qos_override *item =
		qos_overrides_find(supervisor->overrides, stream->live->contract->name,
				   qos_live_wish(stream)->name, "runtime");
	struct timespec now;
	double left;

	if (!item)
		return json_null();
	clock_gettime(CLOCK_BOOTTIME, &now);
	left = (double)item->until_ns / 1e9 - (double)now.tv_sec - (double)now.tv_nsec / 1e9;
	return json_pack("{sI so}", "value_ns", (json_int_t)item->value, "left_s",
			 item->until_ns ? json_real(left) : json_null());
}

static json_t *report_runtime(const struct qos_cpu_stream *wish,
			      const struct qos_stream_grant *grant)
{
	json_t *range = json_null();

	if (wish->runtime_range.set)
		range = json_pack("[II]", (json_int_t)wish->runtime_range.lo,
				  (json_int_t)wish->runtime_range.hi);
	return json_pack("{sI sI sI sI so}", "contract_ns", (json_int_t)wish->runtime_ns,
			 "guaranteed_ns", (json_int_t)grant->guaranteed_ns, "granted_ns",
			 (json_int_t)grant->granted_ns, "wanted_ns", (json_int_t)grant->wanted_ns,
			 "range_ns", range);
}

json_t *qos_report_stream_brief(struct qos_supervisor *supervisor,
				const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	enum qos_guarantee guarantee = qos_claims_guarantee(supervisor, stream, &stream->applied);

	return json_pack("{ss ss so so}", "stream", wish->name, "guarantee",
			 qos_guarantee_names[guarantee], "runtime",
			 report_runtime(wish, &stream->applied), "stats",
			 report_stats(supervisor, stream));
}

json_t *qos_report_stream(struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	const struct qos_stream_grant *grant = &stream->applied;
	enum qos_guarantee guarantee = qos_claims_guarantee(supervisor, stream, grant);
	char cpus[QOS_CPUS_TEXT_MAX], window[32];
	json_t *report;

	snprintf(window, sizeof(window), "%u/%u", wish->window.x, wish->window.y);
	report = json_pack(
		"{ss ss ss ss si sI sI ss so ss ss so si so so so so}", "stream", wish->name,
		"manage", qos_manage_names[wish->manage], "policy", qos_policy_names[grant->policy],
		"cpus", qos_cpus_print(cpus, sizeof(cpus), &grant->cpus), "priority",
		(int)grant->priority, "period_ns", (json_int_t)wish->period.ns, "deadline_ns",
		(json_int_t)wish->deadline_ns, "window", window, "runtime",
		report_runtime(wish, grant), "guarantee", qos_guarantee_names[guarantee], "test",
		guarantee == grant->guarantee && grant->test ? grant->test : "none",
		"response_bound_ns",
		grant->response_ns ? json_integer((json_int_t)grant->response_ns) : json_null(),
		"unmanaged_threads", (int)stream->n_unmanaged, "threads",
		report_threads(supervisor, stream->id), "override",
		report_override(supervisor, stream), "stats", report_stats(supervisor, stream),
		"netlink", report_netlink(supervisor, stream->id));
	return report;
}
