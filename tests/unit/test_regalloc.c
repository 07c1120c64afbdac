/* SPDX-License-Identifier: GPL-2.0-only */
/* Random straight-line code: two values that live at one time have two places, and none is lost in a
 * call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>

#include "../harness/random.h"
#include "extension/regalloc.h"

#define REGS  160
#define INSNS 400
#define SETS  400

/* Uses among the last `window` values, so that pressure varies. */
static void random_code(struct qos_ir *ir, uint32_t window)
{
	for (int i = 0; i < INSNS; i++) {
		int newest = ir->n_regs - 1;
		int old = newest < 0 ? 0
				     : newest - (int)rnd((uint32_t)newest < window
								 ? (uint32_t)newest + 1
								 : window);
		struct qos_ir_insn insn = {.kind = QOS_IR_IMM, .src = QOS_IR_NONE, .imm = i};

		ir->rule = (unsigned int)i;
		if (newest < 0 || (ir->n_regs < REGS && rnd(3) == 0)) {
			insn.kind = newest < 0 || rnd(2) ? QOS_IR_IMM : QOS_IR_MOV;
			insn.src = insn.kind == QOS_IR_MOV ? old : QOS_IR_NONE;
			insn.dst = qos_ir_reg(ir);
		} else if (rnd(8) == 0) {
			insn.kind = QOS_IR_REQUEST;
			insn.dst = rnd(2) ? QOS_IR_NONE : newest;
			insn.src = old;
		} else {
			insn.kind = rnd(2) ? QOS_IR_ALU : QOS_IR_STORE;
			insn.alu = BPF_ADD;
			insn.dst = insn.kind == QOS_IR_ALU ? newest : QOS_IR_NONE;
			insn.src = old;
		}
		qos_ir_add(ir, insn);
	}
	assert_int_equal(ir->error, 0);
}

/* By simulation: each place holds the number of its value. */
struct memory {
	int reg[10];
	int slot[QOS_REGALLOC_SLOTS];
};

static int *place_in(struct memory *memory, const struct qos_place *place)
{
	int slot = (-16 - place->offset) / 8;

	if (place->reg) {
		assert_true(place->reg == 9 || (place->reg >= 2 && place->reg <= 5));
		return &memory->reg[place->reg];
	}
	assert_true(place->offset <= -16 && place->offset >= -QOS_REGALLOC_STACK);
	assert_int_equal(place->offset % 8, 0);
	return &memory->slot[slot];
}

/* Returns how many values are on the stack. */
static size_t assert_right(const struct qos_ir *ir, const struct qos_place *places)
{
	struct memory memory = {};
	size_t spilled = 0;
	bool known[REGS] = {};

	for (size_t i = 0; i < ir->n_insns; i++) {
		const struct qos_ir_insn *insn = &ir->insns[i];
		bool begins = insn->kind == QOS_IR_IMM || insn->kind == QOS_IR_MOV;

		if (insn->src >= 0)
			assert_int_equal(*place_in(&memory, &places[insn->src]), insn->src + 1);
		if (insn->dst >= 0 && !begins)
			assert_int_equal(*place_in(&memory, &places[insn->dst]), insn->dst + 1);
		for (int k = 0; insn->kind == QOS_IR_REQUEST && k < 6; k++)
			memory.reg[k] = 0;
		if (begins) {
			*place_in(&memory, &places[insn->dst]) = insn->dst + 1;
			spilled += !places[insn->dst].reg && !known[insn->dst];
			known[insn->dst] = true;
		}
	}
	return spilled;
}

static void test_random_code(void **state)
{
	size_t full = 0, spilled = 0;

	random_seed();
	for (int i = 0; i < SETS; i++) {
		struct qos_place places[REGS + 1] = {};
		struct qos_ir ir = {};
		unsigned int rule = 0;
		int r;

		random_code(&ir, 2 + rnd(140));
		r = qos_regalloc(&ir, places, &rule);
		assert_true(r == 0 || (r == -E2BIG && rule > 0));
		if (r == 0)
			spilled += assert_right(&ir, places);
		full += r != 0;
		qos_ir_reset(&ir);
	}
	assert_true(spilled > SETS && full > 0 && full < SETS);
}

/* What is copied keeps its register, and the copy costs nothing. */
static void test_copies_share_a_register(void **state)
{
	struct qos_place places[3] = {};
	struct qos_ir ir = {.n_regs = 2};
	unsigned int rule;

	qos_ir_add(&ir, (struct qos_ir_insn){.kind = QOS_IR_IMM, .dst = 0, .src = QOS_IR_NONE});
	qos_ir_add(&ir, (struct qos_ir_insn){.kind = QOS_IR_MOV, .dst = 1, .src = 0});
	qos_ir_add(&ir, (struct qos_ir_insn){.kind = QOS_IR_STORE, .dst = QOS_IR_NONE, .src = 1});
	assert_int_equal(qos_regalloc(&ir, places, &rule), 0);
	assert_int_equal(places[0].reg, places[1].reg);
	qos_ir_reset(&ir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_code),
		cmocka_unit_test(test_copies_share_a_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
