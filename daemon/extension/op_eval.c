/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The evaluation column of the table of operations: what a rule means, to the bit. Written for
 * reading, with 128-bit intermediates, and apart from op_lower.c, so that the two check each other.
 * A value that would leave its type's bounds stops there; x / 0 is 0; divisions round towards 0.
 * State words: a value that is remembered is kept as 2 v + 1, so that 0 means "none yet".
 */
#include <linux/types.h>

#include "extension/op_parts.h"
#include "qos_rules_abi.h"

typedef __int128 wide;

static int64_t saturate(wide value, int64_t limit)
{
	return value > limit ? limit : value < -limit ? -limit : (int64_t)value;
}

static int64_t limit_of(const struct qos_rule_node *node)
{
	return qos_rule_limit(node->type);
}

/* x * ratio. */
static int64_t times(int64_t x, int64_t ppm, int64_t limit)
{
	return saturate((wide)x * ppm / QOS_RULE_PPM, limit);
}

/* x * 10^6 / y: a ratio, or x divided by a ratio. A y of more than 43 bits loses its last 18, and so
 * does x: a relative error below 2^-24, and up to one unit more. */
static int64_t parts(int64_t x, int64_t y, int64_t limit)
{
	bool negative = (x < 0) != (y < 0);
	uint64_t a = x < 0 ? -(uint64_t)x : (uint64_t)x;
	uint64_t b = y < 0 ? -(uint64_t)y : (uint64_t)y;
	int64_t magnitude;

	if (!y)
		return 0;
	if (b >> QOS_RULE_DIVISOR_BITS) {
		a >>= QOS_RULE_DIVISOR_SHIFT;
		b >>= QOS_RULE_DIVISOR_SHIFT;
	}
	magnitude = saturate((wide)a * QOS_RULE_PPM / (wide)b, limit);
	return negative ? -magnitude : magnitude;
}

/* The low bits of a word, as the instructions take them. */
static int64_t extract(uint64_t word, unsigned int bits, bool is_signed)
{
	uint64_t low = word & ((UINT64_C(1) << bits) - 1);

	return is_signed && word >> bits & 1 ? (int64_t)(low | ~UINT64_C(0) << bits) : (int64_t)low;
}

static bool is_kept(uint64_t word)
{
	return word & 1;
}

static int64_t kept(uint64_t word)
{
	return (int64_t)word >> 1;
}

static uint64_t keep(int64_t value)
{
	return (uint64_t)value << 1 | 1;
}

/* The remembered value, or x the first time; x is remembered. */
static int64_t exchange(uint64_t *word, int64_t x)
{
	int64_t old = is_kept(*word) ? kept(*word) : x;

	*word = keep(x);
	return old;
}

int64_t qos_eval_literal(struct qos_rule_run *run, const struct qos_rule_node *node,
			 const int64_t *args)
{
	return node->value;
}

int64_t qos_eval_field(struct qos_rule_run *run, const struct qos_rule_node *node,
		       const int64_t *args)
{
	const struct qos_rule_ref *ref = &node->field;

	if (ref->field->word < 0)
		return ref->constant;
	return extract((uint64_t)run->frame->stream[ref->slot].word[ref->field->word],
		       ref->field->bits, ref->field->is_signed);
}

/* One line each. */
#define EVAL(name, expression)                                                                     \
	int64_t qos_eval_##name(struct qos_rule_run *run, const struct qos_rule_node *node,        \
				const int64_t *args)                                               \
	{                                                                                          \
		return expression;                                                                 \
	}

EVAL(not, !args[0])
EVAL(and, args[0] && args[1])
EVAL(or, args[0] || args[1])
EVAL(lt, args[0] < args[1])
EVAL(le, args[0] <= args[1])
EVAL(gt, args[0] > args[1])
EVAL(ge, args[0] >= args[1])
EVAL(eq, args[0] == args[1])
EVAL(ne, args[0] != args[1])
EVAL(neg, -args[0])
EVAL(abs, args[0] < 0 ? -args[0] : args[0])
EVAL(add, saturate((wide)args[0] + args[1], limit_of(node)))
EVAL(sub, saturate((wide)args[0] - args[1], limit_of(node)))
EVAL(prev, exchange(&run->state[node->state], args[0]))
EVAL(delta, saturate((wide)args[0] - exchange(&run->state[node->state], args[0]), limit_of(node)))

int64_t qos_eval_mul(struct qos_rule_run *run, const struct qos_rule_node *node,
		     const int64_t *args)
{
	if (node->args[1]->type == QOS_TYPE_RATIO)
		return times(args[0], args[1], limit_of(node));
	return saturate((wide)args[0] * args[1], limit_of(node));
}

