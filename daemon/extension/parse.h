/* SPDX-License-Identifier: GPL-2.0-only */
/* Tokens -> tree. qos-rules(7) has the grammar. */
#pragma once

#include "extension/lex.h"
#include "extension/node.h"

/* `tokens` as qos_rule_lex made them. 0 and *ret set, -EINVAL with a diagnostic, or -ENOMEM. */
int qos_rule_parse(const struct qos_rule_source *source, const struct qos_token *tokens,
		   struct qos_diag *diag, struct qos_rule_node **ret);
