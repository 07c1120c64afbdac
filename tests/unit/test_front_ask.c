/* SPDX-License-Identifier: GPL-2.0-only */
/* The front with an answerer at the other end: the same results, and what makes no sense is told from them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../harness/answers.h"
#include "contract/print.h"
#include "extension/front_wire.h"

static const char ruled[] =
	"version: 1\ncontract: ruled\nmatch: {unit: x.service}\n"
	"cpu:\n  - {name: main, period: 10ms, runtime: 2ms, window: 1/10, range: {runtime: "
	"1ms..4ms}}\n"
	"network: {name: n, interface: eth0, rate: 12mbit, packet: 1400B, window: 1/10}\n"
	"adapt:\n  rules:\n"
	"    - {event: cpu.job, when: 'ewma(cpu.used, 1/8) > 1ms', set: {cpu.runtime: cpu.used * "
	"2}, "
	"emit: up}\n"
	"    - {event: tick 1s, when: 'cpu.jobs > 0 and network.n.rtt > 1ms', emit: down}\n"
	"    - {event: network.n.drop, emit: up}\n";

static struct qos_text text_of(const char *text)
{
	return (struct qos_text){.file = "here.yaml", .bytes = text, .len = strlen(text)};
}

static struct qos_buf answer_to(enum qos_front_what what, enum qos_rules_target target,
				const struct qos_text *texts, size_t n)
{
	struct qos_buf asked = {}, answer = {};

	qos_front_ask(&asked, what, target, texts, n);
	assert_int_equal(asked.error, 0);
	assert_int_equal(qos_front_answer(asked.text, asked.len, &answer), 0);
	qos_buf_reset(&asked);
	return answer;
}

static struct qos_contract *contract_of(const char *text)
{
	const struct qos_text texts = text_of(text);
	struct qos_contract *contract = NULL;

	assert_int_equal(qos_contract_parse_text(&texts, 1, NULL, &contract), 0);
	return contract;
}

static void assert_same_words(const struct qos_diag *a, const struct qos_diag *b)
{
	assert_int_equal(a->n_entries, b->n_entries);
	assert_int_equal(a->n_errors, b->n_errors);
	assert_int_equal(a->n_warnings, b->n_warnings);
	assert_int_equal(a->n_dropped, b->n_dropped);
	for (size_t i = 0; i < a->n_entries; i++) {
		const struct qos_diag_entry *x = &a->entries[i], *y = &b->entries[i];

		assert_string_equal(x->file, y->file);
		assert_int_equal(x->line, y->line);
		assert_int_equal(x->col, y->col);
		assert_string_equal(x->text, y->text);
		assert_string_equal(x->hint ? x->hint : "", y->hint ? y->hint : "");
	}
}

static void assert_same_node(const struct qos_node *a, const struct qos_node *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->loc.line, b->loc.line);
	assert_int_equal(a->loc.col, b->loc.col);
	assert_string_equal(b->loc.file, "here.yaml");
	assert_string_equal(a->key ? a->key : "-", b->key ? b->key : "-");
	assert_int_equal(a->key_loc.col, b->key_loc.col);
	assert_string_equal(a->text ? a->text : "-", b->text ? b->text : "-");
	assert_int_equal(a->text_col, b->text_col);
	assert_int_equal(a->n_children, b->n_children);
	for (size_t i = 0; i < a->n_children; i++)
		assert_same_node(a->children[i], b->children[i]);
}

static void judge_doc(const char *bytes)
{
	struct qos_diag here = QOS_DIAG_INIT, there = QOS_DIAG_INIT;
	_cleanup_doc_ struct qos_doc *a = NULL, *b = NULL;
	const struct qos_text text = text_of(bytes);
	struct qos_buf answer = answer_to(QOS_FRONT_DOC, 0, &text, 1);
	int r = qos_doc_parse(text.file, text.bytes, text.len, &here, &a);

	assert_int_equal(qos_front_take_doc(answer.text, answer.len, &text, &there, &b), r);
	assert_same_words(&here, &there);
	if (r == 0)
		assert_same_node(a->root, b->root);
	qos_buf_reset(&answer);
	qos_diag_reset(&here);
	qos_diag_reset(&there);
}

static void test_doc(void **state)
{
	char deep[256] = "a: ", *end = deep + 3;

	judge_doc(ruled);
	judge_doc("a: 1\nb: [x, {c: \"\\xe9\", d: ''}, []]\ne: {}\n\"k y\": |\n  two\n  lines\n");
	judge_doc("");
	judge_doc("a: [\n");
	judge_doc("a: &x 1\nb: *x\n");
	judge_doc("a: 1\na: 2\na: 3\n<<: 4\n");
	judge_doc("\xff\xfe");
	for (size_t i = 0; i < QOS_DOC_DEPTH_MAX - 1; i++)
		*end++ = '[';
	judge_doc(strcat(strcpy(end, "x"), "]]]]]]]]]]]]]]]]]]]]]]]") - (end - deep));
	judge_doc("a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

/* More mistakes than are kept: their number comes over too. */
static void test_many_words(void **state)
{
	struct qos_buf text = {};

	for (int i = 0; i < QOS_DIAG_MAX + 10; i++)
		qos_buf_add(&text, "k%d: &a 1\n", i);
	judge_doc(text.text);
	qos_buf_reset(&text);
}

