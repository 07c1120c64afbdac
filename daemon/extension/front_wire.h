/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon asks its parser, and what that answers: one message of bytes each way, of bounded length, the
 * same build at both ends. Files have no names there, only numbers. What is answered is believed in nothing that
 * can be judged. Pure: kern/parser.h carries it.
 */
#pragma once

#include "extension/front.h"

#define QOS_FRONT_ASK_MAX    (4u << 20) /* bytes: a file and its overlays */
#define QOS_FRONT_ANSWER_MAX (4u << 20)

/* How a parser that cannot be shut in ends. */
#define QOS_FRONT_EXIT_OPEN 3

enum qos_front_what { QOS_FRONT_DOC, QOS_FRONT_RULES, QOS_FRONT_IMAGE };

/* Not sent yet; asked.error: -ENOMEM. */
void qos_front_ask(struct qos_buf *asked, enum qos_front_what what, enum qos_rules_target target,
		   const struct qos_text *texts, size_t n);

/* The parser's whole work: 0, or -EBADMSG if that is no question. */
int qos_front_answer(const char *asked, size_t len, struct qos_buf *answer);

/* What was answered: 0, -EINVAL with words in diag about `texts`, -ENOMEM; -EBADMSG: it makes no sense. Nothing is
 * put into diag then. */
int qos_front_take_doc(const char *answer, size_t len, const struct qos_text *text,
		       struct qos_diag *diag, struct qos_doc **ret);
int qos_front_take_rules(const char *answer, size_t len, const struct qos_text *texts, size_t n,
			 struct qos_diag *diag);
int qos_front_take_image(const char *answer, size_t len, const struct qos_contract *contract,
			 struct qos_diag *diag, struct qos_image **ret);
