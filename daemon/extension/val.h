/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic as intermediate code. A value is a virtual register, never changed once it is there, and
 * what is known of it: the bounds between which it lies. Each function adds the instructions for one
 * operation and derives the result's bounds; where the bounds show that a guard against overflow, a
 * sign or a rest cannot matter, its instructions are left out. Nothing here branches.
 *
 * All values lie within +-QOS_RULE_MAX, so differences fit into 63 bits, and the sign of a - b is the
 * comparison. With m = (a - b) s>> 63: min(a, b) = b + ((a - b) & m).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "extension/ir.h"

struct qos_val {
	int reg; /* QOS_IR_NONE: the constant lo == hi */
	int64_t lo;
	int64_t hi;
};

struct qos_val qos_val_const(int64_t value);
bool qos_val_is_const(struct qos_val a);

/* Puts a constant into a register, too. */
int qos_val_reg(struct qos_ir *ir, struct qos_val a);

/* Sums, stopped at +-limit. */
struct qos_val qos_val_add(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit);
struct qos_val qos_val_sub(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit);
struct qos_val qos_val_neg(struct qos_ir *ir, struct qos_val a);
struct qos_val qos_val_abs(struct qos_ir *ir, struct qos_val a);
struct qos_val qos_val_min(struct qos_ir *ir, struct qos_val a, struct qos_val b);
struct qos_val qos_val_max(struct qos_ir *ir, struct qos_val a, struct qos_val b);

/* a * b; a * b / 10^6, |b| <= QOS_RULE_RATIO_MAX; a * 10^6 / b as op_eval.c has it; a / b. */
struct qos_val qos_val_mul(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit);
struct qos_val qos_val_times(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit);
struct qos_val qos_val_parts(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit);
struct qos_val qos_val_div(struct qos_ir *ir, struct qos_val a, struct qos_val b);

/* Bools: 0 or 1. */
struct qos_val qos_val_lt(struct qos_ir *ir, struct qos_val a, struct qos_val b);
struct qos_val qos_val_eq(struct qos_ir *ir, struct qos_val a, struct qos_val b);
struct qos_val qos_val_not(struct qos_ir *ir, struct qos_val a);
struct qos_val qos_val_and(struct qos_ir *ir, struct qos_val a, struct qos_val b);
struct qos_val qos_val_or(struct qos_ir *ir, struct qos_val a, struct qos_val b);

/* cond ? a : b, for a bool. */
struct qos_val qos_val_select(struct qos_ir *ir, struct qos_val cond, struct qos_val a,
			      struct qos_val b);

/* The number in a 64-bit word at base[offset]: its low `bits`, and a sign above them. */
struct qos_val qos_val_load(struct qos_ir *ir, enum qos_ir_base base, int64_t offset,
			    unsigned int bits, bool is_signed);
void qos_val_store(struct qos_ir *ir, int64_t offset, struct qos_val a);

/* A remembered value of a state word, which fits the bounds of `like`; it is `like` itself as long
 * as the word is 0. *ret_kept: is it there? (may be NULL) */
struct qos_val qos_val_recall(struct qos_ir *ir, int64_t offset, struct qos_val like,
			      struct qos_val *ret_kept);
void qos_val_remember(struct qos_ir *ir, int64_t offset, struct qos_val a);

/* The word that remembers `a`: 2 a + 1. */
struct qos_val qos_val_kept_word(struct qos_ir *ir, struct qos_val a);
