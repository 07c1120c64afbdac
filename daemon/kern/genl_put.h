/* SPDX-License-Identifier: GPL-2.0-only */
/* Filling requests of the family. A message that could not be had is NULL, and passed on to the call,
 * which says so. Between genl_dwcs.c and genl_rules.c only. */
#pragma once

#include <netlink/attr.h>

#include "kern/genl.h"

static inline void qos_genl_put_u32(struct nl_msg *message, int attr, uint32_t value)
{
	if (message)
		nla_put_u32(message, attr, value);
}

static inline void qos_genl_put_u64(struct nl_msg *message, int attr, uint64_t value)
{
	if (message)
		nla_put_u64(message, attr, value);
}

static inline void qos_genl_put_text(struct nl_msg *message, int attr, const char *text)
{
	if (message)
		nla_put_string(message, attr, text);
}

/* NULL: no message, or no room. Ends with nla_nest_end(). */
static inline struct nlattr *qos_genl_nest(struct nl_msg *message, int attr)
{
	return message ? nla_nest_start(message, attr | NLA_F_NESTED) : NULL;
}

/* Frees the message. */
static inline int qos_genl_tell(struct qos_genl *genl, struct nl_msg *message,
				struct qos_diag *diag)
{
	return qos_genl_call(genl, message, NULL, NULL, diag);
}
