/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all printers share: paint, folding, numbers for people, diagnostics. Nothing here knows a
 * document as a whole; those are out_*.c.
 *
 * Known weakness: width counts code points, so East Asian wide letters are cut too late. Such
 * letters can only stand in descriptions, which are folded, never in tables.
 */
#include "out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "columns.h"

#define LABEL_WIDTH 12
#define ROOM_MIN    20 /* columns for text, however narrow the terminal is */

static const char *const paints[QOS_PAINT_COUNT] = {
	[QOS_PLAIN] = "",	 [QOS_BOLD] = "\033[1m",  [QOS_DIM] = "\033[2m",
	[QOS_GOOD] = "\033[32m", [QOS_WARN] = "\033[33m", [QOS_BAD] = "\033[1;31m",
};

/* C0, DEL, and C1 as UTF-8 writes it (C2 80..9F); jansson refuses everything that is no UTF-8. */
void qos_out_clean(char *text, bool keep_newlines)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if (*c == '\n' && keep_newlines)
			continue;
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
	}
}

void qos_out_paint(const struct qos_out *out, enum qos_paint paint, const char *text)
{
	_cleanup_free_ char *clean = strdup(text);
	bool painted = out->colour && paint != QOS_PLAIN;

	if (!clean)
		return;
	qos_out_clean(clean, false);
	fprintf(out->file, "%s%s%s", painted ? paints[paint] : "", clean, painted ? "\033[0m" : "");
}

/* The length of the next piece of `text` (no newline in its first `len` bytes) that fits. */
static size_t fold(const char *text, size_t len, size_t room)
{
	size_t end = len;

	if (qos_columns_width(text, len) <= room)
		return len;
	while (end > 0 && qos_columns_width(text, end) > room) {
		do
			end--;
		while (end > 0 && text[end] != ' ');
	}
	if (end)
		return end;
	return strcspn(text, " ") < len ? strcspn(text, " ") : len;
}

void qos_out_hang(const struct qos_out *out, enum qos_paint paint, unsigned int column,
		  unsigned int indent, const char *text)
{
	_cleanup_free_ char *clean = strdup(text);

	if (!clean)
		return;
	qos_out_clean(clean, true);
	for (char *at = clean; *at; column = indent) {
		size_t room = !out->width		       ? SIZE_MAX
			      : out->width > column + ROOM_MIN ? out->width - column
							       : ROOM_MIN;
		size_t piece = fold(at, strcspn(at, "\n"), room);
		char *next = at + piece + (at[piece] == '\n' || at[piece] == ' ');

		at[piece] = at[piece] ? '\0' : at[piece];
		if (at != clean)
			fprintf(out->file, "%*s", (int)indent, "");
		qos_out_paint(out, paint, at);
		fputc('\n', out->file);
		at = next;
	}
}

const char *qos_out_plural(size_t n)
{
	return n == 1 ? "" : "s";
}

void qos_out_lines(const struct qos_out *out, unsigned int indent, const char *text)
{
	if (!*text)
		return;
	fprintf(out->file, "%*s", (int)indent, "");
	qos_out_hang(out, QOS_PLAIN, indent, indent, text);
}

void qos_out_fact(const struct qos_out *out, enum qos_paint paint, const char *label,
		  const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int r;

	va_start(args, format);
	r = vasprintf(&text, format, args);
	va_end(args);
	if (r <= 0)
		return;
	fprintf(out->file, "  %-*s ", LABEL_WIDTH, label);
	qos_out_hang(out, paint, 3 + LABEL_WIDTH, 3 + LABEL_WIDTH, text);
}

const char *qos_json_text(const json_t *object, const char *key, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : otherwise;
}

int64_t qos_json_int(const json_t *object, const char *key, int64_t otherwise)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		return json_integer_value(value);
	return json_is_real(value) ? (int64_t)json_real_value(value) : otherwise;
}

bool qos_json_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

struct unit {
	const char *name;
	uint64_t size;
};

