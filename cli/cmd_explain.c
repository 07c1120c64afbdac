/* SPDX-License-Identifier: GPL-2.0-only */
/* explain: one call; what the words mean is the daemon's to find out. */
#include "cli.h"

#include "client.h"
#include "nearest.h"
#include "watch.h"

static int draw_explain(struct qos_cli *cli, const struct qos_out *out)
{
	_cleanup_answer_ struct qos_answer answer = {};
	const char *class = cli->n_args > 2 ? cli->args[2] : "";

	if (qos_client_call(cli->socket, &answer, "Explain", "ss", cli->args[1], class))
		return qos_nearest_complain(cli, &answer, cli->args[1]);
	if (cli->json)
		qos_out_json(out, answer.json, cli->watch);
	else
		qos_out_explain(out, answer.json);
	return QOS_EXIT_OK;
}

int qos_cmd_explain(struct qos_cli *cli)
{
	return qos_watch(cli, draw_explain);
}
