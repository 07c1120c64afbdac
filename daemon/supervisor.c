/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Start, stop, and bringing the kernel in line with the ledger. What cannot be had (open.c: no BPF, no
 * privilege, no taskstats) is written down in `diag`, which `status` shows, and the rest works on:
 * without the monitor there is no SCHED_FIFO, because nothing would cut an overrun short.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "admit/enforce.h"
#include "claims.h"
#include "confirm.h"
#include "extend.h"
#include "kern/probe.h"
#include "metrics_collect.h"
#include "module.h"
#include "network.h"
#include "open.h"
#include "state/counters.h"
#include "state/measured.h"
#include "tell.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

int qos_supervisor_read_config(const struct qos_front *front, const char *path,
			       struct qos_diag *diag, struct qos_config *ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct qos_loc loc = {.file = path};
	size_t len;
	int r;

	qos_config_default(ret);
	r = qos_file_read(AT_FDCWD, path, QOS_DOC_BYTES_MAX, &text, &len);
	if (r == -ENOENT && !strcmp(path, QOS_CONFIG_FILE))
		return 0;
	if (r < 0)
		return qos_diag_error(diag, &loc, "cannot be read: %s", strerror(-r));
	r = front->doc(front->data, &(struct qos_text){path, text, len}, diag, &doc);
	front->rest(front->data);
	return r < 0 ? r : qos_config_parse(doc, diag, ret);
}

static bool is_own(void *data, pid_t tid)
{
	struct qos_supervisor *supervisor = data;
	struct qos_original original;

	if (tid == getpid() || qos_extend_is_sandbox(supervisor, tid) ||
	    qos_table_get(&supervisor->threads, tid))
		return true;
	return supervisor->originals &&
	       qos_originals_get(supervisor->originals, tid, &original) == 0;
}

static void measure_sample(struct qos_supervisor *supervisor)
{
	supervisor->sample_cost_ns =
		qos_measured_sample_cost(supervisor->options.run_dir, qos_probe_sample_cost);
}

int qos_supervisor_probe(struct qos_supervisor *supervisor, struct qos_host **ret)
{
	const struct qos_monitor *monitor = supervisor->monitor;
	const struct qos_probe_own own = {
		.is_own = is_own,
		.data = supervisor,
		.drift = monitor ? qos_monitor_drift(monitor) : QOS_OFF,
	};
	struct qos_host *host = NULL;
	int r;

	supervisor->options.front->rest(supervisor->options.front->data); /* it is no stranger */
	r = qos_probe_host(&own, &host);
	if (r < 0)
		return r;
	if (supervisor->host && !qos_host_has(supervisor->host, QOS_FEATURE_TASK_CLOCK) &&
	    qos_host_has(host, QOS_FEATURE_TASK_CLOCK))
		measure_sample(supervisor);
	host->sample_cost_ns = supervisor->sample_cost_ns;
	qos_network_probe(supervisor, host);
	if (!supervisor->monitor || !supervisor->service)
		host->feature[QOS_FEATURE_RT] = QOS_OFF;
	if (!supervisor->service)
		host->feature[QOS_FEATURE_DEADLINE] = QOS_OFF;
	if (qos_module_in_charge(supervisor))
		host->feature[QOS_FEATURE_MODULE] = QOS_PRESENT;
	else if (host->feature[QOS_FEATURE_MODULE] == QOS_PRESENT)
		host->feature[QOS_FEATURE_MODULE] = QOS_OFF;
	*ret = host;
	return 0;
}

static int open_state(struct qos_supervisor *supervisor)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/overrides.json", supervisor->options.run_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return qos_overrides_load(path, &supervisor->diag, &supervisor->overrides);
}

/* What a daemon that was killed was about to write, wherever it writes. */
static void sweep(const struct qos_supervisor *supervisor)
{
	const char *file = supervisor->config.textfile, *slash = strrchr(file, '/');
	_cleanup_free_ char *dir = slash ? strndup(file, (size_t)(slash - file)) : NULL;

	qos_file_sweep(supervisor->options.run_dir);
	for (size_t i = 0; supervisor->options.contract_paths[i]; i++)
		qos_file_sweep(supervisor->options.contract_paths[i]);
	if (dir)
		qos_file_sweep(dir);
}

