/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * YAML text to a tree with places. libyaml's event parser is used and not its loader: events carry
 * marks for every key, show anchors and tags before anything is expanded, and leave all memory to
 * bounds of ours. The tree is built on a stack of our own. Refusals that do not unsettle the
 * structure (anchors, tags, duplicate keys) are collected; the others end the reading.
 * The encoding is fixed to UTF-8, and values may hold only what a YAML file could hold unescaped,
 * without controls and odd line breaks; so a printer can write any accepted text back.
 * Weakness: libyaml speaks YAML 1.1 and words its own syntax errors.
 */
#include "contract/doc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define BOM "\xef\xbb\xbf"

/* A map or list that is still open. `key` waits for its value. */
struct frame {
	struct qos_node *node; /* owned by the tree */
	char *key;
	struct qos_loc key_loc;
};

struct reader {
	yaml_parser_t yaml;
	const char *bytes;
	size_t len;
	struct qos_doc *doc;
	struct qos_diag *diag;
	struct frame stack[QOS_DOC_DEPTH_MAX];
	size_t depth;
	size_t n_nodes;
	size_t n_documents;
	bool refused;
};

#define _cleanup_event_	 QOS_CLEANUP(yaml_event_delete)
#define _cleanup_reader_ QOS_CLEANUP(reader_close)

static struct qos_loc loc_at(const struct reader *in, size_t line, size_t col)
{
	return (struct qos_loc){in->doc->files[0], (unsigned int)line, (unsigned int)col};
}

static struct qos_loc loc_of(const struct reader *in, yaml_mark_t mark)
{
	return loc_at(in, mark.line + 1, mark.column + 1);
}

/* libyaml's marks count letters; its reader only knows the byte. */
static struct qos_loc loc_of_byte(const struct reader *in, size_t offset)
{
	size_t line = 1, col = 1;

	for (size_t i = 0; i < offset && i < in->len; i++) {
		unsigned char c = (unsigned char)in->bytes[i];

		if (c == '\n' || (c == '\r' && (i + 1 == in->len || in->bytes[i + 1] != '\n'))) {
			line++;
			col = 1;
		} else if ((c & 0xc0) != 0x80) {
			col++;
		}
	}
	return loc_at(in, line, col);
}

static bool line_starts_with_tab(const struct reader *in, size_t line)
{
	const char *p = in->bytes, *end = in->bytes + in->len;

	while (line > 0) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return false;
		p++;
		line--;
	}
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t';
}

static int bytes_error(struct reader *in)
{
	struct qos_loc loc = loc_of_byte(in, in->yaml.problem_offset);

	qos_diag_error(in->diag, &loc, "not text: %s", in->yaml.problem);
	qos_diag_hint(in->diag, "write the file as UTF-8 text without control characters");
	return -EINVAL;
}

/* libyaml could not go on: its words, its place. */
static int syntax_error(struct reader *in)
{
	const yaml_parser_t *yaml = &in->yaml;
	struct qos_loc loc = loc_of(in, yaml->problem_mark);

	if (yaml->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (yaml->error == YAML_READER_ERROR)
		return bytes_error(in);
	qos_diag_error(in->diag, &loc, "not YAML: %s", yaml->problem);
	if (line_starts_with_tab(in, yaml->problem_mark.line))
		qos_diag_hint(in->diag, "indent with blanks: YAML allows no tabs there");
	else if (yaml->context)
		qos_diag_hint(in->diag, "%s that starts at line %zu", yaml->context,
			      yaml->context_mark.line + 1);
	else
		qos_diag_hint(in->diag, "check quotes, brackets and indentation around this place");
	return -EINVAL;
}

/* The event is refused, the reading goes on to show the next mistake too. */
static void refuse(struct reader *in, const struct qos_loc *loc, const char *text, const char *hint)
{
	qos_diag_error(in->diag, loc, "%s", text);
	qos_diag_hint(in->diag, "%s", hint);
	in->refused = true;
}

static int stop(struct reader *in, const struct qos_loc *loc, const char *text, const char *hint)
{
	refuse(in, loc, text, hint);
	return -EINVAL;
}

static void check_decoration(struct reader *in, const struct qos_loc *loc,
			     const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		refuse(in, loc, "anchors are not allowed",
		       "remove the `&name` and write the value where it is needed");
	if (tag)
		refuse(in, loc, "tags are not allowed",
		       "remove the `!...`: the key decides what its value is");
}

static bool expects_key(const struct reader *in)
{
	return in->depth > 0 && in->stack[in->depth - 1].node->kind == QOS_NODE_MAP &&
	       !in->stack[in->depth - 1].key;
}

/* The text of a scalar, or *ret untouched and -EINVAL if it holds what no text may. */
static int take_text(struct reader *in, const yaml_event_t *event, const struct qos_loc *loc,
		     char **ret)
{
	const yaml_char_t *value = event->data.scalar.value;
	size_t len = event->data.scalar.length;
	char *text;

	if (!qos_doc_is_text((const char *)value, len))
		return stop(in, loc, "a control character in a value",
			    "remove the escape: text has printable letters, tabs and newlines");
	text = strndup((const char *)value, len);
	if (!text)
		return -ENOMEM;
	*ret = text;
	return 0;
}

static void check_key(struct reader *in, const yaml_event_t *event, const struct qos_node *map,
		      const char *key, const struct qos_loc *loc)
{
	const struct qos_node *first = qos_node_get(map, key);

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(key, "<<") == 0)
		refuse(in, loc, "merge keys are not allowed",
		       "remove the `<<` and write the keys where they are needed");
	if (!first)
		return;
	qos_diag_error(in->diag, loc, "duplicate key `%s`", key);
	qos_diag_hint(in->diag, "the first one is at line %u", first->key_loc.line);
	in->refused = true;
}

