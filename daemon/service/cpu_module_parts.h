/* SPDX-License-Identifier: GPL-2.0-only */
/* Between cpu_module.c and cpu_module_sync.c only. */
#pragma once

#include <string.h>

#include "admit/claim.h"
#include "service/cpu_module.h"
#include "state/originals.h"
#include "util/cpus.h"
#include "util/table.h"

/* One stream that the module has. Owned by the table. */
struct stream {
	uint32_t id;
	char contract[QOS_DWCS_NAME_SIZE];
	char name[QOS_DWCS_NAME_SIZE];
	bool is_set;  /* by us; else it is an earlier daemon's */
	bool is_seen; /* the module has it: in the last dump, or set since */
	struct qos_stream_stats stats;
};

/* One attached thread. Owned by the table. */
struct thread {
	struct qos_original_key key;
	uint32_t stream;
	uint32_t cpu;
	uint8_t on_drift; /* enum qos_drift */
	bool attached;
	bool claimed; /* it may have a table */
	bool drifted;
	bool is_seen;
};

/* What was claimed on a CPU. */
struct plan {
	uint64_t id;
	uint64_t epoch_ns; /* CLOCK_MONOTONIC; 0: nothing is known of it yet */
};

struct module {
	struct qos_service service;
	struct qos_genl *genl;
	struct qos_originals *originals;
	uint32_t band_last;
	struct qos_table streams; /* id -> struct stream */
	struct qos_table threads; /* tid -> struct thread */
	struct qos_service_counts counts;
	uint32_t orderings[QOS_CPUS_MAX]; /* that were set, + 1; 0: not known */
	struct plan plans[QOS_CPUS_MAX];
};

static inline struct module *qos_cpu_module_of(struct qos_service *service)
{
	return (struct module *)service;
}

static inline bool qos_cpu_module_is_of(const struct stream *stream, const char *contract)
{
	return !strcmp(stream->contract, contract);
}

/* The stream of this id, made if it is new; NULL: no memory. */
struct stream *qos_cpu_module_intern(struct module *module, uint32_t id, const char *contract,
				     const char *name);

/* Somebody else changed the thread, and has his way. E_DRIFT. */
int qos_cpu_module_yield(struct module *module, struct thread *thread);
