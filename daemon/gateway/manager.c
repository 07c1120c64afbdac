/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The methods: each reads its arguments, holds them against the grammar, and takes the call up. Each verb
 * has what is asked of the daemon and how its document becomes the answer.
 */
#include <errno.h>
#include <string.h>

#include "request.h"
#include "util/text.h"

/* --- what is asked of the daemon --- */

static int append_report(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "ss", request->name, "");
}

static int append_list(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "ss", "list", "");
}

static int append_status(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "ss", "status", "");
}

static int append_show(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "ss", "show", request->contract);
}

static int append_explain(const struct qos_gateway_request *request, sd_bus_message *message)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%u", request->pid);
	return sd_bus_message_append(message, "ss", pid, "");
}

static int append_adjust(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "sstt", request->contract, request->attribute,
				     request->value_ns, request->for_ns);
}

static int append_revert(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "ss", request->contract, request->attribute);
}

static int append_readmit(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return sd_bus_message_append(message, "s", request->contract);
}

static int append_nothing(const struct qos_gateway_request *request, sd_bus_message *message)
{
	return 0;
}

/* --- what comes back --- */

static int answer_text(const struct qos_gateway_request *request, sd_bus_message *reply,
		       json_t *json, const char *text)
{
	return sd_bus_message_append(reply, "s", text);
}

