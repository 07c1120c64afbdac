/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The values that more than one map of a contract has. Every refusal has one wording: the key, what
 * was read, what is wrong with it, and a hint with an example or the bounds.
 */
#include "contract/parse_field.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "util/text.h"

static int parse_count(const char *text, uint64_t *ret)
{
	return qos_parse_count(text, UINT32_MAX, ret);
}

static const char *print_count(char *buf, size_t size, uint64_t value)
{
	snprintf(buf, size, "%llu", (unsigned long long)value);
	return buf;
}

const struct qos_quantity qos_quantity_duration = {"a duration", "ns us ms s m h d",
						   qos_parse_duration, qos_print_duration};
const struct qos_quantity qos_quantity_rate = {"a rate", "bit kbit mbit gbit", qos_parse_rate,
					       qos_print_rate};
const struct qos_quantity qos_quantity_bytes = {"a size", "B kB KiB MB MiB", qos_parse_bytes,
						qos_print_bytes};
const struct qos_quantity qos_quantity_count = {"a number", NULL, parse_count, print_count};

/* A period is a duration or a rate of its own; only `what` and `units` are used. */
static const struct qos_quantity quantity_period = {"a duration or a rate in hertz",
						    "ns us ms s m h, Hz kHz MHz"};

static bool not_of_form(struct qos_reader *reader, const struct qos_parse_field *field,
			const struct qos_node *node, const struct qos_quantity *quantity)
{
	if (node->text[0] == '-')
		qos_reader_error(reader, &node->loc, "%s: '%.64s' is negative", field->key,
				 node->text);
	else
		qos_reader_error(reader, &node->loc, "%s: '%.64s' is not %s", field->key,
				 node->text, quantity->what);
	if (quantity->units)
		qos_diag_hint(reader->diag, "write for example `%s: %s`; units: %s", field->key,
			      field->example, quantity->units);
	else
		qos_reader_hint_example(reader, field);
	return false;
}

static bool out_of_range(struct qos_reader *reader, const struct qos_parse_field *field,
			 const struct qos_node *node, const struct qos_quantity *quantity)
{
	char lo[QOS_UNIT_MAX], hi[QOS_UNIT_MAX];

	qos_reader_error(reader, &node->loc, "%s: '%.64s' is out of range", field->key, node->text);
	qos_diag_hint(reader->diag, "%s takes %s to %s", field->key,
		      quantity->print(lo, sizeof(lo), field->min),
		      quantity->print(hi, sizeof(hi), field->max));
	return false;
}

static bool must_be_positive(struct qos_reader *reader, const struct qos_parse_field *field,
			     const struct qos_node *node)
{
	qos_reader_error(reader, &node->loc, "%s: must be greater than zero", field->key);
	qos_reader_hint_example(reader, field);
	return false;
}

static bool read_quantity(struct qos_reader *reader, const struct qos_parse_field *field,
			  const struct qos_node *node, const struct qos_quantity *quantity,
			  uint64_t *ret)
{
	uint64_t value = 0;
	int r;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	r = quantity->parse(node->text, &value);
	if (r == -EINVAL)
		return not_of_form(reader, field, node, quantity);
	if (r == 0 && value == 0 && field->min > 0)
		return must_be_positive(reader, field, node);
	if (r < 0 || value < field->min || value > field->max)
		return out_of_range(reader, field, node, quantity);
	*ret = value;
	return true;
}

bool qos_read_duration(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	return read_quantity(reader, field, node, &qos_quantity_duration, out);
}

bool qos_read_rate(struct qos_reader *reader, const struct qos_parse_field *field,
		   const struct qos_node *node, void *out)
{
	return read_quantity(reader, field, node, &qos_quantity_rate, out);
}

bool qos_read_bytes(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node, void *out)
{
	return read_quantity(reader, field, node, &qos_quantity_bytes, out);
}

bool qos_read_count(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node, void *out)
{
	uint64_t value;

	if (!read_quantity(reader, field, node, &qos_quantity_count, &value))
		return false;
	*(uint32_t *)out = value;
	return true;
}

/* Only zeros before the unit? qos_parse_period refuses them like anything that does not fit. */
static bool is_zero(const char *text)
{
	return *text == '0' && !isdigit((unsigned char)text[strspn(text, "0.")]);
}

bool qos_read_period(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	struct qos_period period;
	int r;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	r = qos_parse_period(node->text, &period);
	if (r == -EINVAL)
		return not_of_form(reader, field, node, &quantity_period);
	if (r == -ERANGE && is_zero(node->text))
		return must_be_positive(reader, field, node);
	if (r < 0 || period.ns < field->min || period.ns > field->max)
		return out_of_range(reader, field, node, &qos_quantity_duration);
	*(struct qos_period *)out = period;
	return true;
}

