/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One row of the table is one family: its name, type, what it says, whose rows have it, and where the
 * figure stands. The two forms differ in three places: a counter's family is named without _total in
 * OpenMetrics, which also has lines for units and ends with # EOF; and there a histogram that knows no
 * sum has no count either.
 * Weakness: no sum of latencies is measured, so a mean cannot be had from the histogram.
 */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapt/hist.h"
#include "util/cleanup.h"

enum type { COUNTER, GAUGE, HISTOGRAM, STATES };
static const char *const type_names[] = {"counter", "gauge", "histogram", "gauge"};

enum scope { OWN, CONTRACTS, STREAMS, LINKS };

struct family {
	const char *name; /* without _total */
	const char *unit; /* what the name ends with, or NULL */
	const char *help; /* no backslash, no newline */
	enum type type;
	bool nano;    /* the figure is in 10^-9 of the unit */
	bool counted; /* only where somebody counts */
	enum scope scope;
	size_t offset;
};

#define OWN_(member)	false, OWN, offsetof(struct qos_metrics, member)
#define STREAM_(member) false, STREAMS, offsetof(struct qos_metrics_stream, member)
#define COUNTS_(member) true, STREAMS, offsetof(struct qos_metrics_stream, member)
#define LINK_(member)	false, LINKS, offsetof(struct qos_metrics_link, member)
#define PACKET_(member) true, LINKS, offsetof(struct qos_metrics_link, member)

/* clang-format off */
static const struct family families[] = {
	{"qosd_state", NULL, "1 for the state that the daemon is in, as qosctl status has it.",
	 STATES, false, false, OWN, 0},
	{"qosd_contract_state", NULL, "1 for the state that the contract is in.",
	 STATES, false, false, CONTRACTS, 0},
	{"qosd_start_time_seconds", "seconds", "When the daemon started, since 1970.",
	 GAUGE, true, OWN_(started_ns)},
	{"qosd_cpu_seconds", "seconds", "CPU time of the daemon, all its threads.",
	 COUNTER, true, OWN_(cpu_ns)},
	{"qosd_resident_memory_bytes", "bytes", "Memory of the daemon.",
	 GAUGE, false, OWN_(resident_bytes)},
	{"qosd_bpf_memory_bytes", "bytes", "Memory of the monitor's BPF maps; 0: there are none.",
	 GAUGE, false, OWN_(bpf_bytes)},
	{"qosd_turns", NULL, "Turns of the slow loop.",
	 COUNTER, false, OWN_(turns)},
	{"qosd_turn_seconds", "seconds", "Time that turns of the slow loop took, waiting included.",
	 COUNTER, true, OWN_(turn_ns)},
	{"qosd_turn_longest_seconds", "seconds", "The longest turn of the slow loop since the start.",
	 GAUGE, true, OWN_(turn_longest_ns)},
	{"qosd_events_lost", NULL, "Events of the kernel that found no room.",
	 COUNTER, false, OWN_(events_lost)},
	{"qosd_reserved_cpus", "cpus", "What contracts have reserved, in CPUs.",
	 GAUGE, true, OWN_(reserved_ppb)},
	{"qosd_reservable_cpus", "cpus", "The most that contracts may reserve, in CPUs.",
	 GAUGE, true, OWN_(reservable_ppb)},
	{"qosd_left_out", NULL, "Contracts and streams that are not shown here, because there are too many.",
	 GAUGE, false, OWN_(left_out)},

	{"qosd_requests", NULL, "Requests whose deadline passed: served and lost.",
	 COUNTER, false, COUNTS_(requests)},
	{"qosd_served", NULL, "Requests that were served.",
	 COUNTER, false, COUNTS_(served)},
	{"qosd_lost", NULL, "Requests that were lost.",
	 COUNTER, false, COUNTS_(lost)},
	{"qosd_windows", NULL, "Windows that ended.",
	 COUNTER, false, COUNTS_(windows)},
	{"qosd_violations", NULL, "Windows with more lost requests than the contract allows.",
	 COUNTER, false, COUNTS_(violations)},
	{"qosd_jobs", NULL, "Jobs that completed.",
	 COUNTER, false, COUNTS_(jobs)},
	{"qosd_late", NULL, "Jobs that completed after their deadline.",
	 COUNTER, false, COUNTS_(late)},
	{"qosd_overruns", NULL, "Requests that used up their budget.",
	 COUNTER, false, COUNTS_(overruns)},
	{"qosd_latency_passed", NULL, "Wake-ups later than the contract's latency.",
	 COUNTER, false, COUNTS_(latency_passed)},
	{"qosd_used_seconds", "seconds", "CPU time used.",
	 COUNTER, true, COUNTS_(used_ns)},
	{"qosd_latency_seconds", "seconds", "Time from wake-up to running.",
	 HISTOGRAM, false, COUNTS_(latency)},
	{"qosd_runtime_granted_seconds", "seconds", "Runtime a period in force.",
	 GAUGE, true, STREAM_(granted_ns)},
	{"qosd_runtime_guaranteed_seconds", "seconds", "Runtime a period reserved.",
	 GAUGE, true, STREAM_(guaranteed_ns)},
	{"qosd_runtime_wanted_seconds", "seconds", "Runtime a period asked for.",
	 GAUGE, true, STREAM_(wanted_ns)},
	{"qosd_period_seconds", "seconds", "Period of the stream.",
	 GAUGE, true, STREAM_(period_ns)},
	{"qosd_threads", NULL, "Threads under the contract.",
	 GAUGE, false, STREAM_(threads)},
	{"qosd_unmanaged_threads", NULL, "Threads that fit the stream, and are beyond max-threads or could not be set.",
	 GAUGE, false, STREAM_(unmanaged)},

	{"qosd_network_sent_bytes", "bytes", "Bytes sent.",
	 COUNTER, false, PACKET_(sent_bytes)},
	{"qosd_network_sent_packets", NULL, "Packets sent.",
	 COUNTER, false, PACKET_(sent_packets)},
	{"qosd_network_dropped", NULL, "Packets dropped.",
	 COUNTER, false, PACKET_(dropped)},
	{"qosd_network_backlog_bytes", "bytes", "Bytes that wait.",
	 GAUGE, false, PACKET_(backlog_bytes)},
	{"qosd_network_windows", NULL, "Windows of packets that ended, or turns with packets where the queue counts no windows.",
	 COUNTER, false, PACKET_(windows)},
	{"qosd_network_violations", NULL, "Of these: with more lost packets than the contract allows.",
	 COUNTER, false, PACKET_(violations)},
	{"qosd_network_late", NULL, "Packets sent after their deadline; 0 where the queue does not count them.",
	 COUNTER, false, PACKET_(late)},
	{"qosd_network_delay_max_seconds", "seconds", "The longest that a packet waited; 0 where the queue does not measure it.",
	 GAUGE, true, PACKET_(delay_max_ns)},
	{"qosd_network_granted_bytes_per_second", NULL, "Rate in force.",
	 GAUGE, false, LINK_(granted_bytes)},
	{"qosd_network_guaranteed_bytes_per_second", NULL, "Rate reserved.",
	 GAUGE, false, LINK_(guaranteed_bytes)},
};
/* clang-format on */

