/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages are filled attribute by attribute; the buffer holds the largest there is (a contract of 32
 * streams, a table of 65536 bits), so an attribute that finds no room is a defect, and is answered
 * by the module, which misses it.
 */
#include "kern/genl_dwcs.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>

#include "kern/genl_put.h"

#define DUMP_TRIES 8

int qos_dwcs_connect(struct qos_genl **ret)
{
	static const char *const groups[] = {QOS_DWCS_GROUP_EVENTS, QOS_DWCS_GROUP_TELEMETRY, NULL};

	return qos_genl_new(QOS_DWCS_FAMILY, groups, ret);
}

/* --- the module as a whole --- */

static int on_info(void *data, const struct nlmsghdr *message)
{
	return qos_dwcs_read_info(message, data);
}

int qos_dwcs_info(struct qos_genl *genl, struct qos_dwcs_info *ret)
{
	struct qos_dwcs_info info = {};
	int r;

	r = qos_genl_call(genl, qos_genl_message(genl, QOS_DWCS_CMD_INFO_GET), on_info, &info,
			  NULL);
	if (r == 0)
		*ret = info;
	return r;
}

int qos_dwcs_configure(struct qos_genl *genl, const struct qos_dwcs_settings *settings,
		       const struct qos_dwcs_info *now, struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CONFIG_SET);

	if (settings->lease_ns != now->lease_ns)
		qos_genl_put_u64(message, QOS_DWCS_CONFIG_A_LEASE, settings->lease_ns);
	if (settings->telemetry_ns != now->telemetry_ns)
		qos_genl_put_u64(message, QOS_DWCS_CONFIG_A_TELEMETRY, settings->telemetry_ns);
	if (settings->cap_ppm != now->cap_ppm)
		qos_genl_put_u32(message, QOS_DWCS_CONFIG_A_CAP_PPM, settings->cap_ppm);
	if (settings->dispatch_ns != now->dispatch_ns)
		qos_genl_put_u64(message, QOS_DWCS_CONFIG_A_DISPATCH, settings->dispatch_ns);
	if (settings->blocking_ns != now->blocking_ns)
		qos_genl_put_u64(message, QOS_DWCS_CONFIG_A_BLOCKING, settings->blocking_ns);
	if (settings->band_first != now->band_first || settings->band_last != now->band_last) {
		qos_genl_put_u32(message, QOS_DWCS_CONFIG_A_BAND_FIRST, settings->band_first);
		qos_genl_put_u32(message, QOS_DWCS_CONFIG_A_BAND_LAST, settings->band_last);
	}
	return qos_genl_tell(genl, message, diag);
}

int qos_dwcs_order(struct qos_genl *genl, uint32_t cpu, uint32_t ordering, struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CPU_SET);

	qos_genl_put_u32(message, QOS_DWCS_CPU_A_ID, cpu);
	qos_genl_put_u32(message, QOS_DWCS_CPU_A_ORDERING, ordering);
	return qos_genl_tell(genl, message, diag);
}

int qos_dwcs_renew(struct qos_genl *genl)
{
	return qos_genl_tell(genl, qos_genl_message(genl, QOS_DWCS_CMD_LEASE_RENEW), NULL);
}

int qos_dwcs_flush(struct qos_genl *genl)
{
	return qos_genl_tell(genl, qos_genl_message(genl, QOS_DWCS_CMD_FLUSH), NULL);
}

/* --- contracts and streams --- */

static void put_stream(struct nl_msg *message, const struct qos_dwcs_stream *stream)
{
	struct nlattr *nest = qos_genl_nest(message, QOS_DWCS_CONTRACT_A_STREAM);

	if (!nest)
		return;
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_ID, stream->id);
	qos_genl_put_text(message, QOS_DWCS_STREAM_A_NAME, stream->name);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_PERIOD, stream->period_ns);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_RATE_MHZ, stream->rate_mhz);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_DEADLINE, stream->deadline_ns);
	if (stream->runtime_ns)
		qos_genl_put_u64(message, QOS_DWCS_STREAM_A_RUNTIME, stream->runtime_ns);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_RUNTIME_BASE, stream->runtime_base_ns);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_RUNTIME_MIN, stream->runtime_min_ns);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_RUNTIME_MAX, stream->runtime_max_ns);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_X, stream->x);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_Y, stream->y);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_OVERRUN, stream->overrun);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_JOB, stream->job);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_SILENCE, stream->silence);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_LATENCY, stream->latency_ns);
	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_MAX_THREADS, stream->max_threads);
	nla_nest_end(message, nest);
}

