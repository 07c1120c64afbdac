/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a sandbox may send, to the byte. The sender is not trusted, so no field is looked at that the
 * packet's size does not cover.
 */
#include "extension/talk.h"

#include "extension/compile.h"

const char *const qos_talk_exits[] = {
	[QOS_TALK_BAD_ARGUMENTS] = "the program is of another version than the daemon",
	[QOS_TALK_BAD_TEXT] =
		"it could not read the contract, which may be too large for its memory",
	[QOS_TALK_BAD_RULES] =
		"it could not compile the rules, which may be too large for its memory",
	[QOS_TALK_NO_MEMORY] = "it could not map the events or the state",
	[QOS_TALK_NO_FILTER] = "the kernel did not take its filter of system calls",
	[QOS_TALK_NO_DAEMON] = "it lost the daemon",
};

size_t qos_talk_size(const struct qos_talk *talk)
{
	size_t n = talk->type == QOS_TALK_ASK ? talk->n : 0;

	return offsetof(struct qos_talk, requests) + n * sizeof(talk->requests[0]);
}

static bool is_ask(const struct qos_talk *talk)
{
	if (!talk->n || talk->n > QOS_RULES_REQUESTS_MAX || talk->serial)
		return false;
	for (size_t i = 0; i < talk->n; i++) {
		if (talk->requests[i].wanted != 1)
			return false;
	}
	return true;
}

bool qos_talk_is_valid(const struct qos_talk *talk, size_t size)
{
	if (size < offsetof(struct qos_talk, requests))
		return false;
	switch (talk->type) {
	case QOS_TALK_READY:
		if (!talk->n || talk->n > QOS_CONTRACT_RULES_MAX ||
		    talk->serial > QOS_RULES_STATE_MAX)
			return false;
		break;
	case QOS_TALK_PONG:
		if (talk->n)
			return false;
		break;
	case QOS_TALK_ASK:
		if (talk->n > QOS_RULES_REQUESTS_MAX || size != qos_talk_size(talk))
			return false; /* before what may not have come is looked at */
		return is_ask(talk);
	default:
		return false;
	}
	return size == qos_talk_size(talk);
}
