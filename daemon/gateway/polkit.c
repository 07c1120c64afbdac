/* SPDX-License-Identifier: GPL-2.0-only */
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AUTHORITY      "org.freedesktop.PolicyKit1"
#define AUTHORITY_PATH "/org/freedesktop/PolicyKit1/Authority"
#define AUTHORITY_FACE "org.freedesktop.PolicyKit1.Authority"
#define TIMEOUT_US     10000000ULL
#define PERSON_US      120000000ULL /* somebody types a password */
#define MAY_INTERACT   1

/* A person need not answer any more whom nobody waits for. */
static void cancel(struct qos_gateway_request *request)
{
	char id[32];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)request->id);
	sd_bus_call_method_async(request->gateway->system, NULL, AUTHORITY, AUTHORITY_PATH,
				 AUTHORITY_FACE, "CancelCheckAuthorization", NULL, NULL, "s", id);
}

static int verdict_of(struct qos_gateway_request *request, sd_bus_message *reply)
{
	const sd_bus_error *failed = sd_bus_message_get_error(reply);
	int yes, challenge;

	if (failed) {
		fprintf(stderr, "<4>polkit: %s\n",
			failed->message ? failed->message : failed->name);
		if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		    sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
			return -ENOENT;
		if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
			cancel(request);
		return 0;
	}
	if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
	    sd_bus_message_read(reply, "bb", &yes, &challenge) < 0)
		return 0;
	return yes ? 1 : challenge ? -EACCES : 0;
}

static int on_verdict(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct qos_gateway_request *request = data;

	request->slot = sd_bus_slot_unref(request->slot);
	qos_gateway_verdict(request, verdict_of(request, reply));
	return 0;
}

int qos_gateway_polkit_ask(struct qos_gateway_request *request, const char *action)
{
	_cleanup_message_ sd_bus_message *ask = NULL;
	sd_bus *bus = request->gateway->system;
	int may_interact = sd_bus_message_get_allow_interactive_authorization(request->call) > 0;
	char full[64], id[32];
	int r;

	snprintf(full, sizeof(full), "org.qosd1.%s", action);
	snprintf(id, sizeof(id), "%llu", (unsigned long long)request->id);
	r = sd_bus_message_new_method_call(bus, &ask, AUTHORITY, AUTHORITY_PATH, AUTHORITY_FACE,
					   "CheckAuthorization");
	if (r >= 0)
		r = sd_bus_message_append(ask, "(sa{sv})s", "system-bus-name", 1, "name", "s",
					  sd_bus_message_get_sender(request->call), full);
	if (r >= 0)
		r = sd_bus_message_append(ask, "a{ss}us", 2, "contract", request->contract,
					  "attribute", request->attribute,
					  may_interact ? MAY_INTERACT : 0, id);
	if (r >= 0)
		r = sd_bus_call_async(bus, &request->slot, ask, on_verdict, request,
				      may_interact ? PERSON_US : TIMEOUT_US);
	return r < 0 ? r : 0;
}
