/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The intermediate code: BPF's two-address instructions over virtual registers, straight-line. There
 * are no labels because there are no branches: arithmetic is written with masks, so that the verifier
 * has one path to walk whatever a rule says, and so that the worst case is the length. A request is
 * one instruction here; its branch is emit.c's.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/text.h"

/* Instructions, with notes and what is swept away: far beyond QOS_RULES_INSNS_MAX. */
#define QOS_IR_MAX 4000

enum qos_ir_kind {
	QOS_IR_IMM,	/* dst = imm, of 64 bits */
	QOS_IR_MOV,	/* dst = src */
	QOS_IR_ALU,	/* dst = dst OP src */
	QOS_IR_ALU_IMM, /* dst = dst OP imm, of 32 bits; NEG: dst = -dst */
	QOS_IR_LOAD,	/* dst = base[imm], 64 bits */
	QOS_IR_STORE,	/* base[imm] = src */
	QOS_IR_REQUEST, /* if dst != 0 (dst < 0: always): attribute = src; imm: its number */
	QOS_IR_NOTE,	/* a comment alone */
};

enum qos_ir_base { QOS_IR_INPUT, QOS_IR_STATE };

#define QOS_IR_NONE	 (-1)
#define QOS_WIDTH_SIGNED 0x40 /* beside the number of bits, of which there are at most 61 */

struct qos_ir_insn {
	enum qos_ir_kind kind;
	enum qos_ir_base base;
	uint8_t alu; /* BPF_ADD, ... */
	int dst;     /* virtual registers, from 0 */
	int src;
	int64_t imm;
	uint32_t attribute;
	unsigned int rule; /* that it comes from */
	char *note;	   /* owned; may be NULL */
};

/* All zeroes is an empty one. The first failure sticks in `error`: -ENOMEM, or -E2BIG beyond
 * QOS_IR_MAX; later calls do nothing harmful. */
struct qos_ir {
	struct qos_ir_insn *insns;
	size_t n_insns;
	int n_regs;
	unsigned int rule; /* of what is added next */
	uint8_t *widths;   /* borrowed: how each state word is read (compile.h); may be NULL */
	int error;
};

void qos_ir_reset(struct qos_ir *ir);

/* A new virtual register. */
int qos_ir_reg(struct qos_ir *ir);

void qos_ir_add(struct qos_ir *ir, struct qos_ir_insn insn);
void qos_ir_note(struct qos_ir *ir, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes out what computes values that nobody uses. */
int qos_ir_sweep(struct qos_ir *ir);

/* The streams whose metrics it loads, by their place in the input; a bit each. What is in force of them is no
 * metric. */
uint64_t qos_ir_reads(const struct qos_ir *ir);
/* Those of which it loads this word (enum qos_rules_word). */
uint64_t qos_ir_reads_word(const struct qos_ir *ir, size_t word);

/* "+=", "s>>=", ... of a BPF_ALU operation. */
const char *qos_ir_alu_name(uint8_t alu);

void qos_ir_print(const struct qos_ir *ir, struct qos_buf *out);
