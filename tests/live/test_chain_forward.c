/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that are handed on to a process, and what comes back: the copy is the event, a full ring loses
 * and counts, and what is asked for is judged as what programs ask for.
 */
#include "chain_live.h"

#define PERIOD (40 * MS)

static const struct qos_chain_attribute plain_attribute = {
	.stream = 77,
	.value = 8 * MS,
	.lo = 4 * MS,
	.hi = 12 * MS,
	.reserved = 10 * MS,
	.period_ns = PERIOD,
};

struct party {
	uint32_t number;
	uint32_t slot;
};

static struct party party_new(const struct qos_chain_attribute *attribute, size_t n_streams)
{
	const struct qos_chain_contract contract = {.attributes = attribute,
						    .n_attributes = 1,
						    .n_signals = 1,
						    .n_state = 2,
						    .n_keys = 1,
						    .mappable = true};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct party party = {};

	assert_int_equal(qos_chain_add(chain, &contract, &party.number), 0);
	assert_int_equal(qos_chain_forward(chain, party.number, QOS_CHAIN_RAW, 5, n_streams, &diag,
					   &party.slot),
			 0);
	assert_int_equal(diag.n_errors, 0);
	return party;
}

static void raise_one(const struct party *party, int64_t value)
{
	struct qos_rules_frame *frame = qos_chain_frame(chain);

	frame->now_ns = (uint64_t)value;
	frame->state = 1;
	for (size_t i = 0; i < QOS_RULES_STREAMS_MAX; i++)
		frame->stream[i].word[QOS_RULES_SLACK] = value + (int64_t)i;
	assert_int_equal(qos_chain_raise(chain, party->number, party->slot), 0);
}

struct seen {
	size_t n;
	size_t size;
	struct qos_rules_frame last;
};

static int see(void *data, void *record, size_t size)
{
	struct seen *seen = data;

	seen->n++;
	seen->size = size;
	memcpy(&seen->last, record, size);
	return 0;
}

static void read_ring(const struct party *party, struct seen *seen)
{
	struct ring_buffer *ring =
		ring_buffer__new(qos_chain_ring_fd(chain, party->number), see, seen, NULL);

	assert_non_null(ring);
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
}

static void check_copy(size_t n_streams)
{
	struct party party = party_new(&plain_attribute, n_streams);
	struct qos_guard_contract counts;
	struct seen seen = {};

	raise_one(&party, -3);
	read_ring(&party, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.size, sizeof(struct qos_rules_input) +
					    n_streams * sizeof(struct qos_rules_stream));
	assert_int_equal(seen.last.program, 5);
	assert_int_equal(seen.last.state, 1);
	assert_int_equal(seen.last.stream[n_streams - 1].word[QOS_RULES_SLACK],
			 -3 + (int64_t)n_streams - 1);
	counts = counts_of(party.number);
	assert_int_equal(counts.runs, 1);
	assert_int_equal(counts.requests + counts.dropped + counts.breaches, 0);
	qos_chain_remove(chain, party.number);
}

static void test_copies(void **state)
{
	check_copy(1);
	check_copy(3);
	check_copy(QOS_RULES_STREAMS_MAX);
}

static void test_full_ring(void **state)
{
	struct party party = party_new(&plain_attribute, 1);
	struct qos_guard_contract counts;
	struct seen seen = {};

	for (int64_t i = 0; i < 100; i++)
		raise_one(&party, i);
	counts = counts_of(party.number);
	assert_int_equal(counts.runs, 100);
	assert_int_equal(counts.dropped, 100 - QOS_CHAIN_RING_BYTES / 256 + 1);
	assert_int_equal(counts.requests + counts.breaches, 0);
	read_ring(&party, &seen);
	assert_int_equal(seen.n, 100 - counts.dropped);
	raise_one(&party, 1234);
	read_ring(&party, &seen);
	assert_int_equal(seen.last.now_ns, 1234);
	assert_int_equal(counts_of(party.number).dropped, counts.dropped);
	qos_chain_remove(chain, party.number);
}