int qos_supervisor_new(const struct qos_options *options, struct qos_diag *diag,
		       struct qos_supervisor **ret)
{
	_cleanup_supervisor_ struct qos_supervisor *supervisor = calloc(1, sizeof(*supervisor));
	_cleanup_free_ struct qos_capacity *capacity = calloc(1, sizeof(*capacity));
	int r;

	if (!supervisor || !capacity)
		return -ENOMEM;
	supervisor->options = *options;
	supervisor->started_us = qos_clock_ns(CLOCK_REALTIME) / 1000;
	supervisor->started_ns = qos_clock_ns(CLOCK_BOOTTIME);
	r = qos_lookup_new(&supervisor->lookup);
	if (r < 0)
		return r;
	r = qos_supervisor_read_config(options->front, options->config_path, diag,
				       &supervisor->config);
	if (r < 0)
		return r;
	sweep(supervisor);
	measure_sample(supervisor);
	qos_supervisor_open(supervisor);
	r = open_state(supervisor);
	if (r >= 0)
		r = qos_supervisor_probe(supervisor, &supervisor->host);
	if (r < 0)
		return r;
	qos_capacity_of(supervisor->host, &supervisor->config, capacity);
	r = qos_ledger_new(capacity, &supervisor->ledger);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(supervisor);
	return 0;
}

void qos_supervisor_free(struct qos_supervisor *supervisor)
{
	if (!supervisor)
		return;
	if (supervisor->options.run_dir)
		qos_measured_forget(supervisor->options.run_dir);
	qos_metrics_close(supervisor);
	qos_extend_close(supervisor);
	qos_network_close(supervisor);
	qos_threads_release_all(supervisor);
	qos_module_close(supervisor);
	if (supervisor->originals) {
		qos_originals_restore_all(supervisor->originals);
		qos_originals_unpin(supervisor->originals);
	}
	if (supervisor->service)
		supervisor->service->ops->free(supervisor->service);
	qos_originals_close(supervisor->originals);
	qos_counters_close(supervisor->counters);
	qos_monitor_free(supervisor->monitor);
	qos_taskstats_free(supervisor->taskstats);
	qos_ledger_free(supervisor->ledger);
	for (size_t i = 0; i < supervisor->n_lives; i++)
		qos_live_free(supervisor->lives[i]);
	free(supervisor->lives);
	qos_table_reset(&supervisor->streams);
	qos_table_reset(&supervisor->threads);
	qos_overrides_free(supervisor->overrides);
	qos_lookup_free(supervisor->lookup);
	qos_pending_free(supervisor->pending);
	json_decref(supervisor->generations);
	qos_host_free(supervisor->host);
	qos_diag_reset(&supervisor->diag);
	qos_diag_reset(&supervisor->reload_diag);
	qos_history_reset(&supervisor->history);
	qos_series_reset(&supervisor->series);
	free(supervisor);
}

/* A file that never held a contract has no other name than its own. */
static bool is_called(const struct qos_live *live, const char *name)
{
	size_t len = strlen(name);

	if (live->contract)
		return !strcmp(live->contract->name, name);
	return !strncmp(live->file, name, len) &&
	       (!live->file[len] || !strcmp(live->file + len, ".yaml"));
}

/* While two files claim one name, it means the contract in force. */
struct qos_live *qos_supervisor_find(const struct qos_supervisor *supervisor, const char *name)
{
	struct qos_live *found = NULL;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (is_called(live, name) && (!found || live->state == QOS_LIVE_IN_FORCE))
			found = live;
	}
	return found;
}

int qos_supervisor_in_force(const struct qos_supervisor *supervisor, const char *name,
			    struct qos_diag *diag, struct qos_live **ret)
{
	struct qos_live *live = qos_supervisor_find(supervisor, name);

	if (!live || live->state != QOS_LIVE_IN_FORCE) {
		qos_diag_error(diag, NULL, "%s: %s", name,
			       live ? "the contract is not in force" : "no such contract");
		qos_diag_hint(diag, "qosctl list shows all of them");
		return QOS_SUPERVISOR_E_NO_CONTRACT;
	}
	*ret = live;
	return 0;
}

/* --- carrying out --- */

static bool same_grant(const struct qos_stream_grant *a, const struct qos_stream_grant *b)
{
	return a->granted_ns == b->granted_ns && a->policy == b->policy &&
	       a->priority == b->priority && a->ordering == b->ordering && a->plan == b->plan &&
	       qos_cpus_equal(&a->cpus, &b->cpus);
}

