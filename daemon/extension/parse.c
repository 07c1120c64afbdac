/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A parser by precedence: the rows of the table of operations say how close each sign binds, so the
 * grammar is the table. The parser's own recursion is bounded by QOS_RULE_DEPTH_MAX; the depth of the
 * tree, which a long sum makes deeper without recursion here, by the number of tokens.
 */
#include "extension/parse.h"

#include <errno.h>
#include <string.h>

#include "extension/op.h"
#include "util/units.h"

#define LEVEL_COMPARE 4 /* a < b < c is a mistake, not a chain */

struct parser {
	const struct qos_rule_source *source;
	const struct qos_token *token; /* the next one */
	struct qos_diag *diag;
	unsigned int depth;
};

static int parse_level(struct parser *parser, unsigned int level, struct qos_rule_node **ret);

static bool is(const struct parser *parser, const char *text)
{
	return parser->token->kind != QOS_TOKEN_END &&
	       qos_token_is(parser->source, parser->token, text);
}

/* Takes the token if it is that one. */
static bool accept(struct parser *parser, const char *text)
{
	if (!is(parser, text))
		return false;
	parser->token++;
	return true;
}

static int error_at(struct parser *parser, const struct qos_token *token, const char *text)
{
	struct qos_loc loc = qos_rule_loc(parser->source, token->at);

	if (token->kind == QOS_TOKEN_END)
		return qos_diag_error(parser->diag, &loc, "%s, but the rule ends here", text);
	return qos_diag_error(parser->diag, &loc, "%s, not '%.*s'", text,
			      token->len > 64 ? 64 : token->len, parser->source->text + token->at);
}

static int expected(struct parser *parser, const char *text, const char *hint)
{
	int r = error_at(parser, parser->token, text);

	qos_diag_hint(parser->diag, "%s", hint);
	return r;
}

static int node_new(const struct qos_rule_op *op, const struct qos_token *token,
		    struct qos_rule_node **ret)
{
	struct qos_rule_node *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->op = op;
	node->at = token->at;
	node->len = token->len;
	*ret = node;
	return 0;
}

/* Deeper by one; every way down passes here, and parse_level goes up again. The outermost level stands
 * in nothing: it does not count. */
static int enter(struct parser *parser)
{
	struct qos_loc loc;
	int r;

	if (parser->depth++ <= QOS_RULE_DEPTH_MAX)
		return 0;
	loc = qos_rule_loc(parser->source, parser->token->at);
	r = qos_diag_error(parser->diag, &loc, "nested deeper than %d levels", QOS_RULE_DEPTH_MAX);
	qos_diag_hint(parser->diag, "split the expression, or leave brackets out");
	return r;
}

/* "10ms", "3", "110%": what the letters behind the digits make it. */
static const struct {
	enum qos_rule_type type;
	int (*parse)(const char *text, uint64_t *ret);
} units[] = {
	{QOS_TYPE_DURATION, qos_parse_duration},
	{QOS_TYPE_BYTES, qos_parse_bytes},
	{QOS_TYPE_RATE, qos_parse_rate},
	{QOS_TYPE_RATIO, qos_parse_ppm},
};

static int parse_count(const char *text, uint64_t *ret)
{
	return qos_parse_count(text, QOS_RULE_MAX, ret);
}

static int bad_number(struct parser *parser, const char *text, bool range)
{
	struct qos_loc loc = qos_rule_loc(parser->source, parser->token->at);
	int r;

	r = qos_diag_error(parser->diag, &loc,
			   range ? "'%.64s' is too large or too fine" : "'%.64s' is no number",
			   text);
	if (strchr(text, '.') && !text[strspn(text, "0123456789.")])
		qos_diag_hint(parser->diag, "a number without unit has no fraction: write 3/2 or "
					    "150%%");
	else
		qos_diag_hint(parser->diag, "units: ns us ms s m h d, B kB KiB MB MiB GB GiB, bit "
					    "kbit mbit gbit, %%; none for a count");
	return r;
}

