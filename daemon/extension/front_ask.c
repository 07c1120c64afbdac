/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's half: a question as bytes, and judging what comes back. An answer is read into a list of its own
 * first, so that words of one that turns out to make no sense are not shown. */
#include <errno.h>
#include <string.h>

#include "contract/doc_wire.h"
#include "extension/front_wire.h"

void qos_front_ask(struct qos_buf *asked, enum qos_front_what what, enum qos_rules_target target,
		   const struct qos_text *texts, size_t n)
{
	qos_wire_put_u32(asked, what);
	qos_wire_put_u32(asked, target);
	qos_wire_put_u32(asked, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		qos_wire_put_bytes(asked, texts[i].bytes, texts[i].len);
}

struct answer {
	struct qos_wire in;
	int result;
	struct qos_diag diag;
};

/* A refusal without a reason is none. */
static void open_answer(struct answer *answer, const char *bytes, size_t len,
			const struct qos_text *texts, size_t n)
{
	_cleanup_free_ const char **files = calloc(n + 1, sizeof(*files));

	answer->in = (struct qos_wire){.at = bytes, .left = len};
	if (!files) {
		answer->in.error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < n; i++)
		files[i] = texts[i].file;
	answer->result = -(int)qos_wire_count(&answer->in, 4095);
	qos_wire_diag(&answer->in, files, n, &answer->diag);
	if (answer->result == 0 ? answer->diag.n_errors != 0
				: answer->result != -EINVAL || !answer->diag.n_errors)
		qos_wire_refuse(&answer->in);
}

static int close_answer(struct answer *answer, struct qos_diag *diag)
{
	int r = qos_wire_end(&answer->in);

	if (r == 0 && diag)
		qos_diag_move(diag, &answer->diag);
	qos_diag_reset(&answer->diag);
	return r < 0 ? r : answer->result;
}

int qos_front_take_doc(const char *bytes, size_t len, const struct qos_text *text,
		       struct qos_diag *diag, struct qos_doc **ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	struct answer answer = {};
	int r;

	open_answer(&answer, bytes, len, text, 1);
	if (answer.result == 0 && !answer.in.error)
		qos_doc_take(&answer.in, text->file, &doc);
	r = close_answer(&answer, diag);
	if (r == 0)
		*ret = TAKE_PTR(doc);
	return r;
}

int qos_front_take_rules(const char *bytes, size_t len, const struct qos_text *texts, size_t n,
			 struct qos_diag *diag)
{
	struct answer answer = {};

	open_answer(&answer, bytes, len, texts, n);
	return close_answer(&answer, diag);
}

int qos_front_take_image(const char *bytes, size_t len, const struct qos_contract *contract,
			 struct qos_diag *diag, struct qos_image **ret)
{
	static const struct qos_text printed; /* without a file: nobody sees it */
	_cleanup_image_ struct qos_image *image = NULL;
	struct answer answer = {};
	int r;

	open_answer(&answer, bytes, len, &printed, 1);
	if (answer.result == 0 && !answer.in.error)
		qos_image_take(&answer.in, contract, &image);
	r = close_answer(&answer, diag);
	if (r == 0)
		*ret = TAKE_PTR(image);
	return r;
}
