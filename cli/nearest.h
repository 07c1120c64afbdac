/* SPDX-License-Identifier: GPL-2.0-only */
/* "Did you mean" among contracts. */
#pragma once

#include "client.h"

/* As qos_client_complain; for NO_CONTRACT the daemon's nearest contract name is the hint. */
int qos_nearest_complain(const struct qos_cli *cli, struct qos_answer *answer, const char *name);

/* "no contract NAME", with the nearest among `names` (NULL-terminated), or what there is. QOS_EXIT_NO_CONTRACT. */
int qos_nearest_fail(const struct qos_cli *cli, const char *name, const char *where,
		     const char *const *names);
