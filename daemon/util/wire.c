/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers in this machine's byte order: both ends are one build. */
#include "util/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define WORDS_MAX 4096 /* bytes of a text or a hint; the longest that is kept is shorter */
#define NO_FILE	  UINT32_MAX

void qos_wire_put_u32(struct qos_buf *out, uint32_t value)
{
	qos_buf_add_bytes(out, (const char *)&value, sizeof(value));
}

void qos_wire_put_u64(struct qos_buf *out, uint64_t value)
{
	qos_buf_add_bytes(out, (const char *)&value, sizeof(value));
}

void qos_wire_put_bytes(struct qos_buf *out, const void *bytes, size_t len)
{
	qos_wire_put_u32(out, (uint32_t)len);
	qos_buf_add_bytes(out, bytes, len);
}

void qos_wire_refuse(struct qos_wire *in)
{
	if (!in->error)
		in->error = -EBADMSG;
	in->left = 0;
}

/* NULL: there is not so much. */
static const char *take(struct qos_wire *in, size_t len)
{
	const char *at = in->at;

	if (in->error || len > in->left) {
		qos_wire_refuse(in);
		return NULL;
	}
	in->at += len;
	in->left -= len;
	return at;
}

uint32_t qos_wire_u32(struct qos_wire *in)
{
	const char *at = take(in, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

uint64_t qos_wire_u64(struct qos_wire *in)
{
	const char *at = take(in, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

uint32_t qos_wire_count(struct qos_wire *in, uint32_t max)
{
	uint32_t n = qos_wire_u32(in);

	if (n <= max)
		return n;
	qos_wire_refuse(in);
	return 0;
}

const char *qos_wire_bytes(struct qos_wire *in, size_t max, size_t *ret_len)
{
	size_t len = qos_wire_count(in, max < UINT32_MAX ? (uint32_t)max : UINT32_MAX);
	const char *bytes = take(in, len);

	*ret_len = bytes ? len : 0;
	return bytes;
}

char *qos_wire_text(struct qos_wire *in, size_t max)
{
	size_t len;
	const char *bytes = qos_wire_bytes(in, max, &len);
	char *text;

	if (!bytes)
		return NULL;
	if (memchr(bytes, '\0', len)) {
		qos_wire_refuse(in);
		return NULL;
	}
	text = strndup(bytes, len);
	if (!text)
		in->error = -ENOMEM;
	return text;
}

int qos_wire_end(struct qos_wire *in)
{
	if (in->left)
		qos_wire_refuse(in);
	return in->error;
}

/* --- diagnostics --- */

void qos_wire_put_diag(struct qos_buf *out, const struct qos_diag *diag)
{
	qos_wire_put_u32(out, (uint32_t)diag->n_entries);
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];
		const char *hint = entry->hint ? entry->hint : "";

		qos_wire_put_u32(out, entry->severity);
		qos_wire_put_u32(out, entry->file[0] ? (uint32_t)atoi(entry->file) : NO_FILE);
		qos_wire_put_u32(out, entry->line);
		qos_wire_put_u32(out, entry->col);
		qos_wire_put_bytes(out, entry->text, strlen(entry->text));
		qos_wire_put_bytes(out, hint, strlen(hint));
	}
	qos_wire_put_u32(out, (uint32_t)diag->n_errors);
	qos_wire_put_u32(out, (uint32_t)diag->n_warnings);
	qos_wire_put_u32(out, (uint32_t)diag->n_dropped);
}

static void take_entry(struct qos_wire *in, const char *const *files, size_t n_files,
		       struct qos_diag *diag)
{
	enum qos_severity severity = qos_wire_count(in, QOS_NOTE);
	uint32_t file = qos_wire_u32(in);
	_cleanup_free_ char *text = NULL, *hint = NULL;
	struct qos_loc loc = {};

	loc.line = qos_wire_u32(in);
	loc.col = qos_wire_u32(in);
	text = qos_wire_text(in, WORDS_MAX);
	hint = qos_wire_text(in, WORDS_MAX);
	if (file != NO_FILE && file >= n_files)
		qos_wire_refuse(in);
	if (in->error)
		return;
	loc.file = file == NO_FILE ? NULL : files[file];
	qos_diag_add(diag, severity, &loc, "%s", text);
	if (*hint)
		qos_diag_hint(diag, "%s", hint);
}

void qos_wire_diag(struct qos_wire *in, const char *const *files, size_t n_files,
		   struct qos_diag *diag)
{
	uint32_t n = qos_wire_count(in, QOS_DIAG_MAX);
	size_t errors, warnings;

	for (uint32_t i = 0; i < n && !in->error; i++)
		take_entry(in, files, n_files, diag);
	errors = qos_wire_u32(in);
	warnings = qos_wire_u32(in);
	if (errors < diag->n_errors || warnings < diag->n_warnings)
		qos_wire_refuse(in);
	diag->n_errors = errors;
	diag->n_warnings = warnings;
	diag->n_dropped = qos_wire_u32(in);
}
