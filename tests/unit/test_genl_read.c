/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages as the module makes them are read whole; what is not as the specification says is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../harness/dwcs_messages.h"
#include "util/cleanup.h"

static struct qos_dwcs_report report;
static struct qos_dwcs_event event;

static int read_report(struct nl_msg *message)
{
	int r = qos_dwcs_read_report(nlmsg_hdr(message), &report);

	nlmsg_free(message);
	return r;
}

static int read_event(struct nl_msg *message)
{
	int r = qos_dwcs_read_event(nlmsg_hdr(message), &event);

	nlmsg_free(message);
	return r;
}

static void test_report(void **state)
{
	assert_int_equal(read_report(telemetry_message(9, 3, 40)), 0);
	assert_int_equal(report.id, 3);
	assert_int_equal(report.seq, 9);
	assert_string_equal(report.contract, "camera");
	assert_string_equal(report.name, "main");
	assert_int_equal(report.runtime_ns, 2000000);
	assert_int_equal(report.threads, 1);
	assert_int_equal(report.time_ns, 77);
	assert_int_equal(report.stats.jobs, 40);
	assert_int_equal(report.stats.late, QOS_DWCS_STATS_A_LATE * 100);
	assert_int_equal(report.stats.violations, QOS_DWCS_STATS_A_VIOLATIONS * 100);
	assert_int_equal(report.stats.latency_max_ns, QOS_DWCS_STATS_A_LATENCY_MAX * 100);
	assert_int_equal(report.drifts, QOS_DWCS_STATS_A_DRIFTS * 100);
	assert_int_equal(report.stats.used[5], 40);
	assert_int_equal(report.stats.latency[5], QOS_DWCS_STATS_A_LATENCY);
	assert_int_equal(report.stats.used[6], 0);
}

static void test_event(void **state)
{
	struct nl_msg *message = event_message(4, QOS_DWCS_EVENT_VIOLATION, 3);
	const uint8_t outcomes[] = {0x5f, 0x03};

	nla_put_string(message, QOS_DWCS_EVENT_A_CONTRACT, "camera");
	nla_put_u32(message, QOS_DWCS_EVENT_A_LOST, 2);
	nla_put(message, QOS_DWCS_EVENT_A_OUTCOMES, sizeof(outcomes), outcomes);
	nla_put_u32(message, QOS_DWCS_EVENT_A_OUTCOMES_N, 10);
	for (uint32_t i = 0; i < QOS_DWCS_READ_INSTEAD + 3; i++)
		put_instead(message, i, i * 1000);
	assert_int_equal(read_event(message), 0);
	assert_int_equal(event.kind, QOS_DWCS_EVENT_VIOLATION);
	assert_int_equal(event.seq, 4);
	assert_int_equal(event.lost, 2);
	assert_true(event.on_cpu);
	assert_int_equal(event.n_outcomes, 10);
	assert_int_equal(event.outcomes[0], 0x5f);
	assert_int_equal(event.n_instead, QOS_DWCS_READ_INSTEAD);
	assert_int_equal(event.instead[2].stream, 2);
	assert_int_equal(event.instead[2].ns, 2000);
}

static void test_info_and_others(void **state)
{
	struct nl_msg *message = dwcs_message(QOS_DWCS_CMD_INFO_GET);
	const uint64_t verdicts[QOS_VERDICTS] = {[QOS_REFUSED_BUDGET] = 3};
	struct qos_dwcs_contract contract;
	struct qos_dwcs_thread thread;
	struct qos_dwcs_info info;

	assert_int_equal(qos_dwcs_read_info(nlmsg_hdr(message), &info), -EBADMSG);
	for (int attr = QOS_DWCS_INFO_A_VERSION; attr <= QOS_DWCS_INFO_A_MAX; attr++) {
		bool wide = attr == QOS_DWCS_INFO_A_LEASE || attr == QOS_DWCS_INFO_A_LEASE_LEFT ||
			    attr == QOS_DWCS_INFO_A_CAP_INTERVAL ||
			    attr == QOS_DWCS_INFO_A_TELEMETRY ||
			    attr >= QOS_DWCS_INFO_A_EVENTS_LOST;

		if (wide)
			put_u64(message, attr, (uint64_t)attr);
		else
			nla_put_u32(message, attr, (uint32_t)attr);
	}
	assert_int_equal(qos_dwcs_read_info(nlmsg_hdr(message), &info), 0);
	assert_int_equal(info.lease_left_ns, QOS_DWCS_INFO_A_LEASE_LEFT);
	assert_int_equal(info.threads, QOS_DWCS_INFO_A_THREADS);
	assert_int_equal(info.dispatch_ns, QOS_DWCS_INFO_A_DISPATCH);
	assert_int_equal(info.blocking_ns, QOS_DWCS_INFO_A_BLOCKING);
	nlmsg_free(message);
	message = dwcs_message(QOS_DWCS_CMD_CONTRACT_GET);
	nla_put_string(message, QOS_DWCS_CONTRACT_A_NAME, "camera");
	put_u64(message, QOS_DWCS_CONTRACT_A_RAISED, 7);
	put_u64(message, QOS_DWCS_CONTRACT_A_DROPPED, 1);
	put_u64(message, QOS_DWCS_CONTRACT_A_REVERSALS, 2);
	put_u64(message, QOS_DWCS_CONTRACT_A_RUN_TIME, 900);
	assert_int_equal(qos_dwcs_read_contract(nlmsg_hdr(message), &contract), -EBADMSG);
	nla_put(message, QOS_DWCS_CONTRACT_A_VERDICTS, sizeof(verdicts), verdicts);
	assert_int_equal(qos_dwcs_read_contract(nlmsg_hdr(message), &contract), 0);
	assert_int_equal(contract.raised, 7);
	assert_int_equal(contract.run_ns, 900);
	assert_int_equal(contract.verdicts[QOS_REFUSED_BUDGET], 3);
	nlmsg_free(message);
	message = dwcs_message(QOS_DWCS_CMD_THREAD_GET);
	nla_put_u32(message, QOS_DWCS_THREAD_A_TID, 7);
	nla_put_u32(message, QOS_DWCS_THREAD_A_STREAM, 3);
	nla_put_u32(message, QOS_DWCS_THREAD_A_CPU, 1);
	put_u64(message, QOS_DWCS_THREAD_A_START, 1ULL << 40);
	nla_put_u32(message, QOS_DWCS_THREAD_A_LEVEL, 2);
	nla_put_u32(message, QOS_DWCS_THREAD_A_FLAGS, QOS_DWCS_THREAD_DRIFTED);
	assert_int_equal(qos_dwcs_read_thread(nlmsg_hdr(message), &thread), 0);
	assert_int_equal(thread.start, 1ULL << 40);
	assert_int_equal(thread.flags, QOS_DWCS_THREAD_DRIFTED);
	nlmsg_free(message);
}

