/* SPDX-License-Identifier: GPL-2.0-only */
/* The parser's half: a question as bytes, the work of qos_front_here, an answer as bytes. */
#include <errno.h>
#include <string.h>

#include "contract/doc_wire.h"
#include "extension/front_wire.h"

#define TEXTS_MAX 128
#define NAME_SIZE 21 /* of any size_t */

struct question {
	uint32_t what;
	uint32_t target;
	struct qos_text texts[TEXTS_MAX];
	char names[TEXTS_MAX][NAME_SIZE]; /* numbers */
	size_t n;
};

static void work(const struct question *question, struct qos_diag *diag, int *ret,
		 struct qos_buf *body)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	_cleanup_image_ struct qos_image *image = NULL;
	_cleanup_contract_ struct qos_contract *contract = NULL;
	const struct qos_front *front = &qos_front_here;

	switch ((enum qos_front_what)question->what) {
	case QOS_FRONT_DOC:
		*ret = front->doc(NULL, &question->texts[0], diag, &doc);
		if (!*ret)
			qos_doc_put(body, doc);
		break;
	case QOS_FRONT_RULES:
		*ret = front->rules(NULL, question->texts, question->n, diag);
		break;
	case QOS_FRONT_IMAGE:
		*ret = qos_contract_parse_text(question->texts, question->n, diag, &contract);
		if (!*ret)
			*ret = front->image(NULL, contract, question->target, diag, &image);
		if (!*ret)
			qos_image_put(body, image);
		break;
	}
}

static int read_question(const char *asked, size_t len, struct question *ret)
{
	struct qos_wire in = {.at = asked, .left = len};

	ret->what = qos_wire_count(&in, QOS_FRONT_IMAGE);
	ret->target = qos_wire_count(&in, QOS_RULES_TEST);
	ret->n = qos_wire_count(&in, TEXTS_MAX);
	for (size_t i = 0; i < ret->n; i++) {
		snprintf(ret->names[i], sizeof(ret->names[i]), "%zu", i);
		ret->texts[i].file = ret->names[i];
		ret->texts[i].bytes = qos_wire_bytes(&in, QOS_DOC_BYTES_MAX, &ret->texts[i].len);
	}
	return ret->n ? qos_wire_end(&in) : -EBADMSG;
}

int qos_front_answer(const char *asked, size_t len, struct qos_buf *answer)
{
	_cleanup_free_ struct question *question = calloc(1, sizeof(*question));
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_buf body = {};
	int r = question ? read_question(asked, len, question) : -ENOMEM, result = 0;

	if (r < 0)
		return r;
	work(question, &diag, &result, &body);
	qos_wire_put_u32(answer, (uint32_t)-result);
	qos_wire_put_diag(answer, &diag);
	qos_buf_add_bytes(answer, body.text, body.len);
	r = body.error ?: answer->error;
	qos_diag_reset(&diag);
	qos_buf_reset(&body);
	return r;
}
