/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module says -> what it means here. Ends of threads and new images go the way that the
 * monitor's do; a violation brings its evidence along. Overruns are told from the counters, as those
 * of the native manager are (turn.c). Nothing here talks to the module: what has to be done there is
 * noted, and done when all that waits has been heard.
 */
#include "module_parts.h"

#include <string.h>

#include "claims.h"
#include "extend.h"
#include "kern/proc.h"
#include "service/cpu_module.h"
#include "tell.h"
#include "threads_parts.h"

static struct qos_live_stream *stream_of(const struct qos_module *module, uint32_t id)
{
	return qos_table_get(&module->supervisor->streams, id);
}

/* Oldest first. `text` has room for QOS_DWCS_OUTCOMES_MAX + 1. */
static void spell(const struct qos_dwcs_event *event, char *text)
{
	uint32_t n = event->n_outcomes;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t bit = n - 1 - i;

		text[i] = event->outcomes[bit / 8] & 1U << bit % 8 ? 's' : 'L';
	}
	text[n] = '\0';
}

/* Names of the streams that ran; one that is gone has only its number. */
static size_t name_all(const struct qos_module *module, const struct qos_dwcs_event *event,
		       struct qos_history_instead *ret)
{
	for (size_t i = 0; i < event->n_instead; i++) {
		uint32_t id = event->instead[i].stream;
		const struct qos_live_stream *stream = id ? stream_of(module, id) : NULL;

		ret[i] = (struct qos_history_instead){.ran_ns = event->instead[i].ns};
		if (!id)
			continue;
		snprintf(ret[i].contract, sizeof(ret[i].contract), "%s",
			 stream ? stream->live->contract->name : "gone");
		if (stream)
			snprintf(ret[i].stream, sizeof(ret[i].stream), "%s",
				 qos_live_wish(stream)->name);
		else
			snprintf(ret[i].stream, sizeof(ret[i].stream), "%u", id);
	}
	return event->n_instead;
}

static struct qos_evidence evidence_of(const struct qos_dwcs_event *event)
{
	return (struct qos_evidence){.tid = (pid_t)event->tid,
				     .on_cpu = event->on_cpu,
				     .cpu = event->cpu,
				     .muted = event->muted};
}

static void on_violation(struct qos_module *module, const struct qos_dwcs_event *event)
{
	struct qos_history_instead instead[QOS_DWCS_READ_INSTEAD];
	const struct qos_live_stream *stream = stream_of(module, event->stream);
	struct qos_evidence evidence = evidence_of(event);
	char outcomes[QOS_DWCS_OUTCOMES_MAX + 1];

	_Static_assert(QOS_DWCS_READ_INSTEAD <= QOS_HISTORY_INSTEAD_MAX, "all are kept");
	if (!stream)
		return;
	spell(event, outcomes);
	evidence.outcomes = outcomes;
	evidence.instead = instead;
	evidence.n_instead = name_all(module, event, instead);
	qos_thread_violation(module->supervisor, stream, event->lost, &evidence);
}

static void on_drift(struct qos_module *module, const struct qos_dwcs_event *event)
{
	struct qos_supervisor *supervisor = module->supervisor;
	struct qos_thread *thread = qos_table_get(&supervisor->threads, event->tid);
	const struct qos_live_stream *stream = stream_of(module, event->stream);
	const struct qos_evidence evidence = evidence_of(event);

	if (!thread || !stream || thread->drifted)
		return;
	qos_tell_of(supervisor, QOS_HISTORY_DRIFT, stream, &evidence,
		    "thread %d: somebody else changed its %s (on-drift: %s)", evidence.tid,
		    event->what == QOS_DWCS_DRIFTED_AFFINITY ? "CPUs" : "scheduling",
		    qos_drift_names[stream->live->contract->on_drift]);
	thread->drifted = stream->live->contract->on_drift == QOS_DRIFT_YIELD;
	qos_cpu_module_drift(module->service, evidence.tid);
}

static void on_gone(struct qos_module *module, const struct qos_dwcs_event *event)
{
	const struct qos_event gone = {.type = QOS_EVENT_EXIT,
				       .tid = event->tid,
				       .stream = event->stream,
				       .now_ns = event->time_ns};

	qos_threads_event(module->supervisor, &gone);
}

/* The monitor tells it too, and better: with the number that the thread had before. */
static void on_exec(struct qos_module *module, const struct qos_dwcs_event *event)
{
	struct qos_event image = {
		.type = QOS_EVENT_EXEC, .tid = event->tid, .now_ns = event->time_ns};
	pid_t tgid;

	if (module->supervisor->monitor || qos_proc_tgid((pid_t)event->tid, &tgid) < 0)
		return;
	image.tgid = (uint32_t)tgid;
	qos_threads_event(module->supervisor, &image);
}

