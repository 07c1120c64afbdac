/* SPDX-License-Identifier: GPL-2.0-only */
/* The table against a plain array, by random operations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "util/table.h"

#define KEYS 512

static void test_empty(void **state)
{
	struct qos_table table = {};
	size_t pos = 0;

	assert_null(qos_table_get(&table, 0));
	assert_null(qos_table_remove(&table, 7));
	assert_null(qos_table_next(&table, &pos));
	qos_table_reset(&table);
}

static void test_set_replaces(void **state)
{
	struct qos_table table = {};
	int a, b;

	assert_int_equal(qos_table_set(&table, 0, &a), 0);
	assert_int_equal(qos_table_set(&table, UINT32_MAX, &b), 0);
	assert_int_equal(qos_table_set(&table, 0, &b), 0);
	assert_int_equal(table.n, 2);
	assert_ptr_equal(qos_table_get(&table, 0), &b);
	assert_ptr_equal(qos_table_remove(&table, UINT32_MAX), &b);
	assert_null(qos_table_get(&table, UINT32_MAX));
	assert_int_equal(table.n, 1);
	qos_table_reset(&table);
	assert_null(qos_table_get(&table, 0));
	assert_int_equal(table.n, 0);
}

static void check_all(const struct qos_table *table, void *const *model, size_t n)
{
	size_t pos = 0, seen = 0;
	char *value;

	for (uint32_t key = 0; key < KEYS; key++)
		assert_ptr_equal(qos_table_get(table, key * 7919), model[key]);
	while ((value = qos_table_next(table, &pos)))
		seen++;
	assert_int_equal(seen, n);
	assert_int_equal(table->n, n);
}

static void test_random(void **state)
{
	static char values[KEYS];
	void *model[KEYS] = {};
	struct qos_table table = {};
	unsigned int seed = 7;
	size_t n = 0;

	print_message("seed %u\n", seed);
	for (int i = 0; i < 50000; i++) {
		uint32_t key = (uint32_t)rand_r(&seed) % KEYS;
		/* phases of growth and of decay */
		bool grow = rand_r(&seed) % 10 < (i / 5000 % 2 ? 3 : 7);

		if (grow) {
			n += !model[key];
			model[key] = &values[key];
			assert_int_equal(qos_table_set(&table, key * 7919, &values[key]), 0);
		} else {
			n -= model[key] != NULL;
			assert_ptr_equal(qos_table_remove(&table, key * 7919), model[key]);
			model[key] = NULL;
		}
		if (i % 100 == 0)
			check_all(&table, model, n);
	}
	check_all(&table, model, n);
	qos_table_reset(&table);
}

static void test_remove_all(void **state)
{
	unsigned int seed = 11;
	char mine, others;

	for (int round = 0; round < 300; round++) {
		void *model[KEYS] = {};
		struct qos_table table = {};
		size_t n = 0;

		for (int i = 0; i < rand_r(&seed) % KEYS; i++) {
			uint32_t key = (uint32_t)rand_r(&seed) % KEYS;
			bool is_mine = rand_r(&seed) % 2;

			n += !is_mine - (model[key] != NULL);
			model[key] = is_mine ? NULL : &others;
			assert_int_equal(
				qos_table_set(&table, key * 7919, is_mine ? &mine : &others), 0);
		}
		qos_table_remove_all(&table, &mine);
		check_all(&table, model, n);
		qos_table_reset(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_set_replaces),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_remove_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