bool qos_read_window(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	struct qos_window window;
	int r;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	r = qos_parse_ratio(node->text, &window.x, &window.y);
	if (r < 0) {
		qos_reader_error(reader, &node->loc, "%s: '%.64s' %s", field->key, node->text,
				 r == -ERANGE ? "does not fit" : "is not of the form x/y");
		qos_diag_hint(reader->diag,
			      "write for example `window: 1/10`: of 10 consecutive requests at "
			      "most 1 may be lost; 0/1: none; 0/0: plain EDF");
		return false;
	}
	if (window.x > window.y) {
		qos_reader_error(reader, &node->loc, "%s: of %u requests %u cannot be lost",
				 field->key, window.y, window.x);
		qos_diag_hint(reader->diag, "x/y: of y consecutive requests at most x may be lost, "
					    "so x is at most y");
		return false;
	}
	*(struct qos_window *)out = window;
	return true;
}

/* One end of "4ms..12ms": `text` is cut there by the caller. */
static bool read_end(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, char *text, uint64_t *ret)
{
	struct qos_node end = *node;

	end.text = text;
	return read_quantity(reader, field, &end, field->quantity, ret);
}

bool qos_read_range(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node, void *out)
{
	struct qos_range range = {.set = true};
	_cleanup_free_ char *text = NULL;
	char *dots;

	if (!qos_reader_scalar(reader, field, node) || !qos_reader_dup(reader, node->text, &text))
		return false;
	dots = strstr(text, "..");
	if (!dots) {
		qos_reader_error(reader, &node->loc, "%s: '%.64s' is not of the form low..high",
				 field->key, node->text);
		qos_reader_hint_example(reader, field);
		return false;
	}
	*dots = '\0';
	if (!read_end(reader, field, node, text, &range.lo) ||
	    !read_end(reader, field, node, dots + 2, &range.hi))
		return false;
	if (range.lo > range.hi) {
		qos_reader_error(reader, &node->loc, "%s: the low end is above the high end",
				 field->key);
		qos_diag_hint(reader->diag, "swap the two ends");
		return false;
	}
	range.step = ((struct qos_range *)out)->step; /* a key beside it */
	*(struct qos_range *)out = range;
	return true;
}

bool qos_read_word(struct qos_reader *reader, const struct qos_parse_field *field,
		   const struct qos_node *node, void *out)
{
	if (!qos_reader_scalar(reader, field, node))
		return false;
	for (unsigned int i = 0; field->words[i]; i++) {
		if (!strcmp(field->words[i], node->text)) {
			memcpy(out, &i, sizeof(i));
			return true;
		}
	}
	qos_reader_error(reader, &node->loc, "%s: '%.64s' is not a word that is known here",
			 field->key, node->text);
	qos_reader_suggest(reader, node->text, field->words, "the words are");
	return false;
}

bool qos_read_prose(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node, void *out)
{
	return qos_reader_text(reader, field, node, field->max) &&
	       qos_reader_dup(reader, node->text, out);
}

bool qos_read_path(struct qos_reader *reader, const struct qos_parse_field *field,
		   const struct qos_node *node, void *out)
{
	if (!qos_reader_line(reader, field, node, QOS_PATH_MAX))
		return false;
	if (node->text[0] != '/') {
		qos_reader_error(reader, &node->loc, "%s: '%.64s' is not an absolute path",
				 field->key, node->text);
		qos_reader_hint_example(reader, field);
		return false;
	}
	return qos_reader_dup(reader, node->text, out);
}

bool qos_read_stream_name(struct qos_reader *reader, const struct qos_parse_field *field,
			  const struct qos_node *node, void *out)
{
	if (!qos_reader_scalar(reader, field, node))
		return false;
	if (!qos_text_is_stream_name(node->text)) {
		qos_reader_error(reader, &node->loc, "%s: '%.64s' is not a stream name", field->key,
				 node->text);
		qos_diag_hint(reader->diag, "a small letter, then at most 31 small letters, digits "
					    "and _");
		return false;
	}
	return qos_reader_dup(reader, node->text, out);
}

/* A set in brackets may stand for any number of letters, so it is not judged. */
bool qos_parse_comm_fits(const char *pattern)
{
	size_t n = 0;

	if (strchr(pattern, '['))
		return true;
	for (; *pattern; pattern++)
		n += *pattern != '*';
	return n <= QOS_COMM_MAX;
}