struct printer {
	const struct qos_metrics *metrics;
	enum qos_metrics_form form;
	struct qos_buf *out;
};

/* Whose sample it is; NULL where there is no such label. */
struct labels {
	const char *contract;
	const char *stream;
	const char *state;
};

void qos_metrics_count(struct qos_metrics_stream *row, const struct qos_stream_stats *stats)
{
	row->counted = true;
	row->requests = stats->served + stats->lost;
	row->served = stats->served;
	row->lost = stats->lost;
	row->windows = stats->windows;
	row->violations = stats->violations;
	row->jobs = stats->jobs;
	row->late = stats->late;
	row->overruns = stats->overruns;
	row->latency_passed = stats->latency_passed;
	row->used_ns = stats->used_ns;
	memset(row->latency, 0, sizeof(row->latency));
	for (uint32_t i = 0; i < QOS_HIST_BUCKETS; i++) {
		for (unsigned int k = 0; k < QOS_METRICS_BUCKETS; k++) {
			if (k == QOS_METRICS_BUCKETS - 1 ||
			    qos_hist_edge(i) <= UINT64_C(1) << (k + QOS_METRICS_SHIFT_MIN))
				row->latency[k] += stats->latency[i];
		}
	}
}

/* Contracts and streams have plain names; that of a file which never was a contract may have any. */
static void print_label(struct qos_buf *out, const char *name, const char *value,
			const char *before)
{
	if (!value)
		return;
	qos_buf_add(out, "%s%s=\"", before, name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			qos_buf_add_bytes(out, "\\", 1);
		qos_buf_add_bytes(out, *value < 0x20 || *value > 0x7e ? "?" : value, 1);
	}
	qos_buf_add_bytes(out, "\"", 1);
}

static void print_labels(struct qos_buf *out, const struct labels *labels, const char *le)
{
	const char *before = "{";

	print_label(out, "contract", labels->contract, before);
	before = labels->contract ? "," : before;
	print_label(out, "stream", labels->stream, before);
	before = labels->stream ? "," : before;
	print_label(out, "state", labels->state, before);
	print_label(out, "le", le, before);
	if (labels->contract || labels->state)
		qos_buf_add_bytes(out, "}", 1);
}

