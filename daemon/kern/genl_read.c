/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One table a kind of message says where each attribute goes and how long it is; one function reads
 * them all. libnl's own validation is not used because it takes attributes that are too long, and
 * the last of two.
 */
#include "kern/genl_read.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <string.h>

#include "util/cleanup.h"

_Static_assert((int)QOS_DWCS_HIST_BUCKETS == (int)QOS_HIST_BUCKETS,
	       "the module's histograms are the monitor's");

struct field {
	uint16_t attr;
	bool optional;
	/* exact length and place; or, if 0, what takes the attribute */
	size_t size;
	size_t offset;
	int (*take)(void *ret, const struct nlattr *attr);
	bool is_text;
	bool repeated;
};

#define AT(type, member)      .size = sizeof(((type *)0)->member), .offset = offsetof(type, member)
#define TEXT_AT(type, member) .is_text = true, AT(type, member)

static int take_text(const struct field *field, void *ret, const struct nlattr *attr)
{
	int len = nla_len(attr);
	const char *text = nla_data(attr);

	if (len < 1 || (size_t)len > field->size || memchr(text, 0, (size_t)len) != text + len - 1)
		return -EBADMSG;
	memcpy((char *)ret + field->offset, text, (size_t)len);
	return 0;
}

static int take(const struct field *field, void *ret, const struct nlattr *attr)
{
	if (field->take)
		return field->take(ret, attr);
	if (field->is_text)
		return take_text(field, ret, attr);
	if ((size_t)nla_len(attr) != field->size)
		return -EBADMSG;
	memcpy((char *)ret + field->offset, nla_data(attr), field->size);
	return 0;
}

static const struct field *find(const struct field *fields, size_t n, int attr)
{
	for (size_t i = 0; i < n; i++) {
		if (fields[i].attr == attr)
			return &fields[i];
	}
	return NULL;
}

static int read_attrs(const struct nlattr *head, int len, const struct field *fields, size_t n,
		      void *ret)
{
	const struct nlattr *attr = head;
	uint64_t seen = 0;
	int r = 0;

	for (; r == 0 && nla_ok(attr, len); attr = nla_next(attr, &len)) {
		const struct field *field = find(fields, n, nla_type(attr));
		uint64_t bit = field ? UINT64_C(1) << (field - fields) : 0;

		if (!field)
			continue;
		if (seen & bit && !field->repeated)
			return -EBADMSG;
		seen |= bit;
		r = take(field, ret, attr);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!fields[i].optional && !(seen & UINT64_C(1) << i))
			return -EBADMSG;
	}
	return r == 0 && len > 0 ? -EBADMSG : r;
}

int qos_dwcs_command(const struct nlmsghdr *message)
{
	const struct genlmsghdr *header = nlmsg_data(message);

	return genlmsg_valid_hdr((struct nlmsghdr *)message, 0) ? header->cmd : -EBADMSG;
}

static int read_message(const struct nlmsghdr *message, const struct field *fields, size_t n,
			void *ret, size_t size)
{
	const struct genlmsghdr *header = nlmsg_data(message);

	if (!genlmsg_valid_hdr((struct nlmsghdr *)message, 0))
		return -EBADMSG;
	memset(ret, 0, size);
	return read_attrs(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), fields, n, ret);
}

#define READ(message, fields, ret)                                                                 \
	read_message(message, fields, QOS_ARRAY_SIZE(fields), ret, sizeof(*(ret)))

/* --- what there is --- */

#define INFO(name, member)                                                                         \
	{                                                                                          \
		QOS_DWCS_INFO_A_##name, AT(struct qos_dwcs_info, member)                           \
	}

