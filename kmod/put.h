/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is, as netlink attributes: see put.c. */
#pragma once

#include "qos.h"

extern struct genl_family qos_family; /* genl.c */

struct genl_info;

/* Answers with one object; `put` is one of the functions below. 0 or -errno. */
int qos_genl_reply(struct genl_info *info, u8 cmd,
		   int (*put)(struct sk_buff *skb, const void *object), const void *object);

/* All attribute spaces have their padding at the same number. */
#define QOS_PUT_PAD QOS_DWCS_INFO_A_PAD

/* The object is of the type in the name; qos_genl_reply() and dump_one() take any of them. */
int qos_put_info(struct sk_buff *skb, const void *unused);
int qos_put_cpu(struct sk_buff *skb, const void *object);
int qos_put_contract(struct sk_buff *skb, const void *object);
int qos_put_stream(struct sk_buff *skb, const void *object);
int qos_put_thread(struct sk_buff *skb, const void *object);
int qos_put_event(struct sk_buff *skb, const struct qos_event *event, u32 seq);
int qos_put_rules(struct sk_buff *skb, const struct qos_contract *contract);
