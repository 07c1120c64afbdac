/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters of streams that outlive the daemon that was killed, and whose they are. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

struct qos_counters;

/* The maps that are pinned in `dir`, or new ones where there are none, or of another version. Only behind the lock
 * of originals.h. 0 or -errno; then counting begins anew with each daemon. */
int qos_counters_open(const char *dir, struct qos_counters **ret);
/* The pins stay: qos_pins_drop_kept() takes them away. */
void qos_counters_close(struct qos_counters *counters);
QOS_DEFINE_CLEANUP(struct qos_counters *, qos_counters_close)
#define _cleanup_counters_ QOS_CLEANUP(qos_counters_closep)

/* Map number -> struct qos_stream_stats, for the monitor; borrowed. NULL: -1. */
int qos_counters_fd(const struct qos_counters *counters);

/* What the daemon before had; NULL had nothing. The largest number in use; that of a stream, or 0. */
uint32_t qos_counters_last(const struct qos_counters *counters);
uint32_t qos_counters_find(const struct qos_counters *counters, const char *contract,
			   const char *stream);

/* From now on the number is this stream's. Names of at most QOS_CONTRACT_NAME_MAX. 0 or -errno. NULL is fine. */
int qos_counters_note(struct qos_counters *counters, uint32_t number, const char *contract,
		      const char *stream);
/* The stream is gone; its counters are the monitor's to remove. */
void qos_counters_drop(struct qos_counters *counters, uint32_t number);

/* Once what is in force is known: forgets all other numbers, and what the daemon before had. */
void qos_counters_keep(struct qos_counters *counters,
		       bool (*is_known)(const void *data, uint32_t number), const void *data);
