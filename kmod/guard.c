// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard: the one way in which a rule's program changes a runtime, and what it may. The same rules
 * as without the module (bpf/guard.bpf.h, with the same verdicts), which there have no module to hold
 * them together:
 *
 *   owner   The event that the program serves says which contract's streams it may change. The verifier
 *	     lets only the tracepoint's own argument pass (KF_TRUSTED_ARGS), so nobody else's event.
 *   range   RUNTIME_MIN to RUNTIME_MAX, and at most STEP away from what is in force.
 *   rate    GAP between two changes; ten signals a second of a contract.
 *   budget  A stream gets no more than is RESERVED for it. And each CPU has a share for the threads of
 *	     all streams, in 2^-20 of it. Each thread holds what it costs, rounded up. An increase takes
 *	     the difference first, on the CPU of each thread, and gives all back if one has not enough;
 *	     so no changes that succeed hold more than the share together, however they interleave. A
 *	     decrease returns it when it is set.
 *
 * Rates of flows (flow.h): the same but for the CPUs' shares.
 *
 * A stream's guard_lock makes claim and change one; it is taken by nobody who holds a CPU's lock, and
 * nothing is taken under it. What the control path grants is charged unconditionally, for admission
 * has judged it: the share may be overdrawn then, and nothing grows until it is not.
 *
 * The value is in force from each thread's next request on, whose release reads it (request.c).
 *
 * Weaknesses: a change takes time linear in the threads of its stream, with interrupts off. What a
 * decrease returned may be taken while a thread's current request still has its old C, so for up to a
 * period a CPU may serve more than its share. Where each stream has a RESERVED, and the share is their
 * sum, as the daemon has it, nobody gets more than what admission reserved, whatever the others hold.
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/math64.h>
#include <linux/module.h>

#include "compat.h"
#include "flow.h"
#include "rules.h"

static bool works;

/* runtime_ns < 2^39: see range_period. */
static s64 cost(u64 runtime_ns, u64 period_ns)
{
	return div64_u64((runtime_ns << QOS_COST_SHIFT) + period_ns - 1, period_ns);
}

/* --- the control path; qos_mutex --- */

/* guard_lock. The thread holds what the stream's runtime costs. */
static void charge(struct qos_thread *thread)
{
	const struct qos_params *params = &thread->stream->params;
	s64 now = cost(params->runtime_ns, params->period_ns);

	atomic64_sub(now - thread->charge, &thread->cpu->share_free);
	thread->charge = now;
}

/* It joins its stream, which charges it. */
void qos_guard_attach(struct qos_thread *thread)
{
	struct qos_stream *stream = thread->stream;
	unsigned long flags;

	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	list_add_tail(&thread->in_stream, &stream->threads);
	charge(thread);
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
}

void qos_guard_detach(struct qos_thread *thread)
{
	struct qos_stream *stream = thread->stream;
	unsigned long flags;

	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	list_del(&thread->in_stream);
	atomic64_add(thread->charge, &thread->cpu->share_free);
	thread->charge = 0;
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
}

/* What was granted is in force, and charged. */
void qos_guard_grant(struct qos_stream *stream, const struct qos_params *params)
{
	struct qos_thread *thread;
	unsigned long flags;
	u64 runtime;

	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	runtime = params->runtime_ns
			  ?: clamp(stream->params.runtime_ns, stream->limits.lo, stream->limits.hi);
	stream->params = *params;
	WRITE_ONCE(stream->params.runtime_ns, runtime);
	list_for_each_entry(thread, &stream->threads, in_stream)
		charge(thread);
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
}

void qos_guard_share(struct qos_cpu *cpu, u32 share)
{
	atomic64_add((s64)share - cpu->share, &cpu->share_free);
	cpu->share = share;
}

/* --- requests --- */

static bool take(struct qos_cpu *cpu, s64 more)
{
	if (atomic64_sub_return(more, &cpu->share_free) >= 0)
		return true;
	atomic64_add(more, &cpu->share_free);
	return false;
}

/* Under the lock of whose limits they are. `old` is in force. */
static enum qos_verdict judge(const struct qos_limits *limits, u64 old, s64 value, u64 now)
{
	if (limits->held)
		return QOS_REFUSED_HELD;
	if (value == (s64)old)
		return QOS_VERDICT_SAME;
	if (value < (s64)limits->lo || value > (s64)limits->hi)
		return QOS_REFUSED_RANGE;
	if (limits->step && abs(value - (s64)old) > (s64)limits->step)
		return QOS_REFUSED_STEP;
	if (now < limits->next_ns)
		return QOS_REFUSED_RATE;
	if (limits->reserved && value > (s64)limits->reserved)
		return QOS_REFUSED_BUDGET;
	return QOS_VERDICT_SET;
}

/* Likewise. The change is made. */
static void changed(struct qos_limits *limits, struct qos_contract *contract, u64 old, u64 value,
		    u64 now)
{
	s8 direction = value > old ? 1 : -1;

	if (limits->direction == -direction)
		atomic64_inc(&contract->reversals);
	limits->direction = direction;
	limits->next_ns = now + limits->gap_ns;
}

