/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front (extension/front.h) in a process of its own, qosd-parse, which has no file, no capability and a list
 * of system calls (parser/confine.c). It is started with the first question and ended at rest. Whatever becomes
 * of it, a question has an answer: at worst that the parser died on the file, which is a mistake of that file like
 * any other.
 */
#pragma once

#include <sys/types.h>

#include "extension/front.h"
#include "util/cleanup.h"

/* What may be lost in waiting between two rests: this, and for each question so much more. */
#define QOS_PARSER_WAIT_NS 2000000000ULL
#define QOS_PARSER_EACH_NS 10000000ULL
/* And this once, if it wants to run and gets no CPU. */
#define QOS_PARSER_STARVED_NS 3000000000ULL

struct qos_parser;

/* Nobody is started. `program` is borrowed. 0 or -ENOMEM. */
int qos_parser_new(const char *program, struct qos_parser **ret);
void qos_parser_free(struct qos_parser *parser);
QOS_DEFINE_CLEANUP(struct qos_parser *, qos_parser_free)
#define _cleanup_parser_ QOS_CLEANUP(qos_parser_freep)

/* Lives as long as the parser. */
const struct qos_front *qos_parser_front(const struct qos_parser *parser);
