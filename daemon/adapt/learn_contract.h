/* SPDX-License-Identifier: GPL-2.0-only */
/* What was learnt -> a contract, and its text with the measured figures as comments. Pure. */
#pragma once

#include "adapt/learn.h"
#include "util/text.h"

/* Who was observed, from facts that a process cannot choose. Strings are borrowed; those that do not
 * apply are NULL. Of the first of unit, user_unit, exe that is there, the match is made. */
struct qos_learn_origin {
	const char *name;    /* of the contract */
	const char *subject; /* "process 1234 (camera)", "unit camera.service" */
	const char *unit;
	const char *user_unit;
	const char *exe;
	const char *user;
	const char *cmdline; /* a regular expression; only beside exe */
};

/* Needs at least one stream. 0 and *ret, which the caller owns, or -ENOMEM. */
int qos_learn_contract(const struct qos_learn *learn, const struct qos_learn_origin *origin,
		       struct qos_contract **ret);

/* Warnings of what the figures are worth. */
void qos_learn_warn(const struct qos_learn *learn, struct qos_diag *diag);

/* Appends the contract as qos_contract_print() writes it, with comments above keys: what was
 * measured, the warnings of `diag`, who was left out and why. Errors stick in buf. */
void qos_learn_print(const struct qos_learn *learn, const struct qos_learn_origin *origin,
		     const struct qos_contract *contract, const struct qos_diag *diag,
		     struct qos_buf *buf);

/* Why a thread belongs to no stream, in words; "" for one that does. */
const char *qos_learn_why(enum qos_learn_verdict verdict);
