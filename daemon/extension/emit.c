/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emission. The first failure sticks and everything after it is harmless, so there is one check at
 * the end. Only instructions of BPF's first versions are used (no cpu v2 jumps, no 32-bit ALU, no
 * signed division): every kernel that has the helpers takes them.
 */
#include "extension/emit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/cleanup.h"

/* The registers of regalloc.h. */
enum { TMP0 = 0, TMP1 = 1, CTX = 6, INPUT = 7, STATE = 8, FP = 10 };

#define KEY (-4) /* from the frame pointer: a map key of 32 bits */

void qos_emit_reset(struct qos_emit *emit)
{
	free(emit->insns);
	*emit = (struct qos_emit){};
}

static void put(struct qos_emit *emit, struct bpf_insn insn)
{
	size_t n = emit->n_insns;

	if (emit->error)
		return;
	if ((n & (n - 1)) == 0) {
		struct bpf_insn *insns = realloc(emit->insns, (n ? n * 2 : 1) * sizeof(*insns));

		if (!insns) {
			emit->error = -ENOMEM;
			return;
		}
		emit->insns = insns;
	}
	emit->insns[emit->n_insns++] = insn;
}

#define INSN(code_, dst_, src_, off_, imm_)                                                        \
	((struct bpf_insn){.code = (code_),                                                        \
			   .dst_reg = (dst_),                                                      \
			   .src_reg = (src_),                                                      \
			   .off = (int16_t)(off_),                                                 \
			   .imm = (int32_t)(imm_)})

static void mov(struct qos_emit *emit, int dst, int src)
{
	if (dst != src)
		put(emit, INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0));
}

static void mov_imm(struct qos_emit *emit, int dst, int64_t imm)
{
	if (imm == (int32_t)imm) {
		put(emit, INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm));
		return;
	}
	put(emit, INSN(QOS_EMIT_WIDE, dst, 0, 0, (uint32_t)imm));
	put(emit, INSN(0, 0, 0, 0, imm >> 32));
}

static void load(struct qos_emit *emit, int size, int dst, int base, int64_t off)
{
	put(emit, INSN(BPF_LDX | size | BPF_MEM, dst, base, off, 0));
}

static void store(struct qos_emit *emit, int size, int base, int64_t off, int src)
{
	put(emit, INSN(BPF_STX | size | BPF_MEM, base, src, off, 0));
}

static void store_imm(struct qos_emit *emit, int size, int base, int64_t off, int64_t imm)
{
	put(emit, INSN(BPF_ST | size | BPF_MEM, base, 0, off, imm));
}

static void call(struct qos_emit *emit, int kind, int32_t id)
{
	put(emit, INSN(BPF_JMP | BPF_CALL, 0, kind, 0, id));
}

static void reloc(struct qos_emit *emit, enum qos_reloc_kind kind)
{
	if (emit->n_relocs < QOS_EMIT_RELOCS_MAX)
		emit->relocs[emit->n_relocs++] = (struct qos_reloc){kind, emit->n_insns};
}

static void load_map(struct qos_emit *emit, int dst, enum qos_reloc_kind kind)
{
	reloc(emit, kind);
	put(emit, INSN(QOS_EMIT_WIDE, dst, BPF_PSEUDO_MAP_FD, 0, 0));
	put(emit, INSN(0, 0, 0, 0, 0));
}

/* A jump to the end: its offset is -1 until the end is there. */
static void leave_if_null(struct qos_emit *emit, int reg)
{
	put(emit, INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, -1, 0));
}

/* dst = map[key on the stack], or the program ends. */
static void look_up(struct qos_emit *emit, int dst, enum qos_reloc_kind kind)
{
	load_map(emit, 1, kind);
	mov(emit, 2, FP);
	put(emit, INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, KEY));
	call(emit, 0, BPF_FUNC_map_lookup_elem);
	leave_if_null(emit, 0);
	mov(emit, dst, 0);
}

static void prologue(struct qos_emit *emit, enum qos_rules_target target, bool has_state)
{
	switch (target) {
	case QOS_RULES_FRAME:
	case QOS_RULES_TEST:
		mov(emit, CTX, 1);
		store_imm(emit, BPF_W, FP, KEY, 0);
		look_up(emit, INPUT, QOS_RELOC_FRAME);
		break;
	case QOS_RULES_KFUNC:
		load(emit, BPF_DW, CTX, 1, 0);
		leave_if_null(emit, CTX);
		mov(emit, INPUT, CTX);
		break;
	}
	if (!has_state)
		return;
	load(emit, BPF_W, 1, INPUT, offsetof(struct qos_rules_frame, state));
	store(emit, BPF_W, FP, KEY, 1);
	look_up(emit, STATE, QOS_RELOC_STATE);
}

