/* SPDX-License-Identifier: GPL-2.0-only */
/* An image as bytes. Weakness: its key says what a word of state means, and only the length of a key is judged;
 * a wrong one hands a program another one's words, which any program must bear. */
#include <errno.h>
#include <string.h>

#include "extension/image.h"

#define KEY_MAX 65536 /* the rules of a contract, spelled out */

static void put_program(struct qos_buf *out, const struct qos_image_program *program)
{
	const struct qos_emit *code = &program->code;

	qos_wire_put_u32(out, program->event.kind);
	qos_wire_put_u32(out, (uint32_t)program->event.stream);
	qos_wire_put_u64(out, program->event.tick_ns);
	qos_wire_put_u64(out, program->reads);
	qos_wire_put_u64(out, program->reads_rtt);
	qos_wire_put_bytes(out, code->insns, code->n_insns * sizeof(*code->insns));
	qos_wire_put_u32(out, (uint32_t)code->n_relocs);
	for (size_t i = 0; i < code->n_relocs; i++) {
		qos_wire_put_u32(out, code->relocs[i].kind);
		qos_wire_put_u32(out, (uint32_t)code->relocs[i].at);
	}
}

void qos_image_put(struct qos_buf *out, const struct qos_image *image)
{
	qos_wire_put_u32(out, (uint32_t)image->n_programs);
	for (size_t i = 0; i < image->n_programs; i++)
		put_program(out, &image->programs[i]);
	qos_wire_put_bytes(out, image->widths, sizeof(image->widths));
	qos_wire_put_u32(out, (uint32_t)image->n_state);
	qos_wire_put_u32(out, (uint32_t)image->states.n);
	for (size_t i = 0; i < image->states.n; i++) {
		const struct qos_state_slot *slot = &image->states.slots[i];

		qos_wire_put_u32(out, (uint32_t)slot->first);
		qos_wire_put_u32(out, (uint32_t)slot->n);
		qos_wire_put_bytes(out, slot->key, strlen(slot->key));
	}
}

/* --- back --- */

static void take_code(struct qos_wire *in, struct qos_emit *code)
{
	size_t len;
	const char *insns = qos_wire_bytes(in, QOS_RULES_INSNS_MAX * sizeof(*code->insns), &len);

	if (!insns || !len || len % sizeof(*code->insns)) {
		qos_wire_refuse(in);
		return;
	}
	code->insns = malloc(len);
	if (!code->insns) {
		in->error = -ENOMEM;
		return;
	}
	memcpy(code->insns, insns, len);
	code->n_insns = len / sizeof(*code->insns);
	code->n_relocs = qos_wire_count(in, QOS_EMIT_RELOCS_MAX);
	for (size_t i = 0; i < code->n_relocs; i++) {
		code->relocs[i].kind = qos_wire_count(in, QOS_RELOC_KFUNC);
		code->relocs[i].at = qos_wire_count(in, (uint32_t)code->n_insns - 1);
	}
}

static void take_program(struct qos_wire *in, const struct qos_contract *contract,
			 struct qos_image *image)
{
	struct qos_image_program *program = &image->programs[image->n_programs];
	size_t n = contract->n_cpu + contract->n_net;
	uint64_t streams = n < 64 ? (1ULL << n) - 1 : UINT64_MAX;

	program->event.kind = qos_wire_u32(in);
	program->event.stream = qos_wire_u32(in);
	program->event.tick_ns = qos_wire_u64(in);
	program->reads = qos_wire_u64(in);
	program->reads_rtt = qos_wire_u64(in);
	if (!qos_rule_event_exists(contract, &program->event) || program->reads & ~streams ||
	    program->reads_rtt & ~program->reads)
		qos_wire_refuse(in);
	for (size_t i = 0; i < image->n_programs; i++) {
		if (qos_rule_event_is(&image->programs[i].event, &program->event))
			qos_wire_refuse(in);
	}
	take_code(in, &program->code);
	image->n_programs++;
}

static void take_states(struct qos_wire *in, struct qos_image *image)
{
	size_t len;
	const char *widths = qos_wire_bytes(in, sizeof(image->widths), &len);
	uint32_t n;

	if (len != sizeof(image->widths))
		qos_wire_refuse(in);
	else
		memcpy(image->widths, widths, len);
	image->n_state = qos_wire_count(in, QOS_RULES_STATE_MAX);
	n = qos_wire_count(in, (uint32_t)image->n_state);
	for (uint32_t i = 0; i < n && !in->error; i++) {
		struct qos_state_slot *slot = &image->states.slots[i];

		slot->first = qos_wire_count(in, (uint32_t)image->n_state);
		slot->n = qos_wire_count(in, (uint32_t)(image->n_state - slot->first));
		slot->key = qos_wire_text(in, KEY_MAX);
		if (slot->key)
			image->states.n++;
	}
}

int qos_image_take(struct qos_wire *in, const struct qos_contract *contract, struct qos_image **ret)
{
	_cleanup_image_ struct qos_image *image = calloc(1, sizeof(*image));
	uint32_t n = qos_wire_count(in, (uint32_t)contract->n_rules);

	if (image)
		image->programs = calloc(n + 1, sizeof(*image->programs));
	if (!image || !image->programs) {
		in->error = -ENOMEM;
		return in->error;
	}
	for (uint32_t i = 0; i < n && !in->error; i++)
		take_program(in, contract, image);
	take_states(in, image);
	if (in->error)
		return in->error;
	*ret = TAKE_PTR(image);
	return 0;
}
