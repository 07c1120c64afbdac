/* SPDX-License-Identifier: GPL-2.0-only */
/* Contracts on links: who is admitted beside whom, over CPUs and links as a whole, and what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/admit.h"
#include "admit/ledger.h"

#define MBIT 1000000ULL

struct fixture {
	struct qos_capacity capacity;
	struct qos_ledger *ledger;
	struct test_contract a, b, c;
	struct qos_net_stream net[3];
	struct qos_diag diag;
};

static void link_of(struct fixture *f, const char *name, uint64_t bps, uint64_t largest)
{
	struct qos_link *link = &f->capacity.links[f->capacity.n_links++];

	*link = (struct qos_link){.bps = bps, .largest_bytes = largest};
	snprintf(link->name, sizeof(link->name), "%s", name);
}

/* A contract of network streams alone, one on eth0. */
static struct qos_net_stream *sender(struct fixture *f, struct test_contract *test, size_t i,
				     const char *name, uint64_t rate_bps)
{
	struct qos_net_stream *net = &f->net[i];

	test_contract_init(test, name, 50);
	*net = (struct qos_net_stream){
		.name = "main",
		.loc = {.file = "test.yaml", .line = 7, .col = 3},
		.interface = "eth0",
		.match = {.dscp = -1},
		.rate_bps = rate_bps,
		.packet_bytes = 1400,
		.deadline_ns = 10 * MS,
		.window = {.x = 1, .y = 10},
		.limit = 100,
	};
	net->period.ns = qos_net_packet_ns(net);
	test->contract.net = net;
	test->contract.n_net = 1;
	return net;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	test_capacity(&f->capacity, 1);
	f->capacity.link_share_ppb = 900000000;
	link_of(f, "eth0", 100 * MBIT, 1500);
	sender(f, &f->a, 0, "a", 40 * MBIT);
	sender(f, &f->b, 1, "b", 40 * MBIT);
	sender(f, &f->c, 2, "c", 10 * MBIT);
	*state = f;
	return 0;
}