/* guard_lock. All or nothing. */
static bool reserve(struct qos_stream *stream, s64 wanted)
{
	struct qos_thread *thread, *undo;

	list_for_each_entry(thread, &stream->threads, in_stream) {
		if (wanted > thread->charge && !take(thread->cpu, wanted - thread->charge))
			goto give_back;
	}
	return true;

give_back:
	list_for_each_entry(undo, &stream->threads, in_stream) {
		if (undo == thread)
			break;
		if (wanted > undo->charge)
			atomic64_add(wanted - undo->charge, &undo->cpu->share_free);
	}
	return false;
}

/* guard_lock. What a decrease gives back is free only now; see the weakness in the head. */
static void commit(struct qos_stream *stream, u64 value, s64 wanted, u64 now)
{
	struct qos_thread *thread;

	changed(&stream->limits, stream->contract, stream->params.runtime_ns, value, now);
	WRITE_ONCE(stream->params.runtime_ns, value);
	list_for_each_entry(thread, &stream->threads, in_stream) {
		if (wanted < thread->charge)
			atomic64_add(thread->charge - wanted, &thread->cpu->share_free);
		thread->charge = wanted;
	}
}

static enum qos_verdict set_runtime(struct qos_stream *stream, s64 value)
{
	enum qos_verdict verdict;
	unsigned long flags;
	u64 now;
	s64 wanted;

	raw_spin_lock_irqsave(&stream->guard_lock, flags);
	now = ktime_get_ns();
	verdict = judge(&stream->limits, stream->params.runtime_ns, value, now);
	if (verdict == QOS_VERDICT_SET) {
		wanted = cost(value, stream->params.period_ns);
		if (reserve(stream, wanted))
			commit(stream, value, wanted, now);
		else
			verdict = QOS_REFUSED_BUDGET;
	}
	raw_spin_unlock_irqrestore(&stream->guard_lock, flags);
	if (verdict == QOS_VERDICT_SET)
		qos_rules_changed(&stream->changed);
	return verdict;
}

/* A rate costs no CPU: what a link may carry is what RESERVED says. */
static enum qos_verdict set_rate(struct qos_flow *flow, struct qos_contract *contract, s64 value)
{
	enum qos_verdict verdict;
	unsigned long flags;
	u64 now;

	raw_spin_lock_irqsave(&flow->lock, flags);
	now = ktime_get_ns();
	verdict = judge(&flow->limits, flow->rate, value, now);
	if (verdict == QOS_VERDICT_SET) {
		changed(&flow->limits, contract, flow->rate, value, now);
		WRITE_ONCE(flow->rate, value);
	}
	raw_spin_unlock_irqrestore(&flow->lock, flags);
	if (verdict == QOS_VERDICT_SET)
		qos_rules_changed(&flow->changed);
	return verdict;
}

/* The contract's stream or flow with that index, by RCU, which programs run under. */
static enum qos_verdict set(struct qos_contract *contract, u32 kind, u32 index, s64 value)
{
	struct qos_stream *stream;
	struct qos_flow *flow;

	if (index >= QOS_DWCS_STREAMS_IN_MAX)
		return QOS_REFUSED_OWNER;
	switch (kind) {
	case QOS_RULES_CPU_RUNTIME:
		stream = READ_ONCE(contract->by_index[index]);
		return stream ? set_runtime(stream, value) : QOS_REFUSED_OWNER;
	case QOS_RULES_NET_RATE:
		flow = READ_ONCE(contract->flow_by_index[index]);
		return flow ? set_rate(flow, contract, value) : QOS_REFUSED_OWNER;
	case QOS_RULES_EMIT:
		return qos_rules_signal(contract, index);
	default:
		return QOS_REFUSED_OWNER;
	}
}

enum qos_verdict qos_guard_ask(struct qos_contract *contract, u32 attribute, s64 value)
{
	enum qos_verdict verdict;

	rcu_read_lock();
	verdict = set(contract, attribute >> 16, attribute & 0xffff, value);
	rcu_read_unlock();
	atomic64_inc(&contract->verdicts[verdict]);
	return verdict;
}

#ifdef QOS_HAVE_KFUNCS

/* The program of the event asks for an attribute (qos_rules_abi.h), or says that its ring buffer had
 * no room for the event. Returns enum qos_verdict.
 */
__bpf_kfunc int qos_dwcs_set(struct qos_rules_input *input, u32 attribute, s64 value)
{
	struct qos_rules_event *event = container_of(input, struct qos_rules_event, input);

	if (attribute >> 16 == QOS_RULES_MISSED) {
		atomic64_inc(&event->contract->dropped);
		return QOS_REFUSED_BUSY;
	}
	return qos_guard_ask(event->contract, attribute, value);
}

BTF_KFUNCS_START(kfuncs)
BTF_ID_FLAGS(func, qos_dwcs_set, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(kfuncs)

static const struct btf_kfunc_id_set kfunc_set = {
	.owner = THIS_MODULE,
	.set = &kfuncs,
};

/* After load only: programs cannot call it before the module is live. */
int qos_guard_register(void)
{
	int error = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &kfunc_set);

	works = !error;
	return error;
}

#else

int qos_guard_register(void)
{
	return 0;
}

#endif

bool qos_guard_works(void)
{
	return works;
}
