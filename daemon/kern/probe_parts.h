/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the probe*.c files only: each fills its part of the host. */
#pragma once

#include "kern/probe.h"

/* What a trial that ended with this errno (positive, or 0) says. */
enum qos_feature_state qos_probe_state(int error);

/* Task clock events with the caller's own rights. */
enum qos_feature_state qos_probe_clock(void);

/* States of all features; `own` may be NULL. */
void qos_probe_features(struct qos_host *host, const struct qos_probe_own *own);

/* Real-time threads that are not `own` (may be NULL); of the kernel only those that use a CPU. */
void qos_probe_foreign(struct qos_host *host, const struct qos_probe_own *own);
