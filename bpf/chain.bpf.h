/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of rules: from the monitor to a contract's extension, to the guard, to the next event.
 *
 *   sched_switch --> extension --> guard --> extension --> guard --> ...
 *      accounts       asks         judges
 *
 * Every arrow is a tail call, so there is no way back: all accounting is finished before the first.
 * Other programs (task clock, probes) only mark what happened; the thread's next switch raises it.
 * Thus there is one program type, one prototype, one frame a CPU, and nothing that interrupts: a
 * switch has interrupts off, and a program does not run inside itself.
 *
 * Who is served stands in `raised`, which no extension can reach; the frame, which it can write, is
 * asked for requests only. An extension that does not call the guard loses its own requests: what it
 * left in the queue is served at the next switch of a thread with rules on that CPU, and its contract
 * is muted until the daemon has looked. A contract costs others nothing: its events are found by the
 * stream that is looked up anyway.
 *
 * The daemon raises ticks, and `late` of jobs that never end, by BPF_PROG_TEST_RUN of qos_raise_raw:
 * the same chain and the same guard with one frame of its own, one event a run.
 *
 * The kernel follows 33 tail calls, two an event: after QOS_CHAIN_MAX the rest waits for the next
 * switch. Weakness: it waits there even if it was raised by a thread that will not run again soon.
 */
#pragma once

#include "event.bpf.h"
#include "guard.bpf.h"
#include "qos_rules_abi.h"

#define QOS_QUEUE     16 /* events that wait on a CPU; a power of two */
#define QOS_CHAIN_MAX 12

/* An event that waits; all that its frame needs. */
struct raised {
	__u32 contract;
	__u32 slot;
	__u32 index;
	__u32 key;
	__s64 used;
	__s64 slack;
	__s64 response;
	__s64 latency;
	__s64 late;
	__s64 served;
	__s64 lost;
	__s64 violations;
};

struct queue {
	__u32 head;    /* next to be served, mod QOS_QUEUE */
	__u32 tail;    /* next free */
	__u32 serving; /* contract whose extension runs; 0: none */
	__u32 chained; /* events of this switch */
	__u64 began_ns;
	struct raised raised[QOS_QUEUE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct queue);
} queues SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct qos_rules_frame);
} frame SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct qos_rules_frame);
} frame_raw SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, QOS_EXTENSIONS);
	__type(key, __u32);
	__type(value, __u32);
} extensions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, QOS_EXTENSIONS);
	__type(key, __u32);
	__type(value, __u32);
} extensions_raw SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, QOS_GUARD_KEYS);
	__type(key, __u32);
	__type(value, struct qos_thread_key);
} keys SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, QOS_GUARD_RING_BYTES);
} changes SEC(".maps");

struct qos_guard_tables tables;

/* The one event of a run of qos_raise_raw. */
static struct queue queue_raw;

static __always_inline struct qos_guard_contract *contract_of(__u64 number)
{
	QOS_OPAQUE(number);
	return &tables.contracts[number < QOS_GUARD_CONTRACTS ? number : 0];
}

static __always_inline struct qos_attribute *attribute_at(__u64 number)
{
	QOS_OPAQUE(number);
	return &tables.attributes[number < QOS_GUARD_ATTRIBUTES ? number : 0];
}

static __always_inline struct qos_pool *pool_at(__u64 number)
{
	QOS_OPAQUE(number);
	return &tables.pools[number < QOS_GUARD_ATTRIBUTES ? number : 0];
}

/* --- the guard --- */

static __always_inline struct qos_change *change_begin(__u32 type, __u32 contract, __u32 index,
						       __u64 now)
{
	struct qos_change *change = bpf_ringbuf_reserve(&changes, sizeof(*change), 0);

	if (!change)
		return NULL;
	__builtin_memset(change, 0, sizeof(*change));
	change->type = type;
	change->contract = contract;
	change->index = index;
	change->now_ns = now;
	return change;
}

/* What the monitor holds the stream to from now on: SCHED_FIFO is cut by it alone, so there the change is
 * in force at once. The daemon puts the exact budget there, which also has the cost of samples. */
static __always_inline void set_config(__u32 stream, const struct guard_claim *claim)
{
	struct qos_stream_config *config = bpf_map_lookup_elem(&streams, &stream);

	if (!config)
		return;
	*(volatile __u64 *)&config->runtime_ns = claim->value;
	if (config->budget_ns)
		__sync_fetch_and_add(&config->budget_ns, claim->value - claim->old);
}

