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

#include "contract/host.h"
#include "qos_abi.h"
#include "qos_guard_abi.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_monitor;

/* Loads and attaches. stats_fd: a map for its counters (state/counters.h), borrowed; -1: one of its own. -errno from the
 * kernel (the words in diag, with cause and remedy). */
int qos_monitor_new(int stats_fd, struct qos_diag *diag, struct qos_monitor **ret);
void qos_monitor_free(struct qos_monitor *monitor);
QOS_DEFINE_CLEANUP(struct qos_monitor *, qos_monitor_free)
#define _cleanup_monitor_ QOS_CLEANUP(qos_monitor_freep)

/* Does it hear, at once, of policies and affinities that others set? */
enum qos_feature_state qos_monitor_drift(const struct qos_monitor *monitor);

/* Streams. set creates (with zeroed stats) or changes (stats kept). -EINVAL: not 0 < runtime <=
 * deadline <= period, a period below 1 us, x > y, or a watched budget of 0. 0 or -errno. */
int qos_monitor_stream_set(struct qos_monitor *monitor, uint32_t id,
			   const struct qos_stream_config *config);
/* As the programs have it now: set, and what the guard made of it. 0 or -errno. */
int qos_monitor_stream_config(struct qos_monitor *monitor, uint32_t id,
			      struct qos_stream_config *ret);
/* What rules hook in the stream, which must exist; set leaves it as it is. 0 or -errno. */
int qos_monitor_stream_hooks(struct qos_monitor *monitor, uint32_t id,
			     const struct qos_stream_hooks *hooks);
int qos_monitor_stream_remove(struct qos_monitor *monitor, uint32_t id);
int qos_monitor_stream_read(struct qos_monitor *monitor, uint32_t id, struct qos_stream_stats *ret);

/* Threads. attach gives the thread to a stream, replacing another. What the thread did in another
 * stream is forgotten; in the same one its job, request and window go on. Also to be detached after
 * QOS_EVENT_EXIT, and before it is attached again after QOS_EVENT_EXEC, which may have taken its
 * clock. If attach fails, the thread is not attached. detach: -ENOENT if it is not attached. 0 or -errno. */
int qos_monitor_thread_attach(struct qos_monitor *monitor, pid_t tid, uint32_t stream);
int qos_monitor_thread_detach(struct qos_monitor *monitor, pid_t tid);

/* An attached thread's clock: a task-clock event that looks at its budget after each sample_ns of CPU
 * time (admit/enforce.h says how often; 0: none, as after attach; one descriptor a thread, so raise
 * RLIMIT_NOFILE). A thread that can have none is measured all the same: only what it does without
 * being switched is seen later. -ENOENT if it is not attached. 0 or -errno, and the thread stays attached. */
int qos_monitor_thread_clock(struct qos_monitor *monitor, pid_t tid, uint64_t sample_ns);

/* Probes of `job: {begin, end}` for one stream; specs as in struct qos_cpu_stream. 0 or -errno. */
int qos_monitor_stream_probes(struct qos_monitor *monitor, uint32_t id, const char *begin,
			      const char *end, struct qos_diag *diag);

/* What the programs know of it now. 0 or -errno. */
int qos_monitor_thread_read(struct qos_monitor *monitor, pid_t tid, struct qos_task_state *ret);

/* Processes whose forks, renames and end are reported. forget_gone unwatches those that are no more,
 * for when QOS_EVENT_END was lost. */
int qos_monitor_watch(struct qos_monitor *monitor, pid_t tgid);
int qos_monitor_unwatch(struct qos_monitor *monitor, pid_t tgid);
void qos_monitor_forget_gone(struct qos_monitor *monitor);
void qos_monitor_watch_flags(struct qos_monitor *monitor, uint32_t flags);

/* An fd that polls readable when events wait, and the call that hands them to `handle`: all of OVERRUN
 * and IDLE, which go before, and of the others as many as fit QOS_DISPATCH_MAX and QOS_DISPATCH_NS;
 * then these wait QOS_DISPATCH_PAUSE_NS, so that no user who causes them by the thousand costs more
 * than a part of one CPU. dispatch returns the number handed on or -errno. *lost (may be NULL): events dropped since the last call
 * because the ring was full; the caller must look at /proc again. */
#define QOS_DISPATCH_MAX      256
#define QOS_DISPATCH_NS	      2000000ULL
#define QOS_DISPATCH_PAUSE_NS 8000000ULL
int qos_monitor_fd(struct qos_monitor *monitor);
int qos_monitor_dispatch(struct qos_monitor *monitor,
			 void (*handle)(void *data, const struct qos_event *event), void *data,
			 uint64_t *lost);

/* Bytes that its maps take, by the kernel's word. */
uint64_t qos_monitor_memory(const struct qos_monitor *monitor);

void qos_monitor_counters(const struct qos_monitor *monitor, struct qos_monitor_counters *ret);

/* Takes the hooks out of the scheduler if no thread is attached: contracts without a thread cost the
 * machine nothing. The next attach puts them back. For the slow loop. */
void qos_monitor_rest(struct qos_monitor *monitor);

/* OVERRUN and IDLE come through a ring of their own (map `urgent`), so that they never wait behind
 * what users can cause; they do NOT come through qos_monitor_dispatch. For the enforcer's thread
 * alone (service/enforcer.c): an fd that polls readable, and the call that hands at most 64 of them
 * on. Safe beside every other call of this header in another thread. The number, or -errno. */
int qos_monitor_urgent_fd(struct qos_monitor *monitor);
int qos_monitor_urgent_dispatch(struct qos_monitor *monitor,
				void (*handle)(void *data, const struct qos_event *event),
				void *data);

/* Own cost: runs and ns of all programs since load, while kernel.bpf_stats_enabled was on. */
void qos_monitor_cost(struct qos_monitor *monitor, uint64_t *ret_runs, uint64_t *ret_ns);
