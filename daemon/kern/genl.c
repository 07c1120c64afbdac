/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two sockets. On one, commands: generic netlink carries a request out within sendmsg() and has the
 * answer queued when that returns, so waiting for it is bounded by what the kernel does; the timeout
 * is for the case that it had no memory for the answer. On the other, multicast: of nlctrl, which tells
 * that families come and go, and of the family's own groups. It is never waited for.
 *
 * libnl builds messages and walks attributes; sockets are read here, because libnl folds the kernel's
 * errno into codes of its own and hides the sentences.
 *
 * Weakness: between a family's end and the daemon's hearing of it a request fails with ENOENT, as
 * one for an object that is not there does.
 */
#include "kern/genl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "kern/probe.h"

#define BUFFER_SIZE 65536
#define GROUPS_BUFFER                                                                              \
	(8 << 20) /* a turn's telemetry of a thousand streams, as the kernel counts it */
#define PATIENCE_S     1
#define STALE_MAX      64 /* answers to requests that were given up */
#define CONTROL	       "nlctrl"
#define CONTROL_GROUP  "notify"
#define FAMILY_VERSION 1

struct qos_genl {
	const char *family;
	const char *const *groups;
	struct nl_sock *commands;
	struct nl_sock *ears;
	uint16_t id; /* 0: not there */
	uint32_t port;
	uint8_t buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* --- reading --- */

/* The length; -errno. */
static ssize_t receive(struct nl_sock *sock, uint8_t *buffer, int flags)
{
	struct sockaddr_nl from = {};
	struct iovec part = {.iov_base = buffer, .iov_len = BUFFER_SIZE};
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

int qos_genl_outcome(const struct nlmsghdr *message, const char **ret_words)
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

static void complain(struct qos_diag *diag, const char *words, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice("genl(qos_dwcs)", error);

	if (!diag)
		return;
	qos_diag_warning(diag, NULL, "netlink: %s", words ? words : advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
}

/* One request on its way. */
struct exchange {
	uint32_t seq;
	qos_genl_handle_fn handle;
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
		r = qos_genl_outcome(message, &words);
		if (r < 0)
			complain(exchange->diag, words, -r);
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

/* --- requests --- */

static int transact(struct qos_genl *genl, struct nl_msg *message, struct exchange *exchange)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	unsigned int stale = 0;
	ssize_t n;

	exchange->seq = header->nlmsg_seq = nl_socket_use_seq(genl->commands);
	header->nlmsg_pid = genl->port;
	if (send(nl_socket_get_fd(genl->commands), header, header->nlmsg_len, 0) < 0)
		return -errno;
	while (!exchange->done) {
		n = receive(genl->commands, genl->buffer, 0);
		if (n < 0)
			return (int)n;
		if (!take_all(exchange, genl->buffer, (int)n) && stale++ == STALE_MAX)
			return -EBADMSG;
	}
	return exchange->outcome;
}

static int run(struct qos_genl *genl, struct nl_msg *message, int flags, struct exchange *exchange)
{
	bool there = genl->id || nlmsg_hdr(message)->nlmsg_type == GENL_ID_CTRL;
	int r;

	nlmsg_hdr(message)->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	r = there ? transact(genl, message, exchange) : -ENODEV;
	nlmsg_free(message);
	return r;
}

static int no_message(const struct qos_genl *genl)
{
	return genl->id ? -ENOMEM : -ENODEV;
}

struct nl_msg *qos_genl_message(struct qos_genl *genl, uint8_t cmd)
{
	struct nl_msg *message = genl->id ? nlmsg_alloc_size(BUFFER_SIZE) : NULL;

	if (message && genlmsg_put(message, 0, 0, genl->id, 0, 0, cmd, FAMILY_VERSION))
		return message;
	nlmsg_free(message);
	return NULL;
}

int qos_genl_call(struct qos_genl *genl, struct nl_msg *message, qos_genl_handle_fn handle,
		  void *data, struct qos_diag *diag)
{
	struct exchange exchange = {.handle = handle, .data = data, .diag = diag};
	int r = message ? run(genl, message, NLM_F_ACK, &exchange) : no_message(genl);

	if (r < 0 && !exchange.done)
		complain(diag, NULL, -r);
	return r;
}

int qos_genl_dump(struct qos_genl *genl, struct nl_msg *message, qos_genl_handle_fn handle,
		  void *data)
{
	struct exchange exchange = {.handle = handle, .data = data};
	int r = message ? run(genl, message, NLM_F_DUMP, &exchange) : no_message(genl);

	return r == 0 && exchange.interrupted ? -EINTR : r;
}

/* --- is the family there? --- */

struct found {
	uint16_t id;
	const struct nlattr *groups;
	int (*each)(void *data, const char *name, uint32_t id);
	void *data;
};

static int take_groups(struct found *found)
{
	struct nlattr *attr, *group[CTRL_ATTR_MCAST_GRP_MAX + 1];
	int remaining, r = 0;

	nla_for_each_nested(attr, (struct nlattr *)found->groups, remaining)
	{
		if (nla_parse_nested(group, CTRL_ATTR_MCAST_GRP_MAX, attr, NULL) < 0 ||
		    !group[CTRL_ATTR_MCAST_GRP_NAME] || !group[CTRL_ATTR_MCAST_GRP_ID] ||
		    nla_len(group[CTRL_ATTR_MCAST_GRP_ID]) != sizeof(uint32_t))
			return -EBADMSG;
		if (r == 0)
			r = found->each(found->data,
					nla_get_string(group[CTRL_ATTR_MCAST_GRP_NAME]),
					nla_get_u32(group[CTRL_ATTR_MCAST_GRP_ID]));
	}
	return r;
}

static int take_family(void *data, const struct nlmsghdr *message)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];
	struct found *found = data;

	if (genlmsg_parse((struct nlmsghdr *)message, 0, attrs, CTRL_ATTR_MAX, NULL) < 0 ||
	    !attrs[CTRL_ATTR_FAMILY_ID] || nla_len(attrs[CTRL_ATTR_FAMILY_ID]) != sizeof(uint16_t))
		return -EBADMSG;
	found->id = nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	found->groups = attrs[CTRL_ATTR_MCAST_GROUPS];
	return found->groups ? take_groups(found) : 0;
}

static int find_family(struct qos_genl *genl, const char *name, struct found *found)
{
	struct nl_msg *message = nlmsg_alloc();
	struct exchange exchange = {.handle = take_family, .data = found};

	if (message &&
	    genlmsg_put(message, 0, 0, GENL_ID_CTRL, 0, 0, CTRL_CMD_GETFAMILY, FAMILY_VERSION) &&
	    nla_put_string(message, CTRL_ATTR_FAMILY_NAME, name) == 0)
		return run(genl, message, NLM_F_ACK, &exchange);
	nlmsg_free(message);
	return -ENOMEM;
}

static int join(struct qos_genl *genl, uint32_t group)
{
	return setsockopt(nl_socket_get_fd(genl->ears), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
			  sizeof(group)) < 0
		       ? -errno
		       : 0;
}

static int join_if_wanted(void *data, const char *name, uint32_t id)
{
	struct qos_genl *genl = data;

	for (const char *const *wanted = genl->groups; *wanted; wanted++) {
		if (!strcmp(*wanted, name))
			return join(genl, id);
	}
	return 0;
}

static int join_control(void *data, const char *name, uint32_t id)
{
	return strcmp(name, CONTROL_GROUP) ? 0 : join(data, id);
}

/* 0, also if it is not there. */
static int look(struct qos_genl *genl)
{
	struct found found = {.each = join_if_wanted, .data = genl};
	int r = find_family(genl, genl->family, &found);

	genl->id = r == 0 ? found.id : 0;
	return r == -ENOENT ? 0 : r;
}

bool qos_genl_is_there(const struct qos_genl *genl)
{
	return genl->id;
}

/* --- multicast --- */

/* Is it about our family's coming or going? */
static bool concerns_us(const struct qos_genl *genl, const struct nlmsghdr *message)
{
	const struct genlmsghdr *header = nlmsg_data(message);
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];

