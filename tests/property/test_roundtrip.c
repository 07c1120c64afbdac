/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random contracts: parse(print(x)) equals x, printing is stable, a copy is equal and prints the
 * same, an overlay changes what it names and nothing else. The seed of a failing case is printed;
 * give it as the only argument to run that case alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contract/match.h"
#include "contract/parse.h"
#include "contract/print.h"

#define FIRST_SEED 20240229
#define N_CASES	   3000

static uint64_t first_seed = FIRST_SEED, n_cases = N_CASES;
static uint64_t seed, state_;

static uint64_t draw(uint64_t n)
{
	uint64_t z = state_ += 0x9e3779b97f4a7c15ULL; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) % n;
}

static bool chance(uint64_t one_in)
{
	return draw(one_in) == 0;
}

/* Small and large alike: every magnitude is as likely, and round ones are common. */
static uint64_t between(uint64_t lo, uint64_t hi)
{
	uint64_t span = hi - lo, limit = 1, value;

	while (limit <= span / 10 && !chance(8))
		limit *= 10;
	value = draw(limit < span ? limit + 1 : span + 1);
	if (limit > 1000 && chance(2))
		value -= value % (limit / 1000);
	return lo + value;
}

static char *own(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return copy;
}

/* Letters that need quotes, escapes or care somewhere. */
static char *random_text(size_t max, const char *const *letters, size_t n_letters)
{
	char text[512] = "";

	for (size_t i = 1 + draw(max); i > 0; i--)
		strcat(text, letters[draw(n_letters)]);
	return own(text);
}

static char *random_prose(void)
{
	static const char *const letters[] = {"a",
					      "Z",
					      "0",
					      " ",
					      "  ",
					      ":",
					      ": ",
					      "#",
					      " #",
					      "\"",
					      "'",
					      "\\",
					      "\n",
					      "\t",
					      "-",
					      "- ",
					      "{",
					      "]",
					      ",",
					      "%",
					      "&",
					      "*",
					      "!",
					      "|",
					      ">",
					      "~",
					      "null",
					      "no",
					      "\xc3\xa9",
					      "\xe2\x82\xac",
					      "\xf0\x9f\x8e\xa5",
					      ".",
					      "/",
					      "@"};

	return random_text(12, letters, QOS_ARRAY_SIZE(letters));
}

static char *random_line(size_t max)
{
	static const char *const letters[] = {"a",  "B", "7",  "-", "_", ".", ":", " ", "#",
					      "\"", "'", "\\", ",", "@", "%", "{", "]", "n"};

	return random_text(max, letters, QOS_ARRAY_SIZE(letters));
}

static char *random_word(void)
{
	static const char *const letters[] = {"a", "b", "c", "n", "o", "y"};

	return random_text(3, letters, QOS_ARRAY_SIZE(letters));
}

static char *random_path(void)
{
	char path[600];
	char *line = random_line(8);

	snprintf(path, sizeof(path), "/%s", line);
	free(line);
	return own(path);
}

static struct qos_period random_period(uint64_t min_ns)
{
	struct qos_period period = {};

	if (chance(2)) {
		period.ns = between(min_ns, 3600000000000ULL);
		return period;
	}
	/* 1 mHz would be 1000 s: inside the hour; above 1 MHz a period is shorter than 1 us. */
	period.mhz = (uint32_t)between(1, 1000000000);
	period.ns = 1000000000000ULL / period.mhz;
	return period;
}

static struct qos_window random_window(void)
{
	struct qos_window window = {.y = (uint32_t)between(0, UINT32_MAX)};

	window.x = (uint32_t)between(0, window.y);
	return window;
}

static struct qos_range random_range(uint64_t min, uint64_t value, uint64_t max)
{
	struct qos_range range = {.set = chance(2)};

	if (range.set) {
		range.lo = between(min, value);
		range.hi = value + between(0, max - value);
		range.step = chance(2) ? 0 : between(min, max);
	}
	return range;
}

static void random_threads(struct qos_cpu_stream *stream)
{
	stream->n_threads = 1 + draw(3);
	stream->threads = calloc(stream->n_threads, sizeof(char *));
	assert_non_null(stream->threads);
	for (size_t i = 0; i < stream->n_threads; i++)
		stream->threads[i] = random_line(15);
}

static void random_where(struct qos_cpu_stream *stream)
{
	stream->where = (enum qos_where)draw(3);
	if (stream->where != QOS_WHERE_LIST)
		return;
	for (uint64_t n = 1 + draw(20); n > 0; n--)
		qos_cpus_add(&stream->cpus, (unsigned int)between(0, QOS_CPUS_MAX - 1));
}

