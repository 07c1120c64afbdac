/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is loaded of a contract's rules: the compiler's result without its trees and its intermediate code. It can
 * come from another process, so it can be judged without knowing the rules. Pure.
 */
#pragma once

#include "extension/compile.h"
#include "extension/state.h"
#include "util/wire.h"

struct qos_image_program {
	struct qos_rule_event event;
	uint64_t reads;	      /* qos_ir_reads */
	uint64_t reads_rtt;   /* qos_ir_reads_word, QOS_RULES_RTT */
	struct qos_emit code; /* instructions and what the loader fills in */
};

struct qos_image {
	struct qos_image_program *programs;
	size_t n_programs;
	size_t n_state; /* this and the next as in struct qos_compiled */
	uint8_t widths[QOS_RULES_STATE_MAX];
	struct qos_state_map states;
};

void qos_image_free(struct qos_image *image);
QOS_DEFINE_CLEANUP(struct qos_image *, qos_image_free)
#define _cleanup_image_ QOS_CLEANUP(qos_image_freep)

/* Compiled to QOS_STAGE_INSNS; its code is taken. 0 or -ENOMEM. */
int qos_image_of(struct qos_compiled *compiled, struct qos_image **ret);

/* As bytes, and back. Taken from anybody it fits the contract: events that it can have and no two alike, state
 * within its bounds. Its instructions are judged by whoever loads them (kern/prog_check.c). 0; -EBADMSG or
 * -ENOMEM, which stick in `in`. */
void qos_image_put(struct qos_buf *out, const struct qos_image *image);
int qos_image_take(struct qos_wire *in, const struct qos_contract *contract,
		   struct qos_image **ret);
