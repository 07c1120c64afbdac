/* SPDX-License-Identifier: GPL-2.0-only */
/* Intermediate code and places -> struct bpf_insn[], with a list of what the loader must fill in. */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>

#include "extension/ir.h"
#include "extension/regalloc.h"
#include "qos_rules_abi.h"

#define QOS_EMIT_WIDE BPF_DW /* the code of `dst = imm64`: class and mode are 0 */

enum qos_reloc_kind {
	QOS_RELOC_FRAME, /* the map's fd into imm; src_reg is BPF_PSEUDO_MAP_FD already */
	QOS_RELOC_STATE,
	QOS_RELOC_GUARD,
	QOS_RELOC_KFUNC, /* imm: BTF id of qos_dwcs_set; off: index of the module's BTF in fd_array */
};

struct qos_reloc {
	enum qos_reloc_kind kind;
	size_t at; /* instruction */
};

#define QOS_EMIT_RELOCS_MAX (3 + QOS_RULES_REQUESTS_MAX)

/* All zeroes is an empty one. `error` sticks: -ENOMEM. */
struct qos_emit {
	struct bpf_insn *insns;
	size_t n_insns;
	struct qos_reloc relocs[QOS_EMIT_RELOCS_MAX];
	size_t n_relocs;
	size_t worst;	   /* most instructions that one run executes */
	unsigned int rule; /* the one with which the program grew beyond QOS_RULES_INSNS_MAX */
	int error;
};

void qos_emit_reset(struct qos_emit *emit);

/* The whole program, whatever its length: the caller compares n_insns with its limit. `n_state`: it
 * has a state; `n_requests` as in the code. */
void qos_emit_program(struct qos_emit *emit, const struct qos_ir *ir,
		      const struct qos_place *places, enum qos_rules_target target, size_t n_state,
		      size_t n_requests);

/* One line an instruction, numbered as the verifier does. */
void qos_emit_print(const struct qos_emit *emit, struct qos_buf *out);
