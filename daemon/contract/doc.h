/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A YAML document as a tree with a place for every node. The subset that contracts may use: one
 * document, maps, lists, scalars. Anchors, aliases, merge keys, tags, duplicate keys, binary bytes
 * and everything beyond the bounds below are located errors. Built on libyaml's event parser.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/diag.h"

#define QOS_DOC_BYTES_MAX 1048576
#define QOS_DOC_NODES_MAX 20000
#define QOS_DOC_DEPTH_MAX 24
#define QOS_DOC_WIDTH_MAX 1024 /* children of one node: what is quadratic in them stays small */

enum qos_node_kind { QOS_NODE_SCALAR, QOS_NODE_LIST, QOS_NODE_MAP };

/* Owned by its document. A map's entry is a child with `key` set. */
struct qos_node {
	enum qos_node_kind kind;
	struct qos_loc loc; /* of the value */
	char *key;	    /* NULL unless the parent is a map */
	struct qos_loc key_loc;
	char *text;	       /* scalars: the value, NUL-terminated, no NUL inside */
	unsigned int text_col; /* scalars: column of its first letter if it stands there letter by
				* letter; 0: there are escapes, folded lines or a block */
	struct qos_node **children;
	size_t n_children;
};

struct qos_doc {
	struct qos_node *root; /* a map */
	char **files;	       /* what locs point to: the first, then each overlay */
	size_t n_files;
};

/* Parses `bytes` (need not end in NUL); `file` is the name for diagnostics.
 * 0 and *ret set, or -EINVAL with the reasons in diag, or -ENOMEM. */
int qos_doc_parse(const char *file, const char *bytes, size_t len, struct qos_diag *diag,
		  struct qos_doc **ret);

/* Lays `overlay` over `base` and consumes it (also on failure): maps merge key by key, lists and
 * scalars replace, lists of maps that all have a `name` (streams) merge by that name; a `cpu:` or
 * `network:` that is a map counts as a list of one stream named main (or its own name).
 * 0 or -ENOMEM. Kind conflicts: the overlay wins. */
int qos_doc_overlay(struct qos_doc *base, struct qos_doc *overlay);

/* The child of a map by key, or NULL. */
struct qos_node *qos_node_get(const struct qos_node *map, const char *key);

/* May a value or a key be this? Valid UTF-8 that a YAML file could hold unescaped; no NUL. text[len] is NUL. */
bool qos_doc_is_text(const char *text, size_t len);

/* 0, or -EINVAL with words: no more than QOS_DOC_BYTES_MAX are read. */
int qos_doc_check_size(const char *file, size_t len, struct qos_diag *diag);

/* Without a root yet. 0 or -ENOMEM. */
int qos_doc_new(const char *file, struct qos_doc **ret);

/* Building blocks of doc_read.c, doc_wire.c and doc.c. `add` takes the child on success. 0 or -ENOMEM. */
int qos_node_new(enum qos_node_kind kind, struct qos_loc loc, struct qos_node **ret);
int qos_node_add(struct qos_node *parent, struct qos_node *child);
void qos_node_free(struct qos_node *node);
QOS_DEFINE_CLEANUP(struct qos_node *, qos_node_free)
#define _cleanup_node_ QOS_CLEANUP(qos_node_freep)

void qos_doc_free(struct qos_doc *doc);
QOS_DEFINE_CLEANUP(struct qos_doc *, qos_doc_free)
#define _cleanup_doc_ QOS_CLEANUP(qos_doc_freep)
