/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of contracts: events for their programs (rules.c), the guard of what those ask for (guard.c),
 * and what is told of it (rules_tell.c).
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
	struct qos_contract *contract;
	struct qos_rules_input input; /* with room for all streams, whatever a program reads */
};

/* Filled under the CPU's lock, emptied by the dispatcher under `act`. */
struct qos_rules_queue {
	u32 head;     /* next to be served */
	u32 tail;     /* next free */
	bool overran; /* somebody waits to be given more before he is demoted */
	struct qos_rules_event *event;
	struct qos_raised raised[QOS_RAISED];
};

/* Is anybody there who listens? A static key: nothing else is done for rules if not. */
static inline bool qos_rules_on(void)
{
	return trace_qos_dwcs_event_enabled();
}

/* --- rules.c --- */
struct qos_rules_event *qos_rules_event_new(void); /* NULL: no memory */
struct qos_rules_queue *qos_rules_queue_new(void);
void qos_rules_queue_free(struct qos_rules_queue *queue);

/* Under the CPU's lock; only if qos_rules_on(). */
void qos_rules_job(struct qos_thread *thread, u64 response, u64 used);
void qos_rules_late(struct qos_thread *thread, u64 now);
void qos_rules_overrun(struct qos_thread *thread, u64 now);
void qos_rules_window(struct qos_thread *thread, u32 lost);
bool qos_rules_wait(const struct qos_cpu *cpu);
bool qos_rules_overran(const struct qos_cpu *cpu);
void qos_rules_forget(struct qos_thread *thread);

/* The dispatcher, under `act`. */
void qos_rules_drain(struct qos_cpu *cpu);

/* The event is raised here and now; what it is about stays meanwhile. */
void qos_rules_raise(struct qos_rules_event *event);

/* --- rules_tell.c --- */
enum qos_verdict qos_rules_signal(struct qos_contract *contract, u32 signal);
void qos_rules_changed(bool *changed); /* of the stream or flow that a program changed */
bool qos_rules_marked(void);	       /* there may be something to be told */
/* The worker, under qos_mutex. ns until there is more to be told; 0: there is not. */
u64 qos_rules_tell(u64 now);

/* --- guard.c --- */
int qos_guard_register(void);
bool qos_guard_works(void); /* the kernel took qos_dwcs_set() */
int qos_dwcs_set(struct qos_rules_input *input, u32 attribute, s64 value); /* for BPF programs */
void qos_guard_attach(struct qos_thread *thread);
void qos_guard_detach(struct qos_thread *thread);
/* runtime_ns 0: what is in force, between the stream's bounds. */
void qos_guard_grant(struct qos_stream *stream, const struct qos_params *params);
/* What a rule asks for. */
enum qos_verdict qos_guard_ask(struct qos_contract *contract, u32 attribute, s64 value);
void qos_guard_share(struct qos_cpu *cpu, u32 share);
