/* SPDX-License-Identifier: GPL-2.0-only */
/* Quantities: each form and refusal, and parse(print(x)) == x for random values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/units.h"

#define SEED   UINT64_C(0x9e3779b97f4a7c15)
#define ROUNDS 200000

struct case_u64 {
	const char *text;
	int result;
	uint64_t value;
	const char *printed; /* NULL: as written */
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* All sizes of numbers, and round ones, which take the larger units. */
static uint64_t random_value(uint64_t *state)
{
	uint64_t value = random_next(state) >> (random_next(state) % 64);
	static const uint64_t round[] = {1, 10, 1000, 1024, 500000, 1000000, 60000000000};
	uint64_t factor = round[random_next(state) % QOS_ARRAY_SIZE(round)], product;

	return __builtin_mul_overflow(value, factor, &product) ? value : product;
}

static void run(const struct case_u64 *cases, size_t n, int (*parse)(const char *, uint64_t *),
		const char *(*print)(char *, size_t, uint64_t))
{
	char buf[QOS_UNIT_MAX];

	for (size_t i = 0; i < n; i++) {
		uint64_t value = 4711;
		const struct case_u64 *c = &cases[i];

		print_message("\"%s\"\n", c->text);
		assert_int_equal(parse(c->text, &value), c->result);
		assert_int_equal(value, c->result ? 4711 : c->value);
		if (c->result == 0)
			assert_string_equal(print(buf, sizeof(buf), value),
					    c->printed ? c->printed : c->text);
	}
}

static void round_trip(int (*parse)(const char *, uint64_t *),
		       const char *(*print)(char *, size_t, uint64_t))
{
	uint64_t random = SEED;
	char buf[QOS_UNIT_MAX];

	print_message("seed %llu\n", (unsigned long long)random);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t value = i == 0 ? UINT64_MAX : random_value(&random), again = ~value;

		print(buf, sizeof(buf), value);
		if (parse(buf, &again) != 0 || again != value || strlen(buf) + 1 >= QOS_UNIT_MAX)
			fail_msg("%llu is written \"%s\" and read as %llu",
				 (unsigned long long)value, buf, (unsigned long long)again);
	}
}

static void test_duration(void **state)
{
	static const struct case_u64 cases[] = {
		{"0", 0, 0},
		{"0s", 0, 0, "0"},
		{"1ns", 0, 1},
		{"10ms", 0, 10000000},
		{"500ms", 0, 500000000},
		{"0.5s", 0, 500000000, "500ms"},
		{"1.5ms", 0, 1500000},
		{"1500us", 0, 1500000, "1.5ms"},
		{"33333us", 0, 33333000},
		{"60s", 0, 60000000000, "1m"},
		{"90s", 0, 90000000000},
		{"1h", 0, 3600000000000},
		{"1d", 0, 86400000000000},
		{"0.000000001s", 0, 1, "1ns"},
		{"1.50000000000000000000000000000000000000000ms", 0, 1500000, "1.5ms"},
		{"0.3333333333333333333333333333h", -ERANGE},
		{"0.1ns", -ERANGE},
		{"0.0000000001s", -ERANGE},
		{"18446744073709551615ns", 0, UINT64_MAX, "18446744073709551615ns"},
		{"18446744073709551616ns", -ERANGE},
		{"18446744073.709551615s", 0, UINT64_MAX, "18446744073709551615ns"},
		{"18446744073.709551616s", -ERANGE},
		{"213504d", -ERANGE},
		{"99999999999999999999999999999999999999ms", -ERANGE},
		{"10", -EINVAL},
		{"00", -EINVAL},
		{"", -EINVAL},
		{"ms", -EINVAL},
		{"-1ms", -EINVAL},
		{"+1ms", -EINVAL},
		{" 1ms", -EINVAL},
		{"1 ms", -EINVAL},
		{"1ms ", -EINVAL},
		{"1.ms", -EINVAL},
		{".5ms", -EINVAL},
		{"1.5.5ms", -EINVAL},
		{"1e3ms", -EINVAL},
		{"0x10ms", -EINVAL},
		{"10msec", -EINVAL},
		{"10MS", -EINVAL},
		{"10mbit", -EINVAL},
		{"10ms5us", -EINVAL},
	};

	run(cases, QOS_ARRAY_SIZE(cases), qos_parse_duration, qos_print_duration);
	round_trip(qos_parse_duration, qos_print_duration);
}

static void test_about(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {{0, "0ns"},
		     {999, "999ns"},
		     {4194304, "4.194ms"},
		     {4840560, "4.841ms"},
		     {5430000, "5.43ms"},
		     {29360128, "29.36ms"},
		     {3600000000000, "3600s"}};
	char buf[QOS_UNIT_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++)
		assert_string_equal(qos_print_about(buf, sizeof(buf), cases[i].ns), cases[i].text);
}

