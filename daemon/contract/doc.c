/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree of a document, and the laying of one tree over another. Nodes move from the overlay into
 * the base and are never copied, so every value keeps the place where it was written.
 * Weakness: an overlay can add and replace, but not remove a stream of a longer list; it can only
 * write the whole list anew under other names, or empty it with `[]`.
 */
#include "contract/doc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

/* The depth is bounded by the reader, so the recursion is. */
void qos_node_free(struct qos_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_children; i++)
		qos_node_free(node->children[i]);
	free(node->children);
	free(node->key);
	free(node->text);
	free(node);
}

void qos_doc_free(struct qos_doc *doc)
{
	if (!doc)
		return;
	if (doc->root)
		qos_node_free(doc->root);
	for (size_t i = 0; i < doc->n_files; i++)
		free(doc->files[i]);
	free(doc->files);
	free(doc);
}

int qos_doc_check_size(const char *file, size_t len, struct qos_diag *diag)
{
	struct qos_loc whole = {.file = file};

	if (len <= QOS_DOC_BYTES_MAX)
		return 0;
	qos_diag_error(diag, &whole, "file too large: more than %d KiB", QOS_DOC_BYTES_MAX / 1024);
	qos_diag_hint(diag, "a contract is a page of text: is this the right file?");
	return -EINVAL;
}

/*
 * Escapes can name what the reader would refuse as a byte. Refused: controls but tab and newline,
 * U+0080-009F, U+2028, U+2029, U+FEFF, U+FFFE, U+FFFF.
 */
static bool is_plain(uint32_t code)
{
	return code >= 0x20 ? (code < 0x7f || code > 0x9f) && code != 0x2028 && code != 0x2029 &&
				      code != 0xfeff && code != 0xfffe && code != 0xffff
			    : code == '\t' || code == '\n';
}

bool qos_doc_is_text(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0, n; i < len; i += n) {
		uint32_t code = 0;

		n = qos_text_decode(s + i, &code);
		if (!n || n > len - i || !is_plain(code))
			return false;
	}
	return true;
}

int qos_doc_new(const char *file, struct qos_doc **ret)
{
	_cleanup_doc_ struct qos_doc *doc = calloc(1, sizeof(*doc));

	if (!doc)
		return -ENOMEM;
	doc->files = calloc(1, sizeof(*doc->files));
	if (!doc->files)
		return -ENOMEM;
	doc->files[0] = strdup(file);
	if (!doc->files[0])
		return -ENOMEM;
	doc->n_files = 1;
	*ret = TAKE_PTR(doc);
	return 0;
}

int qos_node_new(enum qos_node_kind kind, struct qos_loc loc, struct qos_node **ret)
{
	struct qos_node *node = calloc(1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	node->kind = kind;
	node->loc = loc;
	*ret = node;
	return 0;
}

/* The array doubles at each power of two, so it needs no size field. */
int qos_node_add(struct qos_node *parent, struct qos_node *child)
{
	size_t n = parent->n_children;

	if ((n & (n - 1)) == 0) {
		struct qos_node **children =
			realloc(parent->children, (n ? n * 2 : 1) * sizeof(*children));

		if (!children)
			return -ENOMEM;
		parent->children = children;
	}
	parent->children[parent->n_children++] = child;
	return 0;
}

struct qos_node *qos_node_get(const struct qos_node *map, const char *key)
{
	if (map->kind != QOS_NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n_children; i++) {
		if (strcmp(map->children[i]->key, key) == 0)
			return map->children[i];
	}
	return NULL;
}

/* The name of a list's item, or NULL. */
static const char *name_of(const struct qos_node *item)
{
	const struct qos_node *name = qos_node_get(item, "name");

	return name && name->kind == QOS_NODE_SCALAR ? name->text : NULL;
}

/* The first of the first n children with that name, or NULL. */
static struct qos_node *find_named(const struct qos_node *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const char *other = name_of(list->children[i]);

		if (other && strcmp(other, name) == 0)
			return list->children[i];
	}
	return NULL;
}

static bool is_named_list(const struct qos_node *node)
{
	if (node->kind != QOS_NODE_LIST || node->n_children == 0)
		return false;
	for (size_t i = 0; i < node->n_children; i++) {
		if (!name_of(node->children[i]))
			return false;
	}
	return true;
}

