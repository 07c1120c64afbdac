/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The enforcer: a thread of its own that cuts overruns, so that neither a long reload nor anything
 * that users can cause stands between a budget's end and its enforcement. Wraps a service manager:
 * what it returns is used like any other, from the main thread.
 */
#pragma once

#include "kern/monitor.h"
#include "service/service.h"

/* Takes over `inner` (also on failure); borrows `monitor`, which must outlive it. fifo_priority: used
 * where SCHED_DEADLINE cannot be had. 0 or -errno. ops->free ends the thread. */
int qos_enforcer_new(struct qos_service *inner, struct qos_monitor *monitor, uint32_t fifo_priority,
		     struct qos_service **ret);
