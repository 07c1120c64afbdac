/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of the two ring buffers: the schedule's (`urgent`) never wait behind those that any user
 * can cause by the thousand (`events`). The kernel wakes the reader only if it had read everything, so a burst
 * costs one wakeup. A record that finds no room is counted; the daemon then looks at /proc again.
 * Weakness: kernels before 6.12 that lack the backport of "bpf: Use raw_spinlock_t in ringbuf" take
 * a sleeping lock here under PREEMPT_RT (stable 6.1 and 6.6 have it).
 */
#pragma once

#include "maps.bpf.h"

#define QOS_VIOLATION_GAP_NS 100000000ULL /* ten reports a second */

static __always_inline void event_fill(struct qos_event *event, __u32 type, __u32 tid, __u32 tgid)
{
	__builtin_memset(event, 0, sizeof(*event));
	event->type = type;
	event->tid = tid;
	event->tgid = tgid;
	event->now_ns = bpf_ktime_get_ns();
}

static __always_inline struct qos_event *event_begin(__u32 type, __u32 tid, __u32 tgid)
{
	struct qos_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (event)
		event_fill(event, type, tid, tgid);
	else
		count(&counters.ring_full, 1);
	return event;
}

static __always_inline void event_of_task(__u32 type, const struct qos_task_state *task,
					  __u64 until_ns, __u32 lost)
{
	struct qos_event *event = event_begin(type, task->tid, task->tgid);

	if (!event)
		return;
	event->stream = task->stream;
	event->until_ns = until_ns;
	event->lost = lost;
	bpf_ringbuf_submit(event, 0);
}

/* Of the thread's schedule. false: no room. */
static __always_inline bool urgent_of_task(__u32 type, const struct qos_task_state *task,
					   __u64 until_ns)
{
	struct qos_event *event = bpf_ringbuf_reserve(&urgent, sizeof(*event), 0);

	if (!event) {
		count(&counters.urgent_full, 1);
		return false;
	}
	event_fill(event, type, task->tid, task->tgid);
	event->stream = task->stream;
	event->until_ns = until_ns;
	bpf_ringbuf_submit(event, 0);
	return true;
}

/* All threads of a stream share the rate: who moves event_ns on may report. */
static __always_inline void report_violation(struct ours *ours, __u64 now)
{
	__u64 from = ours->stats->event_ns;
	__u32 lost = ours->task->window_broke;

	if (!lost)
		return;
	ours->task->window_broke = 0;
	if (now < from || __sync_val_compare_and_swap(&ours->stats->event_ns, from,
						      now + QOS_VIOLATION_GAP_NS) != from)
		count(&counters.event_muted, 1);
	else
		event_of_task(QOS_EVENT_VIOLATION, ours->task, 0, lost);
}

/* Only while the thread runs on: one that sleeps needs no budget any more. A report that finds no
 * room is made again at the next sample. */
static __always_inline void report_overrun(struct ours *ours)
{
	if (!request_over_budget(ours->task, ours->config))
		return;
	if (!urgent_of_task(QOS_EVENT_OVERRUN, ours->task, grid_next(ours->task, ours->config)))
		return;
	ours->task->request |= QOS_REQUEST_REPORTED;
	count(&ours->stats->overruns, 1);
	if (ours->config->hooks.contract)
		__sync_fetch_and_or(&ours->task->marks, 1 << QOS_HOOK_OVERRUN);
}

static __always_inline void report_idle(struct ours *ours)
{
	const __u32 reported = QOS_REQUEST_CURRENT | QOS_REQUEST_REPORTED;

	if ((ours->task->request & reported) == reported)
		urgent_of_task(QOS_EVENT_IDLE, ours->task, grid_next(ours->task, ours->config));
}