static void on_unproven(struct qos_module *module, const struct qos_dwcs_event *event)
{
	static const char *const reasons[] = {
		[QOS_DWCS_UNPROVEN_SILENCE] = "a period passed without a job",
		[QOS_DWCS_UNPROVEN_ANCHOR] = "a job came off its grid",
		[QOS_DWCS_UNPROVEN_OVERRUN] = "a job needed more than its runtime",
		[QOS_DWCS_UNPROVEN_CHANGE] = "it was changed",
		[QOS_DWCS_UNPROVEN_LOST] = "a request that was promised was lost",
	};
	struct qos_live_stream *stream = stream_of(module, event->stream);
	const struct qos_evidence evidence = evidence_of(event);
	const char *reason =
		event->reason < QOS_ARRAY_SIZE(reasons) ? reasons[event->reason] : NULL;

	if (stream)
		qos_claims_lost(module->supervisor, stream, event->time_ns, &evidence,
				reason ? reason : "its ground is gone");
}

/* The daemon lives, so it was held up for longer than the lease: all is set again. */
static void on_lease(struct qos_module *module, const struct qos_dwcs_event *event)
{
	qos_tell(module->supervisor, QOS_HISTORY_LEASE, event->contract, NULL, NULL,
		 "the lease expired (on-lease-expiry: %s); it is put in force again",
		 event->on_expiry <= QOS_LEASE_RELEASE ? qos_lease_names[event->on_expiry] : "?");
	module->forgot = module->missed = true;
}

static void on_cpu_gone(struct qos_module *module, const struct qos_dwcs_event *event)
{
	const struct qos_evidence evidence = evidence_of(event);

	qos_tell(module->supervisor, QOS_HISTORY_MANAGER, NULL, NULL, &evidence,
		 "CPU %u goes down; its threads were given back", event->cpu);
	module->missed = true;
}

static void on_runtime(struct qos_module *module, const struct qos_dwcs_event *event)
{
	module->rules_changed |=
		qos_extend_heard_value(module->supervisor, event->stream, event->runtime_ns);
}

static void on_signal(struct qos_module *module, const struct qos_dwcs_event *event)
{
	qos_extend_heard_signal(module->supervisor, event->contract, event->signal);
}

static void on_rate(struct qos_module *module, const struct qos_dwcs_event *event)
{
	qos_extend_heard_rate(module->supervisor, event->contract, event->index, event->rate_bps);
}

static void on_event(void *data, const struct qos_dwcs_event *event)
{
	static void (*const on[])(struct qos_module *, const struct qos_dwcs_event *) = {
		[QOS_DWCS_EVENT_VIOLATION] = on_violation, [QOS_DWCS_EVENT_DRIFT] = on_drift,
		[QOS_DWCS_EVENT_GONE] = on_gone,	   [QOS_DWCS_EVENT_EXEC] = on_exec,
		[QOS_DWCS_EVENT_UNPROVEN] = on_unproven,   [QOS_DWCS_EVENT_LEASE] = on_lease,
		[QOS_DWCS_EVENT_CPU_GONE] = on_cpu_gone,   [QOS_DWCS_EVENT_RUNTIME] = on_runtime,
		[QOS_DWCS_EVENT_SIGNAL] = on_signal,	   [QOS_DWCS_EVENT_RATE] = on_rate,
	};
	struct qos_module *module = data;

	if (module->service && event->kind < QOS_ARRAY_SIZE(on) && on[event->kind])
		on[event->kind](module, event);
}

/* That a claim was given up is told once, and that may have been muted. */
static void look_at_claim(struct qos_module *module, const struct qos_dwcs_report *report)
{
	struct qos_live_stream *stream = stream_of(module, report->id);
	const struct qos_evidence evidence = {};

	if (stream && report->threads && !(report->table && report->proven))
		qos_claims_lost(module->supervisor, stream, report->time_ns, &evidence,
				"the module says so");
}

static void on_telemetry(void *data, const struct qos_dwcs_report *report)
{
	struct qos_module *module = data;

	look_at_claim(module, report);
	module->heard_ns = qos_threads_now_ns();
	if (!module->service)
		return;
	qos_cpu_module_report(module->service, report);
	module->rules_changed |=
		qos_extend_heard_value(module->supervisor, report->id, report->runtime_ns);
}

static void on_presence(void *data, bool there)
{
	struct qos_module *module = data;

	module->changed = true;
	module->went |= !there;
}

static void on_missed(void *data)
{
	struct qos_module *module = data;

	module->missed = true;
}

const struct qos_dwcs_ears qos_module_ears = {
	.presence = on_presence, .event = on_event, .telemetry = on_telemetry, .missed = on_missed};
