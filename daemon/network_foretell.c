/* SPDX-License-Identifier: GPL-2.0-only */
/* Which queues and classes a generation of contracts would set, beside what is there. Only reads. */
#include <string.h>

#include "dry_run_parts.h"
#include "network_parts.h"

struct foretelling {
	const struct qos_supervisor *supervisor;
	const struct qos_next *next;
	size_t n;
};

static bool is_class(const struct qos_next *next, size_t k, const char *interface)
{
	const struct qos_net_stream *wish = &next->contract->net[k];

	return wish->manage == QOS_MANAGE_SCHEDULE && next->grant->net[k].granted_bps &&
	       !strcmp(wish->interface, interface);
}

static bool wants(const struct foretelling *self, const char *interface, const char *contract,
		  const char *stream)
{
	for (size_t i = 0; i < self->n; i++) {
		const struct qos_next *next = &self->next[i];

		for (size_t k = 0; k < next->contract->n_net; k++) {
			if (is_class(next, k, interface) &&
			    (!contract || (!strcmp(next->contract->name, contract) &&
					   !strcmp(next->contract->net[k].name, stream))))
				return true;
		}
	}
	return false;
}

/* The slot is a class now; NULL: there is none. */
static const struct qos_net_slot *class_now(const struct foretelling *self, const char *interface,
					    const char *contract, const char *stream)
{
	struct qos_net_if *found = NULL;
	const struct qos_net_slot *slot =
		qos_network_slot(self->supervisor->network, contract, stream, &found);

	return slot && found->set && !strcmp(found->name, interface) ? slot : NULL;
}

static void add_class(json_t *list, const char *change, const char *contract, const char *stream,
		      const struct qos_net_slot *slot)
{
	char class[16] = "";

	if (slot)
		snprintf(class, sizeof(class), "%x:%x", QOS_TC_MAJOR, slot->minor);
	json_array_append_new(list,
			      json_pack("{ss ss ss ss?}", "change", change, "contract", contract,
					"stream", stream, "class", slot ? class : NULL));
}

static void add_new_classes(const struct foretelling *self, const char *interface, json_t *list)
{
	for (size_t i = 0; i < self->n; i++) {
		const struct qos_contract *contract = self->next[i].contract;

		for (size_t k = 0; k < contract->n_net; k++) {
			const char *stream = contract->net[k].name;

			if (is_class(&self->next[i], k, interface) &&
			    !class_now(self, interface, contract->name, stream))
				add_class(list, "add", contract->name, stream, NULL);
		}
	}
}

static void add_old_classes(const struct foretelling *self, const struct qos_net_if *known,
			    json_t *list)
{
	for (size_t k = 0; known && known->set && k < known->n; k++) {
		const struct qos_net_slot *slot = &known->slots[k];

		if (!wants(self, known->name, slot->contract, slot->stream))
			add_class(list, "remove", slot->contract, slot->stream, slot);
	}
}

struct wanted_link {
	const char *name;
	int ifindex;
};

static int take_index(void *data, const struct qos_tc_link *link)
{
	struct wanted_link *wanted = data;

	if (strcmp(link->name, wanted->name) != 0)
		return 0;
	wanted->ifindex = link->ifindex;
	return 1;
}

/* 0: there is none of this name. */
static int ifindex_of(const struct qos_network *network, const char *name)
{
	struct wanted_link wanted = {.name = name};

	return qos_tc_each_link(network->tc, take_index, &wanted) < 0 ? 0 : wanted.ifindex;
}

/* The queue that is put back when the last stream leaves. */
static const char *kind_without_us(const struct qos_network *network, int ifindex, const char *now)
{
	const struct qos_link_record *record = qos_links_find(network->links, ifindex);

	if (!record)
		return now;
	return record->foreign ? record->kind : "the kernel's own";
}

static void add_interface(const struct foretelling *self, const char *name, int ifindex,
			  const struct qos_net_if *known, json_t *list)
{
	const struct qos_network *network = self->supervisor->network;
	const struct qos_net_ops *ops = qos_network_choose(self->supervisor);
	struct qos_tc_qdisc root = {};
	json_t *classes = json_array();
	const char *now, *then;

	if (ifindex)
		(void)qos_tc_root(network->tc, ifindex, &root, NULL);
	now = *root.kind ? root.kind : "none";
	then = wants(self, name, NULL, NULL) ? (ops ? ops->kind : now)
					     : kind_without_us(network, ifindex, now);
	add_new_classes(self, name, classes);
	add_old_classes(self, known, classes);
	if (ifindex && (strcmp(now, then) || json_array_size(classes)))
		json_array_append_new(list, json_pack("{ss ss ss so}", "interface", name, "before",
						      now, "after", then, "classes", classes));
	else
		json_decref(classes);
}

static bool is_listed(const json_t *list, const char *name)
{
	const json_t *link;
	size_t i;

	json_array_foreach(list, i, link) {
		if (!strcmp(json_string_value(json_object_get(link, "interface")), name))
			return true;
	}
	return false;
}

json_t *qos_network_foretell(const struct qos_supervisor *supervisor, const struct qos_next *next,
			     size_t n)
{
	const struct foretelling self = {.supervisor = supervisor, .next = next, .n = n};
	const struct qos_network *network = supervisor->network;
	json_t *list = json_array();

	if (!qos_network_is_open(network))
		return list;
	for (size_t i = 0; i < network->n_ifs; i++)
		add_interface(&self, network->ifs[i].name, network->ifs[i].ifindex,
			      &network->ifs[i], list);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < next[i].contract->n_net; k++) {
			const char *name = next[i].contract->net[k].interface;

			if (!qos_network_find_if(network, name) && !is_listed(list, name))
				add_interface(&self, name, ifindex_of(network, name), NULL, list);
		}
	}
	return list;
}
