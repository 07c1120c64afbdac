/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front: all that reads texts which people wrote. YAML becomes a document, rules become an image. It is an
 * interface because two do it: qosctl and tests right here (qos_front_here), the daemon in a process without
 * privileges (kern/parser.h). A result is the same, to the words of a mistake.
 */
#pragma once

#include "contract/parse.h"
#include "extension/image.h"

struct qos_front {
	/* As qos_doc_parse. */
	int (*doc)(void *data, const struct qos_text *text, struct qos_diag *diag,
		   struct qos_doc **ret);
	/* Do the rules of the contract that the texts make compile, wherever they will run? As qos_compile_both,
	 * with words that find their places in the texts. */
	int (*rules)(void *data, const struct qos_text *texts, size_t n, struct qos_diag *diag);
	/* What is loaded of them. */
	int (*image)(void *data, const struct qos_contract *contract, enum qos_rules_target target,
		     struct qos_diag *diag, struct qos_image **ret);
	/* There is nothing to do for a while. */
	void (*rest)(void *data);
	void *data;
};

/* In this process. */
extern const struct qos_front qos_front_here;
