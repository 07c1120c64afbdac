/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's side of its parser: whatever that answers is refused, or it is a document or an image within the
 * bounds of one that was read here. The first byte says what was asked. And the parser's side: what is no
 * question is refused.
 */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "extension/front_wire.h"
#include "fuzz.h"

static const char base[] =
	"version: 1\ncontract: x\nmatch: {unit: x.service}\n"
	"cpu: {period: 10ms, runtime: 2ms, window: 1/10, range: {runtime: 1ms..4ms}}\n"
	"network: {interface: eth0, rate: 12mbit, packet: 1400B, window: 1/10}\n"
	"adapt: {rules: [{event: cpu.job, emit: a}, {event: tick 1s, emit: b}]}\n";

static size_t count(const struct qos_node *node, size_t depth)
{
	size_t n = 1;

	must(depth < QOS_DOC_DEPTH_MAX || node->kind == QOS_NODE_SCALAR);
	must(node->n_children <= QOS_DOC_WIDTH_MAX);
	must((node->kind == QOS_NODE_SCALAR) == !!node->text);
	must(!node->text || qos_doc_is_text(node->text, strlen(node->text)));
	for (size_t i = 0; i < node->n_children; i++) {
		must(!!node->children[i]->key == (node->kind == QOS_NODE_MAP));
		must(node->kind != QOS_NODE_MAP ||
		     qos_node_get(node, node->children[i]->key) == node->children[i]);
		n += count(node->children[i], depth + 1);
	}
	return n;
}

static void judge(int r, const struct qos_diag *diag)
{
	must(r == 0 || r == -EINVAL || r == -EBADMSG);
	must(r != -EINVAL || diag->n_errors);
	must(r != 0 || !diag->n_errors);
	must(r != -EBADMSG || !diag->n_entries);
}

static void fuzz_doc(const char *bytes, size_t len)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	_cleanup_contract_ struct qos_contract *contract = NULL;
	const struct qos_text text = {.file = "fuzz"};
	struct qos_diag diag = QOS_DIAG_INIT;
	int r = qos_front_take_doc(bytes, len, &text, &diag, &doc);

	judge(r, &diag);
	if (r == 0) {
		must(doc->root->kind == QOS_NODE_MAP);
		must(count(doc->root, 0) <= QOS_DOC_NODES_MAX);
		qos_contract_parse(doc, NULL, &contract);
	}
	qos_diag_reset(&diag);
}

static void fuzz_image(const char *bytes, size_t len)
{
	const struct qos_text text = {"base", base, strlen(base)};
	_cleanup_contract_ struct qos_contract *contract = NULL;
	_cleanup_image_ struct qos_image *image = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	must(qos_contract_parse_text(&text, 1, NULL, &contract) == 0);
	r = qos_front_take_image(bytes, len, contract, &diag, &image);
	judge(r, &diag);
	if (r == 0) {
		must(image->n_programs <= contract->n_rules &&
		     image->n_state <= QOS_RULES_STATE_MAX);
		for (size_t i = 0; i < image->n_programs; i++) {
			must(qos_rule_event_exists(contract, &image->programs[i].event));
			must(image->programs[i].code.n_insns <= QOS_RULES_INSNS_MAX);
		}
		for (size_t i = 0; i < image->states.n; i++)
			must(image->states.slots[i].first + image->states.slots[i].n <=
			     image->n_state);
	}
	qos_diag_reset(&diag);
}

static void fuzz_question(const char *bytes, size_t len)
{
	struct qos_buf answer = {};
	int r = qos_front_answer(bytes, len, &answer);

	must(r == 0 || r == -EBADMSG);
	qos_buf_reset(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *bytes, size_t len) = {fuzz_doc, fuzz_image,
									 fuzz_question};
	char *bytes;

	if (!size)
		return 0;
	/* exactly what came, so that a look behind it is caught */
	bytes = malloc(size - 1 ? size - 1 : 1);
	must(bytes);
	memcpy(bytes, data + 1, size - 1);
	targets[data[0] % QOS_ARRAY_SIZE(targets)](bytes, size - 1);
	free(bytes);
	return 0;
}
