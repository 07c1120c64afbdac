/* SPDX-License-Identifier: GPL-2.0-only */
/* Between cpu_native.c and cpu_native_drift.c only. */
#pragma once

#include "kern/sched.h"
#include "service/service.h"
#include "state/originals.h"
#include "util/table.h"

#define QOS_NS_PER_SECOND 1000000000ULL

/* One managed thread. Owned by the table. */
struct thread {
	struct qos_original_key key;
	struct qos_sched_attr want; /* under its grant */
	struct qos_cpus cpus;	    /* if pinned */
	uint64_t period_ns;
	uint64_t until_ns;    /* demoted: until then */
	uint64_t hold_ns;     /* rescued: not back before */
	uint64_t looked_ns;   /* when it was last asked whether the kernel forgot it */
	uint64_t ran_ns;      /* CPU time then */
	bool waited;	      /* and it had been runnable, and had not run since */
	uint64_t restored_ns; /* when drift was last undone */
	struct thread *next;  /* in the list of demoted ones */
	struct thread **prev; /* NULL: not demoted */
	uint8_t overrun;      /* enum qos_overrun */
	uint8_t on_drift;     /* enum qos_drift */
	uint8_t tries;	      /* refused promotions in a row */
	bool pinned;
	bool drifted; /* left alone */
};

struct native {
	struct qos_service service;
	struct qos_originals *originals;
	struct qos_table threads; /* tid -> struct thread */
	struct thread *demoted;
	struct qos_service_counts counts;
};

static inline struct native *qos_native_of(struct qos_service *service)
{
	return (struct native *)service;
}

uint64_t qos_native_now_ns(void); /* CLOCK_MONOTONIC */

/* The list of demoted threads. */
void qos_native_link(struct native *native, struct thread *thread);
void qos_native_unlink(struct thread *thread);

/* What a thread is while it is demoted. */
struct qos_sched_attr qos_native_demoted(const struct thread *thread);

/* Policy, and affinity if it is pinned; see qos_originals_change(). */
int qos_native_set(struct native *native, struct thread *thread, const struct qos_sched_attr *attr,
		   bool force, const char **ret_call);

/* Always E_DRIFT: that it was dealt with does not make it unheard of. */
int qos_native_handle_drift(struct native *native, struct thread *thread);

/* Of a drifted thread that used up its budget: is it still above all others? */
bool qos_native_must_be_cut(const struct thread *thread);

/* The operation. */
int qos_native_verify(struct qos_service *service, pid_t tid);
