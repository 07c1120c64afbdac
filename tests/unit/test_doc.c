/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Documents: the tree and its places, every refusal with place and hint, the bounds, and overlays.
 * A tree is compared as text, in JSON's spelling with all scalars quoted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/doc.h"
#include "util/text.h"

static void show(const struct qos_node *node, struct qos_buf *buf)
{
	static const char *const open[] = {"", "[", "{"}, *const close[] = {"", "]", "}"};

	if (node->kind == QOS_NODE_SCALAR) {
		qos_buf_add(buf, "'%s'", node->text);
		return;
	}
	qos_buf_add(buf, "%s", open[node->kind]);
	for (size_t i = 0; i < node->n_children; i++) {
		const struct qos_node *child = node->children[i];

		qos_buf_add(buf, i ? ", " : "");
		if (node->kind == QOS_NODE_MAP)
			qos_buf_add(buf, "%s: ", child->key);
		else
			assert_null(child->key);
		show(child, buf);
	}
	qos_buf_add(buf, "%s", close[node->kind]);
}

static void assert_tree(const struct qos_doc *doc, const char *expected)
{
	struct qos_buf buf = {};

	show(doc->root, &buf);
	assert_int_equal(buf.error, 0);
	assert_string_equal(buf.text, expected);
	qos_buf_reset(&buf);
}

static struct qos_doc *parsed(const char *file, const char *text)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_doc *doc = NULL;
	int r = qos_doc_parse(file, text, strlen(text), &diag, &doc);

	if (r < 0)
		qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	assert_int_equal(diag.n_errors, 0);
	assert_non_null(doc);
	qos_diag_reset(&diag);
	return doc;
}

/* Parses what must be refused; compares all diagnostics. */
static void assert_refused(const char *bytes, size_t len, const char *expected)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_doc *doc = NULL;
	char *text = NULL;
	size_t text_len;
	FILE *out = open_memstream(&text, &text_len);

	assert_int_equal(qos_doc_parse("f", bytes, len, &diag, &doc), -EINVAL);
	assert_null(doc);
	assert_true(diag.n_errors > 0);
	qos_diag_print(&diag, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	qos_diag_reset(&diag);
}

static void test_tree(void **state)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
		{"a: 1", "{a: '1'}"},
		{"a: 1\nb: {c: [x, y, {z: w}], d: }\n",
		 "{a: '1', b: {c: ['x', 'y', {z: 'w'}], d: ''}}"},
		{"---\na: 1\n...\n", "{a: '1'}"},
		{"%YAML 1.2\n---\na: 1\n", "{a: '1'}"},
		{"{\"a\": \"1\", \"b\": [true, null]}", "{a: '1', b: ['true', 'null']}"},
		{"a: 1\r\nb:\r\n  - x\r\n", "{a: '1', b: ['x']}"},
		{"\xef\xbb\xbf"
		 "a: 1\n",
		 "{a: '1'}"},
		{"a: ~\nb: ''\n? c\n", "{a: '~', b: '', c: ''}"},
		{"a: |\n  two\n  lines\n", "{a: 'two\nlines\n'}"},
		{"a: \"tab\\tand \\u00e4\"\n", "{a: 'tab\tand \xc3\xa4'}"},
		{"a: gr\xc3\xbc\xc3\x9f # comment\n", "{a: 'gr\xc3\xbc\xc3\x9f'}"},
		{"{}", "{}"},
		{"a: []\nb: {}\n", "{a: [], b: {}}"},
		{"when: ewma(x.slack, 1/8) < 1ms\n", "{when: 'ewma(x.slack, 1/8) < 1ms'}"},
		{"\"<<\": 1\n", "{<<: '1'}"},
		{"a: '&x'\nb: '*x'\nc: '!x'\n", "{a: '&x', b: '*x', c: '!x'}"},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		_cleanup_doc_ struct qos_doc *doc = parsed("f", cases[i].text);

		assert_tree(doc, cases[i].tree);
	}
}

