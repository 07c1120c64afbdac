// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which class of its link a packet belongs to, on clsact's egress: tuple space search (Srinivasan, Suri,
 * Varghese: SIGCOMM 1999). Each shape is one look-up in a hash table with the packet's own values of the
 * shape's fields, so the cost grows with the number of different shapes in use, of which there are few,
 * and not with the number of contracts.
 *
 * The class goes into skb->priority, which qdiscs with classes look at first. A packet that comes with a
 * priority in our range (SO_PRIORITY by somebody privileged enough) but belongs to no flow loses it: a
 * class is had by contract only.
 *
 * Weakness: behind IPv6 extension headers, and in fragments behind the first, ports are not found; such
 * packets match by the other fields only.
 */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "inline.bpf.h"
#include "qos_classify_abi.h"

#define ETH_P_IP      0x0800
#define ETH_P_IPV6    0x86dd
#define ETH_P_VLAN    0x8100
#define ETH_P_QINQ    0x88a8
#define FRAG_MASK     0x1fff
#define V4_MAPPED     0xffff
#define TC_ACT_UNSPEC (-1) /* other filters go on */

const volatile __u32 major; /* of our classes: the upper half of a priority */

/* order[0..n_shapes) are indices of shapes, the narrowest first. A shape keeps its index while it is in
 * use, so flows can be exchanged under traffic. */
__u32 n_shapes;
__u8 order[QOS_SHAPES_MAX];
struct qos_flow_shape shapes[QOS_SHAPES_MAX];

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * QOS_FLOWS_MAX); /* old and new ones, while they are exchanged */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct qos_flow_key);
	__type(value, struct qos_flow_class);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct qos_classify_counts);
} counts SEC(".maps");

/* What a packet says of itself. */
struct packet {
	__u32 dst[4];
	__u32 l3_offset;
	__u16 sport;
	__u16 dport;
	__u8 proto;
	__u8 dscp;
	__u8 version; /* 4, 6, 0: neither */
};

struct ports {
	__be16 source;
	__be16 dest;
};

static __always_inline bool has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;
}

static __always_inline int read_ports(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct ports ports;

	if (!has_ports(packet->proto))
		return 0;
	if (bpf_skb_load_bytes(skb, offset, &ports, sizeof(ports)) < 0)
		return -1;
	packet->sport = bpf_ntohs(ports.source);
	packet->dport = bpf_ntohs(ports.dest);
	return 0;
}

static __always_inline int read_v4(struct __sk_buff *skb, struct packet *packet)
{
	__u8 head[20];

	if (bpf_skb_load_bytes(skb, packet->l3_offset, head, sizeof(head)) < 0)
		return -1;
	packet->version = 4;
	packet->dscp = head[1] >> 2;
	packet->proto = head[9];
	packet->dst[2] = bpf_htonl(V4_MAPPED);
	__builtin_memcpy(&packet->dst[3], head + 16, 4);
	if (((head[6] << 8) | head[7]) & FRAG_MASK)
		return 0;
	return read_ports(skb, packet->l3_offset + (head[0] & 0xf) * 4, packet);
}

static __always_inline int read_v6(struct __sk_buff *skb, struct packet *packet)
{
	__u8 head[40];

	if (bpf_skb_load_bytes(skb, packet->l3_offset, head, sizeof(head)) < 0)
		return -1;
	packet->version = 6;
	packet->dscp = (__u8)(((head[0] & 0xf) << 2) | (head[1] >> 6));
	packet->proto = head[6];
	__builtin_memcpy(packet->dst, head + 24, 16);
	return read_ports(skb, packet->l3_offset + sizeof(head), packet);
}

/* A VLAN tag may stand in the packet, or beside it (then skb->protocol is what is inside). */
static __always_inline int read_packet(struct __sk_buff *skb, struct packet *packet)
{
	__be16 type = (__be16)skb->protocol;

	packet->l3_offset = sizeof(struct ethhdr);
	for (int i = 0; i < 2; i++) {
		if (type != bpf_htons(ETH_P_VLAN) && type != bpf_htons(ETH_P_QINQ))
			break;
		if (bpf_skb_load_bytes(skb, packet->l3_offset + 2, &type, sizeof(type)) < 0)
			return -1;
		packet->l3_offset += 4;
	}
	if (type == bpf_htons(ETH_P_IP))
		return read_v4(skb, packet);
	if (type == bpf_htons(ETH_P_IPV6))
		return read_v6(skb, packet);
	return 0;
}

