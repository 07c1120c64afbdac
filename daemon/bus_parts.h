/* SPDX-License-Identifier: GPL-2.0-only */
/* Between bus.c, bus_methods.c and bus_gateway.c only. */
#pragma once

#include <systemd/sd-bus.h>

#include "bus.h"
#include "util/callers.h"
#include "util/rate.h"

#define QOS_BUS_PATH		  "/org/qosd1"
#define QOS_BUS_INTERFACE	  "org.qosd1.Manager"
#define QOS_BUS_GATEWAY_INTERFACE "org.qosd1.Gateway"

/* What a connection may do, by the kernel's word on who made it; each may what those before it may. */
enum qos_bus_rights {
	QOS_BUS_READ, /* the group qos */
	QOS_BUS_BEHALF, /* the user qosd-bus: some changes, on behalf of those whom it asked polkit about */
	QOS_BUS_ALL, /* root */
};

struct client {
	struct qos_bus *bus;
	sd_bus *peer;		     /* NULL: free slot */
	struct qos_bus_inlet *inlet; /* NULL: root's */
	enum qos_bus_rights rights;
	const struct qos_asker *asker; /* while the gateway's call is carried out, else NULL */
	uint32_t uid;
	uint64_t order;
	struct qos_rate calls; /* the gateway's */
};

struct qos_bus {
	struct qos_supervisor *supervisor;
	sd_event *event;
	sd_event_source *source;
	int fd;
	int spare_fd; /* given up for a moment to turn away whoever knocks when all others are used */
	char *path;
	struct client clients[QOS_BUS_CLIENTS_MAX];
	uint64_t order;
	struct qos_callers calls, connections; /* of those who only read */
	uint32_t gateway_uid, qos_gid;	       /* NOBODY: there is none */
};

/* Methods and signals; the user data is a struct client. */
extern const sd_bus_vtable qos_bus_vtable[];
/* Those of the gateway, in bus_gateway.c. Only its connections have them. */
extern const sd_bus_vtable qos_bus_gateway_vtable[];

/* Methods that both have. */
int qos_bus_reload(sd_bus_message *call, void *data, sd_bus_error *error);
int qos_bus_adjust(sd_bus_message *call, void *data, sd_bus_error *error);
int qos_bus_revert(sd_bus_message *call, void *data, sd_bus_error *error);
int qos_bus_readmit(sd_bus_message *call, void *data, sd_bus_error *error);