static void test_places(void **state)
{
	_cleanup_doc_ struct qos_doc *doc =
		parsed("x.yaml", "a: 1\nb:\n  - name: \xc3\xbc, z\n    t: {u: v}\n");
	const struct qos_node *a = qos_node_get(doc->root, "a"), *b = qos_node_get(doc->root, "b");
	const struct qos_node *u;

	assert_string_equal(a->loc.file, "x.yaml");
	assert_int_equal(doc->root->loc.line, 1);
	assert_int_equal(a->key_loc.line, 1);
	assert_int_equal(a->key_loc.col, 1);
	assert_int_equal(a->loc.line, 1);
	assert_int_equal(a->loc.col, 4);
	assert_int_equal(b->loc.line, 3);
	assert_int_equal(b->loc.col, 3);
	u = qos_node_get(qos_node_get(b->children[0], "t"), "u");
	assert_int_equal(u->key_loc.line, 4);
	assert_int_equal(u->key_loc.col, 9);
	assert_int_equal(u->loc.col, 12);
	assert_null(qos_node_get(doc->root, "c"));
	assert_null(qos_node_get(b, "name"));
}

static const struct {
	const char *text, *expected;
} refusals[] = {
	{"", "f:1:1: error: empty file: nothing to read\n"
	     "  hint: write lines of the form `key: value`, or remove the file\n"},
	{"# only a comment\n", "f:1:1: error: empty file: nothing to read\n"
			       "  hint: write lines of the form `key: value`, or remove "
			       "the file\n"},
	{"---\n", "f:2:1: error: empty document: nothing to read\n"
		  "  hint: write lines of the form `key: value`\n"},
	{"word\n", "f:1:1: error: the document must be a map\n"
		   "  hint: write lines of the form `key: value`\n"},
	{"- a\n- b\n", "f:1:1: error: the document must be a map\n"
		       "  hint: write lines of the form `key: value`\n"},
	{"a: 1\n---\nb: 2\n", "f:2:1: error: more than one document\n"
			      "  hint: put each document into a file of its own\n"},
	{"a: &x 1\n", "f:1:4: error: anchors are not allowed\n"
		      "  hint: remove the `&name` and write the value where it is needed\n"},
	{"a: &x [1]\nb: &y {c: 1}\n&z d: 1\n",
	 "f:1:4: error: anchors are not allowed\n"
	 "  hint: remove the `&name` and write the value where it is needed\n"
	 "f:2:4: error: anchors are not allowed\n"
	 "  hint: remove the `&name` and write the value where it is needed\n"
	 "f:3:1: error: anchors are not allowed\n"
	 "  hint: remove the `&name` and write the value where it is needed\n"},
	{"a: *x\n", "f:1:4: error: aliases are not allowed\n"
		    "  hint: write the value in place of the `*name`\n"},
	{"*x : 1\n", "f:1:1: error: aliases are not allowed\n"
		     "  hint: write the value in place of the `*name`\n"},
	{"a: !!str 1\n", "f:1:4: error: tags are not allowed\n"
			 "  hint: remove the `!...`: the key decides what its value is\n"},
	{"a: !x [1]\nb: ! 1\nc: !y {}\n",
	 "f:1:4: error: tags are not allowed\n"
	 "  hint: remove the `!...`: the key decides what its value is\n"
	 "f:2:4: error: tags are not allowed\n"
	 "  hint: remove the `!...`: the key decides what its value is\n"
	 "f:3:4: error: tags are not allowed\n"
	 "  hint: remove the `!...`: the key decides what its value is\n"},
	{"%TAG !e! tag:example,2000:\n---\na: 1\n", "f:1:1: error: tags are not allowed\n"
						    "  hint: remove the %TAG line\n"},
	{"<<: {a: 1}\n", "f:1:1: error: merge keys are not allowed\n"
			 "  hint: remove the `<<` and write the keys where they are needed\n"},
	{"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n\"a\": 2\n", "f:5:3: error: duplicate key `c`\n"
							 "  hint: the first one is at line 3\n"
							 "f:6:1: error: duplicate key `a`\n"
							 "  hint: the first one is at line 1\n"},
	{"? [a, b]\n: 1\n", "f:1:3: error: a key must be a word\n"
			    "  hint: quote it if it is meant as text\n"},
	{"{a: {b: 1}: 2}\n", "f:1:11: error: not YAML: did not find expected ',' or '}'\n"
			     "  hint: while parsing a flow mapping that starts at line 1\n"},
	{"{ {a: 1}: 2 }\n", "f:1:3: error: a key must be a word\n"
			    "  hint: quote it if it is meant as text\n"},
	{"a:\n\tb: 1\n", "f:2:1: error: not YAML: found character that cannot start any "
			 "token\n"
			 "  hint: indent with blanks: YAML allows no tabs there\n"},
	{"a: [1, 2\nb: 3\n", "f:2:2: error: not YAML: did not find expected ',' or ']'\n"
			     "  hint: while parsing a flow sequence that starts at line 1\n"},
	{"a: \"open\n", "f:2:1: error: not YAML: found unexpected end of stream\n"
			"  hint: while scanning a quoted scalar that starts at line 1\n"},
	{"a: 1\n b: 2\n", "f:2:3: error: not YAML: mapping values are not allowed in this "
			  "context\n"
			  "  hint: check quotes, brackets and indentation around this place\n"},
	{"a: \"\\0\"\n", "f:1:4: error: a control character in a value\n"
			 "  hint: remove the escape: text has printable letters, tabs and "
			 "newlines\n"},
	{"a: 1\n\"b\\e\": 1\n", "f:2:1: error: a control character in a value\n"
				"  hint: remove the escape: text has printable letters, tabs "
				"and newlines\n"},
	{"a: 1\nb: \x01\n", "f:2:4: error: not text: control characters are not allowed\n"
			    "  hint: write the file as UTF-8 text without control characters\n"},
	{"a: \xc3\xbc \xff\n", "f:1:6: error: not text: invalid leading UTF-8 octet\n"
			       "  hint: write the file as UTF-8 text without control characters\n"},
	{"\xff\xfe"
	 "a",
	 "f:1:1: error: not text: invalid leading UTF-8 octet\n"
	 "  hint: write the file as UTF-8 text without control characters\n"},
	{"\x7f"
	 "ELF\x02",
	 "f:1:1: error: not text: control characters are not allowed\n"
	 "  hint: write the file as UTF-8 text without control "
	 "characters\n"},
};

