/* SPDX-License-Identifier: GPL-2.0-only */
#include "request.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define GROUPS_MAX 1024

bool qos_gateway_is_reader(uint32_t uid)
{
	const struct group *qos = getgrnam("qos");
	gid_t groups[GROUPS_MAX], gid = qos ? qos->gr_gid : 0;
	const struct passwd *user;
	int n = GROUPS_MAX;

	if (!uid)
		return true;
	user = qos ? getpwuid(uid) : NULL;
	if (!user || getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
		return false;
	while (n-- > 0) {
		if (groups[n] == gid)
			return true;
	}
	return false;
}

static int uid_of(sd_bus_message *call, uint32_t *ret)
{
	sd_bus_creds *creds = NULL;
	uid_t uid;
	int r;

	r = sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &uid);
	sd_bus_creds_unref(creds);
	if (r >= 0)
		*ret = uid;
	return r;
}

static int refuse_load(sd_bus_message *call)
{
	return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED,
					  "too many calls; try again in a second");
}

int qos_gateway_admit(struct qos_gateway *gateway, sd_bus_message *call, uint32_t *ret_uid)
{
	int r = uid_of(call, ret_uid);

	if (r < 0)
		return r;
	if (qos_callers_count(&gateway->callers, *ret_uid, qos_clock_ns(CLOCK_MONOTONIC)))
		return 1;
	r = refuse_load(call);
	return r < 0 ? r : 0;
}

/* --- the end --- */

static void end(struct qos_gateway_request *request)
{
	struct qos_gateway_request **at = &request->gateway->requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
	qos_callers_end(&request->gateway->callers, request->uid);
	sd_bus_slot_unref(request->slot);
	sd_bus_message_unref(request->call);
	free(request);
}

static void fail(struct qos_gateway_request *request, const char *name, const char *text)
{
	sd_bus_reply_method_errorf(request->call, name, "%s", text);
	end(request);
}

void qos_gateway_requests_free(struct qos_gateway *gateway)
{
	while (gateway->requests)
		end(gateway->requests);
}

/* --- the daemon --- */

static int answer(struct qos_gateway_request *request, sd_bus_message *from)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	json_t *json = NULL;
	const char *text;
	int r;

	r = sd_bus_message_read(from, "s", &text);
	if (r >= 0)
		json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	r = json ? sd_bus_message_new_method_return(request->call, &reply) : -EBADMSG;
	if (r >= 0)
		r = request->verb->answer(request, reply, json, text);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	json_decref(json);
	return r;
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *error)
{
	struct qos_gateway_request *request = data;
	const sd_bus_error *failed = sd_bus_message_get_error(reply);
	int r;

	if (failed && !strncmp(failed->name, "org.qosd1.", strlen("org.qosd1.")))
		fail(request, failed->name, failed->message ? failed->message : "");
	else if (failed)
		fail(request, SD_BUS_ERROR_FAILED, "qosd did not answer, or could not");
	else if ((r = answer(request, reply)) == -ENOENT)
		fail(request, SD_BUS_ERROR_UNKNOWN_PROPERTY, "there is no such property");
	else if (r < 0)
		fail(request, SD_BUS_ERROR_FAILED, "qosd answered what makes no sense");
	else
		end(request);
	return 0;
}

static int ask_daemon(struct qos_gateway_request *request)
{
	_cleanup_message_ sd_bus_message *ask = NULL;
	const struct qos_gateway_verb *verb = request->verb;
	sd_bus *daemon = request->gateway->daemon;
	int r;

	r = sd_bus_message_new_method_call(
		daemon, &ask, NULL, QOS_GATEWAY_PATH,
		verb->is_change ? "org.qosd1.Gateway" : QOS_GATEWAY_MANAGER, verb->method);
	if (r >= 0 && verb->is_change)
		r = sd_bus_message_append(ask, "u", request->uid);
	if (r >= 0)
		r = verb->append(request, ask);
	if (r >= 0)
		r = sd_bus_call_async(daemon, &request->slot, ask, on_answer, request,
				      QOS_GATEWAY_DAEMON_TIMEOUT_US);
	return r;
}

static void hand_on(struct qos_gateway_request *request)
{
	if (!request->gateway->daemon)
		fail(request, "org.qosd1.Error.NoDaemon", "qosd is not running");
	else if (ask_daemon(request) < 0)
		fail(request, SD_BUS_ERROR_FAILED, "qosd cannot be asked");
}

/* --- who may --- */

void qos_gateway_verdict(struct qos_gateway_request *request, int verdict)
{
	if (verdict > 0)
		hand_on(request);
	else if (verdict == -EACCES)
		fail(request, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
		     "an administrator has to agree, and the call does not allow to ask for one");
	else if (verdict == -ENOENT)
		fail(request, "org.qosd1.Error.AccessDenied",
		     "without polkit only root may change anything; members of the group qos may "
		     "read");
	else
		fail(request, "org.qosd1.Error.AccessDenied", "polkit says no");
}

int qos_gateway_begin(struct qos_gateway *gateway, sd_bus_message *call,
		      const struct qos_gateway_request *args)
{
	struct qos_gateway_request *request = malloc(sizeof(*request));

	if (!request)
		return -ENOMEM;
	*request = *args;
	request->gateway = gateway;
	request->id = ++gateway->ids;
	request->call = sd_bus_message_ref(call);
	if (!qos_callers_begin(&gateway->callers, args->uid)) {
		sd_bus_message_unref(request->call);
		free(request);
		return refuse_load(call);
	}
	request->next = gateway->requests;
	gateway->requests = request;
	if (!request->uid || (!request->verb->is_change && qos_gateway_is_reader(request->uid)))
		hand_on(request);
	else if (qos_gateway_polkit_ask(request, request->verb->action) < 0)
		fail(request, SD_BUS_ERROR_FAILED, "polkit cannot be asked");
	return 1;
}
