/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk over a match expression once more, for people: it asks each term, and keeps count of those that
 * do not hold. What is near is what has the fewest of them.
 */
#include "contract/explain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct qos_match_why explain_all(const struct qos_match *match, const struct qos_task *task,
					const struct qos_resolver *names)
{
	struct qos_match_why all = {.holds = true, .decides = match};

	for (size_t i = 0; i < match->n_children; i++) {
		struct qos_match_why one = qos_explain_match(match->children[i], task, names);

		if (one.holds)
			continue;
		one.missing += all.missing;
		if (!all.holds) {
			one.decides = all.decides;
			one.negated = all.negated;
		}
		all = one;
	}
	return all;
}

static struct qos_match_why explain_any(const struct qos_match *match, const struct qos_task *task,
					const struct qos_resolver *names)
{
	struct qos_match_why best = {.decides = match, .missing = 1};

	for (size_t i = 0; i < match->n_children; i++) {
		struct qos_match_why one = qos_explain_match(match->children[i], task, names);

		if (one.holds)
			return one;
		if (!i || one.missing < best.missing)
			best = one;
	}
	return best;
}

static struct qos_match_why explain_not(const struct qos_match *match, const struct qos_task *task,
					const struct qos_resolver *names)
{
	struct qos_match_why inner = qos_explain_match(match->children[0], task, names);

	if (!inner.holds)
		return (struct qos_match_why){.holds = true, .decides = match};
	return (struct qos_match_why){.decides = inner.decides, .negated = true, .missing = 1};
}

struct qos_match_why qos_explain_match(const struct qos_match *match, const struct qos_task *task,
				       const struct qos_resolver *names)
{
	bool holds;

	switch (match->kind) {
	case QOS_MATCH_ALL:
		return explain_all(match, task, names);
	case QOS_MATCH_ANY:
		return explain_any(match, task, names);
	case QOS_MATCH_NOT:
		return explain_not(match, task, names);
	case QOS_MATCH_TERM:
		break;
	}
	holds = qos_match_holds(match, task, names);
	return (struct qos_match_why){.holds = holds, .decides = match, .missing = !holds};
}

/* No half letter at the end. */
static void cut_clean(char *buf, size_t size)
{
	size_t len = strlen(buf);

	if (len + 1 < size)
		return;
	while (len && ((unsigned char)buf[len - 1] & 0xc0) == 0x80)
		len--;
	if (len && (unsigned char)buf[len - 1] >= 0x80)
		len--;
	buf[len] = '\0';
}

const char *qos_explain_text(char *buf, size_t size, const struct qos_match_why *why)
{
	const struct qos_match *decides = why->decides;
	const char *negation = why->negated ? "not: " : "";

	switch (decides->kind) {
	case QOS_MATCH_TERM:
		snprintf(buf, size, "%s%s: %s", negation, qos_match_key_names[decides->key],
			 decides->value);
		break;
	case QOS_MATCH_ALL:
		snprintf(buf, size, "%sall terms of the map", negation);
		break;
	case QOS_MATCH_ANY:
		snprintf(buf, size, "%sone of the list", negation);
		break;
	case QOS_MATCH_NOT:
		snprintf(buf, size, "what stands under `not`");
		break;
	}
	cut_clean(buf, size);
	return buf;
}

const char *qos_explain_never(const struct qos_task *task)
{
	if (task->kernel_thread)
		return "it is a kernel thread, which no contract ever has";
	if (task->tgid == 1)
		return "it belongs to PID 1, which no contract ever has";
	if (task->own)
		return "it is qosd's own, which no contract ever has";
	return NULL;
}

const char *qos_explain_lost(const struct qos_contract *winner, const struct qos_contract *loser)
{
	return winner->importance != loser->importance ? "importance" : "name";
}

/* --- packets --- */

/* ::ffff:a.b.c.d for IPv4. */
static bool read_address(const char *text, size_t len, uint8_t ret[16])
{
	char address[INET6_ADDRSTRLEN];

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (strchr(address, ':'))
		return inet_pton(AF_INET6, address, ret) == 1;
	memset(ret, 0, 10);
	memset(ret + 10, 0xff, 2);
	return inet_pton(AF_INET, address, ret + 12) == 1;
}

static bool is_within(const char *prefix, const char *address)
{
	const char *slash = strchrnul(prefix, '/');
	bool v6 = memchr(prefix, ':', (size_t)(slash - prefix));
	unsigned int bits = *slash ? (unsigned int)atoi(slash + 1) : v6 ? 128 : 32;
	uint8_t net[16], host[16];

	if (!read_address(prefix, (size_t)(slash - prefix), net) ||
	    !read_address(address, strlen(address), host))
		return false;
	bits += v6 ? 0 : 96;
	for (unsigned int i = 0; i < bits; i++) {
		if ((net[i / 8] ^ host[i / 8]) & (0x80 >> i % 8))
			return false;
	}
	return true;
}

static void add_open(char *open, size_t size, const char *name, const char *value)
{
	size_t len = strlen(open);

	snprintf(open + len, size - len, "%s%s %s", len ? ", " : "", name, value);
}

static void add_open_number(char *open, size_t size, const char *name, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	add_open(open, size, name, text);
}

const char *qos_explain_packet(const struct qos_flow_match *match, const struct qos_packet *packet,
			       char *open, size_t size)
{
	*open = '\0';
	if (match->proto && strcmp(match->proto, packet->proto) != 0)
		return "proto";
	if (match->dst && !is_within(match->dst, packet->dst))
		return "dst";
	if (match->dport && packet->dport && match->dport != packet->dport)
		return "dport";
	if (match->dport && !packet->dport)
		add_open_number(open, size, "dport", match->dport);
	if (match->sport)
		add_open_number(open, size, "sport", match->sport);
	if (match->dscp >= 0)
		add_open_number(open, size, "dscp", (uint32_t)match->dscp);
	if (match->mark_set)
		add_open_number(open, size, "mark", match->mark);
	if (!match->cgroup)
		add_open(open, size, "from", "the contract's own processes");
	else if (strcmp(match->cgroup, "/") != 0)
		add_open(open, size, "cgroup", match->cgroup);
	return NULL;
}

/* As kern/classify.c orders shapes, but for the depth of cgroups. */
unsigned int qos_explain_narrowness(const struct qos_flow_match *match)
{
	const char *slash = match->dst ? strchr(match->dst, '/') : NULL;
	bool v6 = match->dst && strchr(match->dst, ':');
	unsigned int bits = slash ? (unsigned int)atoi(slash + 1) : v6 ? 128 : 32;
	unsigned int fields = (match->proto != NULL) + (match->sport != 0) + (match->dport != 0) +
			      (match->dst != NULL) + (match->dscp >= 0) + match->mark_set +
			      (!match->cgroup || strcmp(match->cgroup, "/") != 0);

	return fields * 256 + (match->dst ? bits + (v6 ? 0 : 96) : 0);
}
