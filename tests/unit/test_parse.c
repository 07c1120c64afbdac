/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Document to contract: each value lands in its field, defaults are what they should be, mistakes are
 * all shown at their places, overlays merge. The wording of every mistake is in tests/golden.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "contract/parse.h"

#define HEAD "version: 1\ncontract: camera\nmatch: {unit: camera.service}\n"
#define CPU  "cpu: {period: 10ms, runtime: 2ms, window: 1/10}\n"

static int parse(const char *const *texts, size_t n, struct qos_diag *diag,
		 struct qos_contract **ret)
{
	struct qos_text list[4];
	static const char *const names[] = {"a.yaml", "a.yaml.d/1.yaml", "a.yaml.d/2.yaml", "x"};

	for (size_t i = 0; i < n; i++)
		list[i] = (struct qos_text){names[i], texts[i], strlen(texts[i])};
	return qos_contract_parse_text(list, n, diag, ret);
}

static struct qos_contract *parsed_all(const char *const *texts, size_t n)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = parse(texts, n, &diag, &contract);

	qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	assert_int_equal(diag.n_entries, 0);
	return contract;
}

static struct qos_contract *parsed(const char *text)
{
	return parsed_all(&text, 1);
}

/* Parses a wrong text and compares "line:col text" of all that is said, one a line. */
static void assert_wrong(const char *text, const char *expected)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = (void *)1;
	char got[8192] = "";

	assert_int_equal(parse(&text, 1, &diag, &contract), -EINVAL);
	assert_ptr_equal(contract, (void *)1);
	for (size_t i = 0; i < diag.n_entries; i++) {
		const struct qos_diag_entry *entry = &diag.entries[i];
		size_t len = strlen(got);

		assert_string_equal(entry->file, "a.yaml");
		assert_non_null(entry->hint);
		snprintf(got + len, sizeof(got) - len, "%u:%u %s\n", entry->line, entry->col,
			 entry->text);
	}
	assert_string_equal(got, expected);
	qos_diag_reset(&diag);
}

static void test_defaults(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = parsed(HEAD CPU);
	const struct qos_cpu_stream *stream = &contract->cpu[0];

	assert_string_equal(contract->name, "camera");
	assert_null(contract->description);
	assert_int_equal(contract->importance, 50);
	assert_int_equal(contract->accept, QOS_SIMULATED);
	assert_int_equal(contract->on_lease_expiry, QOS_LEASE_HOLD);
	assert_int_equal(contract->on_drift, QOS_DRIFT_YIELD);
	assert_false(contract->has_adapt);
	assert_int_equal(contract->n_net, 0);
	assert_int_equal(contract->n_cpu, 1);
	assert_string_equal(stream->name, "main");
	assert_int_equal(stream->n_threads, 0);
	assert_int_equal(stream->max_threads, 1);
	assert_int_equal(stream->deadline_ns, 10000000);
	assert_int_equal(stream->latency_ns, 0);
	assert_int_equal(stream->where, QOS_WHERE_ANY);
	assert_int_equal(stream->overrun, QOS_OVERRUN_DEMOTE);
	assert_int_equal(stream->job, QOS_JOB_WAKEUP);
	assert_int_equal(stream->silence, QOS_SILENCE_IGNORE);
	assert_int_equal(stream->manage, QOS_MANAGE_SCHEDULE);
	assert_false(stream->runtime_range.set);
}