static enum qos_verdict ask(const struct party *party, uint64_t attribute, int64_t value,
			    uint64_t now_ns)
{
	const struct qos_chain_wish wish = {attribute, value, now_ns};
	struct qos_change change;
	enum qos_verdict verdict = qos_chain_request(chain, party->number, &wish, &change);

	if (verdict == QOS_VERDICT_SET) {
		assert_int_equal(change.type, QOS_CHANGE_VALUE);
		assert_int_equal(change.value, value);
		assert_int_equal(change.stream, 77);
	}
	return verdict;
}

/* A rate is asked for by its own name. */
static void test_judges_rates(void **state)
{
	struct qos_chain_attribute attribute = plain_attribute;
	struct party party;

	attribute.kind = QOS_RULES_NET_RATE;
	party = party_new(&attribute, 1);
	assert_int_equal(ask(&party, RUNTIME(0), 9 * MS, 100), QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_NET_RATE, 0), 9 * MS, 100),
			 QOS_VERDICT_SET);
	qos_chain_remove(chain, party.number);
}

static void test_judges(void **state)
{
	struct qos_chain_attribute attribute = plain_attribute;
	struct qos_guard_contract counts;
	struct party party;

	attribute.gap_ns = 10;
	attribute.step = 3 * MS;
	party = party_new(&attribute, 1);
	assert_int_equal(ask(&party, RUNTIME(1), 9 * MS, 100), QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, 0, 9 * MS, 100), QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, UINT64_MAX, 9 * MS, 100), QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_NET_RATE, 0), 1, 100),
			 QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_MISSED, 0), 1, 100),
			 QOS_REFUSED_OWNER);
	assert_int_equal(ask(&party, RUNTIME(0), INT64_MAX, 100), QOS_REFUSED_RANGE);
	assert_int_equal(ask(&party, RUNTIME(0), INT64_MIN, 100), QOS_REFUSED_RANGE);
	assert_int_equal(ask(&party, RUNTIME(0), 12 * MS, 100), QOS_REFUSED_STEP);
	assert_int_equal(ask(&party, RUNTIME(0), 11 * MS, 100), QOS_REFUSED_BUDGET);
	assert_int_equal(ask(&party, RUNTIME(0), 8 * MS, 100), QOS_VERDICT_SAME);
	assert_int_equal(ask(&party, RUNTIME(0), 10 * MS, 100), QOS_VERDICT_SET);
	assert_int_equal(ask(&party, RUNTIME(0), 9 * MS, 105), QOS_REFUSED_RATE);
	assert_int_equal(ask(&party, RUNTIME(0), 9 * MS, 110), QOS_VERDICT_SET);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 9 * MS);
	counts = counts_of(party.number);
	assert_int_equal(counts.requests, 13);
	assert_int_equal(counts.verdicts[QOS_REFUSED_OWNER], 5);
	assert_int_equal(counts.verdicts[QOS_VERDICT_SET], 2);
	assert_int_equal(counts.dropped, 0);
	assert_int_equal(qos_chain_set(chain, party.number, 0, 9 * MS, true), 0);
	assert_int_equal(ask(&party, RUNTIME(0), 8 * MS, 500), QOS_REFUSED_HELD);
	qos_chain_remove(chain, party.number);
	assert_int_equal(ask(&party, RUNTIME(0), 8 * MS, 600), QOS_REFUSED_OWNER);
}

static void test_signals(void **state)
{
	const uint64_t emit = QOS_RULES_ATTRIBUTE_ID(QOS_RULES_EMIT, 0);
	struct party party = party_new(&plain_attribute, 1);

	assert_int_equal(ask(&party, emit, 1, 1000), QOS_VERDICT_EMIT);
	assert_int_equal(ask(&party, emit, 1, 1001), QOS_VERDICT_MUTED);
	assert_int_equal(ask(&party, emit, 1, 1000 + QOS_SIGNAL_GAP_NS), QOS_VERDICT_EMIT);
	assert_int_equal(ask(&party, emit + 1, 1, 1001), QOS_REFUSED_OWNER);
	qos_chain_mute(chain, party.number, true);
	assert_int_equal(ask(&party, RUNTIME(0), 8 * MS, 1), QOS_REFUSED_HELD);
	qos_chain_remove(chain, party.number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),	cmocka_unit_test(test_full_ring),
		cmocka_unit_test(test_judges),	cmocka_unit_test(test_judges_rates),
		cmocka_unit_test(test_signals),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("chain_forward", tests, load_chain, unload_chain);
}
