/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An interface is managed while contracts in force have streams on it. What was there is recorded
 * before the first change (state/links.h) and put back when the last of them leaves, at stop and at
 * panic. Whatever rtnetlink says is only a hint to look: at the interfaces, which may have come, gone or
 * changed their speed (then contracts are admitted again), and at our queues, which a person may have
 * changed (drift, which `on-drift` decides; where contracts on one link differ, `restore` counts).
 */
#include "network.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <string.h>

#include "extend.h"
#include "network_parts.h"
#include "tell.h"

/* --- open, close --- */

const struct qos_net_ops *qos_network_choose(const struct qos_supervisor *supervisor)
{
	enum qos_manager wanted = supervisor->config.network_manager;

	if (qos_capacity_has_windows(supervisor->host, &supervisor->config))
		return &qos_net_module;
	return wanted == QOS_MANAGER_MODULE ? NULL : &qos_net_native;
}

void qos_network_open(struct qos_supervisor *supervisor)
{
	struct qos_network *network = calloc(1, sizeof(*network));
	struct qos_diag *diag = &supervisor->diag;
	int r = network ? qos_tc_new(&network->tc) : -ENOMEM;

	if (r == 0)
		r = qos_links_load(supervisor->options.run_dir, diag, &network->links);
	supervisor->network = network;
	if (r == 0) {
		network->ops = &qos_net_native;
		return;
	}
	qos_diag_add(diag, QOS_WARNING, NULL, "no link can be managed: %s", strerror(-r));
	qos_diag_hint(diag, "network sections stay without effect; run qosd as root with "
			    "CAP_NET_ADMIN and CAP_BPF");
}

static void if_reset(struct qos_net_if *interface)
{
	free(interface->problem);
	free(interface->slots);
}

void qos_network_close(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	if (!network)
		return;
	qos_network_undo(supervisor);
	for (size_t i = 0; i < network->n_ifs; i++)
		if_reset(&network->ifs[i]);
	for (size_t i = 0; i < network->n_homes; i++)
		free(network->homes[i].cgroup);
	free(network->ifs);
	free(network->homes);
	free(network->sockets.sockets);
	qos_series_reset(&network->series);
	qos_classify_free(network->classify);
	qos_links_free(network->links);
	qos_tc_free(network->tc);
	free(TAKE_PTR(supervisor->network));
}

int qos_network_undo(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	if (!qos_network_is_open(network))
		return 0;
	for (size_t i = 0; i < network->n_ifs; i++)
		network->ifs[i].set = network->ifs[i].drifted = false;
	return qos_links_restore_all(network->links, network->tc);
}

/* --- interfaces --- */

struct qos_net_if *qos_network_find_if(const struct qos_network *network, const char *name)
{
	for (size_t i = 0; i < network->n_ifs; i++) {
		if (!strcmp(network->ifs[i].name, name))
			return &network->ifs[i];
	}
	return NULL;
}

static struct qos_net_if *add_if(struct qos_network *network, const char *name)
{
	struct qos_net_if *interface = qos_network_find_if(network, name), *wider;

	if (interface)
		return interface;
	wider = reallocarray(network->ifs, network->n_ifs + 1, sizeof(*wider));
	if (!wider)
		return NULL;
	network->ifs = wider;
	interface = &wider[network->n_ifs++];
	*interface = (struct qos_net_if){};
	snprintf(interface->name, sizeof(interface->name), "%s", name);
	return interface;
}

#define PROBED_MAX 1024

struct probing {
	struct qos_host *host;
	int ifindex[PROBED_MAX]; /* of host->interfaces */
};

/* A root that somebody set up; what stands in place of ours is drift instead. */
static void find_foreign(const struct qos_network *network, struct qos_interface *interface,
			 int ifindex)
{
	struct qos_tc_qdisc root = {};

	if (qos_links_find(network->links, ifindex) ||
	    qos_tc_root(network->tc, ifindex, &root, NULL) < 0)
		return;
	if (root.handle && root.handle != QOS_TC_HANDLE)
		memcpy(interface->qdisc, root.kind, sizeof(interface->qdisc));
}

