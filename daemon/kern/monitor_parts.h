/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the monitor, and chain.c, share; nobody else includes it. */
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
	enum qos_feature_state drift; /* QOS_PRESENT: its programs are attached */
	struct ring_buffer *ring;     /* what any user can cause */
	struct ring_buffer *urgent;   /* OVERRUN and IDLE */
	int epoll_fd;		      /* of the first ring and the pause */
	int pause_fd;		      /* timer: the end of the pause */
	bool paused;
	/* while qos_monitor_dispatch runs */
	int left; /* records that may still be handed on */
	int handed;
	uint64_t until_ns;
	void (*handle)(void *data, const struct qos_event *event);
	void *data;
	uint64_t ring_full_seen;
	/* while qos_monitor_urgent_dispatch runs, perhaps beside the other in another thread */
	int urgent_left;
	void (*urgent_handle)(void *data, const struct qos_event *event);
	void *urgent_data;
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

/* 0 or -errno; then free is to be called all the same. */
int qos_monitor_rings_new(struct qos_monitor *monitor, int events_fd, int urgent_fd);
void qos_monitor_rings_free(struct qos_monitor *monitor);
uint64_t qos_monitor_ring_full(const struct qos_monitor *monitor);

/* The hooks that every context switch pays for; called before a thread is attached. 0 or -errno. */
int qos_monitor_hook(struct qos_monitor *monitor);

/* The guard's tables can be touched from then on. May be called again. 0 or -errno. */
int qos_monitor_map_tables(const struct qos_monitor *monitor);

/* What chain.c works with; borrowed. */
struct qos_chain_parts {
	struct qos_guard_tables *tables; /* the programs' own; see qos_monitor_map_tables */
	int extensions_fd, extensions_raw_fd;
	int frame_fd, frame_raw_fd;
	int guard_fd, guard_raw_fd;
	int keys_fd, changes_fd;
	int switch_program_fd, raise_program_fd;
};

void qos_monitor_chain_parts(const struct qos_monitor *monitor, struct qos_chain_parts *ret);

void qos_monitor_threads_free(struct qos_monitor *monitor);
void qos_monitor_probes_remove(struct qos_monitor *monitor, uint32_t stream);
void qos_monitor_probes_free(struct qos_monitor *monitor);
