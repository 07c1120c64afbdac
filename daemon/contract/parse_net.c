/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One stream of the network section: its table of keys, the fields of a flow, and the one order
 * that no key can be judged for alone: rate >= packet/period.
 */
#include "contract/parse_field.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define INTERFACE_MAX 15 /* IFNAMSIZ - 1 */
#define LIMIT_MAX     1000000

#define AT(member) offsetof(struct qos_net_stream, member)

static bool read_number(struct qos_reader *reader, const struct qos_parse_field *field,
			const struct qos_node *node, uint32_t *ret)
{
	const struct qos_parse_field count = {field->key, .example = field->example,
					      .min = field->min, .max = field->max};

	return qos_read_count(reader, &count, node, ret);
}

static bool read_port(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	uint32_t port;

	if (!read_number(reader, field, node, &port))
		return false;
	*(uint16_t *)out = port;
	return true;
}

static bool read_dscp(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	uint32_t dscp;

	if (!read_number(reader, field, node, &dscp))
		return false;
	*(int16_t *)out = dscp;
	return true;
}

static bool read_mark(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	struct qos_flow_match *match = out;

	match->mark_set = read_number(reader, field, node, &match->mark);
	return match->mark_set;
}

static bool read_proto(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	static const char *const names[] = {"tcp", "udp", "icmp", "sctp", "dccp", "udplite", NULL};
	uint64_t number;

	if (!qos_reader_scalar(reader, field, node))
		return false;
	for (size_t i = 0; names[i]; i++)
		if (!strcmp(names[i], node->text))
			return qos_reader_dup(reader, node->text, out);
	if (qos_parse_count(node->text, UINT8_MAX, &number) == 0)
		return qos_reader_dup(reader, node->text, out);
	qos_reader_error(reader, &node->loc, "proto: '%.64s' is not a protocol", node->text);
	qos_reader_suggest(reader, node->text, names, "a number up to 255, or one of");
	return false;
}

/* An IPv4 or IPv6 address, or one with /LENGTH behind it. */
static bool is_prefix(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchrnul(text, '/');
	unsigned char bytes[sizeof(struct in6_addr)];
	uint64_t length;
	int family;

	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, slash - text);
	address[slash - text] = '\0';
	family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, address, bytes) != 1)
		return false;
	return !*slash || qos_parse_count(slash + 1, family == AF_INET ? 32 : 128, &length) == 0;
}

static bool read_dst(struct qos_reader *reader, const struct qos_parse_field *field,
		     const struct qos_node *node, void *out)
{
	if (!qos_reader_scalar(reader, field, node))
		return false;
	if (is_prefix(node->text))
		return qos_reader_dup(reader, node->text, out);
	qos_reader_error(reader, &node->loc, "dst: '%.64s' is not an address or prefix",
			 node->text);
	qos_diag_hint(reader->diag, "write for example `dst: 192.0.2.7`, `dst: 192.0.2.0/24` or "
				    "`dst: \"2001:db8::/32\"`; names are not looked up");
	return false;
}

static const struct qos_parse_field flow_fields[] = {
	{"proto", read_proto, AT(match.proto), .example = "udp"},
	{"sport", read_port, AT(match.sport), .example = "5004", .min = 1, .max = UINT16_MAX},
	{"dport", read_port, AT(match.dport), .example = "5004", .min = 1, .max = UINT16_MAX},
	{"dst", read_dst, AT(match.dst), .example = "192.0.2.0/24"},
	{"dscp", read_dscp, AT(match.dscp), .example = "46", .max = 63},
	{"mark", read_mark, AT(match), .example = "7", .max = UINT32_MAX},
	{"cgroup", qos_read_path, AT(match.cgroup), .example = "/system.slice/camera.service"},
	{},
};

static bool read_flow(struct qos_reader *reader, const struct qos_parse_field *field,
		      const struct qos_node *node, void *out)
{
	if (!qos_reader_map(reader, field, node))
		return false;
	qos_parse_fields(reader, node, flow_fields, "network match", out);
	return true;
}

static const struct qos_parse_field range_fields[] = {
	{"rate", qos_read_range, AT(rate_range), true, "2mbit..12mbit", 1, QOS_RATE_MAX_BPS,
	 .quantity = &qos_quantity_rate},
	{"step", qos_read_rate, AT(rate_range.step), false, "1mbit", 1, QOS_RATE_MAX_BPS},
	{},
};

static bool read_range(struct qos_reader *reader, const struct qos_parse_field *field,
		       const struct qos_node *node, void *out)
{
	return qos_reader_map(reader, field, node) &&
	       qos_parse_fields(reader, node, range_fields, "range", out) & 1;
}

/* A name that the kernel would take; whether it exists is check.c's business. */
static bool read_interface(struct qos_reader *reader, const struct qos_parse_field *field,
			   const struct qos_node *node, void *out)
{
	if (!qos_reader_line(reader, field, node, QOS_PATH_MAX))
		return false;
	if (strlen(node->text) <= INTERFACE_MAX && !strpbrk(node->text, "/: ") &&
	    strcmp(node->text, ".") != 0 && strcmp(node->text, "..") != 0)
		return qos_reader_dup(reader, node->text, out);
	qos_reader_error(reader, &node->loc, "interface: '%.64s' is not an interface name",
			 node->text);
	qos_diag_hint(reader->diag,
		      "at most %d letters, no blank, slash or colon, for example "
		      "`interface: eth0`",
		      INTERFACE_MAX);
	return false;
}

