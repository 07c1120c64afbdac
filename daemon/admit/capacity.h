/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host has to give, after everything that qosd does not own. Pure. */
#pragma once

#include "admit/feasible.h"
#include "config.h"
#include "contract/host.h"

/* Utilisation is in parts per billion of one CPU, rounded against the contract. */
#define QOS_PPB 1000000000ULL

/* Foreign FIFO and RR work below this is like the interrupts: what `cpu.blocking` stands for. */
#define QOS_NEGLIGIBLE_PPM 1000U /* 0.1 % of a CPU */

/* Of each `period_ns` the kernel leaves real-time work of a CPU `runtime_ns` before it steps in. */
struct qos_quota {
	uint64_t runtime_ns;
	uint64_t period_ns;
};
#define QOS_QUOTAS_MAX 2

#define QOS_LINKS_MAX 64

/* One interface. */
struct qos_link {
	char name[16];
	uint64_t bps; /* 0: nobody knows */
	uint64_t largest_bytes;
	char foreign[16]; /* a queue that somebody set up and that may not be replaced; "": none */
};

struct qos_capacity {
	struct qos_cpus online;
	struct qos_cpus isolated;
	unsigned int n_cpus;
	uint64_t cap_ppb; /* managed work of one CPU: the least of cap, rt_runtime, fair server */
	const char *cap_reason; /* static: which of them it was */
	/* SCHED_DEADLINE of others, charged as ours: overhead, and with blocking where density. */
	uint64_t dl_foreign_ppb;
	uint64_t dl_foreign_density_ppb;
	uint64_t dl_foreign_max_ppb;			 /* largest density */
	struct qos_sporadic dl_foreign[QOS_FOREIGN_MAX]; /* the same, one by one; d == t */
	size_t n_dl_foreign;
	/* FIFO and RR of others, each on the CPU where it counts most. */
	uint64_t foreign_ppb[QOS_CPUS_MAX];
	/* Where FIFO or RR of others may delay the band: nothing is proven there. */
	struct qos_cpus disturbed;
	struct qos_quota quotas[QOS_QUOTAS_MAX]; /* throttling, fair server */
	size_t n_quotas;
	uint64_t sample_cost_ns; /* as struct qos_host has it */
	uint64_t overhead_ns;
	uint64_t blocking_ns;
	uint32_t band_first;
	uint32_t band_last;
	uint64_t dl_period_min_ns;
	uint64_t dl_period_max_ns;
	bool deadline; /* SCHED_DEADLINE can be used */
	bool fifo;
	bool uncut; /* nothing would cut an overrun under SCHED_FIFO, so `fifo` is false */
	bool dwcs;  /* the module can be used, and is preferred */
	struct qos_link links[QOS_LINKS_MAX]; /* that are there */
	size_t n_links;
	uint64_t link_share_ppb; /* of each, that contracts may have together */
	uint64_t link_blocking_ns;
	bool link_windows; /* the module's queue serves them, by windows */
};

void qos_capacity_of(const struct qos_host *host, const struct qos_config *config,
		     struct qos_capacity *ret);

/* Is the module's queue there, and wanted? */
bool qos_capacity_has_windows(const struct qos_host *host, const struct qos_config *config);

/* The interface of this name, or NULL: it is not there. */
const struct qos_link *qos_capacity_link(const struct qos_capacity *capacity, const char *name);