int qos_dwcs_set_contract(struct qos_genl *genl, const char *name, uint32_t on_expiry,
			  uint32_t on_drift, const struct qos_dwcs_stream *streams, size_t n,
			  struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CONTRACT_SET);

	qos_genl_put_text(message, QOS_DWCS_CONTRACT_A_NAME, name);
	qos_genl_put_u32(message, QOS_DWCS_CONTRACT_A_ON_EXPIRY, on_expiry);
	qos_genl_put_u32(message, QOS_DWCS_CONTRACT_A_ON_DRIFT, on_drift);
	for (size_t i = 0; i < n; i++)
		put_stream(message, &streams[i]);
	return qos_genl_tell(genl, message, diag);
}

int qos_dwcs_delete_contract(struct qos_genl *genl, const char *name)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CONTRACT_DELETE);

	qos_genl_put_text(message, QOS_DWCS_CONTRACT_A_NAME, name);
	return qos_genl_tell(genl, message, NULL);
}

int qos_dwcs_set_table(struct qos_genl *genl, uint32_t stream, const struct qos_dwcs_table *table,
		       struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_TABLE_SET);

	qos_genl_put_u32(message, QOS_DWCS_TABLE_A_STREAM, stream);
	qos_genl_put_u32(message, QOS_DWCS_TABLE_A_MODE, table->mode);
	if (table->bits) {
		qos_genl_put_u32(message, QOS_DWCS_TABLE_A_PREFIX, table->prefix);
		qos_genl_put_u32(message, QOS_DWCS_TABLE_A_CYCLE, table->cycle);
		if (message)
			nla_put(message, QOS_DWCS_TABLE_A_BITS,
				(int)(table->prefix + table->cycle + 7) / 8, table->bits);
	}
	if (table->epoch_ns)
		qos_genl_put_u64(message, QOS_DWCS_TABLE_A_EPOCH, table->epoch_ns);
	if (table->mode == QOS_DWCS_TABLE_BUNDLE) {
		qos_genl_put_u32(message, QOS_DWCS_TABLE_A_BUNDLE, table->bundle);
		qos_genl_put_u64(message, QOS_DWCS_TABLE_A_BUDGET, table->budget_ns);
	}
	return qos_genl_tell(genl, message, diag);
}

/* --- threads --- */

int qos_dwcs_attach(struct qos_genl *genl, pid_t tid, uint64_t start, uint32_t stream, uint32_t cpu,
		    struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_ATTACH);

	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_TID, (uint32_t)tid);
	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_STREAM, stream);
	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_CPU, cpu);
	qos_genl_put_u64(message, QOS_DWCS_THREAD_A_START, start);
	return qos_genl_tell(genl, message, diag);
}

int qos_dwcs_detach(struct qos_genl *genl, pid_t tid)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_DETACH);

	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_TID, (uint32_t)tid);
	return qos_genl_tell(genl, message, NULL);
}

static int on_thread(void *data, const struct nlmsghdr *message)
{
	return qos_dwcs_read_thread(message, data);
}

int qos_dwcs_thread(struct qos_genl *genl, pid_t tid, struct qos_dwcs_thread *ret)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_THREAD_GET);
	struct qos_dwcs_thread thread = {};
	int r;

	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_TID, (uint32_t)tid);
	r = qos_genl_call(genl, message, on_thread, &thread, NULL);
	if (r == 0)
		*ret = thread;
	return r;
}

/* --- dumps --- */

static int dump(struct qos_genl *genl, uint8_t cmd, qos_netlink_handle_fn handle,
		const struct qos_dwcs_visit *visit)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		if (visit->begin)
			visit->begin(visit->data);
		r = qos_genl_dump(genl, qos_genl_message(genl, cmd), handle, (void *)visit);
	}
	return r;
}

static int visit_report(void *data, const struct nlmsghdr *message)
{
	const struct qos_dwcs_visit *visit = data;
	struct qos_dwcs_report report;
	int r = qos_dwcs_read_report(message, &report);

	return r < 0 ? r : visit->report(visit->data, &report);
}

static int visit_thread(void *data, const struct nlmsghdr *message)
{
	const struct qos_dwcs_visit *visit = data;
	struct qos_dwcs_thread thread;
	int r = qos_dwcs_read_thread(message, &thread);

	return r < 0 ? r : visit->thread(visit->data, &thread);
}

int qos_dwcs_dump_streams(struct qos_genl *genl, const struct qos_dwcs_visit *visit)
{
	return dump(genl, QOS_DWCS_CMD_STREAM_GET, visit_report, visit);
}

int qos_dwcs_dump_threads(struct qos_genl *genl, const struct qos_dwcs_visit *visit)
{
	return dump(genl, QOS_DWCS_CMD_THREAD_GET, visit_thread, visit);
}
