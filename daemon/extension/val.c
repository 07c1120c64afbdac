/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * See val.h. Bounds are computed with 128 bits. Products and quotients work on magnitudes: BPF's
 * division is unsigned (a signed one came with cpu v4), and a sign mask s = (a ^ b) s>> 63 puts the
 * sign back as (x ^ s) - s. BPF defines x / 0 as 0, which is what the language says, too.
 */
#include "extension/val.h"

#include <linux/bpf.h>

#include "extension/op_parts.h"

typedef __int128 wide;

struct qos_val qos_val_const(int64_t value)
{
	return (struct qos_val){QOS_IR_NONE, value, value};
}

bool qos_val_is_const(struct qos_val a)
{
	return a.reg == QOS_IR_NONE;
}

int qos_val_reg(struct qos_ir *ir, struct qos_val a)
{
	int reg = a.reg;

	if (reg != QOS_IR_NONE)
		return reg;
	reg = qos_ir_reg(ir);
	qos_ir_add(ir, (struct qos_ir_insn){
			       .kind = QOS_IR_IMM, .dst = reg, .src = QOS_IR_NONE, .imm = a.lo});
	return reg;
}

/* A register with these bounds; one value only is a constant, and its code is swept away. */
static struct qos_val bounded(int reg, wide lo, wide hi)
{
	return (struct qos_val){lo == hi ? QOS_IR_NONE : reg, (int64_t)lo, (int64_t)hi};
}

static bool fits_imm(int64_t value)
{
	return value == (int32_t)value;
}

/* A copy that may be changed. */
static int copy(struct qos_ir *ir, struct qos_val a)
{
	int reg;

	if (qos_val_is_const(a))
		return qos_val_reg(ir, a);
	reg = qos_ir_reg(ir);
	qos_ir_add(ir, (struct qos_ir_insn){.kind = QOS_IR_MOV, .dst = reg, .src = a.reg});
	return reg;
}

static void alu_imm(struct qos_ir *ir, uint8_t alu, int dst, int64_t imm)
{
	qos_ir_add(ir, (struct qos_ir_insn){.kind = QOS_IR_ALU_IMM,
					    .alu = alu,
					    .dst = dst,
					    .src = QOS_IR_NONE,
					    .imm = imm});
}

static void alu_reg(struct qos_ir *ir, uint8_t alu, int dst, int src)
{
	qos_ir_add(ir,
		   (struct qos_ir_insn){.kind = QOS_IR_ALU, .alu = alu, .dst = dst, .src = src});
}

static void alu(struct qos_ir *ir, uint8_t op, int dst, struct qos_val b)
{
	if (qos_val_is_const(b) && fits_imm(b.lo))
		alu_imm(ir, op, dst, b.lo);
	else
		alu_reg(ir, op, dst, qos_val_reg(ir, b));
}

/* a OP b in a new register. */
static int binary(struct qos_ir *ir, uint8_t op, struct qos_val a, struct qos_val b)
{
	int reg = copy(ir, a);

	alu(ir, op, reg, b);
	return reg;
}

