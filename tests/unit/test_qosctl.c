/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program as it is called: every exit status, and what goes to which stream. The files that are
 * installed lie in a directory of the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness/stand_in.h"

#define BRIEF(state, violations)                                                                   \
	"{\"contract\":\"camera\",\"state\":\"" state                                              \
	"\",\"file\":\"camera.yaml\",\"violations\":" violations "}"
#define STATUS(state, brief) "{\"schema\":1,\"state\":\"" state "\",\"contracts\":[" brief "]}"
#define SHOW(drift)                                                                                \
	"{\"schema\":1,\"contract\":\"camera\",\"streams\":[{\"threads\":[{\"tid\":7,"             \
	"\"comm\":\"cam\",\"drift\":" drift "}]}]}"

#define EVENT(seq, contract)                                                                       \
	"{\"seq\":" seq ",\"at\":1,\"kind\":\"drift\",\"contract\":\"" contract                    \
	"\",\"text\":\"event " seq "\"}"

static const struct reply fine[] = {
	{"Report", "status", STATUS("ok", BRIEF("in-force", "0"))},
	{"Report", "list", STATUS("ok", BRIEF("in-force", "0"))},
	{"Report", "show", SHOW("false")},
	{"Reload", NULL, "{\"schema\":1,\"in_force\":[\"camera\"],\"unchanged\":1}"},
	{"Adjust", NULL,
	 "{\"schema\":1,\"contract\":\"camera\",\"stream\":\"main\",\"attribute\":\"runtime\","
	 "\"old_ns\":8000000,\"new_ns\":6000000,\"until_s\":null}"},
	{"Revert", NULL, "{\"schema\":1,\"contract\":\"camera\",\"reverted\":[]}"},
	{"Plan", NULL, "{\"schema\":1,\"contracts\":[],\"unchanged\":1}"},
	{"Explain", "1234", "{\"schema\":1,\"kind\":\"thread\",\"tid\":1234,\"comm\":\"cam\"}"},
	{"Explain", "7", NULL, "Untold", "there is none\nhint: ps"},
	{"Panic", NULL, "{\"schema\":1,\"restored\":1,\"failed\":0}"},
	{},
};
static const struct reply eventful[] = {
	{.method = "Events",
	 .json = "{\"schema\":1,\"seq\":2,\"events\":[" EVENT("1", "camera") "," EVENT(
		 "2", "camera") "]}",
	 .events = {EVENT("2", "camera"), EVENT("3", "camera"), EVENT("4", "other")}},
	{}};
static const struct reply reporting[] = {
	{"Report", "list",
	 "{\"schema\":1,\"contracts\":[{\"contract\":\"camera\"},{\"contract\":\"audio\"}]}"},
	{"Series", NULL,
	 "{\"schema\":1,\"contract\":\"camera\",\"state\":\"in-force\",\"streams\":[],\"events\":"
	 "[" EVENT("1", "camera") "]}"},
	{}};
static const struct reply vanished[] = {{"Report", "list", STATUS("ok", BRIEF("in-force", "0"))},
					{"Series", NULL, NULL, "NoSuchContract", "no"},
					{}};
static const struct reply violated[] = {
	{"Report", "status", STATUS("degraded", BRIEF("in-force", "3"))}, {}};
static const struct reply drifted[] = {{"Report", "status", STATUS("ok", BRIEF("in-force", "0"))},
				       {"Report", "show", SHOW("true")},
				       {}};
static const struct reply bad[] = {{"Report", "status", STATUS("bad", BRIEF("refused", "0"))}, {}};
static const struct reply strange[] = {{"Report", NULL, "{"}, {}};
static const struct reply waiting[] = {
	{"Report", "status",
	 "{\"schema\":1,\"unconfirmed\":{\"file\":\"/x/lens.yaml\",\"left_s\":9}}"},
	{"Report", "list", "{\"schema\":1,\"contracts\":[]}"},
	{"Confirm", NULL, "{\"schema\":1,\"file\":\"/x/lens.yaml\",\"action\":\"kept\"}"},
	{}};
