/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon knows which name is wrong; which one was meant is asked for only then. */
#include "nearest.h"

#include "util/text.h"

#define SHOWN 16

/* "did you mean camera?", else what there is. NULL: out of memory. */
static char *hint_of(const char *name, const char *const *names)
{
	const char *nearest = qos_text_nearest(name, names);
	QOS_CLEANUP(qos_buf_reset) struct qos_buf hint = {};

	if (nearest)
		qos_buf_add(&hint, "did you mean %s?", nearest);
	else
		qos_buf_add(&hint, names[0] ? "there are:" : "there are none");
	for (size_t i = 0; !nearest && names[i] && i <= SHOWN; i++)
		qos_buf_add(&hint, " %s", i < SHOWN ? names[i] : "...");
	return hint.error < 0 ? NULL : TAKE_PTR(hint.text);
}

int qos_nearest_fail(const struct qos_cli *cli, const char *name, const char *where,
		     const char *const *names)
{
	_cleanup_free_ char *hint = hint_of(name, names);

	if (!hint)
		return qos_cli_no_memory(cli);
	return qos_cli_fail(cli, QOS_EXIT_NO_CONTRACT, hint, "there is no contract %s%s", name,
			    where);
}

int qos_nearest_complain(const struct qos_cli *cli, struct qos_answer *answer, const char *name)
{
	_cleanup_answer_ struct qos_answer list = {};
	_cleanup_free_ const char **names = NULL;
	const json_t *briefs, *brief;
	size_t i;

	if (answer->status != QOS_EXIT_NO_CONTRACT ||
	    qos_client_call(cli->socket, &list, "Report", "ss", "list", ""))
		return qos_client_complain(cli, answer);
	briefs = json_object_get(list.json, "contracts");
	names = calloc(json_array_size(briefs) + 1, sizeof(*names));
	if (!names)
		return qos_cli_no_memory(cli);
	json_array_foreach(briefs, i, brief)
		names[i] = qos_json_text(brief, "contract", "");
	return qos_nearest_fail(cli, name, "", names);
}
