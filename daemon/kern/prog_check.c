/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of what an extension may do. All jumps go forward, so one pass in order sees every path:
 * what is known at an instruction is the union over those that lead to it.
 *
 * Known is which registers may hold the context. Through it the kernel would let a program read its
 * own structures; so it may be copied to other registers and handed to a helper, and nothing else: no
 * load, no store, no arithmetic, no comparison, no spilling. Under the module its first word may be
 * loaded, which is the event: numbers only, and what the kfunc takes. All other pointers come from the
 * three maps, where the verifier keeps them in bounds.
 *
 * What the verifier has to walk is bounded too, since whoever loads waits for it: a program of 500 instructions can
 * have it walk a million, for seconds. Rules are compiled to one path, with ways to the end and, under the module,
 * around each request. Weakness: the latter are not counted as two paths, which they are if somebody means ill.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern/prog.h"
#include "qos_rules_abi.h"
#include "util/cleanup.h"

#define REGS	   11
#define SCRATCHED  0x3f /* r0 to r5, after a call */
#define AROUND_MAX 8	/* instructions that a request under a condition has */
#define WALK_MAX   ((size_t)4 * QOS_RULES_INSNS_MAX)

struct scan {
	const struct bpf_insn *insns;
	size_t n;
	const struct qos_prog_maps *maps;
	uint16_t *context; /* a bit a register, at each instruction; bit 15: it can be reached */
	const char *why;
};

#define REACHED (1 << 15)

static bool refuse(struct scan *scan, const char *why)
{
	scan->why = why;
	return false;
}

static bool is_context(const struct scan *scan, size_t at, unsigned int reg)
{
	return scan->context[at] >> reg & 1;
}

static bool flow(struct scan *scan, size_t to, uint16_t context)
{
	if (to >= scan->n)
		return refuse(scan, "it runs beyond the end");
	scan->context[to] |= context | REACHED;
	return true;
}

static bool is_ours(const struct scan *scan, int fd)
{
	return fd >= 0 && (fd == scan->maps->frame_fd || fd == scan->maps->state_fd ||
			   fd == scan->maps->guard_fd);
}

static bool check_const(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];

	if (insn->code != (BPF_LD | BPF_DW | BPF_IMM) || at + 1 >= scan->n || insn[1].code ||
	    insn[1].dst_reg || insn[1].src_reg || insn->off || insn[1].off)
		return refuse(scan, "not a load that an extension may use");
	if (insn->src_reg && insn->src_reg != BPF_PSEUDO_MAP_FD)
		return refuse(scan, "a pointer that is not a map");
	if (insn->src_reg && (!is_ours(scan, insn->imm) || insn[1].imm))
		return refuse(scan, "a map that is not the extension's");
	return flow(scan, at + 2, context & ~(1 << insn->dst_reg));
}

static bool check_load(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];

	if (BPF_MODE(insn->code) != BPF_MEM)
		return refuse(scan, "not a plain load");
	if (is_context(scan, at, insn->src_reg) &&
	    !(scan->maps->kfunc && BPF_SIZE(insn->code) == BPF_DW && !insn->off))
		return refuse(scan, "a load from the context");
	return flow(scan, at + 1, context & ~(1 << insn->dst_reg));
}

static bool check_store(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];

	if (BPF_MODE(insn->code) != BPF_MEM)
		return refuse(scan, "not a plain store");
	if (is_context(scan, at, insn->dst_reg))
		return refuse(scan, "a store to the context");
	if (BPF_CLASS(insn->code) == BPF_STX && is_context(scan, at, insn->src_reg))
		return refuse(scan, "the context is stored");
	return flow(scan, at + 1, context);
}

static bool check_alu(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];
	bool moves = BPF_OP(insn->code) == BPF_MOV;
	bool from = BPF_SRC(insn->code) == BPF_X && is_context(scan, at, insn->src_reg);

	if (BPF_OP(insn->code) > BPF_ARSH || insn->off)
		return refuse(scan, "not an operation that an extension may use");
	if ((from && (!moves || BPF_CLASS(insn->code) != BPF_ALU64)) ||
	    (!moves && is_context(scan, at, insn->dst_reg)))
		return refuse(scan, "arithmetic on the context");
	context &= ~(1 << insn->dst_reg);
	return flow(scan, at + 1, context | (from ? 1 << insn->dst_reg : 0));
}

static bool is_kfunc(const struct bpf_insn *insn, const struct qos_prog_maps *maps)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_KFUNC_CALL &&
	       !insn->dst_reg && maps->kfunc && insn->imm == maps->kfunc &&
	       insn->off == QOS_PROG_MODULE_BTF;
}

static bool check_call(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];

	if (is_kfunc(insn, scan->maps))
		return flow(scan, at + 1, context & ~SCRATCHED);
	if (insn->src_reg)
		return refuse(scan, "a call of something else than a helper");
	if (insn->code != (BPF_JMP | BPF_CALL) || insn->dst_reg || insn->off ||
	    (insn->imm != BPF_FUNC_map_lookup_elem && insn->imm != BPF_FUNC_tail_call))
		return refuse(scan, "a helper that is not the extension's");
	return flow(scan, at + 1, context & ~SCRATCHED);
}