/* (a - b) if that is negative, else 0. */
static int negative_part(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int diff = binary(ir, BPF_SUB, a, b);
	int mask = copy(ir, (struct qos_val){diff, 0, 1});

	alu_imm(ir, BPF_ARSH, mask, 63);
	alu_reg(ir, BPF_AND, mask, diff);
	return mask;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct qos_val qos_val_min(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int reg;

	if (a.hi <= b.lo)
		return a;
	if (b.hi <= a.lo)
		return b;
	reg = negative_part(ir, a, b);
	alu(ir, BPF_ADD, reg, b);
	return bounded(reg, smaller(a.lo, b.lo), smaller(a.hi, b.hi));
}

struct qos_val qos_val_max(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int part, reg;

	if (a.lo >= b.hi)
		return a;
	if (b.lo >= a.hi)
		return b;
	part = negative_part(ir, a, b);
	reg = copy(ir, a);
	alu_reg(ir, BPF_SUB, reg, part);
	return bounded(reg, larger(a.lo, b.lo), larger(a.hi, b.hi));
}

static struct qos_val saturate(struct qos_ir *ir, struct qos_val a, int64_t limit)
{
	a = qos_val_min(ir, a, qos_val_const(limit));
	return qos_val_max(ir, a, qos_val_const(-limit));
}

struct qos_val qos_val_add(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	int reg;

	if (qos_val_is_const(a) && !a.lo)
		return saturate(ir, b, limit);
	if (qos_val_is_const(b) && !b.lo)
		return saturate(ir, a, limit);
	reg = binary(ir, BPF_ADD, a, b);
	return saturate(ir, bounded(reg, (wide)a.lo + b.lo, (wide)a.hi + b.hi), limit);
}

struct qos_val qos_val_sub(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	int reg;

	if (qos_val_is_const(b) && !b.lo)
		return saturate(ir, a, limit);
	reg = binary(ir, BPF_SUB, a, b);
	return saturate(ir, bounded(reg, (wide)a.lo - b.hi, (wide)a.hi - b.lo), limit);
}

struct qos_val qos_val_neg(struct qos_ir *ir, struct qos_val a)
{
	int reg = copy(ir, a);

	alu_imm(ir, BPF_NEG, reg, 0);
	return bounded(reg, -(wide)a.hi, -(wide)a.lo);
}

/* (a ^ s) - s: the sign of the mask s goes onto a. */
static int flip(struct qos_ir *ir, struct qos_val a, int mask)
{
	int reg = copy(ir, a);

	alu_reg(ir, BPF_XOR, reg, mask);
	alu_reg(ir, BPF_SUB, reg, mask);
	return reg;
}

struct qos_val qos_val_abs(struct qos_ir *ir, struct qos_val a)
{
	int mask;

	if (a.lo >= 0)
		return a;
	if (a.hi <= 0)
		return qos_val_neg(ir, a);
	mask = copy(ir, a);
	alu_imm(ir, BPF_ARSH, mask, 63);
	return bounded(flip(ir, a, mask), 0, larger(-a.lo, a.hi));
}

/* The magnitude gets the sign of a * b. */
static struct qos_val with_sign(struct qos_ir *ir, struct qos_val magnitude, struct qos_val a,
				struct qos_val b)
{
	int mask;

	if ((a.lo >= 0 && b.lo >= 0) || (a.hi < 0 && b.hi < 0))
		return magnitude;
	if ((a.lo >= 0 && b.hi < 0) || (b.lo >= 0 && a.hi < 0))
		return qos_val_neg(ir, magnitude);
	if (a.lo >= 0 || b.lo >= 0)
		mask = copy(ir, a.lo >= 0 ? b : a);
	else
		mask = binary(ir, BPF_XOR, a, b);
	alu_imm(ir, BPF_ARSH, mask, 63);
	return bounded(flip(ir, magnitude, mask), -(wide)magnitude.hi, magnitude.hi);
}

/*
 * For a, b >= 0. Where the product could pass the limit, a is held to limit / b + 1 first: then it
 * is at most limit + b, which fits, and is beyond the limit exactly if the true one is. (b == 0:
 * a is held to 1, the product is 0.)
 */
static struct qos_val multiply(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	wide hi = (wide)a.hi * b.hi, most;
	struct qos_val bound = qos_val_const(limit);
	int reg;

	if (hi > QOS_RULE_MAX) {
		if (qos_val_is_const(a) && !qos_val_is_const(b))
			return multiply(ir, b, a, limit);
		if (qos_val_is_const(b)) {
			bound = qos_val_const(limit / larger(b.lo, 1) + 1);
		} else {
			reg = binary(ir, BPF_DIV, bound, b);
			alu_imm(ir, BPF_ADD, reg, 1);
			bound = bounded(reg, b.lo ? limit / b.hi + 1 : 1,
					(wide)limit / larger(b.lo, 1) + 1);
		}
		a = qos_val_min(ir, a, bound);
		most = (wide)limit + b.hi;
		hi = hi < most ? hi : most;
	}
	reg = binary(ir, BPF_MUL, a, b);
	return qos_val_min(ir, bounded(reg, hi > limit ? 0 : (wide)a.lo * b.lo, hi),
			   qos_val_const(limit));
}

struct qos_val qos_val_mul(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	struct qos_val x = qos_val_abs(ir, a), y = qos_val_abs(ir, b);

	return with_sign(ir, multiply(ir, x, y, limit), a, b);
}

static struct qos_val divide(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int reg;

	if (qos_val_is_const(b) && b.lo <= 1)
		return b.lo ? a : b;
	reg = binary(ir, BPF_DIV, a, b);
	return bounded(reg, b.lo ? a.lo / b.hi : 0, a.hi / larger(b.lo, 1));
}

struct qos_val qos_val_div(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	struct qos_val x = qos_val_abs(ir, a), y = qos_val_abs(ir, b);

	return with_sign(ir, divide(ir, x, y), a, b);
}

/* Below 2^64 a product of magnitudes is exact, and so is dividing it. */
static bool fits_unsigned(wide product)
{
	return product >> 64 == 0;
}

/* With q = x / 10^6 and r its rest: q y + r y / 10^6; r y < 10^18. */
static struct qos_val times(struct qos_ir *ir, struct qos_val x, struct qos_val y, int64_t limit)
{
	struct qos_val million = qos_val_const(QOS_RULE_PPM), quotient, rest;
	int reg;

	if (fits_unsigned((wide)x.hi * y.hi)) {
		reg = binary(ir, BPF_MUL, x, y);
		alu(ir, BPF_DIV, reg, million);
		return qos_val_min(ir,
				   bounded(reg, (wide)x.lo * y.lo / QOS_RULE_PPM,
					   (wide)x.hi * y.hi / QOS_RULE_PPM),
				   qos_val_const(limit));
	}
	quotient = divide(ir, x, million);
	reg = binary(ir, BPF_MUL, quotient, million);
	reg = binary(ir, BPF_SUB, x, (struct qos_val){reg, 0, 1});
	rest = (struct qos_val){reg, 0, QOS_RULE_PPM - 1};
	reg = binary(ir, BPF_MUL, rest, y);
	rest = divide(ir, (struct qos_val){reg, 0, (QOS_RULE_PPM - 1) * y.hi}, million);
	return qos_val_add(ir, multiply(ir, quotient, y, limit), rest, limit);
}

struct qos_val qos_val_times(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	struct qos_val x, y;

	if (qos_val_is_const(b) && b.lo == QOS_RULE_PPM)
		return saturate(ir, a, limit);
	if (qos_val_is_const(b) && !b.lo)
		return b;
	x = qos_val_abs(ir, a);
	y = qos_val_abs(ir, b);
	return with_sign(ir, times(ir, x, y, limit), a, b);
}

/* Both lose bits if the divisor has too many: a shift by 18 or 0. */
static void shorten(struct qos_ir *ir, struct qos_val *x, struct qos_val *y)
{
	int64_t most = (INT64_C(1) << QOS_RULE_DIVISOR_BITS) - 1;
	int shift;

	if (y->hi <= most)
		return;
	shift = binary(ir, BPF_SUB, qos_val_const(most), *y);
	alu_imm(ir, BPF_ARSH, shift, 63);
	alu_imm(ir, BPF_AND, shift, QOS_RULE_DIVISOR_SHIFT);
	*x = bounded(binary(ir, BPF_RSH, *x, (struct qos_val){shift, 0, QOS_RULE_DIVISOR_SHIFT}),
		     x->lo >> QOS_RULE_DIVISOR_SHIFT, x->hi);
	*y = bounded(binary(ir, BPF_RSH, *y, (struct qos_val){shift, 0, QOS_RULE_DIVISOR_SHIFT}),
		     y->lo >> QOS_RULE_DIVISOR_SHIFT, most);
}

/* With q = x / y and r its rest: q 10^6 + r 10^6 / y; r 10^6 < 2^63. */
static struct qos_val parts(struct qos_ir *ir, struct qos_val x, struct qos_val y, int64_t limit)
{
	struct qos_val million = qos_val_const(QOS_RULE_PPM), quotient, rest;
	int64_t least;
	int reg;

	shorten(ir, &x, &y);
	least = larger(y.lo, 1);
	if ((wide)x.hi * QOS_RULE_PPM <= INT64_C(1) << 62) {
		reg = binary(ir, BPF_MUL, x, million);
		alu(ir, BPF_DIV, reg, y);
		return qos_val_min(ir,
				   bounded(reg, y.lo ? (wide)x.lo * QOS_RULE_PPM / y.hi : 0,
					   (wide)x.hi * QOS_RULE_PPM / least),
				   qos_val_const(limit));
	}
	quotient = divide(ir, x, y);
	reg = binary(ir, BPF_MUL, quotient, y);
	reg = binary(ir, BPF_SUB, x, (struct qos_val){reg, 0, 1});
	alu(ir, BPF_MUL, reg, million);
	alu(ir, BPF_DIV, reg, y);
	rest = (struct qos_val){reg, 0, QOS_RULE_PPM};
	return qos_val_add(ir, multiply(ir, quotient, million, limit), rest, limit);
}

struct qos_val qos_val_parts(struct qos_ir *ir, struct qos_val a, struct qos_val b, int64_t limit)
{
	struct qos_val x, y;

	if (qos_val_is_const(b) && !b.lo)
		return b;
	x = qos_val_abs(ir, a);
	y = qos_val_abs(ir, b);
	return with_sign(ir, parts(ir, x, y, limit), a, b);
}

struct qos_val qos_val_lt(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int reg;

	if (a.hi < b.lo || a.lo >= b.hi)
		return qos_val_const(a.hi < b.lo);
	reg = binary(ir, BPF_SUB, a, b);
	alu_imm(ir, BPF_RSH, reg, 63);
	return bounded(reg, 0, 1);
}

/* d | -d is negative unless d is 0. */
struct qos_val qos_val_eq(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	int diff, reg;

	if (a.hi < b.lo || b.hi < a.lo)
		return qos_val_const(0);
	if (a.lo == a.hi && b.lo == b.hi)
		return qos_val_const(1);
	diff = binary(ir, BPF_SUB, a, b);
	reg = copy(ir, (struct qos_val){diff, 0, 1});
	alu_imm(ir, BPF_NEG, reg, 0);
	alu_reg(ir, BPF_OR, reg, diff);
	alu_imm(ir, BPF_RSH, reg, 63);
	alu_imm(ir, BPF_XOR, reg, 1);
	return bounded(reg, 0, 1);
}

struct qos_val qos_val_not(struct qos_ir *ir, struct qos_val a)
{
	return bounded(binary(ir, BPF_XOR, a, qos_val_const(1)), 1 - a.hi, 1 - a.lo);
}

struct qos_val qos_val_and(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	if (!a.hi || b.lo)
		return a;
	if (!b.hi || a.lo)
		return b;
	return bounded(binary(ir, BPF_AND, a, b), 0, 1);
}

struct qos_val qos_val_or(struct qos_ir *ir, struct qos_val a, struct qos_val b)
{
	if (a.lo || !b.hi)
		return a;
	if (b.lo || !a.hi)
		return b;
	return bounded(binary(ir, BPF_OR, a, b), 0, 1);
}

/* b ^ ((a ^ b) & -cond). */
struct qos_val qos_val_select(struct qos_ir *ir, struct qos_val cond, struct qos_val a,
			      struct qos_val b)
{
	int mask, reg;

	if (qos_val_is_const(cond))
		return cond.lo ? a : b;
	mask = copy(ir, cond);
	alu_imm(ir, BPF_NEG, mask, 0);
	reg = binary(ir, BPF_XOR, a, b);
	alu_reg(ir, BPF_AND, reg, mask);
	alu(ir, BPF_XOR, reg, b);
	return bounded(reg, smaller(a.lo, b.lo), larger(a.hi, b.hi));
}

static int load_word(struct qos_ir *ir, enum qos_ir_base base, int64_t offset)
{
	int reg = qos_ir_reg(ir);

	qos_ir_add(ir, (struct qos_ir_insn){.kind = QOS_IR_LOAD,
					    .base = base,
					    .dst = reg,
					    .src = QOS_IR_NONE,
					    .imm = offset});
	return reg;
}

/* `bits` above the `below` lowest, and a sign above them. */
static struct qos_val cut_out(struct qos_ir *ir, int reg, unsigned int below, unsigned int bits,
			      bool is_signed)
{
	unsigned int up = 64 - below - bits - (is_signed ? 1 : 0);
	int64_t hi = (INT64_C(1) << bits) - 1;

	if (up)
		alu_imm(ir, BPF_LSH, reg, up);
	if (up + below)
		alu_imm(ir, is_signed ? BPF_ARSH : BPF_RSH, reg, up + below);
	return (struct qos_val){reg, is_signed ? -hi - 1 : 0, hi};
}

struct qos_val qos_val_load(struct qos_ir *ir, enum qos_ir_base base, int64_t offset,
			    unsigned int bits, bool is_signed)
{
	return cut_out(ir, load_word(ir, base, offset), 0, bits, is_signed);
}

void qos_val_store(struct qos_ir *ir, int64_t offset, struct qos_val a)
{
	qos_ir_add(ir, (struct qos_ir_insn){.kind = QOS_IR_STORE,
					    .base = QOS_IR_STATE,
					    .dst = QOS_IR_NONE,
					    .src = qos_val_reg(ir, a),
					    .imm = offset});
}

static unsigned int bits_of(struct qos_val a)
{
	unsigned int bits = 1;

	while (bits < 61 && (a.lo < -(INT64_C(1) << bits) || a.hi >= INT64_C(1) << bits))
		bits++;
	return bits;
}

struct qos_val qos_val_recall(struct qos_ir *ir, int64_t offset, struct qos_val like,
			      struct qos_val *ret_kept)
{
	int word = load_word(ir, QOS_IR_STATE, offset);
	struct qos_val whole = {word, 0, 1}, kept, value;
	unsigned int bits = bits_of(like);

	if (ir->widths)
		ir->widths[offset / 8] = (uint8_t)(bits | (like.lo < 0 ? QOS_WIDTH_SIGNED : 0));
	kept = bounded(binary(ir, BPF_AND, whole, qos_val_const(1)), 0, 1);
	value = cut_out(ir, copy(ir, whole), 1, bits, like.lo < 0);
	if (ret_kept)
		*ret_kept = kept;
	return qos_val_select(ir, kept, value, like);
}

struct qos_val qos_val_kept_word(struct qos_ir *ir, struct qos_val a)
{
	int reg = copy(ir, a);

	alu_imm(ir, BPF_LSH, reg, 1);
	alu_imm(ir, BPF_OR, reg, 1);
	return (struct qos_val){reg, INT64_MIN, INT64_MAX};
}

void qos_val_remember(struct qos_ir *ir, int64_t offset, struct qos_val a)
{
	qos_val_store(ir, offset, qos_val_kept_word(ir, a));
}
