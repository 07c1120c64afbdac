// SPDX-License-Identifier: GPL-2.0-only
/*
 * Evidence of a violation: the last outcomes of the thread, and who ran on its CPU while its last
 * request was lost. Each CPU remembers the last stretches in which a managed thread ran; what lies
 * between them, other threads, interrupts or idleness, is told as a sum.
 *
 * Weakness: of a request that took longer than the stretches reach back, the first part is told as
 * others' time.
 */
#include "qos.h"

/* What it ran from slice_ns to `to`, which is over and told of once. */
void qos_evidence_slice(struct qos_cpu *cpu, const struct qos_thread *thread, u64 to)
{
	struct qos_slice *last = &cpu->slices[(cpu->slices_n - 1) % QOS_SLICES];
	u64 from = cpu->slice_ns;

	cpu->slice_ns = to;
	/* An interruption by the dispatcher or an interrupt's thread does not begin a new one. */
	if (cpu->slices_n && last->stream == thread->stream->id && from - last->to_ns < 2000) {
		last->to_ns = to;
		return;
	}
	cpu->slices[cpu->slices_n++ % QOS_SLICES] = (struct qos_slice){
		.from_ns = from,
		.to_ns = to,
		.stream = thread->stream->id,
	};
}

static u64 overlap(u64 a_from, u64 a_to, u64 b_from, u64 b_to)
{
	u64 from = max(a_from, b_from), to = min(a_to, b_to);

	return to > from ? to - from : 0;
}

/* One entry a stream; who finds no room is among the others. Returns what was counted. */
static u64 add(struct qos_event *event, u32 stream, u64 ns)
{
	u32 i;

	if (!ns)
		return 0;
	for (i = 0; i < event->instead_n && event->instead[i].stream != stream; i++)
		;
	if (i == QOS_INSTEAD_MAX - 1)
		return 0;
	if (i == event->instead_n)
		event->instead[event->instead_n++] = (struct qos_instead){.stream = stream};
	event->instead[i].ns += ns;
	return ns;
}

static void who_ran(struct qos_cpu *cpu, struct qos_event *event, u64 now)
{
	u64 from = event->from_ns, to = event->to_ns, managed = 0;
	u32 i, n = min_t(u32, cpu->slices_n, QOS_SLICES);

	for (i = 0; i < n; i++) {
		const struct qos_slice *s = &cpu->slices[i];

		managed += add(event, s->stream, overlap(s->from_ns, s->to_ns, from, to));
	}
	if (cpu->running)
		managed +=
			add(event, cpu->running->stream->id, overlap(cpu->slice_ns, now, from, to));
	if (to - from > managed)
		event->instead[event->instead_n++] =
			(struct qos_instead){.ns = to - from - managed};
}

/* The latest first. */
static void outcomes(const struct qos_thread *thread, struct qos_event *event)
{
	u32 i, n = min(thread->outcomes_n, thread->dwcs.y);

	event->outcomes_n = n;
	for (i = 0; i < n; i++) {
		u32 at = (thread->outcomes_n - 1 - i) % QOS_OUTCOMES;

		if (thread->outcomes[at / 64] & (1ULL << (at % 64)))
			event->outcomes[i / 64] |= 1ULL << (i % 64);
	}
}

void qos_evidence_violation(struct qos_thread *thread, u32 lost, u64 from, u64 to, u64 now)
{
	struct qos_event *event =
		qos_event_begin(thread->cpu, thread, QOS_DWCS_EVENT_VIOLATION, now);

	if (!event)
		return;
	event->lost = lost;
	event->from_ns = from;
	event->to_ns = to;
	outcomes(thread, event);
	who_ran(thread->cpu, event, now);
	qos_event_end(thread->cpu);
}