static void print_head(struct printer *printer, const struct family *family)
{
	bool open = printer->form == QOS_METRICS_OPEN;
	const char *suffix = family->type == COUNTER && !open ? "_total" : "";
	struct qos_buf *out = printer->out;

	qos_buf_add(out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	qos_buf_add(out, "# TYPE %s%s %s\n", family->name, suffix, type_names[family->type]);
	if (open && family->unit)
		qos_buf_add(out, "# UNIT %s %s\n", family->name, family->unit);
}

static void print_value(struct qos_buf *out, uint64_t value, bool nano)
{
	if (nano && value % 1000000000)
		qos_buf_add(out, " %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000,
			    value % 1000000000);
	else
		qos_buf_add(out, " %" PRIu64 "\n", nano ? value / 1000000000 : value);
}

static void print_buckets(struct printer *printer, const struct family *family,
			  const uint64_t *counts, const struct labels *labels)
{
	for (unsigned int i = 0; i < QOS_METRICS_BUCKETS; i++) {
		char le[32] = "+Inf";

		if (i < QOS_METRICS_BUCKETS - 1)
			snprintf(le, sizeof(le), "%.9g",
				 (double)(UINT64_C(1) << (i + QOS_METRICS_SHIFT_MIN)) / 1e9);
		qos_buf_add(printer->out, "%s_bucket", family->name);
		print_labels(printer->out, labels, le);
		print_value(printer->out, counts[i], false);
	}
	if (printer->form == QOS_METRICS_OPEN)
		return;
	qos_buf_add(printer->out, "%s_count", family->name);
	print_labels(printer->out, labels, NULL);
	print_value(printer->out, counts[QOS_METRICS_BUCKETS - 1], false);
}

/* `row` is what the family's offset is of. */
static void print_sample(struct printer *printer, const struct family *family, const void *row,
			 const struct labels *labels)
{
	const uint64_t *figure = (const uint64_t *)((const char *)row + family->offset);

	if (family->type == HISTOGRAM) {
		print_buckets(printer, family, figure, labels);
		return;
	}
	qos_buf_add(printer->out, "%s%s", family->name, family->type == COUNTER ? "_total" : "");
	print_labels(printer->out, labels, NULL);
	print_value(printer->out, *figure, family->nano);
}

static void print_states(struct printer *printer, const struct family *family, const char *contract,
			 const char *const *names, size_t state)
{
	for (size_t i = 0; names[i]; i++) {
		const struct labels labels = {.contract = contract, .state = names[i]};

		qos_buf_add(printer->out, "%s", family->name);
		print_labels(printer->out, &labels, NULL);
		print_value(printer->out, i == state, false);
	}
}

static void print_own(struct printer *printer, const struct family *family)
{
	const struct qos_metrics *metrics = printer->metrics;

	if (family->type == STATES)
		print_states(printer, family, NULL, metrics->overall_names, metrics->overall);
	else
		print_sample(printer, family, metrics, &(struct labels){});
}

static void print_contracts(struct printer *printer, const struct family *family)
{
	const struct qos_metrics *metrics = printer->metrics;

	for (size_t i = 0; i < metrics->n_contracts; i++)
		print_states(printer, family, metrics->contracts[i].contract, metrics->state_names,
			     metrics->contracts[i].state);
}

static void print_streams(struct printer *printer, const struct family *family)
{
	for (size_t i = 0; i < printer->metrics->n_streams; i++) {
		const struct qos_metrics_stream *row = &printer->metrics->streams[i];
		const struct labels labels = {.contract = row->contract, .stream = row->stream};

		if (row->counted || !family->counted)
			print_sample(printer, family, row, &labels);
	}
}

static void print_links(struct printer *printer, const struct family *family)
{
	for (size_t i = 0; i < printer->metrics->n_links; i++) {
		const struct qos_metrics_link *row = &printer->metrics->links[i];
		const struct labels labels = {.contract = row->contract, .stream = row->stream};

		if (row->counted || !family->counted)
			print_sample(printer, family, row, &labels);
	}
}

void qos_metrics_print(const struct qos_metrics *metrics, enum qos_metrics_form form,
		       struct qos_buf *out)
{
	static void (*const prints[])(struct printer *, const struct family *) = {
		[OWN] = print_own,
		[CONTRACTS] = print_contracts,
		[STREAMS] = print_streams,
		[LINKS] = print_links,
	};
	struct printer printer = {.metrics = metrics, .form = form, .out = out};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(families); i++) {
		print_head(&printer, &families[i]);
		prints[families[i].scope](&printer, &families[i]);
	}
	if (form == QOS_METRICS_OPEN)
		qos_buf_add(out, "# EOF\n");
}
