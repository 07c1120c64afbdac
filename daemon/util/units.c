/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quantities. One reader and one writer over tables of units, all in integers. A decimal fraction is
 * folded from its last digit towards the point: each digit times the unit, plus what came from the
 * right, must divide by ten without a rest, which holds exactly if the whole value is an integer of
 * the base unit. So nothing grows beyond ten units, and no number of digits can overflow.
 * Weakness: only the spellings of the tables are known ("us", not the micro sign; "ms", not "msec").
 */
#include "util/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* Sorted from the smallest; `size` in the base unit. */
struct unit {
	const char *name;
	uint64_t size;
};

static const struct unit durations[] = {
	{"ns", 1},	    {"us", 1000},	  {"ms", 1000000},	 {"s", 1000000000},
	{"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000},
};
static const struct unit frequencies[] = {
	{"mHz", 1}, {"Hz", 1000}, {"kHz", 1000000}, {"MHz", 1000000000}};
static const struct unit rates[] = {
	{"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
static const struct unit sizes[] = {
	{"B", 1},	  {"kB", 1000},	      {"KiB", 1 << 10}, {"MB", 1000000},
	{"MiB", 1 << 20}, {"GB", 1000000000}, {"GiB", 1 << 30},
};
static const struct unit percents[] = {{"%", 10000}};

#define MHZ_MAX	     UINT64_C(4000000000)
#define NS_TIMES_MHZ UINT64_C(1000000000000)
#define PPM_MAX	     1000000
/* 2^-30 has thirty decimals: the longest that any unit above can end in. */
#define DECIMALS_MAX 30

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t n_digits(const char *text)
{
	size_t n = 0;

	while (is_digit(text[n]))
		n++;
	return n;
}

static int read_digits(const char *digits, size_t n, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value))
			return -ERANGE;
	}
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* 0.DIGITS times unit; unit <= 2^60. */
static int read_fraction(const char *digits, size_t n, uint64_t unit, uint64_t *ret)
{
	uint64_t value = 0;

	while (n > 0) {
		value += (uint64_t)(digits[--n] - '0') * unit;
		if (value % 10)
			return -ERANGE;
		value /= 10;
	}
	*ret = value;
	return 0;
}

/* The text must be DIGITS[.DIGITS]UNIT and nothing else. */
static int parse(const char *text, const struct unit *units, size_t n_units, uint64_t *ret)
{
	const char *whole = text, *fraction, *name;
	size_t n_whole = n_digits(text), n_fraction = 0;
	uint64_t value, part;
	int r;

	if (n_whole == 0)
		return -EINVAL;
	name = fraction = whole + n_whole;
	if (*name == '.') {
		fraction = name + 1;
		n_fraction = n_digits(fraction);
		if (n_fraction == 0)
			return -EINVAL;
		name = fraction + n_fraction;
	}
	while (n_units > 0 && strcmp(name, units[n_units - 1].name) != 0)
		n_units--;
	if (n_units == 0)
		return -EINVAL;
	r = read_digits(whole, n_whole, UINT64_MAX, &value);
	if (r < 0)
		return r;
	r = read_fraction(fraction, n_fraction, units[n_units - 1].size, &part);
	if (r < 0)
		return r;
	if (__builtin_mul_overflow(value, units[n_units - 1].size, &value) ||
	    __builtin_add_overflow(value, part, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

/* Writes rest/unit as ".DIGITS", nothing for rest == 0; false if the decimals do not end. */
static bool print_fraction(char *buf, uint64_t rest, uint64_t unit)
{
	size_t n = 0;

	if (rest)
		buf[n++] = '.';
	while (rest && n <= DECIMALS_MAX) {
		uint64_t digit = rest * 10 / unit; /* rest < unit <= 2^47 */

		buf[n++] = (char)('0' + digit);
		rest = rest * 10 - digit * unit;
	}
	buf[n] = '\0';
	return rest == 0;
}

/*
 * The shortest of all units that are not larger than the value ("500ms", not "0.5s": people count
 * in wholes); of equally short ones the smaller unit, which has fewer decimals.
 */
static const char *print(char *buf, size_t size, const struct unit *units, size_t n_units,
			 uint64_t value)
{
	char fraction[DECIMALS_MAX + 2], text[QOS_UNIT_MAX], best[QOS_UNIT_MAX] = "";

	for (size_t i = 0; i < n_units && (i == 0 || units[i].size <= value); i++) {
		if (!print_fraction(fraction, value % units[i].size, units[i].size))
			continue;
		snprintf(text, sizeof(text), "%llu%s%s",
			 (unsigned long long)(value / units[i].size), fraction, units[i].name);
		if (!best[0] || strlen(text) < strlen(best))
			memcpy(best, text, sizeof(best));
	}
	snprintf(buf, size, "%s", best);
	return buf;
}

int qos_parse_duration(const char *text, uint64_t *ret_ns)
{
	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	return parse(text, durations, QOS_ARRAY_SIZE(durations), ret_ns);
}

const char *qos_print_duration(char *buf, size_t size, uint64_t ns)
{
	if (ns == 0) {
		snprintf(buf, size, "0");
		return buf;
	}
	return print(buf, size, durations, QOS_ARRAY_SIZE(durations), ns);
}

const char *qos_print_about(char *buf, size_t size, uint64_t ns)
{
	static const char *const names[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	size_t i = 0;

	for (; value >= 1000 && i < QOS_ARRAY_SIZE(names) - 1; i++)
		value /= 1000;
	snprintf(buf, size, "%.4g%s", value, names[i]);
	return buf;
}

int qos_parse_period(const char *text, struct qos_period *ret)
{
	uint64_t ns, mhz;
	int r;

	r = qos_parse_duration(text, &ns);
	if (r == 0 && ns == 0)
		return -ERANGE;
	if (r == 0) {
		*ret = (struct qos_period){.ns = ns};
		return 0;
	}
	if (r != -EINVAL)
		return r;
	r = parse(text, frequencies, QOS_ARRAY_SIZE(frequencies), &mhz);
	if (r < 0)
		return r;
	if (mhz == 0 || mhz > MHZ_MAX)
		return -ERANGE;
	*ret = (struct qos_period){.ns = NS_TIMES_MHZ / mhz, .mhz = (uint32_t)mhz};
	return 0;
}

const char *qos_print_period(char *buf, size_t size, const struct qos_period *period)
{
	if (period->mhz == 0)
		return qos_print_duration(buf, size, period->ns);
	return print(buf, size, frequencies, QOS_ARRAY_SIZE(frequencies), period->mhz);
}

int qos_parse_rate(const char *text, uint64_t *ret_bps)
{
	return parse(text, rates, QOS_ARRAY_SIZE(rates), ret_bps);
}

const char *qos_print_rate(char *buf, size_t size, uint64_t bps)
{
	return print(buf, size, rates, QOS_ARRAY_SIZE(rates), bps);
}

int qos_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	return parse(text, sizes, QOS_ARRAY_SIZE(sizes), ret_bytes);
}

const char *qos_print_bytes(char *buf, size_t size, uint64_t bytes)
{
	return print(buf, size, sizes, QOS_ARRAY_SIZE(sizes), bytes);
}

/* DIGITS or, if `separator` stands behind them, DIGITS separator DIGITS. -ERANGE only if the form
 * is right. Returns 1 if there were two numbers. */
static int parse_pair(const char *text, char separator, uint64_t max, uint64_t *ret_a,
		      uint64_t *ret_b)
{
	size_t n_a = n_digits(text), n_b;
	const char *b = text + n_a + 1;
	int r;

	if (n_a == 0)
		return -EINVAL;
	if (text[n_a] == '\0')
		return read_digits(text, n_a, max, ret_a);
	if (text[n_a] != separator)
		return -EINVAL;
	n_b = n_digits(b);
	if (n_b == 0 || b[n_b])
		return -EINVAL;
	r = read_digits(text, n_a, max, ret_a);
	if (r == 0)
		r = read_digits(b, n_b, max, ret_b);
	return r < 0 ? r : 1;
}

int qos_parse_ratio(const char *text, uint32_t *ret_num, uint32_t *ret_den)
{
	uint64_t num = 0, den = 0;
	int r;

	r = parse_pair(text, '/', UINT32_MAX, &num, &den);
	if (r != 1)
		return strchr(text, '/') && r < 0 ? r : -EINVAL;
	*ret_num = (uint32_t)num;
	*ret_den = (uint32_t)den;
	return 0;
}

int qos_parse_ppm(const char *text, uint64_t *ret_ppm)
{
	return parse(text, percents, QOS_ARRAY_SIZE(percents), ret_ppm);
}

const char *qos_print_ppm(char *buf, size_t size, uint64_t ppm)
{
	return print(buf, size, percents, QOS_ARRAY_SIZE(percents), ppm);
}

int qos_parse_percent(const char *text, uint32_t *ret_ppm)
{
	uint64_t ppm;
	int r;

	r = qos_parse_ppm(text, &ppm);
	if (r < 0)
		return r;
	if (ppm > PPM_MAX)
		return -ERANGE;
	*ret_ppm = (uint32_t)ppm;
	return 0;
}

const char *qos_print_percent(char *buf, size_t size, uint32_t ppm)
{
	return qos_print_ppm(buf, size, ppm);
}

int qos_parse_count(const char *text, uint64_t max, uint64_t *ret)
{
	size_t n = n_digits(text);

	if (n == 0 || text[n])
		return -EINVAL;
	return read_digits(text, n, max, ret);
}

int qos_parse_span(const char *text, uint32_t max, uint32_t *ret_first, uint32_t *ret_last)
{
	uint64_t first = 0, last = 0;
	int r;

	r = parse_pair(text, '-', max, &first, &last);
	if (r < 0)
		return r;
	if (r == 0)
		last = first;
	if (first > last)
		return -EINVAL;
	*ret_first = (uint32_t)first;
	*ret_last = (uint32_t)last;
	return 0;
}
