/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of contracts: events for their programs (rules.c), and the guard of what those ask for
 * (guard.c).
 */
#pragma once

#include "qos.h"
#include "qos_guard_abi.h"
#include "qos_trace.h"

#define QOS_RAISED 32 /* events that wait on a CPU; a power of two */

/* What the dispatcher makes an event of. */
struct qos_raised {
	struct qos_thread *thread; /* NULL: it was detached meanwhile */
	enum qos_dwcs_hook hook;
	s64 used;
	s64 response;
	s64 latency;
	s64 deadline; /* of the stream then */
	u32 served;
	u32 lost;
	bool violation;
};

/* What a program is told, behind what only the guard sees. */
struct qos_rules_event {
	struct qos_stream *stream;
	struct qos_rules_input input; /* with room for one stream */
};

/* Filled under the CPU's lock, emptied by the dispatcher under `act`. */
struct qos_rules_queue {
	u32 head; /* next to be served */
	u32 tail; /* next free */
	struct qos_rules_event *event;
	struct qos_raised raised[QOS_RAISED];
};

/* Is anybody there who listens? A static key: nothing else is done for rules if not. */
static inline bool qos_rules_on(void)
{
	return trace_qos_dwcs_event_enabled();
}

/* --- rules.c --- */
struct qos_rules_queue *qos_rules_queue_new(void); /* NULL: no memory */
void qos_rules_queue_free(struct qos_rules_queue *queue);

/* Under the CPU's lock; only if qos_rules_on(). */
void qos_rules_job(struct qos_thread *thread, u64 response, u64 used);
void qos_rules_late(struct qos_thread *thread, u64 now);
void qos_rules_window(struct qos_thread *thread, u32 lost);
bool qos_rules_wait(const struct qos_cpu *cpu);
void qos_rules_forget(struct qos_thread *thread);

/* The dispatcher, under `act`. */
void qos_rules_drain(struct qos_cpu *cpu);

/* --- guard.c --- */
int qos_guard_register(void);
bool qos_guard_works(void); /* the kernel took qos_dwcs_set() */
void qos_guard_attach(struct qos_thread *thread);
void qos_guard_detach(struct qos_thread *thread);
void qos_guard_grant(struct qos_stream *stream, const struct qos_params *params);
void qos_guard_share(struct qos_cpu *cpu, u32 share);
