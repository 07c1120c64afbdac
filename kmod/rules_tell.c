// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs did, on its way to the group "events". Programs run where nothing can be sent, and may
 * change a runtime a thousand times a second; so they leave a mark, and the worker tells what is in
 * force when it looks. What is told last is therefore always what is in force.
 *
 * A mark is made before the worker is woken, and taken before what it stands for is read.
 */
#include "rules.h"

#define GAP_NS (NSEC_PER_SEC / QOS_DWCS_EVENTS_SECOND)

static bool marked; /* some contract or stream is */

static void mark(void)
{
	smp_store_release(&marked, true); /* pairs with the xchg in qos_rules_tell() */
	qos_event_wake();
}

void qos_rules_changed(struct qos_stream *stream)
{
	WRITE_ONCE(stream->changed, true);
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

static void tell(u32 kind, const struct qos_contract *contract, const struct qos_stream *stream,
		 u32 signal, u64 now)
{
	struct qos_event event = {.kind = kind, .time_ns = now, .what = signal};

	memcpy(event.contract, contract->name, sizeof(event.contract));
	if (stream) {
		event.stream = stream->id;
		event.runtime_ns = READ_ONCE(stream->params.runtime_ns);
	}
	qos_genl_send_event(&event);
}

static void tell_signals(struct qos_contract *contract, u64 now)
{
	u64 signals = atomic64_xchg(&contract->signals, 0);
	u32 i;

	for (i = 0; signals; i++, signals >>= 1) {
		if (signals & 1)
			tell(QOS_DWCS_EVENT_SIGNAL, contract, NULL, i, now);
	}
}

/* ns until it can be told; 0: there is nothing. */
static u64 tell_stream(struct qos_stream *stream, u64 now)
{
	if (!READ_ONCE(stream->changed))
		return 0;
	if (now < stream->tell_ns)
		return stream->tell_ns - now;
	stream->tell_ns = now + GAP_NS;
	xchg(&stream->changed, false);
	tell(QOS_DWCS_EVENT_RUNTIME, stream->contract, stream, 0, now);
	return 0;
}

bool qos_rules_marked(void)
{
	return READ_ONCE(marked);
}

u64 qos_rules_tell(u64 now)
{
	struct qos_contract *contract;
	struct qos_stream *stream;
	u64 wait = 0, rest;

	if (!xchg(&marked, false))
		return 0;
	list_for_each_entry(contract, &qos_contracts, in_all)
		tell_signals(contract, now);
	list_for_each_entry(stream, &qos_streams, in_all) {
		rest = tell_stream(stream, now);
		if (rest && (!wait || rest < wait))
			wait = rest;
	}
	if (wait)
		WRITE_ONCE(marked, true);
	return wait;
}
