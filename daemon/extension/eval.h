/* SPDX-License-Identifier: GPL-2.0-only */
/* The reference interpreter. */
#pragma once

#include "extension/compile.h"

/*
 * What the program does to the frame (its requests) and to the state words of its key, bit for bit.
 * The state is the program's own or zero. Compiled to QOS_STAGE_TYPES at least.
 */
void qos_rules_eval(const struct qos_compiled *compiled, size_t program,
		    struct qos_rules_frame *frame, uint64_t *state);
