/* SPDX-License-Identifier: GPL-2.0-only */
/* Which line decides about a thread, what is nearest, who never matches, and which packets fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "contract/explain.h"
#include "contract/parse.h"

#define REST "cpu: {period: 10ms, runtime: 2ms, window: 1/10}\n"

static const uint32_t gids[] = {44};

static const struct qos_task task = {
	.tid = 100,
	.tgid = 99,
	.comm = "worker",
	.process_comm = "camera",
	.cmdline = "camera --front",
	.unit = "camera.service",
	.uid = 1000,
	.gids = gids,
	.n_gids = 1,
};

/* One user, root, and one group. */
static bool resolve(void *data, enum qos_match_key key, const char *name, struct qos_named *ret)
{
	if (key == QOS_MATCH_USER ? strcmp(name, "root") : strcmp(name, "video"))
		return false;
	ret->id = key == QOS_MATCH_USER ? 0 : 44;
	return true;
}

static const struct qos_resolver names = {.resolve = resolve};

static struct qos_contract *parsed(const char *match, const char *rest)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	char bytes[1024];
	struct qos_text text = {.file = "a.yaml", .bytes = bytes};

	snprintf(bytes, sizeof(bytes), "version: 1\ncontract: a\n%s%s", match, rest);
	text.len = strlen(bytes);
	if (qos_contract_parse_text(&text, 1, &diag, &contract))
		fail_msg("%s", diag.n_entries ? diag.entries[0].text : "no memory");
	qos_diag_reset(&diag);
	return contract;
}

static const struct {
	const char *match;
	bool holds;
	unsigned int line; /* of what decides */
	unsigned int missing;
	const char *text;
} cases[] = {
	{"match: {unit: camera.service}\n", true, 3, 0, "unit: camera.service"},
	{"match: {unit: lens.service}\n", false, 3, 1, "unit: lens.service"},
	/* the first alternative that holds */
	{"match:\n  - unit: lens.service\n  - group: video\n  - user: cam\n", true, 5, 0,
	 "group: video"},
	{"match:\n  - unit: lens.service\n  - unit: camera.service\n    comm: camera\n", true, 5, 0,
	 "all terms of the map"},
	/* of a map the first that does not */
	{"match:\n  unit: camera.service\n  comm: lens\n  user: root\n", false, 5, 2, "comm: lens"},
	/* the alternative with the fewest */
	{"match:\n  - unit: lens.service\n    comm: lens\n  - unit: camera.service\n    user: "
	 "root\n",
	 false, 7, 1, "user: root"},
	{"match:\n  unit: camera.service\n  not: {comm: camera}\n", false, 5, 1,
	 "not: comm: camera"},
	{"match:\n  unit: camera.service\n  not: {comm: lens}\n", true, 4, 0,
	 "all terms of the map"},
};

static void test_what_decides(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_contract_ struct qos_contract *contract = parsed(cases[i].match, REST);
		struct qos_match_why why = qos_explain_match(contract->match, &task, &names);
		char text[QOS_EXPLAIN_TEXT_MAX];

		assert_int_equal(why.holds, cases[i].holds);
		assert_int_equal(why.holds, qos_match_task(contract->match, &task, &names));
		assert_int_equal(why.missing, cases[i].missing);
		assert_string_equal(qos_explain_text(text, sizeof(text), &why), cases[i].text);
		if (why.decides->loc.line != cases[i].line)
			fail_msg("%s: line %u", cases[i].match, why.decides->loc.line);
	}
}

static void test_whole_letters(void **state)
{
	const struct qos_match term = {
		.kind = QOS_MATCH_TERM, .key = QOS_MATCH_UNIT, .value = "a\xc3\xa4\xe2\x82\xac"};
	const struct qos_match_why why = {.decides = &term};
	char text[QOS_EXPLAIN_TEXT_MAX];

	assert_string_equal(qos_explain_text(text, 9, &why), "unit: a");
	assert_string_equal(qos_explain_text(text, 12, &why), "unit: a\xc3\xa4");
	assert_string_equal(qos_explain_text(text, 14, &why), "unit: a\xc3\xa4\xe2\x82\xac");
}

