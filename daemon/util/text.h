/* SPDX-License-Identifier: GPL-2.0-only */
/* Small text helpers that more than one module needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The candidate nearest to `word` by edit distance, if near enough to be worth a "did you mean";
 * else NULL. `candidates` ends with NULL. */
const char *qos_text_nearest(const char *word, const char *const *candidates);

/* Is it [a-z][a-z0-9-]{0,31} (contract names)? / [a-z][a-z0-9_]{0,31} (stream names)? */
bool qos_text_is_contract_name(const char *text);
bool qos_text_is_stream_name(const char *text);

/* Decodes one code point of a text that ends in NUL; returns its length in bytes, or 0 if it is no valid
 * UTF-8. */
size_t qos_text_decode(const unsigned char *s, uint32_t *ret);

/* A growing string; `text` is NUL-terminated once anything was added, else NULL. The first failure
 * to allocate sticks in `error` (-ENOMEM) and later calls do nothing. Free with qos_buf_reset. */
struct qos_buf {
	char *text;
	size_t len;
	size_t size;
	int error;
};

void qos_buf_add(struct qos_buf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void qos_buf_add_bytes(struct qos_buf *buf, const char *bytes, size_t len);
void qos_buf_reset(struct qos_buf *buf);

/* A byte that a program chose, as it is shown: "?" if it is no printable ASCII. */
static inline char qos_text_shown(char c)
{
	return c >= 0x20 && c <= 0x7e ? c : '?';
}
