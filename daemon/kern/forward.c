/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two programs, instruction by instruction: one behind the monitor, where the event is the frame, and one
 * behind the module's tracepoint, where it is the argument. Both write the same record, and an event that
 * finds no room is told to whoever counts what was dropped.
 */
#include "kern/forward.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "qos_rules_abi.h"

#define RAW_INSN(CODE, DST, SRC, OFF, IMM)                                                         \
	((struct bpf_insn){                                                                        \
		.code = (CODE), .dst_reg = (DST), .src_reg = (SRC), .off = (OFF), .imm = (IMM)})
#define MOV(dst, src)		   RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_IMM(dst, imm)	   RAW_INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define ADD_IMM(dst, imm)	   RAW_INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define PUT32(dst, off, imm)	   RAW_INSN(BPF_ST | BPF_W | BPF_MEM, dst, 0, off, imm)
#define PUT64(dst, off, imm)	   RAW_INSN(BPF_ST | BPF_DW | BPF_MEM, dst, 0, off, imm)
#define LOAD(size, dst, src, off)  RAW_INSN(BPF_LDX | (size) | BPF_MEM, dst, src, off, 0)
#define STORE(size, dst, src, off) RAW_INSN(BPF_STX | (size) | BPF_MEM, dst, src, off, 0)
#define CALL(helper)		   RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define CALL_KFUNC(id)                                                                             \
	RAW_INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, QOS_PROG_MODULE_BTF, id)
#define UNLESS_ZERO(reg, n) RAW_INSN(BPF_JMP | BPF_JNE | BPF_K, reg, 0, n, 0)
#define IF_ZERO(reg, n)	    RAW_INSN(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, n, 0)
#define EXIT		    RAW_INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define MAP(dst, fd)                                                                               \
	RAW_INSN(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), RAW_INSN(0, 0, 0, 0, 0)
#define AT(member) offsetof(struct qos_rules_frame, member)
#define MISSED_ID  ((int)QOS_RULES_ATTRIBUTE_ID(QOS_RULES_MISSED, 0))

static size_t bytes_of(const struct qos_forward *forward)
{
	return sizeof(struct qos_rules_input) +
	       forward->n_streams * sizeof(struct qos_rules_stream);
}

/* Queue, chain, ticks and counters are the same under both placements: the guard is called behind it, with
 * nothing to ask for. r6 the context, r7 the frame. */
static int load_for_monitor(const struct qos_forward *forward, const struct qos_prog_maps *maps,
			    const struct qos_prog_type *type)
{
	const struct bpf_insn insns[] = {
		MOV(6, 1),
		PUT32(10, -4, 0),
		MAP(1, maps->frame_fd),
		MOV(2, 10),
		ADD_IMM(2, -4),
		CALL(BPF_FUNC_map_lookup_elem),
		UNLESS_ZERO(0, 2),
		MOV_IMM(0, 0),
		EXIT,
		MOV(7, 0),
		PUT32(7, AT(program), (int)forward->program),
		PUT64(7, AT(n_requests), 0),
		MAP(1, forward->ring_fd),
		MOV(2, 7),
		MOV_IMM(3, (int)bytes_of(forward)),
		MOV_IMM(4, 0),
		CALL(BPF_FUNC_ringbuf_output),
		IF_ZERO(0, 4),
		PUT64(7, AT(request[0].wanted), 1),
		PUT64(7, AT(request[0].attribute), MISSED_ID),
		PUT64(7, AT(request[0].value), 1),
		PUT64(7, AT(n_requests), 1),
		MOV(1, 6),
		MAP(2, maps->guard_fd),
		MOV_IMM(3, QOS_RULES_GUARD),
		CALL(BPF_FUNC_tail_call),
		MOV_IMM(0, 0),
		EXIT,
	};

	return qos_prog_submit(insns, QOS_ARRAY_SIZE(insns), type, NULL, 0);
}

/* The kernel lets nobody copy the event as a whole, for its end is open; so, word by word. A copy of memory
 * that any program could read would be shorter, but is forbidden under lockdown. r6 the event, r7 the
 * record. */
static int load_for_module(const struct qos_forward *forward, const struct qos_prog_maps *maps,
			   const struct qos_prog_type *type)
{
	const struct bpf_insn begin[] = {
		LOAD(BPF_DW, 6, 1, 0),
		UNLESS_ZERO(6, 2),
		MOV_IMM(0, 0),
		EXIT,
		MAP(1, forward->ring_fd),
		MOV_IMM(2, (int)bytes_of(forward)),
		MOV_IMM(3, 0),
		CALL(BPF_FUNC_ringbuf_reserve),
		UNLESS_ZERO(0, 6),
		MOV(1, 6),
		MOV_IMM(2, MISSED_ID),
		MOV_IMM(3, 1),
		CALL_KFUNC(maps->kfunc),
		MOV_IMM(0, 0),
		EXIT,
		MOV(7, 0),
		LOAD(BPF_DW, 1, 6, AT(now_ns)),
		STORE(BPF_DW, 7, 1, AT(now_ns)),
		LOAD(BPF_W, 1, 6, AT(state)),
		STORE(BPF_W, 7, 1, AT(state)),
		LOAD(BPF_W, 1, 6, AT(contract)),
		STORE(BPF_W, 7, 1, AT(contract)),
		PUT32(7, AT(program), (int)forward->program),
		LOAD(BPF_W, 1, 6, AT(index)),
		STORE(BPF_W, 7, 1, AT(index)),
	};
	const struct bpf_insn end[] = {
		MOV(1, 7), MOV_IMM(2, 0), CALL(BPF_FUNC_ringbuf_submit), MOV_IMM(0, 0), EXIT,
	};
	size_t words = forward->n_streams * QOS_RULES_WORDS, n = QOS_ARRAY_SIZE(begin);
	_cleanup_free_ struct bpf_insn *insns =
		calloc(n + 2 * words + QOS_ARRAY_SIZE(end), sizeof(*insns));

	if (!insns)
		return -ENOMEM;
	memcpy(insns, begin, sizeof(begin));
	for (size_t i = 0; i < words; i++) {
		int16_t at = (int16_t)(AT(stream) + i * sizeof(int64_t));

		insns[n++] = LOAD(BPF_DW, 1, 6, at);
		insns[n++] = STORE(BPF_DW, 7, 1, at);
	}
	memcpy(&insns[n], end, sizeof(end));
	return qos_prog_submit(insns, n + QOS_ARRAY_SIZE(end), type, NULL, 0);
}

int qos_forward_load(const struct qos_forward *forward, const struct qos_prog_maps *maps,
		     const struct qos_prog_type *type)
{
	return maps->kfunc ? load_for_module(forward, maps, type)
			   : load_for_monitor(forward, maps, type);
}
