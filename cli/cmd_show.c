/* SPDX-License-Identifier: GPL-2.0-only */
/* show: one contract. A name that is not there is answered with the nearest one that is. */
#include "cli.h"

#include "client.h"
#include "nearest.h"
#include "watch.h"

static int draw_show(struct qos_cli *cli, const struct qos_out *out)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "show", cli->args[1]))
		return qos_nearest_complain(cli, &answer, cli->args[1]);
	if (cli->json)
		qos_out_json(out, answer.json, cli->watch);
	else
		qos_out_show(out, answer.json);
	return QOS_EXIT_OK;
}

int qos_cmd_show(struct qos_cli *cli)
{
	return qos_watch(cli, draw_show);
}
