/* SPDX-License-Identifier: GPL-2.0-only */
/* One stream of `show`. */
#pragma once

#include "supervisor.h"

/* A new reference, or NULL without memory. */
json_t *qos_report_stream(struct qos_supervisor *supervisor, const struct qos_live_stream *stream);
