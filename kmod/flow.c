// SPDX-License-Identifier: GPL-2.0-only
/*
 * Flows (flow.h) on their way to a contract's program. Packets only add up what came of them, under the
 * qdisc's lock; one thread, above the band as what sends packets on (sch_dwcs_timer.c), raises the
 * tracepoint. A rate that a program sets is read by the class with its next packet. So nothing waits for a
 * program but the next event.
 *
 * An event of a kind is raised at most once in QOS_DWCS_FLOW_GAP_NS, and tells of all since the last. All flows
 * together take no more than three parts of CPU_PART of a CPU for it, one for each kind: a flood of packets
 * makes events rarer.
 *
 * Weakness: what happens within that gap and is the last for long is told with the next only.
 */
#include <linux/hashtable.h>
#include <linux/slab.h>
#include <uapi/linux/sched/types.h>

#include "compat.h"
#include "flow.h"

#define CPU_PART 60

static DEFINE_HASHTABLE(flows, 8); /* by id */
static DEFINE_MUTEX(flows_mutex);
static struct kthread_worker *raiser;
static struct qos_rules_event *event; /* the raiser's */
static u32 bound;		      /* flows that have a contract; flows_mutex */

/* --- raising --- */

static bool take(struct qos_flow *flow, enum qos_dwcs_flow_hook hook, struct qos_flow_note *note)
{
	struct qos_flow_pending *pending = &flow->pending[hook];
	unsigned long flags;
	bool due;

	raw_spin_lock_irqsave(&flow->lock, flags);
	due = pending->due;
	*note = pending->note;
	if (due) {
		pending->due = false;
		memset(&pending->note, 0, sizeof(pending->note));
	}
	raw_spin_unlock_irqrestore(&flow->lock, flags);
	return due;
}

static void fill(const struct qos_flow *flow, enum qos_dwcs_flow_hook hook,
		 const struct qos_flow_note *note)
{
	s64 *word = event->input.stream[0].word;

	event->contract = flow->contract;
	/* Programs of flows have words of their own, and never run twice at a time. */
	event->input.state = 0;
	event->input.contract = READ_ONCE(flow->contract->rules);
	event->input.program = READ_ONCE(flow->hook[hook]);
	event->input.index = flow->index;
	memset(word, 0, sizeof(event->input.stream[0]));
	word[QOS_RULES_ATTRIBUTE] = READ_ONCE(flow->rate);
	word[QOS_RULES_LATE] = qos_rules_saturated(note->late, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_DROPPED] = qos_rules_saturated(note->dropped, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_SERVED] = qos_rules_saturated(note->served, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_LOST] = qos_rules_saturated(note->lost, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_VIOLATIONS] = qos_rules_saturated(note->violations, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_DELAY] = qos_rules_time(note->delay_ns);
	word[QOS_RULES_BACKLOG] = qos_rules_saturated(note->backlog, QOS_RULES_COUNT_BITS);
	word[QOS_RULES_RTT] = qos_rules_time(note->rtt_ns);
}

/* All flows together take a part of a CPU at most: the next event of this kind waits for as much longer. */
static void pay(struct qos_flow *flow, enum qos_dwcs_flow_hook hook, u64 begin)
{
	struct qos_flow_pending *pending = &flow->pending[hook];
	u64 now = ktime_get_ns(), next = now + (now - begin) * CPU_PART * bound;
	unsigned long flags;

	raw_spin_lock_irqsave(&flow->lock, flags);
	pending->next_ns = max(pending->next_ns, next);
	raw_spin_unlock_irqrestore(&flow->lock, flags);
}

static void raise(struct kthread_work *work)
{
	struct qos_flow *flow = container_of(work, struct qos_flow, work);
	struct qos_flow_note note;
	u64 begin;
	int hook;

	mutex_lock(&flows_mutex);
	for (hook = 0; hook < __QOS_DWCS_FLOW_HOOK_MAX; hook++) {
		if (!take(flow, hook, &note) || !flow->contract)
			continue;
		begin = ktime_get_ns();
		fill(flow, hook, &note);
		if (event->input.contract && event->input.program)
			qos_rules_raise(event);
		pay(flow, hook, begin);
	}
	mutex_unlock(&flows_mutex);
}

