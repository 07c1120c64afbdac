// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs did, on its way to the group "events". Programs run where nothing can be sent, and may
 * change a runtime a thousand times a second; so they leave a mark, and the worker tells what is in
 * force when it looks. What is told last is therefore always what is in force.
 *
 * A mark is made before the worker is woken, and taken before what it stands for is read.
 */
#include "flow.h"
#include "rules.h"

#define GAP_NS (NSEC_PER_SEC / QOS_DWCS_EVENTS_SECOND)

static bool marked; /* some contract or stream is */

static void mark(void)
{
	smp_store_release(&marked, true); /* pairs with the xchg in qos_rules_tell() */
	qos_event_wake();
}

void qos_rules_changed(bool *changed)
{
	WRITE_ONCE(*changed, true);
	mark();
}

/* The rate is the contract's: a signal that comes all the time mutes its others. */
enum qos_verdict qos_rules_signal(struct qos_contract *contract, u32 signal)
{
	s64 now = ktime_get_ns(), next = atomic64_read(&contract->signal_next);

	if (signal >= READ_ONCE(contract->signals_n))
		return QOS_REFUSED_OWNER;
	if (now < next ||
	    atomic64_cmpxchg(&contract->signal_next, next, now + QOS_SIGNAL_GAP_NS) != next)
		return QOS_VERDICT_MUTED;
	atomic64_or(BIT_ULL(signal), &contract->signals);
	mark();
	return QOS_VERDICT_EMIT;
}

static void tell(const struct qos_contract *contract, struct qos_event *event)
{
	memcpy(event->contract, contract->name, sizeof(event->contract));
	qos_genl_send_event(event);
}

static void tell_signals(struct qos_contract *contract, u64 now)
{
	struct qos_event event = {.kind = QOS_DWCS_EVENT_SIGNAL, .time_ns = now};
	u64 signals = atomic64_xchg(&contract->signals, 0);

	for (; signals; event.what++, signals >>= 1) {
		if (signals & 1)
			tell(contract, &event);
	}
}

/*
 * Whether the change is to be told now; if it is not yet time, *wait comes down to what is left until
 * then.
 */
static bool tells(bool *changed, u64 *next, u64 now, u64 *wait)
{
	if (!READ_ONCE(*changed))
		return false;
	if (now < *next) {
		*wait = min(*wait, *next - now);
		return false;
	}
	*next = now + GAP_NS;
	xchg(changed, false);
	return true;
}

static void tell_stream(struct qos_stream *stream, u64 now, u64 *wait)
{
	struct qos_event event = {
		.kind = QOS_DWCS_EVENT_RUNTIME,
		.time_ns = now,
		.stream = stream->id,
	};

	if (!tells(&stream->changed, &stream->tell_ns, now, wait))
		return;
	event.runtime_ns = READ_ONCE(stream->params.runtime_ns);
	tell(stream->contract, &event);
}

static void tell_flows(struct qos_contract *contract, u64 now, u64 *wait)
{
	struct qos_event event = {.kind = QOS_DWCS_EVENT_RATE, .time_ns = now};
	int i;

	for (i = 0; i < ARRAY_SIZE(contract->flow_by_index); i++) {
		struct qos_flow *flow = contract->flow_by_index[i];

		if (!flow || !tells(&flow->changed, &flow->tell_ns, now, wait))
			continue;
		event.what = i;
		event.rate = READ_ONCE(flow->rate);
		tell(contract, &event);
	}
}

bool qos_rules_marked(void)
{
	return READ_ONCE(marked);
}

u64 qos_rules_tell(u64 now)
{
	struct qos_contract *contract;
	struct qos_stream *stream;
	u64 wait = U64_MAX;

	if (!xchg(&marked, false))
		return 0;
	list_for_each_entry(contract, &qos_contracts, in_all) {
		tell_signals(contract, now);
		tell_flows(contract, now, &wait);
	}
	list_for_each_entry(stream, &qos_streams, in_all)
		tell_stream(stream, now, &wait);
	if (wait == U64_MAX)
		return 0;
	WRITE_ONCE(marked, true);
	return wait;
}
