/* SPDX-License-Identifier: GPL-2.0-only */
/* Trees -> intermediate code. */
#pragma once

#include "extension/compile.h"

/*
 * Appends the rule to its program's code. 0, or -EINVAL with a diagnostic: a value that can never be
 * in the attribute's range, too many requests. Warns of a condition that is never true.
 */
int qos_lower_rule(struct qos_program *program, const struct qos_compiled_rule *rule,
		   struct qos_diag *diag);
