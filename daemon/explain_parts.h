/* SPDX-License-Identifier: GPL-2.0-only */
/* Between explain.c and explain_*.c only. */
#pragma once

#include "contract/explain.h"
#include "explain.h"

#define QOS_EXPLAIN_LIST_MAX 32 /* entries of any list in an answer */

/* {file, line, col, text}. */
json_t *qos_explain_place(const struct qos_loc *loc, const char *text);
json_t *qos_explain_why(const struct qos_match_why *why);

/* Does it take part in the matching of threads? */
static inline bool qos_explain_has_threads(const struct qos_live *live)
{
	return live->state == QOS_LIVE_IN_FORCE && live->n_streams;
}

/* Why a thread that a stream has is not managed, or not scheduled; NULL: it is. A static sentence. */
const char *qos_explain_unmanaged(const struct qos_supervisor *supervisor,
				  const struct qos_live_stream *stream,
				  const struct qos_thread *thread);

/* As qos_supervisor_explain. */
int qos_explain_thread(struct qos_supervisor *supervisor, pid_t tid, struct qos_diag *diag,
		       json_t **ret);
int qos_explain_contract(struct qos_supervisor *supervisor, const char *name, bool walk,
			 json_t **ret);
int qos_explain_flow(struct qos_supervisor *supervisor, const char *flow, struct qos_diag *diag,
		     json_t **ret);
int qos_explain_class(struct qos_supervisor *supervisor, const char *interface, const char *class,
		      struct qos_diag *diag, json_t **ret);
