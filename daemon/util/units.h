/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Quantities as people write them: "10ms", "30Hz", "12mbit", "1400B", "1/10", "90%".
 * Decimal fractions are exact or refused ("1.5ms" yes, "0.1ns" no): no floating point anywhere.
 * All parsers take the whole string (no blanks, no sign, no trailing bytes) and return
 *   0        and set *ret,
 *   -EINVAL  not of the form,
 *   -ERANGE  of the form, but it does not fit or is below the unit's resolution;
 * *ret is untouched on failure. All printers write the shortest form that parses back to the same
 * value, in a unit that is not larger than it ("500ms", not "0.5s"), need at most QOS_UNIT_MAX
 * bytes, and return buf.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define QOS_UNIT_MAX 48

/* A period. `mhz` != 0: it was given as a rate, `mhz` thousandths of a hertz, and grid point k
 * lies at k * 10^12 / mhz ns; ns is then that rounded down for those who need whole ns.
 * mhz == 0: exactly ns. ns >= 1. */
struct qos_period {
	uint64_t ns;
	uint32_t mhz;
};

/* "10ms": ns us ms s m h d; a bare number is refused except "0". */
int qos_parse_duration(const char *text, uint64_t *ret_ns);
const char *qos_print_duration(char *buf, size_t size, uint64_t ns);
/* "4.841ms": four digits, for sentences; not to be read back. At most 1 h. */
const char *qos_print_about(char *buf, size_t size, uint64_t ns);

/* "33ms" or "30Hz", "29.97Hz", "1kHz", "1mHz"; at most three decimals of a hertz; 1 mHz..4 MHz. */
int qos_parse_period(const char *text, struct qos_period *ret);
const char *qos_print_period(char *buf, size_t size, const struct qos_period *period);

/* Bits a second, decimal prefixes: "12mbit", "1gbit", "64kbit", "800bit". */
int qos_parse_rate(const char *text, uint64_t *ret_bps);
const char *qos_print_rate(char *buf, size_t size, uint64_t bps);

/* Bytes: "1400B", "64KiB" (1024), "1kB" (1000), "2MiB". */
int qos_parse_bytes(const char *text, uint64_t *ret_bytes);
const char *qos_print_bytes(char *buf, size_t size, uint64_t bytes);

/* "1/10": two decimal numbers up to 2^32-1. */
int qos_parse_ratio(const char *text, uint32_t *ret_num, uint32_t *ret_den);

/* "90%", "12.5%": parts per million, 0..1000000. */
int qos_parse_percent(const char *text, uint32_t *ret_ppm);
const char *qos_print_percent(char *buf, size_t size, uint32_t ppm);

/* The same without the bound: "110%", "12.5%". */
int qos_parse_ppm(const char *text, uint64_t *ret_ppm);
const char *qos_print_ppm(char *buf, size_t size, uint64_t ppm);

/* Plain decimal number, at most `max`. */
int qos_parse_count(const char *text, uint64_t max, uint64_t *ret);

/* "10-40" or "7": first <= last <= max. */
int qos_parse_span(const char *text, uint32_t max, uint32_t *ret_first, uint32_t *ret_last);
