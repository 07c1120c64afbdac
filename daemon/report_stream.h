/* SPDX-License-Identifier: GPL-2.0-only */
/* What others than the documents themselves take of report*.c. */
#pragma once

#include "supervisor.h"

/* The state that `status` shows: a static word. */
const char *qos_report_overall(struct qos_supervisor *supervisor);

/* One stream of `show`. A new reference, or NULL without memory. */
json_t *qos_report_stream(struct qos_supervisor *supervisor, const struct qos_live_stream *stream);
/* One of `top`: without what costs more than reading counters. */
json_t *qos_report_stream_brief(struct qos_supervisor *supervisor,
				const struct qos_live_stream *stream);

/* A program may give its threads any bytes for a name; JSON takes only text. In place. */
void qos_report_comm(char *comm);
