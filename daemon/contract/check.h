/* SPDX-License-Identifier: GPL-2.0-only */
/* Contract against host: what is wrong, or not there yet, on this machine. Pure. */
#pragma once

#include "contract/contract.h"
#include "contract/host.h"

/*
 * Warnings (errors with diag->strict) for what may appear later: CPUs that are not online, no
 * isolated CPUs, users, groups, interfaces that do not exist. Warns of privilege that anybody can
 * obtain (`exe` alone: whoever may run that file). Errors for what this kernel can never do.
 * Returns 0, or -EINVAL if an error was recorded.
 */
int qos_contract_check(const struct qos_contract *contract, const struct qos_host *host,
		       struct qos_diag *diag);

/* Duplicate names among contracts of different files: an error at the later one for each.
 * `contracts` in file order. Returns 0 or -EINVAL. */
int qos_contract_check_names(struct qos_contract *const *contracts, size_t n,
			     struct qos_diag *diag);