static const struct reply half[] = {
	{"Plan", NULL, "{\"schema\":1,\"contracts\":[],\"refused\":[\"camera\"]}"},
	{"Reload", NULL, "{\"schema\":1,\"in_force\":[],\"refused\":[\"camera\"]}"},
	{}};
static const struct reply broken[] = {
	{"Reload", NULL,
	 "{\"schema\":1,\"in_force\":[],\"invalid\":[\"/x/camera.yaml\"],\"diagnostics\":"
	 "[{\"severity\":\"error\",\"file\":\"/x/camera.yaml\",\"line\":3,\"col\":1,"
	 "\"text\":\"no\",\"hint\":null}]}"},
	{"Report", "list", "{\"schema\":1,\"contracts\":[]}"},
	{}};
static const struct reply refusing[] = {
	{"Reload", NULL,
	 "{\"schema\":1,\"in_force\":[],\"refused\":[\"camera\"],\"diagnostics\":[{\"severity\":"
	 "\"error\",\"file\":\"/x/camera.yaml\",\"line\":5,\"col\":3,\"text\":\"refused: full\","
	 "\"hint\":null}]}"},
	{"Report", "list", "{\"schema\":1,\"contracts\":[]}"},
	{"Adjust", NULL, NULL, "Refused", "16 % is free\nhint: ask for less"},
	{}};
static const struct reply elsewhere[] = {
	{"Report", "list",
	 "{\"schema\":1,\"contracts\":[{\"contract\":\"camera\",\"file\":\"/x/other.yaml\"}]}"},
	{}};
static const struct reply unknowing[] = {{"Report", "list", STATUS("ok", BRIEF("in-force", "0"))},
					 {"Report", "show", NULL, "NoSuchContract", "no"},
					 {"Events", NULL, NULL, "NoSuchContract", "no"},
					 {"Adjust", NULL, NULL, "NoSuchAttribute", "no"},
					 {"Revert", NULL, NULL, "Invalid", "no"},
					 {"Reload", NULL, NULL, "AccessDenied", "no"},
					 {"Plan", NULL, NULL, "AccessDenied", "no"},
					 {"Explain", NULL, NULL, "NoSuchContract", "no"},
					 {}};

static const char good_text[] = "version: 1\ncontract: camera\nmatch:\n  unit: camera.service\n"
				"cpu:\n  period: 100ms\n  runtime: 1ms\n  window: 0/1\n";
/* Not proven, and no window ends in ten seconds. */
static const char slow_text[] =
	"version: 1\ncontract: slow\nmatch: {unit: slow.service}\ncpu:\n"
	"  - {name: a, threads: [\"a*\"], period: 500s, runtime: 200s, window: 1/1000, cpus: "
	"\"0\"}\n"
	"  - {name: b, threads: [\"b*\"], period: 499s, runtime: 300s, window: 1/3, cpus: \"0\"}\n";

static const char gone_text[] = "version: 1\ncontract: gone\nmatch: {exe: /none/such, user: root}\n"
				"cpu: {period: 10ms, runtime: 1ms, window: 1/10}\n";

static const char brief_text[] = "version: 1\ncontract: brief\nmatch: {unit: brief.service}\ncpu:\n"
				 "  - {name: a, threads: [\"a*\"], period: 500ms, runtime: 200ms, "
				 "window: 1/10, cpus: \"0\"}\n"
				 "  - {name: b, threads: [\"b*\"], period: 499ms, runtime: 300ms, "
				 "window: 1/3, cpus: \"0\"}\n";

static const char huge_text[] = "version: 1\ncontract: huge\nmatch:\n  unit: huge.service\n"
				"cpu:\n  period: 100ms\n  runtime: 99900us\n  window: 0/1\n";