/* Merging two items of one name would hide a mistake that the reader of the list must see. */
static bool has_twins(const struct qos_node *list)
{
	for (size_t i = 1; i < list->n_children; i++) {
		if (find_named(list, i, name_of(list->children[i])))
			return true;
	}
	return false;
}

/* Puts the overlay's value where the base's stood; the base's key stays. */
static void replace(struct qos_node *base, struct qos_node *overlay)
{
	struct qos_node old = *base;

	*base = *overlay;
	base->key = old.key;
	base->key_loc = old.key_loc;
	old.key = overlay->key;
	*overlay = old;
}

static int merge(struct qos_node *base, struct qos_node *overlay);

/* Moves the children that the base lacks, merges the others. What was moved leaves a NULL behind,
 * so that freeing the overlay is right at any point. */
static int merge_children(struct qos_node *base, struct qos_node *overlay)
{
	size_t n_before = base->n_children;
	int r;

	for (size_t i = 0; i < overlay->n_children; i++) {
		struct qos_node *child = overlay->children[i], *same;

		if (base->kind == QOS_NODE_MAP)
			same = qos_node_get(base, child->key);
		else
			same = find_named(base, n_before, name_of(child));
		if (same) {
			r = merge(same, child);
		} else {
			r = qos_node_add(base, child);
			if (r == 0)
				overlay->children[i] = NULL;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int merge(struct qos_node *base, struct qos_node *overlay)
{
	bool maps = base->kind == QOS_NODE_MAP && overlay->kind == QOS_NODE_MAP;
	bool streams = is_named_list(base) && is_named_list(overlay) && !has_twins(overlay);

	if (maps || streams)
		return merge_children(base, overlay);
	replace(base, overlay);
	return 0;
}

/* `cpu: {...}` is short for a list of one stream, named main if it has no name. Turns the node into
 * that list. */
static int make_list(struct qos_node *node)
{
	_cleanup_node_ struct qos_node *item = NULL, *name = NULL;
	int r;

	if (node->kind != QOS_NODE_MAP)
		return 0;
	r = qos_node_new(QOS_NODE_MAP, node->loc, &item);
	if (r < 0)
		return r;
	if (!qos_node_get(node, "name")) {
		r = qos_node_new(QOS_NODE_SCALAR, node->loc, &name);
		if (r < 0)
			return r;
		name->key = strdup("name");
		name->text = strdup("main");
		name->key_loc = node->loc;
		if (!name->key || !name->text)
			return -ENOMEM;
		r = qos_node_add(node, name);
		if (r < 0)
			return r;
		TAKE_PTR(name);
	}
	item->children = TAKE_PTR(node->children);
	item->n_children = node->n_children;
	node->n_children = 0;
	node->kind = QOS_NODE_LIST;
	r = qos_node_add(node, item);
	if (r == 0)
		TAKE_PTR(item);
	return r;
}

static int make_lists(struct qos_doc *base, struct qos_doc *overlay)
{
	static const char *const sections[] = {"cpu", "network"};
	int r;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(sections); i++) {
		struct qos_node *below = qos_node_get(base->root, sections[i]);
		struct qos_node *above = qos_node_get(overlay->root, sections[i]);

		if (!below || !above)
			continue;
		r = make_list(below);
		if (r < 0)
			return r;
		r = make_list(above);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The places in the moved nodes point to these strings. */
static int take_files(struct qos_doc *base, struct qos_doc *overlay)
{
	size_t n = base->n_files + overlay->n_files;
	char **files = realloc(base->files, n * sizeof(*files));

	if (!files)
		return -ENOMEM;
	memcpy(files + base->n_files, overlay->files, overlay->n_files * sizeof(*files));
	base->files = files;
	base->n_files = n;
	overlay->n_files = 0;
	return 0;
}

int qos_doc_overlay(struct qos_doc *base, struct qos_doc *overlay)
{
	_cleanup_doc_ struct qos_doc *owned = overlay;
	int r;

	r = take_files(base, owned);
	if (r < 0)
		return r;
	r = make_lists(base, owned);
	if (r < 0)
		return r;
	return merge(base->root, owned->root);
}