static int take_interface(void *data, const struct qos_tc_link *link)
{
	struct probing *probing = data;
	struct qos_host *host = probing->host;
	struct qos_interface *wider;

	for (size_t i = 0; i < host->n_interfaces; i++) {
		if (probing->ifindex[i] == link->ifindex)
			return 0;
	}
	wider = host->n_interfaces < PROBED_MAX
			? reallocarray(host->interfaces, host->n_interfaces + 1, sizeof(*wider))
			: NULL;
	if (!wider)
		return -ENOMEM;
	probing->ifindex[host->n_interfaces] = link->ifindex;
	host->interfaces = wider;
	wider = &wider[host->n_interfaces++];
	*wider = (struct qos_interface){.speed_bps = link->speed_bps,
					.largest_bytes = link->largest_bytes};
	memcpy(wider->name, link->name, sizeof(wider->name));
	return 0;
}

void qos_network_probe(struct qos_supervisor *supervisor, struct qos_host *host)
{
	_cleanup_free_ struct probing *probing = calloc(1, sizeof(*probing));
	const struct qos_network *network = supervisor->network;

	if (!qos_network_is_open(network) || !probing)
		return;
	probing->host = host;
	host->n_interfaces = 0;
	qos_tc_each_link(network->tc, take_interface, probing);
	/* afterwards, since there is one request at a time on the socket */
	for (size_t i = 0; i < host->n_interfaces; i++)
		find_foreign(network, &host->interfaces[i], probing->ifindex[i]);
}

static int take_known(void *data, const struct qos_tc_link *link)
{
	struct qos_network *network = data;
	struct qos_net_if *interface = qos_network_find_if(network, link->name);

	if (!interface)
		return 0;
	if (interface->ifindex != link->ifindex)
		interface->set = interface->drifted = false;
	interface->still_there = true;
	interface->ifindex = link->ifindex;
	interface->bps = link->speed_bps;
	interface->largest_bytes = link->largest_bytes;
	return 0;
}

/* Who is there now, of those that are known. */
static void look_at_links(struct qos_network *network)
{
	for (size_t i = 0; i < network->n_ifs; i++)
		network->ifs[i].still_there = false;
	if (qos_tc_each_link(network->tc, take_known, network) < 0)
		return;
	for (size_t i = 0; i < network->n_ifs; i++) {
		struct qos_net_if *interface = &network->ifs[i];

		if (interface->still_there)
			continue;
		interface->ifindex = 0;
		interface->set = interface->drifted = false;
	}
}

/* --- classes --- */

struct qos_net_slot *qos_network_slot(const struct qos_network *network, const char *contract,
				      const char *stream, struct qos_net_if **ret_if)
{
	for (size_t i = 0; i < network->n_ifs; i++) {
		struct qos_net_if *interface = &network->ifs[i];

		for (size_t k = 0; k < interface->n; k++) {
			struct qos_net_slot *slot = &interface->slots[k];

			if (strcmp(slot->contract, contract) || strcmp(slot->stream, stream))
				continue;
			if (ret_if)
				*ret_if = interface;
			return slot;
		}
	}
	return NULL;
}

static bool is_taken(const struct qos_net_if *interface, uint16_t minor)
{
	for (size_t k = 0; k < interface->n; k++) {
		if (interface->slots[k].minor == minor)
			return true;
	}
	return false;
}

static void want_slot(struct qos_network *network, struct qos_net_if *interface,
		      const char *contract, const char *stream)
{
	struct qos_net_slot *wider;
	uint16_t minor = QOS_NET_MINOR_FIRST;

	for (size_t k = 0; k < interface->n; k++) {
		struct qos_net_slot *slot = &interface->slots[k];

		if (strcmp(slot->contract, contract) || strcmp(slot->stream, stream))
			continue;
		slot->wanted = true;
		return;
	}
	while (is_taken(interface, minor) && minor < QOS_NET_MINOR_LAST)
		minor++;
	wider = reallocarray(interface->slots, interface->n + 1, sizeof(*wider));
	if (!wider || is_taken(interface, minor))
		return;
	interface->slots = wider;
	wider = &wider[interface->n++];
	*wider =
		(struct qos_net_slot){.minor = minor, .number = ++network->numbers, .wanted = true};
	snprintf(wider->contract, sizeof(wider->contract), "%s", contract);
	snprintf(wider->stream, sizeof(wider->stream), "%s", stream);
}

