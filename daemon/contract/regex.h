/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Regular expressions with a bound. The syntax is that of POSIX extended ones, over bytes:
 * . [set] [^set] [[:class:]] ( ) | * + ? {n} {n,} {n,m} ^ $ and backslash before a sign.
 * There are no back-references. A text fits if the expression describes the whole of it.
 */
#pragma once

#include <stdbool.h>

#define QOS_REGEX_MAX 256 /* bytes of an expression */

/* NULL if the expression is fine, else what is wrong with it (static). */
const char *qos_regex_check(const char *regex);

/* False also for an expression that is not fine. No allocation; the time is at most the length of
 * the text times the length of the expression with its counts written out (at most 1000). */
bool qos_regex_fits(const char *regex, const char *text);
