/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The front end of the system bus, org.qosd1(5): a program without any privilege that checks what it is
 * asked, asks polkit about who asks, and hands on to the daemon, over its private socket, what the types of
 * its methods allow and nothing else. It keeps nothing but the names of contracts.
 */
#pragma once

#include <jansson.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "front/callers.h"
#include "util/cleanup.h"

#define QOS_FRONT_NAME	    "org.qosd1"
#define QOS_FRONT_PATH	    "/org/qosd1"
#define QOS_FRONT_MANAGER   "org.qosd1.Manager"
#define QOS_FRONT_CONTRACTS "/org/qosd1/contract"
#define QOS_FRONT_CONTRACT  "org.qosd1.Contract"

#define QOS_FRONT_DAEMON_TIMEOUT_US 5000000ULL

#define _cleanup_message_ QOS_CLEANUP(sd_bus_message_unrefp)

struct qos_front_request;

struct qos_front {
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
	struct qos_front_request *requests;
	uint64_t ids; /* of requests */
};

/* --- link.c: the daemon --- */

/* Connects now, and whenever the daemon has gone and come back. 0 or -errno. */
int qos_front_link_start(struct qos_front *front);
void qos_front_link_stop(struct qos_front *front);

/* --- objects.c: contracts as objects --- */

int qos_front_objects_add(struct qos_front *front);
/* The contract that an object's path names, which may not exist; NULL: it is no such path. Free it. */
char *qos_front_contract_of(const char *path);
char *qos_front_path_of(const char *contract);
/* Replaces the names by those of a report `status`; tells the bus of what came, went and changed. */
void qos_front_objects_update(struct qos_front *front, json_t *status);
/* Tells what a report `show` says of the contract. */
void qos_front_objects_tell(struct qos_front *front, const char *contract, json_t *show);
/* Nothing is known any more. */
void qos_front_objects_invalidate(struct qos_front *front);

/* --- manager.c: methods --- */

int qos_front_manager_add(struct qos_front *front);

/* --- properties.c --- */

/* Appends one property of a contract as a variant, or all of them, or those that are told when they
 * change, as a{sv}. -ENOENT: there is none of this name. */
int qos_front_append_property(sd_bus_message *message, json_t *show, const char *name);
int qos_front_append_properties(sd_bus_message *message, json_t *show, bool only_told);
extern const sd_bus_vtable qos_front_contract_vtable[];
/* Names of those that are told, NULL at the end. */
extern const char *const qos_front_told[];

/* The string of a key; "" where there is none. */
const char *qos_front_text(json_t *object, const char *key);

/* --- polkit.c --- */

/* Asks about the sender of the call; `done` hears 1 (yes), 0 (no), -EACCES (no, but an administrator could
 * say yes), -ENOENT (nobody answers for polkit). 0 or -errno: then done is not called. */
typedef void (*qos_front_verdict_fn)(struct qos_front_request *request, int verdict);
int qos_front_polkit_ask(struct qos_front_request *request, const char *action,
			 qos_front_verdict_fn done);