static void test_rate(void **state)
{
	static const struct case_u64 cases[] = {
		{"0bit", 0, 0},
		{"800bit", 0, 800},
		{"64kbit", 0, 64000},
		{"12mbit", 0, 12000000},
		{"2.5gbit", 0, 2500000000},
		{"1000mbit", 0, 1000000000, "1gbit"},
		{"0.0001kbit", -ERANGE},
		{"18446744074gbit", -ERANGE},
		{"12Mbit", -EINVAL},
		{"12mb", -EINVAL},
		{"12", -EINVAL},
	};

	run(cases, QOS_ARRAY_SIZE(cases), qos_parse_rate, qos_print_rate);
	round_trip(qos_parse_rate, qos_print_rate);
}

static void test_bytes(void **state)
{
	static const struct case_u64 cases[] = {
		{"0B", 0, 0},
		{"1400B", 0, 1400},
		{"1kB", 0, 1000},
		{"1KiB", 0, 1024},
		{"1.5KiB", 0, 1536, "1536B"},
		{"64KiB", 0, 65536},
		{"2MiB", 0, 2097152},
		{"0.5MiB", 0, 524288, "512KiB"},
		{"0.0009765625KiB", 0, 1, "1B"},
		{"0.5B", -ERANGE},
		{"0.1KiB", -ERANGE},
		{"17179869184GiB", -ERANGE},
		{"1400", -EINVAL},
		{"1400b", -EINVAL},
		{"1kb", -EINVAL},
	};

	run(cases, QOS_ARRAY_SIZE(cases), qos_parse_bytes, qos_print_bytes);
	round_trip(qos_parse_bytes, qos_print_bytes);
}

static void test_period(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint64_t ns;
		uint32_t mhz;
		const char *printed;
	} cases[] = {
		{"33ms", 0, 33000000, 0, "33ms"},
		{"30Hz", 0, 33333333, 30000, "30Hz"},
		{"29.97Hz", 0, 33366700, 29970, "29.97Hz"},
		{"1kHz", 0, 1000000, 1000000, "1kHz"},
		{"1000Hz", 0, 1000000, 1000000, "1kHz"},
		{"0.001Hz", 0, UINT64_C(1000000000000), 1, "1mHz"},
		{"4MHz", 0, 250, 4000000000, "4MHz"},
		{"4.000001MHz", -ERANGE},
		{"0.0001Hz", -ERANGE},
		{"0Hz", -ERANGE},
		{"0ms", -ERANGE},
		{"0", -ERANGE},
		{"99999999999999999999ms", -ERANGE},
		{"-5ms", -EINVAL},
		{"30hz", -EINVAL},
		{"30", -EINVAL},
		{"30MHz", -ERANGE},
		{"1.5mHz", -ERANGE},
		{"1500mHz", 0, 666666666, 1500, "1.5Hz"},
	};
	char buf[QOS_UNIT_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_period period = {1, 2};

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(qos_parse_period(cases[i].text, &period), cases[i].result);
		assert_int_equal(period.ns, cases[i].result ? 1 : cases[i].ns);
		assert_int_equal(period.mhz, cases[i].result ? 2 : cases[i].mhz);
		if (cases[i].result == 0)
			assert_string_equal(qos_print_period(buf, sizeof(buf), &period),
					    cases[i].printed);
	}
}

static void test_period_round_trip(void **state)
{
	uint64_t random = SEED;
	char buf[QOS_UNIT_MAX];

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t mhz = (uint32_t)(random_value(&random) % 4000000000) + 1;
		struct qos_period period = {UINT64_C(1000000000000) / mhz, mhz}, again = {};

		if (i % 2)
			period = (struct qos_period){random_value(&random) | 1, 0};
		qos_print_period(buf, sizeof(buf), &period);
		if (qos_parse_period(buf, &again) != 0 || again.ns != period.ns ||
		    again.mhz != period.mhz)
			fail_msg("%llu ns %u mHz is written \"%s\"", (unsigned long long)period.ns,
				 period.mhz, buf);
	}
}

static void test_ratio(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t num, den;
	} cases[] = {
		{"1/10", 0, 1, 10},
		{"0/0", 0, 0, 0},
		{"10/1", 0, 10, 1},
		{"4294967295/4294967295", 0, UINT32_MAX, UINT32_MAX},
		{"4294967296/1", -ERANGE},
		{"1/4294967296", -ERANGE},
		{"1/99999999999999999999999", -ERANGE},
		{"4294967296", -EINVAL},
		{"1", -EINVAL},
		{"1/", -EINVAL},
		{"/1", -EINVAL},
		{"1/2/3", -EINVAL},
		{"1 / 2", -EINVAL},
		{"-1/2", -EINVAL},
		{"99999999999/x", -EINVAL},
		{"", -EINVAL},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		uint32_t num = 77, den = 88;

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(qos_parse_ratio(cases[i].text, &num, &den), cases[i].result);
		assert_int_equal(num, cases[i].result ? 77 : cases[i].num);
		assert_int_equal(den, cases[i].result ? 88 : cases[i].den);
	}
}

