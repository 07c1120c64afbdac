/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a thread, a contract or a packet is as it is, for `qosctl explain`. Only looks. */
#pragma once

#include "supervisor.h"

/* `what`: a PID or TID, a contract's name, a flow (PROTO:ADDRESS:PORT), or, with `class` not "", an
 * interface. `walk`: look at every process of the machine, where the answer takes that. *ret as `explain` in qosctl(1). 0, QOS_SUPERVISOR_E_NO_CONTRACT, -ESRCH, -EINVAL or other
 * -errno, words in diag. */
int qos_supervisor_explain(struct qos_supervisor *supervisor, const char *what, const char *class,
			   bool walk, struct qos_diag *diag, json_t **ret);
