/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets under dwcs.h on one link: which flow sends next. Compiled into the qdisc, the tests and their
 * simulator. Includes dwcs.h alone; integers only, O(log n) an operation.
 *
 * Model. A flow's request is the packet at its head. It is released when the packet arrived, or T after
 * the release of the flow's last request, whichever is later, due D after that. Packets are not
 * preempted: a request is picked at a time `now` when the link is free, and is served if now + C is not
 * after its due time; else it is lost, whatever the ordering. So fin is vds-skip here, and fin-guard puts
 * off a packet that would make the next ones miss.
 * A head that is not released yet waits on a clock. It may be sent ahead, if the link has nothing better to
 * do: that is no request, it changes no window, and the flow's next release stays where it was. A flow
 * that sends more than its grid in idle times has no debt afterwards. A flow that holds (`hold`) is never
 * sent ahead, and waits on a clock of its own: it sends a packet a period at most.
 *
 * Whoever calls holds the packets. A flow without any is idle, else its head is on the clock or is
 * a live request: dwcs_link_head() is called for each packet that comes to the head.
 *
 * D may be longer than T here, since a flow has one request at a time, and that of the next packet is released
 * T after this one's release, whenever this one is sent: so a burst is sent in time that has to wait for a long
 * packet of others again and again.
 *
 * Bounds: dwcs_flow_check(); and a live request's due time is no further in the past than DWCS_PERIOD_MAX when
 * another one is released, see dwcs_link_is_stale().
 */
#pragma once

#include "dwcs.h"

struct dwcs_flow {
	struct dwcs_stream request;
	struct dwcs_stream clock; /* `due`: the head's release, if that is yet to come */
	__u64 next;		  /* no release before */
	int hold;		  /* changed only while it is idle */
};

/*
 * The queue's heaps DWCS_MUST and DWCS_STARTED are never used: no room for them is needed. While only one
 * flow has a head, as when packets are sent as they come, that is in no heap: `only` has it, and its
 * release is flow->next.
 */
struct dwcs_link {
	struct dwcs_queue queue;
	struct dwcs_queue clock; /* DWCS_DUE alone */
	struct dwcs_queue held;	 /* likewise, of flows that hold */
	struct dwcs_flow *only;
};

/* May a flow have these parameters? */
static inline int dwcs_flow_check(const struct dwcs_stream *s)
{
	return s->cost > 0 && s->cost <= s->deadline && s->cost <= s->period &&
	       s->deadline < DWCS_PERIOD_MAX && s->period < DWCS_PERIOD_MAX && s->x <= s->y &&
	       s->y <= DWCS_Y_MAX;
}

/* The flow is zeroed but for the first block of `request`, which dwcs_flow_check() accepts. */
static inline void dwcs_flow_init(struct dwcs_flow *flow)
{
	flow->clock.id = flow->request.id;
	dwcs_reset(&flow->request);
}

static inline struct dwcs_flow *dwcs_flow_of(struct dwcs_stream *request)
{
	return (struct dwcs_flow *)request; /* its first member */
}

static inline struct dwcs_flow *dwcs_flow_of_clock(struct dwcs_stream *clock)
{
	return (struct dwcs_flow *)((char *)clock - __builtin_offsetof(struct dwcs_flow, clock));
}

static inline struct dwcs_queue *dwcs_link_clock(struct dwcs_link *link,
						 const struct dwcs_flow *flow)
{
	return flow->hold ? &link->held : &link->clock;
}

static inline int dwcs_flow_is_live(const struct dwcs_flow *flow)
{
	return dwcs_is_live(&flow->request);
}

/* The head is a request from `release` on. What is so old that it is lost in any case is not older. */
static inline void dwcs_link_begin(struct dwcs_link *link, struct dwcs_flow *flow, __u64 release,
				   __u64 now)
{
	if ((__s64)(now - release) > (__s64)DWCS_PERIOD_MAX)
		release = now - DWCS_PERIOD_MAX;
	dwcs_release(&link->queue, &flow->request, release, 0);
}

static inline void dwcs_link_put(struct dwcs_link *link, struct dwcs_flow *flow, __u64 now)
{
	if ((__s64)(flow->next - now) <= 0) {
		dwcs_link_begin(link, flow, flow->next, now);
		return;
	}
	flow->clock.due = flow->next;
	flow->clock.release = flow->next;
	dwcs_push(dwcs_link_clock(link, flow), DWCS_DUE, &flow->clock);
}

/* The only head takes its place, since there will be another one, or somebody looks. */
static inline void dwcs_link_place(struct dwcs_link *link, __u64 now)
{
	struct dwcs_flow *flow = link->only;

	if (!flow)
		return;
	link->only = (struct dwcs_flow *)0;
	dwcs_link_put(link, flow, now);
}

/* As dwcs_link_head(), for whoever knows that no flow has a head. */
static inline void dwcs_link_first(struct dwcs_link *link, struct dwcs_flow *flow, __u64 arrival)
{
	if ((__s64)(arrival - flow->next) > 0)
		flow->next = arrival;
	link->only = flow;
}

/* A packet that arrived at `arrival` came to the head of an idle flow. */
static inline void dwcs_link_head(struct dwcs_link *link, struct dwcs_flow *flow, __u64 arrival,
				  __u64 now)
{
	if (!link->only && !link->queue.n[DWCS_DUE] && !link->clock.n[DWCS_DUE] &&
	    !link->held.n[DWCS_DUE]) {
		dwcs_link_first(link, flow, arrival);
		return;
	}
	if ((__s64)(arrival - flow->next) > 0)
		flow->next = arrival;
	dwcs_link_place(link, now);
	dwcs_link_put(link, flow, now);
}