static __always_inline int set_attribute(__u32 number, __u32 index, struct qos_attribute *attribute,
					 __s64 value, __u64 now)
{
	struct qos_pool *pool = pool_at(attribute->pool);
	struct qos_change *change;
	struct guard_claim claim;
	int verdict;

	verdict = guard_claim(attribute, pool, value, now, &claim);
	if (verdict != QOS_VERDICT_SET)
		return verdict;
	change = change_begin(QOS_CHANGE_VALUE, number, index, now);
	if (!change) {
		guard_undo(attribute, pool, &claim);
		return QOS_REFUSED_BUSY;
	}
	if (!guard_commit(attribute, pool, &claim)) {
		bpf_ringbuf_discard(change, 0);
		return QOS_REFUSED_BUSY;
	}
	change->stream = attribute->stream;
	change->old = claim.old;
	change->value = claim.value;
	bpf_ringbuf_submit(change, 0);
	set_config(attribute->stream, &claim);
	guard_return(pool, &claim);
	return QOS_VERDICT_SET;
}

/* The rate is the contract's: a signal that comes all the time mutes its others. */
static __always_inline int emit_signal(struct qos_guard_contract *contract, __u32 number,
				       __u32 index, __u64 now)
{
	__u64 next = contract->signal_next_ns;
	struct qos_change *change;

	if (index >= contract->n_signals)
		return QOS_REFUSED_OWNER;
	if (now < next || __sync_val_compare_and_swap(&contract->signal_next_ns, next,
						      now + QOS_SIGNAL_GAP_NS) != next)
		return QOS_VERDICT_MUTED;
	change = change_begin(QOS_CHANGE_SIGNAL, number, index, now);
	if (!change)
		return QOS_REFUSED_BUSY;
	bpf_ringbuf_submit(change, 0);
	return QOS_VERDICT_EMIT;
}

/* One request of the contract; nothing but attribute and value is the extension's word. */
int qos_judge(__u32 number, __u64 id, __s64 value, __u64 now);
QOS_GLOBAL int qos_judge(__u32 number, __u64 id, __s64 value, __u64 now)
{
	struct qos_guard_contract *contract = contract_of(number);
	__u64 kind = id >> 16, index = id & 0xffff, verdict = QOS_REFUSED_OWNER;

	if (kind == QOS_RULES_MISSED) {
		count(&contract->dropped, 1);
		return 0;
	}
	if (kind == QOS_RULES_EMIT)
		verdict = emit_signal(contract, number, index, now);
	else if (index < contract->n_attributes &&
		 kind == attribute_at(contract->first + index)->kind)
		verdict = set_attribute(number, index, attribute_at(contract->first + index), value,
					now);
	count(&contract->requests, 1);
	QOS_OPAQUE(verdict);
	if (verdict < QOS_VERDICTS)
		count(&contract->verdicts[verdict], 1);
	return 0;
}

static __always_inline void judge_frame(struct queue *queue, const struct qos_rules_frame *requests)
{
	struct qos_guard_contract *contract = contract_of(queue->serving);
	__u64 now = bpf_ktime_get_ns();

	if (!queue->serving)
		return;
	count(&contract->runs, 1);
	count(&contract->run_ns, now - queue->began_ns);
	for (__u32 i = 0; i < QOS_RULES_REQUESTS_MAX; i++) {
		const struct qos_rules_request *request = &requests->request[i];

		if (i >= requests->n_requests)
			break;
		if (request->wanted)
			qos_judge(queue->serving, request->attribute, request->value, now);
	}
	queue->serving = 0;
}

/* The extension that was entered last did not come back. */
int qos_settle_breach(struct queue *queue);
QOS_GLOBAL int qos_settle_breach(struct queue *queue)
{
	struct qos_guard_contract *contract;
	struct qos_change *change;

	if (!queue || !queue->serving)
		return 0;
	contract = contract_of(queue->serving);
	count(&contract->breaches, 1);
	contract->muted = 1;
	change = change_begin(QOS_CHANGE_BREACH, queue->serving, 0, bpf_ktime_get_ns());
	if (change)
		bpf_ringbuf_submit(change, 0);
	queue->serving = 0;
	return 0;
}

/* --- raising --- */

static __always_inline void enqueue(struct queue *queue, const struct raised *raised)
{
	if (queue->tail - queue->head >= QOS_QUEUE) {
		count(&contract_of(raised->contract)->dropped, 1);
		return;
	}
	queue->raised[queue->tail % QOS_QUEUE] = *raised;
	queue->tail++;
}

