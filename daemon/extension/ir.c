/* SPDX-License-Identifier: GPL-2.0-only */
/* Building, sweeping and printing the intermediate code. */
#include "extension/ir.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "qos_rules_abi.h"
#include "util/cleanup.h"

void qos_ir_reset(struct qos_ir *ir)
{
	for (size_t i = 0; i < ir->n_insns; i++)
		free(ir->insns[i].note);
	free(ir->insns);
	*ir = (struct qos_ir){};
}

int qos_ir_reg(struct qos_ir *ir)
{
	return ir->n_regs++;
}

/* The array doubles at each power of two, so it needs no size field. */
void qos_ir_add(struct qos_ir *ir, struct qos_ir_insn insn)
{
	size_t n = ir->n_insns;

	if (!ir->error && n == QOS_IR_MAX)
		ir->error = -E2BIG;
	if (!ir->error && (n & (n - 1)) == 0) {
		struct qos_ir_insn *insns = realloc(ir->insns, (n ? n * 2 : 1) * sizeof(*insns));

		if (insns)
			ir->insns = insns;
		else
			ir->error = -ENOMEM;
	}
	if (ir->error) {
		free(insn.note);
		return;
	}
	insn.rule = ir->rule;
	ir->insns[ir->n_insns++] = insn;
}

void qos_ir_note(struct qos_ir *ir, const char *format, ...)
{
	struct qos_ir_insn insn = {.kind = QOS_IR_NOTE, .dst = QOS_IR_NONE, .src = QOS_IR_NONE};
	va_list args;

	va_start(args, format);
	if (vasprintf(&insn.note, format, args) < 0)
		insn.note = NULL;
	va_end(args);
	if (!insn.note)
		ir->error = ir->error ?: -ENOMEM;
	else
		qos_ir_add(ir, insn);
}

/* Does it only compute its destination? */
static bool is_pure(const struct qos_ir_insn *insn)
{
	switch (insn->kind) {
	case QOS_IR_IMM:
	case QOS_IR_MOV:
	case QOS_IR_ALU:
	case QOS_IR_ALU_IMM:
	case QOS_IR_LOAD:
		return true;
	case QOS_IR_STORE:
	case QOS_IR_REQUEST:
	case QOS_IR_NOTE:
		return false;
	}
	return false;
}

/* Does its destination begin anew here? */
static bool defines(const struct qos_ir_insn *insn)
{
	return insn->kind == QOS_IR_IMM || insn->kind == QOS_IR_MOV || insn->kind == QOS_IR_LOAD;
}

int qos_ir_sweep(struct qos_ir *ir)
{
	_cleanup_free_ bool *used = calloc((size_t)ir->n_regs + 1, sizeof(*used));
	size_t n = ir->n_insns;

	if (!used)
		return -ENOMEM;
	for (size_t i = ir->n_insns; i-- > 0;) {
		struct qos_ir_insn *insn = &ir->insns[i];

		if (is_pure(insn) && !used[insn->dst]) {
			free(insn->note);
			insn->note = NULL;
			continue;
		}
		if (insn->dst >= 0)
			used[insn->dst] = !defines(insn);
		if (insn->src >= 0)
			used[insn->src] = true;
		ir->insns[--n] = *insn;
		if (n != i)
			insn->note = NULL;
	}
	for (size_t i = n; i < ir->n_insns; i++)
		ir->insns[i - n] = ir->insns[i];
	ir->n_insns -= n;
	return 0;
}

const char *qos_ir_alu_name(uint8_t alu)
{
	static const char *const names[] = {
		[BPF_ADD >> 4] = "+=",	[BPF_SUB >> 4] = "-=",	[BPF_MUL >> 4] = "*=",
		[BPF_DIV >> 4] = "/=",	[BPF_OR >> 4] = "|=",	[BPF_AND >> 4] = "&=",
		[BPF_LSH >> 4] = "<<=", [BPF_RSH >> 4] = ">>=", [BPF_NEG >> 4] = "= -",
		[BPF_XOR >> 4] = "^=",	[BPF_MOV >> 4] = "=",	[BPF_ARSH >> 4] = "s>>=",
	};

	return alu >> 4 < (int)QOS_ARRAY_SIZE(names) && names[alu >> 4] ? names[alu >> 4] : "?";
}

static void print_insn(const struct qos_ir_insn *insn, struct qos_buf *out)
{
	static const char *const bases[] = {"input", "state"};
	long long imm = insn->imm;

	switch (insn->kind) {
	case QOS_IR_IMM:
		qos_buf_add(out, "v%d = %lld", insn->dst, imm);
		return;
	case QOS_IR_MOV:
		qos_buf_add(out, "v%d = v%d", insn->dst, insn->src);
		return;
	case QOS_IR_ALU:
		qos_buf_add(out, "v%d %s v%d", insn->dst, qos_ir_alu_name(insn->alu), insn->src);
		return;
	case QOS_IR_ALU_IMM:
		if (insn->alu == BPF_NEG)
			qos_buf_add(out, "v%d = -v%d", insn->dst, insn->dst);
		else
			qos_buf_add(out, "v%d %s %lld", insn->dst, qos_ir_alu_name(insn->alu), imm);
		return;
	case QOS_IR_LOAD:
		qos_buf_add(out, "v%d = %s[%lld]", insn->dst, bases[insn->base], imm);
		return;
	case QOS_IR_STORE:
		qos_buf_add(out, "%s[%lld] = v%d", bases[insn->base], imm, insn->src);
		return;
	case QOS_IR_REQUEST:
		if (insn->dst >= 0)
			qos_buf_add(out, "if v%d: ", insn->dst);
		qos_buf_add(out, "request %lld: attribute 0x%x = v%d", imm, insn->attribute,
			    insn->src);
		return;
	case QOS_IR_NOTE:
		return;
	}
}

static bool loads_word(const struct qos_ir_insn *insn, size_t *ret_stream, size_t *ret_word)
{
	const int64_t first = offsetof(struct qos_rules_frame, stream);
	size_t at = (size_t)(insn->imm - first) / sizeof(int64_t);

	if (insn->kind != QOS_IR_LOAD || insn->base != QOS_IR_INPUT || insn->imm < first)
		return false;
	*ret_stream = at / QOS_RULES_WORDS;
	*ret_word = at % QOS_RULES_WORDS;
	return true;
}

uint64_t qos_ir_reads(const struct qos_ir *ir)
{
	uint64_t reads = 0;
	size_t stream, word;

	for (size_t i = 0; i < ir->n_insns; i++) {
		if (loads_word(&ir->insns[i], &stream, &word) && word != QOS_RULES_ATTRIBUTE)
			reads |= 1ULL << stream;
	}
	return reads;
}

uint64_t qos_ir_reads_word(const struct qos_ir *ir, size_t word)
{
	uint64_t reads = 0;
	size_t stream, loaded;

	for (size_t i = 0; i < ir->n_insns; i++) {
		if (loads_word(&ir->insns[i], &stream, &loaded) && loaded == word)
			reads |= 1ULL << stream;
	}
	return reads;
}

void qos_ir_print(const struct qos_ir *ir, struct qos_buf *out)
{
	for (size_t i = 0; i < ir->n_insns; i++) {
		const struct qos_ir_insn *insn = &ir->insns[i];

		qos_buf_add(out, "    ");
		print_insn(insn, out);
		if (insn->note)
			qos_buf_add(out, "%s; %s", insn->kind == QOS_IR_NOTE ? "" : "\t",
				    insn->note);
		qos_buf_add(out, "\n");
	}
}