static void test_never(void **state)
{
	struct qos_task odd = task;

	assert_null(qos_explain_never(&odd));
	odd.own = true;
	assert_non_null(strstr(qos_explain_never(&odd), "qosd's own"));
	odd.tgid = 1;
	assert_non_null(strstr(qos_explain_never(&odd), "PID 1"));
	odd.kernel_thread = true;
	assert_non_null(strstr(qos_explain_never(&odd), "kernel thread"));
}

static void test_lost(void **state)
{
	const struct qos_contract a = {.name = "a", .importance = 50};
	const struct qos_contract b = {.name = "b", .importance = 50};
	const struct qos_contract c = {.name = "c", .importance = 90};

	assert_true(qos_match_beats(&c, &a) && qos_match_beats(&a, &b));
	assert_string_equal(qos_explain_lost(&c, &a), "importance");
	assert_string_equal(qos_explain_lost(&a, &b), "name");
}

static const struct {
	const char *match;
	const char *proto;
	const char *dst;
	uint16_t dport;
	const char *differs;
	const char *open;
} packets[] = {
	{"{proto: udp, dport: 5004, cgroup: /}", "udp", "192.0.2.1", 5004, NULL, ""},
	{"{proto: udp, dport: 5004, cgroup: /}", "udp", "192.0.2.1", 0, NULL, "dport 5004"},
	{"{proto: udp, dport: 5004}", "udp", "192.0.2.1", 5004, NULL,
	 "from the contract's own processes"},
	{"{proto: udp}", "tcp", "192.0.2.1", 5004, "proto", ""},
	{"{dport: 5004}", "udp", "192.0.2.1", 5005, "dport", ""},
	{"{dst: 192.0.2.0/24, cgroup: /a.slice}", "udp", "192.0.2.9", 1, NULL, "cgroup /a.slice"},
	{"{dst: 192.0.2.0/24}", "udp", "192.0.3.9", 1, "dst", ""},
	{"{dst: \"2001:db8::/32\", cgroup: /}", "udp", "2001:db8::7", 1, NULL, ""},
	{"{dst: \"2001:db8::/32\", cgroup: /}", "udp", "192.0.2.9", 1, "dst", ""},
	{"{sport: 7, dscp: 46, mark: 9, cgroup: /}", "udp", "192.0.2.9", 1, NULL,
	 "sport 7, dscp 46, mark 9"},
};

static void test_packets(void **state)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
		const struct qos_packet packet = {.proto = packets[i].proto,
						  .dst = packets[i].dst,
						  .dport = packets[i].dport};
		_cleanup_contract_ struct qos_contract *contract = NULL;
		char rest[256], open[128];
		const char *differs;

		snprintf(
			rest, sizeof(rest),
			"network: {interface: eth0, match: %s, rate: 1mbit, packet: 1000B, window: "
			"1/10}\n",
			packets[i].match);
		contract = parsed("match: {unit: a.service}\n", rest);
		differs = qos_explain_packet(&contract->net[0].match, &packet, open, sizeof(open));
		if (packets[i].differs)
			assert_string_equal(differs, packets[i].differs);
		else
			assert_null(differs);
		assert_string_equal(open, packets[i].open);
	}
}

static void test_narrowness(void **state)
{
	const struct qos_flow_match all = {.dscp = -1, .cgroup = "/"};
	const struct qos_flow_match port = {.dscp = -1, .cgroup = "/", .dport = 5};
	const struct qos_flow_match net = {.dscp = -1, .cgroup = "/", .dst = "192.0.2.0/24"};
	const struct qos_flow_match host = {.dscp = -1, .cgroup = "/", .dst = "192.0.2.1"};
	const struct qos_flow_match own = {.dscp = -1, .dst = "192.0.2.1"};

	assert_true(qos_explain_narrowness(&all) < qos_explain_narrowness(&port));
	assert_true(qos_explain_narrowness(&net) < qos_explain_narrowness(&host));
	assert_true(qos_explain_narrowness(&host) < qos_explain_narrowness(&own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_decides), cmocka_unit_test(test_whole_letters),
		cmocka_unit_test(test_never),	     cmocka_unit_test(test_lost),
		cmocka_unit_test(test_packets),	     cmocka_unit_test(test_narrowness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
