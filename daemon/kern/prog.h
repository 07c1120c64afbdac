/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction streams -> programs in the kernel. Whoever made a stream, a compiler of ours or anybody
 * else, every instruction is held against a list of what an extension may do before the kernel sees
 * it: arithmetic, its own stack, forward jumps, and two helpers on three maps. The kernel's verifier
 * protects memory; this protects what memory-safe code could still do (read kernel structs through
 * its context, call helpers, reach other maps).
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/diag.h"

/* What a stream may touch. Descriptors: -1: not at all. */
struct qos_prog_maps {
	int frame_fd;
	int state_fd;
	int guard_fd;
};

/* What stands for a map in an instruction that was not loaded yet: the map's descriptor goes into imm of
 * insns[at], whose src_reg is BPF_PSEUDO_MAP_FD already. */
enum qos_prog_map { QOS_PROG_FRAME, QOS_PROG_STATE, QOS_PROG_GUARD };

struct qos_prog_reloc {
	enum qos_prog_map map;
	size_t at;
};

struct qos_prog_code {
	const struct bpf_insn *insns;
	size_t n_insns;
	const struct qos_prog_reloc *relocs;
	size_t n_relocs;
	const char *name; /* for people: "camera cpu.capture.job" */
};

/* What the kernel has to know besides. attach_btf_id 0: a raw tracepoint, for BPF_PROG_TEST_RUN. */
struct qos_prog_type {
	uint32_t attach_btf_id;
	const char *report_dir; /* for what the verifier refused */
};

/* Is every instruction on the list? Descriptors are in place. 0, or -EACCES with a diagnostic that
 * says which one and why. */
int qos_prog_check(const struct bpf_insn *insns, size_t n_insns, const struct qos_prog_maps *maps,
		   struct qos_diag *diag);

/* Puts the descriptors in, checks, loads. The program's descriptor, or -errno with words in diag: what
 * the verifier refused is a fault of ours, whose evidence is in a file of report_dir. */
int qos_prog_load(const struct qos_prog_code *code, const struct qos_prog_maps *maps,
		  const struct qos_prog_type *type, struct qos_diag *diag);
