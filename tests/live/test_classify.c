/* SPDX-License-Identifier: GPL-2.0-only */
/* The classifier in this kernel, run on packets made by hand (BPF_PROG_TEST_RUN), on the loopback device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kern/classify.h"

#define LOOPBACK 1
#define MINE	 (QOS_TC_HANDLE | 0x42)
#define OTHER	 (QOS_TC_HANDLE | 0x43)

struct frame {
	uint8_t bytes[256];
	uint32_t len;
};

static void put(struct frame *frame, const void *bytes, uint32_t len)
{
	memcpy(frame->bytes + frame->len, bytes, len);
	frame->len += len;
}

static void put16(struct frame *frame, uint16_t value)
{
	uint16_t wire = htons(value);

	put(frame, &wire, sizeof(wire));
}

/* What a packet is to say; 0 where nothing is asked for. */
struct packet {
	bool v6;
	unsigned int tags;
	bool fragment; /* not the first */
	const char *dst;
	uint8_t dscp;
	uint8_t proto;
	uint16_t sport;
	uint16_t dport;
	uint32_t mark;
	uint32_t priority;
};

static uint16_t checksum(const uint8_t *head)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(head[i] << 8 | head[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_v4(struct frame *frame, const struct packet *packet)
{
	uint8_t head[20] = {0x45, (uint8_t)(packet->dscp << 2), 0, 60};
	uint16_t sum;

	head[6] = 0;
	head[7] = packet->fragment ? 8 : 0;
	head[8] = 64;
	head[9] = packet->proto;
	assert_int_equal(inet_pton(AF_INET, packet->dst, head + 16), 1);
	sum = htons(checksum(head));
	memcpy(head + 10, &sum, 2);
	put(frame, head, sizeof(head));
}

static void put_v6(struct frame *frame, const struct packet *packet)
{
	uint8_t head[40] = {(uint8_t)(0x60 | packet->dscp >> 2), (uint8_t)(packet->dscp << 6)};

	head[6] = packet->proto;
	head[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, packet->dst, head + 24), 1);
	put(frame, head, sizeof(head));
}

static struct frame frame_of(const struct packet *packet)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	struct frame frame = {};

	put(&frame, macs, sizeof(macs));
	for (unsigned int i = 0; i < packet->tags; i++) {
		put16(&frame, i + 1 < packet->tags ? 0x88a8 : 0x8100);
		put16(&frame, 100);
	}
	put16(&frame, packet->v6 ? 0x86dd : 0x0800);
	if (packet->v6)
		put_v6(&frame, packet);
	else
		put_v4(&frame, packet);
	put16(&frame, packet->sport);
	put16(&frame, packet->dport);
	frame.len += 32;
	return frame;
}

/* The priority that comes out; the packet itself into *ret. */
static uint32_t run(const struct qos_classify *classify, const struct packet *packet,
		    struct frame *ret)
{
	struct frame in = frame_of(packet), out = {};
	struct __sk_buff context = {
		.mark = packet->mark, .priority = packet->priority, .ifindex = LOOPBACK};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in.bytes, .data_size_in = in.len,
		    .data_out = out.bytes, .data_size_out = sizeof(out.bytes), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(qos_classify_fd(classify), &options), 0);
	assert_int_equal((int)options.retval, -1);
	out.len = options.data_size_out;
	if (ret)
		*ret = out;
	return context.priority;
}

