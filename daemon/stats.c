/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Each of the counters' sources only ever counts up, and counts what no other does: a thread is with the
 * module or with the monitor. So their sum is what a person wants to see, and stays so when contracts
 * move from one manager to the other.
 */
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void add_buckets(uint32_t *to, const uint32_t *more)
{
	for (size_t i = 0; i < QOS_HIST_BUCKETS; i++)
		to[i] += more[i];
}

static void add(struct qos_stream_stats *to, const struct qos_stream_stats *more)
{
	to->jobs += more->jobs;
	to->late += more->late;
	to->served += more->served;
	to->lost += more->lost;
	to->windows += more->windows;
	to->violations += more->violations;
	to->used_ns += more->used_ns;
	to->overruns += more->overruns;
	to->latency_passed += more->latency_passed;
	to->last_release_ns = larger(to->last_release_ns, more->last_release_ns);
	to->response_max_ns = larger(to->response_max_ns, more->response_max_ns);
	to->latency_max_ns = larger(to->latency_max_ns, more->latency_max_ns);
	add_buckets(to->response, more->response);
	add_buckets(to->slack, more->slack);
	add_buckets(to->used, more->used);
	add_buckets(to->latency, more->latency);
}

static bool add_service(struct qos_supervisor *supervisor, uint32_t id, struct qos_stream_stats *to)
{
	struct qos_service *service = supervisor->service;
	struct qos_stream_stats own = {};

	if (!service || !service->ops->read)
		return false;
	service->ops->read(service, id, &own);
	add(to, &own);
	return true;
}

bool qos_stats_read(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		    struct qos_stream_stats *ret)
{
	struct qos_stream_stats own;
	bool counted = stream->kept;

	memset(ret, 0, sizeof(*ret));
	if (counted)
		*ret = *stream->kept;
	if (supervisor->monitor &&
	    qos_monitor_stream_read(supervisor->monitor, stream->id, &own) == 0) {
		add(ret, &own);
		counted = true;
	}
	if (stream->applied.policy == QOS_POLICY_DWCS)
		counted |= add_service(supervisor, stream->id, ret);
	return counted;
}

/* Without memory they begin anew. */
void qos_stats_keep(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	if (stream->applied.policy != QOS_POLICY_DWCS)
		return;
	if (!stream->kept)
		stream->kept = calloc(1, sizeof(*stream->kept));
	if (stream->kept)
		add_service(supervisor, stream->id, stream->kept);
}