static void epilogue(struct qos_emit *emit, enum qos_rules_target target, size_t n_requests)
{
	if (target != QOS_RULES_KFUNC)
		store_imm(emit, BPF_DW, INPUT, offsetof(struct qos_rules_frame, n_requests),
			  (int64_t)n_requests);
	if (target == QOS_RULES_FRAME) {
		mov(emit, 1, CTX);
		load_map(emit, 2, QOS_RELOC_GUARD);
		mov_imm(emit, 3, QOS_RULES_GUARD);
		call(emit, 0, BPF_FUNC_tail_call);
	}
	for (size_t i = 0; !emit->error && i < emit->n_insns; i++) {
		struct bpf_insn *insn = &emit->insns[i];

		if (insn->code == (BPF_JMP | BPF_JEQ | BPF_K) && insn->off == -1)
			insn->off = (int16_t)(emit->n_insns - i - 1);
	}
	mov_imm(emit, 0, 0);
	put(emit, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/* What is being translated. */
struct emission {
	struct qos_emit *emit;
	const struct qos_place *places;
	enum qos_rules_target target;
};

/* The register with the value; one from the stack is loaded into `tmp`. */
static int fetch(struct emission *in, int virtual, int tmp)
{
	const struct qos_place *place = &in->places[virtual];

	if (place->reg)
		return place->reg;
	load(in->emit, BPF_DW, tmp, FP, place->offset);
	return tmp;
}

/* Where a result is made, and how it gets to its place. */
static int target_of(const struct emission *in, int virtual)
{
	return in->places[virtual].reg ?: TMP0;
}

static void settle(struct emission *in, int virtual)
{
	const struct qos_place *place = &in->places[virtual];

	if (!place->reg)
		store(in->emit, BPF_DW, FP, place->offset, TMP0);
}

static void emit_mov(struct emission *in, const struct qos_ir_insn *insn)
{
	mov(in->emit, target_of(in, insn->dst), fetch(in, insn->src, TMP0));
	settle(in, insn->dst);
}

static void emit_alu(struct emission *in, const struct qos_ir_insn *insn)
{
	int dst = fetch(in, insn->dst, TMP0);

	if (insn->kind == QOS_IR_ALU_IMM)
		put(in->emit, INSN(BPF_ALU64 | insn->alu | BPF_K, dst, 0, 0, insn->imm));
	else
		put(in->emit,
		    INSN(BPF_ALU64 | insn->alu | BPF_X, dst, fetch(in, insn->src, TMP1), 0, 0));
	settle(in, insn->dst);
}

static void request_frame(struct emission *in, const struct qos_ir_insn *insn)
{
	int64_t at = (int64_t)offsetof(struct qos_rules_frame, request) +
		     insn->imm * (int64_t)sizeof(struct qos_rules_request);

	if (insn->dst >= 0)
		store(in->emit, BPF_DW, INPUT, at, fetch(in, insn->dst, TMP0));
	else
		store_imm(in->emit, BPF_DW, INPUT, at, 1);
	store_imm(in->emit, BPF_DW, INPUT, at + 8, insn->attribute);
	store(in->emit, BPF_DW, INPUT, at + 16, fetch(in, insn->src, TMP0));
}

/* The value moves first: it may lie in r2. */
static void request_kfunc(struct emission *in, const struct qos_ir_insn *insn)
{
	size_t jump = in->emit->n_insns;

	if (insn->dst >= 0) {
		int wanted = fetch(in, insn->dst, TMP0);

		jump = in->emit->n_insns;
		put(in->emit, INSN(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 0, 0));
	}
	mov(in->emit, 3, fetch(in, insn->src, TMP0));
	mov_imm(in->emit, 2, insn->attribute);
	mov(in->emit, 1, CTX);
	reloc(in->emit, QOS_RELOC_KFUNC);
	call(in->emit, BPF_PSEUDO_KFUNC_CALL, 0);
	if (insn->dst >= 0 && !in->emit->error)
		in->emit->insns[jump].off = (int16_t)(in->emit->n_insns - jump - 1);
}

static void emit_insn(struct emission *in, const struct qos_ir_insn *insn)
{
	static const int bases[] = {[QOS_IR_INPUT] = INPUT, [QOS_IR_STATE] = STATE};

	switch (insn->kind) {
	case QOS_IR_IMM:
		mov_imm(in->emit, target_of(in, insn->dst), insn->imm);
		settle(in, insn->dst);
		return;
	case QOS_IR_MOV:
		emit_mov(in, insn);
		return;
	case QOS_IR_ALU:
	case QOS_IR_ALU_IMM:
		emit_alu(in, insn);
		return;
	case QOS_IR_LOAD:
		load(in->emit, BPF_DW, target_of(in, insn->dst), bases[insn->base], insn->imm);
		settle(in, insn->dst);
		return;
	case QOS_IR_STORE:
		store(in->emit, BPF_DW, bases[insn->base], insn->imm, fetch(in, insn->src, TMP0));
		return;
	case QOS_IR_REQUEST:
		if (in->target == QOS_RULES_KFUNC)
			request_kfunc(in, insn);
		else
			request_frame(in, insn);
		return;
	case QOS_IR_NOTE:
		return;
	}
}

/* The longest path. All jumps go forward, so one pass from the end finds it. */
static void measure(struct qos_emit *emit)
{
	_cleanup_free_ size_t *left = calloc(emit->n_insns + 1, sizeof(*left));

	if (!left)
		emit->error = emit->error ?: -ENOMEM;
	for (size_t i = emit->n_insns; !emit->error && i-- > 0;) {
		const struct bpf_insn *insn = &emit->insns[i];
		size_t next = i + 1;

		if (insn->code == QOS_EMIT_WIDE)
			next = i + 2;
		if (insn->code != (BPF_JMP | BPF_EXIT))
			left[i] = left[next];
		if (insn->code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    left[i + 1 + (size_t)insn->off] > left[i])
			left[i] = left[i + 1 + (size_t)insn->off];
		left[i]++;
	}
	if (!emit->error)
		emit->worst = left[0];
}

void qos_emit_program(struct qos_emit *emit, const struct qos_ir *ir,
		      const struct qos_place *places, enum qos_rules_target target, size_t n_state,
		      size_t n_requests)
{
	struct emission in = {.emit = emit, .places = places, .target = target};

	prologue(emit, target, n_state > 0);
	for (size_t i = 0; i < ir->n_insns; i++) {
		emit_insn(&in, &ir->insns[i]);
		if (emit->n_insns <= QOS_RULES_INSNS_MAX)
			emit->rule = ir->insns[i].rule;
	}
	epilogue(emit, target, n_requests);
	measure(emit);
}
