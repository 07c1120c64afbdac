/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last hours of one contract as JSON: what its streams' series have, what happened since the last
 * sample, and the events of the history. One contract a call, so that the document stays small.
 */
#include "supervisor.h"

#include <errno.h>
#include <time.h>

#include "adapt/hist.h"
#include "network.h"
#include "stats.h"
#include "util/clock.h"

/* What is asked for. The clock of the series and of the history is CLOCK_BOOTTIME. */
struct span {
	uint64_t from_ns;
	uint32_t now_s;
	int64_t real_s; /* added to such a second: the time of day */
};

/* The last bucket is open: where it begins is all that is known. */
static json_int_t edge_of(uint32_t bucket)
{
	return (json_int_t)qos_hist_edge(bucket < QOS_HIST_BUCKETS - 1 ? bucket
								       : QOS_HIST_BUCKETS - 2);
}

static json_t *report_quantiles(const struct qos_series_quantiles *quantiles)
{
	if (quantiles->max == QOS_SERIES_NONE)
		return json_null();
	return json_pack("{sI sI sI}", "p50", edge_of(quantiles->p50), "p99",
			 edge_of(quantiles->p99), "max", edge_of(quantiles->max));
}

static json_t *report_packets(const struct qos_series_point *point, const struct span *span)
{
	return json_pack("{sI sI sI sI sI sI sI sI s[II] sI}", "from",
			 (json_int_t)span->real_s + point->from_s, "to",
			 (json_int_t)span->real_s + point->to_s, "sent_bytes",
			 (json_int_t)point->jobs * 1024, "packets", (json_int_t)point->requests,
			 "dropped", (json_int_t)point->lost, "late", (json_int_t)point->late,
			 "windows", (json_int_t)point->windows, "violations",
			 (json_int_t)point->violations, "granted_bps",
			 (json_int_t)point->granted_lo * 1000, (json_int_t)point->granted_hi * 1000,
			 "backlog_bytes", (json_int_t)point->backlog_kib * 1024);
}

static json_t *report_point(const struct qos_series_point *point, const struct span *span)
{
	if (point->packets)
		return report_packets(point, span);
	return json_pack("{sI sI sI sI sI sI sI sI s[II] so so}", "from",
			 (json_int_t)span->real_s + point->from_s, "to",
			 (json_int_t)span->real_s + point->to_s, "jobs", (json_int_t)point->jobs,
			 "late", (json_int_t)point->late, "requests", (json_int_t)point->requests,
			 "lost", (json_int_t)point->lost, "windows", (json_int_t)point->windows,
			 "violations", (json_int_t)point->violations, "granted_ns",
			 (json_int_t)point->granted_lo * 1000, (json_int_t)point->granted_hi * 1000,
			 "used_ns", report_quantiles(&point->used), "latency_ns",
			 report_quantiles(&point->latency));
}

static json_t *report_buckets(const uint32_t *buckets)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < QOS_HIST_BUCKETS; i++) {
		if (buckets[i])
			json_array_append_new(list, json_pack("{sI sI}", "below_ns", edge_of(i),
							      "count", (json_int_t)buckets[i]));
	}
	return list;
}

static json_t *report_points(const struct qos_series *series,
			     const struct qos_series_sample *sample, const struct span *span)
{
	json_t *list = json_array();
	struct qos_series_point point;

	if (!series)
		return list;
	for (uint32_t i = 0; i < series->n; i++) {
		if (series->points[i].to_s * UINT64_C(1000000000) > span->from_ns)
			json_array_append_new(list, report_point(&series->points[i], span));
	}
	if (sample && qos_series_latest(series, span->now_s, sample, &point))
		json_array_append_new(list, report_point(&point, span));
	return list;
}

static json_t *report_stream(struct qos_supervisor *supervisor,
			     const struct qos_live_stream *stream, const struct span *span)
{
	const struct qos_series *series = qos_series_find(&supervisor->series, stream->id);
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	struct qos_stream_stats stats;
	const struct qos_series_sample sample = {.stats = &stats,
						 .granted = stream->applied.granted_ns};
	bool counted = qos_stats_read(supervisor, stream, &stats);

	return json_pack("{ss sI sI so so}", "stream", wish->name, "contract_ns",
			 (json_int_t)wish->runtime_ns, "granted_ns",
			 (json_int_t)stream->applied.granted_ns, "points",
			 report_points(series, counted ? &sample : NULL, span), "latency",
			 counted ? report_buckets(stats.latency) : json_array());
}

static json_t *report_link(struct qos_supervisor *supervisor, const struct qos_live *live, size_t i,
			   const struct span *span)
{
	const struct qos_net_stream *wish = &live->contract->net[i];
	struct qos_series_packets packets;
	struct qos_series_sample sample = {.packets = &packets};
	const struct qos_series *series;

	series = qos_network_series(supervisor, live, i, &packets, &sample.granted);
	return json_pack("{ss ss sI so}", "stream", wish->name, "interface", wish->interface,
			 "contract_bps", (json_int_t)wish->rate_bps, "points",
			 report_points(series, &sample, span));
}

static json_t *report_links(struct qos_supervisor *supervisor, const struct qos_live *live,
			    const struct span *span)
{
	json_t *list = json_array();

	for (size_t i = 0; live && live->contract && i < live->contract->n_net; i++)
		json_array_append_new(list, report_link(supervisor, live, i, span));
	return list;
}

static json_t *report_streams(struct qos_supervisor *supervisor, const struct qos_live *live,
			      const struct span *span)
{
	json_t *list = json_array();

	for (size_t i = 0; live && i < live->n_streams; i++)
		json_array_append_new(list, report_stream(supervisor, &live->streams[i], span));
	return list;
}

int qos_supervisor_series_json(struct qos_supervisor *supervisor, const char *contract,
			       uint64_t since_ns, json_t **ret)
{
	const struct qos_live *live = qos_supervisor_find(supervisor, contract);
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);
	const struct span span = {
		.from_ns = since_ns && since_ns < now_ns ? now_ns - since_ns : 0,
		.now_s = (uint32_t)(now_ns / 1000000000),
		.real_s = (int64_t)((qos_clock_ns(CLOCK_REALTIME) - now_ns) / 1000000000),
	};
	json_t *history;

	if (!*contract || (!live && !qos_history_knows(&supervisor->history, contract)))
		return QOS_SUPERVISOR_E_NO_CONTRACT;
	history = qos_history_json(&supervisor->history, contract, span.from_ns);
	*ret = json_pack("{si ss ss? so so sO?}", "schema", 1, "contract", contract, "state",
			 live ? qos_live_state_names[live->state] : NULL, "streams",
			 report_streams(supervisor, live, &span), "network",
			 report_links(supervisor, live, &span), "events",
			 json_object_get(history, "events"));
	json_decref(history);
	return *ret ? 0 : -ENOMEM;
}
