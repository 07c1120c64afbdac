/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gateway of the system bus, org.qosd1(5): a program without any privilege that checks what it is
 * asked, asks polkit about who asks, and hands on to the daemon, over its private socket, what the types of
 * its methods allow and nothing else. It keeps nothing but the names of contracts.
 */
#pragma once

#include <jansson.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "util/callers.h"
#include "util/cleanup.h"

#define QOS_GATEWAY_NAME      "org.qosd1"
#define QOS_GATEWAY_PATH      "/org/qosd1"
#define QOS_GATEWAY_MANAGER   "org.qosd1.Manager"
#define QOS_GATEWAY_CONTRACTS "/org/qosd1/contract"
#define QOS_GATEWAY_CONTRACT  "org.qosd1.Contract"

#define QOS_GATEWAY_DAEMON_TIMEOUT_US 5000000ULL

#define _cleanup_message_ QOS_CLEANUP(sd_bus_message_unrefp)

struct qos_gateway_request;

struct qos_gateway {
	const char *socket;
	sd_event *event;
	sd_bus *system;
	sd_bus *daemon;		 /* NULL: nobody answers on the socket */
	sd_event_source *timer;	 /* to connect, or to refresh */
	sd_bus_slot *refreshing; /* an answer is awaited */
	uint64_t refreshed_us;	 /* CLOCK_MONOTONIC */
	json_t *contracts;	 /* name -> true: something happened to it since it was last told */
	char state[16];		 /* of the daemon, as it was last told */
	struct qos_callers callers;
	uint32_t uid; /* of whose call is being looked at */
	struct qos_gateway_request *requests;
	uint64_t ids; /* of requests */
};

/* --- link.c: the daemon --- */

/* Connects now, and whenever the daemon has gone and come back. 0 or -errno. */
int qos_gateway_link_start(struct qos_gateway *gateway);
void qos_gateway_link_stop(struct qos_gateway *gateway);

/* --- objects.c: contracts as objects --- */

int qos_gateway_objects_add(struct qos_gateway *gateway);
/* The contract that an object's path names, which may not exist; NULL: it is no such path. Free it. */
char *qos_gateway_contract_of(const char *path);
char *qos_gateway_path_of(const char *contract);
/* Replaces the names by those of a report `status`; tells the bus of what came, went and changed. */
void qos_gateway_objects_update(struct qos_gateway *gateway, json_t *status);
/* Tells what a report `show` says of the contract. */
void qos_gateway_objects_tell(struct qos_gateway *gateway, const char *contract, json_t *show);
/* Nothing is known any more. */
void qos_gateway_objects_invalidate(struct qos_gateway *gateway);

/* --- manager.c: methods --- */

int qos_gateway_manager_add(struct qos_gateway *gateway);

/* --- properties.c --- */

/* Appends one property of a contract as a variant, or all of them, or those that are told when they
 * change, as a{sv}. -ENOENT: there is none of this name. */
int qos_gateway_append_property(sd_bus_message *message, json_t *show, const char *name);
int qos_gateway_append_properties(sd_bus_message *message, json_t *show, bool only_told);
extern const sd_bus_vtable qos_gateway_contract_vtable[];
/* What sd-bus takes for the getter of all properties; it is never called, for they are answered in manager.c,
 * since they have to wait for polkit and the daemon. Should sd-bus get there all the same, nobody learns anything. */
int qos_gateway_refuse(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error);
/* Names of those that are told, NULL at the end. */
extern const char *const qos_gateway_told[];

/* The string of a key; "" where there is none. */
const char *qos_gateway_text(json_t *object, const char *key);

/* --- polkit.c --- */

/* Asks about the sender of the call; qos_gateway_verdict hears the answer. 0 or -errno: then it does not. */
int qos_gateway_polkit_ask(struct qos_gateway_request *request, const char *action);
