/* SPDX-License-Identifier: GPL-2.0-only */
/* Document -> contract: keys, words, units, and everything that is wrong on any machine. */
#pragma once

#include "contract/contract.h"
#include "contract/doc.h"

/*
 * Reads the whole document before it gives up, so that one run shows all mistakes. Unknown keys
 * come with the nearest known one. Judges all that needs no machine: signs, orders (runtime <=
 * deadline <= period, x <= y, rate >= packet/period), missing keys, names, `comm` alone, two
 * streams of one name. Rules are read as texts; extension/compile.h judges what they say.
 * 0 and *ret set (the caller owns it), -EINVAL with errors in diag, or -ENOMEM.
 */
int qos_contract_parse(const struct qos_doc *doc, struct qos_diag *diag, struct qos_contract **ret);

struct qos_text {
	const char *file;
	const char *bytes;
	size_t len;
};

/* Whoever makes a document of a text: as qos_doc_parse. */
struct qos_doc_reader {
	int (*read)(void *data, const struct qos_text *text, struct qos_diag *diag,
		    struct qos_doc **ret);
	void *data;
};

/* The first text with the others laid over it, in order. As qos_doc_parse. */
int qos_docs_read(const struct qos_doc_reader *reader, const struct qos_text *texts, size_t n_texts,
		  struct qos_diag *diag, struct qos_doc **ret);

/* Text to contract in one step, here. */
int qos_contract_parse_text(const struct qos_text *texts, size_t n_texts, struct qos_diag *diag,
			    struct qos_contract **ret);