static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/qosctl-test-XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	snprintf(fixture->socket, sizeof(fixture->socket), "%s/private", fixture->dir);
	*state = fixture;
	write_file(fixture, "good.src", good_text);
	write_file(fixture, "huge.src", huge_text);
	write_file(fixture, "slow.src", slow_text);
	write_file(fixture, "brief.src", brief_text);
	write_file(fixture, "gone.src", gone_text);
	write_file(fixture, "bad.src", "version: 1\ncontract: camera\nwindo: 1/10\n");
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char command[128];
	int r;

	stop_server(fixture);
	snprintf(command, sizeof(command), "rm -rf '%s'", fixture->dir);
	r = system(command);
	free(fixture);
	return r;
}

struct call {
	const struct reply *replies; /* NULL: no daemon */
	const char *line;
	int status;
	const char *out; /* must stand in stdout; NULL: stdout is empty */
	const char *err; /* must stand in stderr; NULL: stderr is empty */
};

static const struct call calls[] = {
	/* 64: usage, and what was meant */
	{fine, "stats", 64, NULL, "did you mean status?"},
	{fine, "--jsn", 64, NULL, "did you mean --json?"},
	{fine, "list --strict", 64, NULL, "--strict belongs to `qosctl check`"},
	{fine, "--json=1 list", 64, NULL, "takes no value"},
	{fine, "list --config", 64, NULL, "needs a value"},
	{fine, "list --watch=soon", 64, NULL, "is no time"},
	{fine, "show", 64, NULL, "an argument is missing"},
	{fine, "show a b", 64, NULL, "too many arguments"},
	{fine, "adjust camera cpu.runtime", 64, NULL, "ATTRIBUTE=VALUE"},
	{fine, "adjust camera cpu.runtime=6", 64, NULL, "is no duration"},
	{fine, "adjust camera cpu.runtime=6ms --for 0", 64, NULL, "no time at all"},
	{fine, "events --since soon", 64, NULL, "--since: soon is no time"},
	{fine, "events --since 0", 64, NULL, "is no time"},
	{fine, "report --since soon", 64, NULL, "--since: soon is no time"},
	{fine, "report --html", 64, NULL, "--html needs a value"},
	{fine, "show camera --html x", 64, NULL, "--html belongs to `qosctl report`"},
	{fine, "apply good.src --confirm 0", 64, NULL, "no time to wait"},
	{fine, "apply good.src --confirm 2d", 64, NULL, "from 1s to 1d"},
	{fine, "reload --confirm 60s", 64, NULL, "--confirm belongs to `qosctl apply`"},
	{fine, "list --follow", 64, NULL, "--follow belongs to `qosctl events`"},
	{fine, "doctor --errors --dump-host", 64, NULL, "exclude"},
	/* 0 */
	{fine, "", 0, "all is well", NULL},
	{fine, "status --check", 0, "all is well", NULL},
	{fine, "--quiet status --check", 0, NULL, NULL},
	{fine, "list --quiet", 0, "camera\n", NULL},
	{fine, "list --json", 0, "\"contracts\": [", NULL},
	{fine, "show camera", 0, "stream", NULL},
	{reporting, "report", 0, "\ncamera: in force\n\nevents: drift 1\n", NULL},
	{reporting, "report camera --json --since 8h", 0, "\"contracts\": [", NULL},
	{reporting, "--quiet report camera --html page.html", 0, NULL, NULL},
	{vanished, "report", 0, "no contracts\n", NULL},
	{eventful, "events", 0, "camera: event 1\n", NULL},
	{eventful, "events camera --since 10m --json", 0, "\"seq\": 2", NULL},
	{fine, "reload", 0, "reloaded: 1 in force, 1 of them unchanged", NULL},
	{fine, "explain 1234", 0, "cam: thread 1234", NULL},
	{fine, "explain --json 1234", 0, "\"kind\": \"thread\"", NULL},
	{waiting, "confirm", 0, "/x/lens.yaml: kept", NULL},
	{fine, "plan good.src", 0, "nothing would change; contracts that go on: 1", NULL},
	{fine, "adjust camera cpu.runtime=6ms", 0, "8ms -> 6ms, until", NULL},
	{fine, "revert camera", 0, "nothing was adjusted", NULL},
	{fine, "panic", 0, "1 threads", NULL},
	{fine, "--version", 0, "qosctl ", NULL},
	{fine, "help apply", 0, "FILE", NULL},
	{fine, "apply --help", 0, "FILE", NULL},
	{fine, "help --json", 0, "\"verb\": \"panic\"", NULL},
	{NULL, "compile good.src", 0, "has no rules", NULL},
	{NULL, "compile good.src --stage=code", 64, NULL, "tokens tree types ir insns verifier"},
	{NULL, "compile good.src --json", 64, NULL, "text for people"},
	{NULL, "compile no-such-contract", 4, NULL, "no contract or file"},
	{NULL, "compile", 64, NULL, "an argument is missing"},
	{NULL, "check --stage=ir", 64, NULL, "--stage belongs to `qosctl compile`"},
	{NULL, "simulate good.src --for 1s", 0, "all windows kept", NULL},
	{NULL, "simulate slow.src --for 10s", 1, "best-effort", "slow.a: no window ended"},
	{NULL, "simulate slow.src --for 10s --json", 1, "\"kept\": null", "longer than the day"},
	{NULL, "simulate brief.src --for 1s", 1, "too short for some", "time: --for 5.5s"},
	{NULL, "simulate good.src --for 1s --json", 0, "\"kept\": true", NULL},
	{NULL, "simulate --set=(2,2,1/3,0)(3,1,0/3,0)", 0, "keeps all windows", NULL},
	{NULL, "simulate --set=(2,2,1/3,0)(3,1,0/3,0) --ordering edf", 10, "breaks", NULL},
	{NULL, "simulate --set=(2,2,1/3)(3,1,0/3) --all-orderings --json", 0,
	 "\"fin\":true,\"fin-guard\":true}}", NULL},
	{NULL, "simulate --set=(2,2,1/3)(3,1,0/3) --json", 0, "{\"schema\":1,\"u\":", NULL},
	{NULL, "simulate --set=(2,3,1/3)", 64, NULL, "--set:9: expected 0 < C <= T"},
	{NULL, "simulate --set=(2,1,4/3)", 64, NULL, "x <= y"},
	{NULL, "simulate --set=(2,1,1/3", 64, NULL, "or `)`"},
	{NULL, "simulate --set=", 64, NULL, "expected a stream"},
	{NULL, "simulate --set=(999999937,1,0/1)(999999929,1,0/1) --ordering fin", 1, NULL,
	 "did not repeat"},
	{NULL, "simulate", 64, NULL, "nothing to simulate"},
	{NULL, "simulate good.src --set=(2,1,1/3)", 64, NULL, "not both"},
	{NULL, "simulate good.src --ordering best", 64, NULL, "there is no `best`"},
	{NULL, "simulate good.src --for 0s", 64, NULL, "cannot be simulated"},
	{NULL, "simulate good.src --seed x", 64, NULL, "is no number"},
	{NULL, "simulate good.src --for 1s --svg none/a.svg", 1, NULL, "No such file"},
	{NULL, "simulate none.src", 1, NULL, "No such file"},
	{NULL, "simulate bad.src", 2, NULL, "bad.src:3:1: error:"},
	{NULL, "check good.src", 0, "1 contract ok, 0 with errors", "camera"},
	{NULL, "check --strict gone.src", 0, "1 contract ok, 0 with errors",
	 "gone.src:3:14: note: exe: there is no file /none/such here"},
	{NULL, "doctor --errors", 0, "EBUSY", NULL},
	{NULL, "doctor --dump-host", 0, "{", NULL},
	/* 1 */
	{bad, "status --check", 1, "bad", "in state bad"},
	{strange, "list", 1, NULL, "no JSON"},
	{unknowing, "reload", 1, NULL, "try sudo"},
	{unknowing, "adjust camera cpu.x.runtime=1ms", 1, NULL, "write cpu.STREAM.runtime"},
	{drifted, "reload", 1, NULL, "not in the table"},
	{NULL, "check none.src", 1, NULL, "No such file"},
	{fine, "explain 7", 1, NULL, "hint: ps"},
	{waiting, "apply good.src", 1, NULL, "qosctl confirm --undo"},
	{fine, "plan none.src", 1, NULL, "No such file"},
	{unknowing, "plan", 1, NULL, "try sudo"},
	{NULL, "apply none.src", 1, NULL, "No such file"},
	{NULL, "apply .", 1, NULL, "name the file in it"},
	{NULL, "apply /dev/null", 1, NULL, "is no regular file"},
	{NULL, "apply /proc/kallsyms", 1, NULL, "is larger than 1 MiB"},
	{NULL, "check --host none.src", 1, NULL, "--dump-host"},
	/* 2 */
	{NULL, "check bad.src", 2, "0 contracts ok, 1 with errors", "bad.src:3:1: error:"},
	{NULL, "check bad.src --json", 2, "\"ok\": false", NULL},
	{NULL, "check --config bad.src good.src", 2, NULL, "error:"},
	{NULL, "apply bad.src", 2, NULL, "bad.src:3:1: error:"},
	{fine, "plan bad.src", 2, NULL, "bad.src:3:1: error:"},
	{fine, "plan good.src good.src", 2, NULL, "the same contract"},
	{elsewhere, "apply good.src", 2, NULL, "stands in /x/other.yaml already"},
	{broken, "apply good.src", 2, NULL, "invalid"},
	{broken, "reload", 2, "invalid", "camera.yaml:3:1: error: no"},
	{unknowing, "revert camera", 2, NULL, "no"},
	/* 3, 4 */
	{eventful, "events --follow", 3, "event 4\n", "qosd went away"},
	{NULL, "events", 3, NULL, "qosd is not running"},
	{NULL, "report camera", 3, NULL, "qosd is not running"},
	{NULL, "", 3, NULL, "qosd is not running"},
	{NULL, "apply good.src --confirm 60s", 3, NULL, "qosd is not running"},
	{NULL, "confirm", 3, NULL, "qosd is not running"},
	{NULL, "plan good.src", 3, NULL, "qosd is not running"},
	{NULL, "plan", 3, NULL, "qosd is not running"},
	{NULL, "adjust camera cpu.runtime=1ms", 3, NULL, "systemctl start qosd"},
	{unknowing, "events camra", 4, NULL, "did you mean camera?"},
	{vanished, "report camra", 4, NULL, "did you mean camera?"},
	{reporting, "report --html no/such/page.html", 1, NULL, "no/such/page.html: No such file"},
	{unknowing, "explain camra", 4, NULL, "did you mean camera?"},
	{unknowing, "show camra", 4, NULL, "did you mean camera?"},
	{unknowing, "show lens", 4, NULL, "hint: there are: camera\n"},
	{NULL, "enable nothing --policies .", 4, NULL, "no contract nothing"},
	{NULL, "enable nothing --policies .", 4, NULL, "hint: there are none\n"},
	{NULL, "disable nothing", 4, NULL, "no contract nothing"},
	/* 10, 11, 12 */
	{violated, "status --check", 10, "camera", "3 windows violated"},
	{drifted, "status --check", 12, "camera", "thread 7 (cam)"},
	{refusing, "adjust camera cpu.runtime=9ms", 11, NULL, "16 % is free"},
	{refusing, "apply good.src", 11, NULL, "refused: full"},
	{half, "plan", 11, "would change", NULL},
	{half, "reload", 11, "refused      camera", NULL},
	{NULL, "apply huge.src", 11, NULL, "even alone"},
};

