/* SPDX-License-Identifier: GPL-2.0-only */
/* Extensions by hand, in place of compiled ones: a few instructions with names, and a contract whose
 * threads are workers. */
#pragma once

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "kern/chain.h"
#include "kern/chain_parts.h"
#include "monitor_live.h"

static struct qos_monitor *monitor;
static struct qos_chain *chain;

static inline int load_chain(void **state)
{
	int r = load_monitor(state);

	monitor = *state;
	return r ? r : qos_chain_new(monitor, NULL, NULL, &chain);
}

static inline int unload_chain(void **state)
{
	qos_chain_free(chain);
	return unload_monitor(state);
}

/* --- programs --- */

#define PROGRAM_MAX    400
#define RUNTIME(index) QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, index)

/* r6 the context, r7 the frame, r8 the state. */
struct program {
	struct bpf_insn insns[PROGRAM_MAX];
	size_t n;
	struct qos_reloc relocs[4];
	size_t n_relocs;
};

static inline void put(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		       int32_t imm)
{
	assert_true(p->n < PROGRAM_MAX);
	p->insns[p->n++] = (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}

static inline void put_mov(struct program *p, uint8_t dst, uint8_t src)
{
	put(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static inline void put_imm(struct program *p, uint8_t dst, int32_t imm)
{
	put(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm);
}

static inline void put_imm64(struct program *p, uint8_t dst, int64_t imm)
{
	put(p, BPF_LD | BPF_DW | BPF_IMM, dst, 0, 0, (int32_t)imm);
	put(p, 0, 0, 0, 0, (int32_t)(imm >> 32));
}

static inline void put_map(struct program *p, uint8_t dst, enum qos_reloc_kind map)
{
	p->relocs[p->n_relocs++] = (struct qos_reloc){map, p->n};
	put(p, BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, 0);
	put(p, 0, 0, 0, 0, 0);
}

static inline void put_exit(struct program *p)
{
	put_imm(p, 0, 0);
	put(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The key is on the stack; ends if there is no element. */
static inline void put_look_up(struct program *p, uint8_t dst, enum qos_reloc_kind map)
{
	put_map(p, 1, map);
	put_mov(p, 2, 10);
	put(p, BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	put(p, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	put(p, BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, 0);
	put_exit(p);
	put_mov(p, dst, 0);
}

static inline void put_begin(struct program *p)
{
	put_mov(p, 6, 1);
	put(p, BPF_ST | BPF_W | BPF_MEM, 10, 0, -4, 0);
	put_look_up(p, 7, QOS_RELOC_FRAME);
}

static inline void put_state(struct program *p)
{
	put(p, BPF_LDX | BPF_W | BPF_MEM, 1, 7, offsetof(struct qos_rules_frame, state), 0);
	put(p, BPF_STX | BPF_W | BPF_MEM, 10, 1, -4, 0);
	put_look_up(p, 8, QOS_RELOC_STATE);
}

/* state[word] += 1 */
static inline void put_count(struct program *p, int word)
{
	put(p, BPF_LDX | BPF_DW | BPF_MEM, 1, 8, (int16_t)(word * 8), 0);
	put(p, BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1);
	put(p, BPF_STX | BPF_DW | BPF_MEM, 8, 1, (int16_t)(word * 8), 0);
}

/* state[word] = the event's word */
static inline void put_keep(struct program *p, int word, enum qos_rules_word of)
{
	put(p, BPF_LDX | BPF_DW | BPF_MEM, 1, 7,
	    (int16_t)(offsetof(struct qos_rules_frame, stream) + of * 8), 0);
	put(p, BPF_STX | BPF_DW | BPF_MEM, 8, 1, (int16_t)(word * 8), 0);
}

/* Request i asks for what stands in r3. */
static inline void put_request_r3(struct program *p, int i, uint32_t attribute)
{
	int16_t at = (int16_t)(offsetof(struct qos_rules_frame, request) +
			       (size_t)i * sizeof(struct qos_rules_request));

	put(p, BPF_ST | BPF_DW | BPF_MEM, 7, 0, at, 1);
	put(p, BPF_ST | BPF_DW | BPF_MEM, 7, 0, (int16_t)(at + 8), (int32_t)attribute);
	put(p, BPF_STX | BPF_DW | BPF_MEM, 7, 3, (int16_t)(at + 16), 0);
}

static inline void put_request(struct program *p, int i, uint32_t attribute, int64_t value)
{
	put_imm64(p, 3, value);
	put_request_r3(p, i, attribute);
}

static inline void put_end(struct program *p, int n_requests)
{
	put(p, BPF_ST | BPF_DW | BPF_MEM, 7, 0, offsetof(struct qos_rules_frame, n_requests),
	    n_requests);
	put_mov(p, 1, 6);
	put_map(p, 2, QOS_RELOC_GUARD);
	put_imm(p, 3, QOS_RULES_GUARD);
	put(p, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call);
	put_exit(p);
}

static inline struct qos_prog_code program_code(const struct program *p)
{
	return (struct qos_prog_code){.insns = p->insns,
				      .n_insns = p->n,
				      .relocs = p->relocs,
				      .n_relocs = p->n_relocs,
				      .name = "by hand"};
}

static inline uint32_t load_in(uint32_t number, enum qos_chain_lane lane, const struct program *p,
			       uint32_t slot)
{
	const struct qos_prog_code code = program_code(p);
	struct qos_diag diag = QOS_DIAG_INIT;
	int r = qos_chain_load(chain, number, lane, &code, &diag, &slot);

	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	assert_int_equal(r, 0);
	return slot;
}

static inline uint64_t state_word(uint32_t number, uint32_t key, int word)
{
	uint64_t value[QOS_RULES_STATE_MAX];

	assert_int_equal(bpf_map_lookup_elem(chain->entries[number].state_fd, &key, value), 0);
	return value[word];
}

static inline struct qos_guard_contract counts_of(uint32_t number)
{
	struct qos_guard_contract counts;

	qos_chain_counts(chain, number, &counts);
	return counts;
}
