/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics as JSON. */
#pragma once

#include <jansson.h>

#include "util/diag.h"

/* A new array, or appended to one. */
json_t *qos_report_diag(const struct qos_diag *diag);
void qos_report_diag_into(json_t *list, const struct qos_diag *diag);
