/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon and a sandbox (placement: user) say to each other: one message a packet, over a pair
 * of SOCK_SEQPACKET sockets. Events do not come this way, but by the contract's own ring buffer.
 *
 *   sandbox --READY--> daemon   once, when the rules are compiled and the last door is shut
 *   daemon  --PING-->  sandbox  to be answered by a PONG of the same serial
 *   sandbox --ASK-->   daemon   what the rules want after one event; nothing is sent if they want nothing
 *
 * The daemon believes nothing: a packet that is none of these ends the sandbox, and what it asks for
 * goes through the guard.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "qos_rules_abi.h"

enum qos_talk_type { QOS_TALK_READY = 1, QOS_TALK_PING, QOS_TALK_PONG, QOS_TALK_ASK };

struct qos_talk {
	__u32 type;
	__u32 n;      /* ASK: requests, at least one; READY: programs; else 0 */
	__u64 serial; /* PING, PONG: the ping's; READY: words of state a thread; ASK: 0 */
	struct qos_rules_request requests[QOS_RULES_REQUESTS_MAX]; /* the first n are sent */
};

/* The descriptors that a sandbox begins with; it has no others. */
enum qos_talk_fd {
	QOS_TALK_TEXT, /* the contract, to be read to its end */
	QOS_TALK_SOCKET,
	QOS_TALK_RING,	/* of struct qos_rules_input, `program` being the index in the contract */
	QOS_TALK_STATE, /* map `state`; only if the rules have a state */
	QOS_TALK_FDS
};

/* Exit codes of a sandbox that could not get ready, and what each means. */
enum qos_talk_exit {
	QOS_TALK_BAD_ARGUMENTS = 1,
	QOS_TALK_BAD_TEXT,
	QOS_TALK_BAD_RULES,
	QOS_TALK_NO_MEMORY,
	QOS_TALK_NO_FILTER,
	QOS_TALK_NO_DAEMON,
	QOS_TALK_EXITS
};
extern const char *const qos_talk_exits[QOS_TALK_EXITS];

/* Bytes of a message as it is sent. */
size_t qos_talk_size(const struct qos_talk *talk);

/* May a sandbox send this? `size`: bytes that came, at most sizeof(*talk). What it asks for is not
 * judged here. */
bool qos_talk_is_valid(const struct qos_talk *talk, size_t size);