const char *qos_out_duration(char *buf, size_t size, int64_t ns)
{
	static const struct unit units[] = {
		{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
	uint64_t value = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	const char *sign = ns < 0 ? "-" : "";
	size_t i = 0;
	uint64_t whole, milli;
	int digits = 3;

	while (units[i].size > 1 && value < units[i].size)
		i++;
	whole = value / units[i].size;
	milli = (value % units[i].size) / (units[i].size >= 1000 ? units[i].size / 1000 : 1);
	if (units[i].size == 1 || !milli) {
		snprintf(buf, size, "%s%" PRIu64 "%s", sign, whole, value ? units[i].name : "");
		return buf;
	}
	while (milli % 10 == 0) {
		milli /= 10;
		digits--;
	}
	snprintf(buf, size, "%s%" PRIu64 ".%0*" PRIu64 "%s", sign, whole, digits, milli,
		 units[i].name);
	return buf;
}

const char *qos_out_moment(char *buf, size_t size, int64_t seconds)
{
	time_t at = (time_t)seconds;
	struct tm local;

	if (!localtime_r(&at, &local) || !strftime(buf, size, "%b %d %H:%M:%S", &local))
		snprintf(buf, size, "-");
	return buf;
}

const char *qos_out_age(char *buf, size_t size, int64_t seconds)
{
	static const struct unit units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}};
	uint64_t value = seconds < 0 ? 0 : (uint64_t)seconds;
	size_t i = 0;

	while (units[i].size > 1 && value < units[i].size)
		i++;
	if (units[i].size == 1)
		snprintf(buf, size, "%" PRIu64 " s", value);
	else if (value % units[i].size < units[i + 1].size)
		snprintf(buf, size, "%" PRIu64 " %s", value / units[i].size, units[i].name);
	else
		snprintf(buf, size, "%" PRIu64 " %s %" PRIu64 " %s", value / units[i].size,
			 units[i].name, value % units[i].size / units[i + 1].size,
			 units[i + 1].name);
	return buf;
}

const char *qos_out_tenths(char *buf, size_t size, const json_t *number)
{
	snprintf(buf, size, "%.1f", json_is_number(number) ? json_number_value(number) : 0.0);
	return buf;
}

void qos_out_json(const struct qos_out *out, const json_t *document, bool line)
{
	size_t layout = line ? JSON_COMPACT : JSON_INDENT(2);

	json_dumpf(document, out->file, layout | JSON_REAL_PRECISION(15));
	fputc('\n', out->file);
}

static enum qos_paint severity_paint(const char *severity)
{
	if (!strcmp(severity, qos_severity_name(QOS_ERROR)))
		return QOS_BAD;
	return strcmp(severity, qos_severity_name(QOS_WARNING)) ? QOS_DIM : QOS_WARN;
}

/* Texts of several lines (the ways out of a refusal) stay so. */
static void print_clean(const struct qos_out *out, const char *text)
{
	_cleanup_free_ char *clean = strdup(text);

	if (!clean)
		return;
	qos_out_clean(clean, true);
	fprintf(out->file, "%s\n", clean);
}

/* Not folded: editors and scripts read one line a diagnostic. */
void qos_out_diagnostic(const struct qos_out *out, const json_t *diagnostic)
{
	const char *severity = qos_json_text(diagnostic, "severity", "error");
	const char *file = qos_json_text(diagnostic, "file", "");
	const char *hint = qos_json_text(diagnostic, "hint", NULL);
	int64_t line = qos_json_int(diagnostic, "line", 0);

	if (out->quiet && strcmp(severity, qos_severity_name(QOS_ERROR)))
		return;
	qos_out_paint(out, QOS_BOLD, file);
	if (line)
		fprintf(out->file, ":%" PRId64 ":%" PRId64, line,
			qos_json_int(diagnostic, "col", 0));
	if (*file)
		fputs(": ", out->file);
	qos_out_paint(out, severity_paint(severity), severity);
	fputs(": ", out->file);
	print_clean(out, qos_json_text(diagnostic, "text", ""));
	if (hint && !out->quiet) {
		fputs("  hint: ", out->file);
		print_clean(out, hint);
	}
}

void qos_out_diagnostics(const struct qos_out *out, const json_t *diagnostics)
{
	const json_t *diagnostic;
	size_t i;

	json_array_foreach(diagnostics, i, diagnostic)
		qos_out_diagnostic(out, diagnostic);
}

static int note_dropped(const struct qos_diag *diag, json_t *array)
{
	char text[QOS_OUT_NUMBER_MAX];

	snprintf(text, sizeof(text), "%zu more diagnostics are not shown", diag->n_dropped);
	return json_array_append_new(array, json_pack("{s:s, s:s, s:i, s:i, s:s, s:n}", "severity",
						      qos_severity_name(QOS_NOTE), "file", "",
						      "line", 0, "col", 0, "text", text, "hint")) <
			       0
		       ? -ENOMEM
		       : 0;
}

int qos_out_diag_json(const struct qos_diag *diag, json_t *array)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];
		json_t *object =
			json_pack("{s:s, s:s, s:i, s:i, s:s, s:s?}", "severity",
				  qos_severity_name(entry->severity), "file",
				  entry->file ? entry->file : "", "line", (int)entry->line, "col",
				  (int)entry->col, "text", entry->text, "hint", entry->hint);

		if (!object || json_array_append_new(array, object) < 0)
			return -ENOMEM;
	}
	return diag->n_dropped ? note_dropped(diag, array) : 0;
}