static void check_text(const struct call *call, const char *stream, const char *text,
		       const char *expected)
{
	if (expected ? !strstr(text, expected) : *text != '\0')
		fail_msg("qosctl %s: expected on %s: %s\nthere was: %s", call->line, stream,
			 expected ? expected : "nothing", text);
}

static void test_calls(void **state)
{
	struct fixture *fixture = *state;
	static struct result result;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(calls); i++) {
		const struct call *call = &calls[i];

		stop_server(fixture);
		if (call->replies)
			start_server(fixture, call->replies);
		run(fixture, call->line, &result);
		if (result.status != call->status)
			fail_msg("qosctl %s: exit %d, not %d\n%s", call->line, result.status,
				 call->status, result.err);
		check_text(call, "stdout", result.out, call->out);
		check_text(call, "stderr", result.err, call->err);
	}
}

static bool exists(const struct fixture *fixture, const char *name)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	return lstat(path, &st) == 0;
}

/* A refused contract leaves what stood there before: nothing, a file, a link. */
static void test_put_back(void **state)
{
	struct fixture *fixture = *state;
	static struct result result;
	char path[160], text[64] = "";
	int fd;

	start_server(fixture, refusing);
	run(fixture, "apply good.src", &result);
	assert_int_equal(result.status, 11);
	assert_false(exists(fixture, "camera.yaml"));

	write_file(fixture, "camera.yaml", "# before\n");
	run(fixture, "apply good.src", &result);
	assert_int_equal(result.status, 11);
	snprintf(path, sizeof(path), "%s/camera.yaml", fixture->dir);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 9);
	close(fd);
	assert_string_equal(text, "# before\n");

	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	run(fixture, "apply good.src", &result);
	assert_int_equal(result.status, 11);
	assert_int_equal(readlink(path, text, sizeof(text)), 9);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

