/* SPDX-License-Identifier: GPL-2.0-only */
/* Contracts as objects: which there are, and what is told of them. */
#include "gateway.h"

#include <errno.h>
#include <string.h>

#include "request.h"
#include "util/text.h"

char *qos_gateway_contract_of(const char *path)
{
	char *name = NULL;

	if (sd_bus_path_decode(path, QOS_GATEWAY_CONTRACTS, &name) > 0 &&
	    qos_text_is_contract_name(name))
		return name;
	free(name);
	return NULL;
}

char *qos_gateway_path_of(const char *contract)
{
	char *path = NULL;

	return sd_bus_path_encode(QOS_GATEWAY_CONTRACTS, contract, &path) < 0 ? NULL : path;
}

/* Any name: who asks for one that does not exist hears so from the daemon. */
static int find(sd_bus *bus, const char *path, const char *interface, void *data, void **ret,
		sd_bus_error *error)
{
	_cleanup_free_ char *name = qos_gateway_contract_of(path);

	*ret = data;
	return name != NULL;
}

/* May who introspects know the names? Polkit cannot be waited for here. */
static bool may_know(sd_bus *bus)
{
	sd_bus_message *call = sd_bus_get_current_message(bus);
	sd_bus_creds *creds = NULL;
	uid_t uid;
	bool may;

	may = call && sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds) >= 0 &&
	      sd_bus_creds_get_euid(creds, &uid) >= 0 && qos_gateway_is_reader(uid);
	sd_bus_creds_unref(creds);
	return may;
}

static int enumerate(sd_bus *bus, const char *prefix, void *data, char ***ret, sd_bus_error *error)
{
	struct qos_gateway *gateway = data;
	bool may = may_know(bus);
	char **nodes = calloc(json_object_size(gateway->contracts) + 1, sizeof(*nodes));
	const char *name;
	json_t *changed;
	size_t n = 0;

	if (!nodes)
		return -ENOMEM;
	json_object_foreach(gateway->contracts, name, changed) {
		nodes[n] = may ? qos_gateway_path_of(name) : NULL;
		n += nodes[n] != NULL;
	}
	*ret = nodes;
	return 0;
}

int qos_gateway_objects_add(struct qos_gateway *gateway)
{
	int r = sd_bus_add_fallback_vtable(gateway->system, NULL, QOS_GATEWAY_CONTRACTS,
					   QOS_GATEWAY_CONTRACT, qos_gateway_contract_vtable, find,
					   gateway);

	if (r >= 0)
		r = sd_bus_add_node_enumerator(gateway->system, NULL, QOS_GATEWAY_CONTRACTS,
					       enumerate, gateway);
	return r;
}

/* --- PropertiesChanged --- */

static int new_signal(struct qos_gateway *gateway, const char *path, const char *interface,
		      sd_bus_message **ret)
{
	int r = sd_bus_message_new_signal(gateway->system, ret, path,
					  "org.freedesktop.DBus.Properties", "PropertiesChanged");

	return r < 0 ? r : sd_bus_message_append(*ret, "s", interface);
}

void qos_gateway_objects_tell(struct qos_gateway *gateway, const char *contract, json_t *show)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	_cleanup_free_ char *path = qos_gateway_path_of(contract);
	int r = path ? new_signal(gateway, path, QOS_GATEWAY_CONTRACT, &signal) : -ENOMEM;

	if (r >= 0)
		r = qos_gateway_append_properties(signal, show, true);
	if (r >= 0)
		r = sd_bus_message_append(signal, "as", 0);
	if (r >= 0)
		sd_bus_send(gateway->system, signal, NULL);
}

static void invalidate(struct qos_gateway *gateway, const char *contract)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	_cleanup_free_ char *path = qos_gateway_path_of(contract);
	int r = path ? new_signal(gateway, path, QOS_GATEWAY_CONTRACT, &signal) : -ENOMEM;

	if (r >= 0)
		r = sd_bus_message_append(signal, "a{sv}", 0);
	if (r >= 0)
		r = sd_bus_message_append_strv(signal, (char **)qos_gateway_told);
	if (r >= 0)
		sd_bus_send(gateway->system, signal, NULL);
}

static void tell_state(struct qos_gateway *gateway, const char *state)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	int r;

	if (!strcmp(gateway->state, state))
		return;
	snprintf(gateway->state, sizeof(gateway->state), "%s", state);
	r = new_signal(gateway, QOS_GATEWAY_PATH, QOS_GATEWAY_MANAGER, &signal);
	if (r >= 0)
		r = sd_bus_message_append(signal, "a{sv}as", 1, "State", "s", state, 0);
	if (r >= 0)
		sd_bus_send(gateway->system, signal, NULL);
}

void qos_gateway_objects_invalidate(struct qos_gateway *gateway)
{
	const char *name;
	json_t *changed;

	json_object_foreach(gateway->contracts, name, changed)
		invalidate(gateway, name);
	json_object_clear(gateway->contracts);
	tell_state(gateway, "gone");
}

void qos_gateway_objects_update(struct qos_gateway *gateway, json_t *status)
{
	json_t *names = json_object(), *brief, *changed;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(status, "contracts"), i, brief) {
		name = qos_gateway_text(brief, "contract");
		if (!qos_text_is_contract_name(name))
			continue;
		changed = json_object_get(gateway->contracts, name);
		json_object_set_new(names, name, json_boolean(!changed || json_is_true(changed)));
	}
	json_object_foreach(gateway->contracts, name, changed) {
		if (!json_object_get(names, name))
			invalidate(gateway, name);
	}
	json_decref(gateway->contracts);
	gateway->contracts = names;
	tell_state(gateway, qos_gateway_text(status, "state"));
}
