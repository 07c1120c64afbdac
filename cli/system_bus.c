/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nothing of this is needed: root, and members of the group qos for reading, have the private socket. Over
 * the system bus the gateway gives others what polkit says; without polkit it gives root all and the group
 * what it may read, and nobody else anything (gateway/request.c). The first lack is told, since those
 * after it cannot be seen or do not count before it is mended.
 *
 * Weakness: that the bus read the file since it was installed, and that what it would start does start, is
 * not tried; doctor changes nothing.
 */
#include "system_bus.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CALL_TIMEOUT_US 2000000ULL
#define POLKIT		"org.freedesktop.PolicyKit1"

#define LESSER                                                                                     \
	"only root, and the group qos for reading, are served: by qosctl on the private socket"

/* --- facts --- */

/* Where packages and administrators put them. */
static bool is_in_any(const char *const *dirs, const char *name)
{
	for (; *dirs; dirs++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", *dirs, name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static bool ask(sd_bus *bus, const char *method, sd_bus_message **ret)
{
	return sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				  "org.freedesktop.DBus", method, NULL, ret, "") >= 0;
}

/* Of a list of names those that are ours or polkit's become what it is a list of. */
static void note(sd_bus *bus, const char *method, enum qos_bus_name what,
		 struct qos_system_bus *ret)
{
	QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *name;

	if (!ask(bus, method, &reply) || sd_bus_message_enter_container(reply, 'a', "s") < 0)
		return;
	while (sd_bus_message_read(reply, "s", &name) > 0) {
		if (!strcmp(name, "org.qosd1"))
			ret->qosd = what;
		else if (!strcmp(name, POLKIT))
			ret->polkit = what;
	}
}

void qos_system_bus_look(struct qos_system_bus *ret)
{
	static const char *const policies[] = {"/etc/dbus-1/system.d", "/usr/share/dbus-1/system.d",
					       NULL};
	static const char *const actions[] = {"/etc/polkit-1/actions",
					      "/usr/share/polkit-1/actions",
					      "/usr/local/share/polkit-1/actions", NULL};
	QOS_CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	QOS_CLEANUP(sd_bus_message_unrefp) sd_bus_message *id = NULL;

	*ret = (struct qos_system_bus){.policy = is_in_any(policies, "org.qosd1.conf"),
				       .actions = is_in_any(actions, "org.qosd1.policy")};
	if (sd_bus_open_system(&bus) < 0 ||
	    sd_bus_set_method_call_timeout(bus, CALL_TIMEOUT_US) < 0)
		return;
	ret->answers = ask(bus, "GetId", &id);
	if (!ret->answers)
		return;
	note(bus, "ListActivatableNames", QOS_BUS_STARTABLE, ret);
	note(bus, "ListNames", QOS_BUS_OWNED, ret);
}

/* --- what they mean --- */

struct advice {
	const char *found;
	const char *cost;
	const char *remedy;
};

static const struct advice *advice_of(const struct qos_system_bus *bus)
{
	static const struct advice
		no_bus = {"no system bus answers", LESSER,
			  "install dbus (Debian: dbus-system-bus) and start it: "
			  "systemctl start dbus.socket"},
		no_policy = {"the bus has no policy that lets qosd-bus own org.qosd1", LESSER,
			     "install the package qosd, or its org.qosd1.conf into "
			     "/etc/dbus-1/system.d; then systemctl reload dbus"},
		no_gateway = {"nobody has the name org.qosd1, nor can the bus start "
			      "somebody who would",
			      LESSER, "systemctl start qosd-bus"},
		no_polkit = {"polkit is not on the bus, nor can the bus start it",
			     "over the bus only root may change something, and only root "
			     "and the group qos read",
			     "install polkit (Debian: polkitd)"},
		no_actions = {"polkit knows nothing of org.qosd1",
			      "over the bus only root may change something, and only root "
			      "and the group qos read",
			      "install the package qosd, or its org.qosd1.policy into "
			      "/usr/share/polkit-1/actions"},
		fine = {"org.qosd1 and polkit are there, or are started when they are "
			"asked for",
			"", ""};

	if (!bus->answers)
		return &no_bus;
	if (!bus->policy && bus->qosd != QOS_BUS_OWNED)
		return &no_policy;
	if (bus->qosd == QOS_BUS_NOBODY)
		return &no_gateway;
	if (bus->polkit == QOS_BUS_NOBODY)
		return &no_polkit;
	return bus->actions ? &fine : &no_actions;
}

json_t *qos_system_bus_report(const struct qos_system_bus *bus)
{
	static const char *const names[] = {[QOS_BUS_NOBODY] = "absent",
					    [QOS_BUS_STARTABLE] = "startable",
					    [QOS_BUS_OWNED] = "present"};
	const struct advice *advice = advice_of(bus);

	return json_pack("{s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:s}", "answers", (int)bus->answers,
			 "policy", (int)bus->policy, "actions", (int)bus->actions, "qosd",
			 names[bus->qosd], "polkit", names[bus->polkit], "found", advice->found,
			 "cost", advice->cost, "remedy", advice->remedy);
}
