/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract as a value: a copy is equal, owns what it has and points into its own files; every
 * single field makes a difference; the words of the language stand in enum order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "contract/parse.h"

/* All keys there are, none at its default. */
static const char full[] =
	"version: 1\n"
	"contract: camera\n"
	"description: front camera\n"
	"importance: 60\n"
	"match:\n"
	"  - unit: camera.service\n"
	"  - exe: /usr/bin/app\n"
	"    not: {user: root}\n"
	"cpu:\n"
	"  - {name: a, threads: [x, y], max-threads: 2, period: 30Hz, runtime: 8ms, deadline: "
	"20ms,\n"
	"     window: 1/10, latency: 200us, cpus: 2-3, overrun: throttle, silence: lost,\n"
	"     manage: observe, range: {runtime: 4ms..12ms},\n"
	"     job: {begin: 'uprobe:/bin/a:b', end: 'uprobe:/bin/a:e'}}\n"
	"  - {name: b, period: 10ms, runtime: 1ms, window: 0/0, cpus: isolated, job: period}\n"
	"network:\n"
	"  - {name: rtp, interface: eth0, rate: 12mbit, packet: 1400B, period: 1ms, deadline: "
	"5ms,\n"
	"     window: 2/100, late: send, limit: 200, manage: observe, range: {rate: "
	"2mbit..12mbit},\n"
	"     match: {proto: udp, sport: 1, dport: 5004, dst: 192.0.2.0/24, dscp: 46, mark: 7,\n"
	"             cgroup: /a}}\n"
	"adapt: {placement: user}\n"
	"accept: proven\n"
	"on-lease-expiry: base\n"
	"on-drift: warn\n";

static struct qos_contract *parsed(const char *file, const char *text)
{
	const struct qos_text one = {file, text, strlen(text)};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(&one, 1, &diag, &contract);

	if (r < 0)
		qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	qos_diag_reset(&diag);
	return contract;
}

static void test_places_do_not_count_for_equality(void **state)
{
	_cleanup_contract_ struct qos_contract *a = parsed("a.yaml", full), *b = NULL;
	char moved[sizeof(full) + 8];

	snprintf(moved, sizeof(moved), "\n\n\n%s", full);
	b = parsed("b.yaml", moved);
	assert_int_not_equal(a->loc.line, b->loc.line);
	assert_true(qos_contract_equal(a, b));
}

/* Replaces `from` in the full contract, which must be there, and compares. */
static void assert_differs(const char *from, const char *to)
{
	_cleanup_contract_ struct qos_contract *a = parsed("a.yaml", full), *b = NULL;
	const char *at = strstr(full, from);
	char text[sizeof(full) + 64];

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - full), full, to, at + strlen(from));
	b = parsed("b.yaml", text);
	if (qos_contract_equal(a, b) || qos_contract_equal(b, a))
		fail_msg("equal though '%s' became '%s'", from, to);
}

static void test_every_field_counts(void **state)
{
	static const char *const changes[][2] = {
		{"contract: camera", "contract: other"},
		{"description: front camera", "description: rear camera"},
		{"description: front camera\n", ""},
		{"importance: 60", "importance: 61"},
		{"unit: camera.service", "unit: other.service"},
		{"unit: camera.service", "user-unit: camera.service"},
		{"  - unit: camera.service\n", ""},
		{"not: {user: root}", "user: root"},
		{"name: a,", "name: c,"},
		{"threads: [x, y]", "threads: [x, z]"},
		{"threads: [x, y]", "threads: [x]"},
		{"max-threads: 2", "max-threads: 3"},
		{"period: 30Hz", "period: 33333333ns"},
		{"runtime: 8ms", "runtime: 7ms"},
		{"deadline: 20ms", "deadline: 21ms"},
		{"window: 1/10", "window: 2/10"},
		{"window: 1/10", "window: 1/11"},
		{"latency: 200us", "latency: 201us"},
		{"cpus: 2-3", "cpus: 2"},
		{"cpus: 2-3", "cpus: isolated"},
		{"overrun: throttle", "overrun: allow"},
		{"silence: lost", "silence: ignore"},
		{"manage: observe, range: {runtime", "manage: schedule, range: {runtime"},
		{"runtime: 4ms..", "runtime: 5ms.."},
		{"..12ms", "..13ms"},
		{", range: {rate: 2mbit..12mbit}", ""},
		{"begin: 'uprobe:/bin/a:b'", "begin: 'uprobe:/bin/a:c'"},
		{"end: 'uprobe:/bin/a:e'", "end: 'uprobe:/bin/a:f'"},
		{"job: period", "job: wakeup"},
		{"name: rtp", "name: rtcp"},
		{"interface: eth0", "interface: eth1"},
		{"rate: 12mbit", "rate: 11.9mbit"},
		{"packet: 1400B", "packet: 1300B"},
		{"period: 1ms,", "period: 2ms,"},
		{"deadline: 5ms", "deadline: 6ms"},
		{"window: 2/100", "window: 3/100"},
		{"late: send", "late: drop"},
		{"limit: 200", "limit: 201"},
		{"manage: observe, range: {rate", "manage: schedule, range: {rate"},
		{"2mbit..", "3mbit.."},
		{"proto: udp", "proto: tcp"},
		{"sport: 1", "sport: 2"},
		{"dport: 5004", "dport: 5005"},
		{"192.0.2.0/24", "192.0.2.0/25"},
		{"dscp: 46", "dscp: 0"},
		{"mark: 7", "mark: 8"},
		{", mark: 7", ""},
		{"cgroup: /a", "cgroup: /b"},
		{"placement: user", "placement: kernel"},
		{"adapt: {placement: user}\n", ""},
		{"accept: proven", "accept: simulated"},
		{"expiry: base", "expiry: release"},
		{"drift: warn", "drift: yield"},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(changes); i++)
		assert_differs(changes[i][0], changes[i][1]);
}

static void test_packet_time(void **state)
{
	struct qos_net_stream stream = {.rate_bps = 12000000, .packet_bytes = 1400};

	assert_int_equal(qos_net_packet_ns(&stream), 933333);
	stream.rate_bps = 10000000000000ULL;
	stream.packet_bytes = 1;
	assert_int_equal(qos_net_packet_ns(&stream), 1);
}

static void test_words(void **state)
{
	assert_string_equal(qos_overrun_names[QOS_OVERRUN_ALLOW], "allow");
	assert_string_equal(qos_silence_names[QOS_SILENCE_LOST], "lost");
	assert_string_equal(qos_manage_names[QOS_MANAGE_OBSERVE], "observe");
	assert_string_equal(qos_job_names[QOS_JOB_PROBES], "probes");
	assert_string_equal(qos_late_names[QOS_LATE_SEND], "send");
	assert_string_equal(qos_placement_names[QOS_PLACEMENT_USER], "user");
	assert_string_equal(qos_lease_names[QOS_LEASE_RELEASE], "release");
	assert_string_equal(qos_drift_names[QOS_DRIFT_WARN], "warn");
	assert_string_equal(qos_guarantee_names[QOS_PROVEN], "proven");
	assert_string_equal(qos_match_key_names[QOS_MATCH_UNIT], "unit");
	assert_string_equal(qos_match_key_names[QOS_MATCH_EXE], "exe");
	assert_string_equal(qos_match_key_names[QOS_MATCH_PARENT], "parent");
	assert_null(qos_match_key_names[QOS_MATCH_PARENT + 1]);
}

static void test_free_null(void **state)
{
	qos_contract_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_do_not_count_for_equality),
		cmocka_unit_test(test_every_field_counts),
		cmocka_unit_test(test_packet_time),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_free_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
