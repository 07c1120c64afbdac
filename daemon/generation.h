/* SPDX-License-Identifier: GPL-2.0-only */
/* Generations of contracts: what each reload changed, and who asked for it. */
#pragma once

#include "reload.h"

#define QOS_GENERATIONS_MAX	 32  /* that are kept */
#define QOS_GENERATION_FILES_MAX 100 /* that are named in one */

/* Before the commit of a plan: numbers it, and notes it, unless nobody asked and no file changed. Without
 * memory there is no note. */
void qos_generation_note(struct qos_supervisor *supervisor, const struct qos_plan *plan);

/* For `status`: the number, and the latest ones as in qosctl(1); NULL: no memory. */
json_t *qos_generation_json(const struct qos_supervisor *supervisor);
