/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maps and globals. Programs never create or delete an element: allocation in scheduler context is
 * forbidden on PREEMPT_RT. Not preallocated: a stream's statistics are 3.5 KiB, and most machines
 * have few streams. A freed element may be reused at once (bpf_mem_alloc), so a program that holds
 * one on another CPU while the daemon removes it may write a few counts into its successor.
 */
#pragma once

#define QOS_TASKS_MAX	 65536
#define QOS_RING_BYTES	 (256 * 1024)
#define QOS_URGENT_BYTES (64 * 1024)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QOS_STREAMS_MAX);
	__type(key, __u32);
	__type(value, struct qos_stream_config);
} streams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QOS_STREAMS_MAX);
	__type(key, __u32);
	__type(value, struct qos_stream_stats);
} stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QOS_TASKS_MAX);
	__type(key, __u32);
	__type(value, struct qos_task_state);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QOS_TASKS_MAX);
	__type(key, __u32);
	__type(value, __u8);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, QOS_RING_BYTES);
} events SEC(".maps");

/* OVERRUN and IDLE: caused by contracted threads only, so nobody else can fill it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, QOS_URGENT_BYTES);
} urgent SEC(".maps");

__u64 prefilter[QOS_PREFILTER_BITS / 64];
__u32 watch_flags;
__u32 own_tgid; /* the daemon's */
struct qos_monitor_counters counters;

/* May the thread be contracted? Two loads, no call: all that most threads of a machine ever cost. */
static __always_inline bool may_be_ours(__u32 tid)
{
	return prefilter[tid % QOS_PREFILTER_BITS / 64] >> (tid % 64) & 1;
}

/* A contracted thread with all that belongs to it. */
struct ours {
	struct qos_task_state *task;
	struct qos_stream_config *config;
	struct qos_stream_stats *stats;
};

static __always_inline struct qos_task_state *find_task(__u32 tid)
{
	struct qos_task_state *task = bpf_map_lookup_elem(&tasks, &tid);

	if (!task)
		count(&counters.no_task, 1);
	return task;
}

static __always_inline bool find_ours(__u32 tid, struct ours *ours)
{
	ours->task = find_task(tid);
	if (!ours->task || ours->task->doing == QOS_DOES_END)
		return false;
	ours->config = bpf_map_lookup_elem(&streams, &ours->task->stream);
	ours->stats = bpf_map_lookup_elem(&stats, &ours->task->stream);
	if (ours->config && ours->stats)
		return true;
	count(&counters.no_stream, 1);
	return false;
}
