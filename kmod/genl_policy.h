/* SPDX-License-Identifier: GPL-2.0-only */
/* What each command of the family takes: types and ranges, which the core checks. For genl.c alone. */
#pragma once

#include <net/netlink.h>

#include "compat.h"
#include "qos.h"
#include "take.h"

static QOS_RANGE range_lease = {.max = 3600 * (u64)NSEC_PER_SEC};
static QOS_RANGE range_interval = {
	.min = 10 * NSEC_PER_MSEC,
	.max = 2 * (u64)NSEC_PER_SEC,
};
static QOS_RANGE range_charge = {.max = 10 * NSEC_PER_MSEC};
static QOS_RANGE range_share = {.max = 64 << 20};
static QOS_RANGE range_cap = {.min = 10000, .max = 950000};
/* With maxattr 0 the core would look at no attribute, and refuse none. */
static const struct nla_policy none_policy[2] = {};

static const struct nla_policy config_policy[QOS_DWCS_CONFIG_A_MAX + 1] = {
	[QOS_DWCS_CONFIG_A_LEASE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_lease),
	[QOS_DWCS_CONFIG_A_BAND_FIRST] = NLA_POLICY_RANGE(NLA_U32, 1, QOS_BAND_MAX),
	[QOS_DWCS_CONFIG_A_BAND_LAST] = NLA_POLICY_RANGE(NLA_U32, 3, QOS_BAND_MAX),
	[QOS_DWCS_CONFIG_A_CAP_PPM] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_cap),
	[QOS_DWCS_CONFIG_A_CAP_INTERVAL] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_interval),
	[QOS_DWCS_CONFIG_A_TELEMETRY] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_lease),
	[QOS_DWCS_CONFIG_A_ARM] = NLA_POLICY_MAX(NLA_U8, 1),
	[QOS_DWCS_CONFIG_A_DISPATCH] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_charge),
	[QOS_DWCS_CONFIG_A_BLOCKING] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_charge),
};

static const struct nla_policy cpu_get_policy[QOS_DWCS_CPU_A_ID + 1] = {
	[QOS_DWCS_CPU_A_ID] = {.type = NLA_U32},
};

static const struct nla_policy cpu_set_policy[QOS_DWCS_CPU_A_SHARE + 1] = {
	[QOS_DWCS_CPU_A_ID] = {.type = NLA_U32},
	[QOS_DWCS_CPU_A_ORDERING] = NLA_POLICY_MAX(NLA_U32, QOS_DWCS_ORDERING_FIN),
	[QOS_DWCS_CPU_A_SHARE] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_share),
};

static const struct nla_policy contract_get_policy[QOS_DWCS_CONTRACT_A_NAME + 1] = {
	[QOS_DWCS_CONTRACT_A_NAME] = QOS_POLICY_NAME,
};

static const struct nla_policy stream_get_policy[QOS_DWCS_STREAM_A_ID + 1] = {
	[QOS_DWCS_STREAM_A_ID] = {.type = NLA_U32},
};

static const struct nla_policy stream_set_policy[QOS_DWCS_STREAM_A_RUNTIME + 1] = {
	[QOS_DWCS_STREAM_A_ID] = {.type = NLA_U32},
	[QOS_DWCS_STREAM_A_RUNTIME] = NLA_POLICY_FULL_RANGE(NLA_U64, &qos_range_time),
};

static const struct nla_policy thread_policy[QOS_DWCS_THREAD_A_TID + 1] = {
	[QOS_DWCS_THREAD_A_TID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy thread_set_policy[QOS_DWCS_THREAD_A_STATE + 1] = {
	[QOS_DWCS_THREAD_A_TID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_THREAD_A_START] = {.type = NLA_U64},
	[QOS_DWCS_THREAD_A_STATE] = {.type = NLA_U32},
};

static const struct nla_policy attach_policy[QOS_DWCS_THREAD_A_STATE + 1] = {
	[QOS_DWCS_THREAD_A_TID] = NLA_POLICY_MIN(NLA_U32, 1),
	[QOS_DWCS_THREAD_A_STREAM] = {.type = NLA_U32},
	[QOS_DWCS_THREAD_A_CPU] = {.type = NLA_U32},
	[QOS_DWCS_THREAD_A_START] = {.type = NLA_U64},
	[QOS_DWCS_THREAD_A_STATE] = {.type = NLA_U32},
};
