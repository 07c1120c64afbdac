// SPDX-License-Identifier: GPL-2.0-only
/*
 * What there is, as netlink attributes. Each function returns 0, or -EMSGSIZE when there is no
 * room, and then leaves what it began to its caller to cancel. All under qos_mutex; what the CPU's
 * lock guards is read without it, each value by itself.
 */
#include <linux/cpumask.h>
#include <net/netlink.h>

#include "put.h"
#include "rules.h"

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, QOS_PUT_PAD);
}

static u64 rings_full(void)
{
	u64 sum = 0;
	int id;

	for_each_possible_cpu(id)
		sum += READ_ONCE(
			per_cpu_ptr(&qos_cpus, id)->counters.n[QOS_DWCS_CPU_COUNT_A_RING_FULL]);
	return sum;
}

int qos_put_info(struct sk_buff *skb, const void *unused)
{
	u32 features = QOS_DWCS_FEATURE_CPU | QOS_DWCS_FEATURE_TABLES | QOS_DWCS_FEATURE_CHECKED |
		       QOS_DWCS_FEATURE_TELEMETRY |
		       (qos_guard_works() ? QOS_DWCS_FEATURE_RULES : 0);

	if (nla_put_u32(skb, QOS_DWCS_INFO_A_VERSION, QOS_DWCS_VERSION) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_FEATURES, features) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_GENERATION, qos_generation) ||
	    put_u64(skb, QOS_DWCS_INFO_A_LEASE, qos_config.lease_ns) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_LEASE_STATE, qos_lease_state) ||
	    put_u64(skb, QOS_DWCS_INFO_A_LEASE_LEFT, qos_lease_left()) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_BAND_FIRST, qos_config.band_first) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_BAND_LAST, qos_config.band_last) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_DISPATCHER, QOS_PRIO_DISPATCHER) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_CAP_PPM, qos_config.cap_ppm) ||
	    put_u64(skb, QOS_DWCS_INFO_A_CAP_INTERVAL, qos_config.cap_interval_ns) ||
	    put_u64(skb, QOS_DWCS_INFO_A_TELEMETRY, qos_config.telemetry_ns) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_CONTRACTS, qos_contracts_n) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_STREAMS, qos_streams_n) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_THREADS, qos_threads_n) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_CONTRACTS_MAX, QOS_DWCS_CONTRACTS_MAX) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_STREAMS_MAX, QOS_DWCS_STREAMS_MAX) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_THREADS_MAX, QOS_DWCS_THREADS_MAX) ||
	    nla_put_u32(skb, QOS_DWCS_INFO_A_CPU_THREADS_MAX, QOS_DWCS_CPU_THREADS_MAX) ||
	    put_u64(skb, QOS_DWCS_INFO_A_EVENTS_LOST, rings_full()) ||
	    put_u64(skb, QOS_DWCS_INFO_A_DISPATCH, qos_config.dispatch_ns) ||
	    put_u64(skb, QOS_DWCS_INFO_A_BLOCKING, qos_config.blocking_ns))
		return -EMSGSIZE;
	return 0;
}

