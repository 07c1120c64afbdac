/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard's claims (bpf/guard.bpf.h), compiled for user space: each rule by itself, and eight threads
 * that ask for whatever they like, with an account of their own that must never pass the budget.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/types.h>

#include "guard.bpf.h"

#define THREADS 8
#define ROUNDS	200000
#define STREAMS 5
#define MS	1000000LL
#define PERIOD	(16 * MS)

static struct qos_attribute attributes[STREAMS];
static struct qos_pool pool;
static _Atomic int64_t account; /* what was carried out, in the order of the records */
static _Atomic int64_t worst;
static _Atomic uint64_t n_set, n_refused;

static int ask(struct qos_attribute *attribute, int64_t value, uint64_t now,
	       struct guard_claim *claim)
{
	int verdict = guard_claim(attribute, &pool, value, now, claim);

	if (verdict == QOS_VERDICT_SET && !guard_commit(attribute, &pool, claim))
		return QOS_REFUSED_BUSY;
	return verdict;
}

/* An increase was taken before it is counted here, a decrease is counted before it is returned: so the
 * account is what a manager has set that carries out records in their order. */
static void *asker(void *data)
{
	uint64_t random = (uintptr_t)data * 7919 + 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct qos_attribute *attribute;
		struct guard_claim claim = {};
		int64_t now;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		attribute = &attributes[(random >> 33) % STREAMS];
		if (ask(attribute, (int64_t)(random >> 40) % (8 * MS), 1, &claim)) {
			n_refused++;
			continue;
		}
		now = account += claim.more;
		for (int64_t before = worst; now > before;) {
			if (atomic_compare_exchange_weak(&worst, &before, now))
				break;
		}
		guard_return(&pool, &claim);
		n_set++;
	}
	return NULL;
}

static int64_t in_force(void)
{
	int64_t sum = 0;

	for (int i = 0; i < STREAMS; i++)
		sum += guard_cost(attributes[i].value, attributes[i].period_ns);
	return sum;
}

static void reset(void)
{
	for (int i = 0; i < STREAMS; i++)
		attributes[i] =
			(struct qos_attribute){.value = 2 * MS, .hi = 8 * MS, .period_ns = PERIOD};
	pool.total = guard_cost(3 * MS, PERIOD) * STREAMS;
	pool.free = pool.total - in_force();
}

static void test_no_sum_passes(void **state)
{
	pthread_t threads[THREADS];

	reset();
	account = in_force();
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, asker, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(worst <= pool.total);
	assert_int_equal(in_force(), account);
	assert_int_equal(in_force() + pool.free, pool.total);
	/* and the budget was what held them */
	assert_true(worst > pool.total * 9 / 10);
	assert_true(n_set > ROUNDS / 10 && n_refused > ROUNDS / 10);
}

static void test_rules(void **state)
{
	struct guard_claim claim = {};
	struct qos_attribute *a = &attributes[0];

	reset();
	a->lo = MS;
	a->step = 3 * MS;
	assert_int_equal(ask(a, 2 * MS, 5, &claim), QOS_VERDICT_SAME);
	assert_int_equal(ask(a, MS - 1, 5, &claim), QOS_REFUSED_RANGE);
	assert_int_equal(ask(a, 8 * MS + 1, 5, &claim), QOS_REFUSED_RANGE);
	assert_int_equal(ask(a, INT64_MIN, 5, &claim), QOS_REFUSED_RANGE);
	assert_int_equal(ask(a, 5 * MS + 1, 5, &claim), QOS_REFUSED_STEP);
	a->gap_ns = 10;
	assert_int_equal(ask(a, 5 * MS, 5, &claim), QOS_VERDICT_SET);
	assert_int_equal(ask(a, 4 * MS, 14, &claim), QOS_REFUSED_RATE);
	assert_int_equal(ask(a, 4 * MS, 15, &claim), QOS_VERDICT_SET);
	guard_return(&pool, &claim);
	assert_int_equal(in_force() + pool.free, pool.total);
	assert_int_equal(ask(a, 7 * MS, 30, &claim), QOS_VERDICT_SET);
	assert_int_equal(pool.free, 0);
	/* a refusal for budget leaves time and budget as they were */
	assert_int_equal(ask(&attributes[1], 3 * MS, 30, &claim), QOS_REFUSED_BUDGET);
	assert_int_equal(attributes[1].next_ns, 0);
	assert_int_equal(pool.free, 0);
	a->held = 1;
	assert_int_equal(ask(a, 4 * MS, 60, &claim), QOS_REFUSED_HELD);
	assert_int_equal(a->changes, 3);
}

/* Another CPU was faster between claim and commit. */
static void test_overtaken(void **state)
{
	struct guard_claim claim = {};

	reset();
	assert_int_equal(guard_claim(&attributes[0], &pool, 4 * MS, 7, &claim), QOS_VERDICT_SET);
	attributes[0].value = 3 * MS;
	assert_false(guard_commit(&attributes[0], &pool, &claim));
	assert_int_equal(attributes[0].value, 3 * MS);
	assert_int_equal(pool.free, pool.total - 5 * guard_cost(2 * MS, PERIOD));
}

static void test_cost(void **state)
{
	assert_int_equal(guard_cost(0, PERIOD), 0);
	assert_int_equal(guard_cost(1, PERIOD), 1);
	assert_int_equal(guard_cost(PERIOD, PERIOD), 1 << QOS_COST_SHIFT);
	assert_int_equal(guard_cost(QOS_VALUE_MAX, 1), QOS_VALUE_MAX << QOS_COST_SHIFT);
	assert_int_equal(guard_cost(QOS_VALUE_MAX + 1, 1), 0);
	assert_int_equal(guard_cost(-1, PERIOD), 0);
	assert_int_equal(guard_cost(MS, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_no_sum_passes),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
