/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtual registers -> BPF registers and stack. */
#pragma once

#include "extension/ir.h"

/*
 * Registers of a program: r0 and r1 for values on their way from and to the stack, r2-r5 and r9 for
 * virtual registers (only r9 across a request, which may be a call), r6 ctx, r7 input, r8 state, r10
 * frame pointer. The first 8 bytes of the stack hold a map key.
 */
#define QOS_REGALLOC_STACK 512
#define QOS_REGALLOC_SLOTS ((QOS_REGALLOC_STACK - 8) / 8)

/* Where a virtual register lives, for all its life. */
struct qos_place {
	uint8_t reg;	/* 2..9, or 0: on the stack */
	int16_t offset; /* from r10 */
};

/*
 * Sets places[ir->n_regs]. 0; -ENOMEM; or -E2BIG if the stack is too small: then *ret_rule is the
 * rule that needs too much.
 */
int qos_regalloc(const struct qos_ir *ir, struct qos_place *places, unsigned int *ret_rule);
