/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters as text for Prometheus: its own text format 0.0.4, which node_exporter and promtool read, or
 * OpenMetrics 1.0. Both come from one table of families. Pure: metrics_collect.c fills what is printed
 * here. qosd.8 lists the names.
 *
 * Labels are contract, stream and state, whose values stand in contract files, so nothing that a program
 * does makes a new series; and of each kind of rows at most QOS_METRICS_MAX are shown.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qos_abi.h"
#include "util/text.h"

#define QOS_METRICS_MAX 256

/* Of the histograms: upper edges 2^11 ns (2 us) to 2^24 ns (17 ms), and one without. */
#define QOS_METRICS_SHIFT_MIN 11
#define QOS_METRICS_SHIFT_MAX 24
#define QOS_METRICS_BUCKETS   (QOS_METRICS_SHIFT_MAX - QOS_METRICS_SHIFT_MIN + 2)

enum qos_metrics_form { QOS_METRICS_TEXT, QOS_METRICS_OPEN };

/* All names are borrowed; all figures are uint64_t, since the table finds them by their offset. */
struct qos_metrics_stream {
	const char *contract;
	const char *stream;
	bool counted; /* else only what is reserved, and the threads, are known */
	uint64_t granted_ns, guaranteed_ns, wanted_ns, period_ns;
	uint64_t threads, unmanaged;
	uint64_t requests, served, lost, windows, violations;
	uint64_t jobs, late, overruns, latency_passed, used_ns;
	uint64_t latency[QOS_METRICS_BUCKETS]; /* wake-ups below each edge; the last: all */
};

struct qos_metrics_link {
	const char *contract;
	const char *stream;
	bool counted;
	uint64_t granted_bytes, guaranteed_bytes; /* a second */
	uint64_t sent_bytes, sent_packets, dropped, backlog_bytes;
	uint64_t windows, violations, late, delay_max_ns;
};

struct qos_metrics_contract {
	const char *contract;
	size_t state; /* into state_names */
};

struct qos_metrics {
	/* the daemon itself */
	uint64_t started_ns; /* since 1970 */
	uint64_t cpu_ns, turns, turn_ns, turn_longest_ns;
	uint64_t resident_bytes, bpf_bytes;
	uint64_t events_lost;
	uint64_t reserved_ppb, reservable_ppb; /* of a CPU, over all */
	uint64_t left_out;		       /* rows beyond QOS_METRICS_MAX */
	/* names that end with NULL */
	const char *const *overall_names;
	size_t overall;
	const char *const *state_names;
	/* rows; arrays of QOS_METRICS_MAX */
	struct qos_metrics_contract *contracts;
	size_t n_contracts;
	struct qos_metrics_stream *streams;
	size_t n_streams;
	struct qos_metrics_link *links;
	size_t n_links;
};

/* Takes a stream's counters into its row. */
void qos_metrics_count(struct qos_metrics_stream *row, const struct qos_stream_stats *stats);

/* Appends all of it to `out`; without memory out->error says so. */
void qos_metrics_print(const struct qos_metrics *metrics, enum qos_metrics_form form,
		       struct qos_buf *out);
