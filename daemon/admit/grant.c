/* SPDX-License-Identifier: GPL-2.0-only */
/* The words for grants; the ledger keeps them in its entries. */
#include "admit/grant.h"

const char *const qos_policy_names[] = {"none", "deadline", "fifo", "dwcs", NULL};
