/* SPDX-License-Identifier: GPL-2.0-only */
/* The tree in order, each node with its number of children. The recursion is as deep as the document. */
#include "contract/doc_wire.h"

#include <errno.h>
#include <string.h>

static void put_loc(struct qos_buf *out, const struct qos_loc *loc)
{
	qos_wire_put_u32(out, loc->line);
	qos_wire_put_u32(out, loc->col);
}

static void put_node(struct qos_buf *out, const struct qos_node *node)
{
	qos_wire_put_u32(out, node->kind);
	put_loc(out, &node->loc);
	if (node->key) {
		qos_wire_put_bytes(out, node->key, strlen(node->key));
		put_loc(out, &node->key_loc);
	}
	if (node->kind == QOS_NODE_SCALAR) {
		qos_wire_put_bytes(out, node->text, strlen(node->text));
		qos_wire_put_u32(out, node->text_col);
		return;
	}
	qos_wire_put_u32(out, (uint32_t)node->n_children);
	for (size_t i = 0; i < node->n_children; i++)
		put_node(out, node->children[i]);
}

void qos_doc_put(struct qos_buf *out, const struct qos_doc *doc)
{
	put_node(out, doc->root);
}

struct taker {
	struct qos_wire *in;
	const char *file;
	size_t n_nodes;
};

static struct qos_loc take_loc(const struct taker *taker)
{
	struct qos_loc loc = {.file = taker->file, .line = qos_wire_u32(taker->in)};

	loc.col = qos_wire_u32(taker->in);
	return loc;
}

static char *take_text(const struct taker *taker)
{
	char *text = qos_wire_text(taker->in, QOS_DOC_BYTES_MAX);

	if (text && !qos_doc_is_text(text, strlen(text)))
		qos_wire_refuse(taker->in);
	return text;
}

static void take_node(struct taker *taker, struct qos_node *parent, size_t depth,
		      struct qos_node **ret);

static void take_children(struct taker *taker, struct qos_node *node, size_t depth)
{
	uint32_t n = qos_wire_count(taker->in, QOS_DOC_WIDTH_MAX);

	for (uint32_t i = 0; i < n && !taker->in->error; i++) {
		_cleanup_node_ struct qos_node *child = NULL;

		take_node(taker, node, depth, &child);
		if (taker->in->error)
			return;
		if (qos_node_add(node, child) < 0)
			taker->in->error = -ENOMEM;
		else
			TAKE_PTR(child);
	}
}

/* *ret may be set after an error too: a part of a node, which the caller frees. */
static void take_node(struct taker *taker, struct qos_node *parent, size_t depth,
		      struct qos_node **ret)
{
	enum qos_node_kind kind = qos_wire_count(taker->in, QOS_NODE_MAP);
	struct qos_node *node;

	if (++taker->n_nodes > QOS_DOC_NODES_MAX ||
	    (kind != QOS_NODE_SCALAR && depth == QOS_DOC_DEPTH_MAX))
		qos_wire_refuse(taker->in);
	if (qos_node_new(kind, take_loc(taker), ret) < 0) {
		taker->in->error = -ENOMEM;
		return;
	}
	node = *ret;
	if (parent && parent->kind == QOS_NODE_MAP) {
		node->key = take_text(taker);
		node->key_loc = take_loc(taker);
		if (node->key && qos_node_get(parent, node->key))
			qos_wire_refuse(taker->in);
	}
	if (kind != QOS_NODE_SCALAR) {
		take_children(taker, node, depth + 1);
		return;
	}
	node->text = take_text(taker);
	node->text_col = qos_wire_u32(taker->in);
}

int qos_doc_take(struct qos_wire *in, const char *file, struct qos_doc **ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	struct taker taker = {.in = in};

	if (qos_doc_new(file, &doc) < 0) {
		in->error = -ENOMEM;
		return in->error;
	}
	taker.file = doc->files[0];
	take_node(&taker, NULL, 0, &doc->root);
	if (!in->error && doc->root->kind != QOS_NODE_MAP)
		qos_wire_refuse(in);
	if (in->error)
		return in->error;
	*ret = TAKE_PTR(doc);
	return 0;
}
