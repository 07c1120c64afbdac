/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Start, stop, and bringing the kernel in line with the ledger. What cannot be had (no BPF, no
 * privilege, no taskstats) is written down in `diag`, which `status` shows, and the rest works on:
 * without the monitor there is no SCHED_FIFO, because nothing would cut an overrun short.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "kern/probe.h"
#include "util/file.h"
#include "util/log.h"

int qos_supervisor_read_config(const char *path, struct qos_diag *diag, struct qos_config *ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct qos_loc loc = {.file = path};
	size_t len;
	int r;

	qos_config_default(ret);
	r = qos_file_read(AT_FDCWD, path, QOS_DOC_BYTES_MAX, &text, &len);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return qos_diag_error(diag, &loc, "cannot be read: %s", strerror(-r));
	r = qos_doc_parse(path, text, len, diag, &doc);
	return r < 0 ? r : qos_config_parse(doc, diag, ret);
}

static bool is_own(void *data, pid_t tid)
{
	struct qos_supervisor *supervisor = data;
	struct qos_original original;

	if (tid == getpid() || qos_table_get(&supervisor->threads, tid))
		return true;
	return supervisor->originals &&
	       qos_originals_get(supervisor->originals, tid, &original) == 0;
}

static int read_host(struct qos_supervisor *supervisor)
{
	const struct qos_probe_own own = {.is_own = is_own, .data = supervisor};
	struct qos_host *host = NULL;
	int r;

	r = qos_probe_host(&own, &host);
	if (r < 0)
		return r;
	if (!supervisor->monitor || !supervisor->service)
		host->feature[QOS_FEATURE_RT] = QOS_OFF;
	if (!supervisor->service)
		host->feature[QOS_FEATURE_DEADLINE] = QOS_OFF;
	qos_host_free(supervisor->host);
	supervisor->host = host;
	return 0;
}

/* Opens what the kernel has. Lacks are noted, none is fatal. */
static void open_kernel(struct qos_supervisor *supervisor)
{
	struct qos_diag *diag = &supervisor->diag;
	int r;

	r = qos_monitor_new(diag, &supervisor->monitor);
	if (r < 0)
		qos_diag_add(diag, QOS_WARNING, NULL,
			     "no monitor: jobs are not measured, new threads are found only at "
			     "reload, nothing runs under SCHED_FIFO");
	r = qos_taskstats_new(&supervisor->taskstats);
	if (r < 0) {
		const struct qos_errno_advice *advice = qos_errno_advice("taskstats", -r);

		qos_diag_add(diag, QOS_WARNING, NULL, "no telemetry over netlink: %s",
			     advice->cause);
		qos_diag_hint(diag, "%s", advice->remedy);
	}
	r = qos_originals_open(supervisor->options.pin_dir, true, diag, &supervisor->originals);
	if (r == 0)
		r = qos_cpu_native_new(supervisor->originals, &supervisor->service);
	if (r < 0)
		qos_diag_add(diag, QOS_WARNING, NULL,
			     "no thread can be managed: what it was before could not be kept");
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

static uint64_t realtime_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
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
	supervisor->started_us = realtime_us();
	r = qos_supervisor_read_config(options->config_path, diag, &supervisor->config);
	if (r < 0)
		return r;
	open_kernel(supervisor);
	r = open_state(supervisor);
	if (r >= 0)
		r = read_host(supervisor);
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
	qos_threads_release_all(supervisor);
	if (supervisor->originals) {
		qos_originals_restore_all(supervisor->originals);
		qos_originals_unpin(supervisor->originals);
	}
	if (supervisor->service)
		supervisor->service->ops->free(supervisor->service);
	qos_originals_close(supervisor->originals);
	qos_monitor_free(supervisor->monitor);
	qos_taskstats_free(supervisor->taskstats);
	qos_ledger_free(supervisor->ledger);
	for (size_t i = 0; i < supervisor->n_lives; i++)
		qos_live_free(supervisor->lives[i]);
	free(supervisor->lives);
	qos_table_reset(&supervisor->streams);
	qos_table_reset(&supervisor->threads);
	qos_overrides_free(supervisor->overrides);
	qos_host_free(supervisor->host);
	qos_diag_reset(&supervisor->diag);
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

struct qos_live *qos_supervisor_find(const struct qos_supervisor *supervisor, const char *name)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (is_called(supervisor->lives[i], name))
			return supervisor->lives[i];
	}
	return NULL;
}

