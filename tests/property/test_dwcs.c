/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's algorithm against an oracle that knows nothing of it: plain arrays, linear scans, DWCS's
 * x' and y' beside m' and k', virtual deadlines compared as fractions. Random sets, the same choice at
 * every slot, the same windows broken. Streams of 0/0 alone must be EDF under every ordering.
 *
 * The seed is fixed; QOS_SEED in the environment sets another. A failure prints ordering, set and slot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/slots.h"

#define SETS	100000
#define HORIZON 40

/* --- the oracle --- */

struct request {
	const struct slot_stream *of;
	int id;
	/* the window: of the next `to_come` requests, this one included, `owed` must be served */
	int to_come, owed;
	/* this request */
	bool live, started, given_up, mandatory, critical, waits;
	int release, due, left;
};

struct oracle {
	enum dwcs_ordering ordering;
	int n, now;
	struct request r[SLOT_STREAMS];
	unsigned int broken;
};

static bool is_plain(const struct request *r)
{
	return r->of->y == 0;
}

static void new_window(struct request *r)
{
	r->to_come = is_plain(r) ? 1 : (int)r->of->y;
	r->owed = is_plain(r) ? 1 : (int)(r->of->y - r->of->x);
}

static void oracle_begin(struct oracle *o, const struct slot_set *set, enum dwcs_ordering ordering)
{
	memset(o, 0, sizeof(*o));
	o->ordering = ordering;
	o->n = (int)set->n;
	for (int i = 0; i < o->n; i++) {
		o->r[i].of = &set->s[i];
		o->r[i].id = i;
		new_window(&o->r[i]);
	}
}

static void oracle_end(struct oracle *o, struct request *r, bool served)
{
	r->live = false;
	if (served && r->owed > 0)
		r->owed--;
	r->to_come--;
	if (r->to_come > 0)
		return;
	if (!is_plain(r) && r->owed > 0)
		o->broken++;
	new_window(r);
}

static bool has_skip(enum dwcs_ordering ordering)
{
	return ordering == DWCS_DWCS_SKIP || ordering == DWCS_VDS_SKIP || ordering == DWCS_FIN ||
	       ordering == DWCS_FIN_GUARD;
}

static void oracle_arrive(struct oracle *o, unsigned int mandatory)
{
	for (int i = 0; i < o->n; i++) {
		struct request *r = &o->r[i];
		int phase = (int)r->of->phase, period = (int)r->of->period;

		if (r->live && r->due <= o->now)
			oracle_end(o, r, false);
		if (o->now < phase || (o->now - phase) % period)
			continue;
		r->live = true;
		r->started = r->given_up = false;
		r->release = o->now;
		r->due = o->now + (int)r->of->deadline;
		r->left = (int)r->of->cost;
		r->mandatory = mandatory >> i & 1;
		r->critical = r->owed == r->to_come;
		/* in spare time only: the quota is met, or the window cannot be saved */
		r->waits = o->ordering != DWCS_EDF &&
			   (r->owed == 0 || (has_skip(o->ordering) && r->owed > r->to_come));
	}
}

/* Each returns < 0 if a goes first. */

static int fifo(const struct request *a, const struct request *b)
{
	return a->release != b->release ? a->release - b->release : a->id - b->id;
}

static int by_deadline(const struct request *a, const struct request *b)
{
	return a->due != b->due ? a->due - b->due : fifo(a, b);
}

/* x' and y'; of a window that is lost x' is 0 and y' what is owed. */
static int losses(const struct request *r)
{
	return r->owed > r->to_come ? 0 : r->to_come - r->owed;
}

static int ahead(const struct request *r)
{
	return r->owed > r->to_come ? r->owed : r->to_come;
}

/* Deadline-first: 1 deadline; 2 lowest W'; 3 both zero: highest y'; 4 equal: lowest x'; 5 first come. */
static int deadline_first(const struct request *a, const struct request *b)
{
	if (a->due != b->due)
		return a->due - b->due;
	if (losses(a) == 0 && losses(b) == 0)
		return ahead(a) != ahead(b) ? ahead(b) - ahead(a) : fifo(a, b);
	if (losses(a) * ahead(b) != losses(b) * ahead(a))
		return losses(a) * ahead(b) - losses(b) * ahead(a);
	return losses(a) != losses(b) ? losses(a) - losses(b) : fifo(a, b);
}