static void test_refusals(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(refusals); i++) {
		print_message("case %zu\n", i);
		assert_refused(refusals[i].text, strlen(refusals[i].text), refusals[i].expected);
	}
}

static void test_nul_byte(void **state)
{
	assert_refused("a: 1\nb: \0\n", 10,
		       "f:2:4: error: not text: control characters are not allowed\n"
		       "  hint: write the file as UTF-8 text without control characters\n");
}

static void test_no_bytes(void **state)
{
	assert_refused(NULL, 0,
		       "f:1:1: error: empty file: nothing to read\n"
		       "  hint: write lines of the form `key: value`, or remove the file\n");
}

/* Each control character that an escape can name, in every spelling that matters. */
static void test_escapes(void **state)
{
	static const char *const refused[] = {"\\x00", "\\a",	  "\\b",     "\\r",    "\\x1f",
					      "\\x7f", "\\x80",	  "\\N",     "\\x9f",  "\\L",
					      "\\P",   "\\ufeff", "\\ufffe", "\\uffff"};
	static const char *const fine[] = {"\\t",     "\\n",	 "\\\"",	"\\_",	"\\u2027",
					   "\\ufffd", "\\ufefe", "\\U0001F642", "\\xa0"};
	char text[64];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(refused); i++) {
		struct qos_doc *doc = NULL;

		snprintf(text, sizeof(text), "a: \"x%sy\"\n", refused[i]);
		print_message("%s", text);
		assert_int_equal(qos_doc_parse("f", text, strlen(text), NULL, &doc), -EINVAL);
		assert_null(doc);
	}
	for (size_t i = 0; i < QOS_ARRAY_SIZE(fine); i++) {
		_cleanup_doc_ struct qos_doc *doc = NULL;

		snprintf(text, sizeof(text), "a: \"x%sy\"\n", fine[i]);
		print_message("%s", text);
		assert_int_equal(qos_doc_parse("f", text, strlen(text), NULL, &doc), 0);
	}
}

/* One more than allowed is refused, the bound itself is not. */
static void assert_bound(const struct qos_buf *text, int result, const char *expected)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_doc_ struct qos_doc *doc = NULL;

	assert_int_equal(text->error, 0);
	assert_int_equal(qos_doc_parse("f", text->text, text->len, &diag, &doc), result);
	if (expected) {
		assert_int_equal(diag.n_entries, 1);
		assert_string_equal(diag.entries[0].text, expected);
		assert_non_null(diag.entries[0].hint);
	}
	qos_diag_reset(&diag);
}

static void repeat(struct qos_buf *buf, const char *text, size_t n)
{
	while (n-- > 0)
		qos_buf_add(buf, "%s", text);
}

