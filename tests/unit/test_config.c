/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's settings: defaults, every key, every bound from both sides, every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

static int parse(const char *text, struct qos_diag *diag, struct qos_config *ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;

	assert_int_equal(qos_doc_parse("q.yaml", text, strlen(text), diag, &doc), 0);
	return qos_config_parse(doc, diag, ret);
}

static void test_default(void **state)
{
	struct qos_config config, empty;

	qos_config_default(&config);
	assert_int_equal(config.cap_ppm, 900000);
	assert_int_equal(config.band_first, 10);
	assert_int_equal(config.band_last, 40);
	assert_int_equal(config.overhead_ns, 20000);
	assert_int_equal(config.blocking_ns, 50000);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_AUTO);
	assert_int_equal(config.lease_ns, 30000000000);
	assert_int_equal(config.slow_loop_ns, 1000000000);
	assert_int_equal(parse("{}", NULL, &empty), 0);
	assert_int_equal(empty.cap_ppm, config.cap_ppm);
	assert_int_equal(empty.lease_ns, config.lease_ns);
}

static void test_all_keys(void **state)
{
	struct qos_config config;

	assert_int_equal(parse("version: 1\n"
			       "cpu: {cap: 80.5%, band: 5-20, overhead: 30us, blocking: 100us}\n"
			       "managers: {cpu: native}\n"
			       "lease: 60s\n"
			       "slow-loop: 2s\n",
			       NULL, &config),
			 0);
	assert_int_equal(config.cap_ppm, 805000);
	assert_int_equal(config.band_first, 5);
	assert_int_equal(config.band_last, 20);
	assert_int_equal(config.overhead_ns, 30000);
	assert_int_equal(config.blocking_ns, 100000);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_NATIVE);
	assert_int_equal(config.lease_ns, 60000000000);
	assert_int_equal(config.slow_loop_ns, 2000000000);
}

static void test_managers(void **state)
{
	struct qos_config config;

	assert_int_equal(parse("managers: {cpu: auto}", NULL, &config), 0);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_AUTO);
	assert_int_equal(parse("managers: {cpu: native}", NULL, &config), 0);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_NATIVE);
	assert_int_equal(parse("managers: {cpu: module}", NULL, &config), 0);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_MODULE);
	assert_true(config.monitor);
	assert_int_equal(parse("monitor: none", NULL, &config), 0);
	assert_false(config.monitor);
}

static void test_network(void **state)
{
	const struct qos_config_link *link;
	struct qos_config config;

	qos_config_default(&config);
	assert_int_equal(config.link_share_ppm, 100000);
	assert_int_equal(config.link_blocking_ns, 100000);
	assert_int_equal(config.network_manager, QOS_MANAGER_AUTO);
	assert_int_equal(parse("managers: {cpu: module, network: native}\n"
			       "network:\n"
			       "  share: 20%\n"
			       "  blocking: 1ms\n"
			       "  interfaces:\n"
			       "    wlan0: {capacity: 20mbit}\n"
			       "    eth0: {takeover: yes}\n"
			       "    eth1: {takeover: no, capacity: 1gbit}\n",
			       NULL, &config),
			 0);
	assert_int_equal(config.cpu_manager, QOS_MANAGER_MODULE);
	assert_int_equal(config.network_manager, QOS_MANAGER_NATIVE);
	assert_int_equal(config.link_share_ppm, 200000);
	assert_int_equal(config.link_blocking_ns, 1000000);
	link = qos_config_link(&config, "wlan0");
	assert_non_null(link);
	assert_int_equal(link->capacity_bps, 20000000);
	assert_false(link->takeover);
	link = qos_config_link(&config, "eth0");
	assert_non_null(link);
	assert_int_equal(link->capacity_bps, 0);
	assert_true(link->takeover);
	assert_false(qos_config_link(&config, "eth1")->takeover);
	assert_null(qos_config_link(&config, "eth2"));
}

static void test_textfile(void **state)
{
	struct qos_config config;
	char text[QOS_CONFIG_PATH_MAX + 64];

	qos_config_default(&config);
	assert_string_equal(config.textfile, "");
	assert_int_equal(parse("metrics: {textfile: /a.prom}", NULL, &config), 0);
	assert_string_equal(config.textfile, "/a.prom");
	for (int len = QOS_CONFIG_PATH_MAX - 1; len <= QOS_CONFIG_PATH_MAX; len++) {
		snprintf(text, sizeof(text), "metrics: {textfile: /%0*d.prom}", len - 6, 0);
		assert_int_equal(parse(text, NULL, &config),
				 len < QOS_CONFIG_PATH_MAX ? 0 : -EINVAL);
	}
}

