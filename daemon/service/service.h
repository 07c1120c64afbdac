/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A CPU service manager: what carries out a grant. One struct of operations, one implementation a
 * file (cpu_native.c, cpu_module.c); route.c gives each stream to the one that its grant names. The
 * supervisor knows only this.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "admit/grant.h"
#include "kern/sched.h"
#include "qos_abi.h"
#include "util/diag.h"

/* Everything a manager needs to know of one stream. */
struct qos_service_stream {
	uint32_t id;
	const struct qos_cpu_stream *wish; /* borrowed from the contract */
	const struct qos_stream_grant *grant;
	enum qos_drift on_drift;
	uint64_t sample_cost_ns; /* as struct qos_host has it */
	bool ruled; /* a runtime that its rules set in the kernel is left as it is there */
};

/* All streams of one contract that are scheduled, whichever manager has them. */
struct qos_service_contract {
	const struct qos_contract *contract; /* borrowed, like all here */
	const struct qos_service_stream *streams;
	size_t n_streams;
};

/* Outcomes of attach, detach and verify. */
#define QOS_SERVICE_E_NO_DEADLINE 1 /* the kernel refuses SCHED_DEADLINE for this thread */
#define QOS_SERVICE_E_GONE	  2 /* the thread ended meanwhile */
#define QOS_SERVICE_E_DRIFT	  3 /* somebody else changed its policy; it was left alone */
#define QOS_SERVICE_E_LOST	  4 /* its record is gone, and with it all that was ours: attach again */

struct qos_service;

/* What a manager did since it was made; for `status` and metrics. */
struct qos_service_counts {
	uint64_t demoted;	 /* overruns that cost a thread its policy */
	uint64_t promoted;	 /* and that it got back */
	uint64_t throttled;	 /* overruns for which SCHED_DEADLINE was made to look */
	uint64_t rescued;	 /* threads that the kernel had forgotten to replenish */
	uint64_t promote_failed; /* tries that the kernel refused; repeated */
	uint64_t drifted;	 /* threads that somebody else changed */
	uint64_t drift_restored; /* of these: set back (on-drift: restore) */
};

struct qos_service_ops {
	const char *name;
	/* Before any attach, and after every change: the contract's streams are these, with these
	 * grants. Those that are not the manager's own it leaves out; threads of streams that it had and
	 * that are not there any more are given back. 0, or -errno with words in diag: all is as
	 * before. NULL: the manager learns all from attach. */
	int (*set)(struct qos_service *service, const struct qos_service_contract *contract,
		   struct qos_diag *diag);
	/* The contract is gone. NULL: likewise. */
	void (*unset)(struct qos_service *service, const char *contract);
	/* Puts a thread under its stream's grant; the original is recorded before. Idempotent.
	 * 0, QOS_SERVICE_E_*, or -errno with words in diag. After -errno and E_NO_DEADLINE the
	 * thread is as it was before qosd and is not managed. */
	int (*attach)(struct qos_service *service, pid_t tid,
		      const struct qos_service_stream *stream, struct qos_diag *diag);
	/* Puts everything back as it was and forgets the thread. 0, QOS_SERVICE_E_*, -errno. */
	int (*detach)(struct qos_service *service, pid_t tid);
	/* The thread ended. Harmless for a thread that is not managed (any more). */
	void (*forget)(struct qos_service *service, pid_t tid);
	/* `parent` (a tid) made `child`, which no stream has: the child becomes what it would be
	 * without qosd. Nothing happens if the parent is not managed. */
	void (*inherit)(struct qos_service *service, pid_t parent, pid_t child);
	/* Thread old_tid called exec() and is thread new_tid from now on, with a new image: what was
	 * ours is taken back, before anybody matches it again. Harmless for a thread that is not
	 * managed. */
	void (*exec)(struct qos_service *service, pid_t old_tid, pid_t new_tid);
	/* An event of the monitor that concerns scheduling (OVERRUN, IDLE). */
	void (*event)(struct qos_service *service, const struct qos_event *event);
	/* Earliest CLOCK_MONOTONIC ns at which `expire` wants to be called; 0: not at all. */
	uint64_t (*next_expiry)(struct qos_service *service);
	void (*expire)(struct qos_service *service, uint64_t now_ns);
	/* Is the thread as we last set it? Drift is handled as the contract says. 0, E_DRIFT, or
	 * E_LOST: somebody restored it by its record (`qosctl panic` without us). */
	int (*verify)(struct qos_service *service, pid_t tid);
	void (*counts)(struct qos_service *service, struct qos_service_counts *ret);
	/* Is the thread held below its grant now, because its request used up its budget? */
	bool (*is_demoted)(struct qos_service *service, pid_t tid);
	/* What the manager itself counted of a stream; *ret stays as it is if it knows nothing of it.
	 * NULL: it counts nothing. */
	void (*read)(struct qos_service *service, uint32_t stream, struct qos_stream_stats *ret);
	/* Frees the manager; the threads stay as they are (a restart adopts them). */
	void (*free)(struct qos_service *service);
};

/* Head of every implementation's own struct. */
struct qos_service {
	const struct qos_service_ops *ops;
};

/* The native manager: SCHED_DEADLINE, or SCHED_FIFO in the band, overruns demoted.
 * Borrows `originals`, which must outlive it. */
struct qos_originals;
int qos_cpu_native_new(struct qos_originals *originals, struct qos_service **ret);

/* What the native manager makes of a thread that uses no more than its budget. The stream's policy is
 * deadline or fifo; under fifo the thread is pinned to the grant's CPUs, else it keeps its own. */
struct qos_sched_attr qos_cpu_native_attr(const struct qos_service_stream *stream);
