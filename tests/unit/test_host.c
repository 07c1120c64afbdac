/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's JSON form: round trip, stability, and a diagnostic for each way to be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/host.h"

static struct qos_host *read_back(const char *text)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_host *host = NULL;

	if (qos_host_parse("h", text, strlen(text), &diag, &host) < 0)
		qos_diag_print(&diag, stdout);
	assert_int_equal(diag.n_entries, 0);
	assert_non_null(host);
	qos_diag_reset(&diag);
	return host;
}

static char **names(size_t n, const char *const *from)
{
	char **result = calloc(n + 1, sizeof(*result));

	for (size_t i = 0; i < n; i++)
		result[i] = strdup(from[i]);
	return result;
}

/* Every member differs from its default. */
static struct qos_host *full_host(void)
{
	struct qos_host *host = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	host->release = strdup("6.1.0-rt \"x\"\n");
	qos_cpus_parse("0-3,8", &host->online);
	qos_cpus_parse("2-3", &host->isolated);
	host->hz = 250;
	host->rt_runtime_us = -1;
	host->rt_period_us = 500000;
	host->fair_runtime_ns = 50000000;
	host->fair_period_ns = 1000000000;
	host->perf_paranoid = -1;
	host->sample_cost_ns = QOS_SAMPLE_COST_MAX;
	host->dl_period_min_ns = 1;
	host->dl_period_max_ns = INT64_MAX;
	for (int i = 0; i < QOS_FEATURE_COUNT; i++)
		host->feature[i] = (enum qos_feature_state)(i % (QOS_PRESENT + 1));
	host->foreign[0] = (struct qos_foreign){
		7, "irq/9-x", SCHED_FIFO, 50, .used_ppm = 4000000000, .cpus = host->online};
	host->foreign[1] = (struct qos_foreign){8, "", SCHED_RR, 1};
	host->foreign[2] =
		(struct qos_foreign){2147483647, "a b", SCHED_DEADLINE, 0, 10000000, 20000000};
	host->n_foreign = 3;
	host->foreign_truncated = true;
	host->interfaces = calloc(2, sizeof(*host->interfaces));
	host->interfaces[0] = (struct qos_interface){"eth0", 1000000000};
	host->interfaces[1] = (struct qos_interface){"lo", 0};
	host->n_interfaces = 2;
	host->users = names(2, (const char *const[]){"root", "camera"});
	host->n_users = 2;
	host->groups = names(0, NULL);
	return host;
}

static void test_round_trip(void **state)
{
	_cleanup_host_ struct qos_host *host = full_host(), *again = NULL;
	_cleanup_free_ char *text = NULL, *text_again = NULL;

	assert_int_equal(qos_host_print(host, &text), 0);
	again = read_back(text);
	assert_int_equal(qos_host_print(again, &text_again), 0);
	assert_string_equal(text, text_again);
	assert_string_equal(again->release, host->release);
	assert_memory_equal(&again->online, &host->online,
			    offsetof(struct qos_host, foreign) - offsetof(struct qos_host, online));
	assert_int_equal(again->n_foreign, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct qos_foreign *a = &again->foreign[i], *b = &host->foreign[i];

		assert_int_equal(a->tid, b->tid);
		assert_string_equal(a->comm, b->comm);
		assert_int_equal(a->policy, b->policy);
		assert_int_equal(a->priority, b->priority);
		assert_int_equal(a->runtime_ns, b->runtime_ns);
		assert_int_equal(a->period_ns, b->period_ns);
		assert_int_equal(a->used_ppm, b->used_ppm);
		assert_true(qos_cpus_equal(&a->cpus, &b->cpus));
	}
	assert_true(again->foreign_truncated);
	assert_int_equal(again->n_interfaces, 2);
	assert_string_equal(again->interfaces[0].name, "eth0");
	assert_int_equal(again->interfaces[0].speed_bps, 1000000000);
	assert_int_equal(again->n_users, 2);
	assert_string_equal(again->users[1], "camera");
	assert_non_null(again->groups);
	assert_int_equal(again->n_groups, 0);
}

/* What is not known stays not known; the defaults are the kernel's. */
static void test_empty(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	assert_int_equal(host->rt_runtime_us, 950000);
	assert_int_equal(host->rt_period_us, 1000000);
	assert_int_equal(host->dl_period_min_ns, 100000);
	assert_int_equal(host->sample_cost_ns, QOS_SAMPLE_COST_DEFAULT);
	assert_int_equal(host->dl_period_max_ns, 4194304000);
	assert_int_equal(qos_cpus_count(&host->online), 0);
	assert_false(qos_host_has(host, QOS_FEATURE_BTF));
	assert_int_equal(qos_host_print(host, &text), 0);
	assert_int_equal(text[strlen(text) - 1], '\n');
	again = read_back(text);
	assert_null(again->release);
	assert_null(again->users);
	assert_null(again->groups);
	assert_memory_equal(&again->online, &host->online,
			    offsetof(struct qos_host, foreign) - offsetof(struct qos_host, online));
	qos_host_free(NULL);
}