static void judge_rules(const char *bytes, int expected)
{
	struct qos_diag here = QOS_DIAG_INIT, there = QOS_DIAG_INIT;
	const struct qos_text text = text_of(bytes);
	struct qos_buf answer = answer_to(QOS_FRONT_RULES, 0, &text, 1);
	int r = qos_front_here.rules(NULL, &text, 1, &here);

	assert_int_equal(r, expected);
	assert_int_equal(qos_front_take_rules(answer.text, answer.len, &text, 1, &there), r);
	assert_same_words(&here, &there);
	qos_buf_reset(&answer);
	qos_diag_reset(&here);
	qos_diag_reset(&there);
}

static void test_rules(void **state)
{
	judge_rules(ruled, 0);
	judge_rules("version: 1\ncontract: x\nmatch: {unit: x.service}\n"
		    "cpu: {period: 10ms, runtime: 2ms, window: 1/10}\n"
		    "adapt: {rules: [{event: cpu.job, when: 'cpu.usd > 1ms', emit: x}]}\n",
		    -EINVAL);
}

static void assert_same_image(const struct qos_image *a, const struct qos_image *b)
{
	assert_int_equal(a->n_programs, b->n_programs);
	assert_int_equal(a->n_state, b->n_state);
	assert_memory_equal(a->widths, b->widths, sizeof(a->widths));
	assert_int_equal(a->states.n, b->states.n);
	for (size_t i = 0; i < a->states.n; i++)
		assert_string_equal(a->states.slots[i].key, b->states.slots[i].key);
	for (size_t i = 0; i < a->n_programs; i++) {
		const struct qos_image_program *x = &a->programs[i], *y = &b->programs[i];

		assert_true(qos_rule_event_is(&x->event, &y->event));
		assert_int_equal(x->reads, y->reads);
		assert_int_equal(x->reads_rtt, y->reads_rtt);
		assert_int_equal(x->code.n_insns, y->code.n_insns);
		assert_memory_equal(x->code.insns, y->code.insns,
				    x->code.n_insns * sizeof(*x->code.insns));
		assert_int_equal(x->code.n_relocs, y->code.n_relocs);
		assert_memory_equal(x->code.relocs, y->code.relocs,
				    x->code.n_relocs * sizeof(*x->code.relocs));
	}
}

