/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module has is asked for, not assumed: at start, since an earlier daemon may have left
 * contracts there, and whenever something that it said was missed.
 */
#include "service/cpu_module_parts.h"

#include <errno.h>

/* --- what the module says --- */

void qos_cpu_module_report(struct qos_service *service, const struct qos_dwcs_report *report)
{
	struct module *module = qos_cpu_module_of(service);
	struct stream *stream = qos_table_get(&module->streams, report->id);

	if (stream)
		stream->stats = report->stats;
}

void qos_cpu_module_drift(struct qos_service *service, pid_t tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread = qos_table_get(&module->threads, (uint32_t)tid);

	if (!thread || thread->drifted)
		return;
	module->counts.drifted++;
	if (thread->on_drift == QOS_DRIFT_YIELD)
		qos_cpu_module_yield(module, thread);
	else if (thread->on_drift == QOS_DRIFT_RESTORE)
		module->counts.drift_restored++;
}

/* --- dumps --- */

static void begin_streams(void *data)
{
	struct module *module = data;
	struct stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos)))
		stream->is_seen = false;
}

static int see_stream(void *data, const struct qos_dwcs_report *report)
{
	struct module *module = data;
	struct stream *stream =
		qos_cpu_module_intern(module, report->id, report->contract, report->name);

	if (!stream)
		return -ENOMEM;
	stream->is_seen = true;
	stream->stats = report->stats;
	return 0;
}

static void begin_threads(void *data)
{
	struct module *module = data;
	struct thread *thread;
	size_t pos = 0;

	while ((thread = qos_table_next(&module->threads, &pos)))
		thread->is_seen = false;
}

static int see_thread(void *data, const struct qos_dwcs_thread *report)
{
	struct module *module = data;
	struct thread *thread = qos_table_get(&module->threads, report->tid);

	if (thread && thread->key.start_time == report->start)
		thread->is_seen = true;
	if (thread && thread->is_seen && report->flags & QOS_DWCS_THREAD_DRIFTED)
		qos_cpu_module_drift(&module->service, (pid_t)report->tid);
	return 0;
}

int qos_cpu_module_resync(struct qos_service *service, bool *ret_forgotten)
{
	struct module *module = qos_cpu_module_of(service);
	const struct qos_dwcs_visit streams = {
		.data = module, .begin = begin_streams, .report = see_stream};
	const struct qos_dwcs_visit threads = {
		.data = module, .begin = begin_threads, .thread = see_thread};
	struct stream *stream;
	struct thread *thread;
	size_t pos = 0;
	int r;

	*ret_forgotten = false;
	r = qos_dwcs_dump_streams(module->genl, &streams);
	if (r == 0)
		r = qos_dwcs_dump_threads(module->genl, &threads);
	if (r < 0)
		return r;
	while ((stream = qos_table_next(&module->streams, &pos)))
		*ret_forgotten |= stream->is_set && !stream->is_seen;
	pos = 0;
	while ((thread = qos_table_next(&module->threads, &pos)))
		thread->attached &= thread->is_seen;
	return 0;
}

uint32_t qos_cpu_module_known(struct qos_service *service, const char *contract, const char *name)
{
	const struct module *module = qos_cpu_module_of(service);
	const struct stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos))) {
		if (!stream->is_set && qos_cpu_module_is_of(stream, contract) &&
		    !strcmp(stream->name, name))
			return stream->id;
	}
	return 0;
}

uint32_t qos_cpu_module_last_id(struct qos_service *service)
{
	const struct module *module = qos_cpu_module_of(service);
	const struct stream *stream;
	uint32_t last = 0;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos))) {
		if (stream->id > last)
			last = stream->id;
	}
	return last;
}

void qos_cpu_module_prune(struct qos_service *service)
{
	struct module *module = qos_cpu_module_of(service);
	struct stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos))) {
		char contract[QOS_DWCS_NAME_SIZE];

		if (stream->is_set)
			continue;
		memcpy(contract, stream->contract, sizeof(contract));
		service->ops->unset(service, contract);
		pos = 0;
	}
}

void qos_cpu_module_abandon(struct qos_service *service)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread;
	size_t pos = 0;

	while ((thread = qos_table_next(&module->threads, &pos)))
		qos_originals_restore_key(module->originals, &thread->key, NULL);
}