static struct qos_stream_config stream_config(const struct qos_supervisor *supervisor,
					      const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	bool schedule = wish->manage == QOS_MANAGE_SCHEDULE && supervisor->service;
	bool cut = schedule && qos_is_cut(wish, &stream->applied);

	return (struct qos_stream_config){
		.period_ns = wish->period.ns,
		.period_mhz = wish->period.mhz,
		.flags = (wish->silence == QOS_SILENCE_LOST ? QOS_STREAM_SILENCE_LOST : 0) |
			 (cut ? QOS_STREAM_WATCH_BUDGET : 0),
		.deadline_ns = wish->deadline_ns,
		.runtime_ns = stream->applied.granted_ns,
		.budget_ns = qos_supervisor_budget_ns(supervisor, stream),
		.latency_ns = wish->latency_ns,
		.window_x = wish->window.x,
		.window_y = wish->window.y,
		.job = wish->job,
	};
}

static void attach_probes(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	if (wish->job != QOS_JOB_PROBES || stream->probes_attached)
		return;
	stream->probes_attached = true;
	if (qos_monitor_stream_probes(supervisor->monitor, stream->id, wish->job_begin,
				      wish->job_end, &stream->live->diag) < 0)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, stream->live->contract->name, wish->name,
			"its probes could not be set: jobs are not measured");
}

static void apply(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		  const struct qos_stream_grant *grant)
{
	struct qos_stream_config config;
	int r;

	stream->applied = *grant;
	stream->applied_period_ns = qos_live_wish(stream)->period.ns;
	stream->is_applied = true;
	qos_claims_due(supervisor, stream);
	config = stream_config(supervisor, stream);
	if (supervisor->monitor) {
		r = qos_monitor_stream_set(supervisor->monitor, stream->id, &config);
		if (r < 0)
			qos_log(LOG_ERR, QOS_MSG_KERNEL, stream->live->contract->name,
				qos_live_wish(stream)->name, "cannot be measured: %s",
				strerror(-r));
		else
			attach_probes(supervisor, stream);
	}
	qos_threads_apply_stream(supervisor, stream);
}

/* A change that nobody asked for this stream comes from what is left to it. */
static void carry_out(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		      const struct qos_stream_grant *want, bool by_rule)
{
	const struct qos_adapt_request *request = supervisor->request;
	const struct qos_adapt_request by_supply = {.stream = stream,
						    .by = QOS_BY_SUPPLY,
						    .reason = "what others leave has changed",
						    .signal_ns = want->granted_ns};
	const struct qos_adapt_request by_rules = {.stream = stream,
						   .by = QOS_BY_RULES,
						   .reason = "a rule",
						   .signal_ns = want->granted_ns};
	uint64_t old_ns = stream->applied.granted_ns;
	bool is_news = stream->is_applied;

	apply(supervisor, stream, want);
	if (!request || request->stream != stream)
		request = by_rule ? &by_rules : &by_supply;
	if (is_news && stream->applied.granted_ns != old_ns)
		qos_supervisor_journal(supervisor, request, old_ns, stream->applied.granted_ns);
}

/* Does it take less of a CPU than its threads have now, be it from an older version? */
static bool shrinks(const struct qos_live_stream *stream, const struct qos_stream_grant *want)
{
	unsigned __int128 period_ns = qos_live_wish(stream)->period.ns;

	return (unsigned __int128)want->granted_ns * stream->applied_period_ns <
	       stream->applied.granted_ns * period_ns;
}

/* Those that shrink go first: the kernel counts SCHED_DEADLINE bandwidth too. */
static void reconcile_pass(struct qos_supervisor *supervisor, bool shrinking)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		const struct qos_grant *grant = NULL;

		if (live->state == QOS_LIVE_IN_FORCE && live->n_streams)
			grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
		for (size_t k = 0; grant && k < live->n_streams; k++) {
			struct qos_live_stream *stream = &live->streams[k];
			struct qos_stream_grant want = grant->streams[stream->index];
			bool by_rule = qos_extend_in_force(supervisor, stream, &want);

			if (shrinks(stream, &want) != shrinking)
				continue;
			if (!stream->is_applied || !same_grant(&want, &stream->applied))
				carry_out(supervisor, stream, &want, by_rule);
		}
	}
}

