/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text helpers: the nearest word for "did you mean", the shape of names, a growing string.
 * Distance is optimal string alignment (insert, delete, replace, swap of neighbours), since swapped
 * letters are the commonest slip. Weakness: bytes are compared, not letters; all our words are
 * ASCII.
 */
#include "util/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Longer words are never compared: no word of ours is near this, and the rows stay on the stack. */
#define WORD_MAX 40

#define BUF_FIRST 256

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Three rows of the table are enough: a swap looks back two. Both words <= WORD_MAX. */
static size_t distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
	size_t rows[3][WORD_MAX + 1];

	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		size_t *row = rows[i % 3];
		const size_t *up = rows[(i + 2) % 3];
		const size_t *up2 = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			char x = lower(a[i - 1]), y = lower(b[j - 1]);

			row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]) &&
			    up2[j - 2] + 1 < row[j])
				row[j] = up2[j - 2] + 1;
		}
	}
	return rows[len_a % 3][len_b];
}

const char *qos_text_nearest(const char *word, const char *const *candidates)
{
	size_t len = strlen(word);
	const char *best = NULL;
	/* One slip in three letters; a word of one or two letters may have one. */
	size_t limit = len < 6 ? 1 + (len > 3) : len / 3;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		size_t len_c = strlen(*candidates), d;

		if (len_c > WORD_MAX)
			continue;
		d = distance(word, len, *candidates, len_c);
		/* At least one letter of the candidate must have been meant. */
		if (d > limit || d >= len_c)
			continue;
		if (d == 0)
			return *candidates;
		best = *candidates;
		limit = d - 1;
	}
	return best;
}

static bool is_name(const char *text, char extra)
{
	size_t i;

	if (text[0] < 'a' || text[0] > 'z')
		return false;
	for (i = 1; text[i]; i++) {
		char c = text[i];

		if (i >= 32)
			return false;
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != extra)
			return false;
	}
	return true;
}

bool qos_text_is_contract_name(const char *text)
{
	return is_name(text, '-');
}

bool qos_text_is_stream_name(const char *text)
{
	return is_name(text, '_');
}

size_t qos_text_decode(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t code = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	if (s[0] >= 0xf8 || (s[0] >= 0x80 && s[0] < 0xc0))
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret = code;
	return n;
}

/* Room for `len` more bytes and the NUL. */
static bool reserve(struct qos_buf *buf, size_t len)
{
	size_t size = buf->size ? buf->size : BUF_FIRST;
	char *text;

	if (buf->error)
		return false;
	if (len >= SIZE_MAX / 4 - buf->len) {
		buf->error = -ENOMEM;
		return false;
	}
	while (size < buf->len + len + 1)
		size *= 2;
	if (size == buf->size)
		return true;
	text = realloc(buf->text, size);
	if (!text) {
		buf->error = -ENOMEM;
		return false;
	}
	buf->text = text;
	buf->size = size;
	return true;
}

void qos_buf_add(struct qos_buf *buf, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		text = NULL;
		if (!buf->error)
			buf->error = -ENOMEM;
		return;
	}
	qos_buf_add_bytes(buf, text, (size_t)len);
}

void qos_buf_add_bytes(struct qos_buf *buf, const char *bytes, size_t len)
{
	if (!reserve(buf, len))
		return;
	if (len)
		memcpy(buf->text + buf->len, bytes, len);
	buf->len += len;
	buf->text[buf->len] = '\0';
}

void qos_buf_reset(struct qos_buf *buf)
{
	free(buf->text);
	*buf = (struct qos_buf){};
}