static int parse_number(struct parser *parser, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	const struct qos_token *token = parser->token;
	char text[QOS_RULE_BYTES_MAX + 1];
	uint64_t value = 0;
	int r, parsed;

	memcpy(text, parser->source->text + token->at, token->len);
	text[token->len] = '\0';
	r = node_new(qos_rule_op_literal, token, &node);
	if (r < 0)
		return r;
	node->type = QOS_TYPE_COUNT;
	parsed = parse_count(text, &value);
	for (size_t i = 0; parsed == -EINVAL && i < QOS_ARRAY_SIZE(units); i++) {
		node->type = units[i].type;
		parsed = units[i].parse(text, &value);
	}
	if (parsed < 0 || value > (uint64_t)qos_rule_limit(node->type))
		return bad_number(parser, text, parsed != -EINVAL);
	node->value = (int64_t)value;
	parser->token++;
	*ret = TAKE_PTR(node);
	return 0;
}

static int add_arg(struct parser *parser, struct qos_rule_node *node, unsigned int level)
{
	int r = parse_level(parser, level, &node->args[node->n_args]);

	if (r == 0)
		node->n_args++;
	return r;
}

static int bad_call(struct parser *parser, const struct qos_rule_node *node)
{
	struct qos_loc loc = qos_rule_loc(parser->source, node->at);
	int r = qos_diag_error(parser->diag, &loc, "%s takes %s", node->op->name,
			       node->op->n_min == 1   ? "one value"
			       : node->op->n_min == 4 ? "four values"
			       : node->op->n_min == 3 ? "three values"
			       : node->op->n_max == 2 ? "two values"
						      : "two to four values");

	qos_diag_hint(parser->diag, "%s", node->op->usage);
	return r;
}

static int parse_args(struct parser *parser, struct qos_rule_node *node)
{
	int r;

	if (accept(parser, ")"))
		return bad_call(parser, node);
	do {
		if (node->n_args == node->op->n_max)
			return bad_call(parser, node);
		r = add_arg(parser, node, 0);
		if (r < 0)
			return r;
	} while (accept(parser, ","));
	if (!accept(parser, ")"))
		return expected(parser, "expected , or )", node->op->usage);
	return node->n_args < node->op->n_min ? bad_call(parser, node) : 0;
}

static int no_function(struct parser *parser)
{
	const char *names[32] = {}, *nearest;
	const struct qos_token *token = parser->token;
	char word[64];
	size_t n = 0;
	int r;

	for (const struct qos_rule_op *op = qos_rule_ops; op->name; op++)
		if (op->form == QOS_FORM_CALL && n < QOS_ARRAY_SIZE(names) - 1)
			names[n++] = op->name;
	snprintf(word, sizeof(word), "%.*s", token->len, parser->source->text + token->at);
	nearest = qos_text_nearest(word, names);
	r = error_at(parser, token, "expected a function");
	qos_diag_hint(parser->diag,
		      "%s%s%sthe functions are min max clamp abs ewma delta rate prev "
		      "pid, and `x over N jobs`",
		      nearest ? "did you mean `" : "", nearest ? nearest : "",
		      nearest ? "`? " : "");
	return r;
}

static int parse_name(struct parser *parser, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	const struct qos_token *token = parser->token;
	const char *text = parser->source->text + token->at;
	const struct qos_rule_op *op = qos_rule_op_field;
	bool call = qos_token_is(parser->source, token + 1, "(");
	int r;

	if (call)
		op = qos_rule_op_find(QOS_FORM_CALL, text, token->len);
	else if (is(parser, "true") || is(parser, "false"))
		op = qos_rule_op_literal;
	if (!op)
		return no_function(parser);
	r = node_new(op, token, &node);
	if (r < 0)
		return r;
	node->type = QOS_TYPE_BOOL;
	node->value = is(parser, "true");
	parser->token += call ? 2 : 1;
	if (call)
		r = parse_args(parser, node);
	if (r == 0)
		*ret = TAKE_PTR(node);
	return r;
}

static int parse_brackets(struct parser *parser, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *inner = NULL;
	int r;

	parser->token++;
	r = parse_level(parser, 0, &inner);
	if (r < 0)
		return r;
	if (!accept(parser, ")"))
		return expected(parser, "expected )", "a ( is not closed");
	*ret = TAKE_PTR(inner);
	return 0;
}

static bool is_keyword(const struct parser *parser)
{
	return is(parser, "and") || is(parser, "or") || is(parser, "over") || is(parser, "jobs");
}