static bool check_jump(struct scan *scan, size_t at, uint16_t context)
{
	const struct bpf_insn *insn = &scan->insns[at];
	unsigned int op = BPF_OP(insn->code);

	if (op == BPF_CALL)
		return check_call(scan, at, context);
	if (op == BPF_EXIT)
		return insn->code == (BPF_JMP | BPF_EXIT) || refuse(scan, "not an exit");
	if (op > BPF_JSLE || insn->off < 0 || (op == BPF_JA && insn->code != (BPF_JMP | BPF_JA)))
		return refuse(scan, "not a jump forward");
	if (op == BPF_JA)
		return flow(scan, at + 1 + (size_t)insn->off, context);
	if (is_context(scan, at, insn->dst_reg) ||
	    (BPF_SRC(insn->code) == BPF_X && is_context(scan, at, insn->src_reg)))
		return refuse(scan, "a comparison of the context");
	return flow(scan, at + 1, context) && flow(scan, at + 1 + (size_t)insn->off, context);
}

static bool (*const checks[8])(struct scan *scan, size_t at, uint16_t context) = {
	[BPF_LD] = check_const,	 [BPF_LDX] = check_load,   [BPF_ST] = check_store,
	[BPF_STX] = check_store, [BPF_ALU] = check_alu,	   [BPF_ALU64] = check_alu,
	[BPF_JMP] = check_jump,	 [BPF_JMP32] = check_jump,
};

/* Around a request, as the compiler has it: whoever waits for it comes to the same place in the same state. */
static bool is_around_kfunc(const struct scan *scan, size_t at)
{
	size_t to = at + 1 + (size_t)scan->insns[at].off;

	return scan->insns[at].code == (BPF_JMP | BPF_JEQ | BPF_K) && to > at + 1 &&
	       to - at <= AROUND_MAX && is_kfunc(&scan->insns[to - 1], scan->maps);
}

/* Instructions on all paths together; beyond WALK_MAX it may be any such number. All jumps lead forward and to an
 * instruction. */
static size_t walk_length(const struct scan *scan, size_t *paths)
{
	size_t sum = 0;

	paths[0] = 1;
	for (size_t i = 0; i < scan->n && sum <= WALK_MAX; i++) {
		const struct bpf_insn *insn = &scan->insns[i];
		bool jumps = BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;
		unsigned int op = jumps ? BPF_OP(insn->code) : BPF_CALL;

		sum += paths[i];
		if (op == BPF_EXIT)
			continue;
		if (op != BPF_JA)
			paths[i + 1] += paths[i];
		if (op != BPF_CALL && !is_around_kfunc(scan, i))
			paths[i + 1 + (size_t)insn->off] += paths[i];
	}
	return sum;
}

static int check_walk(const struct scan *scan, struct qos_diag *diag)
{
	_cleanup_free_ size_t *paths = calloc(scan->n + 1, sizeof(*paths));

	if (!paths)
		return -ENOMEM;
	if (walk_length(scan, paths) <= WALK_MAX)
		return 0;
	qos_diag_error(diag, NULL, "a program whose paths have more than %zu instructions together",
		       WALK_MAX);
	return -EACCES;
}

/* The instruction that is not on the list, or n. */
static size_t scan_all(struct scan *scan)
{
	scan->context[0] = 1 << BPF_REG_1 | REACHED;
	for (size_t i = 0; i < scan->n; i++) {
		const struct bpf_insn *insn = &scan->insns[i];
		bool is_second = i && insn[-1].code == (BPF_LD | BPF_DW | BPF_IMM);

		if (is_second && scan->context[i] && (scan->why = "a jump into an instruction"))
			return i;
		if (is_second)
			continue;
		if (insn->dst_reg >= REGS || insn->src_reg >= REGS) {
			scan->why = "no such register";
			return i;
		}
		/* What no path reaches is checked all the same; the verifier refuses it anyway. */
		if (!checks[BPF_CLASS(insn->code)](scan, i, scan->context[i] & ~REACHED))
			return i;
	}
	return scan->n;
}

int qos_prog_check(const struct bpf_insn *insns, size_t n_insns, const struct qos_prog_maps *maps,
		   struct qos_diag *diag)
{
	_cleanup_free_ uint16_t *context = calloc(n_insns + 1, sizeof(*context));
	struct scan scan = {.insns = insns, .n = n_insns, .maps = maps, .context = context};
	size_t at;

	if (!context)
		return -ENOMEM;
	if (!n_insns || n_insns > QOS_RULES_INSNS_MAX) {
		qos_diag_error(diag, NULL, "a program of %zu instructions; 1 to %d are possible",
			       n_insns, QOS_RULES_INSNS_MAX);
		return -EACCES;
	}
	at = scan_all(&scan);
	if (at == n_insns)
		return check_walk(&scan, diag);
	qos_diag_error(diag, NULL, "instruction %zu is not one that an extension may have: %s", at,
		       scan.why);
	return -EACCES;
}
