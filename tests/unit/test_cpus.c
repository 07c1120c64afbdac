/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets of CPUs: the list format both ways, and the set operations against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/cpus.h"

#define SEED 20240611u

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void test_parse(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *canonical;
	} cases[] = {
		{"", 0, ""},
		{"0", 0, "0"},
		{"0-1", 0, "0-1"},
		{"3,0-1", 0, "0-1,3"},
		{"0-3,2-5", 0, "0-5"},
		{"1,2,3", 0, "1-3"},
		{"1023", 0, "1023"},
		{"63-64", 0, "63-64"},
		{"007", 0, "7"},
		{"1024", -ERANGE, NULL},
		{"0-99999999999999999999", -ERANGE, NULL},
		{"1-0", -EINVAL, NULL},
		{"1-", -EINVAL, NULL},
		{"-1", -EINVAL, NULL},
		{",", -EINVAL, NULL},
		{"1,", -EINVAL, NULL},
		{"1,,2", -EINVAL, NULL},
		{" 1", -EINVAL, NULL},
		{"1 ", -EINVAL, NULL},
		{"1\n", -EINVAL, NULL},
		{"0-7:1/2", -EINVAL, NULL},
		{"isolated", -EINVAL, NULL},
		{"1024,x", -EINVAL, NULL},
	};
	char buf[QOS_CPUS_TEXT_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_cpus cpus = {{7}};

		print_message("parse \"%s\"\n", cases[i].text);
		assert_int_equal(qos_cpus_parse(cases[i].text, &cpus), cases[i].result);
		if (cases[i].canonical)
			assert_string_equal(qos_cpus_print(buf, sizeof(buf), &cpus),
					    cases[i].canonical);
		else
			assert_int_equal(cpus.word[0], 7);
	}
}

static void fill(struct qos_cpus *cpus, bool *plain, uint32_t *random)
{
	unsigned int density = random_next(random) % 5;

	qos_cpus_clear(cpus);
	for (unsigned int cpu = 0; cpu < QOS_CPUS_MAX; cpu++) {
		plain[cpu] = density && random_next(random) % 4 < density;
		if (plain[cpu])
			qos_cpus_add(cpus, cpu);
	}
}

/* Every operation against arrays of bool, and print then parse. */
static void test_random(void **state)
{
	static bool a[QOS_CPUS_MAX], b[QOS_CPUS_MAX];
	uint32_t random = SEED;
	char buf[QOS_CPUS_TEXT_MAX];

	print_message("seed %u\n", random);
	for (int round = 0; round < 300; round++) {
		struct qos_cpus x, y, both, only, again;
		unsigned int count = 0, next = QOS_CPUS_MAX;
		bool subset = true, equal = true;

		fill(&x, a, &random);
		fill(&y, b, &random);
		both = qos_cpus_and(&x, &y);
		only = qos_cpus_minus(&x, &y);
		for (unsigned int cpu = QOS_CPUS_MAX; cpu-- > 0;) {
			count += a[cpu];
			subset = subset && (!a[cpu] || b[cpu]);
			equal = equal && a[cpu] == b[cpu];
			next = a[cpu] ? cpu : next;
			assert_int_equal(qos_cpus_has(&both, cpu), a[cpu] && b[cpu]);
			assert_int_equal(qos_cpus_has(&only, cpu), a[cpu] && !b[cpu]);
			assert_int_equal(qos_cpus_next(&x, cpu), next);
		}
		assert_int_equal(qos_cpus_count(&x), count);
		assert_int_equal(qos_cpus_subset(&x, &y), subset);
		assert_int_equal(qos_cpus_equal(&x, &y), equal);
		assert_true(qos_cpus_subset(&both, &y));
		qos_cpus_print(buf, sizeof(buf), &x);
		assert_int_equal(qos_cpus_parse(buf, &again), 0);
		assert_true(qos_cpus_equal(&x, &again));
	}
}

/* Every second CPU is the longest list. */
static void test_longest(void **state)
{
	struct qos_cpus cpus = {}, again;
	char buf[QOS_CPUS_TEXT_MAX];
	unsigned int seen = 0;

	for (unsigned int cpu = 0; cpu < QOS_CPUS_MAX; cpu += 2)
		qos_cpus_add(&cpus, cpu);
	qos_cpus_print(buf, sizeof(buf), &cpus);
	assert_true(strlen(buf) < sizeof(buf) - 1);
	assert_int_equal(qos_cpus_parse(buf, &again), 0);
	assert_true(qos_cpus_equal(&cpus, &again));
	QOS_CPU_FOREACH(cpu, &cpus) {
		assert_int_equal(cpu, 2 * seen);
		seen++;
	}
	assert_int_equal(seen, QOS_CPUS_MAX / 2);
	assert_false(qos_cpus_has(&cpus, QOS_CPUS_MAX));
	assert_int_equal(qos_cpus_next(&cpus, QOS_CPUS_MAX), QOS_CPUS_MAX);
}

static void test_small_buffer(void **state)
{
	struct qos_cpus cpus;
	char buf[6] = "xxxxx";

	assert_int_equal(qos_cpus_parse("0-3,5-9,11", &cpus), 0);
	assert_string_equal(qos_cpus_print(buf, sizeof(buf), &cpus), "0-3,5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_small_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
