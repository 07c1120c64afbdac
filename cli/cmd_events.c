/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * events: what happened, and with --follow what happens. The connection is opened before the past is
 * asked for, so what happens in between comes twice, and is told by its number.
 */
#include "cli.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "client.h"
#include "history.h"
#include "nearest.h"
#include "options.h"

static const char *contract_of(const struct qos_cli *cli)
{
	return cli->n_args > 1 ? cli->args[1] : "";
}

static void print_line(const struct qos_cli *cli, const json_t *event)
{
	if (cli->json)
		qos_out_json(&cli->out, event, true);
	else if (!cli->quiet)
		qos_out_event(&cli->out, event);
	fflush(cli->out.file);
}

/* Returns the number of the last event that the daemon knows of. */
static int64_t print_past(const struct qos_cli *cli, const json_t *document)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(document, "events"), i, event)
		print_line(cli, event);
	return qos_json_int(document, "seq", 0);
}

static bool is_asked_for(const struct qos_cli *cli, const json_t *event, int64_t after)
{
	const char *contract = contract_of(cli);

	return qos_json_int(event, "seq", 0) > after &&
	       (!*contract || qos_history_is_about(qos_json_text(event, "contract", ""), contract));
}

static int follow(struct qos_cli *cli, sd_bus *bus, int64_t after)
{
	for (;;) {
		_cleanup_answer_ struct qos_answer answer = {};

		if (qos_client_next(bus, &answer, "Event"))
			return qos_client_complain(cli, &answer);
		if (is_asked_for(cli, answer.json, after))
			print_line(cli, answer.json);
		if (ferror(cli->out.file))
			return QOS_EXIT_FAILURE;
	}
}

int qos_cmd_events(struct qos_cli *cli)
{
	QOS_CLEANUP(sd_bus_close_unrefp) sd_bus *bus = NULL;
	_cleanup_answer_ struct qos_answer answer = {};
	uint64_t since_ns = 0;

	if (qos_options_since(cli, &since_ns))
		return QOS_EXIT_USAGE;
	if (qos_client_open(cli->socket, &answer, &bus) ||
	    qos_client_call_on(bus, &answer, "Events", "st", contract_of(cli), since_ns)) {
		bus = sd_bus_close_unref(bus);
		return qos_nearest_complain(cli, &answer, contract_of(cli));
	}
	if (cli->follow)
		return follow(cli, bus, print_past(cli, answer.json));
	qos_cli_print(cli, answer.json, qos_out_events);
	return QOS_EXIT_OK;
}