/* --- supply --- */

/* The contract leaves force because its CPUs or their time went away. */
static void expel(struct qos_supervisor *supervisor, const char *name)
{
	struct qos_live *live = qos_supervisor_find(supervisor, name);

	if (!live)
		return;
	for (size_t i = 0; i < live->n_streams; i++) {
		qos_threads_release_stream(supervisor, &live->streams[i]);
		qos_table_remove(&supervisor->streams, live->streams[i].id);
		if (supervisor->monitor)
			qos_monitor_stream_remove(supervisor->monitor, live->streams[i].id);
	}
	qos_live_drop_streams(live);
	qos_live_set_state(live, QOS_LIVE_WAITING, "the machine has too little to give now");
	qos_log(LOG_WARNING, QOS_MSG_REFUSED, name, NULL, "out of force: %s", live->reason);
}

int qos_supervisor_refresh_host(struct qos_supervisor *supervisor)
{
	_cleanup_free_ struct qos_capacity *capacity = calloc(1, sizeof(*capacity));
	const char **out = NULL;
	size_t n_out = 0;
	int r;

	if (!capacity)
		return -ENOMEM;
	r = read_host(supervisor);
	if (r < 0)
		return r;
	qos_capacity_of(supervisor->host, &supervisor->config, capacity);
	r = qos_ledger_resupply(supervisor->ledger, capacity, &out, &n_out);
	for (size_t i = 0; r >= 0 && i < n_out; i++)
		expel(supervisor, out[i]);
	free(out);
	return r;
}

/* --- carrying out --- */

static bool same_grant(const struct qos_stream_grant *a, const struct qos_stream_grant *b)
{
	return a->granted_ns == b->granted_ns && a->policy == b->policy &&
	       a->priority == b->priority && qos_cpus_equal(&a->cpus, &b->cpus);
}

static struct qos_stream_config stream_config(const struct qos_supervisor *supervisor,
					      const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	bool schedule = wish->manage == QOS_MANAGE_SCHEDULE && supervisor->service;
	uint64_t allowed = wish->period.ns / 1000000 * supervisor->config.cap_ppm;

	return (struct qos_stream_config){
		.period_ns = wish->period.ns,
		.period_mhz = wish->period.mhz,
		.flags = (wish->silence == QOS_SILENCE_LOST ? QOS_STREAM_SILENCE_LOST : 0) |
			 (schedule ? QOS_STREAM_WATCH_BUDGET : 0),
		.deadline_ns = wish->deadline_ns,
		.runtime_ns = stream->applied.granted_ns,
		.budget_ns =
			wish->overrun == QOS_OVERRUN_ALLOW ? allowed : stream->applied.granted_ns,
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
	stream->is_applied = true;
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
			const struct qos_stream_grant *want = &grant->streams[stream->index];
			bool shrinks =
				stream->is_applied && want->granted_ns < stream->applied.granted_ns;

			if (shrinks != shrinking)
				continue;
			if (!stream->is_applied || !same_grant(want, &stream->applied))
				apply(supervisor, stream, want);
		}
	}
}

void qos_supervisor_reconcile(struct qos_supervisor *supervisor)
{
	reconcile_pass(supervisor, true);
	reconcile_pass(supervisor, false);
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
	if (lost) {
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"%llu events were lost; every process is looked at again",
			(unsigned long long)lost);
		qos_supervisor_scan(supervisor);
	}
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

int qos_supervisor_start(struct qos_supervisor *supervisor, struct qos_reload_summary *ret)
{
	int r;

	r = qos_supervisor_reload(supervisor, ret);
	if (r < 0)
		return r;
	qos_supervisor_scan(supervisor);
	if (supervisor->originals)
		qos_originals_each(supervisor->originals, restore_orphan, supervisor);
	return 0;
}
