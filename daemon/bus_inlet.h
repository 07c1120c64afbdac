/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a client that is not root sends, on its way to sd-bus. sd-bus takes a message of up to 128 MiB before anybody
 * is asked, and the daemon's memory is locked; here whoever has sent QOS_BUS_INLET_MAX bytes of which nothing was
 * handled is cut off.
 */
#pragma once

#include <stddef.h>
#include <systemd/sd-event.h>

#include "util/cleanup.h"

#define QOS_BUS_INLET_MAX 65536

struct qos_bus_inlet;

/* *ret_fd is what sd-bus is to read in the place of `fd`, the caller's to close; its end is the client's. `fd` is
 * borrowed for this call. 0 or -errno. */
int qos_bus_inlet_new(sd_event *event, int fd, struct qos_bus_inlet **ret, int *ret_fd);
void qos_bus_inlet_free(struct qos_bus_inlet *inlet);
QOS_DEFINE_CLEANUP(struct qos_bus_inlet *, qos_bus_inlet_free)
#define _cleanup_bus_inlet_ QOS_CLEANUP(qos_bus_inlet_freep)

/* A message was complete. NULL is fine. */
void qos_bus_inlet_handled(struct qos_bus_inlet *inlet);
