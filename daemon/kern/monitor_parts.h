/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the monitor share; nobody else includes it. */
#pragma once

#include <bpf/libbpf.h>

#include "kern/monitor.h"
#include "util/table.h"

struct monitor_task_bpf; /* the skeleton, which only monitor.c knows */

struct qos_monitor_probes {
	uint32_t stream;
	struct bpf_link *begin;
	struct bpf_link *end;
};

struct qos_monitor {
	struct monitor_task_bpf *skeleton;
	struct ring_buffer *ring;
	/* while qos_monitor_dispatch runs */
	void (*handle)(void *data, const struct qos_event *event);
	void *data;
	uint64_t ring_full_seen;
	/* monitor_threads.c */
	int tasks_fd;
	int task_clock_fd; /* the program's */
	__u64 *prefilter;  /* the programs' own, mapped */
	uint8_t *sharers;  /* threads a bit; at most pid_max / QOS_PREFILTER_BITS = 64 */
	struct qos_table threads;
	/* monitor_probes.c; usdt and uprobe, begin and end */
	struct bpf_program *probe_programs[2][2];
	struct qos_monitor_probes *probes;
	size_t n_probes;
};

void qos_monitor_threads_free(struct qos_monitor *monitor);
void qos_monitor_probes_remove(struct qos_monitor *monitor, uint32_t stream);
void qos_monitor_probes_free(struct qos_monitor *monitor);

/* bpf(MAP_UPDATE_ELEM), tried again while the kernel refills its allocator. 0 or -errno. */
int qos_monitor_map_set(int fd, uint32_t key, const void *value, uint64_t flags);