static inline void dwcs_link_release_from(struct dwcs_link *link, struct dwcs_queue *queue,
					  __u64 now)
{
	struct dwcs_stream *clock;

	while ((clock = dwcs_top(queue, DWCS_DUE)) && (__s64)(clock->due - now) <= 0) {
		dwcs_remove(queue, DWCS_DUE, clock);
		dwcs_link_begin(link, dwcs_flow_of_clock(clock), clock->due, now);
	}
}

/* The heads whose release has come are requests from now on. */
static inline void dwcs_link_release(struct dwcs_link *link, __u64 now)
{
	dwcs_link_place(link, now);
	dwcs_link_release_from(link, &link->clock, now);
	dwcs_link_release_from(link, &link->held, now);
}

/* The flow is idle: its head is gone, or is to be put there again, with other parameters perhaps. */
static inline void dwcs_link_withdraw(struct dwcs_link *link, struct dwcs_flow *flow)
{
	if (link->only == flow) {
		link->only = (struct dwcs_flow *)0;
		return;
	}
	dwcs_withdraw(&link->queue, &flow->request);
	dwcs_remove(dwcs_link_clock(link, flow), DWCS_DUE, &flow->clock);
}

/*
 * Short for all that follows where there is one head and nothing else to send: if that can be sent, in
 * time or ahead, it is, its flow is returned, idle, and `window` is what served() would say, or -1 for
 * ahead. Else NULL, and nothing happened.
 */
static inline struct dwcs_flow *dwcs_link_send_only(struct dwcs_link *link, __u64 now, int *window)
{
	struct dwcs_flow *flow = link->only;
	struct dwcs_stream *s;

	if (!flow)
		return flow;
	s = &flow->request;
	*window = -1;
	if ((__s64)(flow->next - now) <= 0) {
		if ((__s64)(flow->next + s->deadline - now) < (__s64)s->cost)
			return (struct dwcs_flow *)0;
		flow->next += s->period;
		*window = dwcs_adjust(s, 1);
	} else if (flow->hold) {
		return (struct dwcs_flow *)0;
	}
	link->only = (struct dwcs_flow *)0;
	return flow;
}

/* A flow whose request was due by now, or NULL. To be asked before each pick, until NULL. */
static inline struct dwcs_flow *dwcs_link_due(struct dwcs_link *link, __u64 now)
{
	struct dwcs_stream *s;

	dwcs_link_place(link, now);
	s = dwcs_next_due(&link->queue);
	return s && (__s64)(s->due - now) <= 0 ? dwcs_flow_of(s) : (struct dwcs_flow *)0;
}

/* Nothing was asked for so long that the times in the queue are about to be too far apart. */
static inline int dwcs_link_is_stale(const struct dwcs_link *link, __u64 now)
{
	const struct dwcs_stream *s = dwcs_next_due(&link->queue);

	return s && (__s64)(now - s->due) > (__s64)DWCS_PERIOD_MAX;
}

/*
 * The request of a live flow is lost, the flow idle. Returns DWCS_WINDOW_*. A `kept` head's next request
 * begins a period after, or now if that would be over already: what nobody could see is not counted.
 */
static inline int dwcs_link_lost(struct dwcs_link *link, struct dwcs_flow *flow, int kept,
				 __u64 now)
{
	struct dwcs_stream *s = &flow->request;

	flow->next = s->release + s->period;
	if (kept && (__s64)(flow->next + s->deadline - now) <= 0)
		flow->next = now;
	return dwcs_settle(&link->queue, s, 0);
}

/* The head of a live flow is sent in time, the flow idle. Returns DWCS_WINDOW_*. */
static inline int dwcs_link_served(struct dwcs_link *link, struct dwcs_flow *flow)
{
	flow->next = flow->request.release + flow->request.period;
	return dwcs_settle(&link->queue, &flow->request, 1);
}

/* Whose request is to be sent at `now`, or NULL. Behind due() and release(). May be one that ends too late, which is lost then. */
static inline struct dwcs_flow *dwcs_link_pick(struct dwcs_link *link, __u64 now)
{
	struct dwcs_stream *s = dwcs_pick(&link->queue, now);

	return s ? dwcs_flow_of(s) : (struct dwcs_flow *)0;
}

/* For an idle link: whose head to send ahead (dwcs_link_withdraw() it), or NULL. */
static inline struct dwcs_flow *dwcs_link_ahead(const struct dwcs_link *link)
{
	struct dwcs_stream *clock = dwcs_top(&link->clock, DWCS_DUE);

	return clock ? dwcs_flow_of_clock(clock) : (struct dwcs_flow *)0;
}

/* For an idle link: when the next head that is held will be released; 0: there is none. */
static inline __u64 dwcs_link_next(const struct dwcs_link *link)
{
	const struct dwcs_stream *clock = dwcs_top(&link->held, DWCS_DUE);

	return clock ? clock->due : 0;
}

/* For an idle link that picked nothing: a flow whose request cannot be in time any more, or NULL. */
static inline struct dwcs_flow *dwcs_link_doomed(const struct dwcs_link *link)
{
	struct dwcs_stream *s = dwcs_next_due(&link->queue);

	return s ? dwcs_flow_of(s) : (struct dwcs_flow *)0;
}
