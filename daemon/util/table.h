/* SPDX-License-Identifier: GPL-2.0-only */
/* A map from a 32-bit key (a tid, an id) to a pointer. Values are borrowed, never NULL. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"

struct qos_table_slot {
	uint32_t key;
	void *value; /* NULL: free */
};

/* All zeroes is an empty table. */
struct qos_table {
	struct qos_table_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t n;    /* values in it */
};

/* The value of `key`, or NULL. */
void *qos_table_get(const struct qos_table *table, uint32_t key);

/* Sets or replaces. 0 or -ENOMEM (the table is as before). */
int qos_table_set(struct qos_table *table, uint32_t key, void *value);

/* Takes the value out and returns it; NULL if there was none. */
void *qos_table_remove(struct qos_table *table, uint32_t key);

/* Takes out every entry with this value. */
void qos_table_remove_all(struct qos_table *table, const void *value);

/* The next value in no order; start with *pos = 0; NULL at the end. Setting or removing on the way
 * is not allowed: values could be seen twice or not at all. */
void *qos_table_next(const struct qos_table *table, size_t *pos);

/* Forgets all entries and frees the memory; the values are the caller's. */
void qos_table_reset(struct qos_table *table);
