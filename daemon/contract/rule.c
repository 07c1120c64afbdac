/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules as values: free, copy, compare, by one table of the texts of a rule. */
#include "contract/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static const size_t texts[] = {
	offsetof(struct qos_rule, event),
	offsetof(struct qos_rule, when),
	offsetof(struct qos_rule, emit),
};

static struct qos_rule_text *text_at(const struct qos_rule *rule, size_t i)
{
	return (struct qos_rule_text *)((char *)rule + texts[i]);
}

void qos_rules_free(struct qos_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < QOS_ARRAY_SIZE(texts); k++)
			free(text_at(&rules[i], k)->text);
		for (size_t k = 0; k < rules[i].n_sets; k++) {
			free(rules[i].sets[k].attribute.text);
			free(rules[i].sets[k].value.text);
		}
		free(rules[i].sets);
	}
	free(rules);
}

static bool text_equal(const struct qos_rule_text *a, const struct qos_rule_text *b)
{
	return a->text && b->text ? !strcmp(a->text, b->text) : a->text == b->text;
}

static bool rule_equal(const struct qos_rule *a, const struct qos_rule *b)
{
	for (size_t k = 0; k < QOS_ARRAY_SIZE(texts); k++)
		if (!text_equal(text_at(a, k), text_at(b, k)))
			return false;
	if (a->n_sets != b->n_sets)
		return false;
	for (size_t k = 0; k < a->n_sets; k++)
		if (!text_equal(&a->sets[k].attribute, &b->sets[k].attribute) ||
		    !text_equal(&a->sets[k].value, &b->sets[k].value))
			return false;
	return true;
}

bool qos_rules_equal(const struct qos_rule *a, size_t n_a, const struct qos_rule *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!rule_equal(&a[i], &b[i]))
			return false;
	return true;
}

void qos_rules_each_loc(struct qos_rule *rules, size_t n,
			void (*each)(struct qos_loc *loc, const void *data), const void *data)
{
	for (size_t i = 0; i < n; i++) {
		each(&rules[i].loc, data);
		for (size_t k = 0; k < QOS_ARRAY_SIZE(texts); k++)
			each(&text_at(&rules[i], k)->loc, data);
		for (size_t k = 0; k < rules[i].n_sets; k++) {
			each(&rules[i].sets[k].attribute.loc, data);
			each(&rules[i].sets[k].value.loc, data);
		}
	}
}

int qos_rules_signals(const struct qos_rule *rules, size_t n, const char ***ret, size_t *ret_n)
{
	const char **names = calloc(n + 1, sizeof(*names));
	size_t n_names = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *name = rules[i].emit.text;
		size_t k = 0;

		while (name && k < n_names && strcmp(names[k], name) != 0)
			k++;
		if (name && k == n_names)
			names[n_names++] = name;
	}
	*ret = names;
	*ret_n = n_names;
	return 0;
}
