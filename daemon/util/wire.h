/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers and texts as bytes, between two programs of one machine and one build. What is taken out may come
 * from anybody: the first thing that does not fit sticks in `error`, and all that follows is zero.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/diag.h"
#include "util/text.h"

void qos_wire_put_u32(struct qos_buf *out, uint32_t value);
void qos_wire_put_u64(struct qos_buf *out, uint64_t value);
void qos_wire_put_bytes(struct qos_buf *out, const void *bytes, size_t len);

/* Borrows the bytes. */
struct qos_wire {
	const char *at;
	size_t left;
	int error; /* -EBADMSG, -ENOMEM */
};

uint32_t qos_wire_u32(struct qos_wire *in);
uint64_t qos_wire_u64(struct qos_wire *in);
/* At most max, else it does not fit. */
uint32_t qos_wire_count(struct qos_wire *in, uint32_t max);
/* The bytes where they are; NULL after an error. */
const char *qos_wire_bytes(struct qos_wire *in, size_t max, size_t *ret_len);
/* A copy that the caller frees, without a NUL inside; NULL after an error. */
char *qos_wire_text(struct qos_wire *in, size_t max);
/* It does not fit after all. */
void qos_wire_refuse(struct qos_wire *in);
/* 0 if all fitted and nothing is left, else -errno. */
int qos_wire_end(struct qos_wire *in);

/* Diagnostics; a file is called by its decimal number in a list that both sides have. They are cleaned once
 * more, and bounded, when they are taken out, into an empty list that is not strict. */
void qos_wire_put_diag(struct qos_buf *out, const struct qos_diag *diag);
void qos_wire_diag(struct qos_wire *in, const char *const *files, size_t n_files,
		   struct qos_diag *diag);
