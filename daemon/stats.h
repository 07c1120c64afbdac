/* SPDX-License-Identifier: GPL-2.0-only */
/* What a stream did, whoever counted it: the monitor, the module, and modules that are gone. */
#pragma once

#include "supervisor.h"

/* Sums over all of them, since the contract came into force. False: nobody counts. */
bool qos_stats_read(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		    struct qos_stream_stats *ret);

/* Before the module goes: what it counted stays. */
void qos_stats_keep(struct qos_supervisor *supervisor, struct qos_live_stream *stream);