static void test_cpu_values(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed(HEAD "cpu:\n"
			    "  - name: capture\n"
			    "    threads: ['*:src', b]\n"
			    "    max-threads: 64\n"
			    "    period: 30Hz\n"
			    "    runtime: 8ms\n"
			    "    deadline: 20ms\n"
			    "    window: 0/0\n"
			    "    latency: 200us\n"
			    "    cpus: 2-3\n"
			    "    overrun: allow\n"
			    "    job: {begin: usdt:/bin/a:p:b, end: uprobe:/bin/a:e}\n"
			    "    silence: lost\n"
			    "    manage: observe\n"
			    "    range: {runtime: 4ms..20ms}\n");
	const struct qos_cpu_stream *stream = &contract->cpu[0];

	assert_string_equal(stream->name, "capture");
	assert_int_equal(stream->n_threads, 2);
	assert_string_equal(stream->threads[0], "*:src");
	assert_int_equal(stream->max_threads, 64);
	assert_int_equal(stream->period.mhz, 30000);
	assert_int_equal(stream->runtime_ns, 8000000);
	assert_int_equal(stream->deadline_ns, 20000000);
	assert_int_equal(stream->window.y, 0);
	assert_int_equal(stream->latency_ns, 200000);
	assert_int_equal(stream->where, QOS_WHERE_LIST);
	assert_int_equal(qos_cpus_count(&stream->cpus), 2);
	assert_int_equal(stream->overrun, QOS_OVERRUN_ALLOW);
	assert_int_equal(stream->job, QOS_JOB_PROBES);
	assert_string_equal(stream->job_begin, "usdt:/bin/a:p:b");
	assert_string_equal(stream->job_end, "uprobe:/bin/a:e");
	assert_int_equal(stream->silence, QOS_SILENCE_LOST);
	assert_int_equal(stream->manage, QOS_MANAGE_OBSERVE);
	assert_true(stream->runtime_range.set);
	assert_int_equal(stream->runtime_range.lo, 4000000);
	assert_int_equal(stream->runtime_range.hi, 20000000);
	assert_int_equal(stream->loc.line, 5);
}

static void test_network_values(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = parsed(
		HEAD
		"network:\n"
		"  - {name: rtp, interface: eth0, rate: 12mbit, packet: 1400B, period: 1ms,\n"
		"     deadline: 5ms, window: 2/100, late: send, limit: 200,\n"
		"     match: {proto: udp, dport: 5004, dst: '2001:db8::/32', dscp: 0, mark: 0},\n"
		"     range: {rate: 2mbit..12mbit}}\n"
		"  - {name: any, interface: eth0, rate: 12mbit, packet: 1400B, window: 0/1}\n");
	const struct qos_net_stream *rtp = &contract->net[0], *any = &contract->net[1];

	assert_int_equal(rtp->rate_bps, 12000000);
	assert_int_equal(rtp->packet_bytes, 1400);
	assert_int_equal(rtp->period.ns, 1000000);
	assert_int_equal(rtp->deadline_ns, 5000000);
	assert_int_equal(rtp->late, QOS_LATE_SEND);
	assert_int_equal(rtp->limit, 200);
	assert_string_equal(rtp->match.proto, "udp");
	assert_int_equal(rtp->match.dport, 5004);
	assert_string_equal(rtp->match.dst, "2001:db8::/32");
	assert_int_equal(rtp->match.dscp, 0);
	assert_true(rtp->match.mark_set);
	assert_int_equal(rtp->rate_range.lo, 2000000);
	assert_int_equal(any->period.ns, 933333);
	assert_int_equal(any->deadline_ns, 933333);
	assert_int_equal(any->limit, 1000);
	assert_int_equal(any->match.dscp, -1);
	assert_false(any->match.mark_set);
	assert_null(any->match.cgroup);
}

static void test_written_default_period_is_fine(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed(HEAD "network: {interface: eth0, rate: 12mbit, packet: 1400B, "
			    "period: 933333ns, window: 0/1}\n");

	assert_int_equal(contract->net[0].period.ns, 933333);
}

static void test_match_tree(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed("version: 1\ncontract: a\nmatch:\n"
		       "  - unit: a.service\n"
		       "  - exe: /bin/a\n"
		       "    not: [{user: root}, {group: adm, comm: b}]\n" CPU);
	const struct qos_match *match = contract->match;

	assert_int_equal(match->kind, QOS_MATCH_ANY);
	assert_int_equal(match->n_children, 2);
	assert_int_equal(match->children[0]->kind, QOS_MATCH_TERM);
	assert_int_equal(match->children[0]->key, QOS_MATCH_UNIT);
	assert_int_equal(match->children[0]->loc.line, 4);
	match = match->children[1];
	assert_int_equal(match->kind, QOS_MATCH_ALL);
	match = match->children[1];
	assert_int_equal(match->kind, QOS_MATCH_NOT);
	match = match->children[0];
	assert_int_equal(match->kind, QOS_MATCH_ANY);
	assert_int_equal(match->children[0]->key, QOS_MATCH_USER);
	assert_int_equal(match->children[1]->kind, QOS_MATCH_ALL);
}

static void test_placement_alone_is_fine(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		parsed(HEAD CPU "adapt: {placement: kernel}\n");

	assert_true(contract->has_adapt);
	assert_int_equal(contract->placement, QOS_PLACEMENT_KERNEL);
}

