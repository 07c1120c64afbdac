/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction streams -> programs in the kernel. Whoever made a stream of rules, a compiler of ours or anybody
 * else, every instruction is held against a list of what an extension may do before the kernel sees
 * it: arithmetic, its own stack, forward jumps, and two helpers on three maps; under the module, the
 * event that its context begins with, and one kfunc. The kernel's verifier
 * protects memory; this protects what memory-safe code could still do (read kernel structs through
 * its context, call helpers, reach other maps).
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "extension/emit.h"
#include "util/cleanup.h"
#include "util/diag.h"

/* What a stream may touch. Descriptors: -1: not at all. */
struct qos_prog_maps {
	int frame_fd;
	int state_fd;
	int guard_fd;
	int32_t kfunc; /* BTF id of the module's qos_dwcs_set; 0: there is none to call */
};
#define QOS_PROG_MAPS_NONE ((struct qos_prog_maps){-1, -1, -1, 0})

/* Maps for trying a program out (QOS_RULES_TEST): `frame` and `state` are arrays that user space can
 * map, `state` with n_state words and n_keys keys (none if n_state is 0). 0 or -errno; *ret is set
 * only on success. The caller closes. */
int qos_prog_maps_new(size_t n_state, unsigned int n_keys, struct qos_prog_maps *ret);
void qos_prog_maps_close(struct qos_prog_maps *maps);
#define _cleanup_prog_maps_ QOS_CLEANUP(qos_prog_maps_close)

/* Borrowed, and not changed. */
struct qos_prog_code {
	const struct bpf_insn *insns;
	size_t n_insns;
	const struct qos_reloc *relocs;
	size_t n_relocs;
	const char *name; /* for people: "camera cpu.capture.job" */
};

/* What the compiler made. */
struct qos_prog_code qos_prog_code_of(const struct qos_emit *emit, const char *name);

/* What the kernel has to know besides. attach_btf_id 0: a raw tracepoint, for BPF_PROG_TEST_RUN. */
struct qos_prog_type {
	uint32_t attach_btf_id;
	int btf_fd; /* of the module whose tracepoint that is, and whose kfunc; 0: the kernel's own */
	const char *report_dir; /* for what the verifier refused; NULL: it is not kept */
	char *log;		/* QOS_PROG_LOG_BYTES for the verifier's words; NULL: nobody asks */
};
#define QOS_PROG_LOG_BYTES  (1 << 22)
#define QOS_PROG_MODULE_BTF 1 /* `off` of a call of the module's kfunc */

/* Is every instruction on the list? Descriptors are in place. 0, or -EACCES with a diagnostic that
 * says which one and why. */
int qos_prog_check(const struct bpf_insn *insns, size_t n_insns, const struct qos_prog_maps *maps,
		   struct qos_diag *diag);

/* Puts the descriptors in, checks, loads. The program's descriptor, which the caller closes, or -errno
 * with words in diag: what the verifier refused is a fault of ours, whose evidence is in a file of
 * report_dir. */
int qos_prog_load(const struct qos_prog_code *code, const struct qos_prog_maps *maps,
		  const struct qos_prog_type *type, struct qos_diag *diag);

/* Loads what is not made of rules: unchecked but by the kernel. `log` may be NULL; level 2 has every step, 1
 * those of a refusal. The descriptor, or -errno. */
int qos_prog_submit(const struct bpf_insn *insns, size_t n, const struct qos_prog_type *type,
		    char *log, unsigned int level);
