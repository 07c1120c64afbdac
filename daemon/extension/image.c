/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a compiled contract outlives its compilation. */
#include "extension/image.h"

#include <errno.h>
#include <string.h>

void qos_image_free(struct qos_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->n_programs; i++)
		qos_emit_reset(&image->programs[i].code);
	free(image->programs);
	qos_state_map_reset(&image->states);
	free(image);
}

int qos_image_of(struct qos_compiled *compiled, struct qos_image **ret)
{
	_cleanup_image_ struct qos_image *image = calloc(1, sizeof(*image));

	if (!image)
		return -ENOMEM;
	image->programs = calloc(compiled->n_programs + 1, sizeof(*image->programs));
	if (!image->programs || qos_state_map(compiled, &image->states) < 0)
		return -ENOMEM;
	image->n_state = compiled->n_state;
	memcpy(image->widths, compiled->widths, sizeof(image->widths));
	for (; image->n_programs < compiled->n_programs; image->n_programs++) {
		struct qos_program *program = &compiled->programs[image->n_programs];

		image->programs[image->n_programs] = (struct qos_image_program){
			.event = program->event,
			.reads = qos_ir_reads(&program->ir),
			.reads_rtt = qos_ir_reads_word(&program->ir, QOS_RULES_RTT),
			.code = program->code};
		program->code = (struct qos_emit){};
	}
	*ret = TAKE_PTR(image);
	return 0;
}
