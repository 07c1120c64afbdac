/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include "supervisor.h"

/* Opens what the kernel has, in a supervisor that has its settings. Lacks are noted in its diag, none is fatal. */
void qos_supervisor_open(struct qos_supervisor *supervisor);
