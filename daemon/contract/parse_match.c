/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The match expression: a list is "any of", a map is "all of", `not:` negates. A group of one is
 * that one, so that the canonical form of an expression is short and unique. The keys have tables of
 * checks here; what they mean stands in match.c.
 */
#include "contract/parse_field.h"

#include <string.h>

#include "contract/match.h"
#include "contract/regex.h"
#include "util/text.h"

#define NAME_MAX_BYTES 255 /* of a unit, a user, a group */

static bool fail(struct qos_reader *reader, const struct qos_node *node, const char *text,
		 const char *hint)
{
	qos_reader_error(reader, &node->loc, "%s: %s", node->key, text);
	qos_diag_hint(reader->diag, "%s", hint);
	return false;
}

/* A pattern that anything fits would be no anchor. */
static bool check_glob(struct qos_reader *reader, const struct qos_node *node)
{
	return node->text[strspn(node->text, "*?")] ||
	       fail(reader, node, "a pattern of * and ? alone fits everything",
		    "write at least a part of the name");
}

static bool check_cgroup(struct qos_reader *reader, const struct qos_node *node)
{
	const char *hint = "write its path below the cgroup root, for example "
			   "`cgroup: /system.slice/camera.service`; all cgroups below it match too";

	if (node->text[0] != '/')
		return fail(reader, node, "is not an absolute path", hint);
	if (!node->text[strspn(node->text, "/")])
		return fail(reader, node, "the root holds every process", hint);
	return !strchr(node->text, '*') || fail(reader, node, "takes no wildcards", hint);
}

static bool check_exe(struct qos_reader *reader, const struct qos_node *node)
{
	return node->text[0] == '/' || fail(reader, node, "is not an absolute path",
					    "write for example `exe: /usr/bin/gst-launch-1.0`");
}

static bool check_comm(struct qos_reader *reader, const struct qos_node *node)
{
	if (!check_glob(reader, node))
		return false;
	return qos_parse_comm_fits(node->text) ||
	       fail(reader, node, "can never fit: the kernel keeps 15 letters of a name",
		    "end the pattern with * before that, or use `exe`");
}

static bool check_regex(struct qos_reader *reader, const struct qos_node *node)
{
	const char *wrong = qos_regex_check(node->text);

	return !wrong || fail(reader, node, wrong,
			      "write a POSIX extended regular expression for the whole command "
			      "line, for example `cmdline: \"gst-launch-1.0 .*\"`");
}

static bool check_group(struct qos_reader *reader, const struct qos_node *node)
{
	return node->text[strspn(node->text, "0123456789")] ||
	       fail(reader, node, "is a number", "write the group's name, see getent(1)");
}

/* A number that the kernel does not have fits nobody, and looks as if it did. */
static bool check_user(struct qos_reader *reader, const struct qos_node *node)
{
	uint64_t uid;

	return node->text[strspn(node->text, "0123456789")] ||
	       qos_parse_count(node->text, UINT32_MAX - 1, &uid) == 0 ||
	       fail(reader, node, "is no user id",
		    "a number is at most 4294967294; getent(1) passwd lists names and numbers");
}

static const struct {
	size_t max;
	bool (*check)(struct qos_reader *reader, const struct qos_node *node);
	const char *example;
} keys[] = {
	[QOS_MATCH_UNIT] = {NAME_MAX_BYTES, check_glob, "camera.service"},
	[QOS_MATCH_USER_UNIT] = {NAME_MAX_BYTES, check_glob, "pipewire.service"},
	[QOS_MATCH_CGROUP] = {QOS_PATH_MAX, check_cgroup, "/system.slice/camera.service"},
	[QOS_MATCH_SLICE] = {NAME_MAX_BYTES, check_glob, "realtime.slice"},
	[QOS_MATCH_EXE] = {QOS_PATH_MAX, check_exe, "/usr/bin/gst-launch-1.0"},
	[QOS_MATCH_COMM] = {64, check_comm, "gst-launch-1.0"},
	[QOS_MATCH_CMDLINE] = {QOS_PATH_MAX, check_regex, "gst-launch-1.0 .*"},
	[QOS_MATCH_USER] = {NAME_MAX_BYTES, check_user, "camera"},
	[QOS_MATCH_GROUP] = {NAME_MAX_BYTES, check_group, "video"},
	[QOS_MATCH_PARENT] = {64, check_comm, "supervisor"},
};

static bool read_expr(struct qos_reader *reader, const struct qos_node *node,
		      struct qos_match **slot);

static struct qos_match *new_match(struct qos_reader *reader, enum qos_match_kind kind,
				   const struct qos_node *node, size_t n_children)
{
	_cleanup_free_ struct qos_match *match = calloc(1, sizeof(*match));

	if (match && n_children)
		match->children = calloc(n_children, sizeof(struct qos_match *));
	if (!match || (n_children && !match->children)) {
		reader->out_of_memory = true;
		return NULL;
	}
	match->kind = kind;
	match->loc = node->loc;
	return TAKE_PTR(match);
}

