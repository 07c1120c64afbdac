/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A contract's adaptation rules as texts with places. What the texts mean is the business of
 * extension/; here they are data of the contract like any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/diag.h"

#define QOS_CONTRACT_RULES_MAX 64
#define QOS_CONTRACT_SETS_MAX  16   /* of one rule */
#define QOS_RULE_BYTES_MAX     1024 /* of one text */

struct qos_rule_text {
	char *text;	    /* NULL: not given */
	struct qos_loc loc; /* of text[0] in the file */
	bool exact;	    /* columns of text and file run in step */
};

/* attribute: value */
struct qos_rule_set {
	struct qos_rule_text attribute;
	struct qos_rule_text value;
};

/* On `event`, if `when`: set, emit. Owned by its contract. */
struct qos_rule {
	struct qos_loc loc;
	struct qos_rule_text event;
	struct qos_rule_text when; /* may be missing: always */
	struct qos_rule_set *sets;
	size_t n_sets;
	struct qos_rule_text emit; /* may be missing: a name like a contract's */
};

/* What the contract does with its list. */
void qos_rules_free(struct qos_rule *rules, size_t n);
bool qos_rules_equal(const struct qos_rule *a, size_t n_a, const struct qos_rule *b, size_t n_b);

/* Calls it for every place in the rules. */
void qos_rules_each_loc(struct qos_rule *rules, size_t n,
			void (*each)(struct qos_loc *loc, const void *data), const void *data);

/* Names after `emit`, in order of first use: borrowed from the rules, the array is the caller's. 0 or -ENOMEM. */
int qos_rules_signals(const struct qos_rule *rules, size_t n, const char ***ret, size_t *ret_n);