static int put_counters(struct sk_buff *skb, const struct qos_counters *counters)
{
	struct nlattr *nest = nla_nest_start(skb, QOS_DWCS_CPU_A_COUNTERS);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = QOS_DWCS_CPU_COUNT_A_PAD + 1; i <= QOS_DWCS_CPU_COUNT_A_MAX; i++) {
		if (put_u64(skb, i, READ_ONCE(counters->n[i])))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

int qos_put_cpu(struct sk_buff *skb, const void *object)
{
	const struct qos_cpu *cpu = object;

	if (nla_put_u32(skb, QOS_DWCS_CPU_A_ID, cpu->id) ||
	    nla_put_u32(skb, QOS_DWCS_CPU_A_ORDERING, cpu->queue.ordering) ||
	    nla_put_u32(skb, QOS_DWCS_CPU_A_SHARE, cpu->share) ||
	    nla_put_s32(skb, QOS_DWCS_CPU_A_FREE, atomic64_read(&cpu->share_free)) ||
	    nla_put_u32(skb, QOS_DWCS_CPU_A_THREADS, cpu->threads_n) ||
	    nla_put_u32(skb, QOS_DWCS_CPU_A_READY, READ_ONCE(cpu->queue.n[DWCS_DUE])) ||
	    nla_put_u8(skb, QOS_DWCS_CPU_A_CAPPED, READ_ONCE(cpu->capped)))
		return -EMSGSIZE;
	return put_counters(skb, &cpu->counters);
}

static int put_params(struct sk_buff *skb, const struct qos_stream *stream)
{
	const struct qos_params *params = &stream->params;

	if (nla_put_u32(skb, QOS_DWCS_STREAM_A_ID, stream->id) ||
	    nla_put_string(skb, QOS_DWCS_STREAM_A_NAME, stream->name) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_PERIOD, params->period_ns) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_RATE_MHZ, params->rate_mhz) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_DEADLINE, params->deadline_ns) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_RUNTIME, params->runtime_ns) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_RUNTIME_BASE, stream->runtime_base_ns) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_RUNTIME_MIN, stream->limits.lo) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_RUNTIME_MAX, stream->limits.hi) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_X, params->x) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_Y, params->y) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_OVERRUN, params->overrun) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_JOB, params->job) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_SILENCE, params->silence) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_LATENCY, params->latency_ns) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_MAX_THREADS, stream->max_threads))
		return -EMSGSIZE;
	return 0;
}

int qos_put_contract(struct sk_buff *skb, const void *object)
{
	const struct qos_contract *contract = object;
	const struct qos_stream *stream;
	struct nlattr *nest;

	if (nla_put_string(skb, QOS_DWCS_CONTRACT_A_NAME, contract->name) ||
	    nla_put_u32(skb, QOS_DWCS_CONTRACT_A_ON_EXPIRY, contract->on_expiry) ||
	    nla_put_u32(skb, QOS_DWCS_CONTRACT_A_ON_DRIFT, contract->on_drift) ||
	    nla_put_u8(skb, QOS_DWCS_CONTRACT_A_EXPIRED, contract->expired))
		return -EMSGSIZE;
	list_for_each_entry(stream, &contract->streams, in_contract) {
		nest = nla_nest_start(skb, QOS_DWCS_CONTRACT_A_STREAM);
		if (!nest || put_params(skb, stream))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return qos_put_rules(skb, contract);
}

static int put_stats(struct sk_buff *skb, const struct qos_stats *stats)
{
	struct nlattr *nest = nla_nest_start(skb, QOS_DWCS_STREAM_A_STATS);

	if (!nest || put_u64(skb, QOS_DWCS_STATS_A_JOBS, stats->jobs) ||
	    put_u64(skb, QOS_DWCS_STATS_A_LATE, stats->late) ||
	    put_u64(skb, QOS_DWCS_STATS_A_SERVED, stats->served) ||
	    put_u64(skb, QOS_DWCS_STATS_A_LOST, stats->lost) ||
	    put_u64(skb, QOS_DWCS_STATS_A_WINDOWS, stats->windows) ||
	    put_u64(skb, QOS_DWCS_STATS_A_VIOLATIONS, stats->violations) ||
	    put_u64(skb, QOS_DWCS_STATS_A_USED, stats->used_ns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_OVERRUNS, stats->overruns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_LATENCY_PASSED, stats->latency_passed) ||
	    put_u64(skb, QOS_DWCS_STATS_A_LAST_RELEASE, stats->last_release_ns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_RESPONSE_MAX, stats->response_max_ns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_LATENCY_MAX, stats->latency_max_ns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_MANDATORY, stats->mandatory) ||
	    put_u64(skb, QOS_DWCS_STATS_A_MANDATORY_LOST, stats->mandatory_lost) ||
	    put_u64(skb, QOS_DWCS_STATS_A_SPARE, stats->spare_ns) ||
	    put_u64(skb, QOS_DWCS_STATS_A_DRIFTS, stats->drifts) ||
	    nla_put(skb, QOS_DWCS_STATS_A_RESPONSE, sizeof(stats->response), stats->response) ||
	    nla_put(skb, QOS_DWCS_STATS_A_SLACK, sizeof(stats->slack), stats->slack) ||
	    nla_put(skb, QOS_DWCS_STATS_A_USED_HIST, sizeof(stats->used), stats->used) ||
	    nla_put(skb, QOS_DWCS_STATS_A_LATENCY, sizeof(stats->latency), stats->latency))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* The table of its thread: a stream with one has only that. */
static void table_of(const struct qos_stream *stream, u32 *mode, bool *on)
{
	const struct qos_thread *thread = NULL;

	if (!list_empty(&stream->threads))
		thread = list_first_entry(&stream->threads, struct qos_thread, in_stream);
	*mode = thread && thread->table ? thread->table->mode : QOS_DWCS_TABLE_NONE;
	*on = *mode != QOS_DWCS_TABLE_NONE && READ_ONCE(thread->table->on);
}

int qos_put_stream(struct sk_buff *skb, const void *object)
{
	const struct qos_stream *stream = object;
	static struct qos_stats sum; /* qos_mutex; too large for the stack */
	const struct qos_thread *thread;
	bool on;
	u32 mode;

	table_of(stream, &mode, &on);
	sum = stream->gone;
	list_for_each_entry(thread, &stream->threads, in_stream)
		qos_stats_fold(&sum, &thread->stats);
	if (put_params(skb, stream) ||
	    nla_put_string(skb, QOS_DWCS_STREAM_A_CONTRACT, stream->contract->name) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_THREADS, stream->threads_n) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_TABLE, mode) ||
	    nla_put_u8(skb, QOS_DWCS_STREAM_A_PROVEN, on) ||
	    put_u64(skb, QOS_DWCS_STREAM_A_TIME, ktime_get_ns()))
		return -EMSGSIZE;
	return put_stats(skb, &sum);
}

