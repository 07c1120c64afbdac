/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the counters of thousands of streams takes a while, in which nothing else is done. So a text is
 * kept for a second, whoever asks, and has at most QOS_METRICS_MAX rows of a kind: the first by file name,
 * so that those which are shown stay the same.
 */
#include "metrics_collect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "extend.h"
#include "network.h"
#include "report_stream.h"
#include "stats.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"

static const char *const overall_names[] = {"ok", "degraded", "bad", "panic", NULL};

/* A file of one line in /proc; 0 if it cannot be read. */
static uint64_t resident_bytes(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long size, resident;
	size_t len;

	if (qos_file_read(AT_FDCWD, "/proc/self/statm", 256, &text, &len) < 0 ||
	    sscanf(text, "%llu %llu", &size, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void collect_own(struct qos_supervisor *supervisor, struct qos_metrics *metrics)
{
	const char *overall = qos_report_overall(supervisor);
	struct qos_monitor_counters counters = {};
	struct qos_ledger_sums sums;

	qos_ledger_sums(supervisor->ledger, &sums);
	metrics->started_ns = supervisor->started_us * 1000;
	metrics->cpu_ns = qos_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	metrics->turns = supervisor->turns;
	metrics->turn_ns = supervisor->turn_ns;
	metrics->turn_longest_ns = supervisor->turn_longest_ns;
	metrics->resident_bytes = resident_bytes();
	metrics->reserved_ppb = sums.used_ppb;
	metrics->reservable_ppb = sums.cap_ppb;
	metrics->overall_names = overall_names;
	while (overall && overall_names[metrics->overall] &&
	       strcmp(overall_names[metrics->overall], overall) != 0)
		metrics->overall++;
	metrics->state_names = qos_live_state_names;
	if (!supervisor->monitor)
		return;
	qos_monitor_counters(supervisor->monitor, &counters);
	metrics->events_lost = counters.ring_full + counters.urgent_full;
	metrics->bpf_bytes = qos_monitor_memory(supervisor->monitor);
}

static void collect_contract(const struct qos_live *live, struct qos_metrics *metrics)
{
	if (metrics->n_contracts == QOS_METRICS_MAX) {
		metrics->left_out++;
		return;
	}
	metrics->contracts[metrics->n_contracts++] = (struct qos_metrics_contract){
		.contract = live->contract ? live->contract->name : live->file,
		.state = live->state,
	};
}

static void collect_stream(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
			   struct qos_metrics *metrics)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	struct qos_metrics_stream *row = &metrics->streams[metrics->n_streams];
	struct qos_stream_stats stats;

	if (metrics->n_streams == QOS_METRICS_MAX) {
		metrics->left_out++;
		return;
	}
	metrics->n_streams++;
	*row = (struct qos_metrics_stream){
		.contract = stream->live->contract->name,
		.stream = wish->name,
		.granted_ns = stream->applied.granted_ns,
		.guaranteed_ns = stream->applied.guaranteed_ns,
		.wanted_ns = stream->applied.wanted_ns,
		.period_ns = wish->period.ns,
		.threads = stream->n_managed,
		.unmanaged = stream->n_unmanaged,
	};
	if (qos_stats_read(supervisor, stream, &stats))
		qos_metrics_count(row, &stats);
}

static void collect_link(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 size_t i, const struct qos_net_grant *grant, struct qos_metrics *metrics)
{
	struct qos_metrics_link *row = &metrics->links[metrics->n_links];
	uint64_t granted_bps = grant->granted_bps;
	struct qos_net_counts counts;

	if (metrics->n_links == QOS_METRICS_MAX) {
		metrics->left_out++;
		return;
	}
	metrics->n_links++;
	qos_extend_net_rate(supervisor, live, i, &granted_bps);
	*row = (struct qos_metrics_link){
		.contract = live->contract->name,
		.stream = live->contract->net[i].name,
		.granted_bytes = granted_bps / 8,
		.guaranteed_bytes = grant->guaranteed_bps / 8,
	};
	if (!qos_network_counts(supervisor, row->contract, row->stream, &counts))
		return;
	row->counted = true;
	row->sent_bytes = counts.sent_bytes;
	row->sent_packets = counts.sent_packets;
	row->dropped = counts.dropped;
	row->backlog_bytes = counts.backlog_bytes;
	row->windows = counts.windows;
	row->violations = counts.violations;
	row->late = counts.late;
	row->delay_max_ns = counts.delay_max_ns;
}

static void collect_live(struct qos_supervisor *supervisor, const struct qos_live *live,
			 struct qos_metrics *metrics)
{
	const struct qos_grant *grant = NULL;

	collect_contract(live, metrics);
	for (size_t i = 0; i < live->n_streams; i++)
		collect_stream(supervisor, &live->streams[i], metrics);
	if (live->state == QOS_LIVE_IN_FORCE)
		grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
	for (size_t i = 0; grant && i < grant->n_net; i++)
		collect_link(supervisor, live, i, &grant->net[i], metrics);
}

static int print(struct qos_supervisor *supervisor, enum qos_metrics_form form, struct qos_buf *out)
{
	_cleanup_free_ struct qos_metrics_contract *contracts =
		calloc(QOS_METRICS_MAX, sizeof(*contracts));
	_cleanup_free_ struct qos_metrics_stream *streams =
		calloc(QOS_METRICS_MAX, sizeof(*streams));
	_cleanup_free_ struct qos_metrics_link *links = calloc(QOS_METRICS_MAX, sizeof(*links));
	struct qos_metrics metrics = {.contracts = contracts, .streams = streams, .links = links};

	if (!contracts || !streams || !links)
		return -ENOMEM;
	collect_own(supervisor, &metrics);
	for (size_t i = 0; i < supervisor->n_lives; i++)
		collect_live(supervisor, supervisor->lives[i], &metrics);
	qos_metrics_print(&metrics, form, out);
	return out->error;
}

int qos_metrics_text(struct qos_supervisor *supervisor, enum qos_metrics_form form,
		     const struct qos_buf **ret)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);
	struct qos_buf *text = &supervisor->metrics[form];
	int r;

	if (!text->text || now_ns - supervisor->metrics_ns[form] >= QOS_METRICS_FRESH_NS) {
		qos_buf_reset(text);
		r = print(supervisor, form, text);
		if (r < 0) {
			qos_buf_reset(text);
			return r;
		}
		supervisor->metrics_ns[form] = now_ns;
	}
	*ret = text;
	return 0;
}

void qos_metrics_file(struct qos_supervisor *supervisor)
{
	const char *path = supervisor->config.textfile;
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);
	const struct qos_buf *text;
	int r;

	if (!*path || (supervisor->metrics_file_ns &&
		       now_ns - supervisor->metrics_file_ns < QOS_METRICS_FILE_NS))
		return;
	supervisor->metrics_file_ns = now_ns;
	r = qos_metrics_text(supervisor, QOS_METRICS_TEXT, &text);
	if (r == 0)
		r = qos_file_replace(path, text->text, text->len, 0644);
	if (r < 0 && !supervisor->metrics_file_failed)
		qos_log(LOG_WARNING, QOS_MSG_KERNEL, NULL, NULL,
			"metrics cannot be written to %s: %s; the service may write only where its "
			"unit says (ReadWritePaths=)",
			path, strerror(-r));
	supervisor->metrics_file_failed = r < 0;
}

void qos_metrics_close(struct qos_supervisor *supervisor)
{
	if (*supervisor->config.textfile)
		unlink(supervisor->config.textfile);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(supervisor->metrics); i++)
		qos_buf_reset(&supervisor->metrics[i]);
}
