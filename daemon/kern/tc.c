/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages are built and read with libnl's core, not with the objects of libnl-route: those know no
 * kind `dwcs`, cannot keep the options of a kind that they do not know, and fold away the kernel's
 * sentences.
 *
 * Weakness: what is heard is only that something changed; whoever hears looks again.
 */
#include "kern/tc.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "kern/link_speed.h"

#define TRIES	    4 /* of a dump */
#define LARGEST_MAX (1U << 20)

struct qos_tc {
	struct qos_netlink *netlink;
	struct nl_sock *ears;
	int ioctl_fd;
};

void qos_tc_free(struct qos_tc *tc)
{
	if (!tc)
		return;
	qos_netlink_free(tc->netlink);
	nl_socket_free(tc->ears);
	if (tc->ioctl_fd >= 0)
		close(tc->ioctl_fd);
	free(tc);
}

int qos_tc_new(struct qos_tc **ret)
{
	_cleanup_tc_ struct qos_tc *tc = calloc(1, sizeof(*tc));
	int r;

	if (!tc)
		return -ENOMEM;
	tc->ioctl_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = tc->ioctl_fd < 0 ? -errno : qos_netlink_new(NETLINK_ROUTE, "rtnetlink", &tc->netlink);
	if (r == 0)
		r = qos_netlink_ears_new(NETLINK_ROUTE, &tc->ears);
	if (r == 0)
		r = qos_netlink_join(tc->ears, RTNLGRP_LINK);
	if (r == 0)
		r = qos_netlink_join(tc->ears, RTNLGRP_TC);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tc);
	return 0;
}

/* One dump, and what is done with each of its messages. */
struct dump {
	struct qos_tc *tc;
	int ifindex; /* 0: all */
	int (*visit_link)(void *data, const struct qos_tc_link *link);
	int (*visit_qdisc)(void *data, const struct qos_tc_qdisc *qdisc);
	int (*visit_class)(void *data, const struct qos_tc_class *class);
	int (*visit_filter)(void *data, const struct qos_tc_filter *filter);
	void *data;
	int answer;
};

static int run(struct dump *dump, int type, const void *head, size_t head_len,
	       qos_netlink_handle_fn handle)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < TRIES && !dump->answer; i++) {
		struct nl_msg *message = nlmsg_alloc_simple(type, 0);

		if (message && nlmsg_append(message, (void *)head, head_len, NLMSG_ALIGNTO) < 0) {
			nlmsg_free(message);
			message = NULL;
		}
		r = qos_netlink_call(dump->tc->netlink, message, NLM_F_DUMP, handle, dump, NULL);
	}
	return dump->answer ? dump->answer : r;
}

/* --- links --- */

static int take_link(void *data, const struct nlmsghdr *message)
{
	struct dump *dump = data;
	const struct ifinfomsg *info = nlmsg_data(message);
	struct nlattr *attrs[IFLA_MAX + 1];
	struct qos_tc_link link = {};
	uint32_t mtu;

	if (dump->answer || message->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*info), attrs, IFLA_MAX, NULL) < 0 ||
	    !attrs[IFLA_IFNAME])
		return -EBADMSG;
	link.ifindex = info->ifi_index;
	nla_strlcpy(link.name, attrs[IFLA_IFNAME], sizeof(link.name));
	mtu = attrs[IFLA_MTU] ? nla_get_u32(attrs[IFLA_MTU]) : 1500;
	link.largest_bytes = attrs[IFLA_GSO_MAX_SIZE] ? nla_get_u32(attrs[IFLA_GSO_MAX_SIZE]) : mtu;
	if (link.largest_bytes < mtu)
		link.largest_bytes = mtu;
	if (link.largest_bytes > LARGEST_MAX)
		link.largest_bytes = LARGEST_MAX;
	link.speed_bps = qos_link_speed(dump->tc->ioctl_fd, link.name);
	dump->answer = dump->visit_link(dump->data, &link);
	return 0;
}

int qos_tc_each_link(struct qos_tc *tc, int (*visit)(void *data, const struct qos_tc_link *link),
		     void *data)
{
	struct dump dump = {.tc = tc, .visit_link = visit, .data = data};
	const struct ifinfomsg head = {.ifi_family = AF_UNSPEC};

	return run(&dump, RTM_GETLINK, &head, sizeof(head), take_link);
}

/* --- qdiscs and classes --- */

static int parse_tc(const struct nlmsghdr *message, struct nlattr **attrs, const struct tcmsg **ret)
{
	*ret = nlmsg_data(message);
	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(**ret), attrs, TCA_MAX, NULL) < 0 ||
	    !attrs[TCA_KIND])
		return -EBADMSG;
	return 0;
}