static __always_inline void fill_job(struct raised *raised, const struct qos_stream_config *config,
				     __u64 used, __u64 response, __u64 latency)
{
	raised->used = qos_rules_time(used);
	raised->response = qos_rules_time(response);
	raised->slack = qos_rules_time(config->deadline_ns) - raised->response;
	raised->latency = qos_rules_time(latency);
	raised->late = response > config->deadline_ns;
}

static __always_inline bool is_late_now(const struct qos_task_state *task,
					const struct qos_stream_config *config, __u64 now)
{
	return config->hooks.slot[QOS_HOOK_LATE] && task->release_ns &&
	       task->late_of_ns != task->release_ns && now > task->release_ns + config->deadline_ns;
}

/* Events of one thread, in the order of their hooks. `marks` of probes may come in between. */
int qos_raise_marks(struct queue *queue, struct qos_task_state *task,
		    const struct qos_stream_config *config, __u32 key, __u64 now);
QOS_GLOBAL int qos_raise_marks(struct queue *queue, struct qos_task_state *task,
			       const struct qos_stream_config *config, __u32 key, __u64 now)
{
	struct raised raised = {.key = key};
	const struct qos_stream_hooks *hooks;
	__u32 marks;

	if (!queue || !task || !config)
		return 0;
	hooks = &config->hooks;
	raised.contract = hooks->contract;
	raised.index = hooks->index;
	marks = __sync_lock_test_and_set(&task->marks, 0);
	raised.slot = hooks->slot[QOS_HOOK_OVERRUN];
	if (raised.slot && task->release_ns && marks & 1 << QOS_HOOK_OVERRUN) {
		fill_job(&raised, config, job_used(task), now - task->release_ns, task->latency_ns);
		enqueue(queue, &raised);
	}
	if (marks & 1 << QOS_HOOK_LATE || !is_late_now(task, config, now)) {
		fill_job(&raised, config, task->mark_used_ns, task->mark_response_ns,
			 task->mark_latency_ns);
	} else {
		fill_job(&raised, config, job_used(task), now - task->release_ns, task->latency_ns);
		task->late_of_ns = task->release_ns;
		marks |= 1 << QOS_HOOK_LATE;
	}
	raised.slot = hooks->slot[QOS_HOOK_LATE];
	if (raised.slot && marks & 1 << QOS_HOOK_LATE)
		enqueue(queue, &raised);
	fill_job(&raised, config, task->mark_used_ns, task->mark_response_ns,
		 task->mark_latency_ns);
	raised.slot = hooks->slot[QOS_HOOK_JOB];
	if (raised.slot && marks & 1 << QOS_HOOK_JOB)
		enqueue(queue, &raised);
	raised.lost = task->window_lost_of;
	raised.served = config->window_y - task->window_lost_of;
	raised.violations = task->window_lost_of > config->window_x;
	raised.slot = hooks->slot[QOS_HOOK_WINDOW];
	if (raised.slot && marks & 1 << QOS_HOOK_WINDOW)
		enqueue(queue, &raised);
	return 0;
}

/* What the daemon told of a job that hung is not told again. */
static __always_inline void skip_told(struct qos_task_state *task, __u64 told)
{
	if (task->marks & 1 << QOS_HOOK_LATE && task->late_of_ns == told)
		__sync_fetch_and_and(&task->marks, ~(1U << QOS_HOOK_LATE));
	else if (task->release_ns == told)
		task->late_of_ns = told;
}

/* Accounting of this thread is finished. true: it has rules, so the chain is to be looked at, if only
 * for what was left over. */
static __always_inline bool raise_events(struct ours *ours, __u64 now)
{
	__u32 zero = 0, tid = ours->task->tid;
	struct qos_thread_key *key;
	struct queue *queue;

	if (!ours->config->hooks.contract)
		return false;
	if (!ours->task->marks && !is_late_now(ours->task, ours->config, now))
		return true;
	key = bpf_map_lookup_elem(&keys, &tid);
	queue = bpf_map_lookup_elem(&queues, &zero);
	if (!key || !queue)
		return false;
	if (key->contract != ours->config->hooks.contract)
		return true; /* it changes over: what is marked is raised once it has */
	if (key->late_of_ns)
		skip_told(ours->task, key->late_of_ns);
	qos_raise_marks(queue, ours->task, ours->config, key->key, now);
	return true;
}

/* --- the chain --- */