/* Ratios may be above 1. */
static void test_ppm(void **state)
{
	char buf[QOS_UNIT_MAX];
	uint64_t ppm = 0;

	assert_int_equal(qos_parse_ppm("110%", &ppm), 0);
	assert_int_equal(ppm, 1100000);
	assert_string_equal(qos_print_ppm(buf, sizeof(buf), ppm), "110%");
	assert_int_equal(qos_parse_ppm("0.00001%", &ppm), -ERANGE);
	assert_int_equal(qos_parse_ppm("110", &ppm), -EINVAL);
}

static void test_percent(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t ppm;
	} cases[] = {
		{"0%", 0, 0},	      {"90%", 0, 900000},    {"12.5%", 0, 125000},
		{"100%", 0, 1000000}, {"0.0001%", 0, 1},     {"100.0001%", -ERANGE},
		{"101%", -ERANGE},    {"0.00001%", -ERANGE}, {"90", -EINVAL},
		{"%", -EINVAL},	      {"90 %", -EINVAL},     {"-1%", -EINVAL},
	};
	char buf[QOS_UNIT_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		uint32_t ppm = 77;

		print_message("\"%s\"\n", cases[i].text);
		assert_int_equal(qos_parse_percent(cases[i].text, &ppm), cases[i].result);
		assert_int_equal(ppm, cases[i].result ? 77 : cases[i].ppm);
	}
	for (uint32_t ppm = 0; ppm <= 1000000; ppm++) {
		uint32_t again = ~ppm;

		qos_print_percent(buf, sizeof(buf), ppm);
		if (qos_parse_percent(buf, &again) != 0 || again != ppm)
			fail_msg("%u ppm is written \"%s\"", ppm, buf);
	}
}

static void test_count(void **state)
{
	uint64_t value = 77;

	assert_int_equal(qos_parse_count("100", 100, &value), 0);
	assert_int_equal(value, 100);
	assert_int_equal(qos_parse_count("18446744073709551615", UINT64_MAX, &value), 0);
	assert_int_equal(value, UINT64_MAX);
	value = 77;
	assert_int_equal(qos_parse_count("101", 100, &value), -ERANGE);
	assert_int_equal(qos_parse_count("18446744073709551616", UINT64_MAX, &value), -ERANGE);
	assert_int_equal(qos_parse_count("", 100, &value), -EINVAL);
	assert_int_equal(qos_parse_count("-1", 100, &value), -EINVAL);
	assert_int_equal(qos_parse_count("1.0", 100, &value), -EINVAL);
	assert_int_equal(qos_parse_count("0x1", 100, &value), -EINVAL);
	assert_int_equal(qos_parse_count("1 ", 100, &value), -EINVAL);
	assert_int_equal(value, 77);
}

static void test_span(void **state)
{
	uint32_t first = 77, last = 88;

	assert_int_equal(qos_parse_span("10-40", 48, &first, &last), 0);
	assert_int_equal(first, 10);
	assert_int_equal(last, 40);
	assert_int_equal(qos_parse_span("7", 48, &first, &last), 0);
	assert_int_equal(first, 7);
	assert_int_equal(last, 7);
	assert_int_equal(qos_parse_span("10-49", 48, &first, &last), -ERANGE);
	assert_int_equal(qos_parse_span("49", 48, &first, &last), -ERANGE);
	assert_int_equal(qos_parse_span("40-10", 48, &first, &last), -EINVAL);
	assert_int_equal(qos_parse_span("10-", 48, &first, &last), -EINVAL);
	assert_int_equal(qos_parse_span("-10", 48, &first, &last), -EINVAL);
	assert_int_equal(qos_parse_span("1-2-3", 48, &first, &last), -EINVAL);
	assert_int_equal(qos_parse_span("", 48, &first, &last), -EINVAL);
	assert_int_equal(first, 7);
	assert_int_equal(last, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration), cmocka_unit_test(test_about),
		cmocka_unit_test(test_rate),	 cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_period),	 cmocka_unit_test(test_period_round_trip),
		cmocka_unit_test(test_ratio),	 cmocka_unit_test(test_percent),
		cmocka_unit_test(test_ppm),	 cmocka_unit_test(test_count),
		cmocka_unit_test(test_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
