/* SPDX-License-Identifier: GPL-2.0-only */
/* What the classifier of packets (classify.bpf.c) and the daemon share. Includes nothing. */
#pragma once

#define QOS_SHAPES_MAX 32
#define QOS_FLOWS_MAX  16384

/* Fields that count; the others are 0 in the key. */
#define QOS_FLOW_CGROUP (1U << 0)
#define QOS_FLOW_PROTO	(1U << 1)
#define QOS_FLOW_SPORT	(1U << 2)
#define QOS_FLOW_DPORT	(1U << 3)
#define QOS_FLOW_DST	(1U << 4)
#define QOS_FLOW_DSCP	(1U << 5)
#define QOS_FLOW_MARK	(1U << 6)

struct qos_flow_shape {
	__u32 fields;
	__u32 cgroup_level; /* QOS_FLOW_CGROUP: of the ancestor that is compared, 1: below the root */
	__u32 prefix;	    /* QOS_FLOW_DST: bits; IPv4 addresses as ::ffff:a.b.c.d, so 96 more */
	__u32 pad;
};

/* All zero where a field does not count. Ports in host byte order. */
struct qos_flow_key {
	__u64 cgroup;
	__u32 dst[4]; /* network byte order */
	__u32 ifindex;
	__u32 mark;
	__u16 sport;
	__u16 dport;
	__u8 proto;
	__u8 dscp;
	__u8 shape; /* its index: two shapes never share a key */
	__u8 pad;
};

struct qos_flow_class {
	__u32 priority; /* skb->priority: MAJOR:minor */
	__s32 dscp;	/* to be written, -1: leave it */
};

/* Per CPU. */
struct qos_classify_counts {
	__u64 packets;
	__u64 classified;
	__u64 cleared;	 /* priorities that claimed a class without being of its flow */
	__u64 truncated; /* headers that could not be read */
};
