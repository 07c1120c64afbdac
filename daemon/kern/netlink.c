/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel carries a request out within sendmsg() and has the answer queued when that returns, so
 * waiting for it is bounded by what the kernel does; the timeout is for the case that it had no memory
 * for the answer.
 *
 * libnl builds messages and walks attributes; sockets are read here, because libnl folds the kernel's
 * errno into codes of its own and hides the sentences.
 */
#include "kern/netlink.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "kern/probe.h"

#define EARS_BUFFER                                                                                \
	(8 << 20) /* a turn's telemetry of a thousand streams, as the kernel counts it */
#define PATIENCE_S 1
#define STALE_MAX  64 /* answers to requests that were given up */

struct qos_netlink {
	const char *call;
	struct nl_sock *sock;
	uint32_t port;
	uint8_t buffer[QOS_NETLINK_BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The length; -errno. */
static ssize_t receive(struct nl_sock *sock, uint8_t *buffer, int flags)
{
	struct sockaddr_nl from = {};
	struct iovec part = {.iov_base = buffer, .iov_len = QOS_NETLINK_BUFFER};
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(nl_socket_get_fd(sock), &message, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN && !(flags & MSG_DONTWAIT) ? -ETIMEDOUT : -errno;
	if (message.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return from.nl_pid ? 0 : n; /* another process may write to us; only the kernel is heard */
}

ssize_t qos_netlink_hear(struct nl_sock *ears, uint8_t *buffer)
{
	return receive(ears, buffer, MSG_DONTWAIT);
}

int qos_netlink_outcome(const struct nlmsghdr *message, const char **ret_words)
{
	const struct nlmsgerr *error = nlmsg_data(message);
	const struct nlattr *attr;
	int len = nlmsg_datalen(message), remaining, skip = sizeof(*error);

	*ret_words = NULL;
	if (message->nlmsg_type != NLMSG_ERROR || len < skip)
		return -EBADMSG;
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return error->error;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += (int)NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (skip > len)
		return error->error;
	nla_for_each_attr(attr, (struct nlattr *)((char *)error + skip), len - skip, remaining)
	{
		const char *text = nla_data(attr);

		if (nla_type(attr) == NLMSGERR_ATTR_MSG && nla_len(attr) > 0 &&
		    !text[nla_len(attr) - 1])
			*ret_words = text;
	}
	return error->error;
}

void qos_netlink_complain(struct qos_diag *diag, const char *call, const char *words, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, error);

	if (!diag)
		return;
	qos_diag_warning(diag, NULL, "netlink: %s", words ? words : advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
}

/* One request on its way. */
struct exchange {
	const char *call;
	uint32_t seq;
	qos_netlink_handle_fn handle;
	void *data;
	struct qos_diag *diag;
	int outcome;
	bool interrupted;
	bool done;
};

static void take_message(struct exchange *exchange, const struct nlmsghdr *message)
{
	const char *words = NULL;
	int r;

	exchange->interrupted |= message->nlmsg_flags & NLM_F_DUMP_INTR;
	switch (message->nlmsg_type) {
	case NLMSG_NOOP:
		return;
	case NLMSG_DONE:
		exchange->done = true;
		r = nlmsg_datalen(message) >= (int)sizeof(int) ? *(int *)nlmsg_data(message) : 0;
		break;
	case NLMSG_ERROR:
		exchange->done = true;
		r = qos_netlink_outcome(message, &words);
		if (r < 0)
			qos_netlink_complain(exchange->diag, exchange->call, words, -r);
		break;
	default:
		r = exchange->handle ? exchange->handle(exchange->data, message) : 0;
	}
	if (r < 0 && !exchange->outcome)
		exchange->outcome = r;
}

/* Was anything of it for this request? */
static bool take_all(struct exchange *exchange, const uint8_t *buffer, int len)
{
	bool any = false;

	for (const struct nlmsghdr *message = (const void *)buffer; nlmsg_ok(message, len);
	     message = nlmsg_next((struct nlmsghdr *)message, &len)) {
		if (message->nlmsg_seq != exchange->seq || exchange->done)
			continue;
		take_message(exchange, message);
		any = true;
	}
	return any;
}

static int transact(struct qos_netlink *netlink, struct nl_msg *message, struct exchange *exchange)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	unsigned int stale = 0;
	ssize_t n;

	exchange->seq = header->nlmsg_seq = nl_socket_use_seq(netlink->sock);
	header->nlmsg_pid = netlink->port;
	if (send(nl_socket_get_fd(netlink->sock), header, header->nlmsg_len, 0) < 0)
		return -errno;
	while (!exchange->done) {
		n = receive(netlink->sock, netlink->buffer, 0);
		if (n < 0)
			return (int)n;
		if (!take_all(exchange, netlink->buffer, (int)n) && stale++ == STALE_MAX)
			return -EBADMSG;
	}
	return exchange->outcome;
}

int qos_netlink_call(struct qos_netlink *netlink, struct nl_msg *message, int flags,
		     qos_netlink_handle_fn handle, void *data, struct qos_diag *diag)
{
	struct exchange exchange = {
		.call = netlink->call, .handle = handle, .data = data, .diag = diag};
	int r = -ENOMEM;

	if (message) {
		nlmsg_hdr(message)->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
		r = transact(netlink, message, &exchange);
		nlmsg_free(message);
	}
	if (r < 0 && !exchange.done)
		qos_netlink_complain(diag, netlink->call, NULL, -r);
	return r == 0 && exchange.interrupted ? -EINTR : r;
}

/* --- sockets --- */

static int connect_socket(int protocol, struct nl_sock **ret)
{
	struct nl_sock *sock = nl_socket_alloc();

	*ret = sock;
	if (!sock)
		return -ENOMEM;
	errno = 0;
	if (nl_connect(sock, protocol) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

static int set_option(struct nl_sock *sock, int level, int option, const void *value,
		      socklen_t size)
{
	return setsockopt(nl_socket_get_fd(sock), level, option, value, size) < 0 ? -errno : 0;
}

int qos_netlink_new(int protocol, const char *call, struct qos_netlink **ret)
{
	static const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
	_cleanup_netlink_ struct qos_netlink *netlink = calloc(1, sizeof(*netlink));
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const int on = 1;
	int r;

	if (!netlink)
		return -ENOMEM;
	netlink->call = call;
	r = connect_socket(protocol, &netlink->sock);
	if (r == 0)
		r = set_option(netlink->sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	for (size_t i = 0; r == 0 && i < QOS_ARRAY_SIZE(options); i++)
		r = set_option(netlink->sock, SOL_NETLINK, options[i], &on, sizeof(on));
	if (r < 0)
		return r;
	netlink->port = nl_socket_get_local_port(netlink->sock);
	*ret = TAKE_PTR(netlink);
	return 0;
}

void qos_netlink_free(struct qos_netlink *netlink)
{
	if (!netlink)
		return;
	nl_socket_free(netlink->sock);
	free(netlink);
}

/* More than net.core.rmem_max needs CAP_NET_ADMIN; who lacks it hears of losses more often. */
int qos_netlink_ears_new(int protocol, struct nl_sock **ret)
{
	const int size = EARS_BUFFER;
	struct nl_sock *sock;
	int r = connect_socket(protocol, &sock);

	if (r < 0) {
		nl_socket_free(sock);
		return r;
	}
	if (set_option(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		set_option(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret = sock;
	return 0;
}

int qos_netlink_join(struct nl_sock *ears, uint32_t group)
{
	return set_option(ears, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
}
