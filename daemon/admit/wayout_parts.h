/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to wayout*.c: one refused contract while ways out of the refusal are tried on the book. */
#pragma once

#include "admit/wayout.h"
#include "util/text.h"

#define QOS_WAYOUT_HALVINGS 10 /* of a search for the best value: within 1/1000 of the interval */
#define QOS_WAYOUT_SCALE                                                                           \
	4 /* runtimes down to 1/QOS_WAYOUT_SCALE and periods up to QOS_WAYOUT_SCALE times are worth naming */

struct qos_attempt {
	struct qos_book *book;
	const struct qos_contract *contract;
	struct qos_contract variant;   /* the same with `cpu` and `net` its own, for changes */
	struct qos_cpu_stream *stream; /* the one that failed, in the variant; or */
	struct qos_net_stream *net;
	size_t failed;		   /* network streams are counted behind those of the CPUs */
	struct qos_entry **others; /* of at most the same importance, the least first */
	size_t n_others;
	unsigned int tries;
	unsigned int n_found;
	struct qos_buf found;
	struct qos_buf in_vain;
};

enum qos_answer { QOS_ANSWER_NOT_ASKED, QOS_ANSWER_NO, QOS_ANSWER_YES };

/* A change that may help. `ask` starts from the contract as it is, tries, and adds what it found. */
struct qos_way {
	const char *name;
	enum qos_answer (*ask)(struct qos_attempt *attempt);
};

/* Is the contract (or its variant) admitted as the book stands? Leaves the book as it was. */
bool qos_wayout_is_admitted(struct qos_attempt *attempt, const struct qos_contract *contract);

/* Before each way's words in attempt->found. */
void qos_wayout_found(struct qos_attempt *attempt);

/* Ways that help whatever was refused. */
enum qos_answer qos_wayout_best_effort(struct qos_attempt *attempt);
enum qos_answer qos_wayout_others_leave(struct qos_attempt *attempt);

/* To three digits. */
uint64_t qos_wayout_round_down(uint64_t value);
uint64_t qos_wayout_round_up(uint64_t value);

/* Asks the ways of the list one by one, and writes the hint of the last error. */
void qos_wayout_advise(struct qos_book *book, const struct qos_contract *contract, size_t failed,
		       const struct qos_way *list, size_t n, struct qos_diag *diag);

/* wayout_link.c: the refusal of a network stream. */
void qos_wayout_refuse_link(struct qos_book *book, const struct qos_contract *contract,
			    size_t failed, struct qos_diag *diag);
