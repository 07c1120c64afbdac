/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the probe*.c files only: each fills its part of the host. */
#pragma once

#include "kern/probe.h"

/* States of all features. */
void qos_probe_features(struct qos_host *host);

/* Real-time threads that are not `own` (may be NULL); of the kernel only those that use a CPU. */
void qos_probe_foreign(struct qos_host *host, const struct qos_probe_own *own);
