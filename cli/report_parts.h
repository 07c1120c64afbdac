/* SPDX-License-Identifier: GPL-2.0-only */
/* What the printers of `report` share; nobody else includes it. Missing keys are 0, quantiles of nothing -1. */
#pragma once

#include "out.h"

/* One point of a series, or several. from, to: seconds since 1970; to is 0 in a sum of none. */
struct qos_report_point {
	int64_t from;
	int64_t to;
	int64_t jobs;
	int64_t late;
	int64_t requests;
	int64_t lost;
	int64_t windows;
	int64_t violations;
	int64_t granted_lo; /* ns */
	int64_t granted_hi;
	int64_t used_p50_ns;
	int64_t used_p99_ns;
	int64_t latency_p99_ns;
	int64_t sent_bytes; /* these of packets alone, which are requests; granted: bits a second */
	int64_t backlog_bytes;
};

struct qos_report_point qos_report_point(const json_t *point);

/* Counts are added, of the rest the least or the largest stays. */
struct qos_report_point qos_report_sum(const json_t *points);

/* Values in a histogram. */
int64_t qos_report_count(const json_t *buckets);

/* "14:44:22" of what qos_out_moment() says. Borrowed. */
const char *qos_report_hour(const char *moment);

/* What was sent meanwhile, as a rate. */
int64_t qos_report_sent_bps(const struct qos_report_point *point);

bool qos_report_is_adaptation(const json_t *event);
