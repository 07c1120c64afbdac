/* SPDX-License-Identifier: GPL-2.0-only */
/* What a reload would change, without the change. */
#pragma once

#include "state/store.h"
#include "supervisor.h"

/* As if the extras stood on the search path, and a reload happened. *ret as `plan` in qosctl(1). Nothing
 * is touched, whatever comes of it. 0, or -errno with words in diag. */
int qos_supervisor_plan(struct qos_supervisor *supervisor, const struct qos_store_extras *extras,
			struct qos_diag *diag, json_t **ret);
