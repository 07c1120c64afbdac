/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call on its way: checked and counted, then polkit, then the daemon, then the answer. Everything that a
 * caller chose lies here as numbers and as names that the grammar of contracts took.
 */
#pragma once

#include "front/front.h"

#define QOS_FRONT_NAME_MAX	33
#define QOS_FRONT_ATTRIBUTE_MAX 64

struct qos_front_verb {
	const char *method; /* of the daemon */
	const char *action; /* of polkit, behind "org.qosd1." */
	bool is_change;
	/* Appends arguments; those of a change have the caller's uid in front already. */
	int (*append)(const struct qos_front_request *request, sd_bus_message *message);
	/* Appends what the daemon's document says to the answer. */
	int (*answer)(const struct qos_front_request *request, sd_bus_message *reply, json_t *json,
		      const char *text);
};

struct qos_front_request {
	struct qos_front *front;
	const struct qos_front_verb *verb;
	sd_bus_message *call;
	sd_bus_slot *slot; /* of what is waited for */
	qos_front_verdict_fn verdict;
	uint32_t uid;
	uint64_t id;
	struct qos_front_request *next;
	/* what is asked for */
	char contract[QOS_FRONT_NAME_MAX]; /* or "" */
	char attribute[QOS_FRONT_ATTRIBUTE_MAX];
	char name[QOS_FRONT_NAME_MAX]; /* kind of report, property */
	uint64_t value_ns, for_ns;
	uint32_t pid;
};

/* Counts one call of the sender. 1: go on; 0: refused, and told; -errno. */
int qos_front_admit(struct qos_front *front, sd_bus_message *call, uint32_t *ret_uid);

/* Takes the call up with these arguments (a copy): the answer comes by itself. >= 0 or -errno. */
int qos_front_begin(struct qos_front *front, sd_bus_message *call,
		    const struct qos_front_request *args);
void qos_front_requests_free(struct qos_front *front);

/* May the user read without polkit? Root, and members of the group qos. */
bool qos_front_is_reader(uint32_t uid);
