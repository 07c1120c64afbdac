// SPDX-License-Identifier: GPL-2.0-only
/*
 * When each RTP packet to port 5004 was handed to the queue of a device, and when it came out at the other end
 * of the link. Before any other classifier of clsact.
 */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PORT	 5004
#define ETH_IP	 0x0800
#define AT_PROTO 14
#define AT_DPORT 36 /* IPv4 without options */
#define AT_SEQ	 44

__u64 sent_ns[65536]; /* by RTP's sequence number; 0: not seen */
__u64 come_ns[65536];

/* -1: another packet. */
static __always_inline int sequence(struct __sk_buff *skb)
{
	__u8 protocol;
	__be16 word;

	if (skb->protocol != bpf_htons(ETH_IP) ||
	    bpf_skb_load_bytes(skb, AT_PROTO + 9, &protocol, sizeof(protocol)) ||
	    protocol != IPPROTO_UDP || bpf_skb_load_bytes(skb, AT_DPORT, &word, sizeof(word)) ||
	    word != bpf_htons(PORT) || bpf_skb_load_bytes(skb, AT_SEQ, &word, sizeof(word)))
		return -1;
	return bpf_ntohs(word);
}

static __always_inline int note(struct __sk_buff *skb, __u64 *times)
{
	int seq = sequence(skb);

	if (seq >= 0)
		times[seq & 65535] = bpf_ktime_get_ns();
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sent(struct __sk_buff *skb)
{
	return note(skb, sent_ns);
}

SEC("tc")
int come(struct __sk_buff *skb)
{
	return note(skb, come_ns);
}

char _license[] SEC("license") = "GPL";
