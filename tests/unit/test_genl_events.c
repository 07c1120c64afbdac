/* SPDX-License-Identifier: GPL-2.0-only */
/* What is heard is handed on; what was missed is noticed, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../harness/dwcs_messages.h"
#include "kern/genl_events.h"

static struct {
	unsigned int events;
	unsigned int reports;
	uint32_t last_stream;
} heard;

static void on_presence(void *data, bool there)
{
}

static void on_event(void *data, const struct qos_dwcs_event *event)
{
	heard.events++;
	heard.last_stream = event->stream;
}

static void on_telemetry(void *data, const struct qos_dwcs_report *report)
{
	heard.reports++;
	heard.last_stream = report->id;
}

static void on_missed(void *data)
{
}

static const struct qos_dwcs_ears ears = {
	.presence = on_presence, .event = on_event, .telemetry = on_telemetry, .missed = on_missed};
static struct qos_dwcs_hearing hearing;

static int setup(void **state)
{
	memset(&heard, 0, sizeof(heard));
	hearing = (struct qos_dwcs_hearing){.ears = &ears};
	return 0;
}

static void take(struct nl_msg *message)
{
	qos_dwcs_take(&hearing, nlmsg_hdr(message));
	nlmsg_free(message);
}

static void test_in_sequence(void **state)
{
	for (uint32_t i = 0; i < 5; i++) {
		take(event_message(UINT32_MAX - 2 + i, QOS_DWCS_EVENT_GONE, i));
		take(telemetry_message(100 + i, i, i));
	}
	assert_int_equal(heard.events, 5);
	assert_int_equal(heard.reports, 5);
	assert_int_equal(heard.last_stream, 4);
	assert_false(hearing.missed);
}

/* The message behind the gap is heard all the same. */
static void test_gap(void **state)
{
	take(telemetry_message(1, 1, 1));
	take(event_message(1, QOS_DWCS_EVENT_GONE, 1));
	assert_false(hearing.missed);
	take(telemetry_message(3, 1, 1));
	assert_true(hearing.missed);
	assert_int_equal(heard.reports, 2);
	hearing.missed = false;
	take(telemetry_message(4, 1, 1));
	assert_false(hearing.missed);
	take(event_message(3, QOS_DWCS_EVENT_GONE, 1));
	assert_true(hearing.missed);
	assert_int_equal(heard.events, 2);
}

static void test_malformed(void **state)
{
	struct nl_msg *message = event_message(1, QOS_DWCS_EVENT_GONE, 1);

	nla_put_u32(message, QOS_DWCS_EVENT_A_STREAM, 2);
	take(message);
	assert_int_equal(heard.events, 0);
	assert_int_equal(hearing.n_malformed, 1);
	assert_true(hearing.missed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_in_sequence, setup),
		cmocka_unit_test_setup(test_gap, setup),
		cmocka_unit_test_setup(test_malformed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
