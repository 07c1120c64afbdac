/* SPDX-License-Identifier: GPL-2.0-only */
/* Diagnostics as JSON. */
#pragma once

#include <jansson.h>

#include "util/diag.h"

/* Appends. */
void qos_report_diag_into(json_t *list, const struct qos_diag *diag);