static void begin(struct fixture *f)
{
	assert_int_equal(qos_ledger_new(&f->capacity, &f->ledger), 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_ledger_free(f->ledger);
	qos_diag_reset(&f->diag);
	free(f);
	return 0;
}

static const struct qos_net_grant *grant(struct fixture *f, const char *name)
{
	return &qos_ledger_grant(f->ledger, name)->net[0];
}

static int add(struct fixture *f, const struct test_contract *test)
{
	return qos_ledger_add(f->ledger, &test->contract, &f->diag);
}

static void expect_words(struct fixture *f, const char *text, const char *hint)
{
	assert_int_equal(f->diag.n_errors, 1);
	if (!strstr(f->diag.entries[0].text, text))
		assert_string_equal(f->diag.entries[0].text, text);
	assert_non_null(f->diag.entries[0].hint);
	if (!strstr(f->diag.entries[0].hint, hint))
		assert_string_equal(f->diag.entries[0].hint, hint);
}

/* 1442 of 1400 bytes go over the wire. */
static void as_much_as_fits(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(grant(f, "a")->guaranteed_bps, 40 * MBIT);
	assert_int_equal(grant(f, "a")->guarantee, QOS_PROVEN);
	assert_string_equal(grant(f, "a")->test, "link-levels");
	assert_in_range(grant(f, "a")->delay_ns, 1, 10 * MS);
	assert_int_equal(add(f, &f->b), 0);
	assert_int_equal(add(f, &f->c), QOS_LEDGER_E_REFUSED);
	expect_words(f, "main needs 10mbit of eth0; 7370kbit is free for packets of its size",
		     "each of these alone was tried and is admitted: rate: 7370kbit");
	assert_null(qos_ledger_grant(f->ledger, "c"));
	f->net[2].rate_bps = 7370000;
	assert_int_equal(add(f, &f->c), 0);
}

static void only_where_it_is(void **state)
{
	struct fixture *f = *state;

	link_of(f, "eth1", 100 * MBIT, 1500);
	f->net[1].interface = "eth1";
	f->net[2].interface = "eth2";
	f->net[0].rate_bps = f->net[1].rate_bps = f->net[2].rate_bps = 80 * MBIT;
	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(add(f, &f->b), 0);
	assert_int_equal(add(f, &f->c), 0);
	assert_false(grant(f, "b")->waits);
	assert_true(grant(f, "c")->waits);
	assert_int_equal(grant(f, "c")->guaranteed_bps, 0);
}

/* 64 KiB of somebody else's at 100 Mbit/s take 5.2 ms. */
static void a_large_packet_of_others(void **state)
{
	struct fixture *f = *state;

	f->capacity.links[0].largest_bytes = 65536;
	f->net[0].deadline_ns = 5 * MS;
	begin(f);
	assert_int_equal(add(f, &f->a), QOS_LEDGER_E_REFUSED);
	expect_words(f, "its deadline is 5ms; one packet of others (64KiB) takes 5246240ns",
		     "`ip link set eth0 gso_max_size 1500` | accept: best-effort");
	f->a.contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(grant(f, "a")->guarantee, QOS_BEST_EFFORT);
	assert_int_equal(qos_ledger_grant(f->ledger, "a")->guarantee, QOS_BEST_EFFORT);
}

/* One more of the same level delays those that were promised something. */
static void others_keep_what_they_have(void **state)
{
	struct fixture *f = *state;

	f->net[0].deadline_ns = 700 * US;
	f->net[1].deadline_ns = 600 * US;
	f->b.contract.accept = QOS_BEST_EFFORT;
	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(add(f, &f->b), QOS_LEDGER_E_REFUSED);
	expect_words(f, "beside main on eth0, what others were promised would not hold",
		     "disable a (importance 50)");
}

static void what_nobody_knows(void **state)
{
	struct fixture *f = *state;

	f->capacity.links[0].bps = 0;
	link_of(f, "eth1", 100 * MBIT, 1500);
	strcpy(f->capacity.links[1].foreign, "fq_codel");
	f->net[1].interface = "eth1";
	begin(f);
	assert_int_equal(add(f, &f->a), QOS_LEDGER_E_REFUSED);
	expect_words(f, "nobody knows how fast eth0 is",
		     "network: {interfaces: {eth0: {capacity: ...}}}");
	qos_diag_reset(&f->diag);
	assert_int_equal(add(f, &f->b), QOS_LEDGER_E_REFUSED);
	expect_words(f, "eth1 has a queue that somebody set up (fq_codel)", "takeover: yes");
}

static void one_flow_of_two(void **state)
{
	struct fixture *f = *state;

	f->net[0].match.cgroup = f->net[1].match.cgroup = "/x";
	f->net[0].match.dport = f->net[1].match.dport = 5004;
	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(add(f, &f->b), QOS_LEDGER_E_REFUSED);
	expect_words(f, "the packets of main are those of a already", "narrower");
	f->net[1].match.sport = 1;
	assert_int_equal(add(f, &f->b), 0);
}

/* The CPU has room, the link has not: nothing of it stays. */
static void as_a_whole(void **state)
{
	struct fixture *f = *state;

	test_stream(&f->a, 4 * MS, 10 * MS, 10 * MS);
	f->net[0].rate_bps = 95 * MBIT;
	begin(f);
	assert_int_equal(add(f, &f->a), QOS_LEDGER_E_REFUSED);
	assert_null(qos_ledger_grant(f->ledger, "a"));
	test_stream(&f->b, 8 * MS, 10 * MS, 10 * MS);
	assert_int_equal(add(f, &f->b), 0); /* all of the CPU was left to it */
	assert_int_equal(qos_ledger_grant(f->ledger, "b")->streams[0].guarantee, QOS_PROVEN);
}

/* Where the module serves windows, mandatory parts count. */
static void windows_of_the_module(void **state)
{
	struct fixture *f = *state;

	f->net[0].window = f->net[1].window = (struct qos_window){.x = 1, .y = 2};
	f->net[0].rate_bps = f->net[1].rate_bps = 80 * MBIT;
	f->capacity.link_windows = true;
	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_string_equal(grant(f, "a")->test, "link-edf");
	assert_int_equal(add(f, &f->b), QOS_LEDGER_E_REFUSED);
	f->a.contract.accept = f->b.contract.accept = QOS_BEST_EFFORT;
	assert_int_equal(qos_ledger_remove(f->ledger, "a"), 0);
	assert_int_equal(add(f, &f->b), 0);
	assert_int_equal(grant(f, "b")->guarantee, QOS_PROVEN);
}

/* The link became slower; a stays, being the more important. */
static void less_supply(void **state)
{
	struct fixture *f = *state;
	const char **out = NULL;
	size_t n_out = 0;

	f->a.contract.importance = 60;
	begin(f);
	assert_int_equal(add(f, &f->a), 0);
	assert_int_equal(add(f, &f->b), 0);
	f->capacity.links[0].bps = 60 * MBIT;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	assert_int_equal(n_out, 1);
	assert_string_equal(out[0], "b");
	assert_non_null(qos_ledger_grant(f->ledger, "a"));
	free(out);
	f->capacity.n_links = 0;
	assert_int_equal(qos_ledger_resupply(f->ledger, &f->capacity, &out, &n_out), 0);
	assert_int_equal(n_out, 0);
	assert_true(grant(f, "a")->waits);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_much_as_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(only_where_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_packet_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(others_keep_what_they_have, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_knows, setup, teardown),
		cmocka_unit_test_setup_teardown(one_flow_of_two, setup, teardown),
		cmocka_unit_test_setup_teardown(as_a_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(windows_of_the_module, setup, teardown),
		cmocka_unit_test_setup_teardown(less_supply, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
