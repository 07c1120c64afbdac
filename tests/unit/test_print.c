/* SPDX-License-Identifier: GPL-2.0-only */
/* The canonical form, whole: order of keys, defaults left out, quotes where YAML needs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "contract/parse.h"
#include "contract/print.h"

static struct qos_contract *parsed(const char *text)
{
	const struct qos_text one = {"a.yaml", text, strlen(text)};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(&one, 1, &diag, &contract);

	qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	qos_diag_reset(&diag);
	return contract;
}

/* What is canonical comes out as it went in. */
static void assert_print(const char *text, const char *expected)
{
	_cleanup_contract_ struct qos_contract *contract = parsed(text);
	struct qos_buf buf = {};

	qos_contract_print(contract, &buf);
	assert_int_equal(buf.error, 0);
	assert_string_equal(buf.text, expected);
	qos_buf_reset(&buf);
}

static void assert_canonical(const char *text)
{
	assert_print(text, text);
}

static void test_small(void **state)
{
	assert_canonical("version: 1\n"
			 "contract: camera\n"
			 "match:\n"
			 "  unit: camera.service\n"
			 "cpu:\n"
			 "  period: 10ms\n"
			 "  runtime: 2ms\n"
			 "  window: 1/10\n");
}

static void test_defaults_are_left_out(void **state)
{
	assert_print(
		"on-drift: yield\non-lease-expiry: hold\naccept: simulated\nimportance: 50\n"
		"network: {name: main, interface: e, rate: 8mbit, packet: 1000B, period: 1ms,\n"
		"          deadline: 1ms, window: 0/1, late: drop, limit: 1000, match: {}}\n"
		"cpu: [{name: main, period: 10ms, deadline: 10ms, runtime: 2ms, window: 1/10,\n"
		"       max-threads: 1, overrun: demote, job: wakeup, silence: ignore,\n"
		"       manage: schedule}]\n"
		"match: [{unit: camera.service}]\ncontract: camera\nversion: 1\n",
		"version: 1\n"
		"contract: camera\n"
		"match:\n"
		"  unit: camera.service\n"
		"cpu:\n"
		"  period: 10ms\n"
		"  runtime: 2ms\n"
		"  window: 1/10\n"
		"network:\n"
		"  interface: e\n"
		"  rate: 8mbit\n"
		"  packet: 1kB\n"
		"  window: 0/1\n");
}

/* Every key there is, none at its default. */
static const char full[] = "version: 1\n"
			   "contract: camera\n"
			   "description: front camera, 30 frames a second\n"
			   "importance: 60\n"
			   "match:\n"
			   "  - unit: camera.service\n"
			   "  - exe: /usr/bin/gst-launch-1.0\n"
			   "    group: video\n"
			   "    not:\n"
			   "      - user: root\n"
			   "      - - comm: a\n"
			   "        - not:\n"
			   "            comm: b\n"
			   "cpu:\n"
			   "  - name: capture\n"
			   "    threads: [\"*:src\", \"b\"]\n"
			   "    max-threads: 2\n"
			   "    period: 30Hz\n"
			   "    runtime: 8ms\n"
			   "    deadline: 20ms\n"
			   "    window: 1/10\n"
			   "    latency: 200us\n"
			   "    cpus: 2-3\n"
			   "    overrun: throttle\n"
			   "    job: {begin: \"usdt:/bin/a:p:b\", end: \"uprobe:/bin/a:e\"}\n"
			   "    silence: lost\n"
			   "    manage: observe\n"
			   "    range: {runtime: 4ms..12ms}\n"
			   "  - name: other\n"
			   "    period: 10ms\n"
			   "    runtime: 1ms\n"
			   "    window: 0/0\n"
			   "    cpus: isolated\n"
			   "    job: period\n"
			   "network:\n"
			   "  - name: rtp\n"
			   "    interface: eth0\n"
			   "    match:\n"
			   "      proto: udp\n"
			   "      sport: 1\n"
			   "      dport: 5004\n"
			   "      dst: \"192.0.2.0/24\"\n"
			   "      dscp: 0\n"
			   "      mark: 7\n"
			   "      cgroup: /a\n"
			   "    rate: 12mbit\n"
			   "    packet: 1400B\n"
			   "    period: 1ms\n"
			   "    deadline: 5ms\n"
			   "    window: 2/100\n"
			   "    late: send\n"
			   "    limit: 200\n"
			   "    manage: observe\n"
			   "    range: {rate: 2mbit..12mbit}\n"
			   "adapt:\n"
			   "  placement: user\n"
			   "accept: proven\n"
			   "on-lease-expiry: base\n"
			   "on-drift: warn\n";

static void test_full(void **state)
{
	assert_canonical(full);
}

/* Prints a contract with that description and returns what stands behind the key. */
static void assert_description(const char *value, const char *expected)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed("version: 1\ncontract: on\nmatch: {unit: a.service}\n"
		       "cpu: {period: 1s, runtime: 1ms, window: 0/1}\n");
	struct qos_buf buf = {};
	char line[256];

	contract->description = strdup(value);
	snprintf(line, sizeof(line), "contract: \"on\"\ndescription: %s\nmatch:", expected);
	qos_contract_print(contract, &buf);
	if (!strstr(buf.text, line))
		fail_msg("expected %s in\n%s", line, buf.text);
	qos_buf_reset(&buf);
}

static void test_quotes(void **state)
{
	assert_description("plain words, and more", "plain words, and more");
	assert_description("/a/path:b", "/a/path:b");
	assert_description("NO", "\"NO\"");
	assert_description("null", "\"null\"");
	assert_description("1e3", "\"1e3\"");
	assert_description("- item", "\"- item\"");
	assert_description("a: b", "\"a: b\"");
	assert_description("end:", "\"end:\"");
	assert_description("a #b", "\"a #b\"");
	assert_description("trailing ", "\"trailing \"");
	assert_description("two  blanks", "\"two  blanks\"");
	assert_description("say \"so\"\\", "\"say \\\"so\\\"\\\\\"");
	assert_description("line\nline\tx", "\"line\\nline\\tx\"");
	assert_description("caf\xc3\xa9", "\"caf\xc3\xa9\"");
}

static void test_error_sticks(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed("version: 1\ncontract: a\nmatch: {unit: a.service}\n"
		       "cpu: {period: 1s, runtime: 1ms, window: 0/1}\n");
	struct qos_buf buf = {.error = -ENOMEM};

	qos_contract_print(contract, &buf);
	assert_int_equal(buf.error, -ENOMEM);
	assert_null(buf.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),	     cmocka_unit_test(test_defaults_are_left_out),
		cmocka_unit_test(test_full),	     cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_error_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