int qos_dwcs_read_info(const struct nlmsghdr *message, struct qos_dwcs_info *ret)
{
	static const struct field fields[] = {
		INFO(VERSION, version),		INFO(FEATURES, features),
		INFO(GENERATION, generation),	INFO(LEASE, lease_ns),
		INFO(LEASE_STATE, lease_state), INFO(LEASE_LEFT, lease_left_ns),
		INFO(BAND_FIRST, band_first),	INFO(BAND_LAST, band_last),
		INFO(CAP_PPM, cap_ppm),		INFO(TELEMETRY, telemetry_ns),
		INFO(CONTRACTS, contracts),	INFO(STREAMS, streams),
		INFO(THREADS, threads),		INFO(EVENTS_LOST, events_lost),
		INFO(DISPATCH, dispatch_ns),	INFO(BLOCKING, blocking_ns),
	};

	return READ(message, fields, ret);
}

int qos_dwcs_read_contract(const struct nlmsghdr *message, struct qos_dwcs_contract *ret)
{
	static const struct field fields[] = {
		{QOS_DWCS_CONTRACT_A_RAISED, AT(struct qos_dwcs_contract, raised)},
		{QOS_DWCS_CONTRACT_A_DROPPED, AT(struct qos_dwcs_contract, dropped)},
		{QOS_DWCS_CONTRACT_A_VERDICTS, AT(struct qos_dwcs_contract, verdicts)},
		{QOS_DWCS_CONTRACT_A_REVERSALS, AT(struct qos_dwcs_contract, reversals)},
		{QOS_DWCS_CONTRACT_A_RUN_TIME, AT(struct qos_dwcs_contract, run_ns)},
	};

	return READ(message, fields, ret);
}

#define STATS(name, member)                                                                        \
	{                                                                                          \
		QOS_DWCS_STATS_A_##name, AT(struct qos_dwcs_report, member)                        \
	}

static int take_stats(void *ret, const struct nlattr *nest)
{
	static const struct field fields[] = {
		STATS(JOBS, stats.jobs),
		STATS(LATE, stats.late),
		STATS(SERVED, stats.served),
		STATS(LOST, stats.lost),
		STATS(WINDOWS, stats.windows),
		STATS(VIOLATIONS, stats.violations),
		STATS(USED, stats.used_ns),
		STATS(OVERRUNS, stats.overruns),
		STATS(LATENCY_PASSED, stats.latency_passed),
		STATS(LAST_RELEASE, stats.last_release_ns),
		STATS(RESPONSE_MAX, stats.response_max_ns),
		STATS(LATENCY_MAX, stats.latency_max_ns),
		STATS(MANDATORY, mandatory),
		STATS(MANDATORY_LOST, mandatory_lost),
		STATS(SPARE, spare_ns),
		STATS(DRIFTS, drifts),
		STATS(RESPONSE, stats.response),
		STATS(SLACK, stats.slack),
		STATS(USED_HIST, stats.used),
		STATS(LATENCY, stats.latency),
	};

	return read_attrs(nla_data(nest), nla_len(nest), fields, QOS_ARRAY_SIZE(fields), ret);
}

#define REPORT(name, member)                                                                       \
	{                                                                                          \
		QOS_DWCS_STREAM_A_##name, AT(struct qos_dwcs_report, member)                       \
	}

int qos_dwcs_read_report(const struct nlmsghdr *message, struct qos_dwcs_report *ret)
{
	static const struct field fields[] = {
		REPORT(ID, id),
		{QOS_DWCS_STREAM_A_NAME, TEXT_AT(struct qos_dwcs_report, name)},
		{QOS_DWCS_STREAM_A_CONTRACT, TEXT_AT(struct qos_dwcs_report, contract)},
		REPORT(PERIOD, period_ns),
		REPORT(RUNTIME, runtime_ns),
		REPORT(THREADS, threads),
		REPORT(TABLE, table),
		REPORT(PROVEN, proven),
		REPORT(TIME, time_ns),
		{QOS_DWCS_STREAM_A_STATS, .take = take_stats},
		{QOS_DWCS_STREAM_A_SEQ, .optional = true, AT(struct qos_dwcs_report, seq)},
	};

	return READ(message, fields, ret);
}