static void test_all_mistakes_in_one_run(void **state)
{
	assert_wrong("version: 1\n"
		     "contract: Camera\n"
		     "importance: 200\n"
		     "colour: blue\n"
		     "match: {comm: x}\n"
		     "cpu: {period: 0ms, runtime: fast, window: 2/1}\n"
		     "network: {interface: eth0}\n"
		     "accept: maybe\n",
		     "2:11 contract: 'Camera' is not a contract name\n"
		     "3:13 importance: '200' is out of range\n"
		     "4:1 unknown key 'colour' in contract\n"
		     "5:15 match: `comm` alone gives privilege to any program that wants it\n"
		     "6:15 period: must be greater than zero\n"
		     "6:29 runtime: 'fast' is not a duration\n"
		     "6:43 window: of 1 requests 2 cannot be lost\n"
		     "7:10 network stream has no `rate`\n"
		     "7:10 network stream has no `packet`\n"
		     "7:10 network stream has no `window`\n"
		     "8:9 accept: 'maybe' is not a word that is known here\n");
}

static void test_one_mistake_is_one_message(void **state)
{
	/* The misspelt key is the missing one; a wrong period is in no order with anything. */
	assert_wrong(HEAD "cpu: {perod: 10ms, runtime: 2ms, window: 1/10}\n",
		     "4:7 unknown key 'perod' in cpu stream\n");
	assert_wrong(HEAD
		     "cpu: {period: 10, runtime: 20ms, window: 1/10, range: {runtime: 1ms..2s}}\n",
		     "4:15 period: '10' is not a duration or a rate in hertz\n");
}

static void test_newer_version_is_one_message(void **state)
{
	assert_wrong("version: 2\nwhat: ever\n",
		     "1:10 version 2 is newer than this program knows, 1\n");
}

/* Texts with their places; what they say is not judged here. */
static void test_rules(void **state)
{
	static const char text[] = HEAD CPU "adapt:\n  rules:\n"
					    "    - event: anything\n      when: \"a\"\n"
					    "      set: {b: c, 'd': 'e'}\n"
					    "    - {event: f, emit: g}\n"
					    "    - {event: \"f\\x67\", emit: g}\n";
	_cleanup_contract_ struct qos_contract *contract = NULL;
	const struct qos_text one = {"file", text, strlen(text)};
	const struct qos_rule *rule;

	assert_int_equal(qos_contract_parse_text(&one, 1, NULL, &contract), 0);
	assert_int_equal(contract->n_rules, 3);
	rule = &contract->rules[0];
	assert_string_equal(rule->event.text, "anything");
	assert_string_equal(rule->when.text, "a");
	assert_int_equal(rule->when.loc.line, 8);
	assert_int_equal(rule->when.loc.col, 14);
	assert_true(rule->when.exact);
	assert_int_equal(rule->n_sets, 2);
	assert_string_equal(rule->sets[1].attribute.text, "d");
	assert_string_equal(rule->sets[1].value.text, "e");
	assert_int_equal(rule->sets[1].value.loc.col, 25);
	assert_null(rule->emit.text);
	assert_string_equal(contract->rules[1].emit.text, "g");
	assert_null(contract->rules[1].when.text);
	assert_string_equal(contract->rules[2].event.text, "fg");
	assert_false(contract->rules[2].event.exact);
}

static void test_bounds(void **state)
{
	static const char *const good[] = {
		"cpu: {period: 1h, runtime: 1h, window: 4294967295/4294967295}\n",
		"cpu: {period: 1us, runtime: 1ns, window: 0/1}\n",
		"cpu: {period: 10ms, runtime: 10ms, deadline: 10ms, window: 0/1}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, range: {runtime: 2ms..2ms}}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, threads: [abcdefghijklmno*]}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, cpus: 0-1023}\n",
		"network: {interface: abcdefghijklmno, rate: 10000gbit, packet: 1MiB, window: "
		"0/1}\n",
		"network: {interface: e, rate: 10000gbit, packet: 1B, window: 0/1}\n",
		"network: {interface: e, rate: 1bit, packet: 1B, window: 0/1}\n",
		"network: {interface: e, rate: 8kbit, packet: 1B, period: 1kHz, window: 0/1}\n",
	};
	static const char *const bad[] = {
		"cpu: {period: 1h, runtime: 3600000000001ns, window: 0/1}\n",
		"cpu: {period: 999ns, runtime: 1ns, window: 0/1}\n",
		"cpu: {period: 10ms, runtime: 10000001ns, window: 0/1}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, range: {runtime: "
		"2000001ns..3ms}}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, range: {runtime: "
		"2ms..10000001ns}}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, threads: [abcdefghijklmnop]}\n",
		"cpu: {period: 10ms, runtime: 2ms, window: 0/1, cpus: 0-1024}\n",
		"network: {interface: abcdefghijklmnop, rate: 1gbit, packet: 1B, window: 0/1}\n",
		"network: {interface: e, rate: 7999bit, packet: 1B, period: 1kHz, window: 0/1}\n",
	};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	char text[512];
	const char *texts[] = {text};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "%s%s", HEAD, good[i]);
		qos_contract_free(parsed(text));
	}
	for (size_t i = 0; i < QOS_ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "%s%s", HEAD, bad[i]);
		if (parse(texts, 1, &diag, &contract) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(diag.n_errors, 1);
		qos_diag_reset(&diag);
	}
}

