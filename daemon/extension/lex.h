/* SPDX-License-Identifier: GPL-2.0-only */
/* Rule text -> tokens. */
#pragma once

#include <stdint.h>

#include "contract/rule.h"
#include "extension/source.h"
#include "util/text.h"

#define QOS_RULE_TOKENS_MAX 512 /* of one expression, the end included; its bytes: rule.h */

enum qos_token_kind {
	QOS_TOKEN_END,
	QOS_TOKEN_NAME,	  /* [a-z][A-Za-z0-9_.]*: words and fields */
	QOS_TOKEN_NUMBER, /* digits, and the letters and % behind them */
	QOS_TOKEN_SIGN,	  /* ( ) , + - * / < <= > >= == != */
};

struct qos_token {
	enum qos_token_kind kind;
	uint16_t at; /* byte in the text */
	uint16_t len;
};

/*
 * Fills tokens[QOS_RULE_TOKENS_MAX]; the last is QOS_TOKEN_END. Returns their number, or -EINVAL
 * with a diagnostic: a sign that is none, a text or a number of tokens beyond the bounds.
 */
int qos_rule_lex(const struct qos_rule_source *source, struct qos_diag *diag,
		 struct qos_token *tokens);

/* Is the token this word or sign? */
bool qos_token_is(const struct qos_rule_source *source, const struct qos_token *token,
		  const char *text);

/* One line a token: column, kind, text. */
void qos_rule_lex_print(const struct qos_rule_source *source, const struct qos_token *tokens,
			size_t n, struct qos_buf *out);