#define THREAD(name, member)                                                                       \
	{                                                                                          \
		QOS_DWCS_THREAD_A_##name, AT(struct qos_dwcs_thread, member)                       \
	}

int qos_dwcs_read_thread(const struct nlmsghdr *message, struct qos_dwcs_thread *ret)
{
	static const struct field fields[] = {
		THREAD(TID, tid),     THREAD(STREAM, stream), THREAD(CPU, cpu),
		THREAD(START, start), THREAD(LEVEL, level),   THREAD(FLAGS, flags),
	};

	return READ(message, fields, ret);
}

/* --- events --- */

struct instead {
	uint32_t stream;
	uint64_t ns;
};

static int take_instead(void *ret, const struct nlattr *nest)
{
	static const struct field fields[] = {
		{QOS_DWCS_INSTEAD_A_STREAM, AT(struct instead, stream)},
		{QOS_DWCS_INSTEAD_A_TIME, AT(struct instead, ns)},
	};
	struct qos_dwcs_event *event = ret;
	struct instead instead = {};
	int r;

	r = read_attrs(nla_data(nest), nla_len(nest), fields, QOS_ARRAY_SIZE(fields), &instead);
	if (r < 0 || event->n_instead == QOS_DWCS_READ_INSTEAD)
		return r;
	event->instead[event->n_instead].stream = instead.stream;
	event->instead[event->n_instead++].ns = instead.ns;
	return 0;
}

static int take_outcomes(void *ret, const struct nlattr *attr)
{
	struct qos_dwcs_event *event = ret;

	if ((size_t)nla_len(attr) > sizeof(event->outcomes))
		return -EBADMSG;
	memcpy(event->outcomes, nla_data(attr), (size_t)nla_len(attr));
	return 0;
}

static int take_cpu(void *ret, const struct nlattr *attr)
{
	struct qos_dwcs_event *event = ret;

	if (nla_len(attr) != sizeof(event->cpu))
		return -EBADMSG;
	event->cpu = nla_get_u32(attr);
	event->on_cpu = true;
	return 0;
}

#define EVENT(name, member)                                                                        \
	{                                                                                          \
		QOS_DWCS_EVENT_A_##name, AT(struct qos_dwcs_event, member)                         \
	}
#define EVENT_MAY(name, member)                                                                    \
	{                                                                                          \
		QOS_DWCS_EVENT_A_##name, .optional = true, AT(struct qos_dwcs_event, member)       \
	}

int qos_dwcs_read_event(const struct nlmsghdr *message, struct qos_dwcs_event *ret)
{
	static const struct field fields[] = {
		EVENT(KIND, kind),
		EVENT(SEQ, seq),
		EVENT(TIME, time_ns),
		EVENT_MAY(MUTED, muted),
		{QOS_DWCS_EVENT_A_CONTRACT, .optional = true,
		 TEXT_AT(struct qos_dwcs_event, contract)},
		EVENT_MAY(STREAM, stream),
		EVENT_MAY(TID, tid),
		{QOS_DWCS_EVENT_A_CPU, .optional = true, .take = take_cpu},
		EVENT_MAY(LOST, lost),
		{QOS_DWCS_EVENT_A_OUTCOMES, .optional = true, .take = take_outcomes},
		EVENT_MAY(OUTCOMES_N, n_outcomes),
		{QOS_DWCS_EVENT_A_INSTEAD, .optional = true, .take = take_instead,
		 .repeated = true},
		EVENT_MAY(WHAT, what),
		EVENT_MAY(REASON, reason),
		EVENT_MAY(ON_EXPIRY, on_expiry),
		EVENT_MAY(RUNTIME, runtime_ns),
		EVENT_MAY(SIGNAL, signal),
		EVENT_MAY(INDEX, index),
		EVENT_MAY(RATE, rate_bps),
	};
	int r = READ(message, fields, ret);

	return r == 0 && ret->n_outcomes > QOS_DWCS_OUTCOMES_MAX ? -EBADMSG : r;
}
