/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands of the family qos_dwcs, one function each. kmod/uapi/qos_dwcs.h says what they mean; a
 * refusal's sentence, the module's own, is added to diag (which may be NULL) as a warning.
 * All: 0, -ENODEV (the module is not there), or the module's -errno.
 */
#pragma once

#include "kern/genl.h"
#include "kern/genl_read.h"

/* The connection to the family. */
int qos_dwcs_connect(struct qos_genl **ret);

int qos_dwcs_info(struct qos_genl *genl, struct qos_dwcs_info *ret);

/* Only what differs from `now` is set: the band cannot be while threads are attached. */
struct qos_dwcs_settings {
	uint64_t lease_ns;
	uint64_t telemetry_ns;
	uint32_t band_first;
	uint32_t band_last;
	uint32_t cap_ppm;
	uint64_t dispatch_ns; /* what claims are verified with */
	uint64_t blocking_ns;
};
int qos_dwcs_configure(struct qos_genl *genl, const struct qos_dwcs_settings *settings,
		       const struct qos_dwcs_info *now, struct qos_diag *diag);

int qos_dwcs_order(struct qos_genl *genl, uint32_t cpu, uint32_t ordering, struct qos_diag *diag);

struct qos_dwcs_stream {
	uint32_t id;
	const char *name;
	uint64_t period_ns;
	uint32_t rate_mhz; /* 0: none, period_ns is exact */
	uint64_t deadline_ns;
	uint64_t runtime_ns; /* 0: the one in force, if the stream is there */
	uint64_t runtime_base_ns;
	uint64_t runtime_min_ns;
	uint64_t runtime_max_ns;
	uint32_t x;
	uint32_t y;
	uint32_t overrun;
	uint32_t job;
	uint32_t silence;
	uint64_t latency_ns;
	uint32_t max_threads;
};
int qos_dwcs_set_contract(struct qos_genl *genl, const char *name, uint32_t on_expiry,
			  uint32_t on_drift, const struct qos_dwcs_stream *streams, size_t n,
			  struct qos_diag *diag);
int qos_dwcs_delete_contract(struct qos_genl *genl, const char *name);

/* start: field 22 of /proc/TID/stat. */
int qos_dwcs_attach(struct qos_genl *genl, pid_t tid, uint64_t start, uint32_t stream, uint32_t cpu,
		    struct qos_diag *diag);
int qos_dwcs_detach(struct qos_genl *genl, pid_t tid);
int qos_dwcs_thread(struct qos_genl *genl, pid_t tid, struct qos_dwcs_thread *ret);

struct qos_dwcs_table {
	uint32_t mode; /* enum qos_dwcs_table_mode */
	uint32_t prefix;
	uint32_t cycle;
	const uint8_t *bits; /* (prefix + cycle + 7) / 8 bytes */
	uint64_t epoch_ns;   /* PHASES, BUNDLE */
	uint32_t bundle;
	uint64_t budget_ns;
};
int qos_dwcs_set_table(struct qos_genl *genl, uint32_t stream, const struct qos_dwcs_table *table,
		       struct qos_diag *diag);

int qos_dwcs_renew(struct qos_genl *genl);
int qos_dwcs_flush(struct qos_genl *genl);

/* Dumps; begun anew if something changes in the midst, and -EINTR if it goes on changing, so what
 * `begin` resets may be filled more than once. */
struct qos_dwcs_visit {
	void *data;
	void (*begin)(void *data);
	int (*report)(void *data, const struct qos_dwcs_report *report);
	int (*thread)(void *data, const struct qos_dwcs_thread *thread);
};
int qos_dwcs_dump_streams(struct qos_genl *genl, const struct qos_dwcs_visit *visit);
int qos_dwcs_dump_threads(struct qos_genl *genl, const struct qos_dwcs_visit *visit);