static void test_depth(void **state)
{
	static const struct {
		const char *open, *close;
		size_t n;
		int result;
	} cases[] = {
		{"[", "]", QOS_DOC_DEPTH_MAX - 1, 0},
		{"[", "]", QOS_DOC_DEPTH_MAX, -EINVAL},
		{"[", "]", 1000, -EINVAL},
		{"{a: ", "}", QOS_DOC_DEPTH_MAX - 1, 0},
		{"{a: ", "}", 1000, -EINVAL},
		{"[", "", 500000, -EINVAL},
		{"- ", "", 500000, -EINVAL},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_buf buf = {};

		qos_buf_add(&buf, "a:\n  ");
		repeat(&buf, cases[i].open, cases[i].n);
		repeat(&buf, cases[i].close, cases[i].n);
		assert_bound(&buf, cases[i].result,
			     cases[i].result ? "nested deeper than 24 levels" : NULL);
		qos_buf_reset(&buf);
	}
}

static void test_width(void **state)
{
	for (size_t n = QOS_DOC_WIDTH_MAX; n <= QOS_DOC_WIDTH_MAX + 1; n++) {
		bool over = n > QOS_DOC_WIDTH_MAX;
		struct qos_buf list = {}, map = {};

		qos_buf_add(&list, "a:\n");
		repeat(&list, "- x\n", n);
		for (size_t i = 0; i < n; i++)
			qos_buf_add(&map, "k%zu: x\n", i);
		assert_bound(&list, over ? -EINVAL : 0,
			     over ? "more than 1024 entries in one list or map" : NULL);
		assert_bound(&map, over ? -EINVAL : 0,
			     over ? "more than 1024 entries in one list or map" : NULL);
		qos_buf_reset(&list);
		qos_buf_reset(&map);
	}
}

/* A root, 40 lists of 499 items: 1 + 40 * 500 = 20001 values. */
static void test_nodes(void **state)
{
	for (size_t items = 498; items <= 499; items++) {
		struct qos_buf buf = {};

		for (size_t i = 0; i < 40; i++) {
			qos_buf_add(&buf, "k%zu:\n", i);
			repeat(&buf, "- x\n", items);
		}
		assert_bound(&buf, items == 499 ? -EINVAL : 0,
			     items == 499 ? "more than 20000 values" : NULL);
		qos_buf_reset(&buf);
	}
}

static void test_size(void **state)
{
	struct qos_buf buf = {};

	qos_buf_add(&buf, "a: 1\n#");
	repeat(&buf, "xxxxxxxxxxxxxxxx", (QOS_DOC_BYTES_MAX - buf.len) / 16);
	while (buf.len < QOS_DOC_BYTES_MAX)
		qos_buf_add(&buf, "y");
	assert_bound(&buf, 0, NULL);
	qos_buf_add(&buf, "y");
	assert_bound(&buf, -EINVAL, "file too large: more than 1024 KiB");
	repeat(&buf, "xxxxxxxxxxxxxxxx", 9 * QOS_DOC_BYTES_MAX / 16);
	assert_bound(&buf, -EINVAL, "file too large: more than 1024 KiB");
	qos_buf_reset(&buf);
}

/* Nothing is expanded: the first anchor is refused, the first alias ends it. */
static void test_alias_bomb(void **state)
{
	static const char bomb[] = "a: &a [x, x, x, x, x, x, x, x, x]\n"
				   "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
				   "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
				   "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n";

	assert_refused(bomb, strlen(bomb),
		       "f:1:4: error: anchors are not allowed\n"
		       "  hint: remove the `&name` and write the value where it is needed\n"
		       "f:2:4: error: anchors are not allowed\n"
		       "  hint: remove the `&name` and write the value where it is needed\n"
		       "f:2:8: error: aliases are not allowed\n"
		       "  hint: write the value in place of the `*name`\n");
}