static void test_bounds(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{"network: {share: 1%}", 0},
		{"network: {share: 0.5%}", -EINVAL},
		{"network: {share: 90%}", 0},
		{"network: {share: 91%}", -EINVAL},
		{"network: {blocking: 100ms}", 0},
		{"network: {blocking: 101ms}", -EINVAL},
		{"network: {interfaces: {a: {capacity: 999bit}}}", -EINVAL},
		{"network: {interfaces: {a: {takeover: maybe}}}", -EINVAL},
		{"network: {interfaces: {a-name-of-16-xyz: {takeover: no}}}", -EINVAL},
		{"network: {interfaces: {a-name-of-15-xy: {takeover: no}}}", 0},
		{"network: {interfaces: {a: yes}}", -EINVAL},
		{"network: {interfaces: [a]}", -EINVAL},
		{"network: {interfaces: {a: {speed: 1mbit}}}", -EINVAL},
		{"cpu: {cap: 1%}", 0},
		{"cpu: {cap: 0.9999%}", -EINVAL},
		{"cpu: {cap: 95%}", 0},
		{"cpu: {cap: 95.0001%}", -EINVAL},
		{"cpu: {band: 1-48}", 0},
		{"cpu: {band: 0-48}", -EINVAL},
		{"cpu: {band: 1-49}", -EINVAL},
		{"cpu: {band: 7-8}", 0},
		{"cpu: {band: 7-7}", -EINVAL},
		{"cpu: {band: 7}", -EINVAL},
		{"cpu: {band: 8-7}", -EINVAL},
		{"cpu: {overhead: 0}", 0},
		{"cpu: {overhead: 10ms}", 0},
		{"cpu: {overhead: 10000001ns}", -EINVAL},
		{"cpu: {blocking: 10ms}", 0},
		{"cpu: {blocking: 11ms}", -EINVAL},
		{"lease: 1s", 0},
		{"lease: 999ms", -EINVAL},
		{"lease: 1h", 0},
		{"lease: 61m", -EINVAL},
		{"lease: 99999999999d", -EINVAL},
		{"slow-loop: 500ms", 0},
		{"slow-loop: 499ms", -EINVAL},
		{"slow-loop: 60s", 0},
		{"slow-loop: 61s", -EINVAL},
		{"version: 1", 0},
		{"version: 0", -EINVAL},
		{"version: 2", -EINVAL},
		{"version: 99999999999", -EINVAL},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_config config;

		print_message("%s\n", cases[i].text);
		assert_int_equal(parse(cases[i].text, NULL, &config), cases[i].result);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{"version: 2\n", "q.yaml:1:10: error: version: out of bounds\n"
				 "  hint: the only version so far is 1\n"},
		{"version: one\n", "q.yaml:1:10: error: version: not a value of this form\n"
				   "  hint: the only version so far is 1\n"},
		{"cpu: 90%\n", "q.yaml:1:6: error: cpu: a map is expected here\n"
			       "  hint: a map of cap, band, overhead, blocking\n"},
		{"cpu:\n  cap: [90%]\n  band: 10\n  overhead: 20\n  blocking: 1s\n",
		 "q.yaml:2:8: error: cap: a single value is expected here\n"
		 "  hint: a percentage from 1% to 95%\n"
		 "q.yaml:3:9: error: band: one priority is no band\n"
		 "  hint: two priorities from 1 to 48, the lower first, such as `10-40`\n"
		 "q.yaml:4:13: error: overhead: not a value of this form\n"
		 "  hint: a duration up to 10ms\n"
		 "q.yaml:5:13: error: blocking: out of bounds\n"
		 "  hint: a duration up to 10ms\n"},
		{"metrics:\n  textfile: qosd.prom\n",
		 "q.yaml:2:13: error: textfile: not a file of this form\n"
		 "  hint: an absolute path that ends with .prom\n"},
		{"metrics: {textfile: /.prom}\n",
		 "q.yaml:1:21: error: textfile: not a file of this form\n"
		 "  hint: an absolute path that ends with .prom\n"},
		{"metrics: {textfile: /x/y.txt}\n",
		 "q.yaml:1:21: error: textfile: not a file of this form\n"
		 "  hint: an absolute path that ends with .prom\n"},
		{"metrics: yes\n", "q.yaml:1:10: error: metrics: a map is expected here\n"
				   "  hint: a map such as `{textfile: /DIR/qosd.prom}`\n"},
		{"managers: auto\n", "q.yaml:1:11: error: managers: a map is expected here\n"
				     "  hint: a map such as `{cpu: auto, network: auto}`\n"},
		{"network:\n  interfaces: {eth0: 1gbit}\n",
		 "q.yaml:2:22: error: interfaces: each interface is a map of capacity, takeover\n"
		 "  hint: a map of names, such as `{wlan0: {capacity: 20mbit}}`\n"},
		{"network:\n  interfaces: {eth0: {takeover: true}}\n",
		 "q.yaml:2:33: error: takeover: neither yes nor no\n"
		 "  hint: yes or no\n"},
		{"managers:\n  cpu: best\n", "q.yaml:2:8: error: cpu: no such manager\n"
					     "  hint: auto, module or native\n"},
		{"managers:\n  cpu: {}\n", "q.yaml:2:8: error: cpu: a single value is expected "
					   "here\n"
					   "  hint: auto, module or native\n"},
		{"monitor: perf\n", "q.yaml:1:10: error: monitor: no such monitor\n"
				    "  hint: bpf or none\n"},
		{"lease: soon\n", "q.yaml:1:8: error: lease: not a value of this form\n"
				  "  hint: a duration from 1s to 1h\n"},
		{"slow-loop: 1ms\n", "q.yaml:1:12: error: slow-loop: out of bounds\n"
				     "  hint: a duration from 500ms to 60s\n"},
		{"leese: 1s\nzzzzz: 1\ncpu: {cup: 1%}\n", "q.yaml:1:1: error: unknown key `leese`\n"
							  "  hint: did you mean `lease`?\n"
							  "q.yaml:2:1: error: unknown key `zzzzz`\n"
							  "  hint: qosd.yaml(5) lists the keys\n"
							  "q.yaml:3:7: error: unknown key `cup`\n"
							  "  hint: did you mean `cap`?\n"},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_config config = {.cap_ppm = 77};
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		assert_int_equal(parse(cases[i].text, &diag, &config), -EINVAL);
		assert_int_equal(config.cap_ppm, 77);
		qos_diag_print(&diag, out);
		fclose(out);
		assert_string_equal(text, cases[i].expected);
		qos_diag_reset(&diag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),	 cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_textfile), cmocka_unit_test(test_managers),
		cmocka_unit_test(test_network),	 cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
