/* SPDX-License-Identifier: GPL-2.0-only */
/* A dump each of IPv4 and IPv6, when somebody asks: nothing is kept open. */
#include "kern/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <string.h>

#include "kern/netlink.h"

#define ESTABLISHED 1 /* TCP_ESTABLISHED, as a bit in what is asked for */
/* tcpi_delivery_rate in the kernel's struct tcp_info, of which the C library has only the beginning. */
#define DELIVERY_RATE_AT 160
#define ATTRS_MAX	 INET_DIAG_SOCKOPT

struct walk {
	void (*visit)(void *data, const struct qos_socket *socket);
	void *data;
};

static void read_info(const struct nlattr *attr, struct qos_socket *ret)
{
	struct tcp_info info = {};
	uint64_t rate;
	size_t len = attr ? (size_t)nla_len(attr) : 0;

	if (len)
		memcpy(&info, nla_data(attr), len < sizeof(info) ? len : sizeof(info));
	ret->rtt_ns = (uint64_t)info.tcpi_rtt * 1000;
	ret->retransmits = info.tcpi_total_retrans;
	if (len < DELIVERY_RATE_AT + sizeof(rate))
		return;
	memcpy(&rate, (const char *)nla_data(attr) + DELIVERY_RATE_AT, sizeof(rate));
	ret->delivery_bps = rate * 8;
}

static int take(void *data, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *head = nlmsg_data(message);
	struct nlattr *attrs[ATTRS_MAX + 1];
	struct qos_socket socket = {};
	const struct walk *walk = data;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*head), attrs, ATTRS_MAX, NULL) < 0)
		return -EBADMSG;
	socket.sport = ntohs(head->id.idiag_sport);
	socket.dport = ntohs(head->id.idiag_dport);
	if (attrs[INET_DIAG_CGROUP_ID])
		socket.cgroup = nla_get_u64(attrs[INET_DIAG_CGROUP_ID]);
	read_info(attrs[INET_DIAG_INFO], &socket);
	walk->visit(walk->data, &socket);
	return 0;
}

int qos_sockets_each(void (*visit)(void *data, const struct qos_socket *socket), void *data)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	_cleanup_netlink_ struct qos_netlink *netlink = NULL;
	struct walk walk = {.visit = visit, .data = data};
	int r = qos_netlink_new(NETLINK_SOCK_DIAG, "sock_diag", &netlink);

	for (size_t i = 0; r == 0 && i < QOS_ARRAY_SIZE(families); i++) {
		const struct inet_diag_req_v2 head = {.sdiag_family = families[i],
						      .sdiag_protocol = IPPROTO_TCP,
						      .idiag_ext = 1 << (INET_DIAG_INFO - 1),
						      .idiag_states = 1 << ESTABLISHED};
		struct nl_msg *message = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, 0);

		if (message &&
		    nlmsg_append(message, (void *)&head, sizeof(head), NLMSG_ALIGNTO) < 0) {
			nlmsg_free(message);
			message = NULL;
		}
		r = qos_netlink_call(netlink, message, NLM_F_DUMP, take, &walk, NULL);
	}
	return r;
}
