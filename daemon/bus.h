/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The private bus: org.qosd1.Manager on the unix socket RUN_DIR/private, spoken peer to peer, so
 * that it works in a container, an initrd or a system without a bus daemon. Root may do all,
 * members of the group `qos` may read, the gateway of the system bus (gateway/) may change some things
 * on behalf of others. The documents are described in qosctl(1).
 */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor.h"

struct qos_bus;

#define QOS_BUS_CLIENTS_MAX 64

/* Listens on `path` (a stale socket there is replaced) and serves from `event`. Borrows both
 * others. 0 or -errno. */
int qos_bus_new(sd_event *event, const char *path, struct qos_supervisor *supervisor,
		struct qos_bus **ret);
void qos_bus_free(struct qos_bus *bus);
QOS_DEFINE_CLEANUP(struct qos_bus *, qos_bus_free)
#define _cleanup_bus_ QOS_CLEANUP(qos_bus_freep)