static int answer_list(const struct qos_gateway_request *request, sd_bus_message *reply,
		       json_t *json, const char *text)
{
	int r = sd_bus_message_open_container(reply, 'a', "(sso)");
	json_t *brief;
	size_t i;

	json_array_foreach(json_object_get(json, "contracts"), i, brief) {
		const char *name = qos_gateway_text(brief, "contract");
		_cleanup_free_ char *path =
			qos_text_is_contract_name(name) ? qos_gateway_path_of(name) : NULL;

		if (r >= 0 && path)
			r = sd_bus_message_append(reply, "(sso)", name,
						  qos_gateway_text(brief, "state"), path);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int answer_contract(const struct qos_gateway_request *request, sd_bus_message *reply,
			   json_t *json, const char *text)
{
	return qos_gateway_append_properties(reply, json, false);
}

static int answer_property(const struct qos_gateway_request *request, sd_bus_message *reply,
			   json_t *json, const char *text)
{
	return qos_gateway_append_property(reply, json, request->name);
}

static int answer_state(const struct qos_gateway_request *request, sd_bus_message *reply,
			json_t *json, const char *text)
{
	if (!*request->name)
		return sd_bus_message_append(reply, "a{sv}", 2, "State", "s",
					     qos_gateway_text(json, "state"), "Version", "s",
					     qos_gateway_text(json, "version"));
	if (!strcmp(request->name, "State"))
		return sd_bus_message_append(reply, "v", "s", qos_gateway_text(json, "state"));
	if (!strcmp(request->name, "Version"))
		return sd_bus_message_append(reply, "v", "s", qos_gateway_text(json, "version"));
	return -ENOENT;
}

static int answer_adjust(const struct qos_gateway_request *request, sd_bus_message *reply,
			 json_t *json, const char *text)
{
	return sd_bus_message_append(reply, "tt",
				     (uint64_t)json_integer_value(json_object_get(json, "old_ns")),
				     (uint64_t)json_integer_value(json_object_get(json, "new_ns")));
}

static int answer_revert(const struct qos_gateway_request *request, sd_bus_message *reply,
			 json_t *json, const char *text)
{
	return sd_bus_message_append(reply, "u",
				     (uint32_t)json_array_size(json_object_get(json, "reverted")));
}

static int answer_nothing(const struct qos_gateway_request *request, sd_bus_message *reply,
			  json_t *json, const char *text)
{
	return 0;
}

/* Names in force, refused, and files that are invalid. */
static int answer_reload(const struct qos_gateway_request *request, sd_bus_message *reply,
			 json_t *json, const char *text)
{
	static const char *const keys[] = {"in_force", "refused", "invalid"};
	json_t *name;
	size_t i;
	int r = 0;

	for (size_t k = 0; r >= 0 && k < QOS_ARRAY_SIZE(keys); k++) {
		r = sd_bus_message_open_container(reply, 'a', "s");
		json_array_foreach(json_object_get(json, keys[k]), i, name) {
			if (r >= 0)
				r = sd_bus_message_append(reply, "s", json_string_value(name));
		}
		if (r >= 0)
			r = sd_bus_message_close_container(reply);
	}
	return r;
}

static const struct qos_gateway_verb
	report = {"Report", "read", false, append_report, answer_text},
	list = {"Report", "read", false, append_list, answer_list},
	contract = {"Report", "read", false, append_show, answer_contract},
	property = {"Report", "read", false, append_show, answer_property},
	state = {"Report", "read", false, append_status, answer_state},
	explain = {"Explain", "read", false, append_explain, answer_text},
	adjust = {"Adjust", "adjust", true, append_adjust, answer_adjust},
	revert = {"Revert", "adjust", true, append_revert, answer_revert},
	readmit = {"Readmit", "readmit", true, append_readmit, answer_nothing},
	reload = {"Reload", "reload", true, append_nothing, answer_reload};

/* --- arguments --- */

static int invalid(sd_bus_message *call, const char *text)
{
	return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Invalid", "%s", text);
}

#define SHORT "cpu.runtime"
#define LONG  "cpu.main.runtime"

/* "cpu.runtime" or "cpu.STREAM.runtime". */
static bool is_attribute(const char *text)
{
	const char *rest = strncmp(text, "cpu.", 4) ? "" : text + 4;
	const char *dot = strchr(rest, '.');
	char stream[QOS_GATEWAY_NAME_MAX] = "main";

	if (dot) {
		if ((size_t)(dot - rest) >= sizeof(stream))
			return false;
		memcpy(stream, rest, (size_t)(dot - rest));
		stream[dot - rest] = '\0';
		rest = dot + 1;
	}
	return qos_text_is_stream_name(stream) && !strcmp(rest, "runtime");
}

static int begin(struct qos_gateway *gateway, sd_bus_message *call,
		 const struct qos_gateway_verb *verb, const char *name, const char *attribute,
		 struct qos_gateway_request args)
{
	if (name && !qos_text_is_contract_name(name))
		return invalid(call, "this is no name of a contract: [a-z][a-z0-9-]{0,31}");
	if (attribute && !is_attribute(attribute))
		return invalid(call, "attributes have the form cpu.STREAM.runtime");
	args.verb = verb;
	snprintf(args.contract, sizeof(args.contract), "%s", name ? name : "");
	if (attribute && !strcmp(attribute, SHORT)) /* one thing has one name in rules of polkit */
		attribute = LONG;
	snprintf(args.attribute, sizeof(args.attribute), "%s", attribute ? attribute : "");
	args.uid = gateway->uid;
	return qos_gateway_begin(gateway, call, &args);
}

#define NOTHING ((struct qos_gateway_request){})

static int on_report(sd_bus_message *call, void *data, sd_bus_error *error)
{
	static const char *const kinds[] = {"status", "list", "top", "metrics"};
	struct qos_gateway_request args = {};
	const char *kind;
	int r = sd_bus_message_read(call, "s", &kind);

	if (r < 0)
		return r;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kind, kinds[i]))
			snprintf(args.name, sizeof(args.name), "%s", kinds[i]);
	}
	if (!*args.name)
		return invalid(call, "reports are status, list, top and metrics");
	return begin(data, call, &report, NULL, NULL, args);
}

static int on_list(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return begin(data, call, &list, NULL, NULL, NOTHING);
}

static int on_get(sd_bus_message *call, void *data, sd_bus_error *error)
{
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);

	return r < 0 ? r : begin(data, call, &contract, name, NULL, NOTHING);
}

static int on_explain(sd_bus_message *call, void *data, sd_bus_error *error)
{
	uint64_t pid;
	int r = sd_bus_message_read(call, "t", &pid);

	if (r < 0)
		return r;
	if (!pid || pid > INT32_MAX)
		return invalid(call, "this is no process");
	return begin(data, call, &explain, NULL, NULL,
		     (struct qos_gateway_request){.pid = (uint32_t)pid});
}

static int on_adjust(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct qos_gateway_request args = {};
	const char *name, *attribute;
	int r = sd_bus_message_read(call, "sstt", &name, &attribute, &args.value_ns, &args.for_ns);

	return r < 0 ? r : begin(data, call, &adjust, name, attribute, args);
}

