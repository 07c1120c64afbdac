/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RUN_DIR/metrics: HTTP/1.0 over a unix socket, GET /metrics and nothing else, for a scraper or
 * `curl --unix-socket`. Root and members of the group `qos` may connect; the mode of the socket says so.
 */
#pragma once

#include <systemd/sd-event.h>

#include "supervisor.h"

struct qos_metrics_socket;

#define QOS_METRICS_CLIENTS_MAX 8
#define QOS_METRICS_REQUEST_MAX 4096
#define QOS_METRICS_RATE_MAX	100	/* clients a second */
#define QOS_METRICS_DEADLINE_US 3000000 /* of a client, from connection to the last byte */

/* Listens on `path` (a stale socket there is replaced) and serves from `event`. Borrows both others. 0
 * or -errno. */
int qos_metrics_socket_new(sd_event *event, const char *path, struct qos_supervisor *supervisor,
			   struct qos_metrics_socket **ret);
void qos_metrics_socket_free(struct qos_metrics_socket *server);
QOS_DEFINE_CLEANUP(struct qos_metrics_socket *, qos_metrics_socket_free)
#define _cleanup_metrics_socket_ QOS_CLEANUP(qos_metrics_socket_freep)
