/* SPDX-License-Identifier: GPL-2.0-only */
/* Types: names, bounds, printing. Which operation takes which is in op.c. */
#include "extension/type.h"

#include <stdio.h>

#include "util/units.h"

const char *const qos_rule_type_names[QOS_TYPES] = {
	[QOS_TYPE_DURATION] = "duration", [QOS_TYPE_BYTES] = "bytes", [QOS_TYPE_RATE] = "rate",
	[QOS_TYPE_RATIO] = "ratio",	  [QOS_TYPE_COUNT] = "count", [QOS_TYPE_BOOL] = "bool",
};

const char *const qos_rule_type_phrases[QOS_TYPES] = {
	[QOS_TYPE_DURATION] = "a duration", [QOS_TYPE_BYTES] = "bytes",
	[QOS_TYPE_RATE] = "a rate",	    [QOS_TYPE_RATIO] = "a ratio",
	[QOS_TYPE_COUNT] = "a count",	    [QOS_TYPE_BOOL] = "a bool",
};

int64_t qos_rule_limit(enum qos_rule_type type)
{
	return type == QOS_TYPE_RATIO ? QOS_RULE_RATIO_MAX : QOS_RULE_MAX;
}

static const char *print_count(char *buf, size_t size, uint64_t value)
{
	snprintf(buf, size, "%llu", (unsigned long long)value);
	return buf;
}

static const char *print_bool(char *buf, size_t size, uint64_t value)
{
	snprintf(buf, size, "%s", value ? "true" : "false");
	return buf;
}

const char *qos_rule_value_print(char *buf, size_t size, enum qos_rule_type type, int64_t value)
{
	static const char *(*const printers[QOS_TYPES])(char *, size_t, uint64_t) = {
		[QOS_TYPE_DURATION] = qos_print_duration, [QOS_TYPE_BYTES] = qos_print_bytes,
		[QOS_TYPE_RATE] = qos_print_rate,	  [QOS_TYPE_RATIO] = qos_print_ppm,
		[QOS_TYPE_COUNT] = print_count,		  [QOS_TYPE_BOOL] = print_bool,
	};
	char text[QOS_UNIT_MAX];
	uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

	printers[type](text, sizeof(text), magnitude);
	snprintf(buf, size, "%s%s", value < 0 ? "-" : "", text);
	return buf;
}