static u32 flags_of(const struct qos_thread *thread)
{
	bool live = dwcs_is_live(&thread->dwcs);

	return (READ_ONCE(thread->cpu->chosen) == thread ? QOS_DWCS_THREAD_CHOSEN : 0) |
	       (live ? QOS_DWCS_THREAD_LIVE : 0) |
	       (live && thread->mandatory ? QOS_DWCS_THREAD_MANDATORY : 0) |
	       (qos_request_exhausted(thread) ? QOS_DWCS_THREAD_EXHAUSTED : 0) |
	       (qos_is_runnable(thread) ? QOS_DWCS_THREAD_RUNNABLE : 0) |
	       (thread->drifted ? QOS_DWCS_THREAD_DRIFTED : 0);
}

static int put_origin(struct sk_buff *skb, const struct qos_origin *origin)
{
	if (nla_put_u32(skb, QOS_DWCS_THREAD_A_POLICY, origin->policy) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_PRIORITY, origin->priority) ||
	    nla_put_s32(skb, QOS_DWCS_THREAD_A_NICE, origin->nice) ||
	    nla_put(skb, QOS_DWCS_THREAD_A_AFFINITY, BITS_TO_LONGS(nr_cpu_ids) * sizeof(long),
		    cpumask_bits(origin->affinity)))
		return -EMSGSIZE;
	return 0;
}

int qos_put_thread(struct sk_buff *skb, const void *object)
{
	const struct qos_thread *thread = object;
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, thread->task);
	if (nla_put_u32(skb, QOS_DWCS_THREAD_A_TID, thread->task->pid) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_STREAM, thread->stream->id) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_CPU, thread->cpu->id) ||
	    put_u64(skb, QOS_DWCS_THREAD_A_START, thread->start) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_TGID, thread->task->tgid) ||
	    nla_put_string(skb, QOS_DWCS_THREAD_A_COMM, comm) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_LEVEL,
			thread->managed ? READ_ONCE(thread->level) : QOS_DWCS_LEVEL_NONE) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_FLAGS, flags_of(thread)) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_K, READ_ONCE(thread->dwcs.k)) ||
	    nla_put_u32(skb, QOS_DWCS_THREAD_A_M, READ_ONCE(thread->dwcs.m)) ||
	    put_u64(skb, QOS_DWCS_THREAD_A_GRID, READ_ONCE(thread->grid_ns)) ||
	    put_u64(skb, QOS_DWCS_THREAD_A_GOT, READ_ONCE(thread->got_ns)))
		return -EMSGSIZE;
	return put_origin(skb, thread->origin);
}

