/* SPDX-License-Identifier: GPL-2.0-only */
/* Compiled rules -> the kernel: maps, relocation, verification. */
#pragma once

#include <linux/bpf.h>
#include <stddef.h>

#include "extension/compile.h"

#define QOS_EXTENSION_LOG_MAX (1 << 22) /* bytes of the verifier's log, at its most talkative */

/* File descriptors; -1: none. */
struct qos_extension_maps {
	int frame;
	int state;
	int guard;
};

/* The kind of program: all programs of one prog array are alike. */
struct qos_extension_kind {
	enum bpf_prog_type type;
	unsigned int
		attach_btf_id; /* BPF_PROG_TYPE_TRACING: the tracepoint's, as libbpf finds it */
};

#define QOS_EXTENSION_MAPS_NONE ((struct qos_extension_maps){-1, -1, -1})

/*
 * Maps for trying a program out (QOS_RULES_TEST): `frame` and `state` are arrays that user space can
 * map, `state` with n_state words and n_keys keys (none if n_state is 0). 0 or -errno; *ret is set
 * only on success. The caller closes.
 */
int qos_extension_test_maps(size_t n_state, unsigned int n_keys, struct qos_extension_maps *ret);
void qos_extension_close_maps(struct qos_extension_maps *maps);
#define _cleanup_extension_maps_ QOS_CLEANUP(qos_extension_close_maps)

/*
 * Gives the maps to the program and loads it. A log (size bytes, may be NULL) gets the verifier's
 * words. Returns a file descriptor, which the caller closes, or -errno: -EACCES and -EINVAL mean that
 * the verifier refused, which is a bug of the compiler. Programs that call the kfunc: -EOPNOTSUPP,
 * they are the module's.
 */
int qos_extension_load(const struct qos_emit *code, const struct qos_extension_kind *kind,
		       const struct qos_extension_maps *maps, char *log, size_t size);
