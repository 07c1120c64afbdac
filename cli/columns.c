/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tables. Two blanks between columns, no lines: they survive awk, and 80x24. Only the flexible
 * column is cut; where even that does not suffice the terminal folds, which loses nothing.
 */
#include "columns.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define FLEX_MIN 12

size_t qos_columns_width(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static size_t width(const char *text)
{
	return qos_columns_width(text, strlen(text));
}

static void append(struct qos_columns *table, char *text, enum qos_paint paint)
{
	struct qos_cell *cells;

	cells = reallocarray(table->cells, table->n_cells + 1, sizeof(*cells));
	if (!cells) {
		table->error = -ENOMEM;
		free(text);
		return;
	}
	table->cells = cells;
	cells[table->n_cells++] = (struct qos_cell){.text = text, .paint = paint};
}

void qos_columns_cell(struct qos_columns *table, enum qos_paint paint, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	if (table->error)
		return;
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		table->error = -ENOMEM;
	va_end(args);
	if (table->error)
		return;
	qos_out_clean(text, false);
	append(table, text, paint);
}

static size_t column_width(const struct qos_columns *table, size_t column)
{
	size_t widest = width(table->columns[column].title);

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		size_t w = width(table->cells[i].text);

		widest = w > widest ? w : widest;
	}
	return widest;
}

/* Sets widths[], and takes what is too much from the flexible column. */
static void layout(const struct qos_columns *table, unsigned int indent, unsigned int limit,
		   size_t *widths)
{
	size_t total = indent;
	size_t flex = SIZE_MAX;
	size_t excess, least;

	for (size_t i = 0; i < table->n_columns; i++) {
		widths[i] = column_width(table, i);
		total += widths[i] + (i ? 2 : 0);
		if (table->columns[i].flex)
			flex = i;
	}
	if (!limit || total <= limit || flex == SIZE_MAX)
		return;
	excess = total - limit;
	least = widths[flex] < FLEX_MIN ? widths[flex] : FLEX_MIN;
	widths[flex] = widths[flex] > least + excess ? widths[flex] - excess : least;
}

/* Bytes of the first `columns` code points. */
static size_t cut(const char *text, size_t columns)
{
	size_t len = 0;

	while (text[len] && qos_columns_width(text, len + 1) <= columns)
		len++;
	return len;
}

static void print_cell(const struct qos_out *out, enum qos_paint paint, const char *text, size_t w,
		       bool right, bool last)
{
	_cleanup_free_ char *shown = NULL;
	size_t len = width(text);
	size_t pad = len < w ? w - len : 0;

	if (len > w && asprintf(&shown, "%.*s...", (int)cut(text, w - 3), text) >= 0)
		text = shown;
	if (right)
		fprintf(out->file, "%*s", (int)pad, "");
	qos_out_paint(out, paint, text);
	if (!right && !last)
		fprintf(out->file, "%*s", (int)pad, "");
}

void qos_columns_print(const struct qos_columns *table, const struct qos_out *out,
		       unsigned int indent)
{
	_cleanup_free_ size_t *widths = calloc(table->n_columns, sizeof(*widths));
	size_t n = table->n_columns;

	if (!widths || table->error)
		return;
	layout(table, indent, out->width, widths);
	for (size_t row = 0; row <= table->n_cells / n; row++) {
		fprintf(out->file, "%*s", (int)indent, "");
		for (size_t i = 0; i < n; i++) {
			const struct qos_cell *cell = row ? &table->cells[(row - 1) * n + i] : NULL;

			if (i)
				fputs("  ", out->file);
			print_cell(out, cell ? cell->paint : QOS_BOLD,
				   cell ? cell->text : table->columns[i].title, widths[i],
				   table->columns[i].right, i + 1 == n);
		}
		fputc('\n', out->file);
	}
}

void qos_columns_reset(struct qos_columns *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct qos_columns){.columns = table->columns, .n_columns = table->n_columns};
}
