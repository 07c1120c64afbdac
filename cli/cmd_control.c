/* SPDX-License-Identifier: GPL-2.0-only */
/* reload, confirm, adjust, revert, readmit: one call each; what was typed is made ready for it. */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "client.h"
#include "nearest.h"
#include "util/units.h"

/* A file that is bad, or a contract that is refused, is the answer's outcome, not the call's. */
int qos_reload_status(const json_t *reload)
{
	if (json_array_size(json_object_get(reload, "invalid")))
		return QOS_EXIT_INVALID;
	return json_array_size(json_object_get(reload, "refused")) ? QOS_EXIT_REFUSED : QOS_EXIT_OK;
}

int qos_cmd_reload(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Reload", ""))
		return qos_client_complain(cli, &answer);
	qos_cli_print(cli, answer.json, qos_out_reload);
	qos_cli_diagnostics(cli, json_object_get(answer.json, "diagnostics"));
	return qos_reload_status(answer.json);
}

static int parse_duration(const struct qos_cli *cli, const char *what, const char *text,
			  uint64_t *ret)
{
	int r = qos_parse_duration(text, ret);

	if (r == 0)
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_USAGE, "a number and a unit: ns us ms s m h d, as in 6ms",
			    "%s: %s %s", what, text,
			    r == -ERANGE ? "is too large or too fine" : "is no duration");
}

/* The daemon takes whole names; "cpu.runtime" means the stream main. */
static char *full_attribute(const char *attribute)
{
	if (!strcmp(attribute, "cpu.runtime"))
		attribute = "cpu.main.runtime";
	return strdup(attribute);
}

int qos_cmd_adjust(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};
	const char *equals = strchr(cli->args[2], '=');
	_cleanup_free_ char *attribute = NULL;
	_cleanup_free_ char *typed = NULL;
	uint64_t for_ns = 0;
	uint64_t value;

	if (!equals || equals == cli->args[2])
		return qos_cli_fail(cli, QOS_EXIT_USAGE,
				    "qosctl adjust camera cpu.capture.runtime=6ms",
				    "%s is not of the form ATTRIBUTE=VALUE", cli->args[2]);
	typed = strndup(cli->args[2], (size_t)(equals - cli->args[2]));
	attribute = typed ? full_attribute(typed) : NULL;
	if (!attribute)
		return qos_cli_no_memory(cli);
	if (parse_duration(cli, attribute, equals + 1, &value) ||
	    (cli->duration && parse_duration(cli, "--for", cli->duration, &for_ns)))
		return QOS_EXIT_USAGE;
	if (cli->duration && !for_ns)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "--for: no time at all");
	if (qos_client_call(cli->socket, &answer, "Adjust", "sstt", cli->args[1], attribute, value,
			    for_ns))
		return qos_nearest_complain(cli, &answer, cli->args[1]);
	qos_cli_print(cli, answer.json, qos_out_adjust);
	return QOS_EXIT_OK;
}

int qos_cmd_readmit(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Readmit", "s", cli->args[1]))
		return qos_nearest_complain(cli, &answer, cli->args[1]);
	qos_cli_print(cli, answer.json, qos_out_readmit);
	return QOS_EXIT_OK;
}

int qos_cmd_confirm(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Confirm", "b", !cli->undo))
		return qos_client_complain(cli, &answer);
	qos_cli_print(cli, answer.json, qos_out_confirm);
	return QOS_EXIT_OK;
}

int qos_cmd_revert(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};
	_cleanup_free_ char *attribute = full_attribute(cli->n_args > 2 ? cli->args[2] : "");

	if (!attribute)
		return qos_cli_no_memory(cli);
	if (qos_client_call(cli->socket, &answer, "Revert", "ss", cli->args[1], attribute))
		return qos_nearest_complain(cli, &answer, cli->args[1]);
	qos_cli_print(cli, answer.json, qos_out_revert);
	return QOS_EXIT_OK;
}