static int find_key(const char *name)
{
	for (int i = 0; qos_match_key_names[i]; i++)
		if (!strcmp(qos_match_key_names[i], name))
			return i;
	return -1;
}

static bool unknown_key(struct qos_reader *reader, const struct qos_node *node)
{
	const char *names[QOS_ARRAY_SIZE(keys) + 2] = {};

	if (qos_reader_misplaced(reader, node, "match", NULL))
		return false;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(keys); i++)
		names[i] = qos_match_key_names[i];
	names[QOS_ARRAY_SIZE(keys)] = "not";
	qos_reader_error(reader, &node->key_loc, "unknown key '%.64s' in match", node->key);
	qos_reader_suggest(reader, node->key, names, "the keys are");
	return false;
}

static bool read_term(struct qos_reader *reader, const struct qos_node *node,
		      struct qos_match **slot)
{
	int key = find_key(node->key);
	struct qos_parse_field field;

	if (key < 0)
		return unknown_key(reader, node);
	if (++reader->n_terms == QOS_CONTRACT_MATCH_MAX + 1)
		fail(reader, node, "one term too many",
		     "a match has at most 64 terms; use patterns, or several contracts");
	field = (struct qos_parse_field){node->key, .example = keys[key].example};
	if (!qos_reader_line(reader, &field, node, keys[key].max) ||
	    (keys[key].check && !keys[key].check(reader, node)))
		return false;
	*slot = new_match(reader, QOS_MATCH_TERM, node, 0);
	if (!*slot)
		return false;
	(*slot)->key = key;
	return qos_reader_dup(reader, node->text, &(*slot)->value);
}

/* One entry of a map. */
static bool read_entry(struct qos_reader *reader, const struct qos_node *node,
		       struct qos_match **slot)
{
	if (strcmp(node->key, "not") != 0)
		return read_term(reader, node, slot);
	*slot = new_match(reader, QOS_MATCH_NOT, node, 1);
	if (!*slot)
		return false;
	(*slot)->n_children = 1;
	return read_expr(reader, node, &(*slot)->children[0]);
}

static bool read_one(struct qos_reader *reader, const struct qos_node *parent,
		     const struct qos_node *node, struct qos_match **slot)
{
	if (parent->kind == QOS_NODE_MAP)
		return read_entry(reader, node, slot);
	return read_expr(reader, node, slot);
}

static bool read_expr(struct qos_reader *reader, const struct qos_node *node,
		      struct qos_match **slot)
{
	bool good = true;

	if (node->kind == QOS_NODE_SCALAR || node->n_children == 0) {
		qos_reader_error(reader, &node->loc, "match: %s",
				 node->kind == QOS_NODE_SCALAR ? "expected a map or a list"
							       : "is empty");
		qos_diag_hint(reader->diag, "write for example `match: {unit: camera.service}`; a "
					    "list is any of, a map is all of");
		return false;
	}
	if (node->n_children == 1)
		return read_one(reader, node, node->children[0], slot);
	*slot = new_match(reader, node->kind == QOS_NODE_MAP ? QOS_MATCH_ALL : QOS_MATCH_ANY, node,
			  node->n_children);
	if (!*slot)
		return false;
	(*slot)->n_children = node->n_children;
	for (size_t i = 0; i < node->n_children; i++)
		good &= read_one(reader, node, node->children[i], &(*slot)->children[i]);
	return good;
}

/* Words for what stands in a branch without an anchor. */
static const char *what_is_there(const struct qos_match *match)
{
	if (match->kind == QOS_MATCH_TERM)
		return qos_match_key_names[match->key];
	for (size_t i = 0; match->kind == QOS_MATCH_ALL && i < match->n_children; i++)
		if (match->children[i]->kind == QOS_MATCH_TERM)
			return qos_match_key_names[match->children[i]->key];
	return "not";
}

/* Each alternative is judged at its own place. */
static void check_anchors(struct qos_reader *reader, const struct qos_match *match)
{
	if (qos_match_is_anchored(match))
		return;
	if (match->kind == QOS_MATCH_ANY) {
		for (size_t i = 0; i < match->n_children; i++)
			check_anchors(reader, match->children[i]);
		return;
	}
	qos_reader_error(reader, &match->loc,
			 "match: `%s` alone gives privilege to any program that wants it",
			 what_is_there(match));
	qos_diag_hint(reader->diag,
		      "programs choose comm, cmdline and parent themselves: add one "
		      "of unit, user-unit, cgroup, slice, user, group, exe beside it");
}

bool qos_parse_match(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	struct qos_match **match = out;

	if (!read_expr(reader, node, match))
		return false;
	check_anchors(reader, *match);
	return true;
}
