/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF monitor: loads bpf/monitor_task.bpf.c, tells it which threads and streams to watch, and
 * hands its events on. One per daemon.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "qos_abi.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_monitor;

/* Loads and attaches. -errno from the kernel (the words in diag, with cause and remedy). */
int qos_monitor_new(struct qos_diag *diag, struct qos_monitor **ret);
void qos_monitor_free(struct qos_monitor *monitor);
QOS_DEFINE_CLEANUP(struct qos_monitor *, qos_monitor_free)
#define _cleanup_monitor_ QOS_CLEANUP(qos_monitor_freep)

/* Streams. set creates (with zeroed stats) or changes (stats kept). -EINVAL: not 0 < runtime <=
 * deadline <= period, a period below 1 us, or x > y. 0 or -errno. */
int qos_monitor_stream_set(struct qos_monitor *monitor, uint32_t id,
			   const struct qos_stream_config *config);
int qos_monitor_stream_remove(struct qos_monitor *monitor, uint32_t id);
int qos_monitor_stream_read(struct qos_monitor *monitor, uint32_t id, struct qos_stream_stats *ret);

/* Threads. attach gives the thread to a stream (replacing another) and, if `watch_budget`, opens
 * its task-clock event (sampled as admit/enforce.h says; one descriptor a thread,
 * so raise RLIMIT_NOFILE). What the thread did before is forgotten. Also to be detached after
 * QOS_EVENT_EXIT. detach: -ENOENT if it is not attached. 0 or -errno. */
int qos_monitor_thread_attach(struct qos_monitor *monitor, pid_t tid, uint32_t stream,
			      uint64_t budget_ns, bool watch_budget);
int qos_monitor_thread_detach(struct qos_monitor *monitor, pid_t tid);

/* Probes of `job: {begin, end}` for one stream; specs as in struct qos_cpu_stream. 0 or -errno. */
int qos_monitor_stream_probes(struct qos_monitor *monitor, uint32_t id, const char *begin,
			      const char *end, struct qos_diag *diag);

/* Processes whose forks and renames are reported. */
int qos_monitor_watch(struct qos_monitor *monitor, pid_t tgid);
int qos_monitor_unwatch(struct qos_monitor *monitor, pid_t tgid);
void qos_monitor_watch_flags(struct qos_monitor *monitor, uint32_t flags);

/* An fd that polls readable when events wait, and the call that hands them to `handle`. dispatch
 * returns the number handed on or -errno. *lost (may be NULL): events dropped since the last call
 * because the ring was full; the caller must look at /proc again. */
int qos_monitor_fd(struct qos_monitor *monitor);
int qos_monitor_dispatch(struct qos_monitor *monitor,
			 void (*handle)(void *data, const struct qos_event *event), void *data,
			 uint64_t *lost);

void qos_monitor_counters(const struct qos_monitor *monitor, struct qos_monitor_counters *ret);

/* Own cost: runs and ns of all programs since load, while kernel.bpf_stats_enabled was on. */
void qos_monitor_cost(struct qos_monitor *monitor, uint64_t *ret_runs, uint64_t *ret_ns);
