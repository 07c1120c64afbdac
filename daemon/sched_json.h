/* SPDX-License-Identifier: GPL-2.0-only */
/* How a thread is scheduled, as JSON: policy, priority, runtime_ns, deadline_ns, period_ns (0 where the
 * policy has none) and cpus; for what is planned and what is explained. */
#pragma once

#include <jansson.h>

#include "kern/sched.h"
#include "service/service.h"
#include "supervisor.h"

/* As the kernel has it, or as qosd recorded it. */
json_t *qos_sched_json(const struct qos_sched_attr *attr, const struct qos_cpus *cpus);

/* As a stream's grant makes it; `own` are the CPUs that it may use without qosd. NULL: the grant
 * schedules nothing. */
json_t *qos_sched_json_granted(const struct qos_service_stream *stream, const struct qos_cpus *own);

/* What the kernel says now. 0 or -errno. */
int qos_sched_now(pid_t tid, struct qos_sched_attr *ret, struct qos_cpus *ret_cpus);

/* What the thread would be without qosd: its record, or else what it is now. 0 or -errno. */
int qos_sched_without_us(const struct qos_supervisor *supervisor, pid_t tid,
			 struct qos_sched_attr *ret, struct qos_cpus *ret_cpus);