/* Of the contract as it is printed: what the daemon sends. */
static struct qos_buf image_answer(const struct qos_contract *contract,
				   enum qos_rules_target target)
{
	struct qos_buf text = {}, answer;

	qos_contract_print(contract, &text);
	answer = answer_to(QOS_FRONT_IMAGE, target,
			   &(struct qos_text){.bytes = text.text, .len = text.len}, 1);
	qos_buf_reset(&text);
	return answer;
}

static void test_image(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(ruled);
	enum qos_rules_target targets[] = {QOS_RULES_FRAME, QOS_RULES_KFUNC};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(targets); i++) {
		_cleanup_image_ struct qos_image *here = NULL, *there = NULL;
		struct qos_buf answer = image_answer(contract, targets[i]);

		assert_int_equal(qos_front_here.image(NULL, contract, targets[i], NULL, &here), 0);
		assert_int_equal(
			qos_front_take_image(answer.text, answer.len, contract, NULL, &there), 0);
		assert_true(here->states.n > 0 && here->programs[0].code.n_relocs > 0);
		assert_true(here->programs[1].reads_rtt);
		assert_same_image(here, there);
		qos_buf_reset(&answer);
	}
}

/* As the compiler numbers them. */
static void test_signals(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(ruled);
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	_cleanup_free_ const char **names = NULL;
	size_t n = 0;

	assert_int_equal(qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_TOKENS, NULL, &compiled),
			 0);
	assert_int_equal(qos_rules_signals(contract->rules, contract->n_rules, &names, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "up");
	assert_string_equal(names[1], "down");
	assert_int_equal(compiled->rules[0].emit, 0);
	assert_int_equal(compiled->rules[1].emit, 1);
	assert_int_equal(compiled->rules[2].emit, 0);
}

/* --- what makes no sense --- */

/* Every beginning of an answer, and an answer with something behind it. */
static void test_cut(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(ruled);
	const struct qos_text text = text_of(ruled);
	struct qos_buf doc = answer_to(QOS_FRONT_DOC, 0, &text, 1);
	struct qos_buf image = image_answer(contract, QOS_RULES_FRAME);
	struct qos_doc *no_doc = NULL;
	struct qos_image *no_image = NULL;

	for (size_t i = 0; i < doc.len; i++)
		assert_int_equal(qos_front_take_doc(doc.text, i, &text, NULL, &no_doc), -EBADMSG);
	for (size_t i = 0; i < image.len; i++)
		assert_int_equal(qos_front_take_image(image.text, i, contract, NULL, &no_image),
				 -EBADMSG);
	qos_buf_add_bytes(&doc, "", 1);
	qos_buf_add_bytes(&image, "", 1);
	assert_int_equal(qos_front_take_doc(doc.text, doc.len, &text, NULL, &no_doc), -EBADMSG);
	assert_int_equal(qos_front_take_image(image.text, image.len, contract, NULL, &no_image),
			 -EBADMSG);
	qos_buf_reset(&doc);
	qos_buf_reset(&image);
}

/* Any byte changed: refused, or something that is within bounds all the same. */
static void test_changed(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(ruled);
	const struct qos_text text = text_of(ruled);
	struct qos_buf doc = answer_to(QOS_FRONT_DOC, 0, &text, 1);
	struct qos_buf image = image_answer(contract, QOS_RULES_KFUNC);

	for (size_t i = 0; i < doc.len; i++) {
		_cleanup_doc_ struct qos_doc *ret = NULL;

		doc.text[i] = (char)~doc.text[i];
		qos_front_take_doc(doc.text, doc.len, &text, NULL, &ret);
		doc.text[i] = (char)~doc.text[i];
	}
	for (size_t i = 0; i < image.len; i++) {
		_cleanup_image_ struct qos_image *ret = NULL;

		image.text[i] = (char)~image.text[i];
		qos_front_take_image(image.text, image.len, contract, NULL, &ret);
		image.text[i] = (char)~image.text[i];
	}
	qos_buf_reset(&doc);
	qos_buf_reset(&image);
}

