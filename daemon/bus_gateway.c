/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the gateway of the system bus may have changed: methods of org.qosd1.Manager with the uid of who
 * asked before theirs. It may not plan, guard, confirm or panic, which take texts and paths or undo all.
 * Weakness: that uid, and that polkit agreed, is the gateway's word. Who takes it over can adjust within
 * admission, revert, readmit and reload, as any user.
 */
#include "bus_parts.h"

#include "util/log.h"

static int on_behalf(sd_bus_message *call, struct client *client, sd_bus_error *error,
		     const char *how, sd_bus_message_handler_t method)
{
	struct qos_supervisor *supervisor = client->bus->supervisor;
	struct qos_asker asker = {.how = how};
	int r;

	r = sd_bus_message_read(call, "u", &asker.uid);
	if (r < 0)
		return r;
	qos_log(LOG_INFO, NULL, NULL, NULL, "%s, asked for by uid %u", how, asker.uid);
	client->asker = supervisor->asker = &asker;
	r = method(call, client, error);
	client->asker = supervisor->asker = NULL;
	return r;
}

static int on_adjust(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return on_behalf(call, data, error, "adjust over the bus", qos_bus_adjust);
}

static int on_revert(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return on_behalf(call, data, error, "revert over the bus", qos_bus_revert);
}

static int on_readmit(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return on_behalf(call, data, error, "readmit over the bus", qos_bus_readmit);
}

static int on_reload(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return on_behalf(call, data, error, "reload over the bus", qos_bus_reload);
}

const sd_bus_vtable qos_bus_gateway_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Adjust", "usstt", "s", on_adjust, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Revert", "uss", "s", on_revert, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Readmit", "us", "s", on_readmit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "u", "s", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};