static int setup(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;

	if (qos_classify_new(&diag, (struct qos_classify **)state) < 0) {
		qos_diag_print(&diag, stderr);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	qos_classify_free(*state);
	return 0;
}

static const struct packet rtp = {
	.dst = "192.0.2.7", .dscp = 46, .proto = 17, .sport = 4000, .dport = 5004, .mark = 7};

static struct qos_classify_flow flow(uint32_t fields, uint32_t priority)
{
	return (struct qos_classify_flow){.shape.fields = fields,
					  .key = {.ifindex = LOOPBACK,
						  .proto = fields & QOS_FLOW_PROTO ? 17 : 0,
						  .sport = fields & QOS_FLOW_SPORT ? 4000 : 0,
						  .dport = fields & QOS_FLOW_DPORT ? 5004 : 0,
						  .dscp = fields & QOS_FLOW_DSCP ? 46 : 0,
						  .mark = fields & QOS_FLOW_MARK ? 7 : 0},
					  .class = {.priority = priority, .dscp = -1}};
}

/* Each field by itself: the packet that has it is found, one that differs in it is not. */
static void each_field(void **state)
{
	static const uint32_t fields[] = {QOS_FLOW_PROTO, QOS_FLOW_SPORT, QOS_FLOW_DPORT,
					  QOS_FLOW_DSCP, QOS_FLOW_MARK};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(fields); i++) {
		struct qos_classify_flow one = flow(fields[i], MINE);
		struct packet other = rtp;

		other.proto = fields[i] & QOS_FLOW_PROTO ? 6 : 17;
		other.sport += !!(fields[i] & QOS_FLOW_SPORT);
		other.dport += !!(fields[i] & QOS_FLOW_DPORT);
		other.dscp += !!(fields[i] & QOS_FLOW_DSCP);
		other.mark += !!(fields[i] & QOS_FLOW_MARK);
		assert_int_equal(qos_classify_set(*state, &one, 1), 0);
		assert_int_equal(run(*state, &rtp, NULL), MINE);
		assert_int_equal(run(*state, &other, NULL), 0);
		one.key.ifindex = LOOPBACK + 1;
		assert_int_equal(qos_classify_set(*state, &one, 1), 0);
		assert_int_equal(run(*state, &rtp, NULL), 0);
	}
}

static void tags_and_versions(void **state)
{
	const struct qos_classify_flow one = flow(QOS_FLOW_PROTO | QOS_FLOW_DPORT, MINE);

	assert_int_equal(qos_classify_set(*state, &one, 1), 0);
	for (unsigned int tags = 0; tags <= 2; tags++) {
		struct packet packet = rtp;

		packet.tags = tags;
		assert_int_equal(run(*state, &packet, NULL), MINE);
		packet.v6 = true;
		packet.dst = "2001:db8::7";
		assert_int_equal(run(*state, &packet, NULL), MINE);
		packet.dport = 5005;
		assert_int_equal(run(*state, &packet, NULL), 0);
	}
}

static void fragments_have_no_ports(void **state)
{
	const struct qos_classify_flow flows[] = {flow(QOS_FLOW_DPORT, MINE),
						  flow(QOS_FLOW_PROTO, OTHER)};
	struct packet packet = rtp;

	packet.fragment = true;
	assert_int_equal(qos_classify_set(*state, flows, 2), 0);
	assert_int_equal(run(*state, &packet, NULL), OTHER);
}

static struct qos_classify_flow to(const char *address, uint32_t prefix, uint32_t priority)
{
	struct qos_classify_flow one = flow(QOS_FLOW_DST, priority);
	bool v6 = strchr(address, ':');

	if (!v6)
		one.key.dst[2] = htonl(0xffff);
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, &one.key.dst[v6 ? 0 : 3]), 1);
	one.shape.prefix = v6 ? prefix : prefix + 96;
	return one;
}

static void longest_prefix(void **state)
{
	const struct qos_classify_flow flows[] = {to("192.0.2.0", 24, 1), to("192.0.2.7", 32, 2),
						  to("192.0.0.0", 17, 3), to("2001:db8::", 33, 4),
						  to("2001:db8:8000::", 33, 5)};
	static const struct {
		const char *dst;
		uint32_t expected;
	} cases[] = {{"192.0.2.8", 1},	 {"192.0.2.7", 2},	  {"192.0.127.1", 3},
		     {"192.0.128.1", 0}, {"2001:db8:7fff::1", 4}, {"2001:db8:8000::1", 5},
		     {"2001:db9::1", 0}};

	assert_int_equal(qos_classify_set(*state, flows, QOS_ARRAY_SIZE(flows)), 0);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct packet packet = rtp;

		packet.dst = cases[i].dst;
		packet.v6 = strchr(packet.dst, ':');
		assert_int_equal(run(*state, &packet, NULL), cases[i].expected);
	}
}

