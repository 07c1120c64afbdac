/* SPDX-License-Identifier: GPL-2.0-only */
/* Plain sets of slots, as `simulate --set` takes them. */
#pragma once

#include "admit/simulate.h"
#include "cli.h"

#define QOS_SLOTS_MAX 64

/* "(T,C,x/y,phase) ..."; phase may be left out. Complains with the place; QOS_EXIT_OK or _USAGE.
 * *ret_tasks: room for QOS_SLOTS_MAX. */
int qos_slots_parse(const struct qos_cli *cli, const char *text, struct qos_sim_task *ret_tasks,
		    size_t *ret_n);
