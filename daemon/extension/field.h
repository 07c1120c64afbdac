/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vocabulary: events, and the metrics and attributes that they have, each with its unit and
 * range. qos-rules(7) says the same in words; a test compares the two.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/contract.h"
#include "extension/source.h"
#include "extension/type.h"

#define QOS_RULE_TICK_MIN_NS 10000000ULL      /* 10 ms */
#define QOS_RULE_TICK_MAX_NS 3600000000000ULL /* 1 h */

enum qos_rule_event_kind {
	QOS_RULE_JOB = 1 << 0,
	QOS_RULE_LATE = 1 << 1,
	QOS_RULE_WINDOW = 1 << 2,
	QOS_RULE_TICK = 1 << 3,
	QOS_RULE_DROP = 1 << 4,
	QOS_RULE_OVERRUN = 1 << 5,
};

struct qos_rule_event {
	enum qos_rule_event_kind kind;
	size_t stream;	  /* index in the contract, cpu first; a tick has none */
	uint64_t tick_ns; /* a tick only */
};

static inline bool qos_rule_event_is(const struct qos_rule_event *a, const struct qos_rule_event *b)
{
	return a->kind == b->kind && a->stream == b->stream && a->tick_ns == b->tick_ns;
}

/* A row of the table of metrics and attributes. */
struct qos_rule_field {
	const char *section; /* "cpu" or "network" */
	const char *name;    /* may have a point: "used.p99" */
	enum qos_rule_type type;
	unsigned int events;	/* enum qos_rule_event_kind, or-ed */
	int word;		/* enum qos_rules_word; -1: a constant of the contract */
	unsigned int bits;	/* a value needs at most so many, the sign not counted */
	bool is_signed;		/* it can be negative */
	unsigned int attribute; /* enum qos_rules_attribute; 0: a metric, read only */
	const char *help;	/* for hints; the page has more */
};

extern const struct qos_rule_field qos_rule_fields[]; /* ends with a row without name */

/* A field of a certain stream. */
struct qos_rule_ref {
	const struct qos_rule_field *field;
	size_t stream;	  /* index in the contract, cpu first */
	size_t slot;	  /* in qos_rules_input.stream */
	int64_t constant; /* word < 0 */
};

/* Reads "cpu.NAME.job", "cpu.job" (of the stream main), "network.NAME.drop", "tick 1s". 0, or -EINVAL with a
 * diagnostic. */
int qos_rule_event_parse(const struct qos_contract *contract, const struct qos_rule_source *source,
			 struct qos_diag *diag, struct qos_rule_event *ret);

/* Could the parser have made it, of some text of that contract? */
bool qos_rule_event_exists(const struct qos_contract *contract, const struct qos_rule_event *event);

/* What `name` (len bytes of the source, at `at`) means on that event. 0, or -EINVAL with a diagnostic
 * that says what there is instead. */
int qos_rule_field_find(const struct qos_contract *contract, const struct qos_rule_event *event,
			const struct qos_rule_source *source, size_t at, size_t len,
			struct qos_diag *diag, struct qos_rule_ref *ret);

/* The range of an attribute in the contract; `set` is false where nothing may be set. */
struct qos_range qos_rule_range(const struct qos_contract *contract,
				const struct qos_rule_ref *ref);

/* "job", "overrun", "late", "drop", "window", "tick". */
const char *qos_rule_event_name(enum qos_rule_event_kind kind);

/* "cpu.capture.job", "tick 1s"; returns buf. */
const char *qos_rule_event_print(char *buf, size_t size, const struct qos_contract *contract,
				 const struct qos_rule_event *event);
