/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for the instructions that the compiler makes, by the book (RFC 9669), with the checks that
 * a verifier would make at run time: registers that were written, addresses inside their object. With
 * it programs run where no kernel is asked: as any user, under sanitizers, in a fuzzer.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "extension/emit.h"

struct bpf_machine {
	const struct qos_emit *code;
	struct qos_rules_frame *frame; /* also what a kfunc's ctx points to */
	uint64_t *state;
	uint64_t regs[11];
	uint32_t written; /* a bit a register */
	uint8_t stack[512] __attribute__((aligned(8)));
	uint8_t stack_written[512];
	size_t steps;
	const char *error;
};

/* Addresses are ours, so a bound is a comparison. */
static inline bool machine_inside(const void *at, size_t size, const void *object, size_t length)
{
	uintptr_t from = (uintptr_t)at, begin = (uintptr_t)object;

	return from >= begin && from + size <= begin + length && from % size == 0;
}

static inline void *machine_at(struct bpf_machine *machine, uint64_t base, int16_t off, size_t size,
			       bool write)
{
	uint8_t *at = (uint8_t *)(uintptr_t)(base + (uint64_t)(int64_t)off);

	if (machine_inside(at, size, machine->stack, sizeof(machine->stack))) {
		for (size_t i = 0; i < size; i++) {
			uint8_t *written =
				&machine->stack_written[at - machine->stack + (ptrdiff_t)i];

			if (!write && !*written)
				machine->error = "stack read before it was written";
			*written = 1;
		}
		return at;
	}
	if (machine_inside(at, size, machine->frame, sizeof(*machine->frame)) ||
	    machine_inside(at, size, machine->state, QOS_RULES_STATE_MAX * 8))
		return at;
	machine->error = "address outside of all objects";
	return NULL;
}

static inline enum qos_reloc_kind machine_reloc(struct bpf_machine *machine, size_t at)
{
	for (size_t i = 0; i < machine->code->n_relocs; i++)
		if (machine->code->relocs[i].at == at)
			return machine->code->relocs[i].kind;
	machine->error = "no relocation here";
	return QOS_RELOC_GUARD;
}

/* Whatever is called spoils r1 to r5. Returns whether the program goes on. */
static inline bool machine_call(struct bpf_machine *machine, size_t at)
{
	const struct bpf_insn *insn = &machine->code->insns[at];
	struct qos_rules_frame *frame = machine->frame;
	uint64_t *regs = machine->regs;
	bool goes_on = true;

	regs[0] = 0;
	if (insn->src_reg == BPF_PSEUDO_KFUNC_CALL) {
		if (machine_reloc(machine, at) != QOS_RELOC_KFUNC || regs[1] != (uintptr_t)frame)
			machine->error = "not a call of the kfunc with its event";
		frame->request[frame->n_requests++] =
			(struct qos_rules_request){1, regs[2], (int64_t)regs[3]};
	} else if (insn->imm == BPF_FUNC_map_lookup_elem) {
		regs[0] = regs[1] == QOS_RELOC_FRAME ? (uintptr_t)frame : (uintptr_t)machine->state;
	} else if (insn->imm == BPF_FUNC_tail_call && regs[2] == QOS_RELOC_GUARD) {
		goes_on = false;
	} else {
		machine->error = "a call that is not allowed";
	}
	machine->written = (machine->written & ~0x3eu) | 1;
	return goes_on;
}

static inline uint64_t machine_alu(struct bpf_machine *machine, uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return a << (b & 63);
	case BPF_RSH:
		return a >> (b & 63);
	case BPF_NEG:
		return -a;
	case BPF_XOR:
		return a ^ b;
	case BPF_MOV:
		return b;
	case BPF_ARSH:
		return (uint64_t)((int64_t)a >> (b & 63));
	}
	machine->error = "an operation that is not known";
	return 0;
}

static inline void machine_read(struct bpf_machine *machine, int reg)
{
	if (!(machine->written >> reg & 1))
		machine->error = "register read before it was written";
}

