/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whatever is asked for, the answer is found by the functions that decide: the matching of match.h, asked
 * again now, and the service manager's own idea of what a thread should be, beside what the kernel says.
 *
 * Weakness: who else set a thread's policy is not known. The kernel tells what it is, not whose doing.
 */
#include "explain.h"

#include <errno.h>
#include <string.h>

#include "explain_parts.h"
#include "util/text.h"

json_t *qos_explain_place(const struct qos_loc *loc, const char *text)
{
	return json_pack("{ss? si si ss}", "file", loc->file, "line", (int)loc->line, "col",
			 (int)loc->col, "text", text);
}

json_t *qos_explain_why(const struct qos_match_why *why)
{
	char text[QOS_EXPLAIN_TEXT_MAX];

	return qos_explain_place(&why->decides->loc, qos_explain_text(text, sizeof(text), why));
}

const char *qos_explain_unmanaged(const struct qos_supervisor *supervisor,
				  const struct qos_live_stream *stream,
				  const struct qos_thread *thread)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	if (supervisor->panicked)
		return "everything was undone by qosctl panic, until qosctl reload";
	if (!thread)
		return "it was not looked at yet; qosctl reload looks at every process";
	if (!thread->managed && thread->retry_ns)
		return "it could not be set, and is tried again; qosctl events has the kernel's "
		       "words";
	if (!thread->managed)
		return stream->n_managed >= wish->max_threads
			       ? "the stream has as many threads as its max-threads"
			       : "it could not be set";
	if (wish->manage == QOS_MANAGE_OBSERVE)
		return "manage: observe, so it is measured and not scheduled";
	if (!supervisor->service)
		return "this daemon can manage no thread; qosctl status says why";
	if (thread->drifted && stream->live->contract->on_drift == QOS_DRIFT_YIELD)
		return "somebody else set its scheduling, and on-drift: yield leaves it so";
	return NULL;
}

/* "123" -> 123; 0: it is no number. */
static pid_t number_of(const char *text)
{
	uint64_t value;

	return qos_parse_count(text, INT32_MAX, &value) < 0 ? 0 : (pid_t)value;
}

int qos_supervisor_explain(struct qos_supervisor *supervisor, const char *what, const char *class,
			   bool walk, struct qos_diag *diag, json_t **ret)
{
	int r;

	if (*class)
		r = qos_explain_class(supervisor, what, class, diag, ret);
	else if (number_of(what))
		r = qos_explain_thread(supervisor, number_of(what), diag, ret);
	else if (strchr(what, ':'))
		r = qos_explain_flow(supervisor, what, diag, ret);
	else
		r = qos_explain_contract(supervisor, what, walk, ret);
	return r == 0 && !*ret ? -ENOMEM : r;
}
