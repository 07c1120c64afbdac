/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Printing for people. Every printer is a pure function from a JSON document (qosctl(1)) to a
 * FILE, so that canned documents test them; a key that is missing prints as nothing, never fails.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/cleanup.h"
#include "util/diag.h"

/* Where and how. Borrowed by every printer. */
struct qos_out {
	FILE *file;
	unsigned int width; /* columns of the terminal; 0: no terminal, nothing is cut or folded */
	bool colour;
	bool quiet; /* `list`: names only; elsewhere: hints and notes are left out */
};

enum qos_paint { QOS_PLAIN, QOS_BOLD, QOS_DIM, QOS_GOOD, QOS_WARN, QOS_BAD, QOS_PAINT_COUNT };

/* Text with its paint. Control characters become '?': names of threads come from programs. */
void qos_out_paint(const struct qos_out *out, enum qos_paint paint, const char *text);

/* What a noun of n things ends with: "s", or "" for one. Static. */
const char *qos_out_plural(size_t n);

/* Lines, each indented by `indent`, folded at blanks to the width. */
void qos_out_lines(const struct qos_out *out, unsigned int indent, const char *text);

/* Goes on in the line, of which `column` columns are taken; later lines start at `indent`. */
void qos_out_hang(const struct qos_out *out, enum qos_paint paint, unsigned int column,
		  unsigned int indent, const char *text);

/* "  label        text", folded under itself. */
void qos_out_fact(const struct qos_out *out, enum qos_paint paint, const char *label,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Replaces control characters in place; keep_newlines leaves \n. */
void qos_out_clean(char *text, bool keep_newlines);

/* Reading documents: the value, or `otherwise` where it is missing, null or of another type. */
const char *qos_json_text(const json_t *object, const char *key, const char *otherwise);
int64_t qos_json_int(const json_t *object, const char *key, int64_t otherwise);
bool qos_json_bool(const json_t *object, const char *key);

/* For people: at most three decimals of the fitting unit, the rest cut off. Returns buf. */
#define QOS_OUT_NUMBER_MAX 64
const char *qos_out_duration(char *buf, size_t size, int64_t ns);
/* "Nov 23 14:44:22", local time, of seconds since 1970. */
const char *qos_out_moment(char *buf, size_t size, int64_t seconds);
/* Two units: "2 h 3 min". */
const char *qos_out_age(char *buf, size_t size, int64_t seconds);
/* "12.3" of a JSON number. */
const char *qos_out_tenths(char *buf, size_t size, const json_t *number);

/* The words for a state of the daemon ("ok"), or of a contract ("in-force"), and their paint. Static. */
const char *qos_out_overall(const char *state, enum qos_paint *paint);
const char *qos_out_state(const char *state, enum qos_paint *paint);

/* The document itself. `line`: on one line, for streams of documents. */
void qos_out_json(const struct qos_out *out, const json_t *document, bool line);

/* {"severity","file","line","col","text","hint"} as compilers print them; an array of them. */
void qos_out_diagnostic(const struct qos_out *out, const json_t *diagnostic);
void qos_out_diagnostics(const struct qos_out *out, const json_t *diagnostics);

/* qos_diag as that JSON array (appended to `array`). 0 or -ENOMEM. */
int qos_out_diag_json(const struct qos_diag *diag, json_t *array);

/* One printer a document. */
void qos_out_status(const struct qos_out *out, const json_t *status);
void qos_out_list(const struct qos_out *out, const json_t *list);
void qos_out_show(const struct qos_out *out, const json_t *show);
void qos_out_explain(const struct qos_out *out, const json_t *explain);
void qos_out_events(const struct qos_out *out, const json_t *events);
void qos_out_event(const struct qos_out *out, const json_t *event);
void qos_out_report(const struct qos_out *out, const json_t *report);
void qos_out_report_page(const struct qos_out *out, const json_t *report); /* HTML */
void qos_out_simulate(const struct qos_out *out, const json_t *simulate);
void qos_out_check(const struct qos_out *out, const json_t *check);
void qos_out_applied(const struct qos_out *out, const json_t *applied); /* apply enable disable */
void qos_out_confirm(const struct qos_out *out, const json_t *confirm);
void qos_out_plan(const struct qos_out *out, const json_t *plan);
void qos_out_reload(const struct qos_out *out, const json_t *reload);
void qos_out_adjust(const struct qos_out *out, const json_t *adjust);
void qos_out_readmit(const struct qos_out *out, const json_t *readmit);
void qos_out_revert(const struct qos_out *out, const json_t *revert);
void qos_out_panic(const struct qos_out *out, const json_t *panic);
void qos_out_doctor(const struct qos_out *out, const json_t *doctor);
void qos_out_errors(const struct qos_out *out, const json_t *errors);

static inline void qos_json_decrefp(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ QOS_CLEANUP(qos_json_decrefp)