static int on_key(struct reader *in, const yaml_event_t *event, struct qos_loc loc)
{
	struct frame *top = &in->stack[in->depth - 1];
	int r;

	r = take_text(in, event, &loc, &top->key);
	if (r < 0)
		return r;
	top->key_loc = loc;
	check_key(in, event, top->node, top->key, &loc);
	return 0;
}

/* Hangs a node into the tree: as the root, an item, or the value of the key that waits. Takes the
 * node on success. */
static int attach(struct reader *in, struct qos_node *node)
{
	struct frame *top = in->depth ? &in->stack[in->depth - 1] : NULL;
	int r;

	if (++in->n_nodes > QOS_DOC_NODES_MAX) {
		qos_diag_error(in->diag, &node->loc, "more than %d values", QOS_DOC_NODES_MAX);
		qos_diag_hint(in->diag, "split the file");
		return -EINVAL;
	}
	if (!top) {
		in->doc->root = node;
		return 0;
	}
	if (top->node->n_children >= QOS_DOC_WIDTH_MAX) {
		qos_diag_error(in->diag, &node->loc, "more than %d entries in one list or map",
			       QOS_DOC_WIDTH_MAX);
		qos_diag_hint(in->diag, "it starts at line %u", top->node->loc.line);
		return -EINVAL;
	}
	r = qos_node_add(top->node, node);
	if (r < 0)
		return r;
	node->key_loc = top->key_loc;
	node->key = TAKE_PTR(top->key);
	return 0;
}

static int check_root(struct reader *in, const yaml_event_t *event, const struct qos_loc *loc)
{
	static const char hint[] = "write lines of the form `key: value`";

	if (in->depth > 0)
		return 0;
	if (event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0)
		return stop(in, loc, "empty document: nothing to read", hint);
	return stop(in, loc, "the document must be a map", hint);
}

static size_t n_letters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* The column of a value that takes just as many letters in the file as it has, quotes aside. */
static unsigned int text_column(const yaml_event_t *event, const char *text)
{
	bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	size_t n = n_letters(text) + (quoted ? 2 : 0);

	if (event->start_mark.line != event->end_mark.line ||
	    event->end_mark.column - event->start_mark.column != n)
		return 0;
	return (unsigned int)event->start_mark.column + 1 + quoted;
}

static int on_scalar(struct reader *in, const yaml_event_t *event)
{
	_cleanup_node_ struct qos_node *node = NULL;
	struct qos_loc loc = loc_of(in, event->start_mark);
	int r;

	check_decoration(in, &loc, event->data.scalar.anchor, event->data.scalar.tag);
	r = check_root(in, event, &loc);
	if (r < 0)
		return r;
	if (expects_key(in))
		return on_key(in, event, loc);
	r = qos_node_new(QOS_NODE_SCALAR, loc, &node);
	if (r < 0)
		return r;
	r = take_text(in, event, &loc, &node->text);
	if (r < 0)
		return r;
	node->text_col = text_column(event, node->text);
	r = attach(in, node);
	if (r < 0)
		return r;
	TAKE_PTR(node);
	return 0;
}

/* Opens a list or a map. */
static int push(struct reader *in, enum qos_node_kind kind, struct qos_loc loc)
{
	_cleanup_node_ struct qos_node *node = NULL;
	int r;

	if (expects_key(in))
		return stop(in, &loc, "a key must be a word", "quote it if it is meant as text");
	if (in->depth == QOS_DOC_DEPTH_MAX) {
		qos_diag_error(in->diag, &loc, "nested deeper than %d levels", QOS_DOC_DEPTH_MAX);
		qos_diag_hint(in->diag, "nothing here needs that: remove brackets or indentation");
		return -EINVAL;
	}
	r = qos_node_new(kind, loc, &node);
	if (r < 0)
		return r;
	r = attach(in, node);
	if (r < 0)
		return r;
	in->stack[in->depth++] = (struct frame){.node = TAKE_PTR(node)};
	return 0;
}