/* Window-first: lowest W'; both zero: highest y', then deadline; equal: deadline, then lowest x'. */
static int window_first(const struct request *a, const struct request *b)
{
	if (losses(a) == 0 && losses(b) == 0)
		return ahead(a) != ahead(b) ? ahead(b) - ahead(a) : by_deadline(a, b);
	if (losses(a) * ahead(b) != losses(b) * ahead(a))
		return losses(a) * ahead(b) - losses(b) * ahead(a);
	if (a->due != b->due)
		return a->due - b->due;
	return losses(a) != losses(b) ? losses(a) - losses(b) : fifo(a, b);
}

/* Vd = d + x'T/m'. Small whole numbers: the difference of two such is 0 or at least 1/25. */
static double virtual_deadline(const struct request *r)
{
	return r->due + (double)(r->to_come - r->owed) * r->of->period / r->owed;
}

static int by_virtual_deadline(const struct request *a, const struct request *b)
{
	double difference = virtual_deadline(a) - virtual_deadline(b);

	if (difference > 1e-6 || difference < -1e-6)
		return difference < 0 ? -1 : 1;
	return by_deadline(a, b);
}

static int compare(enum dwcs_ordering ordering, const struct request *a, const struct request *b)
{
	switch (ordering) {
	case DWCS_EDF:
		return by_deadline(a, b);
	case DWCS_DWCS:
	case DWCS_DWCS_SKIP:
		return deadline_first(a, b);
	case DWCS_WINDOW:
		return window_first(a, b);
	case DWCS_VDS:
	case DWCS_VDS_SKIP:
	case DWCS_FIN:
	case DWCS_FIN_GUARD:
		return by_virtual_deadline(a, b);
	case DWCS_ORDERINGS:
		break;
	}
	return 0;
}

static bool may_run(const struct oracle *o, const struct request *r)
{
	return r->live && (!has_skip(o->ordering) || r->left <= r->due - o->now);
}

/* A started request with an earlier deadline, if the best still makes its own after it. */
static struct request *finish_started(struct oracle *o, struct request *best)
{
	struct request *first = NULL;

	for (int i = 0; i < o->n; i++) {
		struct request *r = &o->r[i];

		if (may_run(o, r) && r != best && r->started && !r->mandatory && !r->waits &&
		    r->due <= best->due && o->now + r->left + best->left <= best->due &&
		    (!first || by_deadline(r, first) < 0))
			first = r;
	}
	return first ? first : best;
}

/* Would EDF, beginning at `from`, keep all requests that may not be lost? */
static bool critical_are_kept(struct oracle *o, int from, struct request **first)
{
	struct request *queue[SLOT_STREAMS];
	int n = 0, time = from;

	for (int i = 0; i < o->n; i++) {
		struct request *r = &o->r[i];
		int at = n;

		if (!may_run(o, r) || !r->critical || r->waits || r->mandatory)
			continue;
		for (n++; at > 0 && by_deadline(r, queue[at - 1]) < 0; at--)
			queue[at] = queue[at - 1];
		queue[at] = r;
	}
	*first = n ? queue[0] : NULL;
	for (int i = 0; i < n; i++) {
		time += queue[i]->left;
		if (time > queue[i]->due)
			return false;
	}
	return true;
}

static struct request *guard(struct oracle *o, struct request *r)
{
	struct request *first;

	if (r->critical || !critical_are_kept(o, o->now, &first))
		return r;
	return critical_are_kept(o, o->now + r->left, &first) ? r : first;
}

static struct request *oracle_pick(struct oracle *o)
{
	struct request *must = NULL, *best = NULL, *spare = NULL;

	for (int i = 0; i < o->n; i++) {
		struct request *r = &o->r[i];

		if (!may_run(o, r))
			continue;
		if (r->mandatory) {
			if (!must || by_deadline(r, must) < 0)
				must = r;
		} else if (r->waits) {
			if (!spare || by_deadline(r, spare) < 0)
				spare = r;
		} else if (!best || compare(o->ordering, r, best) < 0) {
			best = r;
		}
	}
	if (must || !best)
		return must ? must : spare;
	if (o->ordering == DWCS_FIN || o->ordering == DWCS_FIN_GUARD)
		best = finish_started(o, best);
	return o->ordering == DWCS_FIN_GUARD ? guard(o, best) : best;
}

static void oracle_serve(struct oracle *o, struct request *r)
{
	if (r) {
		r->started = true;
		if (--r->left == 0)
			oracle_end(o, r, true);
	}
	o->now++;
}