static char *random_probe(void)
{
	return own(chance(2) ? "uprobe:/usr/bin/app:begin" : "usdt:/usr/bin/app:provider:name");
}

static void random_cpu(struct qos_cpu_stream *stream, size_t i, bool last)
{
	char name[24] = "main";

	if (!chance(2) || i > 0)
		snprintf(name, sizeof(name), "s%u", (unsigned int)i);
	stream->name = own(name);
	if (!last || chance(2))
		random_threads(stream);
	stream->max_threads = chance(2) ? 1 : (uint32_t)between(1, QOS_CONTRACT_THREADS_MAX);
	stream->period = random_period(1000);
	stream->deadline_ns = chance(2) ? stream->period.ns : between(1, stream->period.ns);
	stream->runtime_ns = between(1, stream->deadline_ns);
	stream->window = random_window();
	stream->latency_ns = chance(2) ? 0 : between(1, 1000000000);
	random_where(stream);
	stream->overrun = (enum qos_overrun)draw(3);
	stream->job = (enum qos_job_kind)draw(3);
	if (stream->job == QOS_JOB_PROBES) {
		stream->job_begin = random_probe();
		stream->job_end = random_probe();
	}
	stream->silence = (enum qos_silence)draw(2);
	stream->manage = (enum qos_manage)draw(2);
	stream->runtime_range = random_range(1, stream->runtime_ns, stream->deadline_ns);
}

static void random_flow(struct qos_flow_match *match)
{
	static const char *const protos[] = {"tcp", "udp", "icmp", "sctp", "0", "255"};
	static const char *const dsts[] = {"192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1"};

	match->proto = chance(2) ? NULL : own(protos[draw(QOS_ARRAY_SIZE(protos))]);
	match->sport = (uint16_t)(chance(2) ? 0 : between(1, UINT16_MAX));
	match->dport = (uint16_t)(chance(2) ? 0 : between(1, UINT16_MAX));
	match->dst = chance(2) ? NULL : own(dsts[draw(QOS_ARRAY_SIZE(dsts))]);
	match->dscp = (int16_t)(chance(2) ? -1 : (int)draw(64));
	match->mark_set = chance(2);
	match->mark = match->mark_set ? (uint32_t)between(0, UINT32_MAX) : 0;
	match->cgroup = chance(2) ? NULL : random_path();
}

static void random_net(struct qos_net_stream *stream, size_t i)
{
	char name[24] = "main";

	if (!chance(2) || i > 0)
		snprintf(name, sizeof(name), "n%u", (unsigned int)i);
	stream->name = own(name);
	stream->interface = random_word();
	random_flow(&stream->match);
	do {
		stream->rate_bps = between(1, 10000000000000ULL);
		stream->packet_bytes = between(1, 1048576);
		stream->period.ns = qos_net_packet_ns(stream);
	} while (stream->period.ns > 3600000000000ULL);
	if (chance(2))
		stream->period.ns = between(stream->period.ns, 3600000000000ULL);
	stream->deadline_ns = stream->period.ns;
	if (chance(2))
		stream->deadline_ns = between(1, 3600000000000ULL);
	stream->window = random_window();
	stream->late = (enum qos_late)draw(2);
	stream->excess = (enum qos_excess)draw(2);
	stream->limit = chance(2) ? QOS_CONTRACT_LIMIT : (uint32_t)between(1, 1000000);
	stream->manage = (enum qos_manage)draw(2);
	stream->rate_range = random_range(1, stream->rate_bps, 10000000000000ULL);
}

/* Any text will do: rules are data to the contract. */
static void random_rule(struct qos_rule *rule)
{
	rule->event.text = random_line(30);
	rule->when.text = chance(2) ? random_line(60) : NULL;
	rule->n_sets = draw(3);
	rule->sets = calloc(rule->n_sets + 1, sizeof(*rule->sets));
	assert_non_null(rule->sets);
	for (size_t i = 0; i < rule->n_sets; i++) {
		char key[24];

		snprintf(key, sizeof(key), "cpu.a%u", (unsigned int)i);
		rule->sets[i].attribute.text = own(key);
		rule->sets[i].value.text = random_line(60);
	}
	if (!rule->n_sets || chance(2))
		rule->emit.text = own("signal-1");
}