static void the_narrower_one(void **state)
{
	const struct qos_classify_flow flows[] = {flow(QOS_FLOW_PROTO, OTHER),
						  flow(QOS_FLOW_PROTO | QOS_FLOW_DPORT, MINE)};
	struct packet packet = rtp;

	assert_int_equal(qos_classify_set(*state, flows, 2), 0);
	assert_int_equal(run(*state, &packet, NULL), MINE);
	packet.dport = 1;
	assert_int_equal(run(*state, &packet, NULL), OTHER);
	assert_int_equal(qos_classify_set(*state, flows, 1), 0);
	assert_int_equal(run(*state, &rtp, NULL), OTHER);
	assert_int_equal(qos_classify_set(*state, NULL, 0), 0);
	assert_int_equal(run(*state, &rtp, NULL), 0);
}

/* A class is had by contract only; other priorities are left alone. */
static void priorities_of_others(void **state)
{
	struct packet packet = rtp;

	assert_int_equal(qos_classify_set(*state, NULL, 0), 0);
	packet.priority = MINE;
	assert_int_equal(run(*state, &packet, NULL), 0);
	packet.priority = 6;
	assert_int_equal(run(*state, &packet, NULL), 6);
	packet.priority = 0x10042;
	assert_int_equal(run(*state, &packet, NULL), 0x10042);
}

static void a_dscp_is_written(void **state)
{
	struct qos_classify_flow one = flow(QOS_FLOW_DPORT, MINE);
	struct packet packet = rtp, expected;
	struct frame got, want;

	one.class.dscp = 34;
	assert_int_equal(qos_classify_set(*state, &one, 1), 0);
	for (int v6 = 0; v6 < 2; v6++) {
		packet.v6 = v6;
		packet.dst = v6 ? "2001:db8::7" : "192.0.2.7";
		expected = packet;
		expected.dscp = 34;
		run(*state, &packet, &got);
		want = frame_of(&expected);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.bytes, want.bytes, want.len); /* checksum included */
	}
}

/* As many flows as there may be cost what one does; more shapes than there may be are refused whole. */
static void many(void **state)
{
	_cleanup_free_ struct qos_classify_flow *flows = calloc(QOS_FLOWS_MAX + 1, sizeof(*flows));

	assert_non_null(flows);
	for (uint32_t i = 0; i <= QOS_FLOWS_MAX; i++) {
		flows[i] = flow(QOS_FLOW_MARK, QOS_TC_HANDLE | (i & 0x7fff));
		flows[i].key.mark = i;
	}
	assert_int_equal(qos_classify_set(*state, flows, QOS_FLOWS_MAX), 0);
	assert_int_equal(run(*state, &rtp, NULL), QOS_TC_HANDLE | 7);
	assert_int_equal(qos_classify_set(*state, flows, QOS_FLOWS_MAX + 1), -E2BIG);
	assert_int_equal(qos_classify_set(*state, flows, 1000), 0);
	for (uint32_t i = 0; i <= QOS_SHAPES_MAX; i++)
		flows[i] = to("192.0.2.7", i, OTHER);
	assert_int_equal(qos_classify_set(*state, flows, QOS_SHAPES_MAX + 1), -E2BIG);
	assert_int_equal(run(*state, &rtp, NULL), QOS_TC_HANDLE | 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field),	     cmocka_unit_test(tags_and_versions),
		cmocka_unit_test(longest_prefix),    cmocka_unit_test(fragments_have_no_ports),
		cmocka_unit_test(the_narrower_one),  cmocka_unit_test(priorities_of_others),
		cmocka_unit_test(a_dscp_is_written), cmocka_unit_test(many),
	};

	if (geteuid() != 0) {
		puts("skipped: needs root");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
