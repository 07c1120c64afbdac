/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is of the system bus for org.qosd1(5), for doctor: facts, then what they mean. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Who has, or would be given, a name on the bus. */
enum qos_bus_name { QOS_BUS_NOBODY, QOS_BUS_STARTABLE, QOS_BUS_OWNED };

struct qos_system_bus {
	bool answers;		/* the rest is not known without */
	bool policy;		/* a file that lets qosd-bus own the name */
	bool actions;		/* what polkit knows of org.qosd1 */
	enum qos_bus_name qosd; /* org.qosd1 */
	enum qos_bus_name polkit;
};

/* Never fails: what cannot be asked is not there. Waits at most some seconds; starts nothing. */
void qos_system_bus_look(struct qos_system_bus *ret);

/* The object `bus` of doctor's document; NULL: no memory. */
json_t *qos_system_bus_report(const struct qos_system_bus *bus);
