/* SPDX-License-Identifier: GPL-2.0-only */
/* Instructions as text, in the verifier's notation, so that its log can be read beside it. Knows just
 * what emit.c makes. */
#include "extension/emit.h"

static const char *size_name(uint8_t code)
{
	return BPF_SIZE(code) == BPF_W ? "u32" : "u64";
}

static const char *reloc_name(const struct qos_emit *emit, size_t at)
{
	static const char *const names[] = {"map frame", "map state", "map guard", "qos_dwcs_set"};

	for (size_t i = 0; i < emit->n_relocs; i++)
		if (emit->relocs[i].at == at)
			return names[emit->relocs[i].kind];
	return NULL;
}

static void print_alu(const struct bpf_insn *insn, struct qos_buf *out)
{
	const char *name = qos_ir_alu_name(BPF_OP(insn->code));

	if (BPF_OP(insn->code) == BPF_NEG)
		qos_buf_add(out, "r%d = -r%d", insn->dst_reg, insn->dst_reg);
	else if (BPF_SRC(insn->code) == BPF_X)
		qos_buf_add(out, "r%d %s r%d", insn->dst_reg, name, insn->src_reg);
	else
		qos_buf_add(out, "r%d %s %d", insn->dst_reg, name, insn->imm);
}

static void print_jump(const struct qos_emit *emit, size_t at, struct qos_buf *out)
{
	const struct bpf_insn *insn = &emit->insns[at];
	const char *name = reloc_name(emit, at);

	if (BPF_OP(insn->code) == BPF_EXIT)
		qos_buf_add(out, "exit");
	else if (BPF_OP(insn->code) == BPF_JEQ)
		qos_buf_add(out, "if r%d == %d goto %zu", insn->dst_reg, insn->imm,
			    at + 1 + (size_t)insn->off);
	else if (name)
		qos_buf_add(out, "call %s", name);
	else
		qos_buf_add(out, "call %s",
			    insn->imm == BPF_FUNC_tail_call ? "tail_call" : "map_lookup_elem");
}

static void print_insn(const struct qos_emit *emit, size_t at, struct qos_buf *out)
{
	const struct bpf_insn *insn = &emit->insns[at];
	const char *name = reloc_name(emit, at);

	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		if (name)
			qos_buf_add(out, "r%d = %s", insn->dst_reg, name);
		else
			qos_buf_add(out, "r%d = %lld ll", insn->dst_reg,
				    (long long)((uint64_t)(uint32_t)insn[1].imm << 32 |
						(uint32_t)insn->imm));
		break;
	case BPF_LDX:
		qos_buf_add(out, "r%d = *(%s *)(r%d %+d)", insn->dst_reg, size_name(insn->code),
			    insn->src_reg, insn->off);
		break;
	case BPF_STX:
		qos_buf_add(out, "*(%s *)(r%d %+d) = r%d", size_name(insn->code), insn->dst_reg,
			    insn->off, insn->src_reg);
		break;
	case BPF_ST:
		qos_buf_add(out, "*(%s *)(r%d %+d) = %d", size_name(insn->code), insn->dst_reg,
			    insn->off, insn->imm);
		break;
	case BPF_JMP:
		print_jump(emit, at, out);
		break;
	default:
		print_alu(insn, out);
	}
}

void qos_emit_print(const struct qos_emit *emit, struct qos_buf *out)
{
	for (size_t i = 0; i < emit->n_insns; i++) {
		qos_buf_add(out, "  %4zu: ", i);
		print_insn(emit, i, out);
		qos_buf_add(out, "\n");
		if (emit->insns[i].code == QOS_EMIT_WIDE)
			i++;
	}
}
