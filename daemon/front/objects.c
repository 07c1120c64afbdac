/* SPDX-License-Identifier: GPL-2.0-only */
/* Contracts as objects: which there are, and what is told of them. */
#include "front.h"

#include <errno.h>
#include <string.h>

#include "request.h"
#include "util/text.h"

char *qos_front_contract_of(const char *path)
{
	char *name = NULL;

	if (sd_bus_path_decode(path, QOS_FRONT_CONTRACTS, &name) > 0 &&
	    qos_text_is_contract_name(name))
		return name;
	free(name);
	return NULL;
}

char *qos_front_path_of(const char *contract)
{
	char *path = NULL;

	return sd_bus_path_encode(QOS_FRONT_CONTRACTS, contract, &path) < 0 ? NULL : path;
}

/* Any name: who asks for one that does not exist hears so from the daemon. */
static int find(sd_bus *bus, const char *path, const char *interface, void *data, void **ret,
		sd_bus_error *error)
{
	_cleanup_free_ char *name = qos_front_contract_of(path);

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
	      sd_bus_creds_get_euid(creds, &uid) >= 0 && qos_front_is_reader(uid);
	sd_bus_creds_unref(creds);
	return may;
}

static int enumerate(sd_bus *bus, const char *prefix, void *data, char ***ret, sd_bus_error *error)
{
	struct qos_front *front = data;
	bool may = may_know(bus);
	char **nodes = calloc(json_object_size(front->contracts) + 1, sizeof(*nodes));
	const char *name;
	json_t *changed;
	size_t n = 0;

	if (!nodes)
		return -ENOMEM;
	json_object_foreach(front->contracts, name, changed) {
		nodes[n] = may ? qos_front_path_of(name) : NULL;
		n += nodes[n] != NULL;
	}
	*ret = nodes;
	return 0;
}

int qos_front_objects_add(struct qos_front *front)
{
	int r = sd_bus_add_fallback_vtable(front->system, NULL, QOS_FRONT_CONTRACTS,
					   QOS_FRONT_CONTRACT, qos_front_contract_vtable, find,
					   front);

	if (r >= 0)
		r = sd_bus_add_node_enumerator(front->system, NULL, QOS_FRONT_CONTRACTS, enumerate,
					       front);
	return r;
}

/* --- PropertiesChanged --- */

static int new_signal(struct qos_front *front, const char *path, const char *interface,
		      sd_bus_message **ret)
{
	int r = sd_bus_message_new_signal(front->system, ret, path,
					  "org.freedesktop.DBus.Properties", "PropertiesChanged");

	return r < 0 ? r : sd_bus_message_append(*ret, "s", interface);
}

void qos_front_objects_tell(struct qos_front *front, const char *contract, json_t *show)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	_cleanup_free_ char *path = qos_front_path_of(contract);
	int r = path ? new_signal(front, path, QOS_FRONT_CONTRACT, &signal) : -ENOMEM;

	if (r >= 0)
		r = qos_front_append_properties(signal, show, true);
	if (r >= 0)
		r = sd_bus_message_append(signal, "as", 0);
	if (r >= 0)
		sd_bus_send(front->system, signal, NULL);
}

static void invalidate(struct qos_front *front, const char *contract)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	_cleanup_free_ char *path = qos_front_path_of(contract);
	int r = path ? new_signal(front, path, QOS_FRONT_CONTRACT, &signal) : -ENOMEM;

	if (r >= 0)
		r = sd_bus_message_append(signal, "a{sv}", 0);
	if (r >= 0)
		r = sd_bus_message_append_strv(signal, (char **)qos_front_told);
	if (r >= 0)
		sd_bus_send(front->system, signal, NULL);
}

static void tell_state(struct qos_front *front, const char *state)
{
	_cleanup_message_ sd_bus_message *signal = NULL;
	int r;

	if (!strcmp(front->state, state))
		return;
	snprintf(front->state, sizeof(front->state), "%s", state);
	r = new_signal(front, QOS_FRONT_PATH, QOS_FRONT_MANAGER, &signal);
	if (r >= 0)
		r = sd_bus_message_append(signal, "a{sv}as", 1, "State", "s", state, 0);
	if (r >= 0)
		sd_bus_send(front->system, signal, NULL);
}

void qos_front_objects_invalidate(struct qos_front *front)
{
	const char *name;
	json_t *changed;

	json_object_foreach(front->contracts, name, changed)
		invalidate(front, name);
	json_object_clear(front->contracts);
	tell_state(front, "gone");
}

void qos_front_objects_update(struct qos_front *front, json_t *status)
{
	json_t *names = json_object(), *brief, *changed;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(status, "contracts"), i, brief) {
		name = qos_front_text(brief, "contract");
		if (!qos_text_is_contract_name(name))
			continue;
		changed = json_object_get(front->contracts, name);
		json_object_set_new(names, name, json_boolean(!changed || json_is_true(changed)));
	}
	json_object_foreach(front->contracts, name, changed) {
		if (!json_object_get(names, name))
			invalidate(front, name);
	}
	json_decref(front->contracts);
	front->contracts = names;
	tell_state(front, qos_front_text(status, "state"));
}