enum {
	NET_NAME,
	NET_INTERFACE,
	NET_MATCH,
	NET_RATE,
	NET_PACKET,
	NET_PERIOD,
	NET_DEADLINE,
	NET_WINDOW,
	NET_LATE,
	NET_EXCESS,
	NET_LIMIT,
	NET_MANAGE,
	NET_RANGE,
};

const struct qos_parse_field qos_parse_net_fields[] = {
	[NET_NAME] = {"name", qos_read_stream_name, AT(name), .example = "rtp"},
	[NET_INTERFACE] = {"interface", read_interface, AT(interface), true, "eth0"},
	[NET_MATCH] = {"match", read_flow, .example = "{proto: udp, dport: 5004}"},
	[NET_RATE] = {"rate", qos_read_rate, AT(rate_bps), true, "12mbit", 1, QOS_RATE_MAX_BPS},
	[NET_PACKET] = {"packet", qos_read_bytes, AT(packet_bytes), true, "1400B", 1,
			QOS_PACKET_MAX},
	[NET_PERIOD] = {"period", qos_read_period, AT(period), false, "1ms", 1, QOS_PERIOD_MAX_NS},
	[NET_DEADLINE] = {"deadline", qos_read_duration, AT(deadline_ns), false, "5ms", 1,
			  QOS_PERIOD_MAX_NS},
	[NET_WINDOW] = {"window", qos_read_window, AT(window), true, "2/100"},
	[NET_LATE] = {"late", qos_read_word, AT(late), .example = "drop", .words = qos_late_names},
	[NET_EXCESS] = {"excess", qos_read_word, AT(excess), .example = "hold",
			.words = qos_excess_names},
	[NET_LIMIT] = {"limit", qos_read_count, AT(limit), .example = "200", .min = 1,
		       .max = LIMIT_MAX},
	[NET_MANAGE] = {"manage", qos_read_word, AT(manage), .example = "observe",
			.words = qos_manage_names},
	[NET_RANGE] = {"range", read_range, .example = "{rate: 2mbit..12mbit}"},
	{},
};

/* Is the value of row `i` there and valid? */
#define VALID(i) (valid & 1U << (i))

/* packet/period > rate? For a period in whole ns compared after rounding, as the default is
 * rounded, so that it can also be written. */
static bool too_slow(const struct qos_net_stream *stream)
{
	if (!stream->period.mhz)
		return stream->period.ns < qos_net_packet_ns(stream);
	return stream->packet_bytes * 8 * stream->period.mhz > stream->rate_bps * 1000;
}

/* The default period has no key of its own to be out of range. */
static void check_default_period(struct qos_reader *reader, const struct qos_node *node,
				 const struct qos_net_stream *stream)
{
	if (stream->period.ns <= QOS_PERIOD_MAX_NS)
		return;
	qos_reader_error(reader, &qos_node_get(node, "rate")->loc,
			 "rate: one packet takes longer than an hour");
	qos_diag_hint(reader->diag, "raise `rate`, or write a smaller `packet`");
}

static void check_rate(struct qos_reader *reader, const struct qos_node *node,
		       const struct qos_net_stream *stream)
{
	char packet[QOS_UNIT_MAX], period[QOS_UNIT_MAX], time[QOS_UNIT_MAX];

	if (!too_slow(stream))
		return;
	qos_reader_error(reader, &qos_node_get(node, "rate")->loc,
			 "rate: too low for a packet of %s in each period of %s",
			 qos_print_bytes(packet, sizeof(packet), stream->packet_bytes),
			 qos_print_period(period, sizeof(period), &stream->period));
	qos_diag_hint(reader->diag,
		      "such a packet takes %s at this rate: raise `rate`, lengthen "
		      "`period`, or leave `period` out",
		      qos_print_duration(time, sizeof(time), qos_net_packet_ns(stream)));
}

static void check_range(struct qos_reader *reader, const struct qos_node *node,
			const struct qos_net_stream *stream)
{
	const struct qos_range *range = &stream->rate_range;

	if (stream->rate_bps >= range->lo && stream->rate_bps <= range->hi)
		return;
	qos_reader_error(reader, &qos_node_get(qos_node_get(node, "range"), "rate")->loc,
			 "range: does not hold the rate");
	qos_diag_hint(reader->diag, "low is at most `rate`, high at least `rate`");
}

void qos_parse_net_stream(struct qos_reader *reader, const struct qos_node *node, void *out)
{
	struct qos_net_stream *stream = out;
	bool has_period = qos_node_get(node, "period");
	uint32_t valid;

	stream->match.dscp = -1;
	stream->limit = QOS_CONTRACT_LIMIT;
	valid = qos_parse_fields(reader, node, qos_parse_net_fields, "network stream", stream);
	if (VALID(NET_RATE) && VALID(NET_PACKET)) {
		if (!has_period) {
			stream->period.ns = qos_net_packet_ns(stream);
			check_default_period(reader, node, stream);
		} else if (VALID(NET_PERIOD)) {
			check_rate(reader, node, stream);
		}
	}
	if (!qos_node_get(node, "deadline"))
		stream->deadline_ns = stream->period.ns;
	if (VALID(NET_RATE) && VALID(NET_RANGE))
		check_range(reader, node, stream);
}