static int on_revert(sd_bus_message *call, void *data, sd_bus_error *error)
{
	const char *name, *attribute;
	int r = sd_bus_message_read(call, "ss", &name, &attribute);

	return r < 0 ? r : begin(data, call, &revert, name, *attribute ? attribute : NULL, NOTHING);
}

static int on_readmit(sd_bus_message *call, void *data, sd_bus_error *error)
{
	const char *name;
	int r = sd_bus_message_read(call, "s", &name);

	return r < 0 ? r : begin(data, call, &readmit, name, NULL, NOTHING);
}

static int on_reload(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return begin(data, call, &reload, NULL, NULL, NOTHING);
}

/* --- properties --- */

/* Get and GetAll of our interfaces. `name`: "" for all. */
static int on_properties(struct qos_gateway *gateway, sd_bus_message *call, const char *interface,
			 const char *name)
{
	_cleanup_free_ char *of = qos_gateway_contract_of(sd_bus_message_get_path(call));
	struct qos_gateway_request args = {};

	if (strlen(name) >= sizeof(args.name))
		return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_UNKNOWN_PROPERTY,
						  "there is no such property");
	snprintf(args.name, sizeof(args.name), "%s", name);
	if (!strcmp(interface, QOS_GATEWAY_CONTRACT) && of)
		return begin(gateway, call, *name ? &property : &contract, of, NULL, args);
	return begin(gateway, call, &state, NULL, NULL, args);
}

static bool is_ours(sd_bus_message *call, const char *interface)
{
	_cleanup_free_ char *of = qos_gateway_contract_of(sd_bus_message_get_path(call));

	if (!strcmp(interface, QOS_GATEWAY_CONTRACT))
		return of;
	return !strcmp(interface, QOS_GATEWAY_MANAGER) &&
	       !strcmp(sd_bus_message_get_path(call), QOS_GATEWAY_PATH);
}

/* 0: it is no business of ours. */
static int take_properties(struct qos_gateway *gateway, sd_bus_message *call)
{
	const char *interface, *name = "";
	int r;

	if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "Get") &&
	    sd_bus_message_has_signature(call, "ss"))
		r = sd_bus_message_read(call, "ss", &interface, &name);
	else if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus.Properties", "GetAll") &&
		 sd_bus_message_has_signature(call, "s"))
		r = sd_bus_message_read(call, "s", &interface);
	else
		return 0;
	if (r < 0)
		return r;
	if (is_ours(call, interface)) {
		r = on_properties(gateway, call, interface, name);
		return r < 0 ? r : 1;
	}
	return sd_bus_message_rewind(call, true) < 0 ? -EIO : 0;
}

/* Before sd-bus looks at a message: every call counts, also what sd-bus answers itself (Introspect, Ping).
 * Properties wait for polkit and the daemon, for which sd-bus has no place. */
static int on_any(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct qos_gateway *gateway = data;
	int r;

	if (!sd_bus_message_is_method_call(message, NULL, NULL))
		return 0;
	r = qos_gateway_admit(gateway, message, &gateway->uid);
	if (r <= 0)
		return r < 0 ? r : 1;
	return take_properties(gateway, message);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Report", "s", "s", on_report, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("ListContracts", "", "a(sso)", on_list, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetContract", "s", "a{sv}", on_get, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Explain", "t", "s", on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Adjust", "sstt", "tt", on_adjust, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Revert", "ss", "u", on_revert, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Readmit", "s", "", on_readmit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "", "asasas", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_PROPERTY("State", "s", qos_gateway_refuse, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
	SD_BUS_PROPERTY("Version", "s", qos_gateway_refuse, 0, 0),
	SD_BUS_SIGNAL("ContractChanged", "sss", 0),
	SD_BUS_SIGNAL("Adapted", "sss", 0),
	SD_BUS_SIGNAL("Violation", "sss", 0),
	SD_BUS_VTABLE_END,
};

int qos_gateway_manager_add(struct qos_gateway *gateway)
{
	int r = sd_bus_add_filter(gateway->system, NULL, on_any, gateway);

	return r < 0 ? r
		     : sd_bus_add_object_vtable(gateway->system, NULL, QOS_GATEWAY_PATH,
						QOS_GATEWAY_MANAGER, vtable, gateway);
}