static void test_shadowed_stream_is_a_warning(void **state)
{
	const char *text = HEAD "cpu:\n"
				"  - {name: a, period: 10ms, runtime: 2ms, window: 0/1}\n"
				"  - {name: b, period: 10ms, runtime: 2ms, window: 0/1}\n";
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;

	assert_int_equal(parse(&text, 1, &diag, &contract), 0);
	assert_int_equal(diag.n_warnings, 1);
	assert_int_equal(diag.entries[0].line, 6);
	qos_contract_free(contract);
	qos_diag_reset(&diag);
	diag.strict = true;
	assert_int_equal(parse(&text, 1, &diag, &contract), -EINVAL);
	qos_diag_reset(&diag);
}

static void test_overlays(void **state)
{
	const char *const texts[] = {
		HEAD "cpu:\n"
		     "  - {name: a, threads: [a], period: 10ms, runtime: 2ms, window: 1/10}\n"
		     "  - {name: b, period: 20ms, runtime: 2ms, window: 1/10}\n",
		"importance: 70\ncpu:\n  - {name: b, runtime: 3ms}\n",
		"importance: 80\n",
	};
	_cleanup_contract_ struct qos_contract *contract = parsed_all(texts, 3);

	assert_int_equal(contract->importance, 80);
	assert_int_equal(contract->n_cpu, 2);
	assert_int_equal(contract->cpu[0].runtime_ns, 2000000);
	assert_int_equal(contract->cpu[1].runtime_ns, 3000000);
	assert_int_equal(contract->cpu[1].period.ns, 20000000);
	assert_int_equal(contract->n_files, 3);
}

static void test_mistake_in_an_overlay_has_its_place(void **state)
{
	const char *const texts[] = {HEAD CPU, "cpu:\n  runtime: 20ms\n"};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;

	assert_int_equal(parse(texts, 2, &diag, &contract), -EINVAL);
	assert_int_equal(diag.n_errors, 1);
	assert_string_equal(diag.entries[0].file, "a.yaml.d/1.yaml");
	assert_int_equal(diag.entries[0].line, 2);
	qos_diag_reset(&diag);
}

static void test_mistakes_of_all_texts(void **state)
{
	const char *const texts[] = {"a: &x 1\n", "- list\n"};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;

	assert_int_equal(parse(texts, 2, &diag, &contract), -EINVAL);
	assert_int_equal(diag.n_errors, 2);
	assert_string_equal(diag.entries[1].file, "a.yaml.d/1.yaml");
	qos_diag_reset(&diag);
}

static void test_works_without_diag(void **state)
{
	const char *text = "version: 1\n";
	struct qos_contract *contract = NULL;

	assert_int_equal(parse(&text, 1, NULL, &contract), -EINVAL);
	assert_int_equal(qos_contract_parse_text(NULL, 0, NULL, &contract), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_cpu_values),
		cmocka_unit_test(test_network_values),
		cmocka_unit_test(test_written_default_period_is_fine),
		cmocka_unit_test(test_match_tree),
		cmocka_unit_test(test_placement_alone_is_fine),
		cmocka_unit_test(test_all_mistakes_in_one_run),
		cmocka_unit_test(test_one_mistake_is_one_message),
		cmocka_unit_test(test_newer_version_is_one_message),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_shadowed_stream_is_a_warning),
		cmocka_unit_test(test_overlays),
		cmocka_unit_test(test_mistake_in_an_overlay_has_its_place),
		cmocka_unit_test(test_mistakes_of_all_texts),
		cmocka_unit_test(test_works_without_diag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
