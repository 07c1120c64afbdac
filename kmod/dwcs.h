/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Dynamic Window-Constrained Scheduling on one CPU: who runs next, and what a served or a lost request
 * does to its window. The one home of the algorithm: compiled into the module, the simulator, admission
 * and the tests. Includes nothing; whoever includes it has __u32, __u64, __s64 already. Integers only,
 * no division, loops bounded by log2(n) but for one that is named below. The orders and the adjustment
 * (everything above "the queue") follow no pointer and are fit for BPF.
 *
 * Model. A stream asks for C of service in each period T, by a deadline D <= T; of y requests in a row
 * (a fixed window) x may be lost. Its state is k', the requests left of the window, and m', how many of
 * them must still be served: x' = k' - m' and y' = k' of DWCS's own tables, whose adjustments (A) and
 * (B) are then one rule: m' falls with a request that is served, k' with each. Windows are aligned: a
 * violation does not shift them (the published (B) tags the stream and restarts its window instead).
 * x/y = 0/0 is plain EDF. A lost request is dropped: what it got is wasted.
 *
 * Orderings, all lexicographic, the last ties broken by release and id:
 *   edf          deadline
 *   dwcs         deadline; lowest W' = x'/y'; both zero: highest y'; equal: lowest x'
 *                (West, Poellabauer, Schwan: RTSS 2000; IEEE ToC 53(6) 2004)
 *   dwcs-window  lowest W'; equal non-zero: deadline, lowest x'; both zero: highest y', deadline (1999)
 *   vds          virtual deadline d + x'T/m' = ts + k'T/m' (Zhang, West, Qi: RTSS 2004); d
 *   fin          vds, and a *started* request with an earlier deadline finishes first if the top one
 *                still makes its own deadline after it
 *   fin-guard    fin, but a request that may be lost is put off where running it now would make EDF
 *                miss one that may not (x' = 0); looks at the DWCS_GUARD_MAX most urgent of these
 * -skip and both fin: a request that cannot finish by its deadline any more is not run; one whose window
 * is broken already (m' > k') waits for spare time. In all but edf a stream whose quota is met
 * (m' = 0) waits for spare time, which goes by deadline.
 *
 * In front of them all: the mandatory requests, by EDF. Which ones those are, admission decides and
 * proves (daemon/admit/prove.c): if a set of requests is EDF-schedulable at full C, preemptively on one
 * CPU, it is so at any smaller C, so whatever the ordering does behind them cannot break a window.
 *
 * Proven: that. For C = one slot, T equal, U <= 1: dwcs keeps all windows (cited). Measured, not
 * proven: of the feasible sets with C of one to six slots fin-guard keeps 95.8 %, fin 95.4, vds-skip 92,
 * dwcs-skip 90, dwcs-window 73, edf 12 (2026-11-26, `./dev bench orderings`). An ordering by itself is
 * not sustainable: a job that ends early may break another stream's window (about one set in a
 * thousand), which is what the mandatory requests are for.
 * Weak: no fairness under overload, somebody starves; no sliding windows; needs a true C.
 *
 * Bounds, which dwcs_check() enforces and admission asks first: T < 2^39 (nine minutes in ns), y <= 1000.
 * Live requests' deadlines then differ by less than 2^40, m' m' < 2^20, x'T m' < 2^59: no sum of
 * dwcs_virtual() reaches 2^62.
 */
#pragma once

#define DWCS_PERIOD_MAX (1ULL << 39)
#define DWCS_Y_MAX	1000U
#define DWCS_GUARD_MAX	16U

enum dwcs_ordering {
	DWCS_EDF,
	DWCS_DWCS,
	DWCS_DWCS_SKIP,
	DWCS_WINDOW,
	DWCS_VDS,
	DWCS_VDS_SKIP,
	DWCS_FIN,
	DWCS_FIN_GUARD,
	DWCS_ORDERINGS
};

/* Where a request waits: in one of the first three. DUE holds every live one; of those in RANK, STARTED
 * has the ones that were served already, CRITICAL the ones that may not be lost (x' = 0).
 */
enum dwcs_heap {
	DWCS_MUST,
	DWCS_RANK,
	DWCS_SPARE,
	DWCS_STARTED,
	DWCS_CRITICAL,
	DWCS_DUE,
	DWCS_HEAPS
};

/* One stream on one CPU. Zeroed but for the first block, then dwcs_reset(). Times share one unit. */
struct dwcs_stream {
	/* as admitted; not to be changed while a request is live */
	__u64 period;	/* T */
	__u64 deadline; /* D, relative, C <= D <= T */
	__u64 cost;	/* C > 0 */
	__u32 x;
	__u32 y; /* 0: plain EDF */
	__u32 id;

	/* the window */
	__u32 k; /* k' */
	__u32 m; /* m' */

	/* the request */
	__u64 release;
	__u64 due;	       /* release + D */
	__u64 left;	       /* of C */
	__u32 pos[DWCS_HEAPS]; /* place in each heap, from 1; 0: not in it */
};

static inline int dwcs_is_live(const struct dwcs_stream *s)
{
	return s->pos[DWCS_DUE] != 0;
}

static inline int dwcs_is_mandatory(const struct dwcs_stream *s)
{
	return s->pos[DWCS_MUST] != 0;
}

/* May the stream be scheduled with these parameters? */
static inline int dwcs_check(const struct dwcs_stream *s)
{
	return s->cost > 0 && s->cost <= s->deadline && s->deadline <= s->period &&
	       s->period < DWCS_PERIOD_MAX && s->x <= s->y && s->y <= DWCS_Y_MAX;
}

/* A new window. */
static inline void dwcs_reset(struct dwcs_stream *s)
{
	s->k = s->y ? s->y : 1;
	s->m = s->y ? s->y - s->x : 1;
}

/* Is the window lost already, whatever happens to the rest of its requests? */
static inline int dwcs_is_doomed(const struct dwcs_stream *s)
{
	return s->m > s->k;
}

static inline int dwcs_skips(enum dwcs_ordering ordering)
{
	return ordering == DWCS_FIN || ordering == DWCS_FIN_GUARD || ordering == DWCS_VDS_SKIP ||
	       ordering == DWCS_DWCS_SKIP;
}

static inline int dwcs_finishes(enum dwcs_ordering ordering)
{
	return ordering == DWCS_FIN || ordering == DWCS_FIN_GUARD;
}

/* --- orders: < 0 if a goes before b, > 0 after, 0 if this order does not tell them apart --- */

static inline int dwcs_sign(__s64 value)
{
	return (value > 0) - (value < 0);
}

/* Times wrap together; only their difference counts. */
static inline int dwcs_by_due(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	return dwcs_sign((__s64)(a->due - b->due));
}

static inline int dwcs_by_arrival(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	int order = dwcs_sign((__s64)(a->release - b->release));

	return order ? order : (a->id > b->id) - (a->id < b->id);
}

/* W' = x'/y' of a window that is doomed counts as 0, with y' as if (B) had raised it. */
static inline __u64 dwcs_x(const struct dwcs_stream *s)
{
	return dwcs_is_doomed(s) ? 0 : s->k - s->m;
}

static inline __u64 dwcs_y(const struct dwcs_stream *s)
{
	return dwcs_is_doomed(s) ? s->m : s->k;
}

static inline int dwcs_by_constraint(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	return dwcs_sign((__s64)(dwcs_x(a) * dwcs_y(b)) - (__s64)(dwcs_x(b) * dwcs_y(a)));
}

/* Equal W': the smaller loss, or of two that may lose none the one with more ahead. */
static inline int dwcs_by_denominator(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	if (dwcs_x(a) == 0 && dwcs_x(b) == 0)
		return dwcs_sign((__s64)dwcs_y(b) - (__s64)dwcs_y(a));
	return dwcs_sign((__s64)dwcs_x(a) - (__s64)dwcs_x(b));
}

static inline int dwcs_order_dwcs(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	int order = dwcs_by_due(a, b);

	order = order ? order : dwcs_by_constraint(a, b);
	return order ? order : dwcs_by_denominator(a, b);
}

static inline int dwcs_order_window(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	int order = dwcs_by_constraint(a, b);

	if (!order && dwcs_x(a) == 0)
		order = dwcs_by_denominator(a, b);
	order = order ? order : dwcs_by_due(a, b);
	return order ? order : dwcs_by_denominator(a, b);
}

/* d + x'T/m', both sides times m'm'; m' > 0. */
static inline int dwcs_order_virtual(const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	__s64 ma = a->m, mb = b->m;
	__s64 spare_a = ((__s64)a->k - ma) * (__s64)a->period;
	__s64 spare_b = ((__s64)b->k - mb) * (__s64)b->period;

	int order = dwcs_sign((__s64)(a->due - b->due) * ma * mb + spare_a * mb - spare_b * ma);

	return order ? order : dwcs_by_due(a, b);
}

/* Total order of the requests in DWCS_RANK; never 0 for a != b with different ids. */
static inline int dwcs_order(enum dwcs_ordering ordering, const struct dwcs_stream *a,
			     const struct dwcs_stream *b)
{
	int order = 0;

	switch (ordering) {
	case DWCS_EDF:
		order = dwcs_by_due(a, b);
		break;
	case DWCS_DWCS:
	case DWCS_DWCS_SKIP:
		order = dwcs_order_dwcs(a, b);
		break;
	case DWCS_WINDOW:
		order = dwcs_order_window(a, b);
		break;
	case DWCS_VDS:
	case DWCS_VDS_SKIP:
	case DWCS_FIN:
	case DWCS_FIN_GUARD:
		order = dwcs_order_virtual(a, b);
		break;
	case DWCS_ORDERINGS:
		break;
	}
	return order ? order : dwcs_by_arrival(a, b);
}

/* --- the adjustment --- */

#define DWCS_WINDOW_ENDED  (1 << 0)
#define DWCS_WINDOW_BROKEN (1 << 1) /* and more than x of its y requests were lost */

/* A request was served, or lost. Returns DWCS_WINDOW_*; never for a plain EDF stream. */
static inline int dwcs_adjust(struct dwcs_stream *s, int served)
{
	int broken;

	if (served && s->m > 0)
		s->m--;
	if (--s->k > 0)
		return 0;
	broken = s->m > 0;
	dwcs_reset(s);
	if (s->y == 0)
		return 0;
	return DWCS_WINDOW_ENDED | (broken ? DWCS_WINDOW_BROKEN : 0);
}

/* --- the queue: the live requests of one CPU, in binary heaps with known places --- */

/* Not locked. Streams are borrowed; a stream is in at most one queue. */
struct dwcs_queue {
	enum dwcs_ordering ordering;
	__u32 n[DWCS_HEAPS];
	struct dwcs_stream **slot[DWCS_HEAPS]; /* room for every stream of the CPU in each */
};

static inline int dwcs_goes_before(const struct dwcs_queue *q, enum dwcs_heap heap,
				   const struct dwcs_stream *a, const struct dwcs_stream *b)
{
	int order;

	if (heap == DWCS_RANK)
		return dwcs_order(q->ordering, a, b) < 0;
	order = dwcs_by_due(a, b);
	return (order ? order : dwcs_by_arrival(a, b)) < 0;
}

static inline void dwcs_put(struct dwcs_queue *q, enum dwcs_heap heap, __u32 pos,
			    struct dwcs_stream *s)
{
	q->slot[heap][pos - 1] = s;
	s->pos[heap] = pos;
}

/* Moves s up from the free place `pos`; returns where it came to rest. */
static inline __u32 dwcs_rise(struct dwcs_queue *q, enum dwcs_heap heap, __u32 pos,
			      struct dwcs_stream *s)
{
	for (; pos > 1 && dwcs_goes_before(q, heap, s, q->slot[heap][pos / 2 - 1]); pos /= 2)
		dwcs_put(q, heap, pos, q->slot[heap][pos / 2 - 1]);
	dwcs_put(q, heap, pos, s);
	return pos;
}

static inline void dwcs_sink(struct dwcs_queue *q, enum dwcs_heap heap, __u32 pos,
			     struct dwcs_stream *s)
{
	struct dwcs_stream **slot = q->slot[heap];
	__u32 child;

	for (; (child = 2 * pos) <= q->n[heap]; pos = child) {
		if (child < q->n[heap] && dwcs_goes_before(q, heap, slot[child], slot[child - 1]))
			child++;
		if (!dwcs_goes_before(q, heap, slot[child - 1], s))
			break;
		dwcs_put(q, heap, pos, slot[child - 1]);
	}
	dwcs_put(q, heap, pos, s);
}

static inline void dwcs_push(struct dwcs_queue *q, enum dwcs_heap heap, struct dwcs_stream *s)
{
	dwcs_rise(q, heap, ++q->n[heap], s);
}

static inline void dwcs_remove(struct dwcs_queue *q, enum dwcs_heap heap, struct dwcs_stream *s)
{
	__u32 pos = s->pos[heap];
	struct dwcs_stream *last;

	if (pos == 0)
		return;
	last = q->slot[heap][--q->n[heap]];
	s->pos[heap] = 0;
	if (last != s && dwcs_rise(q, heap, pos, last) == pos)
		dwcs_sink(q, heap, pos, last);
}

static inline struct dwcs_stream *dwcs_top(const struct dwcs_queue *q, enum dwcs_heap heap)
{
	return q->n[heap] ? q->slot[heap][0] : (struct dwcs_stream *)0;
}

/* Can it still finish by its deadline? */
static inline int dwcs_is_possible(const struct dwcs_stream *s, __u64 now)
{
	return (__s64)(s->due - now) >= (__s64)s->left;
}

static inline enum dwcs_heap dwcs_heap_of(const struct dwcs_queue *q, const struct dwcs_stream *s)
{
	if (q->ordering == DWCS_EDF)
		return DWCS_RANK;
	if (s->m == 0 || (dwcs_skips(q->ordering) && dwcs_is_doomed(s)))
		return DWCS_SPARE;
	return DWCS_RANK;
}

/* A live request waits for the CPU: for the first time, or again after dwcs_drop(). */
static inline void dwcs_enqueue(struct dwcs_queue *q, struct dwcs_stream *s, int mandatory)
{
	dwcs_push(q, mandatory ? DWCS_MUST : dwcs_heap_of(q, s), s);
	if (!s->pos[DWCS_RANK])
		return;
	if (dwcs_finishes(q->ordering) && s->left < s->cost)
		dwcs_push(q, DWCS_STARTED, s);
	if (q->ordering == DWCS_FIN_GUARD && s->k == s->m)
		dwcs_push(q, DWCS_CRITICAL, s);
}

/* A request arrives at `release`; the last one was settled. It may be mandatory. */
static inline void dwcs_release(struct dwcs_queue *q, struct dwcs_stream *s, __u64 release,
				int mandatory)
{
	s->release = release;
	s->due = release + s->deadline;
	s->left = s->cost;
	dwcs_push(q, DWCS_DUE, s);
	dwcs_enqueue(q, s, mandatory);
}

/* It will not be run any more, or not until it is enqueued again; it is lost when it is due. */
static inline void dwcs_drop(struct dwcs_queue *q, struct dwcs_stream *s)
{
	int heap;

	for (heap = 0; heap < DWCS_DUE; heap++)
		dwcs_remove(q, (enum dwcs_heap)heap, s);
}

/* Takes the request out of the queue, without an outcome: its thread is gone, or the queue ends. */
static inline void dwcs_withdraw(struct dwcs_queue *q, struct dwcs_stream *s)
{
	dwcs_drop(q, s);
	dwcs_remove(q, DWCS_DUE, s);
}

/* The live request was served (all of C, or its job needs no more), or it is lost: its deadline has
 * come. Returns DWCS_WINDOW_*.
 */
static inline int dwcs_settle(struct dwcs_queue *q, struct dwcs_stream *s, int served)
{
	dwcs_withdraw(q, s);
	return dwcs_adjust(s, served);
}

/* The live request got `amount` of service without being picked: it is no more started than before. What
 * exceeds C is not counted.
 */
static inline void dwcs_graze(struct dwcs_stream *s, __u64 amount)
{
	s->left -= amount < s->left ? amount : s->left;
}

/* The live request, which was picked, got `amount` of service. */
static inline void dwcs_serve(struct dwcs_queue *q, struct dwcs_stream *s, __u64 amount)
{
	if (amount == 0)
		return;
	if (dwcs_finishes(q->ordering) && s->pos[DWCS_RANK] && !s->pos[DWCS_STARTED])
		dwcs_push(q, DWCS_STARTED, s);
	dwcs_graze(s, amount);
}

/* The earliest deadline, or NULL: if it has passed, the request is to be settled as lost. */
static inline struct dwcs_stream *dwcs_next_due(const struct dwcs_queue *q)
{
	return dwcs_top(q, DWCS_DUE);
}

/* The first of a heap; with skip those that cannot finish leave it for good, to be lost when due. */
static inline struct dwcs_stream *dwcs_first(struct dwcs_queue *q, enum dwcs_heap heap, __u64 now)
{
	struct dwcs_stream *s = dwcs_top(q, heap);

	for (; s && dwcs_skips(q->ordering) && !dwcs_is_possible(s, now); s = dwcs_top(q, heap))
		dwcs_drop(q, s);
	return s;
}

/* fin's rule: the started request with the least deadline that may go before `top`. The one loop that
 * is linear, in the number of requests that were preempted.
 */
static inline struct dwcs_stream *dwcs_finish(const struct dwcs_queue *q, struct dwcs_stream *top,
					      __u64 now)
{
	__s64 room = (__s64)(top->due - now) - (__s64)top->left;
	struct dwcs_stream *best = top;
	__u32 i;

	for (i = 0; i < q->n[DWCS_STARTED]; i++) {
		struct dwcs_stream *s = q->slot[DWCS_STARTED][i];

		if (s != top && (__s64)s->left <= room && dwcs_is_possible(s, now) &&
		    dwcs_by_due(s, top) <= 0 &&
		    (best == top || dwcs_goes_before(q, DWCS_STARTED, s, best)))
			best = s;
	}
	return best;
}

/* The requests of a heap in its order, one call each; `edge` are places whose parents were taken. */
struct dwcs_walk {
	__u32 edge[DWCS_GUARD_MAX + 2];
	__u32 n;
};

static inline struct dwcs_stream *dwcs_walk_next(const struct dwcs_queue *q, enum dwcs_heap heap,
						 struct dwcs_walk *walk)
{
	struct dwcs_stream **slot = q->slot[heap];
	__u32 i, least = 0, pos;

	if (walk->n == 0)
		return (struct dwcs_stream *)0;
	for (i = 1; i < walk->n; i++)
		if (dwcs_goes_before(q, heap, slot[walk->edge[i] - 1], slot[walk->edge[least] - 1]))
			least = i;
	pos = walk->edge[least];
	walk->edge[least] = walk->edge[--walk->n];
	if (2 * pos <= q->n[heap])
		walk->edge[walk->n++] = 2 * pos;
	if (2 * pos < q->n[heap])
		walk->edge[walk->n++] = 2 * pos + 1;
	return slot[pos - 1];
}

/* fin-guard's rule: `s`, or the most urgent critical request if EDF keeps them all now, and would not
 * after s.
 */
static inline struct dwcs_stream *dwcs_guard(struct dwcs_queue *q, struct dwcs_stream *s, __u64 now)
{
	struct dwcs_stream *first = dwcs_first(q, DWCS_CRITICAL, now), *c;
	struct dwcs_walk walk = {.edge = {1}, .n = first ? 1 : 0};
	int endangers = 0;
	__u64 demand = 0;
	__u32 i;

	if (s->pos[DWCS_CRITICAL])
		return s;
	for (i = 0; i < DWCS_GUARD_MAX && (c = dwcs_walk_next(q, DWCS_CRITICAL, &walk)); i++) {
		__s64 slack;

		if (!dwcs_is_possible(c, now))
			continue;
		demand += c->left;
		slack = (__s64)(c->due - now) - (__s64)demand;
		if (slack < 0)
			return s;
		endangers |= slack < (__s64)s->left;
	}
	return endangers ? first : s;
}

/*
 * Who runs at `now`, or NULL. What is due must have been settled. The choice holds until a request
 * arrives, is settled, or leaves: asking more often does not change it.
 */
static inline struct dwcs_stream *dwcs_pick(struct dwcs_queue *q, __u64 now)
{
	struct dwcs_stream *s = dwcs_first(q, DWCS_MUST, now);

	if (s)
		return s;
	s = dwcs_first(q, DWCS_RANK, now);
	if (!s)
		return dwcs_first(q, DWCS_SPARE, now);
	if (dwcs_finishes(q->ordering))
		s = dwcs_finish(q, s, now);
	return q->ordering == DWCS_FIN_GUARD ? dwcs_guard(q, s, now) : s;
}
