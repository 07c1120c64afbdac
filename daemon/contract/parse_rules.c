/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of rules: which keys, and texts with their places. The words in the texts are judged by
 * extension/, which knows the language.
 */
#include <string.h>

#include "contract/parse_field.h"
#include "util/text.h"

enum { RULE_EVENT, RULE_WHEN, RULE_SET, RULE_EMIT };

/* A number or a bool would be a scalar, too: every text counts as it stands. */
static bool read_text(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	struct qos_rule_text *text = out;

	if (!qos_reader_text(reader, field, node, QOS_RULE_BYTES_MAX) ||
	    !qos_reader_dup(reader, node->text, &text->text))
		return false;
	text->loc = node->loc;
	text->exact = node->text_col;
	if (node->text_col)
		text->loc.col = node->text_col;
	return true;
}

static bool read_emit(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	if (!read_text(reader, field, node, out))
		return false;
	if (qos_text_is_contract_name(node->text))
		return true;
	qos_reader_error(reader, &node->loc, "emit: '%.64s' is not a name", node->text);
	qos_diag_hint(reader->diag, "a small letter, then at most 31 small letters, digits and -");
	return false;
}

static bool read_attribute(struct qos_reader *reader, const struct qos_node *node,
			   struct qos_rule_text *attribute)
{
	attribute->loc = node->key_loc;
	attribute->exact = true;
	if (strlen(node->key) <= QOS_RULE_BYTES_MAX)
		return qos_reader_dup(reader, node->key, &attribute->text);
	qos_reader_error(reader, &node->key_loc, "set: the name of an attribute is not that long");
	qos_diag_hint(reader->diag, "write for example `cpu.NAME.runtime: 5ms`");
	return false;
}

/* *rule is filled in order, so that what is there can be freed. */
static bool read_set(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	static const struct qos_parse_field value = {"set", .example = "{cpu.runtime: 5ms}"};
	struct qos_rule *rule = out;
	bool good = true;

	if (!qos_reader_map(reader, field, node))
		return false;
	if (!node->n_children || node->n_children > QOS_CONTRACT_SETS_MAX) {
		qos_reader_error(reader, &node->loc, "set: expected 1 to %d attributes",
				 QOS_CONTRACT_SETS_MAX);
		qos_diag_hint(reader->diag, "write for example `cpu.NAME.runtime: 5ms`");
		return false;
	}
	rule->sets = calloc(node->n_children, sizeof(*rule->sets));
	if (!rule->sets) {
		reader->out_of_memory = true;
		return false;
	}
	for (size_t i = 0; i < node->n_children; i++) {
		struct qos_rule_set *set = &rule->sets[rule->n_sets];

		if (qos_reader_cut_off(reader, node->children[i])) {
			good = false;
			continue;
		}
		rule->n_sets++;
		good &= read_attribute(reader, node->children[i], &set->attribute);
		good &= read_text(reader, &value, node->children[i], &set->value);
	}
	return good;
}

static const struct qos_parse_field fields[] = {
	[RULE_EVENT] = {"event", read_text, offsetof(struct qos_rule, event), true, "tick 1s"},
	[RULE_WHEN] = {"when", read_text, offsetof(struct qos_rule, when),
		       .example = "cpu.slack < 1ms"},
	[RULE_SET] = {"set", read_set, .example = "{cpu.runtime: 5ms}"},
	[RULE_EMIT] = {"emit", read_emit, offsetof(struct qos_rule, emit), .example = "degraded"},
	{},
};

static void read_rule(struct qos_reader *reader, const struct qos_node *node, struct qos_rule *rule)
{
	rule->loc = node->loc;
	if (node->kind != QOS_NODE_MAP) {
		qos_reader_error(reader, &node->loc, "a rule: expected a map");
		qos_diag_hint(reader->diag,
			      "write `event: ...`, perhaps `when: ...`, and `set:` or "
			      "`emit:`");
		return;
	}
	qos_parse_fields(reader, node, fields, "rule", rule);
	if (qos_node_get(node, "set") || qos_node_get(node, "emit"))
		return;
	qos_reader_error(reader, &node->loc, "the rule does nothing");
	qos_diag_hint(reader->diag,
		      "add `set:` with attributes and values, or `emit:` with a name");
}

bool qos_parse_rules(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	struct qos_contract *contract = out;

	if (node->kind != QOS_NODE_LIST || node->n_children > QOS_CONTRACT_RULES_MAX) {
		qos_reader_error(reader, &node->loc, "rules: expected a list of at most %d rules",
				 QOS_CONTRACT_RULES_MAX);
		qos_diag_hint(reader->diag, "each begins with `- event:`; see qos-rules(7)");
		return false;
	}
	contract->rules = calloc(node->n_children + 1, sizeof(*contract->rules));
	if (!contract->rules) {
		reader->out_of_memory = true;
		return false;
	}
	contract->n_rules = node->n_children;
	for (size_t i = 0; i < node->n_children; i++)
		read_rule(reader, node->children[i], &contract->rules[i]);
	return true;
}