static const struct qos_grant *grant_of(const struct qos_supervisor *supervisor,
					const struct qos_live *live)
{
	if (live->state != QOS_LIVE_IN_FORCE || supervisor->panicked)
		return NULL;
	return qos_ledger_grant(supervisor->ledger, live->contract->name);
}

/* Which interfaces and classes the contracts in force want. */
static void want_all(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	for (size_t i = 0; i < network->n_ifs; i++) {
		for (size_t k = 0; k < network->ifs[i].n; k++)
			network->ifs[i].slots[k].wanted = false;
	}
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		const struct qos_grant *grant = grant_of(supervisor, live);

		for (size_t k = 0; grant && k < grant->n_net; k++) {
			const struct qos_net_stream *wish = &live->contract->net[k];
			struct qos_net_if *interface = add_if(network, wish->interface);

			if (interface && wish->manage == QOS_MANAGE_SCHEDULE)
				want_slot(network, interface, live->contract->name, wish->name);
		}
	}
}

static size_t keep_wanted(struct qos_network *network, struct qos_net_if *interface)
{
	size_t n = 0;

	for (size_t k = 0; k < interface->n; k++) {
		if (interface->slots[k].wanted)
			interface->slots[n++] = interface->slots[k];
		else
			qos_series_drop(&network->series, interface->slots[k].number);
	}
	interface->n = n;
	return n;
}

/* The stream of a slot; false: its contract is not in force, or its interface is awaited. */
static bool fill_class(const struct qos_supervisor *supervisor, const struct qos_net_slot *slot,
		       struct qos_net_class *ret)
{
	const struct qos_live *live = qos_supervisor_find(supervisor, slot->contract);
	const struct qos_grant *grant = live ? grant_of(supervisor, live) : NULL;

	for (size_t k = 0; grant && k < grant->n_net; k++) {
		if (strcmp(live->contract->net[k].name, slot->stream) || !grant->net[k].granted_bps)
			continue;
		*ret = (struct qos_net_class){.minor = slot->minor,
					      .wish = &live->contract->net[k],
					      .grant = &grant->net[k],
					      .rate_bps = grant->net[k].granted_bps};
		if (live->contract->n_rules)
			ret->flow = qos_network_flow(supervisor, live, k);
		if (!qos_extend_belongs_there(supervisor,
					      live)) /* else the class follows them by itself */
			qos_extend_net_rate(supervisor, live, k, &ret->rate_bps);
		return true;
	}
	return false;
}

bool qos_network_by_module(const struct qos_supervisor *supervisor)
{
	return qos_network_is_open(supervisor->network) &&
	       supervisor->network->ops == &qos_net_module;
}

uint32_t qos_network_flow(const struct qos_supervisor *supervisor, const struct qos_live *live,
			  size_t i)
{
	const struct qos_net_stream *wish = &live->contract->net[i];
	const struct qos_network *network = supervisor->network;
	const struct qos_net_slot *slot;
	struct qos_net_if *interface;

	if (!qos_network_by_module(supervisor))
		return 0;
	slot = qos_network_slot(network, live->contract->name, wish->name, &interface);
	return slot && interface->ifindex ? (uint32_t)interface->ifindex << 16 | slot->minor : 0;
}

/* --- carrying out --- */

static void complain(struct qos_net_if *interface, const char *text)
{
	free(interface->problem);
	interface->problem = text ? strdup(text) : NULL;
}

static int record(struct qos_network *network, const struct qos_net_if *interface,
		  struct qos_diag *diag)
{
	struct qos_tc_link link = {.ifindex = interface->ifindex};
	int r;

	memcpy(link.name, interface->name, sizeof(link.name));
	r = qos_links_record(network->links, network->tc, &link);
	if (r == QOS_LINKS_E_CLASSES)
		qos_diag_error(diag, NULL,
			       "the queue that is there has classes or filters, and could not be "
			       "put back");
	else if (r < 0)
		qos_diag_error(diag, NULL, "what is there could not be recorded: %s", strerror(-r));
	return r;
}

/* Another kind of ours is taken away first: a root of one handle cannot change its kind. */
static int set_queue(struct qos_network *network, const struct qos_net_link *link,
		     struct qos_diag *diag)
{
	struct qos_tc_qdisc root;

