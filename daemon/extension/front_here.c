/* SPDX-License-Identifier: GPL-2.0-only */
/* The front within one process: of qosctl, of tests, and of the one that does it for the daemon. */
#include "extension/front.h"

static int doc(void *data, const struct qos_text *text, struct qos_diag *diag, struct qos_doc **ret)
{
	return qos_doc_parse(text->file, text->bytes, text->len, diag, ret);
}

static int rules(void *data, const struct qos_text *texts, size_t n, struct qos_diag *diag)
{
	_cleanup_compiled_ struct qos_compiled *frame = NULL, *kfunc = NULL;
	_cleanup_contract_ struct qos_contract *contract = NULL;
	struct qos_diag said =
		QOS_DIAG_INIT; /* of the contract itself: that was told when it was read */
	int r = qos_contract_parse_text(texts, n, &said, &contract);

	qos_diag_reset(&said);
	return r < 0 ? r : qos_compile_both(contract, diag, &frame, &kfunc);
}

static int image(void *data, const struct qos_contract *contract, enum qos_rules_target target,
		 struct qos_diag *diag, struct qos_image **ret)
{
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	int r = qos_compile(contract, target, QOS_STAGE_INSNS, diag, &compiled);

	return r < 0 ? r : qos_image_of(compiled, ret);
}

static void rest(void *data)
{
}

const struct qos_front qos_front_here = {
	.doc = doc,
	.rules = rules,
	.image = image,
	.rest = rest,
};