static void random_rules(struct qos_contract *contract)
{
	contract->n_rules = 1 + draw(4);
	contract->rules = calloc(contract->n_rules, sizeof(*contract->rules));
	assert_non_null(contract->rules);
	for (size_t i = 0; i < contract->n_rules; i++)
		random_rule(&contract->rules[i]);
}

static struct qos_match *new_match(enum qos_match_kind kind, size_t n_children)
{
	struct qos_match *match = calloc(1, sizeof(*match));

	assert_non_null(match);
	match->kind = kind;
	match->n_children = n_children;
	if (n_children)
		match->children = calloc(n_children, sizeof(struct qos_match *));
	assert_true(!n_children || match->children);
	return match;
}

static struct qos_match *random_term(enum qos_match_key key)
{
	struct qos_match *match = new_match(QOS_MATCH_TERM, 0);

	match->key = key;
	if (key == QOS_MATCH_CGROUP || key == QOS_MATCH_EXE)
		match->value = random_path();
	else if (key == QOS_MATCH_CMDLINE)
		match->value = own(chance(2) ? "a.*b \\* [\"'x-z]{1,3}" : "^(a|b: c)$");
	else if (key == QOS_MATCH_COMM || key == QOS_MATCH_PARENT)
		match->value = random_line(15);
	else if (key == QOS_MATCH_USER)
		match->value = chance(2) ? own("1000") : random_line(20);
	else
		match->value = random_word();
	return match;
}

static struct qos_match *random_match(int depth);

/* All of: each key once, at most one `not`; never an "any" inside, which no file can say. */
static struct qos_match *random_all(int depth)
{
	bool used[QOS_MATCH_PARENT + 1] = {};
	struct qos_match *match = new_match(QOS_MATCH_ALL, 2 + draw(2));

	for (size_t i = 0; i < match->n_children; i++) {
		enum qos_match_key key;

		if (i == 1 && depth && chance(2)) {
			match->children[i] = new_match(QOS_MATCH_NOT, 1);
			match->children[i]->children[0] = random_match(depth - 1);
			continue;
		}
		do {
			key = (enum qos_match_key)draw(QOS_MATCH_PARENT + 1);
		} while (used[key]);
		used[key] = true;
		match->children[i] = random_term(key);
	}
	return match;
}

static struct qos_match *random_match(int depth)
{
	enum qos_match_kind kind = depth ? (enum qos_match_kind)draw(4) : QOS_MATCH_TERM;
	struct qos_match *match;

	if (kind == QOS_MATCH_TERM)
		return random_term((enum qos_match_key)draw(QOS_MATCH_PARENT + 1));
	if (kind == QOS_MATCH_ALL)
		return random_all(depth);
	match = new_match(kind, kind == QOS_MATCH_NOT ? 1 : 2 + draw(3));
	for (size_t i = 0; i < match->n_children; i++)
		match->children[i] = random_match(depth - 1);
	return match;
}

/* Adds an anchor that holds for the whole: all of a user, and not what was drawn. */
static struct qos_match *anchored(struct qos_match *match)
{
	struct qos_match *all;

	if (qos_match_is_anchored(match))
		return match;
	all = new_match(QOS_MATCH_ALL, 2);
	all->children[0] = random_term(QOS_MATCH_USER);
	all->children[1] = new_match(QOS_MATCH_NOT, 1);
	all->children[1]->children[0] = match;
	return all;
}

static struct qos_contract *random_contract(void)
{
	static const char *const names[] = {"camera", "n", "on", "null", "a-1", "e3"};
	struct qos_contract *contract = calloc(1, sizeof(*contract));

	assert_non_null(contract);
	contract->name = own(names[draw(QOS_ARRAY_SIZE(names))]);
	contract->description = chance(2) ? NULL : random_prose();
	contract->importance = chance(2) ? 50 : (uint32_t)draw(101);
	contract->match = anchored(random_match(3));
	contract->n_cpu = draw(4);
	contract->n_net = draw(3);
	if (!contract->n_cpu && !contract->n_net)
		contract->n_cpu = 1;
	contract->cpu = calloc(contract->n_cpu + 1, sizeof(*contract->cpu));
	contract->net = calloc(contract->n_net + 1, sizeof(*contract->net));
	assert_non_null(contract->cpu);
	assert_non_null(contract->net);
	for (size_t i = 0; i < contract->n_cpu; i++)
		random_cpu(&contract->cpu[i], i, i + 1 == contract->n_cpu);
	for (size_t i = 0; i < contract->n_net; i++)
		random_net(&contract->net[i], i);
	contract->has_adapt = chance(2);
	contract->placement = contract->has_adapt ? (enum qos_placement)draw(2) : 0;
	if (contract->has_adapt && chance(2))
		random_rules(contract);
	contract->accept = (enum qos_guarantee)draw(3);
	contract->on_lease_expiry = (enum qos_lease_expiry)draw(3);
	contract->on_drift = (enum qos_drift)draw(3);
	return contract;
}