/* What comes twice is shown once, and what was not asked for not at all. */
static void test_follow(void **state)
{
	struct fixture *fixture = *state;
	static struct result result;

	start_server(fixture, eventful);
	run(fixture, "events --follow --json camera", &result);
	assert_int_equal(result.status, 3);
	assert_int_equal(count(result.out, "\n"), 3);
	assert_int_equal(count(result.out, "event 2"), 1);
	assert_int_equal(count(result.out, "event 3"), 1);
}

/* Without a daemon: install, refuse to enable over it, refuse to remove it; enable, disable. */
static void test_files(void **state)
{
	struct fixture *fixture = *state;
	static struct result result;

	run(fixture, "apply good.src", &result);
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.err, "takes force when it starts"));
	assert_true(exists(fixture, "camera.yaml"));
	run(fixture, "disable camera", &result);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "a file of your own"));
	run(fixture, "enable camera --policies .", &result);
	assert_int_equal(result.status, 1);

	run(fixture, "--contracts in apply good.src", &result);
	assert_int_equal(result.status, 0);
	assert_true(exists(fixture, "in/camera.yaml"));
	run(fixture, "--contracts in2 enable camera --policies in", &result);
	assert_int_equal(result.status, 0);
	assert_true(exists(fixture, "in2/camera.yaml"));
	/* the first directory holds one too, so the link becomes a mask */
	run(fixture, "--contracts in2 disable camera", &result);
	assert_int_equal(result.status, 0);
	assert_non_null(strstr(result.out, "masked"));
	run(fixture, "--contracts in3 enable camera --policies in", &result);
	assert_int_equal(result.status, 0);
}

static void test_help_fits(void **state)
{
	static struct result result;

	run(*state, "help", &result);
	assert_int_equal(result.status, 0);
	for (char *line = strtok(result.out, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 80)
			fail_msg("wider than a terminal: %s", line);
}

/* What does not fit is not lost in silence, however large it is beside the stream's buffer. */
static void test_full_disk(void **state)
{
	struct fixture *fixture = *state;
	static char large[3 * 8192];
	const struct reply replies[] = {{"Report", "metrics", large}, {}};
	static struct result result;

	snprintf(large, sizeof(large), "{\"schema\":1,\"text\":\"%0*d\"}", 2 * 8192, 0);
	start_server(fixture, replies);
	run_into(fixture, "metrics", open("/dev/full", O_RDWR), &result);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "stdout: "));
	run_into(fixture, "help", open("/dev/full", O_RDWR), &result);
	assert_int_equal(result.status, 1);
	assert_non_null(strstr(result.err, "stdout: No space left"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_follow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	setenv("NO_COLOR", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