static int on_list(struct reader *in, const yaml_event_t *event)
{
	struct qos_loc loc = loc_of(in, event->start_mark);
	int r;

	check_decoration(in, &loc, event->data.sequence_start.anchor,
			 event->data.sequence_start.tag);
	r = check_root(in, event, &loc);
	return r < 0 ? r : push(in, QOS_NODE_LIST, loc);
}

static int on_map(struct reader *in, const yaml_event_t *event)
{
	struct qos_loc loc = loc_of(in, event->start_mark);

	check_decoration(in, &loc, event->data.mapping_start.anchor, event->data.mapping_start.tag);
	return push(in, QOS_NODE_MAP, loc);
}

static int on_end(struct reader *in, const yaml_event_t *event)
{
	in->depth--;
	return 0;
}

/* Stands for whatever was anchored, but that is never looked up: no bomb can go off. */
static int on_alias(struct reader *in, const yaml_event_t *event)
{
	struct qos_loc loc = loc_of(in, event->start_mark);

	return stop(in, &loc, "aliases are not allowed", "write the value in place of the `*name`");
}

static int on_document(struct reader *in, const yaml_event_t *event)
{
	struct qos_loc loc = loc_of(in, event->start_mark);

	if (in->n_documents++ > 0)
		return stop(in, &loc, "more than one document",
			    "put each document into a file of its own");
	if (event->data.document_start.tag_directives.start !=
	    event->data.document_start.tag_directives.end)
		refuse(in, &loc, "tags are not allowed", "remove the %TAG line");
	return 0;
}

static int on_nothing(struct reader *in, const yaml_event_t *event)
{
	return 0;
}

static int on_stream_end(struct reader *in, const yaml_event_t *event)
{
	struct qos_loc loc = loc_at(in, 0, 0);

	if (in->n_documents == 0)
		return stop(in, &loc, "empty file: nothing to read",
			    "write lines of the form `key: value`, or remove the file");
	return 0;
}

static int (*const handlers[])(struct reader *in, const yaml_event_t *event) = {
	[YAML_NO_EVENT] = on_nothing,
	[YAML_STREAM_START_EVENT] = on_nothing,
	[YAML_STREAM_END_EVENT] = on_stream_end,
	[YAML_DOCUMENT_START_EVENT] = on_document,
	[YAML_DOCUMENT_END_EVENT] = on_nothing,
	[YAML_ALIAS_EVENT] = on_alias,
	[YAML_SCALAR_EVENT] = on_scalar,
	[YAML_SEQUENCE_START_EVENT] = on_list,
	[YAML_SEQUENCE_END_EVENT] = on_end,
	[YAML_MAPPING_START_EVENT] = on_map,
	[YAML_MAPPING_END_EVENT] = on_end,
};

static int read_event(struct reader *in, bool *ret_done)
{
	_cleanup_event_ yaml_event_t event = {};

	if (!yaml_parser_parse(&in->yaml, &event))
		return syntax_error(in);
	*ret_done = event.type == YAML_STREAM_END_EVENT;
	return handlers[event.type](in, &event);
}

static void reader_close(struct reader *in)
{
	for (size_t i = 0; i < in->depth; i++)
		free(in->stack[i].key);
	yaml_parser_delete(&in->yaml);
}

static int read_all(struct reader *in)
{
	bool done = false;
	int r;

	while (!done) {
		r = read_event(in, &done);
		if (r < 0)
			return r;
	}
	return in->refused ? -EINVAL : 0;
}

int qos_doc_parse(const char *file, const char *bytes, size_t len, struct qos_diag *diag,
		  struct qos_doc **ret)
{
	_cleanup_reader_ struct reader in = {.diag = diag};
	_cleanup_doc_ struct qos_doc *doc = NULL;
	int r;

	r = qos_doc_check_size(file, len, diag);
	if (r < 0)
		return r;
	r = qos_doc_new(file, &doc);
	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&in.yaml))
		return -ENOMEM;
	if (len >= strlen(BOM) && memcmp(bytes, BOM, strlen(BOM)) == 0) {
		bytes += strlen(BOM);
		len -= strlen(BOM);
	}
	in.doc = doc;
	in.bytes = bytes;
	in.len = len;
	yaml_parser_set_encoding(&in.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&in.yaml, (const unsigned char *)(len ? bytes : ""), len);
	r = read_all(&in);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}
