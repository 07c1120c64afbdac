/* SPDX-License-Identifier: GPL-2.0-only */
/* Contract against host: what is said, and what is not said where the host does not know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "contract/check.h"
#include "contract/parse.h"

#define VERSION "version: 1\ncontract: camera\n"
#define MATCH	VERSION "match: {unit: camera.service}\n"
#define BARE	"period: 10ms, runtime: 2ms, window: 1/10"
#define CPU	"cpu: {" BARE "}\n"

static struct qos_contract *parsed(const char *file, const char *text)
{
	const struct qos_text one = {file, text, strlen(text)};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(&one, 1, &diag, &contract);

	qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	qos_diag_reset(&diag);
	return contract;
}

/* Two CPUs, no isolated one, known lists. */
static struct qos_host *known_host(void)
{
	static const char json[] =
		"{\"schema\": 1, \"online\": \"0-1\", \"isolated\": \"\","
		" \"features\": {\"uprobes\": \"absent\"},"
		" \"interfaces\": [{\"name\": \"lo\", \"speed_bps\": 0}],"
		" \"users\": [\"root\", \"camera\"], \"groups\": [\"root\", \"video\"]}";
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_host *host = NULL;
	int r = qos_host_parse("host.json", json, strlen(json), &diag, &host);

	qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	qos_diag_reset(&diag);
	return host;
}

/* Checks and compares "line:col severity: text", one a line. */
static void assert_check(const char *text, const struct qos_host *host, bool strict,
			 const char *expected)
{
	_cleanup_contract_ struct qos_contract *contract = parsed("a.yaml", text);
	struct qos_diag diag = {.strict = strict};
	char got[2048] = "";
	int r = qos_contract_check(contract, host, &diag);

	for (size_t i = 0; i < diag.n_entries; i++) {
		const struct qos_diag_entry *entry = &diag.entries[i];
		size_t len = strlen(got);

		assert_non_null(entry->hint);
		snprintf(got + len, sizeof(got) - len, "%u:%u %s: %s\n", entry->line, entry->col,
			 qos_severity_name(entry->severity), entry->text);
	}
	assert_string_equal(got, expected);
	assert_int_equal(r, diag.n_errors ? -EINVAL : 0);
	qos_diag_reset(&diag);
}

static void assert_known(const char *text, const char *expected)
{
	_cleanup_host_ struct qos_host *host = known_host();

	assert_check(text, host, false, expected);
}

static void test_nothing_to_say(void **state)
{
	assert_known(MATCH CPU, "");
	assert_known(VERSION "match: {user: camera, group: video}\n"
			     "cpu: {" BARE ", cpus: 0-1}\n"
			     "network: {interface: lo, rate: 1mbit, packet: 1kB, window: 0/1}\n",
		     "");
}

static void test_cpus(void **state)
{
	assert_known(MATCH "cpu: {" BARE ", cpus: 1-2}\n",
		     "4:6 warning: cpus: 2 of stream main is not online\n");
	assert_known(MATCH "cpu: {" BARE ", cpus: '2,4-5'}\n",
		     "4:6 warning: cpus: 2,4-5 of stream main are not online\n");
	assert_known(MATCH "cpu: {" BARE ", cpus: isolated}\n",
		     "4:6 warning: cpus: stream main wants isolated CPUs, and there are none\n");
}

static void test_isolated_cpus_there_are(void **state)
{
	_cleanup_host_ struct qos_host *host = known_host();

	qos_cpus_add(&host->isolated, 1);
	assert_check(MATCH "cpu: {" BARE ", cpus: isolated}\n", host, false, "");
}

static void test_accounts(void **state)
{
	assert_known(VERSION "match:\n"
			     "  - {user: nobody-here, group: no-group}\n"
			     "  - {user: '1234'}\n"
			     "  - {unit: a.service, not: {user: other}}\n" CPU,
		     "4:12 warning: user: there is no user 'nobody-here' here\n"
		     "4:32 warning: group: there is no group 'no-group' here\n"
		     "6:35 warning: user: there is no user 'other' here\n");
}

static void test_interface(void **state)
{
	assert_known(MATCH "network: {interface: eth0, rate: 1mbit, packet: 1kB, window: 0/1}\n",
		     "4:10 warning: interface: there is no eth0 here\n");
}

static void test_probes(void **state)
{
	static const char text[] = MATCH "cpu:\n  job: {begin: 'uprobe:/a:b', end: 'uprobe:/a:e'}\n"
					 "  period: 10ms\n  runtime: 2ms\n  window: 0/1\n";
	_cleanup_host_ struct qos_host *host = known_host();

	assert_check(text, host, false,
		     "5:3 error: job: this kernel has no user probes, stream main needs them\n");
	host->feature[QOS_FEATURE_UPROBES] = QOS_PRESENT;
	assert_check(text, host, false, "");
	host->feature[QOS_FEATURE_UPROBES] = QOS_UNKNOWN;
	assert_check(text, host, false, "");
}

static void test_open_to_all(void **state)
{
	assert_known(VERSION "match: {exe: /bin/a, comm: a}\n" CPU,
		     "3:14 note: exe: whoever may run /bin/a gets this contract\n");
	assert_known(VERSION "match: [{user-unit: a.service}, {unit: b.service}]\n" CPU,
		     "3:21 note: user-unit: every user can start a unit named a.service\n");
	assert_known(VERSION "match: {exe: /bin/a, group: video}\n" CPU, "");
	assert_known(VERSION "match: {not: {exe: /bin/a}, user: root}\n" CPU, "");
}

static void test_strict(void **state)
{
	_cleanup_host_ struct qos_host *host = known_host();

	assert_check(MATCH "cpu: {" BARE ", cpus: 2}\n", host, true,
		     "4:6 error: cpus: 2 of stream main is not online\n");
	assert_check(VERSION "match: {exe: /bin/a}\n" CPU, host, true,
		     "3:14 note: exe: whoever may run /bin/a gets this contract\n");
}

static void test_unknown_facts_are_not_judged(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	assert_check(VERSION "match: {user: nobody-here, group: no-group}\n"
			     "cpu:\n  - {name: a, " BARE ", cpus: 7}\n"
			     "  - {name: b, " BARE ", cpus: isolated, threads: [x]}\n"
			     "network: {interface: eth0, rate: 1mbit, packet: 1kB, window: 0/1}\n",
		     host, false, "");
}

static void test_names(void **state)
{
	struct qos_contract *list[] = {
		parsed("a.yaml", MATCH CPU),
		parsed("b.yaml", "version: 1\ncontract: other\nmatch: {user: root}\n" CPU),
		parsed("c.yaml", "\n" MATCH CPU),
		parsed("d.yaml", MATCH CPU),
	};
	struct qos_diag diag = QOS_DIAG_INIT;

	assert_int_equal(qos_contract_check_names(list, 2, &diag), 0);
	assert_int_equal(qos_contract_check_names(list, 4, &diag), -EINVAL);
	assert_int_equal(diag.n_errors, 2);
	assert_string_equal(diag.entries[0].file, "c.yaml");
	assert_int_equal(diag.entries[0].line, 3);
	assert_string_equal(diag.entries[0].text, "contract: the name 'camera' is taken");
	assert_non_null(strstr(diag.entries[0].hint, "a.yaml:2"));
	assert_string_equal(diag.entries[1].file, "d.yaml");
	qos_diag_reset(&diag);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(list); i++)
		qos_contract_free(list[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_say),
		cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_isolated_cpus_there_are),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_probes),
		cmocka_unit_test(test_open_to_all),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_unknown_facts_are_not_judged),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