static int take_qdisc(void *data, const struct nlmsghdr *message)
{
	struct dump *dump = data;
	struct nlattr *attrs[TCA_MAX + 1];
	struct qos_tc_qdisc qdisc = {};
	const struct tcmsg *head;

	if (dump->answer || message->nlmsg_type != RTM_NEWQDISC)
		return 0;
	if (parse_tc(message, attrs, &head) < 0)
		return -EBADMSG;
	if (dump->ifindex && head->tcm_ifindex != dump->ifindex)
		return 0;
	qdisc.ifindex = head->tcm_ifindex;
	qdisc.handle = head->tcm_handle;
	qdisc.parent = head->tcm_parent;
	nla_strlcpy(qdisc.kind, attrs[TCA_KIND], sizeof(qdisc.kind));
	if (attrs[TCA_OPTIONS]) {
		qdisc.options = nla_data(attrs[TCA_OPTIONS]);
		qdisc.options_len = (size_t)nla_len(attrs[TCA_OPTIONS]);
	}
	dump->answer = dump->visit_qdisc(dump->data, &qdisc);
	return 0;
}

/* As much as there is of a struct that grew over the years. */
static void copy_attr(void *to, size_t size, const struct nlattr *attr)
{
	if (attr)
		memcpy(to, nla_data(attr),
		       (size_t)nla_len(attr) < size ? (size_t)nla_len(attr) : size);
}

static void read_stats(struct nlattr *attr, struct qos_tc_class *class)
{
	struct qos_tc_stats *ret = &class->stats;
	struct nlattr *attrs[TCA_STATS_MAX + 1];
	struct gnet_stats_basic basic = {};
	struct gnet_stats_queue queue = {};

	if (!attr || nla_parse_nested(attrs, TCA_STATS_MAX, attr, NULL) < 0)
		return;
	copy_attr(&basic, sizeof(basic), attrs[TCA_STATS_BASIC]);
	copy_attr(&queue, sizeof(queue), attrs[TCA_STATS_QUEUE]);
	*ret = (struct qos_tc_stats){
		.bytes = basic.bytes,
		.packets = basic.packets,
		.dropped = queue.drops,
		.backlog_bytes = queue.backlog,
	};
	copy_attr(&ret->packets, sizeof(ret->packets), attrs[TCA_STATS_PKT64]);
	if (attrs[TCA_STATS_APP]) {
		class->app = nla_data(attrs[TCA_STATS_APP]);
		class->app_len = (size_t)nla_len(attrs[TCA_STATS_APP]);
	}
}

static int take_class(void *data, const struct nlmsghdr *message)
{
	struct dump *dump = data;
	struct nlattr *attrs[TCA_MAX + 1];
	struct qos_tc_class class = {};
	const struct tcmsg *head;

	if (dump->answer || message->nlmsg_type != RTM_NEWTCLASS)
		return 0;
	if (parse_tc(message, attrs, &head) < 0)
		return -EBADMSG;
	class.ifindex = head->tcm_ifindex;
	class.handle = head->tcm_handle;
	class.parent = head->tcm_parent;
	nla_strlcpy(class.kind, attrs[TCA_KIND], sizeof(class.kind));
	read_stats(attrs[TCA_STATS2], &class);
	dump->answer = dump->visit_class(dump->data, &class);
	return 0;
}

int qos_tc_each_qdisc(struct qos_tc *tc, int ifindex,
		      int (*visit)(void *data, const struct qos_tc_qdisc *qdisc), void *data)
{
	struct dump dump = {.tc = tc, .ifindex = ifindex, .visit_qdisc = visit, .data = data};
	const struct tcmsg head = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex};

	return run(&dump, RTM_GETQDISC, &head, sizeof(head), take_qdisc);
}

int qos_tc_each_class(struct qos_tc *tc, int ifindex,
		      int (*visit)(void *data, const struct qos_tc_class *class), void *data)
{
	struct dump dump = {.tc = tc, .ifindex = ifindex, .visit_class = visit, .data = data};
	const struct tcmsg head = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex};

	return run(&dump, RTM_GETTCLASS, &head, sizeof(head), take_class);
}

