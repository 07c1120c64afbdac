/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table-driven reader of one map. Reading goes on after a mistake, so that one run shows all of
 * them; whoever judges relations between values does so only where the bits that qos_parse_fields
 * returns say that both are valid, so that one mistake makes one message.
 */
#include "contract/parse_field.h"

#include <stdarg.h>
#include <string.h>

#include "util/text.h"

bool qos_reader_error(struct qos_reader *reader, const struct qos_loc *loc, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	reader->failed = true;
	qos_diag_error(reader->diag, loc, "%s", text);
	return false;
}

static const char *kind_name(const struct qos_node *node)
{
	switch (node->kind) {
	case QOS_NODE_SCALAR:
		return *node->text ? "a single value" : "nothing";
	case QOS_NODE_LIST:
		return "a list";
	case QOS_NODE_MAP:
		return "a map";
	}
	return "nothing";
}

void qos_reader_hint_example(struct qos_reader *reader, const struct qos_parse_field *field)
{
	qos_diag_hint(reader->diag, "write for example `%s: %s`", field->key, field->example);
}

bool qos_reader_scalar(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node)
{
	if (node->kind == QOS_NODE_SCALAR && *node->text)
		return true;
	if (node->kind == QOS_NODE_SCALAR)
		qos_reader_error(reader, &node->loc, "%s: has no value", field->key);
	else
		qos_reader_error(reader, &node->loc, "%s: expected a single value, found %s",
				 field->key, kind_name(node));
	qos_reader_hint_example(reader, field);
	return false;
}

bool qos_reader_map(struct qos_reader *reader, const struct qos_parse_field *field,
		    const struct qos_node *node)
{
	if (node->kind == QOS_NODE_MAP)
		return true;
	qos_reader_error(reader, &node->loc, "%s: expected a map, found %s", field->key,
			 kind_name(node));
	qos_reader_hint_example(reader, field);
	return false;
}

bool qos_reader_text(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, size_t max)
{
	if (!qos_reader_scalar(reader, field, node))
		return false;
	if (strlen(node->text) <= max)
		return true;
	qos_reader_error(reader, &node->loc, "%s: is longer than %zu bytes", field->key, max);
	qos_reader_hint_example(reader, field);
	return false;
}

/* The document has refused all other control characters. */
bool qos_reader_line(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, size_t max)
{
	if (!qos_reader_text(reader, field, node, max))
		return false;
	if (!strpbrk(node->text, "\t\n"))
		return true;
	qos_reader_error(reader, &node->loc, "%s: contains a tab or a line break", field->key);
	qos_reader_hint_example(reader, field);
	return false;
}

bool qos_reader_dup(struct qos_reader *reader, const char *text, char **slot)
{
	char *copy = strdup(text);

	if (!copy) {
		reader->out_of_memory = true;
		return false;
	}
	free(*slot);
	*slot = copy;
	return true;
}

void qos_reader_suggest(struct qos_reader *reader, const char *word, const char *const *names,
			const char *intro)
{
	const char *nearest = qos_text_nearest(word, names);
	struct qos_buf all = {};

	for (size_t i = 0; names[i]; i++)
		qos_buf_add(&all, " %s", names[i]);
	if (all.error < 0)
		reader->out_of_memory = true;
	else if (nearest)
		qos_diag_hint(reader->diag, "did you mean `%s`? %s:%s", nearest, intro, all.text);
	else
		qos_diag_hint(reader->diag, "%s:%s", intro, all.text);
	qos_buf_reset(&all);
}

static const struct qos_parse_field *find_field(const struct qos_parse_field *fields,
						const char *key)
{
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key))
			return fields;
	return NULL;
}

bool qos_reader_cut_off(struct qos_reader *reader, const struct qos_node *node)
{
	if (node->kind != QOS_NODE_SCALAR || *node->text)
		return false;
	if (node->key[0] >= 'a' && node->key[0] <= 'z' && !strpbrk(node->key, "()<>=+*/% "))
		return false;
	qos_reader_error(reader, &node->key_loc, "'%.64s' is no key", node->key);
	qos_diag_hint(reader->diag,
		      "a comma ends an entry of a { } map: put the value into quotes, "
		      "or each entry on a line of its own");
	return true;
}

/* "`cpu`", "`cpu` or `network`": whose key it is; empty where it is nobody's. */
static const char *whose_key(const char *key, char *buf, size_t size)
{
	bool cpu = find_field(qos_parse_cpu_fields, key);
	bool net = find_field(qos_parse_net_fields, key);

	snprintf(buf, size, "%s%s%s", cpu ? "`cpu`" : "", cpu && net ? " or " : "",
		 net ? "`network`" : "");
	if (find_field(qos_parse_contract_fields, key))
		snprintf(buf, size, "the contract itself");
	return buf;
}

bool qos_reader_misplaced(struct qos_reader *reader, const struct qos_node *node, const char *what,
			  const char *nearest)
{
	char whose[64];

	if (!*whose_key(node->key, whose, sizeof(whose)))
		return false;
	if (nearest && strncmp(nearest, node->key, strlen(node->key)) != 0)
		nearest = NULL; /* nobody takes `rate` for a slip of `name` */
	qos_reader_error(reader, &node->key_loc, "%s has no key '%s'", what, node->key);
	qos_diag_hint(reader->diag, "it is a key of %s: look at the indentation%s%s%s", whose,
		      nearest ? "; or did you mean `" : "", nearest ? nearest : "",
		      nearest ? "`?" : "");
	return true;
}

/* Returns the key that was meant, if one is near. */
static const struct qos_parse_field *unknown_key(struct qos_reader *reader,
						 const struct qos_node *node,
						 const struct qos_parse_field *fields,
						 const char *what)
{
	const char *names[QOS_PARSE_FIELDS_MAX + 1] = {};
	const char *nearest;

	if (qos_reader_cut_off(reader, node))
		return NULL;
	for (size_t i = 0; i < QOS_PARSE_FIELDS_MAX && fields[i].key; i++)
		names[i] = fields[i].key;
	nearest = qos_text_nearest(node->key, names);
	if (qos_reader_misplaced(reader, node, what, nearest))
		return NULL;
	qos_reader_error(reader, &node->key_loc, "unknown key '%.64s' in %s", node->key, what);
	qos_reader_suggest(reader, node->key, names, "the keys are");
	return nearest ? find_field(fields, nearest) : NULL;
}

uint32_t qos_parse_fields(struct qos_reader *reader, const struct qos_node *map,
			  const struct qos_parse_field *fields, const char *what, void *out)
{
	uint32_t valid = 0, meant = 0;

	for (size_t i = 0; i < map->n_children; i++) {
		const struct qos_node *node = map->children[i];
		const struct qos_parse_field *field = find_field(fields, node->key);

		if (field && field->read(reader, field, node, (char *)out + field->offset))
			valid |= 1U << (field - fields);
		if (!field)
			field = unknown_key(reader, node, fields, what);
		if (field)
			meant |= 1U << (field - fields);
	}
	for (const struct qos_parse_field *field = fields; field->key; field++) {
		if (!field->needed || meant & 1U << (field - fields))
			continue;
		qos_reader_error(reader, &map->loc, "%s has no `%s`", what, field->key);
		qos_diag_hint(reader->diag, "add for example `%s: %s`", field->key, field->example);
	}
	return valid;
}
