/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys of state words, and the carrying over. Weakness: an expression that means the same but is
 * written otherwise begins anew. */
#include "extension/state.h"

#include <errno.h>
#include <string.h>

#include "extension/op.h"

struct walk {
	const struct qos_compiled *compiled;
	const struct qos_rule_event *event;
	struct qos_state_map *map;
	int error;
};

static void add_field(const struct qos_compiled *compiled, const struct qos_rule_ref *ref,
		      struct qos_buf *key)
{
	const struct qos_contract *contract = compiled->contract;
	bool cpu = ref->stream < contract->n_cpu;

	qos_buf_add(key, "%s.%s.%s", ref->field->section,
		    cpu ? contract->cpu[ref->stream].name
			: contract->net[ref->stream - contract->n_cpu].name,
		    ref->field->name);
}

/* Types are told by fields and literals, which are spelled out. */
static void add_node(const struct qos_compiled *compiled, const struct qos_rule_node *node,
		     struct qos_buf *key)
{
	char value[QOS_RULE_VALUE_MAX];

	if (node->op == qos_rule_op_field) {
		add_field(compiled, &node->field, key);
		return;
	}
	if (node->op == qos_rule_op_literal) {
		qos_buf_add(key, "%s:%s",
			    qos_rule_value_print(value, sizeof(value), node->type, node->value),
			    qos_rule_type_names[node->type]);
		return;
	}
	qos_buf_add(key, "%s(", node->op->name);
	for (size_t i = 0; i < node->n_args; i++) {
		qos_buf_add(key, i ? ", " : "");
		add_node(compiled, node->args[i], key);
	}
	qos_buf_add(key, ")");
}

static void visit(struct walk *walk, const struct qos_rule_node *node)
{
	struct qos_buf key = {};
	char event[128];

	for (size_t i = 0; i < node->n_args; i++)
		visit(walk, node->args[i]);
	if (!node->op->state || walk->error)
		return;
	qos_buf_add(
		&key, "%s: ",
		qos_rule_event_print(event, sizeof(event), walk->compiled->contract, walk->event));
	add_node(walk->compiled, node, &key);
	if (key.error < 0) {
		walk->error = key.error;
		qos_buf_reset(&key);
		return;
	}
	walk->map->slots[walk->map->n++] =
		(struct qos_state_slot){node->state, node->op->state, key.text};
}

int qos_state_map(const struct qos_compiled *compiled, struct qos_state_map *map)
{
	struct walk walk = {.compiled = compiled, .map = map};

	for (size_t i = 0; i < compiled->n_rules; i++) {
		const struct qos_compiled_rule *rule = &compiled->rules[i];

		walk.event = &rule->event;
		if (rule->when.tree)
			visit(&walk, rule->when.tree);
		for (size_t k = 0; k < rule->n_sets; k++)
			visit(&walk, rule->sets[k].value.tree);
	}
	return walk.error;
}

void qos_state_map_reset(struct qos_state_map *map)
{
	for (size_t i = 0; i < map->n; i++)
		free(map->slots[i].key);
	map->n = 0;
}

/* The same key means as many words, but maps come from the parser, which may lie. */
static bool is_same(const struct qos_state_slot *a, const struct qos_state_slot *b)
{
	return a->n == b->n && !strcmp(a->key, b->key);
}

size_t qos_state_carry(const struct qos_state_map *old, const uint64_t *old_words,
		       const struct qos_state_map *new, uint64_t *new_words)
{
	bool taken[QOS_RULES_STATE_MAX] = {};
	size_t carried = 0;

	for (size_t i = 0; i < new->n; i++) {
		const struct qos_state_slot *to = &new->slots[i];
		size_t k = 0;

		memset(&new_words[to->first], 0, to->n * sizeof(*new_words));
		while (k < old->n && (taken[k] || !is_same(&old->slots[k], to)))
			k++;
		if (k == old->n)
			continue;
		taken[k] = true;
		memcpy(&new_words[to->first], &old_words[old->slots[k].first],
		       to->n * sizeof(*new_words));
		carried += to->n;
	}
	return carried;
}