int64_t qos_eval_div(struct qos_rule_run *run, const struct qos_rule_node *node,
		     const int64_t *args)
{
	enum qos_rule_type type = node->args[1]->type;

	if (type == QOS_TYPE_RATIO || type == node->args[0]->type)
		return parts(args[0], args[1], limit_of(node));
	return args[1] ? args[0] / args[1] : 0;
}

int64_t qos_eval_min(struct qos_rule_run *run, const struct qos_rule_node *node,
		     const int64_t *args)
{
	int64_t value = args[0];

	for (size_t i = 1; i < node->n_args; i++)
		value = args[i] < value ? args[i] : value;
	return value;
}

int64_t qos_eval_max(struct qos_rule_run *run, const struct qos_rule_node *node,
		     const int64_t *args)
{
	int64_t value = args[0];

	for (size_t i = 1; i < node->n_args; i++)
		value = args[i] > value ? args[i] : value;
	return value;
}

/* The low end wins where the ends are crossed. */
int64_t qos_eval_clamp(struct qos_rule_run *run, const struct qos_rule_node *node,
		       const int64_t *args)
{
	int64_t value = args[0] < args[2] ? args[0] : args[2];

	return value > args[1] ? value : args[1];
}

int64_t qos_eval_ewma(struct qos_rule_run *run, const struct qos_rule_node *node,
		      const int64_t *args)
{
	uint64_t *word = &run->state[node->state];
	int64_t old = is_kept(*word) ? kept(*word) : args[0];
	int64_t step =
		times(saturate((wide)args[0] - old, limit_of(node)), args[1], limit_of(node));
	int64_t value = saturate((wide)old + step, limit_of(node));

	*word = keep(value);
	return value;
}

/* A second word has the time. Between two events at least 1 us must pass, or the rate is 0, and after
 * 2^42 ns no more time is counted. */
int64_t qos_eval_rate(struct qos_rule_run *run, const struct qos_rule_node *node,
		      const int64_t *args)
{
	uint64_t *word = &run->state[node->state];
	int64_t limit = qos_rule_limit(node->args[0]->type);
	int64_t change = saturate((wide)args[0] - exchange(word, args[0]), limit);
	int64_t now = extract(run->frame->now_ns, QOS_RULE_TIME_BITS, false);
	int64_t span = now - extract(word[1], QOS_RULE_TIME_BITS, false);

	word[1] = (uint64_t)now;
	span = span < 0 ? 0 : span;
	span = span >> QOS_RULE_SPAN_BITS ? (INT64_C(1) << QOS_RULE_SPAN_BITS) - 1 : span;
	if (node->type == QOS_TYPE_RATIO)
		return parts(change, span, limit_of(node));
	if (node->type == QOS_TYPE_RATE)
		change = saturate((wide)change * 8, limit_of(node));
	return parts(change, span / 1000, limit_of(node));
}

/* Per event, without time: kp e + ki sum(e) + kd (e - last e). The sum stops at 2^50, so that it does
 * not wind up for years. */
int64_t qos_eval_pid(struct qos_rule_run *run, const struct qos_rule_node *node,
		     const int64_t *args)
{
	uint64_t *word = &run->state[node->state];
	int64_t limit = limit_of(node);
	int64_t change = saturate((wide)args[0] - exchange(&word[1], args[0]), limit);
	int64_t sum = extract(word[0], QOS_RULE_INTEGRAL_BITS, true);
	int64_t value;

	sum = saturate((wide)sum + args[0], (INT64_C(1) << QOS_RULE_INTEGRAL_BITS) - 1);
	word[0] = (uint64_t)sum;
	sum = saturate(sum, limit);
	value = saturate((wide)times(args[0], args[1], limit) + times(sum, args[2], limit), limit);
	return saturate((wide)value + times(change, args[3], limit), limit);
}

/* The mean of the last complete block of N values; before there is one, of those so far. Of counts it
 * is a ratio: of 100 jobs that were late 0 or 1 times each, the share. */
int64_t qos_eval_over(struct qos_rule_run *run, const struct qos_rule_node *node,
		      const int64_t *args)
{
	uint64_t *word = &run->state[node->state];
	int64_t n = extract(word[0], QOS_RULE_OVER_BITS, false) + 1;
	int64_t sum = saturate((wide)args[0] + (int64_t)word[1], QOS_RULE_MAX), mean;

	mean = node->args[0]->type == QOS_TYPE_COUNT ? parts(sum, n, limit_of(node)) : sum / n;
	word[0] = (uint64_t)n;
	word[1] = (uint64_t)sum;
	if (n < args[1])
		return is_kept(word[2]) ? kept(word[2]) : mean;
	word[0] = 0;
	word[1] = 0;
	word[2] = keep(mean);
	return mean;
}
