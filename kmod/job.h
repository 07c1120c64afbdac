/* SPDX-License-Identifier: GPL-2.0-only */
/* A thread's jobs; under its CPU's lock. */
#pragma once

#include "qos.h"

void qos_job_release(struct qos_thread *thread, u64 at);

/* It is going to get `ns` of service from `from` on. Before total_ns grows by it. */
void qos_job_serve(struct qos_thread *thread, u64 from, u64 ns);

/*
 * It falls asleep, in a sleep that may end a job. Did that end one, or was there none to be waited
 * for (job: period)?
 */
bool qos_job_sleep(struct qos_thread *thread, u64 now);

/* It wakes up: does a new job begin? *ended: and completed the last one, at the sleep before. */
bool qos_job_over(struct qos_thread *thread, u64 now, bool *ended);