static void test_layout(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	qos_cpus_parse("0-1", &host->online);
	assert_int_equal(qos_host_print(host, &text), 0);
	assert_memory_equal(
		text, "{\n  \"schema\": 1,\n  \"release\": null,\n  \"online\": \"0-1\",\n",
		strlen("{\n  \"schema\": 1,\n  \"release\": null,\n  \"online\": \"0-1\",\n"));
}

static void test_names(void **state)
{
	for (int i = 0; i < QOS_FEATURE_COUNT; i++)
		assert_non_null(qos_feature_names[i]);
	assert_string_equal(qos_feature_state_names[QOS_UNKNOWN], "unknown");
	assert_string_equal(qos_feature_state_names[QOS_PRESENT], "present");
	assert_null(qos_feature_state_names[QOS_PRESENT + 1]);
}

static void test_has(void **state)
{
	_cleanup_host_ struct qos_host *host =
		read_back("{\"schema\": 1, \"features\": {\"btf\": \"present\", \"rt\": \"off\"}}");

	assert_true(qos_host_has(host, QOS_FEATURE_BTF));
	assert_false(qos_host_has(host, QOS_FEATURE_RT));
	assert_false(qos_host_has(host, QOS_FEATURE_BPF));
}

/* A comm may hold any bytes; the dump must still be JSON. */
static void test_odd_bytes(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	host->foreign[0] = (struct qos_foreign){1, "a\xff\x1b\"z", SCHED_FIFO, 1};
	host->foreign[1] = (struct qos_foreign){2, "gr\xc3\xbc\xc3\x9f", SCHED_FIFO, 1};
	host->n_foreign = 2;
	assert_int_equal(qos_host_print(host, &text), 0);
	again = read_back(text);
	assert_string_equal(again->foreign[0].comm, "a??\"z");
	assert_string_equal(again->foreign[1].comm, "gr\xc3\xbc\xc3\x9f");
}

/* Larger than JSON's integers. */
static void test_large(void **state)
{
	_cleanup_host_ struct qos_host *host = NULL, *again = NULL;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(qos_host_new(&host), 0);
	host->fair_runtime_ns = UINT64_MAX;
	assert_int_equal(qos_host_print(host, &text), 0);
	again = read_back(text);
	assert_int_equal(again->fair_runtime_ns, INT64_MAX);
}

#define FRESH "  hint: write a fresh dump with `qosctl doctor --dump-host`\n"