static int parse_primary(struct parser *parser, struct qos_rule_node **ret)
{
	if (parser->token->kind == QOS_TOKEN_NUMBER)
		return parse_number(parser, ret);
	if (parser->token->kind == QOS_TOKEN_NAME && !is_keyword(parser))
		return parse_name(parser, ret);
	if (is(parser, "("))
		return parse_brackets(parser, ret);
	return expected(parser, "expected a value",
			"a number with its unit, a metric like cpu.NAME.used, a function, or ( )");
}

/* x over N jobs: the number is the second argument. */
static int parse_over(struct parser *parser, struct qos_rule_node **node)
{
	_cleanup_rule_node_ struct qos_rule_node *over = NULL;
	static const char hint[] = "write for example `cpu.NAME.late over 100 jobs`";
	int r;

	r = node_new(qos_rule_op_over, parser->token, &over);
	if (r < 0)
		return r;
	parser->token++;
	over->args[over->n_args++] = TAKE_PTR(*node);
	if (parser->token->kind != QOS_TOKEN_NUMBER)
		return expected(parser, "expected a number of jobs", hint);
	r = parse_number(parser, &over->args[over->n_args]);
	if (r < 0)
		return r;
	over->n_args++;
	if (!accept(parser, "jobs"))
		return expected(parser, "expected `jobs`", hint);
	*node = TAKE_PTR(over);
	return 0;
}

static int parse_prefix(struct parser *parser, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	const struct qos_token *token = parser->token;
	const struct qos_rule_op *op =
		token->kind == QOS_TOKEN_END
			? NULL
			: qos_rule_op_find(QOS_FORM_PREFIX, parser->source->text + token->at,
					   token->len);
	int r;

	if (!op) {
		r = parse_primary(parser, &node);
		if (r == 0 && is(parser, "over"))
			r = parse_over(parser, &node);
	} else {
		r = node_new(op, token, &node);
		if (r < 0)
			return r;
		parser->token++;
		r = add_arg(parser, node, op->level);
	}
	if (r == 0)
		*ret = TAKE_PTR(node);
	return r;
}

static const struct qos_rule_op *next_infix(const struct parser *parser, unsigned int level)
{
	const struct qos_token *token = parser->token;
	const struct qos_rule_op *op;

	if (token->kind == QOS_TOKEN_END)
		return NULL;
	op = qos_rule_op_find(QOS_FORM_INFIX, parser->source->text + token->at, token->len);
	return op && op->level > level ? op : NULL;
}

/* The left side grows. */
static int parse_infix(struct parser *parser, const struct qos_rule_op *op,
		       struct qos_rule_node **left)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	const struct qos_rule_op *next;
	int r;

	r = node_new(op, parser->token, &node);
	if (r < 0)
		return r;
	parser->token++;
	node->args[node->n_args++] = TAKE_PTR(*left);
	r = add_arg(parser, node, op->level);
	if (r < 0)
		return r;
	next = next_infix(parser, 0);
	if (op->level == LEVEL_COMPARE && next && next->level == LEVEL_COMPARE)
		return expected(parser, "expected `and` or the end behind a comparison",
				"write `a < b and b < c`");
	*left = TAKE_PTR(node);
	return 0;
}

/* Everything that binds closer than `level`. */
static int parse_level(struct parser *parser, unsigned int level, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	const struct qos_rule_op *op;
	int r;

	r = enter(parser);
	if (r < 0)
		return r;
	r = parse_prefix(parser, &node);
	while (r == 0 && (op = next_infix(parser, level)))
		r = parse_infix(parser, op, &node);
	parser->depth--;
	if (r == 0)
		*ret = TAKE_PTR(node);
	return r;
}

int qos_rule_parse(const struct qos_rule_source *source, const struct qos_token *tokens,
		   struct qos_diag *diag, struct qos_rule_node **ret)
{
	_cleanup_rule_node_ struct qos_rule_node *node = NULL;
	struct parser parser = {.source = source, .token = tokens, .diag = diag};
	int r;

	r = parse_level(&parser, 0, &node);
	if (r < 0)
		return r;
	if (parser.token->kind != QOS_TOKEN_END)
		return expected(&parser, "expected the end of the rule",
				"between two values stands a sign, `and` or `or`");
	*ret = TAKE_PTR(node);
	return 0;
}
