/* SPDX-License-Identifier: GPL-2.0-only */
/* Text to contract within one process. A file of its own: whoever has its texts read elsewhere (extension/front.h)
 * does not link it, and libyaml neither. */
#include "contract/parse.h"

static int read_here(void *data, const struct qos_text *text, struct qos_diag *diag,
		     struct qos_doc **ret)
{
	return qos_doc_parse(text->file, text->bytes, text->len, diag, ret);
}

int qos_contract_parse_text(const struct qos_text *texts, size_t n_texts, struct qos_diag *diag,
			    struct qos_contract **ret)
{
	static const struct qos_doc_reader here = {.read = read_here};
	_cleanup_doc_ struct qos_doc *doc = NULL;
	int r = qos_docs_read(&here, texts, n_texts, diag, &doc);

	return r < 0 ? r : qos_contract_parse(doc, diag, ret);
}