static char *printed(const struct qos_contract *contract)
{
	struct qos_buf buf = {};

	qos_contract_print(contract, &buf);
	assert_int_equal(buf.error, 0);
	return buf.text;
}

static struct qos_contract *parsed(const char *text, const char *overlay)
{
	const struct qos_text texts[] = {{"a.yaml", text, strlen(text)},
					 {"b.yaml", overlay, overlay ? strlen(overlay) : 0}};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(texts, overlay ? 2 : 1, &diag, &contract);

	if (r < 0 || diag.n_entries) {
		qos_diag_print(&diag, stdout);
		fail_msg("seed %llu is refused:\n%s%s", (unsigned long long)seed, text,
			 overlay ? overlay : "");
	}
	return contract;
}

static void assert_same(const struct qos_contract *a, const struct qos_contract *b,
			const char *what)
{
	_cleanup_free_ char *text_a = printed(a), *text_b = printed(b);

	if (!qos_contract_equal(a, b))
		fail_msg("seed %llu, %s: not equal:\n%s\n---\n%s", (unsigned long long)seed, what,
			 text_a, text_b);
	assert_string_equal(text_a, text_b);
}

/* Runs one check on n_cases contracts. */
static void for_each_case(void (*check)(struct qos_contract *contract))
{
	for (seed = first_seed; seed < first_seed + n_cases; seed++) {
		_cleanup_contract_ struct qos_contract *contract = NULL;

		state_ = seed;
		contract = random_contract();
		check(contract);
	}
}

static void check_round_trip(struct qos_contract *contract)
{
	_cleanup_free_ char *text = printed(contract);
	_cleanup_contract_ struct qos_contract *again = parsed(text, NULL);

	assert_same(contract, again, "round trip");
}

/* Two independent contracts are equal only if they print the same, and the other way round. */
static void check_equal(struct qos_contract *contract)
{
	_cleanup_contract_ struct qos_contract *other = random_contract();
	_cleanup_free_ char *a = printed(contract), *b = printed(other);

	assert_int_equal(qos_contract_equal(contract, other), !strcmp(a, b));
	assert_int_equal(qos_contract_equal(other, contract), !strcmp(a, b));
}

/* Itself, laid over itself, is itself; so is itself under nothing. */
static void check_overlay_of_itself(struct qos_contract *contract)
{
	_cleanup_free_ char *text = printed(contract);
	_cleanup_contract_ struct qos_contract *twice = parsed(text, text);
	_cleanup_contract_ struct qos_contract *under = parsed(text, "{}");

	assert_same(contract, twice, "over itself");
	assert_same(contract, under, "under nothing");
}

/* One value of one stream and one of the whole. */
static void check_overlay(struct qos_contract *contract)
{
	_cleanup_free_ char *text = printed(contract);
	_cleanup_contract_ struct qos_contract *laid = NULL;
	char overlay[128];

	contract->importance = 100 - contract->importance;
	snprintf(overlay, sizeof(overlay), "importance: %u\n", contract->importance);
	if (contract->n_cpu) {
		struct qos_cpu_stream *stream = &contract->cpu[draw(contract->n_cpu)];

		stream->max_threads = 65 - stream->max_threads;
		snprintf(overlay + strlen(overlay), sizeof(overlay) - strlen(overlay),
			 "cpu: [{name: %s, max-threads: %u}]\n", stream->name, stream->max_threads);
	}
	laid = parsed(text, overlay);
	assert_same(contract, laid, "overlay");
}

static void test_round_trip(void **state)
{
	for_each_case(check_round_trip);
}

static void test_copy(void **state)
{
}

static void test_equal(void **state)
{
	for_each_case(check_equal);
}

static void test_overlay_of_itself(void **state)
{
	for_each_case(check_overlay_of_itself);
}

static void test_overlay(void **state)
{
	for_each_case(check_overlay);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_copy),
		cmocka_unit_test(test_equal),	   cmocka_unit_test(test_overlay_of_itself),
		cmocka_unit_test(test_overlay),
	};

	if (argc > 1) {
		first_seed = strtoull(argv[1], NULL, 10);
		n_cases = 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
