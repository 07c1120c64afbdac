/* SPDX-License-Identifier: GPL-2.0-only */
/* Contract -> canonical YAML: defaults are left out, keys in the order of qos-contract(5). */
#pragma once

#include "contract/contract.h"
#include "util/text.h"

/* Appends the contract; parse(print(x)) equals x. Errors stick in buf. */
void qos_contract_print(const struct qos_contract *contract, struct qos_buf *buf);
