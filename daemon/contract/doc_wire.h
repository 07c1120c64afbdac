/* SPDX-License-Identifier: GPL-2.0-only */
/* A document as bytes, from whoever read it to whoever uses it. Pure. */
#pragma once

#include "contract/doc.h"
#include "util/wire.h"

/* Every node, a parent before its children. */
void qos_doc_put(struct qos_buf *out, const struct qos_doc *doc);

/* Whoever wrote the bytes, the document is one that qos_doc_parse could have made of some file: its bounds, one
 * of each key, text that may be text. 0; -EBADMSG or -ENOMEM, which stick in `in`. */
int qos_doc_take(struct qos_wire *in, const char *file, struct qos_doc **ret);