static void assert_doc(struct qos_buf *answer, int expected)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	const struct qos_text text = text_of("");

	assert_int_equal(answer->error, 0);
	assert_int_equal(qos_front_take_doc(answer->text, answer->len, &text, NULL, &doc),
			 expected);
	qos_buf_reset(answer);
}

static void test_bad_trees(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int expected;
	} texts[] = {{"fine", 4, 0},
		     {"\xc3\xa9\n\t", 4, 0},
		     {"n\0l", 3, -EBADMSG},
		     {"\x1b[2J", 4, -EBADMSG},
		     {"\xc3", 1, -EBADMSG},
		     {"\xed\xa0\x80", 3, -EBADMSG},
		     {"\xe2\x80\xa8", 3, -EBADMSG}};
	struct qos_buf out = {};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(texts); i++) {
		answer_head(&out, 0, 0);
		answer_node(&out, NULL, QOS_NODE_MAP);
		qos_wire_put_u32(&out, 1);
		answer_scalar(&out, "a", texts[i].text, texts[i].len);
		assert_doc(&out, texts[i].expected);
	}
	answer_head(&out, 0, 0); /* twins */
	answer_node(&out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(&out, 2);
	answer_scalar(&out, "a", "1", 1);
	answer_scalar(&out, "a", "2", 1);
	assert_doc(&out, -EBADMSG);
	answer_head(&out, 0, 0); /* no map */
	answer_node(&out, NULL, QOS_NODE_LIST);
	qos_wire_put_u32(&out, 0);
	assert_doc(&out, -EBADMSG);
	answer_head(&out, 0, 0); /* a kind that is none */
	answer_node(&out, NULL, 3);
	qos_wire_put_u32(&out, 0);
	assert_doc(&out, -EBADMSG);
}