void qos_flow_tell(struct qos_flow *flow, enum qos_dwcs_flow_hook hook,
		   const struct qos_flow_note *note, u64 now)
{
	struct qos_flow_pending *pending = &flow->pending[hook];
	struct qos_flow_note *sum = &pending->note;
	unsigned long flags;
	bool due;

	raw_spin_lock_irqsave(&flow->lock, flags);
	sum->late += note->late;
	sum->dropped += note->dropped;
	sum->served += note->served;
	sum->lost += note->lost;
	sum->violations += note->violations;
	sum->delay_ns = max(sum->delay_ns, note->delay_ns);
	sum->backlog = note->backlog;
	sum->rtt_ns = note->rtt_ns;
	due = !pending->due && now >= pending->next_ns;
	if (due) {
		pending->due = true;
		pending->next_ns = now + QOS_DWCS_FLOW_GAP_NS;
	}
	raw_spin_unlock_irqrestore(&flow->lock, flags);
	if (due)
		kthread_queue_work(raiser, &flow->work);
}

/* --- flows --- */

static struct qos_flow *find(u32 id)
{
	struct qos_flow *flow;

	hash_for_each_possible(flows, flow, in_all, id) {
		if (flow->id == id)
			return flow;
	}
	return NULL;
}

static struct qos_flow *make(u32 id)
{
	struct qos_flow *flow = kzalloc(sizeof(*flow), GFP_KERNEL);

	if (!flow)
		return NULL;
	flow->id = id;
	raw_spin_lock_init(&flow->lock);
	kthread_init_work(&flow->work, raise);
	hash_add(flows, &flow->in_all, id);
	return flow;
}

struct qos_flow *qos_flow_get(u32 id)
{
	struct qos_flow *flow;

	mutex_lock(&flows_mutex);
	flow = find(id) ?: make(id);
	if (flow)
		flow->refs++;
	mutex_unlock(&flows_mutex);
	return flow;
}

/* Once it is hashed no more, nobody queues its work. */
void qos_flow_put(struct qos_flow *flow)
{
	bool last;

	if (!flow)
		return;
	mutex_lock(&flows_mutex);
	last = !--flow->refs;
	if (last)
		hash_del(&flow->in_all);
	mutex_unlock(&flows_mutex);
	if (!last)
		return;
	kthread_cancel_work_sync(&flow->work);
	kfree_rcu(flow, rcu);
}

static void leave_index(struct qos_flow *flow)
{
	struct qos_flow **place = &flow->contract->flow_by_index[flow->index];

	if (*place == flow)
		WRITE_ONCE(*place, NULL);
}

static void unbind(struct qos_flow *flow)
{
	unsigned long flags;

	leave_index(flow);
	flow->contract = NULL;
	bound--;
	memset(flow->hook, 0, sizeof(flow->hook));
	raw_spin_lock_irqsave(&flow->lock, flags);
	flow->limits.held = true; /* a program may have it still, for a moment */
	WRITE_ONCE(flow->rate, 0);
	memset(flow->pending, 0, sizeof(flow->pending));
	raw_spin_unlock_irqrestore(&flow->lock, flags);
	WRITE_ONCE(flow->changed, false);
}

void qos_flow_bind(struct qos_flow *flow, struct qos_contract *contract, u32 index)
{
	mutex_lock(&flows_mutex);
	if (flow->contract) {
		leave_index(flow);
	} else {
		flow->refs++;
		bound++;
	}
	flow->contract = contract;
	flow->index = index;
	WRITE_ONCE(contract->flow_by_index[index], flow);
	mutex_unlock(&flows_mutex);
}

void qos_flow_unbind(struct qos_flow *flow)
{
	mutex_lock(&flows_mutex);
	unbind(flow);
	mutex_unlock(&flows_mutex);
	qos_flow_put(flow);
}

void qos_flows_unbind(struct qos_contract *contract)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(contract->flow_by_index); i++) {
		if (contract->flow_by_index[i])
			qos_flow_unbind(contract->flow_by_index[i]);
	}
}

static void own_rate(struct qos_flow *flow)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&flow->lock, flags);
	WRITE_ONCE(flow->rate, min(flow->base, flow->limits.reserved));
	raw_spin_unlock_irqrestore(&flow->lock, flags);
	qos_rules_changed(&flow->changed);
}

/* qos_mutex. As the contract was before a rule changed it. */
void qos_flows_own_rate(struct qos_contract *contract)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(contract->flow_by_index); i++) {
		if (contract->flow_by_index[i])
			own_rate(contract->flow_by_index[i]);
	}
}

int qos_flows_start(void)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = QOS_PRIO_HELPERS,
	};

	event = qos_rules_event_new();
	if (!event)
		return -ENOMEM;
	raiser = qos_kthread_worker("qos_flows");
	if (IS_ERR(raiser)) {
		kvfree(event);
		return PTR_ERR(raiser);
	}
	sched_setattr_nocheck(raiser->task, &attr);
	return 0;
}

/* No class is there any more, and no contract. */
void qos_flows_stop(void)
{
	kthread_destroy_worker(raiser);
	kvfree(event);
}