/* Each of these differs from a good message in one thing. */
static void test_not_as_specified(void **state)
{
	struct nl_msg *message = telemetry_message(1, 3, 1);

	nla_put_u32(message, QOS_DWCS_STREAM_A_ID, 4);
	assert_int_equal(read_report(message), -EBADMSG); /* twice */
	message = dwcs_message(QOS_DWCS_CMD_TELEMETRY);
	put_stats(message, 1, 5);
	assert_int_equal(read_report(message), -EBADMSG); /* missing */
	message = event_message(1, 1, 1);
	nla_put_u64(message, QOS_DWCS_EVENT_A_LOST, 1);
	assert_int_equal(read_event(message), -EBADMSG); /* too long */
	message = event_message(1, 1, 1);
	nla_put_u8(message, QOS_DWCS_EVENT_A_MUTED, 1);
	assert_int_equal(read_event(message), -EBADMSG); /* too short */
	message = event_message(1, 1, 1);
	nla_put(message, QOS_DWCS_EVENT_A_CONTRACT, 3, "abc");
	assert_int_equal(read_event(message), -EBADMSG); /* no end */
	message = event_message(1, 1, 1);
	nla_put(message, QOS_DWCS_EVENT_A_CONTRACT, 4, "a\0b");
	assert_int_equal(read_event(message), -EBADMSG); /* two ends */
	message = event_message(1, 1, 1);
	nla_put_u32(message, QOS_DWCS_EVENT_A_OUTCOMES_N, QOS_DWCS_OUTCOMES_MAX + 1);
	assert_int_equal(read_event(message), -EBADMSG); /* out of bounds */
	message = event_message(1, 1, 1);
	nla_put(message, QOS_DWCS_EVENT_A_INSTEAD, 0, NULL);
	assert_int_equal(read_event(message), -EBADMSG); /* an empty nest */
	message = event_message(1, 1, 1);
	memset(nlmsg_tail(nlmsg_hdr(message)), 0, 4);
	nlmsg_hdr(message)->nlmsg_len += 2;
	assert_int_equal(read_event(message), -EBADMSG); /* trailing bytes */
	message = event_message(1, 1, 1);
	nla_put_u32(message, QOS_DWCS_EVENT_A_MAX + 5, 1);
	assert_int_equal(read_event(message), 0); /* a later module may say more */
}

/* Whatever a message is cut to, it is refused or read, and no byte behind it is looked at. */
static void test_cut_short(void **state)
{
	struct nl_msg *message = telemetry_message(1, 3, 1);
	uint32_t len = nlmsg_hdr(message)->nlmsg_len;

	for (uint32_t cut = NLMSG_HDRLEN; cut < len; cut++) {
		_cleanup_free_ struct nlmsghdr *copy = malloc(cut);

		assert_non_null(copy);
		memcpy(copy, nlmsg_hdr(message), cut);
		copy->nlmsg_len = cut;
		/* the last attribute, SEQ, is the one that may be missing */
		assert_int_equal(qos_dwcs_read_report(copy, &report),
				 cut == len - 8 ? 0 : -EBADMSG);
		qos_dwcs_command(copy);
	}
	nlmsg_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),		cmocka_unit_test(test_event),
		cmocka_unit_test(test_info_and_others), cmocka_unit_test(test_not_as_specified),
		cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
