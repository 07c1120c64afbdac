/* SPDX-License-Identifier: GPL-2.0-only */
/* metrics: what a scraper would get from the daemon's socket. */
#include "cli.h"

#include "client.h"

static void print(const struct qos_out *out, const json_t *document)
{
	fputs(qos_json_text(document, "text", ""), out->file);
}

int qos_cmd_metrics(struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "metrics",
			    cli->openmetrics ? "open" : ""))
		return qos_client_complain(cli, &answer);
	qos_cli_print(cli, answer.json, print);
	return QOS_EXIT_OK;
}