static __always_inline void fill_frame(struct qos_rules_frame *to, const struct raised *raised,
				       __u64 now)
{
	struct qos_guard_contract *contract = contract_of(raised->contract);
	__s64 *word = to->stream[0].word;

	__builtin_memset(word, 0, sizeof(to->stream[0]));
	to->now_ns = now;
	to->state = raised->key;
	to->contract = raised->contract;
	to->program = raised->slot;
	to->index = raised->index;
	word[QOS_RULES_ATTRIBUTE] = attribute_at(contract->first + raised->index)->value;
	word[QOS_RULES_USED] = raised->used;
	word[QOS_RULES_SLACK] = raised->slack;
	word[QOS_RULES_RESPONSE] = raised->response;
	word[QOS_RULES_LATENCY] = raised->latency;
	word[QOS_RULES_LATE] = raised->late;
	word[QOS_RULES_SERVED] = raised->served;
	word[QOS_RULES_LOST] = raised->lost;
	word[QOS_RULES_VIOLATIONS] = raised->violations;
	to->n_requests = 0;
}

/* Takes the next event whose contract may be served out of the queue: its place, or -1. */
int qos_next_raised(struct queue *queue);
QOS_GLOBAL int qos_next_raised(struct queue *queue)
{
	if (!queue)
		return -1;
	for (int i = 0; i < QOS_QUEUE; i++) {
		__u32 at = queue->head % QOS_QUEUE;

		if (queue->head == queue->tail || queue->chained >= QOS_CHAIN_MAX)
			return -1;
		queue->head++;
		queue->chained++;
		if (!contract_of(queue->raised[at].contract)->muted)
			return at;
	}
	return -1;
}

/* Enters the extension of the next event; returns only if there is none. */
static __always_inline int chain_on(void *ctx, struct queue *queue, struct qos_rules_frame *to)
{
	int at = qos_next_raised(queue);
	struct raised *raised = &queue->raised[at & (QOS_QUEUE - 1)];

	if (at < 0)
		return 0;
	queue->began_ns = bpf_ktime_get_ns();
	fill_frame(to, raised, queue->began_ns);
	queue->serving = raised->contract;
	bpf_tail_call(ctx, &extensions, raised->slot);
	queue->serving = 0;
	count(&contract_of(raised->contract)->dropped, 1);
	return 0;
}

static __always_inline int chain_begin(void *ctx)
{
	__u32 zero = 0;
	struct queue *queue = bpf_map_lookup_elem(&queues, &zero);
	struct qos_rules_frame *to = bpf_map_lookup_elem(&frame, &zero);

	if (!queue || !to)
		return 0;
	qos_settle_breach(queue);
	queue->chained = 0;
	return chain_on(ctx, queue, to);
}

SEC("tp_btf/sched_switch")
int qos_guard(void *ctx)
{
	__u32 zero = 0;
	struct queue *queue = bpf_map_lookup_elem(&queues, &zero);
	struct qos_rules_frame *requests = bpf_map_lookup_elem(&frame, &zero);

	if (!queue || !requests)
		return 0;
	judge_frame(queue, requests);
	return chain_on(ctx, queue, requests);
}

SEC("raw_tp")
int qos_guard_raw(void *ctx)
{
	__u32 zero = 0;
	struct qos_rules_frame *requests = bpf_map_lookup_elem(&frame_raw, &zero);

	if (!requests)
		return 0;
	judge_frame(&queue_raw, requests);
	return 1;
}

/* args: contract, slot; the daemon has filled frame_raw. Returns 1 if the guard was reached, or there was
 * nobody to reach it: the contract is muted, or the slot has no program. */
SEC("raw_tp")
int qos_raise_raw(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 number = ctx->args[0], slot = ctx->args[1];
	struct qos_guard_contract *contract = contract_of(number);

	qos_settle_breach(&queue_raw);
	if (contract->muted)
		return 1;
	queue_raw.serving = number;
	queue_raw.began_ns = bpf_ktime_get_ns();
	bpf_tail_call(ctx, &extensions_raw, slot);
	queue_raw.serving = 0;
	count(&contract->dropped, 1);
	return 1;
}

/* Element QOS_RULES_GUARD, for extensions. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, int(void *));
} guard SEC(".maps") = {.values = {[QOS_RULES_GUARD] = (void *)&qos_guard}};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, int(void *));
} guard_raw SEC(".maps") = {.values = {[QOS_RULES_GUARD] = (void *)&qos_guard_raw}};