static const struct {
	const char *text, *expected;
} refusals[] = {
	{"", "h:1:1: error: not JSON: '[' or '{' expected near end of file\n" FRESH},
	{"{\n  \"schema\": 1,,\n}",
	 "h:2:15: error: not JSON: string or '}' expected near ','\n" FRESH},
	{"{\"schema\": 1} x", "h:1:15: error: not JSON: end of file expected near 'x'\n" FRESH},
	{"{\"schema\": 1, \"schema\": 1}",
	 "h:1:22: error: not JSON: duplicate object key near '\"schema\"'\n" FRESH},
	{"[]", "h:1:1: error: the root: not a map\n" FRESH},
	{"{}", "h:1:1: error: schema: missing\n" FRESH},
	{"{\"schema\": 2}",
	 "h:1:1: error: schema: not a version that this qosctl knows (1)\n" FRESH},
	{"{\"schema\": 1, \"relaese\": \"x\"}", "h:1:1: error: relaese: unknown key\n"
						"  hint: did you mean `release`?\n"},
	{"{\"schema\": 1, \"zzzzzz\": 1}", "h:1:1: error: zzzzzz: unknown key\n" FRESH},
	{"{\"schema\": 1, \"release\": 6}", "h:1:1: error: release: not a string or null\n" FRESH},
	{"{\"schema\": 1, \"online\": \"3-1\", \"hz\": \"250\"}",
	 "h:1:1: error: online: not a list of CPUs such as \"0-3,8\"\n" FRESH
	 "h:1:1: error: hz: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"isolated\": null}",
	 "h:1:1: error: isolated: not a list of CPUs such as \"0-3,8\"\n" FRESH},
	{"{\"schema\": 1, \"hz\": -1}", "h:1:1: error: hz: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"hz\": 250.0}", "h:1:1: error: hz: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"rt_runtime_us\": -2}",
	 "h:1:1: error: rt_runtime_us: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"rt_period_us\": 0}",
	 "h:1:1: error: rt_period_us: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"fair_period_ns\": 99999999999999999999}",
	 "h:1:52: error: not JSON: too big integer near '99999999999999999999'\n" FRESH},
	{"{\"schema\": 1, \"features\": []}",
	 "h:1:1: error: features: not a map of unknown, absent, off, denied, "
	 "present\n" FRESH},
	{"{\"schema\": 1, \"features\": {\"btf\": \"yes\", \"bfp\": \"off\", \"rt\": 1}}",
	 "h:1:1: error: features.btf: not a map of unknown, absent, off, denied, "
	 "present\n" FRESH "h:1:1: error: features.bfp: unknown key\n"
	 "  hint: did you mean `bpf`?\n"
	 "h:1:1: error: features.rt: not a map of unknown, absent, off, denied, "
	 "present\n" FRESH},
	{"{\"schema\": 1, \"foreign\": {}}",
	 "h:1:1: error: foreign: not a list of at most 64\n" FRESH},
	{"{\"schema\": 1, \"foreign\": [{}, 5, {\"comm\": \"0123456789abcdef\"}]}",
	 "h:1:1: error: foreign[1]: not a map\n" FRESH
	 "h:1:1: error: foreign[2].comm: not a string of that length\n" FRESH},
	{"{\"schema\": 1, \"foreign\": [{\"policy\": \"other\", \"priority\": 100}]}",
	 "h:1:1: error: foreign[0].policy: not fifo, rr or deadline\n" FRESH
	 "h:1:1: error: foreign[0].priority: not a number in its bounds\n" FRESH},
	{"{\"schema\": 1, \"foreign\": [{\"policy\": 1, \"cpu\": \"\"}]}",
	 "h:1:1: error: foreign[0].policy: not fifo, rr or deadline\n" FRESH
	 "h:1:1: error: foreign[0].cpu: unknown key\n"
	 "  hint: did you mean `cpus`?\n"},
	{"{\"schema\": 1, \"foreign_truncated\": 0}",
	 "h:1:1: error: foreign_truncated: not true or false\n" FRESH},
	{"{\"schema\": 1, \"interfaces\": [{\"name\": 1}]}",
	 "h:1:1: error: interfaces[0].name: not a string of that length\n" FRESH},
	{"{\"schema\": 1, \"interfaces\": null}", "h:1:1: error: interfaces: not a list\n" FRESH},
	{"{\"schema\": 1, \"users\": \"root\"}",
	 "h:1:1: error: users: not a list of names or null\n" FRESH},
	{"{\"schema\": 1, \"groups\": [\"a\", 1]}",
	 "h:1:1: error: groups: not a list of names or null\n" FRESH},
};

static void test_refusals(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(refusals); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_host *host = NULL;
		_cleanup_free_ char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		print_message("%s\n", refusals[i].text);
		assert_int_equal(qos_host_parse("h", refusals[i].text, strlen(refusals[i].text),
						&diag, &host),
				 -EINVAL);
		assert_null(host);
		qos_diag_print(&diag, out);
		fclose(out);
		assert_string_equal(text, refusals[i].expected);
		qos_diag_reset(&diag);
	}
}

static void test_bounds(void **state)
{
	size_t len = (4 << 20) + 1;
	_cleanup_free_ char *text = malloc(len);
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_host *host = NULL;

	memset(text, '[', len);
	assert_int_equal(qos_host_parse("h", text, len, &diag, &host), -EINVAL);
	assert_string_equal(diag.entries[0].text, "file too large: more than 4096 KiB");
	assert_int_equal(qos_host_parse("h", text, len - 1, &diag, &host), -EINVAL);
	assert_string_equal(diag.entries[1].text,
			    "not JSON: maximum parsing depth reached near '['");
	assert_int_equal(diag.entries[1].line, 1);
	qos_diag_reset(&diag);
}

static void test_too_many_foreign(void **state)
{
	struct qos_host *host = NULL;
	char text[1024];
	size_t len = 0;

	len += (size_t)snprintf(text, sizeof(text), "{\"schema\": 1, \"foreign\": [{}");
	for (int i = 0; i < QOS_FOREIGN_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",{}");
	len += (size_t)snprintf(text + len, sizeof(text) - len, "]}");
	assert_int_equal(qos_host_parse("h", text, len, NULL, &host), -EINVAL);
	assert_null(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_empty),
		cmocka_unit_test(test_layout),	   cmocka_unit_test(test_names),
		cmocka_unit_test(test_has),	   cmocka_unit_test(test_odd_bytes),
		cmocka_unit_test(test_large),	   cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bounds),	   cmocka_unit_test(test_too_many_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