	if (qos_links_is_ours(network->tc, link->ifindex, &root) &&
	    strcmp(root.kind, network->ops->kind) != 0)
		qos_tc_qdisc_del(network->tc, link->ifindex, QOS_TC_HANDLE, TC_H_ROOT, NULL);
	return network->ops->set(network->tc, link, diag);
}

static int set_link(struct qos_supervisor *supervisor, struct qos_net_if *interface,
		    struct qos_diag *diag)
{
	const struct qos_config_link *set = qos_config_link(&supervisor->config, interface->name);
	_cleanup_free_ struct qos_net_class *classes = calloc(interface->n + 1, sizeof(*classes));
	struct qos_network *network = supervisor->network;
	struct qos_net_link link = {.ifindex = interface->ifindex,
				    .bps = set && set->capacity_bps ? set->capacity_bps
								    : interface->bps,
				    .largest_bytes = interface->largest_bytes,
				    .share_ppm = supervisor->config.link_share_ppm,
				    .classes = classes};
	int r;

	if (!classes)
		return -ENOMEM;
	for (size_t k = 0; k < interface->n; k++)
		link.n += fill_class(supervisor, &interface->slots[k], &classes[link.n]);
	if (!link.n || !link.bps)
		return 0;
	if (!qos_network_choose(supervisor))
		return qos_diag_error(
			diag, NULL,
			"managers.network names the module qos_dwcs, which is not loaded");
	r = record(network, interface, diag);
	if (r == 0)
		r = set_queue(network, &link, diag);
	if (r == 0 && !network->classify)
		r = qos_classify_new(diag, &network->classify);
	if (r == 0)
		r = qos_classify_attach(network->classify, network->tc, link.ifindex, diag);
	interface->set = r == 0;
	if (r)
		qos_links_restore(network->links, network->tc, link.ifindex, NULL);
	return r;
}

static void carry_out(struct qos_supervisor *supervisor, struct qos_net_if *interface)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	bool failed_before = interface->problem;
	int r;

	if (!interface->ifindex ||
	    (interface->drifted &&
	     qos_network_drift_policy(supervisor, interface) != QOS_DRIFT_RESTORE))
		return;
	interface->drifted = false;
	r = set_link(supervisor, interface, &diag);
	complain(interface, r == 0 ? NULL : diag.n_entries ? diag.entries[0].text : strerror(-r));
	if (r && !failed_before)
		qos_tell(supervisor, QOS_HISTORY_KERNEL, NULL, NULL, NULL,
			 "interface %s cannot be set: %s", interface->name, interface->problem);
	qos_diag_reset(&diag);
}

static void restore(struct qos_supervisor *supervisor, struct qos_net_if *interface)
{
	struct qos_network *network = supervisor->network;
	struct qos_diag diag = QOS_DIAG_INIT;
	int r = qos_links_restore(network->links, network->tc, interface->ifindex, &diag);

	if (r < 0)
		qos_tell(supervisor, QOS_HISTORY_KERNEL, NULL, NULL, NULL,
			 "interface %s cannot be put back: %s", interface->name,
			 diag.n_entries ? diag.entries[0].text : strerror(-r));
	qos_diag_reset(&diag);
	interface->set = interface->drifted = false;
	complain(interface, NULL);
}

/* Records of interfaces that nobody manages: an earlier daemon's, or of those that are gone. */
static void restore_orphans(struct qos_network *network)
{
	for (size_t i = network->links->n; i-- > 0;) {
		int ifindex = network->links->records[i].ifindex;
		bool wanted = false;

		for (size_t k = 0; k < network->n_ifs; k++)
			wanted |= network->ifs[k].ifindex == ifindex && network->ifs[k].n;
		if (!wanted)
			qos_links_restore(network->links, network->tc, ifindex, NULL);
	}
}

void qos_network_settle(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	if (!qos_network_is_open(network))
		return;
	network->ops =
		qos_network_choose(supervisor) ? qos_network_choose(supervisor) : network->ops;
	want_all(supervisor);
	look_at_links(network);
	restore_orphans(network);
	for (size_t i = 0; i < network->n_ifs; i++) {
		struct qos_net_if *interface = &network->ifs[i];

		if (keep_wanted(network, interface))
			carry_out(supervisor, interface);
		else if (interface->ifindex)
			restore(supervisor, interface);
	}
	qos_network_prune_homes(supervisor);
	qos_network_flows(supervisor);
	qos_extend_links(supervisor);
}
