/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Diagnostics: words for people, with a place and a way out. Every module below the supervisor
 * reports bad input here and nowhere else; nobody below the supervisor prints or logs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A place in a file. line and col count from 1; 0 means "the file as a whole".
 * `file` is borrowed: it lives as long as the document or contract the place belongs to. */
struct qos_loc {
	const char *file;
	unsigned int line;
	unsigned int col;
};

enum qos_severity {
	QOS_ERROR,   /* the input is refused */
	QOS_WARNING, /* accepted; `--strict` makes it an error */
	QOS_NOTE,
};

/* One diagnostic. All strings are owned by the qos_diag. `hint` may be NULL. */
struct qos_diag_entry {
	enum qos_severity severity;
	char *file;
	unsigned int line;
	unsigned int col;
	char *text;
	char *hint;
};

/* At most this many entries are kept; the rest are only counted, so that a hostile file cannot
 * make the daemon remember its mistakes for ever. */
#define QOS_DIAG_MAX 64

struct qos_diag {
	struct qos_diag_entry *entries;
	size_t n_entries; /* kept: 0..QOS_DIAG_MAX */
	size_t n_errors;  /* all errors, kept or not */
	size_t n_warnings;
	size_t n_dropped;
	bool strict; /* set by the owner before use: warnings are recorded as errors */
};

#define QOS_DIAG_INIT ((struct qos_diag){})

/* NULL: none was kept. */
const struct qos_diag_entry *qos_diag_first_error(const struct qos_diag *diag);

/* Frees the entries and resets the struct (keeps `strict`). */
void qos_diag_reset(struct qos_diag *diag);

/* Records one diagnostic; loc may be NULL. Out of memory only counts. A NULL diag is allowed.
 * Returns -EINVAL if it counts as an error, else 0, so that `return qos_diag_error(...)` reads. */
int qos_diag_add(struct qos_diag *diag, enum qos_severity severity, const struct qos_loc *loc,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds "hint: ..." to the newest entry; without an entry (all dropped) it does nothing. */
void qos_diag_hint(struct qos_diag *diag, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define qos_diag_error(diag, loc, ...)	 qos_diag_add((diag), QOS_ERROR, (loc), __VA_ARGS__)
#define qos_diag_warning(diag, loc, ...) qos_diag_add((diag), QOS_WARNING, (loc), __VA_ARGS__)
#define qos_diag_note(diag, loc, ...)	 qos_diag_add((diag), QOS_NOTE, (loc), __VA_ARGS__)

/* Moves all entries of `from` to the end of `to`. */
void qos_diag_move(struct qos_diag *to, struct qos_diag *from);

/* Prints "file:line:col: error: text\n" and, where there is one, "  hint: text\n" for each entry.
 * Bytes of the input that are no printable UTF-8 were replaced when the entry was made. */
void qos_diag_print(const struct qos_diag *diag, FILE *out);

/* "error", "warning", "note". */
const char *qos_severity_name(enum qos_severity severity);