static void test_overlay(void **state)
{
	static const struct {
		const char *base, *overlay, *result;
	} cases[] = {
		{"a: 1\nb: 2\n", "b: 3\nc: 4\n", "{a: '1', b: '3', c: '4'}"},
		{"m: {x: {y: 1, z: 2}}\n", "m: {x: {y: 3}}\n", "{m: {x: {y: '3', z: '2'}}}"},
		{"l: [1, 2]\n", "l: [3]\n", "{l: ['3']}"},
		{"l: [1, 2]\n", "l: []\n", "{l: []}"},
		{"l: [1]\n", "l: {a: 1}\n", "{l: {a: '1'}}"},
		{"l: {a: 1}\n", "l: 1\n", "{l: '1'}"},
		{"l: 1\n", "l: [1]\n", "{l: ['1']}"},
		{"a: 1\n", "{}", "{a: '1'}"},
		{"{}", "a: 1\n", "{a: '1'}"},
		/* streams merge by name */
		{"cpu: [{name: a, p: 1, q: 1}, {name: b, p: 2}]\n",
		 "cpu: [{name: b, p: 3}, {name: c, p: 4}, {name: a, q: 5}]\n",
		 "{cpu: [{name: 'a', p: '1', q: '5'}, {name: 'b', p: '3'}, {name: 'c', p: '4'}]}"},
		{"x: [{name: a, p: 1}]\n", "x: [{name: a, p: 2}]\n", "{x: [{name: 'a', p: '2'}]}"},
		{"cpu: [{name: a, p: 1}]\n", "cpu: []\n", "{cpu: []}"},
		{"cpu: [{name: a, p: 1}]\n", "cpu: [{p: 2}]\n", "{cpu: [{p: '2'}]}"},
		{"cpu: [{name: a, p: 1}]\n", "cpu: [{name: [a], p: 2}]\n",
		 "{cpu: [{name: ['a'], p: '2'}]}"},
		/* a map is one stream named main, or by its own name */
		{"cpu: {p: 1, q: 1}\n", "cpu: {p: 2}\n", "{cpu: [{p: '2', q: '1', name: 'main'}]}"},
		{"cpu: {p: 1}\n", "cpu: [{name: main, p: 2}]\n", "{cpu: [{p: '2', name: 'main'}]}"},
		{"cpu: [{name: main, p: 1}]\n", "cpu: {p: 2}\n", "{cpu: [{name: 'main', p: '2'}]}"},
		{"network: {name: a, p: 1}\n", "network: {p: 2}\n",
		 "{network: [{name: 'a', p: '1'}, {p: '2', name: 'main'}]}"},
		{"cpu: {p: 1}\n", "cpu: 1\n", "{cpu: '1'}"},
		{"cpu: {p: 1}\n", "a: 1\n", "{cpu: {p: '1'}, a: '1'}"},
		{"x: {p: 1}\n", "x: {q: 2}\n", "{x: {p: '1', q: '2'}}"},
		/* two of one name in an overlay stay two: parse refuses them */
		{"cpu: [{name: a, p: 1}]\n", "cpu: [{name: b}, {name: b}]\n",
		 "{cpu: [{name: 'b'}, {name: 'b'}]}"},
		{"cpu: [{name: a, p: 1}, {name: a, p: 2}]\n", "cpu: [{name: a, p: 3}]\n",
		 "{cpu: [{name: 'a', p: '3'}, {name: 'a', p: '2'}]}"},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		_cleanup_doc_ struct qos_doc *doc = parsed("base", cases[i].base);

		assert_int_equal(qos_doc_overlay(doc, parsed("over", cases[i].overlay)), 0);
		assert_tree(doc, cases[i].result);
	}
}

/* Places keep the file where the value was written, and it outlives the overlay. */
static void test_overlay_places(void **state)
{
	_cleanup_doc_ struct qos_doc *doc = parsed("base", "a: 1\nb: 1\n");

	assert_int_equal(qos_doc_overlay(doc, parsed("one", "\nb: 2\nc: 2\n")), 0);
	assert_int_equal(qos_doc_overlay(doc, parsed("two", "\n\nc: 3\n")), 0);
	assert_int_equal(doc->n_files, 3);
	assert_string_equal(doc->files[2], "two");
	assert_string_equal(qos_node_get(doc->root, "a")->loc.file, "base");
	assert_string_equal(qos_node_get(doc->root, "b")->loc.file, "one");
	assert_int_equal(qos_node_get(doc->root, "b")->loc.line, 2);
	assert_string_equal(qos_node_get(doc->root, "b")->key_loc.file, "base");
	assert_string_equal(qos_node_get(doc->root, "c")->loc.file, "two");
	assert_string_equal(qos_node_get(doc->root, "c")->key_loc.file, "one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	       cmocka_unit_test(test_places),
		cmocka_unit_test(test_refusals),       cmocka_unit_test(test_nul_byte),
		cmocka_unit_test(test_no_bytes),       cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_depth),	       cmocka_unit_test(test_width),
		cmocka_unit_test(test_nodes),	       cmocka_unit_test(test_size),
		cmocka_unit_test(test_alias_bomb),     cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_overlay_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