static int take_filter(void *data, const struct nlmsghdr *message)
{
	struct dump *dump = data;
	struct nlattr *attrs[TCA_MAX + 1], *options[TCA_BPF_MAX + 1];
	struct qos_tc_filter filter = {};
	const struct tcmsg *head;

	if (dump->answer || message->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	if (parse_tc(message, attrs, &head) < 0)
		return -EBADMSG;
	filter.handle = head->tcm_handle;
	filter.parent = head->tcm_parent;
	filter.preference = TC_H_MAJ(head->tcm_info) >> 16;
	if (!nla_strcmp(attrs[TCA_KIND], "bpf") && attrs[TCA_OPTIONS] &&
	    nla_parse_nested(options, TCA_BPF_MAX, attrs[TCA_OPTIONS], NULL) == 0 &&
	    options[TCA_BPF_NAME])
		nla_strlcpy(filter.name, options[TCA_BPF_NAME], sizeof(filter.name));
	dump->answer = dump->visit_filter(dump->data, &filter);
	return 0;
}

int qos_tc_each_filter(struct qos_tc *tc, int ifindex, uint32_t parent,
		       int (*visit)(void *data, const struct qos_tc_filter *filter), void *data)
{
	struct dump dump = {.tc = tc, .ifindex = ifindex, .visit_filter = visit, .data = data};
	const struct tcmsg head = {
		.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent};

	return run(&dump, RTM_GETTFILTER, &head, sizeof(head), take_filter);
}

struct root {
	struct qos_tc_qdisc *ret;
	void **ret_options;
	bool found;
};

static int take_root(void *data, const struct qos_tc_qdisc *qdisc)
{
	struct root *root = data;

	if (qdisc->parent != TC_H_ROOT)
		return 0;
	*root->ret = *qdisc;
	root->ret->options = NULL;
	root->found = true;
	if (root->ret_options && qdisc->options_len) {
		*root->ret_options = malloc(qdisc->options_len);
		if (!*root->ret_options)
			return -ENOMEM;
		memcpy(*root->ret_options, qdisc->options, qdisc->options_len);
		root->ret->options = *root->ret_options;
	}
	return 1;
}

int qos_tc_root(struct qos_tc *tc, int ifindex, struct qos_tc_qdisc *ret, void **ret_options)
{
	struct root root = {.ret = ret, .ret_options = ret_options};
	int r;

	if (ret_options)
		*ret_options = NULL;
	r = qos_tc_each_qdisc(tc, ifindex, take_root, &root);
	if (r < 0)
		return r;
	return root.found ? 0 : -ENOENT;
}

/* --- changes --- */

struct nl_msg *qos_tc_message(int type, int ifindex, uint32_t handle, uint32_t parent,
			      const char *kind)
{
	struct tcmsg head = {.tcm_family = AF_UNSPEC,
			     .tcm_ifindex = ifindex,
			     .tcm_handle = handle,
			     .tcm_parent = parent};
	struct nl_msg *message = nlmsg_alloc_simple(type, 0);

	if (message && nlmsg_append(message, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
	    (!kind || nla_put_string(message, TCA_KIND, kind) == 0))
		return message;
	nlmsg_free(message);
	return NULL;
}

int qos_tc_send(struct qos_tc *tc, struct nl_msg *message, int flags, struct qos_diag *diag)
{
	return qos_netlink_call(tc->netlink, message, NLM_F_ACK | flags, NULL, NULL, diag);
}

struct nlattr *qos_tc_options_begin(struct nl_msg *message, int flags)
{
	return message ? nla_nest_start(message, TCA_OPTIONS | flags) : NULL;
}

struct nl_msg *qos_tc_options_end(struct nl_msg *message, struct nlattr *options, int r)
{
	if (r < 0) {
		nlmsg_free(message);
		return NULL;
	}
	nla_nest_end(message, options);
	return message;
}

int qos_tc_qdisc_put(struct qos_tc *tc, const struct qos_tc_qdisc *qdisc, struct qos_diag *diag)
{
	struct nl_msg *message = qos_tc_message(RTM_NEWQDISC, qdisc->ifindex, qdisc->handle,
						qdisc->parent, qdisc->kind);

	if (message && qdisc->options_len &&
	    nla_put(message, TCA_OPTIONS, (int)qdisc->options_len, qdisc->options) < 0) {
		nlmsg_free(message);
		message = NULL;
	}
	return qos_tc_send(tc, message, NLM_F_CREATE | NLM_F_REPLACE, diag);
}

int qos_tc_qdisc_del(struct qos_tc *tc, int ifindex, uint32_t handle, uint32_t parent,
		     struct qos_diag *diag)
{
	return qos_tc_send(tc, qos_tc_message(RTM_DELQDISC, ifindex, handle, parent, NULL), 0,
			   diag);
}

/* --- what others do --- */

int qos_tc_fd(const struct qos_tc *tc)
{
	return nl_socket_get_fd(tc->ears);
}

bool qos_tc_hear(struct qos_tc *tc)
{
	_cleanup_free_ uint8_t *buffer = malloc(QOS_NETLINK_BUFFER);
	bool any = false;
	ssize_t n = buffer ? 1 : -ENOMEM;

	while (n >= 0 || n == -ENOBUFS || n == -EMSGSIZE) {
		n = qos_netlink_hear(tc->ears, buffer);
		any |= n > 0 || n == -ENOBUFS || n == -EMSGSIZE;
	}
	return any;
}
