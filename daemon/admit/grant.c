/* SPDX-License-Identifier: GPL-2.0-only */
/* Grants that stand alone, and the words for them. The ledger keeps its own in its entries. */
#include "admit/grant.h"

const char *const qos_policy_names[] = {"none", "deadline", "fifo", "dwcs", NULL};

void qos_grant_free(struct qos_grant *grant)
{
	if (!grant)
		return;
	free(grant->streams);
	free(grant);
}