/* --- random sets --- */

static void random_set(struct slot_set *set, bool plain)
{
	bool same = rnd(3) == 0, aligned = rnd(3) == 0, constrained = rnd(4) == 0;
	uint32_t period = 1 + rnd(8);

	set->n = 1 + rnd(6);
	for (uint32_t i = 0; i < set->n; i++) {
		struct slot_stream *s = &set->s[i];

		s->period = same ? period : 1 + rnd(12);
		s->cost = 1 + rnd(s->period < 6 ? s->period : 6);
		s->deadline = constrained ? s->cost + rnd(s->period - s->cost + 1) : s->period;
		s->phase = aligned ? 0 : rnd(s->period);
		s->y = plain || rnd(12) == 0 ? 0 : 1 + rnd(5);
		s->x = s->y ? rnd(s->y + (rnd(8) == 0)) : 0;
	}
}

static void compare_runs(const struct slot_set *set, enum dwcs_ordering ordering, bool with_must,
			 unsigned int *broken)
{
	static struct slot_run run;
	static struct oracle o;

	slot_begin(&run, set, ordering);
	oracle_begin(&o, set, ordering);
	for (int slot = 0; slot < HORIZON; slot++) {
		unsigned int must = with_must ? rnd(1 << SLOT_STREAMS) & rnd(1 << SLOT_STREAMS) : 0;
		const struct dwcs_stream *s;
		struct request *r;

		slot_arrive_with(&run, must);
		oracle_arrive(&o, must);
		s = dwcs_pick(&run.queue, run.now);
		r = oracle_pick(&o);
		if ((s ? (int)s->id : -1) != (r ? r->id : -1))
			fail_msg("%s, slot %d: runs %d, the oracle %d: %s",
				 slot_orderings[ordering], slot, s ? (int)s->id : -1,
				 r ? r->id : -1, slot_text(set));
		slot_serve(&run, s ? &run.stream[s->id] : NULL);
		oracle_serve(&o, r);
		if (run.broken != o.broken)
			fail_msg("%s, slot %d: %u windows broken, the oracle %u: %s",
				 slot_orderings[ordering], slot, run.broken, o.broken,
				 slot_text(set));
	}
	*broken += run.broken != 0;
}

static void chooses_as_the_oracle(void **state)
{
	unsigned int broken[DWCS_ORDERINGS] = {};

	for (unsigned int round = 0; round < SETS; round++) {
		struct slot_set set;
		bool with_must = rnd(4) == 0;

		random_set(&set, false);
		for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++)
			compare_runs(&set, ordering, with_must, &broken[ordering]);
	}
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		print_message("%-12s %u of %u sets with a broken window\n",
			      slot_orderings[ordering], broken[ordering], SETS);
		assert_in_range(broken[ordering], SETS / 10, SETS * 9 / 10);
	}
}

/* The earliest deadline of the live ones; a skipping ordering leaves out what cannot finish. */
static const struct dwcs_stream *edf(const struct slot_run *run)
{
	const struct dwcs_stream *best = NULL;

	for (uint32_t i = 0; i < run->set->n; i++) {
		const struct dwcs_stream *s = &run->stream[i];

		if (!dwcs_is_live(s) ||
		    (has_skip(run->queue.ordering) && run->now + s->left > s->due))
			continue;
		if (!best || s->due < best->due ||
		    (s->due == best->due && s->release < best->release))
			best = s;
	}
	return best;
}

static void plain_streams_are_edf(void **state)
{
	static struct slot_run run;

	for (unsigned int round = 0; round < SETS / 2; round++) {
		enum dwcs_ordering ordering = rnd(DWCS_ORDERINGS);
		struct slot_set set;

		random_set(&set, true);
		slot_begin(&run, &set, ordering);
		for (int slot = 0; slot < HORIZON; slot++) {
			struct dwcs_stream *s;

			slot_arrive(&run);
			s = dwcs_pick(&run.queue, run.now);
			if (s != edf(&run))
				fail_msg("%s, slot %d: not EDF: %s", slot_orderings[ordering], slot,
					 slot_text(&set));
			slot_serve(&run, s);
		}
		assert_int_equal(run.broken, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_as_the_oracle),
		cmocka_unit_test(plain_streams_are_edf),
	};

	random_seed();
	print_message("QOS_SEED=%llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
