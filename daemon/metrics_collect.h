/* SPDX-License-Identifier: GPL-2.0-only */
/* The supervisor's counters as text: for the socket, for qosctl, and as a file for node_exporter. */
#pragma once

#include "metrics.h"
#include "supervisor.h"

/* Whoever asks, counters are read at most once in this time. */
#define QOS_METRICS_FRESH_NS 1000000000ULL
#define QOS_METRICS_FILE_NS  15000000000ULL

/* *ret is the supervisor's, and stays as it is until the next call. 0 or -ENOMEM. */
int qos_metrics_text(struct qos_supervisor *supervisor, enum qos_metrics_form form,
		     const struct qos_buf **ret);

/* At a turn of the slow loop: writes the file, if there is to be one and the last is old enough. That it
 * cannot be written is told once. */
void qos_metrics_file(struct qos_supervisor *supervisor);

/* Nobody shall read figures of a daemon that was stopped. */
void qos_metrics_close(struct qos_supervisor *supervisor);