static inline void machine_memory(struct bpf_machine *machine, const struct bpf_insn *insn)
{
	bool load = BPF_CLASS(insn->code) == BPF_LDX;
	size_t size = BPF_SIZE(insn->code) == BPF_W ? 4 : 8;
	int base = load ? insn->src_reg : insn->dst_reg;
	uint64_t value = (uint64_t)(int64_t)insn->imm;
	void *at;

	machine_read(machine, base);
	at = machine_at(machine, machine->regs[base], insn->off, size, !load);
	if (!at)
		return;
	if (load) {
		machine->regs[insn->dst_reg] = 0;
		memcpy(&machine->regs[insn->dst_reg], at, size);
		machine->written |= 1U << insn->dst_reg;
		return;
	}
	if (BPF_CLASS(insn->code) == BPF_STX) {
		machine_read(machine, insn->src_reg);
		value = machine->regs[insn->src_reg];
	}
	memcpy(at, &value, size);
}

static inline void machine_compute(struct bpf_machine *machine, const struct bpf_insn *insn)
{
	uint64_t b = (uint64_t)(int64_t)insn->imm;

	if (BPF_OP(insn->code) != BPF_MOV)
		machine_read(machine, insn->dst_reg);
	if (BPF_SRC(insn->code) == BPF_X) {
		machine_read(machine, insn->src_reg);
		b = machine->regs[insn->src_reg];
	}
	machine->regs[insn->dst_reg] =
		machine_alu(machine, BPF_OP(insn->code), machine->regs[insn->dst_reg], b);
	machine->written |= 1U << insn->dst_reg;
}

static inline void machine_wide(struct bpf_machine *machine, size_t at)
{
	const struct bpf_insn *insn = &machine->code->insns[at];

	machine->regs[insn->dst_reg] =
		insn->src_reg == BPF_PSEUDO_MAP_FD
			? machine_reloc(machine, at)
			: (uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn->imm;
	machine->written |= 1U << insn->dst_reg;
}

/* NULL, or what the program did wrong. `frame` and `state` are changed as it says. */
static inline const char *machine_run(struct bpf_machine *machine, const struct qos_emit *code,
				      struct qos_rules_frame *frame, uint64_t *state)
{
	const void *ctx[1] = {frame};
	size_t at = 0;

	*machine = (struct bpf_machine){.code = code, .frame = frame, .state = state};
	machine->regs[1] = (uintptr_t)ctx;
	machine->regs[10] = (uintptr_t)(machine->stack + sizeof(machine->stack));
	machine->written = 1U << 1 | 1U << 10;
	while (!machine->error && at < code->n_insns) {
		const struct bpf_insn *insn = &code->insns[at];

		machine->steps++;
		if (insn->code == (BPF_JMP | BPF_EXIT))
			return machine->written & 1 ? NULL : "exit without a result";
		if (insn->code == (BPF_JMP | BPF_CALL)) {
			if (!machine_call(machine, at))
				return machine->error;
		} else if (insn->code == (BPF_JMP | BPF_JEQ | BPF_K)) {
			machine_read(machine, insn->dst_reg);
			if (machine->regs[insn->dst_reg] == (uint64_t)(int64_t)insn->imm)
				at += (size_t)insn->off;
		} else if (insn->code == (BPF_LD | BPF_DW | BPF_IMM)) {
			machine_wide(machine, at++);
		} else if (BPF_CLASS(insn->code) == BPF_ALU64) {
			machine_compute(machine, insn);
		} else if (machine->regs[insn->src_reg] == (uintptr_t)ctx && !insn->off &&
			   insn->code == (BPF_LDX | BPF_DW | BPF_MEM)) {
			machine->regs[insn->dst_reg] = (uintptr_t)frame; /* the first word of ctx */
			machine->written |= 1U << insn->dst_reg;
		} else {
			machine_memory(machine, insn);
		}
		at++;
	}
	return machine->error ?: "the program runs off its end";
}
