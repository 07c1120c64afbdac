/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two sockets (kern/netlink.h). On one, commands. On the other, multicast: of nlctrl, which tells that
 * families come and go, and of the family's own groups. It is never waited for.
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

#define CALL	       "genl(qos_dwcs)"
#define CONTROL	       "nlctrl"
#define CONTROL_GROUP  "notify"
#define FAMILY_VERSION 1

struct qos_genl {
	const char *family;
	const char *const *groups;
	struct qos_netlink *commands;
	struct nl_sock *ears;
	uint16_t id; /* 0: not there */
};

/* --- requests --- */

static int run(struct qos_genl *genl, struct nl_msg *message, int flags,
	       qos_netlink_handle_fn handle, void *data, struct qos_diag *diag)
{
	int r = genl->id ? -ENOMEM : -ENODEV;

	if (message && (genl->id || nlmsg_hdr(message)->nlmsg_type == GENL_ID_CTRL))
		return qos_netlink_call(genl->commands, message, flags, handle, data, diag);
	nlmsg_free(message);
	qos_netlink_complain(diag, CALL, NULL, -r);
	return r;
}

struct nl_msg *qos_genl_message(struct qos_genl *genl, uint8_t cmd)
{
	struct nl_msg *message = genl->id ? nlmsg_alloc_size(QOS_NETLINK_BUFFER) : NULL;

	if (message && genlmsg_put(message, 0, 0, genl->id, 0, 0, cmd, FAMILY_VERSION))
		return message;
	nlmsg_free(message);
	return NULL;
}

int qos_genl_call(struct qos_genl *genl, struct nl_msg *message, qos_netlink_handle_fn handle,
		  void *data, struct qos_diag *diag)
{
	return run(genl, message, NLM_F_ACK, handle, data, diag);
}

int qos_genl_dump(struct qos_genl *genl, struct nl_msg *message, qos_netlink_handle_fn handle,
		  void *data)
{
	return run(genl, message, NLM_F_DUMP, handle, data, NULL);
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

	if (message &&
	    genlmsg_put(message, 0, 0, GENL_ID_CTRL, 0, 0, CTRL_CMD_GETFAMILY, FAMILY_VERSION) &&
	    nla_put_string(message, CTRL_ATTR_FAMILY_NAME, name) == 0)
		return run(genl, message, NLM_F_ACK, take_family, found, NULL);
	nlmsg_free(message);
	return -ENOMEM;
}

static int join_if_wanted(void *data, const char *name, uint32_t id)
{
	struct qos_genl *genl = data;

	for (const char *const *wanted = genl->groups; *wanted; wanted++) {
		if (!strcmp(*wanted, name))
			return qos_netlink_join(genl->ears, id);
	}
	return 0;
}

static int join_control(void *data, const char *name, uint32_t id)
{
	const struct qos_genl *genl = data;

	return strcmp(name, CONTROL_GROUP) ? 0 : qos_netlink_join(genl->ears, id);
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
	ssize_t n = qos_netlink_hear(genl->ears, buffer);
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
	_cleanup_free_ uint8_t *buffer = malloc(QOS_NETLINK_BUFFER);
	int r = buffer ? 1 : -ENOMEM, n = 0;

	while (r > 0 && n < QOS_GENL_DISPATCH_MAX) {
		r = hear(genl, buffer, ears, data);
		n += r > 0;
	}
	return r < 0 ? r : n;
}

/* --- sockets --- */

int qos_genl_new(const char *family, const char *const *groups, struct qos_genl **ret)
{
	_cleanup_genl_ struct qos_genl *genl = calloc(1, sizeof(*genl));
	struct found control = {.each = join_control};
	int r;

	if (!genl)
		return -ENOMEM;
	genl->family = family;
	genl->groups = groups;
	r = qos_netlink_new(NETLINK_GENERIC, CALL, &genl->commands);
	if (r == 0)
		r = qos_netlink_ears_new(NETLINK_GENERIC, &genl->ears);
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
	qos_netlink_free(genl->commands);
	nl_socket_free(genl->ears);
	free(genl);
}
