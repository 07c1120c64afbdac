/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is known of one contract's rules while they run, and whether a later version goes on in its place.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "extend_parts.h"

void qos_extension_told_reset(struct qos_extension_told *told)
{
	free(told->streams);
	free(told->flows);
	*told = (struct qos_extension_told){};
}

void qos_extension_free(struct qos_extension *extension)
{
	if (!extension)
		return;
	qos_extension_sandbox_end(extension);
	for (size_t i = 0; i < extension->n_programs; i++) {
		qos_extension_memory_free(&extension->programs[i].memory);
	}
	for (size_t i = 0; i < extension->n_signals; i++)
		free(extension->signals[i]);
	qos_state_map_reset(&extension->states);
	free(extension->programs);
	free(extension->signals);
	free(extension->windows);
	free(extension->last_steps);
	free(extension->streams);
	qos_extension_told_reset(&extension->told);
	free(extension->shape);
	free(extension);
}

/* Takes numbers out of a text; what belongs to a name (p99, s2) stays. */
static void without_numbers(char *text)
{
	bool in_name = false;
	char *to = text;

	for (const char *from = text; *from; from++) {
		bool digit = isdigit((unsigned char)*from);

		in_name = isalpha((unsigned char)*from) || *from == '_' || (digit && in_name);
		if (!digit || in_name)
			*to++ = *from;
	}
	*to = '\0';
}

/* The rules' texts without numbers. */
static char *shape_of(const struct qos_contract *contract)
{
	struct qos_buf buf = {};

	for (size_t i = 0; i < contract->n_rules; i++) {
		const struct qos_rule *rule = &contract->rules[i];

		qos_buf_add(&buf, "%s|%s|%s|", rule->event.text,
			    rule->when.text ? rule->when.text : "",
			    rule->emit.text ? rule->emit.text : "");
		for (size_t k = 0; k < rule->n_sets; k++)
			qos_buf_add(&buf, "%s=%s|", rule->sets[k].attribute.text,
				    rule->sets[k].value.text);
	}
	if (buf.text)
		without_numbers(buf.text);
	return buf.text;
}

/* FNV-1a. */
uint32_t qos_extension_hash(const struct qos_extension *extension)
{
	const char *text = extension->shape;
	uint32_t hash = 2166136261u;

	for (const char *c = QOS_VERSION; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	for (size_t i = 0; i < extension->n_state; i++)
		hash = (hash ^ extension->widths[i]) * 16777619u;
	return hash;
}

static size_t count_keys(const struct qos_contract *contract)
{
	size_t n = 0;

	for (size_t i = 0; i < contract->n_cpu; i++)
		n += contract->cpu[i].max_threads;
	return n;
}

static int take_signals(struct qos_extension *extension, const struct qos_contract *contract)
{
	_cleanup_free_ const char **names = NULL;
	size_t n;

	if (qos_rules_signals(contract->rules, contract->n_rules, &names, &n) < 0)
		return -ENOMEM;
	extension->signals = calloc(n + 1, sizeof(*extension->signals));
	if (!extension->signals)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		extension->signals[i] = strdup(names[i]);
		if (!extension->signals[i])
			return -ENOMEM;
		extension->n_signals++;
	}
	return 0;
}

int qos_extension_new(const struct qos_live *live, struct qos_image *image,
		      struct qos_extension **ret)
{
	_cleanup_extension_ struct qos_extension *extension = calloc(1, sizeof(*extension));

	if (!extension)
		return -ENOMEM;
	extension->n_state = image->n_state;
	memcpy(extension->widths, image->widths, sizeof(extension->widths));
	extension->n_keys = count_keys(live->contract);
	extension->in_process = live->contract->placement == QOS_PLACEMENT_USER;
	extension->n_streams = live->n_streams;
	extension->n_net = live->contract->n_net;
	extension->shape = shape_of(live->contract);
	extension->programs = calloc(image->n_programs + 1, sizeof(*extension->programs));
	extension->streams = calloc(live->n_streams + 1, sizeof(*extension->streams));
	extension->last_steps = calloc(live->n_streams + live->contract->n_net + 1, 1);
	if (!extension->shape || !extension->programs || !extension->streams ||
	    !extension->last_steps || take_signals(extension, live->contract) < 0)
		return -ENOMEM;
	extension->states = image->states;
	image->states.n = 0;
	for (size_t i = 0; i < live->n_streams; i++)
		extension->streams[live->streams[i].index] = (struct qos_extension_stream){
			live->streams[i].id, qos_live_wish(&live->streams[i])->period.ns};
	*ret = TAKE_PTR(extension);
	return 0;
}

bool qos_extension_goes_on(const struct qos_extension *old, const struct qos_extension *extension)
{
	return old && old->in_module == extension->in_module &&
	       old->in_process == extension->in_process && !strcmp(old->shape, extension->shape) &&
	       old->n_state == extension->n_state &&
	       !memcmp(old->widths, extension->widths, sizeof(old->widths)) &&
	       old->n_keys == extension->n_keys && old->n_streams == extension->n_streams &&
	       old->n_net == extension->n_net &&
	       !memcmp(old->streams, extension->streams, old->n_streams * sizeof(*old->streams)) &&
	       old->n_signals == extension->n_signals;
}
