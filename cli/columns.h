/* SPDX-License-Identifier: GPL-2.0-only */
/* A table on a terminal: columns as wide as their cells; one column gives way at the width. */
#pragma once

#include <stddef.h>

#include "out.h"

/* Titles in capitals. At most one column is `flex`: it is cut where the terminal ends. */
struct qos_column {
	const char *title;
	bool right;
	bool flex;
};

struct qos_cell {
	char *text;
	enum qos_paint paint;
};

/* Rows are filled cell by cell, left to right. Out of memory sticks, and print says nothing. */
struct qos_columns {
	const struct qos_column *columns; /* borrowed */
	size_t n_columns;
	struct qos_cell *cells;
	size_t n_cells;
	int error;
};

#define QOS_COLUMNS_INIT(table)                                                                    \
	((struct qos_columns){.columns = (table), .n_columns = QOS_ARRAY_SIZE(table)})

void qos_columns_cell(struct qos_columns *table, enum qos_paint paint, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void qos_columns_print(const struct qos_columns *table, const struct qos_out *out,
		       unsigned int indent);
void qos_columns_reset(struct qos_columns *table);
#define _cleanup_columns_ QOS_CLEANUP(qos_columns_reset)

/* Code points in the first `len` bytes. */
size_t qos_columns_width(const char *text, size_t len);
