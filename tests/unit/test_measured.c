/* SPDX-License-Identifier: GPL-2.0-only */
/* The cost of a sample: measured once, kept, and measured again where the file is of no use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "contract/host.h"
#include "state/measured.h"

static char dir[64], path[96];
static uint64_t next_ns;
static int measured;

static uint64_t measure(void)
{
	measured++;
	return next_ns;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/qos-measured-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sample-cost", dir);
	measured = 0;
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void test_kept_until_forgotten(void **state)
{
	next_ns = 2000;
	assert_int_equal(qos_measured_sample_cost(dir, measure), 2000);
	next_ns = 64000;
	assert_int_equal(qos_measured_sample_cost(dir, measure), 2000);
	assert_int_equal(measured, 1);
	qos_measured_forget(dir);
	qos_measured_forget(dir);
	assert_int_equal(qos_measured_sample_cost(dir, measure), 64000);
	assert_int_equal(measured, 2);
}

/* Perf events may be permitted later. */
static void test_not_to_be_measured(void **state)
{
	next_ns = 0;
	assert_int_equal(qos_measured_sample_cost(dir, measure), QOS_SAMPLE_COST_DEFAULT);
	next_ns = 64000;
	assert_int_equal(qos_measured_sample_cost(dir, measure), 64000);
}

static void test_useless_files(void **state)
{
	static const char *const texts[] = {"",
					    "\n",
					    "-1\n",
					    "1000001\n",
					    "fast\n",
					    "2000 \n",
					    "00000000000000000000000000000000000002000\n"};

	next_ns = 4000;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		fputs(texts[i], file);
		fclose(file);
		assert_int_equal(qos_measured_sample_cost(dir, measure), 4000);
		assert_int_equal(measured, i + 1);
	}
	assert_int_equal(qos_measured_sample_cost(dir, measure), 4000);
	assert_int_equal(qos_measured_sample_cost("/no/such/directory", measure), 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_until_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_to_be_measured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_useless_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
