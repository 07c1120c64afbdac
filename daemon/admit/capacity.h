/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host has to give, after everything that qosd does not own. Pure. */
#pragma once

#include "admit/feasible.h"
#include "config.h"
#include "contract/host.h"

/* Utilisation is in parts per billion of one CPU, rounded against the contract. */
#define QOS_PPB 1000000000ULL

struct qos_capacity {
	struct qos_cpus online;
	struct qos_cpus isolated;
	unsigned int n_cpus;
	uint64_t cap_ppb; /* managed work of one CPU: the least of cap, rt_runtime, fair server */
	const char *cap_reason;	 /* static: which of them it was */
	uint64_t dl_foreign_ppb; /* SCHED_DEADLINE of others, summed */
	uint64_t dl_foreign_max_ppb;
	struct qos_sporadic dl_foreign[QOS_FOREIGN_MAX]; /* the same, one by one; d == t */
	size_t n_dl_foreign;
	/* FIFO and RR of others, each on the CPU where it counts most. */
	uint64_t foreign_ppb[QOS_CPUS_MAX];
	/* Where FIFO or RR of others may delay the band: nothing is proven there. */
	struct qos_cpus disturbed;
	uint64_t overhead_ns;
	uint64_t blocking_ns;
	uint32_t band_first;
	uint32_t band_last;
	uint64_t dl_period_min_ns;
	uint64_t dl_period_max_ns;
	bool deadline; /* SCHED_DEADLINE can be used */
	bool fifo;
};

void qos_capacity_of(const struct qos_host *host, const struct qos_config *config,
		     struct qos_capacity *ret);
