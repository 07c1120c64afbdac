/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open addressing with linear probing and backward-shift deletion: one allocation, no tombstones,
 * at most three quarters full. 16 bytes a slot keeps 1,000 entries in 32 KiB. It shrinks only by
 * qos_table_reset(); a daemon that once had many threads keeps the slots.
 */
#include "util/table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define SIZE_MIN 16

/* Fibonacci hashing: consecutive tids spread over the whole table. */
static size_t home(const struct qos_table *table, uint32_t key)
{
	return (size_t)((key * 2654435769ULL) >> 16) & (table->size - 1);
}

/* The slot of `key`, or the free one where it would go. The table is never full. */
static size_t find(const struct qos_table *table, uint32_t key)
{
	size_t i = home(table, key);

	while (table->slots[i].value && table->slots[i].key != key)
		i = (i + 1) & (table->size - 1);
	return i;
}

void *qos_table_get(const struct qos_table *table, uint32_t key)
{
	return table->size ? table->slots[find(table, key)].value : NULL;
}

static int grow(struct qos_table *table)
{
	struct qos_table wider = {.size = table->size ? table->size * 2 : SIZE_MIN, .n = table->n};

	wider.slots = calloc(wider.size, sizeof(*wider.slots));
	if (!wider.slots)
		return -ENOMEM;
	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i].value)
			wider.slots[find(&wider, table->slots[i].key)] = table->slots[i];
	}
	free(table->slots);
	*table = wider;
	return 0;
}

int qos_table_set(struct qos_table *table, uint32_t key, void *value)
{
	struct qos_table_slot *slot;
	int r;

	if (!qos_table_get(table, key) && (table->n + 1) * 4 > table->size * 3) {
		r = grow(table);
		if (r < 0)
			return r;
	}
	slot = &table->slots[find(table, key)];
	if (!slot->value)
		table->n++;
	*slot = (struct qos_table_slot){.key = key, .value = value};
	return 0;
}

/* Entries behind a freed slot move up, unless that would put them before their home. */
static void close_gap(struct qos_table *table, size_t gap)
{
	size_t mask = table->size - 1;

	for (size_t i = (gap + 1) & mask; table->slots[i].value; i = (i + 1) & mask) {
		size_t from_home = (i - home(table, table->slots[i].key)) & mask;

		if (from_home < ((i - gap) & mask))
			continue;
		table->slots[gap] = table->slots[i];
		gap = i;
	}
	table->slots[gap] = (struct qos_table_slot){};
}

void *qos_table_remove(struct qos_table *table, uint32_t key)
{
	size_t i;
	void *value;

	if (!table->size)
		return NULL;
	i = find(table, key);
	value = table->slots[i].value;
	if (!value)
		return NULL;
	table->n--;
	close_gap(table, i);
	return value;
}

/* What moves into a gap comes from behind it, so it is looked at next. */
void qos_table_remove_all(struct qos_table *table, const void *value)
{
	for (size_t i = 0; i < table->size;) {
		if (table->slots[i].value && table->slots[i].value == value) {
			table->n--;
			close_gap(table, i);
		} else {
			i++;
		}
	}
}

void *qos_table_next(const struct qos_table *table, size_t *pos)
{
	while (*pos < table->size) {
		void *value = table->slots[(*pos)++].value;

		if (value)
			return value;
	}
	return NULL;
}

void qos_table_reset(struct qos_table *table)
{
	free(table->slots);
	*table = (struct qos_table){};
}
