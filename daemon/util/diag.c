/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Diagnostics. What is recorded may quote hostile input (a key, a file name), so every string is
 * cleaned when the entry is made: a printer can then write it to a terminal or a journal as it is.
 * Kept entries are bounded in number and length; everything is counted.
 * Weakness: the first QOS_DIAG_MAX entries are kept, so an error behind 64 warnings is counted but
 * not shown.
 */
#include "util/diag.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

/* Longest text or hint, without the "..." that marks a cut. */
#define TEXT_MAX 400

static const char *const severity_names[] = {"error", "warning", "note"};

static void entry_clear(struct qos_diag_entry *entry)
{
	free(entry->file);
	free(entry->text);
	free(entry->hint);
}

const struct qos_diag_entry *qos_diag_first_error(const struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		if (diag->entries[i].severity == QOS_ERROR)
			return &diag->entries[i];
	}
	return NULL;
}

void qos_diag_reset(struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++)
		entry_clear(&diag->entries[i]);
	free(diag->entries);
	*diag = (struct qos_diag){.strict = diag->strict};
}

/* Controls, line separators, and the marks that reorder or hide text on a terminal. */
static bool printable(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {{0x00, 0x1f},	{0x7f, 0x9f},	  {0x200b, 0x200f}, {0x2028, 0x202e},
		      {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(hidden); i++) {
		if (code >= hidden[i].first && code <= hidden[i].last)
			return false;
	}
	return true;
}

/* Cleans in place: the text never grows. Stops after at most `max` bytes, between two letters;
 * the caller has left room for the "...". */
static void clean(char *text, size_t max)
{
	const unsigned char *from = (const unsigned char *)text;
	char *to = text;

	while (*from) {
		uint32_t code = 0;
		size_t n = qos_text_decode(from, &code);
		size_t kept = n && printable(code) ? n : 1;

		if ((size_t)(to - text) + kept > max) {
			memcpy(to, "...", 4);
			return;
		}
		if (n && printable(code))
			memmove(to, from, n);
		else
			*to = '?';
		to += kept;
		from += n ? n : 1;
	}
	*to = '\0';
}

/* A cleaned string of bounded length; NULL without memory. */
static char *format_clean(const char *format, va_list args)
{
	/* Two bytes above the limit: room to see that it is longer. */
	char buf[TEXT_MAX + 16];

	if (vsnprintf(buf, sizeof(buf) - 4, format, args) < 0)
		return NULL;
	clean(buf, TEXT_MAX);
	return strdup(buf);
}

static char *file_clean(const char *file)
{
	char *copy = strdup(file ? file : "");

	if (copy)
		clean(copy, SIZE_MAX);
	return copy;
}

static void count(struct qos_diag *diag, enum qos_severity severity)
{
	if (severity == QOS_ERROR)
		diag->n_errors++;
	else if (severity == QOS_WARNING)
		diag->n_warnings++;
}

/* Appends; the entry's strings belong to the diag afterwards, also if there was no room. */
static void keep(struct qos_diag *diag, struct qos_diag_entry entry)
{
	struct qos_diag_entry *entries = NULL;

	if (entry.file && entry.text && diag->n_entries < QOS_DIAG_MAX)
		entries = realloc(diag->entries, (diag->n_entries + 1) * sizeof(*entries));
	if (!entries) {
		entry_clear(&entry);
		diag->n_dropped++;
		return;
	}
	diag->entries = entries;
	entries[diag->n_entries++] = entry;
}

int qos_diag_add(struct qos_diag *diag, enum qos_severity severity, const struct qos_loc *loc,
		 const char *format, ...)
{
	struct qos_diag_entry entry = {};
	va_list args;

	if (diag && diag->strict && severity == QOS_WARNING)
		severity = QOS_ERROR;
	if (!diag)
		return severity == QOS_ERROR ? -EINVAL : 0;
	count(diag, severity);
	entry.severity = severity;
	entry.file = file_clean(loc ? loc->file : NULL);
	entry.line = loc ? loc->line : 0;
	entry.col = loc ? loc->col : 0;
	va_start(args, format);
	entry.text = format_clean(format, args);
	va_end(args);
	keep(diag, entry);
	return severity == QOS_ERROR ? -EINVAL : 0;
}

void qos_diag_hint(struct qos_diag *diag, const char *format, ...)
{
	struct qos_diag_entry *newest;
	va_list args;
	char *hint;

	/* Once one was dropped, the newest that is kept is not the one that is meant. */
	if (!diag || diag->n_entries == 0 || diag->n_dropped)
		return;
	newest = &diag->entries[diag->n_entries - 1];
	va_start(args, format);
	hint = format_clean(format, args);
	va_end(args);
	if (!hint)
		return;
	free(newest->hint);
	newest->hint = hint;
}

void qos_diag_move(struct qos_diag *to, struct qos_diag *from)
{
	for (size_t i = 0; i < from->n_entries; i++)
		keep(to, from->entries[i]);
	to->n_errors += from->n_errors;
	to->n_warnings += from->n_warnings;
	to->n_dropped += from->n_dropped;
	from->n_entries = 0;
	qos_diag_reset(from);
}

/* A place without a line is the file as a whole; it is printed as its first line, so that every
 * diagnostic has one shape and an editor can jump to it. */
static void print_entry(const struct qos_diag_entry *entry, FILE *out)
{
	if (entry->file[0])
		fprintf(out, "%s:%u:%u: ", entry->file, entry->line ? entry->line : 1,
			entry->col ? entry->col : 1);
	fprintf(out, "%s: %s\n", qos_severity_name(entry->severity), entry->text);
	if (entry->hint)
		fprintf(out, "  hint: %s\n", entry->hint);
}

void qos_diag_print(const struct qos_diag *diag, FILE *out)
{
	for (size_t i = 0; i < diag->n_entries; i++)
		print_entry(&diag->entries[i], out);
	if (diag->n_dropped)
		fprintf(out, "and %zu more that are not shown\n", diag->n_dropped);
}

const char *qos_severity_name(enum qos_severity severity)
{
	return severity_names[severity];
}
