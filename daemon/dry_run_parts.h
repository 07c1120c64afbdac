/* SPDX-License-Identifier: GPL-2.0-only */
/* What dry_run.c and its parts share; nobody else includes it. */
#pragma once

#include "reload.h"

/* One contract that would be in force. */
struct qos_next {
	const struct qos_contract *contract;
	const struct qos_grant *grant;
	struct qos_live
		*live; /* whose streams have the ids; its `contract` may be another version's */
	bool goes_on;  /* untouched */
	uint32_t managed[QOS_CONTRACT_STREAMS_MAX]; /* dry_run_threads.c */
};

/* Threads that would be scheduled otherwise than now, and interfaces whose queues would be set. NULL: no
 * memory. */
json_t *qos_dry_run_threads(struct qos_supervisor *supervisor, struct qos_next *next, size_t n);
json_t *qos_network_foretell(const struct qos_supervisor *supervisor, const struct qos_next *next,
			     size_t n);
