// SPDX-License-Identifier: GPL-2.0-only
/*
 * The family while it is there, and what goes to its multicast groups. Sent under qos_mutex, by the
 * worker mostly; a message that finds no memory is lost, and its number shows that.
 */
#include <net/genetlink.h>

#include "put.h"

static bool registered;

int qos_genl_register(void)
{
	int error = genl_register_family(&qos_family);

	WRITE_ONCE(registered, !error);
	return error;
}

/* The group numbers may be somebody else's from then on. */
void qos_genl_unregister(void)
{
	mutex_lock(&qos_mutex);
	WRITE_ONCE(registered, false);
	mutex_unlock(&qos_mutex);
	genl_unregister_family(&qos_family);
}

static bool has_listeners(enum qos_group group)
{
	return registered && genl_has_listeners(&qos_family, &init_net, group);
}

/* qos_mutex. */
void qos_genl_send_event(const struct qos_event *event)
{
	static u32 seq;
	struct sk_buff *skb;
	void *header;

	seq++;
	if (!has_listeners(QOS_GROUP_EVENTS))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	header = skb ? genlmsg_put(skb, 0, 0, &qos_family, 0, QOS_DWCS_CMD_EVENT) : NULL;
	if (!header || qos_put_event(skb, event, seq)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&qos_family, skb, 0, QOS_GROUP_EVENTS, GFP_KERNEL);
}

static void send_stream(const struct qos_stream *stream, u32 seq)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE * 3, GFP_KERNEL);
	void *header = skb ? genlmsg_put(skb, 0, 0, &qos_family, 0, QOS_DWCS_CMD_TELEMETRY) : NULL;

	if (!header || qos_put_stream(skb, stream) ||
	    nla_put_u32(skb, QOS_DWCS_STREAM_A_SEQ, seq)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, header);
	genlmsg_multicast(&qos_family, skb, 0, QOS_GROUP_TELEMETRY, GFP_KERNEL);
}

/* qos_mutex. */
void qos_genl_send_telemetry(void)
{
	const struct qos_stream *stream;
	static u32 seq;

	if (!has_listeners(QOS_GROUP_TELEMETRY))
		return;
	list_for_each_entry(stream, &qos_streams, in_all)
		send_stream(stream, ++seq);
}