	if (!genlmsg_valid_hdr((struct nlmsghdr *)message, 0) ||
	    (header->cmd != CTRL_CMD_NEWFAMILY && header->cmd != CTRL_CMD_DELFAMILY) ||
	    genlmsg_parse((struct nlmsghdr *)message, 0, attrs, CTRL_ATTR_MAX, NULL) < 0)
		return false;
	return attrs[CTRL_ATTR_FAMILY_NAME] &&
	       !nla_strcmp(attrs[CTRL_ATTR_FAMILY_NAME], genl->family);
}

/* It may have gone and come within one look: it is then another one, and told as such. */
static void on_control(struct qos_genl *genl, const struct nlmsghdr *message,
		       const struct qos_genl_ears *ears, void *data)
{
	const struct genlmsghdr *header = nlmsg_data(message);
	bool was_there = genl->id;

	if (!concerns_us(genl, message))
		return;
	if (header->cmd == CTRL_CMD_DELFAMILY)
		genl->id = 0;
	else
		look(genl);
	if (was_there)
		ears->presence(data, false);
	if (genl->id)
		ears->presence(data, true);
}

static void on_lost(struct qos_genl *genl, const struct qos_genl_ears *ears, void *data)
{
	uint16_t before = genl->id;

	look(genl);
	if (before && before != genl->id)
		ears->presence(data, false);
	if (genl->id && before != genl->id)
		ears->presence(data, true);
	else if (genl->id)
		ears->lost(data);
}