/* The first `bits` of an address; word by word, since a shift by 32 is none. */
static __always_inline void mask(__u32 *to, const __u32 *from, __u32 bits)
{
	for (int i = 0; i < 4; i++) {
		__u32 own = bits >= 32 ? 32 : bits;

		to[i] = own ? from[i] & bpf_htonl(~0U << (32 - own)) : 0;
		bits -= own;
	}
}

/* What the packet has of the fields of key->shape. 0: it has not all of them. */
int qos_make_key(struct __sk_buff *skb, const struct packet *packet, struct qos_flow_key *key);
QOS_GLOBAL int qos_make_key(struct __sk_buff *skb, const struct packet *packet,
			    struct qos_flow_key *key)
{
	const struct qos_flow_shape *shape;
	__u32 fields;

	if (!packet || !key)
		return 0;
	shape = &shapes[key->shape % QOS_SHAPES_MAX];
	fields = shape->fields;
	key->ifindex = skb->ifindex;
	if (fields & QOS_FLOW_CGROUP) {
		key->cgroup = bpf_skb_ancestor_cgroup_id(skb, (int)shape->cgroup_level);
		if (!key->cgroup)
			return 0;
	}
	if (fields & QOS_FLOW_DST)
		mask(key->dst, packet->dst, shape->prefix);
	if (fields & QOS_FLOW_MARK)
		key->mark = skb->mark;
	if (fields & QOS_FLOW_SPORT)
		key->sport = packet->sport;
	if (fields & QOS_FLOW_DPORT)
		key->dport = packet->dport;
	if (fields & QOS_FLOW_PROTO)
		key->proto = packet->proto;
	if (fields & QOS_FLOW_DSCP)
		key->dscp = packet->dscp;
	return packet->version || !(fields & ~(QOS_FLOW_CGROUP | QOS_FLOW_MARK));
}

static __always_inline struct qos_flow_class *find(struct __sk_buff *skb,
						   const struct packet *packet)
{
	for (__u32 i = 0; i < QOS_SHAPES_MAX && i < n_shapes; i++) {
		struct qos_flow_key key = {.shape = order[i]};
		struct qos_flow_class *class;

		if (!qos_make_key(skb, packet, &key))
			continue;
		class = bpf_map_lookup_elem(&flows, &key);
		if (class)
			return class;
	}
	return NULL;
}

static __always_inline void write_dscp(struct __sk_buff *skb, const struct packet *packet,
				       __u8 dscp)
{
	__u32 at = packet->l3_offset;
	__u8 old[2], new[2];

	if (bpf_skb_load_bytes(skb, at, old, sizeof(old)) < 0)
		return;
	new[0] = old[0];
	new[1] = old[1];
	if (packet->version == 4) {
		new[1] = (__u8)((dscp << 2) | (old[1] & 3));
		bpf_l3_csum_replace(skb, at + 10, bpf_htons(old[0] << 8 | old[1]),
				    bpf_htons(new[0] << 8 | new[1]), 2);
	} else {
		new[0] = (__u8)((old[0] & 0xf0) | (dscp >> 2));
		new[1] = (__u8)((dscp << 6) | (old[1] & 0x3f));
	}
	bpf_skb_store_bytes(skb, at, new, sizeof(new), 0);
}

SEC("tc")
int classify(struct __sk_buff *skb)
{
	struct packet packet = {};
	struct qos_flow_class *class;
	struct qos_classify_counts *count;
	__u32 zero = 0;

	count = bpf_map_lookup_elem(&counts, &zero);
	if (!count)
		return TC_ACT_UNSPEC;
	count->packets++;
	if (read_packet(skb, &packet) < 0)
		count->truncated++;
	class = find(skb, &packet);
	if (class) {
		__s32 dscp = class->dscp;

		skb->priority = class->priority;
		count->classified++;
		if (dscp >= 0 && packet.version)
			write_dscp(skb, &packet, (__u8)dscp);
	} else if (skb->priority >> 16 == major) {
		skb->priority = 0;
		count->cleared++;
	}
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
