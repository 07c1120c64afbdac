/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of the family qos_dwcs, as the module makes them: built by libnl, attribute by attribute. */
#pragma once

#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include "kern/genl_read.h"

#define DWCS_FAMILY_ID 99

static inline struct nl_msg *dwcs_message(uint8_t cmd)
{
	struct nl_msg *message = nlmsg_alloc_size(65536);

	if (!message || !genlmsg_put(message, 0, 0, DWCS_FAMILY_ID, 0, 0, cmd, QOS_DWCS_VERSION))
		abort();
	return message;
}

/* As the kernel aligns them: a pad before, now and then. */
static inline void put_u64(struct nl_msg *message, int attr, uint64_t value)
{
	if (attr % 2)
		nla_put(message, 1, 0, NULL);
	nla_put_u64(message, attr, value);
}

static inline void put_stats(struct nl_msg *message, uint64_t jobs, uint32_t used_bucket)
{
	struct nlattr *nest = nla_nest_start(message, QOS_DWCS_STREAM_A_STATS);
	uint32_t buckets[QOS_DWCS_HIST_BUCKETS] = {};

	for (int attr = QOS_DWCS_STATS_A_JOBS; attr <= QOS_DWCS_STATS_A_DRIFTS; attr++)
		put_u64(message, attr, attr == QOS_DWCS_STATS_A_JOBS ? jobs : (uint64_t)attr * 100);
	for (int attr = QOS_DWCS_STATS_A_RESPONSE; attr <= QOS_DWCS_STATS_A_LATENCY; attr++) {
		buckets[used_bucket] =
			attr == QOS_DWCS_STATS_A_USED_HIST ? (uint32_t)jobs : (uint32_t)attr;
		nla_put(message, attr, sizeof(buckets), buckets);
	}
	nla_nest_end(message, nest);
}

static inline void put_report(struct nl_msg *message, uint32_t id, const char *contract,
			      const char *name, uint64_t jobs)
{
	nla_put_u32(message, QOS_DWCS_STREAM_A_ID, id);
	nla_put_string(message, QOS_DWCS_STREAM_A_NAME, name);
	put_u64(message, QOS_DWCS_STREAM_A_PERIOD, 10000000);
	nla_put_u32(message, QOS_DWCS_STREAM_A_RATE_MHZ, 0);
	put_u64(message, QOS_DWCS_STREAM_A_RUNTIME, 2000000);
	nla_put_string(message, QOS_DWCS_STREAM_A_CONTRACT, contract);
	nla_put_u32(message, QOS_DWCS_STREAM_A_THREADS, 1);
	nla_put_u32(message, QOS_DWCS_STREAM_A_TABLE, QOS_DWCS_TABLE_NONE);
	nla_put_u8(message, QOS_DWCS_STREAM_A_PROVEN, 0);
	put_u64(message, QOS_DWCS_STREAM_A_TIME, 77);
	put_stats(message, jobs, 5);
}

static inline struct nl_msg *telemetry_message(uint32_t seq, uint32_t id, uint64_t jobs)
{
	struct nl_msg *message = dwcs_message(QOS_DWCS_CMD_TELEMETRY);

	put_report(message, id, "camera", "main", jobs);
	nla_put_u32(message, QOS_DWCS_STREAM_A_SEQ, seq);
	return message;
}

static inline struct nl_msg *event_message(uint32_t seq, uint32_t kind, uint32_t stream)
{
	struct nl_msg *message = dwcs_message(QOS_DWCS_CMD_EVENT);

	nla_put_u32(message, QOS_DWCS_EVENT_A_KIND, kind);
	nla_put_u32(message, QOS_DWCS_EVENT_A_SEQ, seq);
	put_u64(message, QOS_DWCS_EVENT_A_TIME, 5);
	nla_put_u32(message, QOS_DWCS_EVENT_A_STREAM, stream);
	nla_put_u32(message, QOS_DWCS_EVENT_A_TID, 1234);
	nla_put_u32(message, QOS_DWCS_EVENT_A_CPU, 0);
	return message;
}

static inline void put_instead(struct nl_msg *message, uint32_t stream, uint64_t ns)
{
	struct nlattr *nest = nla_nest_start(message, QOS_DWCS_EVENT_A_INSTEAD);

	nla_put_u32(message, QOS_DWCS_INSTEAD_A_STREAM, stream);
	put_u64(message, QOS_DWCS_INSTEAD_A_TIME, ns);
	nla_nest_end(message, nest);
}
