/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module qos_dwcs as a CPU service manager: contracts, streams and threads go to the kernel over
 * netlink, and go on there without us. What the module says by itself is heard elsewhere
 * (daemon/module.c) and handed in here.
 */
#pragma once

#include "kern/genl_dwcs.h"
#include "service/service.h"

struct qos_claim;
struct qos_originals;

/* Takes over what the module holds from an earlier daemon, by name; what is not set again is dropped by
 * qos_cpu_module_prune. Borrows both, which must outlive it. band_last: the highest priority that the
 * module may give. 0 or -errno. */
int qos_cpu_module_new(struct qos_genl *genl, struct qos_originals *originals, uint32_t band_last,
		       struct qos_service **ret);

/* The id under which the module knows this stream from an earlier daemon, or 0; the largest id. */
uint32_t qos_cpu_module_known(struct qos_service *service, const char *contract,
			      const char *stream);
uint32_t qos_cpu_module_last_id(struct qos_service *service);

/* Deletes the contracts that nobody has set since. */
void qos_cpu_module_prune(struct qos_service *service);

/* Telemetry of one stream. */
void qos_cpu_module_report(struct qos_service *service, const struct qos_dwcs_report *report);

/* The module tells that somebody else changed the thread: what the contract says is done. */
void qos_cpu_module_drift(struct qos_service *service, pid_t tid);

/* Asks the module for everything: counters are what it says, and threads that it does not have any
 * more are told by verify. *ret_forgotten: it does not know all contracts; they are to be set again.
 * 0 or -errno. */
int qos_cpu_module_resync(struct qos_service *service, bool *ret_forgotten);

/*
 * What is proven of the streams of a CPU. plan comes first, with the id of the CPU's proof (0: none):
 * where it is another one than before, what was claimed there is taken back, and true is returned.
 * claim then makes the module serve one stream's mandatory requests first, from *ret_from_ns on
 * (CLOCK_MONOTONIC), which is a matter of moments and of the stream's window. 0, -ENOENT: the stream has no thread there; the
 * module's refusal, in words too.
 */
struct qos_cpu_module_claim {
	uint32_t stream;
	uint32_t y;
	uint64_t period_ns;
	const struct qos_claim *claim;
};
bool qos_cpu_module_is_planned(struct qos_service *service, uint32_t cpu);
bool qos_cpu_module_plan(struct qos_service *service, uint32_t cpu, uint64_t plan, uint64_t now_ns);
int qos_cpu_module_claim(struct qos_service *service, uint32_t cpu,
			 const struct qos_cpu_module_claim *wish, uint64_t now_ns,
			 uint64_t *ret_from_ns, struct qos_diag *diag);

/* The number of the first request at base + kT that is not before now and begins a window. */
uint64_t qos_cpu_module_first(uint64_t base_ns, uint64_t period_ns, uint32_t y, uint64_t now_ns);

/* The module is gone, and has given all threads back: only the records are left to be put in order. */
void qos_cpu_module_abandon(struct qos_service *service);