static int put_instead(struct sk_buff *skb, const struct qos_event *event)
{
	struct nlattr *nest;
	u32 i;

	for (i = 0; i < event->instead_n; i++) {
		nest = nla_nest_start(skb, QOS_DWCS_EVENT_A_INSTEAD);
		if (!nest ||
		    nla_put_u32(skb, QOS_DWCS_INSTEAD_A_STREAM, event->instead[i].stream) ||
		    put_u64(skb, QOS_DWCS_INSTEAD_A_TIME, event->instead[i].ns))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

static int put_violation(struct sk_buff *skb, const struct qos_event *event)
{
	if (nla_put_u32(skb, QOS_DWCS_EVENT_A_LOST, event->lost) ||
	    nla_put(skb, QOS_DWCS_EVENT_A_OUTCOMES, DIV_ROUND_UP(event->outcomes_n, 8),
		    event->outcomes) ||
	    nla_put_u32(skb, QOS_DWCS_EVENT_A_OUTCOMES_N, event->outcomes_n) ||
	    put_u64(skb, QOS_DWCS_EVENT_A_FROM, event->from_ns) ||
	    put_u64(skb, QOS_DWCS_EVENT_A_TO, event->to_ns))
		return -EMSGSIZE;
	return put_instead(skb, event);
}

/* What a kind of event has, besides what all have. */
static int put_kind(struct sk_buff *skb, const struct qos_event *event)
{
	switch ((enum qos_dwcs_event_kind)event->kind) {
	case QOS_DWCS_EVENT_VIOLATION:
		return put_violation(skb, event);
	case QOS_DWCS_EVENT_DRIFT:
		return nla_put_u32(skb, QOS_DWCS_EVENT_A_WHAT, event->what);
	case QOS_DWCS_EVENT_UNPROVEN:
		return nla_put_u32(skb, QOS_DWCS_EVENT_A_REASON, event->what);
	case QOS_DWCS_EVENT_LEASE:
		return nla_put_u32(skb, QOS_DWCS_EVENT_A_ON_EXPIRY, event->what);
	case QOS_DWCS_EVENT_RUNTIME:
		return put_u64(skb, QOS_DWCS_EVENT_A_RUNTIME, event->runtime_ns);
	case QOS_DWCS_EVENT_SIGNAL:
		return nla_put_u32(skb, QOS_DWCS_EVENT_A_SIGNAL, event->what);
	case QOS_DWCS_EVENT_RATE:
		return nla_put_u32(skb, QOS_DWCS_EVENT_A_INDEX, event->what)
			       ?: put_u64(skb, QOS_DWCS_EVENT_A_RATE, event->rate);
	case QOS_DWCS_EVENT_UNSPEC:
	case QOS_DWCS_EVENT_OVERRUN:
	case QOS_DWCS_EVENT_GONE:
	case QOS_DWCS_EVENT_EXEC:
	case QOS_DWCS_EVENT_CPU_GONE:
	case __QOS_DWCS_EVENT_MAX:
		break;
	}
	return 0;
}

int qos_put_event(struct sk_buff *skb, const struct qos_event *event, u32 seq)
{
	if (nla_put_u32(skb, QOS_DWCS_EVENT_A_KIND, event->kind) ||
	    nla_put_u32(skb, QOS_DWCS_EVENT_A_SEQ, seq) ||
	    put_u64(skb, QOS_DWCS_EVENT_A_TIME, event->time_ns))
		return -EMSGSIZE;
	if (event->muted && nla_put_u32(skb, QOS_DWCS_EVENT_A_MUTED, event->muted))
		return -EMSGSIZE;
	if (event->contract[0] && nla_put_string(skb, QOS_DWCS_EVENT_A_CONTRACT, event->contract))
		return -EMSGSIZE;
	if (event->stream && (nla_put_u32(skb, QOS_DWCS_EVENT_A_STREAM, event->stream) ||
			      nla_put_u32(skb, QOS_DWCS_EVENT_A_TID, event->tid)))
		return -EMSGSIZE;
	if ((event->stream || event->kind == QOS_DWCS_EVENT_CPU_GONE) &&
	    nla_put_u32(skb, QOS_DWCS_EVENT_A_CPU, event->cpu))
		return -EMSGSIZE;
	return put_kind(skb, event);
}
