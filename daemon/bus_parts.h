/* SPDX-License-Identifier: GPL-2.0-only */
/* Between bus.c and bus_methods.c only. */
#pragma once

#include <systemd/sd-bus.h>

#include "bus.h"

#define QOS_BUS_PATH	  "/org/qosd1"
#define QOS_BUS_INTERFACE "org.qosd1.Manager"

struct client {
	struct qos_bus *bus;
	sd_bus *peer; /* NULL: free slot */
	bool may_change;
	uint32_t uid;
	uint64_t order;
	uint64_t second; /* CLOCK_BOOTTIME, of the last call */
	uint32_t calls;	 /* in that second */
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
};

/* Methods and signals; the user data is a struct client. */
extern const sd_bus_vtable qos_bus_vtable[];