/* The command socket's buffer is used by what the ears ask for meanwhile. */
static int hear(struct qos_genl *genl, uint8_t *buffer, const struct qos_genl_ears *ears,
		void *data)
{
	ssize_t n = receive(genl->ears, buffer, MSG_DONTWAIT);
	int len = (int)n;

	if (n == -EAGAIN)
		return 0;
	if (n == -ENOBUFS || n == -EMSGSIZE) {
		on_lost(genl, ears, data);
		return 1;
	}
	if (n < 0)
		return (int)n;
	for (const struct nlmsghdr *message = (const void *)buffer; nlmsg_ok(message, len);
	     message = nlmsg_next((struct nlmsghdr *)message, &len)) {
		if (message->nlmsg_type == GENL_ID_CTRL)
			on_control(genl, message, ears, data);
		else if (message->nlmsg_type == genl->id)
			ears->message(data, message);
	}
	return 1;
}

int qos_genl_fd(const struct qos_genl *genl)
{
	return nl_socket_get_fd(genl->ears);
}

int qos_genl_dispatch(struct qos_genl *genl, const struct qos_genl_ears *ears, void *data)
{
	_cleanup_free_ uint8_t *buffer = malloc(BUFFER_SIZE);
	int r = buffer ? 1 : -ENOMEM, n = 0;

	while (r > 0 && n < QOS_GENL_DISPATCH_MAX) {
		r = hear(genl, buffer, ears, data);
		n += r > 0;
	}
	return r < 0 ? r : n;
}

/* --- sockets --- */

static int connect_socket(struct nl_sock **ret)
{
	struct nl_sock *sock = nl_socket_alloc();

	*ret = sock;
	if (!sock)
		return -ENOMEM;
	errno = 0;
	if (genl_connect(sock) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

static int set_option(struct nl_sock *sock, int level, int option, const void *value,
		      socklen_t size)
{
	return setsockopt(nl_socket_get_fd(sock), level, option, value, size) < 0 ? -errno : 0;
}

/* More than net.core.rmem_max needs CAP_NET_ADMIN; who lacks it hears of losses more often. */
static void widen(struct nl_sock *sock)
{
	const int size = GROUPS_BUFFER;

	if (set_option(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		set_option(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int open_sockets(struct qos_genl *genl)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const int on = 1;
	int r;

	r = connect_socket(&genl->commands);
	if (r == 0)
		r = connect_socket(&genl->ears);
	if (r == 0)
		r = set_option(genl->commands, SOL_SOCKET, SO_RCVTIMEO, &patience,
			       sizeof(patience));
	if (r == 0)
		r = set_option(genl->commands, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	if (r == 0)
		r = set_option(genl->commands, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	if (r == 0)
		r = set_option(genl->commands, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
			       sizeof(on));
	if (r < 0)
		return r;
	genl->port = nl_socket_get_local_port(genl->commands);
	widen(genl->ears);
	return 0;
}

int qos_genl_new(const char *family, const char *const *groups, struct qos_genl **ret)
{
	_cleanup_genl_ struct qos_genl *genl = calloc(1, sizeof(*genl));
	struct found control = {.each = join_control};
	int r;

	if (!genl)
		return -ENOMEM;
	genl->family = family;
	genl->groups = groups;
	r = open_sockets(genl);
	control.data = genl;
	if (r == 0)
		r = find_family(genl, CONTROL, &control);
	/* from here on its coming is told, so nothing is missed by looking now */
	if (r == 0)
		r = look(genl);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(genl);
	return 0;
}

void qos_genl_free(struct qos_genl *genl)
{
	if (!genl)
		return;
	nl_socket_free(genl->commands);
	nl_socket_free(genl->ears);
	free(genl);
}