/* All streams of a contract that the ledger has, before their threads. */
static void set_contract(struct qos_supervisor *supervisor, const struct qos_live *live,
			 const struct qos_grant *grant)
{
	_cleanup_free_ struct qos_service_stream *streams = NULL;
	struct qos_service_contract contract = {.contract = live->contract};
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	streams = calloc(live->n_streams, sizeof(*streams));
	if (!streams)
		return;
	contract.streams = streams;
	for (size_t k = 0; k < live->n_streams; k++)
		streams[contract.n_streams++] = qos_thread_service(
			supervisor, &live->streams[k], &grant->streams[live->streams[k].index]);
	r = supervisor->service->ops->set(supervisor->service, &contract, &diag);
	if (r < 0)
		qos_tell(supervisor, QOS_HISTORY_KERNEL, live->contract->name, NULL, NULL,
			 "it cannot be set: %s",
			 diag.n_entries ? diag.entries[0].text : strerror(-r));
	qos_diag_reset(&diag);
}

/* What is in force of the rules of one in the module stands there already. */
static bool differs(const struct qos_supervisor *supervisor, const struct qos_live *live,
		    const struct qos_grant *grant)
{
	for (size_t k = 0; k < live->n_streams; k++) {
		const struct qos_live_stream *stream = &live->streams[k];
		struct qos_stream_grant want = grant->streams[stream->index];

		qos_extend_in_force(supervisor, stream, &want);
		if (qos_extend_rules_it(stream))
			want.granted_ns = stream->applied.granted_ns;
		if (!stream->is_applied || !same_grant(&want, &stream->applied))
			return true;
	}
	return false;
}

static void set_contracts(struct qos_supervisor *supervisor)
{
	if (!supervisor->service || !supervisor->service->ops->set)
		return;
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		const struct qos_grant *grant = NULL;

		if (live->state == QOS_LIVE_IN_FORCE && live->n_streams)
			grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
		if (grant && differs(supervisor, live, grant))
			set_contract(supervisor, live, grant);
	}
}

static void reconcile(struct qos_supervisor *supervisor)
{
	qos_extend_limits(supervisor);
	set_contracts(supervisor);
	reconcile_pass(supervisor, true);
	reconcile_pass(supervisor, false);
	qos_claims_make(supervisor);
}

void qos_supervisor_reconcile(struct qos_supervisor *supervisor)
{
	reconcile(supervisor);
	if (qos_extend_load(supervisor))
		reconcile(supervisor);
}

/* --- events --- */

static void on_event(void *data, const struct qos_event *event)
{
	qos_threads_event(data, event);
}

void qos_supervisor_events(struct qos_supervisor *supervisor)
{
	uint64_t lost = 0;
	int r;

	r = qos_monitor_dispatch(supervisor->monitor, on_event, supervisor, &lost);
	if (r < 0)
		qos_log(LOG_ERR, QOS_MSG_KERNEL, NULL, NULL, "events cannot be read: %s",
			strerror(-r));
	qos_threads_lost(supervisor, lost);
	qos_claims_make(supervisor);
}

/* A daemon before us was killed: threads that no contract claims any more become what they were. */
static int restore_orphan(void *data, pid_t tid, const struct qos_original *original)
{
	struct qos_supervisor *supervisor = data;
	struct qos_thread *thread = qos_table_get(&supervisor->threads, tid);

	if (!thread || !thread->managed)
		qos_originals_restore(supervisor->originals, tid, NULL);
	return 0;
}

static bool is_number(const void *data, uint32_t number)
{
	const struct qos_supervisor *supervisor = data;

	return qos_table_get(&supervisor->streams, number);
}

int qos_supervisor_start(struct qos_supervisor *supervisor, struct qos_reload_summary *ret)
{
	int r;

	r = qos_confirm_start(supervisor);
	if (r == 0)
		r = qos_supervisor_reload(supervisor, ret);
	if (r < 0)
		return r;
	qos_counters_keep(supervisor->counters, is_number, supervisor);
	qos_supervisor_scan(supervisor);
	qos_module_prune(supervisor);
	if (supervisor->originals)
		qos_originals_each(supervisor->originals, restore_orphan, supervisor);
	return 0;
}
