/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's document `show` as typed properties. What is not known is 0 or "". */
#include "gateway.h"

#include <errno.h>
#include <string.h>

struct property {
	const char *name;
	const char *key; /* of the document */
	char type;	 /* s, u, t; a: the streams */
	bool told;	 /* when it changes; what counts all the time is not */
};

static const struct property properties[] = {
	{"Name", "contract", 's', false},
	{"State", "state", 's', true},
	{"Guarantee", "guarantee", 's', true},
	{"Reason", "reason", 's', true},
	{"Importance", "importance", 'u', true},
	{"Threads", "threads", 'u', true},
	{"Violations", "violations", 't', true},
	{"Lost", "lost", 't', false},
	{"Served", "served", 't', false},
	{"Jobs", "jobs", 't', false},
	{"Late", "late", 't', false},
	{"Streams", "streams", 'a', true},
};

const char *const qos_gateway_told[] = {"State",   "Guarantee",	 "Reason",  "Importance",
					"Threads", "Violations", "Streams", NULL};

#define STREAMS_TYPE "a(sssttttt)"

const char *qos_gateway_text(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static uint64_t number(json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

/* (name, policy, guarantee, period, granted, guaranteed, lost, violations) */
static int append_streams(sd_bus_message *message, json_t *show)
{
	json_t *stream;
	size_t i;
	int r = sd_bus_message_open_container(message, 'a', "(sssttttt)");

	json_array_foreach(json_object_get(show, "streams"), i, stream) {
		json_t *runtime = json_object_get(stream, "runtime");
		json_t *stats = json_object_get(stream, "stats");

		if (r >= 0)
			r = sd_bus_message_append(
				message, "(sssttttt)", qos_gateway_text(stream, "stream"),
				qos_gateway_text(stream, "policy"),
				qos_gateway_text(stream, "guarantee"), number(stream, "period_ns"),
				number(runtime, "granted_ns"), number(runtime, "guaranteed_ns"),
				number(stats, "lost"), number(stats, "violations"));
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append(sd_bus_message *message, json_t *show, const struct property *property)
{
	const char type[] = {property->type, '\0'};
	int r;

	switch (property->type) {
	case 's':
		return sd_bus_message_append(message, "v", type,
					     qos_gateway_text(show, property->key));
	case 'u':
		return sd_bus_message_append(message, "v", type,
					     (uint32_t)number(show, property->key));
	case 't':
		return sd_bus_message_append(message, "v", type, number(show, property->key));
	default:
		r = sd_bus_message_open_container(message, 'v', STREAMS_TYPE);
		if (r >= 0)
			r = append_streams(message, show);
		return r < 0 ? r : sd_bus_message_close_container(message);
	}
}

int qos_gateway_append_property(sd_bus_message *message, json_t *show, const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(properties); i++) {
		if (!strcmp(properties[i].name, name))
			return append(message, show, &properties[i]);
	}
	return -ENOENT;
}

int qos_gateway_append_properties(sd_bus_message *message, json_t *show, bool only_told)
{
	int r = sd_bus_message_open_container(message, 'a', "{sv}");

	for (size_t i = 0; r >= 0 && i < QOS_ARRAY_SIZE(properties); i++) {
		if (only_told && !properties[i].told)
			continue;
		r = sd_bus_message_open_container(message, 'e', "sv");
		if (r >= 0)
			r = sd_bus_message_append(message, "s", properties[i].name);
		if (r >= 0)
			r = append(message, show, &properties[i]);
		if (r >= 0)
			r = sd_bus_message_close_container(message);
	}
	return r < 0 ? r : sd_bus_message_close_container(message);
}

int qos_gateway_refuse(sd_bus *bus, const char *path, const char *interface, const char *property,
		       sd_bus_message *reply, void *data, sd_bus_error *error)
{
	return -EACCES;
}

#define TOLD   SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define COUNTS 0

const sd_bus_vtable qos_gateway_contract_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Name", "s", qos_gateway_refuse, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_PROPERTY("State", "s", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Guarantee", "s", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Reason", "s", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Importance", "u", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Threads", "u", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Violations", "t", qos_gateway_refuse, 0, TOLD),
	SD_BUS_PROPERTY("Lost", "t", qos_gateway_refuse, 0, COUNTS),
	SD_BUS_PROPERTY("Served", "t", qos_gateway_refuse, 0, COUNTS),
	SD_BUS_PROPERTY("Jobs", "t", qos_gateway_refuse, 0, COUNTS),
	SD_BUS_PROPERTY("Late", "t", qos_gateway_refuse, 0, COUNTS),
	SD_BUS_PROPERTY("Streams", STREAMS_TYPE, qos_gateway_refuse, 0, TOLD),
	SD_BUS_VTABLE_END,
};
