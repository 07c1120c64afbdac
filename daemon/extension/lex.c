/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lexer: one pass, no state but the position. A number keeps what is glued to it ("10ms", "3x"),
 * so that a wrong unit is one mistake and not two.
 */
#include "extension/lex.h"

#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

/* Longer signs first. */
static const char *const signs[] = {"<=", ">=", "==", "!=", "(", ")", ",",
				    "+",  "-",	"*",  "/",  "<", ">", NULL};

/* What people write from habit, and what it is called here. */
static const struct {
	const char *sign;
	const char *hint;
} habits[] = {
	{"&&", "write `and`"},
	{"||", "write `or`"},
	{"!", "write `not`, or `!=` between two values"},
	{"=", "write `==` to compare; an attribute is set under `set:`"},
	{"%", "a percentage is a number with % right behind it: `90%`"},
	{"^", "there are no powers: write the product"},
	{"\"", "names and words stand without quotes"},
	{"'", "names and words stand without quotes"},
	{"[", "group with ( and )"},
	{"{", "group with ( and )"},
};

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static size_t name_length(const char *text)
{
	size_t n = 0;

	while (is_letter(text[n]) || is_digit(text[n]) || text[n] == '_' || text[n] == '.')
		n++;
	return n;
}

static size_t number_length(const char *text)
{
	size_t n = name_length(text);

	return text[n] == '%' ? n + 1 : n;
}

static size_t sign_length(const char *text)
{
	for (size_t i = 0; signs[i]; i++)
		if (!strncmp(text, signs[i], strlen(signs[i])))
			return strlen(signs[i]);
	return 0;
}

static int refuse(const struct qos_rule_source *source, size_t at, struct qos_diag *diag)
{
	const char *text = source->text + at;
	struct qos_loc loc = qos_rule_loc(source, at);
	size_t n = 1;

	while (((unsigned char)text[n] & 0xc0) == 0x80)
		n++;
	qos_diag_error(diag, &loc, "'%.*s' means nothing in a rule", (int)n, text);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(habits); i++) {
		if (!strncmp(text, habits[i].sign, strlen(habits[i].sign))) {
			qos_diag_hint(diag, "%s", habits[i].hint);
			return -EINVAL;
		}
	}
	if (is_letter(*text))
		qos_diag_hint(diag, "words and names begin with a small letter, for example "
				    "cpu.NAME.used");
	else
		qos_diag_hint(diag, "the signs are ( ) , + - * / < <= > >= == !=");
	return -EINVAL;
}

static int too_long(const struct qos_rule_source *source, size_t at, struct qos_diag *diag)
{
	struct qos_loc loc = qos_rule_loc(source, at);

	qos_diag_error(diag, &loc, "an expression has at most %d bytes and %d words",
		       QOS_RULE_BYTES_MAX, QOS_RULE_TOKENS_MAX - 1);
	qos_diag_hint(diag, "split the rule into two");
	return -EINVAL;
}

/* The token that begins at text[at]; len == 0: none does. */
static struct qos_token token_at(const char *text, size_t at)
{
	struct qos_token token = {.at = (uint16_t)at};

	if (is_lower(text[at])) {
		token.kind = QOS_TOKEN_NAME;
		token.len = (uint16_t)name_length(text + at);
	} else if (is_digit(text[at])) {
		token.kind = QOS_TOKEN_NUMBER;
		token.len = (uint16_t)number_length(text + at);
	} else {
		token.kind = QOS_TOKEN_SIGN;
		token.len = (uint16_t)sign_length(text + at);
	}
	return token;
}

int qos_rule_lex(const struct qos_rule_source *source, struct qos_diag *diag,
		 struct qos_token *tokens)
{
	const char *text = source->text;
	size_t at = 0;
	int n = 0;

	if (strlen(text) > QOS_RULE_BYTES_MAX)
		return too_long(source, 0, diag);
	for (;;) {
		at += strspn(text + at, " \t\n");
		if (n == QOS_RULE_TOKENS_MAX)
			return too_long(source, at, diag);
		if (!text[at])
			break;
		tokens[n] = token_at(text, at);
		if (!tokens[n].len)
			return refuse(source, at, diag);
		at += tokens[n++].len;
	}
	tokens[n++] = (struct qos_token){.kind = QOS_TOKEN_END, .at = (uint16_t)at};
	return n;
}

bool qos_token_is(const struct qos_rule_source *source, const struct qos_token *token,
		  const char *text)
{
	return token->len == strlen(text) && !strncmp(source->text + token->at, text, token->len);
}

void qos_rule_lex_print(const struct qos_rule_source *source, const struct qos_token *tokens,
			size_t n, struct qos_buf *out)
{
	static const char *const names[] = {"end", "name", "number", "sign"};

	for (size_t i = 0; i < n; i++) {
		struct qos_loc loc = qos_rule_loc(source, tokens[i].at);

		qos_buf_add(out, "  %u:%u\t%-7s %.*s\n", loc.line, loc.col, names[tokens[i].kind],
			    (int)tokens[i].len, source->text + tokens[i].at);
	}
}
