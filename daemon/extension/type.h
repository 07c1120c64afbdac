/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of the rule language. Every value is a signed 64-bit integer in its type's unit, of at
 * most QOS_RULE_MAX (ratios: QOS_RULE_RATIO_MAX) either way: what would pass that stops there. Two
 * bits are to spare, so that a sum or a difference of two values never overflows.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum qos_rule_type {
	QOS_TYPE_DURATION, /* ns */
	QOS_TYPE_BYTES,
	QOS_TYPE_RATE,	/* bits a second */
	QOS_TYPE_RATIO, /* parts per million */
	QOS_TYPE_COUNT,
	QOS_TYPE_BOOL, /* 0 or 1 */
	QOS_TYPES
};

#define QOS_RULE_MAX	   ((INT64_C(1) << 61) - 1) /* 73 years of ns */
#define QOS_RULE_RATIO_MAX INT64_C(1000000000000)   /* a million times */
#define QOS_RULE_PPM	   1000000		    /* the ratio 1 */
#define QOS_RULE_VALUE_MAX 64			    /* bytes of a printed value */

/* "duration", ...; "a duration", ... */
extern const char *const qos_rule_type_names[QOS_TYPES];
extern const char *const qos_rule_type_phrases[QOS_TYPES];

/* Largest magnitude. */
int64_t qos_rule_limit(enum qos_rule_type type);

/* A value as a rule would write it: "-1.5ms", "110%", "true". Returns buf. */
const char *qos_rule_value_print(char *buf, size_t size, enum qos_rule_type type, int64_t value);
