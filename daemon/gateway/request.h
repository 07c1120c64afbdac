/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call on its way: checked and counted, then polkit, then the daemon, then the answer. Everything that a
 * caller chose lies here as numbers and as names that the grammar of contracts took.
 */
#pragma once

#include "gateway/gateway.h"

#define QOS_GATEWAY_NAME_MAX	  33
#define QOS_GATEWAY_ATTRIBUTE_MAX 64

struct qos_gateway_verb {
	const char *method; /* of the daemon */
	const char *action; /* of polkit, behind "org.qosd1." */
	bool is_change;
	/* Appends arguments; those of a change have the caller's uid before them already. */
	int (*append)(const struct qos_gateway_request *request, sd_bus_message *message);
	/* Appends what the daemon's document says to the answer. */
	int (*answer)(const struct qos_gateway_request *request, sd_bus_message *reply,
		      json_t *json, const char *text);
};

struct qos_gateway_request {
	struct qos_gateway *gateway;
	const struct qos_gateway_verb *verb;
	sd_bus_message *call;
	sd_bus_slot *slot; /* of what is waited for */
	uint32_t uid;
	uint64_t id;
	struct qos_gateway_request *next;
	/* what is asked for */
	char contract[QOS_GATEWAY_NAME_MAX]; /* or "" */
	char attribute[QOS_GATEWAY_ATTRIBUTE_MAX];
	char name[QOS_GATEWAY_NAME_MAX]; /* kind of report, property */
	uint64_t value_ns, for_ns;
	uint32_t pid;
};

/* Counts one call of the sender. 1: go on; 0: refused, and told; -errno. */
int qos_gateway_admit(struct qos_gateway *gateway, sd_bus_message *call, uint32_t *ret_uid);

/* Takes the call up with these arguments (a copy): the answer comes by itself. >= 0 or -errno. */
int qos_gateway_begin(struct qos_gateway *gateway, sd_bus_message *call,
		      const struct qos_gateway_request *args);
/* Polkit's word on the caller: 1 yes, 0 no, -EACCES (no, but an administrator could say yes), -ENOENT (nobody
 * answers for polkit). */
void qos_gateway_verdict(struct qos_gateway_request *request, int verdict);
void qos_gateway_requests_free(struct qos_gateway *gateway);

/* May the user read without polkit? Root, and members of the group qos. */
bool qos_gateway_is_reader(uint32_t uid);