static void put_deep(struct qos_buf *out, size_t depth)
{
	answer_head(out, 0, 0);
	answer_node(out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(out, 1);
	answer_node(out, "a", QOS_NODE_LIST);
	for (size_t i = 2; i < depth; i++) {
		qos_wire_put_u32(out, 1);
		answer_node(out, NULL, QOS_NODE_LIST);
	}
	qos_wire_put_u32(out, 0);
}

static void put_wide(struct qos_buf *out, uint32_t lists, uint32_t width)
{
	answer_head(out, 0, 0);
	answer_node(out, NULL, QOS_NODE_MAP);
	qos_wire_put_u32(out, lists);
	for (uint32_t i = 0; i < lists; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%u", i);
		answer_node(out, key, QOS_NODE_LIST);
		qos_wire_put_u32(out, width);
		for (uint32_t k = 0; k < width; k++)
			answer_scalar(out, NULL, "", 0);
	}
}

static void test_bounds(void **state)
{
	uint32_t most = (QOS_DOC_NODES_MAX - 1) / 1001;
	struct qos_buf out = {};

	put_deep(&out, QOS_DOC_DEPTH_MAX);
	assert_doc(&out, 0);
	put_deep(&out, QOS_DOC_DEPTH_MAX + 1);
	assert_doc(&out, -EBADMSG);
	put_wide(&out, 1, QOS_DOC_WIDTH_MAX);
	assert_doc(&out, 0);
	put_wide(&out, 1, QOS_DOC_WIDTH_MAX + 1);
	assert_doc(&out, -EBADMSG);
	put_wide(&out, most, 1000);
	assert_doc(&out, 0);
	put_wide(&out, most + 1, 1000);
	assert_doc(&out, -EBADMSG);
}

static void test_bad_results(void **state)
{
	struct qos_buf out = {};

	answer_head(&out, EINVAL, 0); /* without a reason */
	assert_doc(&out, -EBADMSG);
	answer_head(&out, EPERM, 0);
	assert_doc(&out, -EBADMSG);
	answer_head(&out, 0, QOS_DIAG_MAX + 1);
	assert_doc(&out, -EBADMSG);
	answer_head(&out, EINVAL, 1); /* of a file that was not asked about */
	qos_wire_put_u32(&out, QOS_ERROR);
	qos_wire_put_u32(&out, 1);
	qos_wire_put_u64(&out, 0);
	qos_wire_put_bytes(&out, "x", 1);
	qos_wire_put_bytes(&out, "y", 1);
	qos_wire_put_u32(&out, 1);
	qos_wire_put_u64(&out, 0);
	assert_doc(&out, -EBADMSG);
}

/* A question that is none: the parser ends. */
static void test_bad_questions(void **state)
{
	const struct qos_text text = text_of(ruled);
	struct qos_buf asked = {}, answer = {};

	qos_front_ask(&asked, QOS_FRONT_IMAGE, QOS_RULES_FRAME, &text, 1);
	for (size_t i = 0; i < asked.len; i++)
		assert_int_equal(qos_front_answer(asked.text, i, &answer), -EBADMSG);
	qos_buf_reset(&asked);
	qos_front_ask(&asked, QOS_FRONT_IMAGE + 1, QOS_RULES_FRAME, &text, 1);
	assert_int_equal(qos_front_answer(asked.text, asked.len, &answer), -EBADMSG);
	qos_buf_reset(&asked);
	qos_front_ask(&asked, QOS_FRONT_RULES, QOS_RULES_FRAME, &text, 0);
	assert_int_equal(qos_front_answer(asked.text, asked.len, &answer), -EBADMSG);
	qos_buf_reset(&asked);
	qos_buf_reset(&answer);
}

static struct qos_image *image_of(const struct qos_contract *contract)
{
	struct qos_image *image = NULL;

	assert_int_equal(qos_front_here.image(NULL, contract, QOS_RULES_FRAME, NULL, &image), 0);
	return image;
}

static void change_image(struct qos_image *image, int what)
{
	struct qos_image_program *first = &image->programs[0];

	switch (what) {
	case 0:
		first->event.kind = QOS_RULE_DROP; /* of a cpu stream */
		break;
	case 1:
		first->event.kind = QOS_RULE_JOB | QOS_RULE_LATE;
		break;
	case 2:
		first->event.stream = 2;
		break;
	case 3:
		image->programs[1].event.tick_ns = 1;
		break;
	case 4:
		image->programs[2].event = first->event;
		break;
	case 5:
		first->reads = 4;
		break;
	case 6:
		first->code.relocs[0].at = first->code.n_insns;
		break;
	case 7:
		image->n_state = QOS_RULES_STATE_MAX + 1;
		break;
	case 8:
		image->states.slots[0].n = QOS_RULES_STATE_MAX;
		break;
	default:
		first->code.n_insns = 0;
	}
}

static void test_bad_images(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(ruled);

	for (int what = -1; what < 10; what++) {
		_cleanup_image_ struct qos_image *image = image_of(contract), *ret = NULL;
		struct qos_buf out = {};

		answer_head(&out, 0, 0);
		if (what >= 0)
			change_image(image, what);
		qos_image_put(&out, image);
		if (qos_front_take_image(out.text, out.len, contract, NULL, &ret) !=
		    (what < 0 ? 0 : -EBADMSG))
			fail_msg("case %d", what);
		qos_buf_reset(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc),	      cmocka_unit_test(test_many_words),
		cmocka_unit_test(test_rules),	      cmocka_unit_test(test_image),
		cmocka_unit_test(test_signals),	      cmocka_unit_test(test_cut),
		cmocka_unit_test(test_changed),	      cmocka_unit_test(test_bad_trees),
		cmocka_unit_test(test_bounds),	      cmocka_unit_test(test_bad_results),
		cmocka_unit_test(test_bad_questions), cmocka_unit_test(test_bad_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
