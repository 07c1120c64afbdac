/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets: which streams can have such a one, the narrowest first, as the classifier asks; and whose a
 * class is. A flow says neither who sent a packet nor through which interface, so those are conditions.
 */
#include <errno.h>
#include <string.h>

#include "explain_parts.h"
#include "network_parts.h"

static json_t *class_json(const struct qos_supervisor *supervisor, const struct qos_live *live,
			  const struct qos_net_stream *wish)
{
	const struct qos_network *network = supervisor->network;
	struct qos_net_if *interface = NULL;
	const struct qos_net_slot *slot = NULL;
	struct qos_tc_qdisc root = {};
	char class[16];

	if (qos_network_is_open(network))
		slot = qos_network_slot(network, live->contract->name, wish->name, &interface);
	if (!slot || !interface->ifindex)
		return NULL;
	(void)qos_tc_root(network->tc, interface->ifindex, &root, NULL);
	snprintf(class, sizeof(class), "%x:%x", QOS_TC_MAJOR, slot->minor);
	return json_pack("{ss ss ss sb sb sb ss?}", "class", class, "wanted", network->ops->kind,
			 "actual", *root.kind ? root.kind : "none", "set", interface->set, "drift",
			 interface->drifted, "has_flows", slot->has_flows, "problem",
			 interface->problem);
}

static json_t *stream_json(const struct qos_supervisor *supervisor, const struct qos_live *live,
			   const struct qos_net_stream *wish, const char *text)
{
	return json_pack("{ss ss ss so so?}", "contract", live->contract->name, "stream",
			 wish->name, "interface", wish->interface, "match",
			 qos_explain_place(&wish->loc, text), "class",
			 class_json(supervisor, live, wish));
}

/* --- flows --- */

/* PROTO:ADDRESS:PORT; an IPv6 address may stand in brackets. Cuts `text`, which `ret` borrows. */
static bool split(char *text, struct qos_packet *ret)
{
	char *address = strchr(text, ':'), *port = strrchr(text, ':');
	uint64_t number;
	size_t len;

	if (!address || address == port)
		return false;
	*address++ = '\0';
	*port++ = '\0';
	len = strlen(address);
	if (*address == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		address++;
	}
	if (!*text || !*address || qos_parse_count(port, UINT16_MAX, &number) < 0)
		return false;
	*ret = (struct qos_packet){.proto = text, .dst = address, .dport = (uint16_t)number};
	return true;
}

struct candidate {
	const struct qos_live *live;
	const struct qos_net_stream *wish;
};

static int narrow_first(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	unsigned int left = qos_explain_narrowness(&x->wish->match);
	unsigned int right = qos_explain_narrowness(&y->wish->match);

	return left != right ? (left < right ? 1 : -1)
			     : strcmp(x->live->contract->name, y->live->contract->name);
}

static size_t list_streams(const struct qos_supervisor *supervisor, struct candidate *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		for (size_t k = 0; live->state == QOS_LIVE_IN_FORCE && k < live->contract->n_net;
		     k++) {
			if (ret)
				ret[n] = (struct candidate){live, &live->contract->net[k]};
			n++;
		}
	}
	if (ret && n)
		qsort(ret, n, sizeof(*ret), narrow_first);
	return n;
}

static void add_candidate(const struct qos_supervisor *supervisor,
			  const struct candidate *candidate, const struct qos_packet *packet,
			  json_t *fits, json_t *others)
{
	char open[QOS_EXPLAIN_TEXT_MAX];
	const char *differs =
		qos_explain_packet(&candidate->wish->match, packet, open, sizeof(open));
	json_t *list = differs ? others : fits, *json;

	if (json_array_size(list) == QOS_EXPLAIN_LIST_MAX)
		return;
	json = stream_json(supervisor, candidate->live, candidate->wish,
			   differs ? differs : "match");
	if (!differs)
		json_object_set_new(json, "if", json_string(open));
	json_array_append_new(list, json);
}

int qos_explain_flow(struct qos_supervisor *supervisor, const char *flow, struct qos_diag *diag,
		     json_t **ret)
{
	_cleanup_free_ struct candidate *candidates =
		calloc(list_streams(supervisor, NULL) + 1, sizeof(*candidates));
	_cleanup_free_ char *text = strdup(flow);
	json_t *fits = json_array(), *others = json_array();
	struct qos_packet packet;
	size_t n;

	if (!candidates || !text || !split(text, &packet)) {
		json_decref(fits);
		json_decref(others);
		if (!candidates || !text)
			return -ENOMEM;
		qos_diag_error(diag, NULL, "%s is no flow", flow);
		qos_diag_hint(diag, "write PROTO:ADDRESS:PORT of the receiver, for example "
				    "udp:192.0.2.1:5004; port 0 means any");
		return -EINVAL;
	}
	n = list_streams(supervisor, candidates);
	for (size_t i = 0; i < n; i++)
		add_candidate(supervisor, &candidates[i], &packet, fits, others);
	*ret = json_pack("{si ss ss so so}", "schema", 1, "kind", "flow", "flow", flow, "streams",
			 fits, "others", others);
	return 0;
}

/* --- classes --- */

/* "5105:10", or the minor alone. */
static bool is_called(const struct qos_net_slot *slot, const char *class)
{
	char name[16];

	snprintf(name, sizeof(name), "%x:%x", QOS_TC_MAJOR, slot->minor);
	return !strcmp(name, class) || !strcmp(strchr(name, ':') + 1, class);
}

static json_t *slot_json(const struct qos_supervisor *supervisor, const char *interface,
			 const struct qos_net_slot *slot)
{
	const struct qos_live *live = qos_supervisor_find(supervisor, slot->contract);

	for (size_t i = 0; live && live->contract && i < live->contract->n_net; i++) {
		const struct qos_net_stream *wish = &live->contract->net[i];

		if (!strcmp(wish->name, slot->stream))
			return json_pack(
				"{si ss ss so so}", "schema", 1, "kind", "class", "interface",
				interface, "streams",
				json_pack("[o]", stream_json(supervisor, live, wish, "match")),
				"others", json_array());
	}
	return NULL;
}

int qos_explain_class(struct qos_supervisor *supervisor, const char *interface, const char *class,
		      struct qos_diag *diag, json_t **ret)
{
	const struct qos_network *network = supervisor->network;

	for (size_t i = 0; qos_network_is_open(network) && i < network->n_ifs; i++) {
		const struct qos_net_if *known = &network->ifs[i];

		for (size_t k = 0; !strcmp(known->name, interface) && k < known->n; k++) {
			if (!is_called(&known->slots[k], class))
				continue;
			*ret = slot_json(supervisor, interface, &known->slots[k]);
			return 0;
		}
	}
	qos_diag_error(diag, NULL, "%s has no class %s of qosd", interface, class);
	qos_diag_hint(diag,
		      "tc class show dev %s lists all; those of streams are %x:10 and up, below "
		      "them are the whole link and what no contract claims",
		      interface, QOS_TC_MAJOR);
	return -ENODEV;
}
