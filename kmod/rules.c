// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of rules on their way to a contract's program: they happen under the CPU's lock and often
 * under the run-queue's, where only a note is made; the CPU's dispatcher raises the tracepoint once it
 * has done its work. So a program delays no scheduling decision of its own CPU's switch, and has the
 * attribute in force before the thread's next request. But if there is an `overrun` it raises what waits
 * first, for who is given more then is not demoted.
 *
 * A note names its thread. qos_thread_detach() takes the notes of a thread out before it takes `act`,
 * which the dispatcher holds while a program runs, so what a program is told of is still there.
 *
 * Weaknesses: of a job that goes on after its request was settled, `late` is raised at the thread's next
 * grid point or at its end. When several windows of a thread pass while it sleeps (silence: lost),
 * `window` is raised once. Beyond QOS_RAISED events that wait, the latest is dropped and counted.
 */
#include <linux/slab.h>

#define CREATE_TRACE_POINTS
#include "rules.h"

struct qos_rules_event *qos_rules_event_new(void)
{
	struct qos_rules_event *event;

	return kvzalloc(struct_size(event, input.stream, QOS_RULES_STREAMS_MAX), GFP_KERNEL);
}

struct qos_rules_queue *qos_rules_queue_new(void)
{
	struct qos_rules_queue *queue = kvzalloc(sizeof(*queue), GFP_KERNEL);

	if (!queue)
		return NULL;
	queue->event = qos_rules_event_new();
	if (queue->event)
		return queue;
	kvfree(queue);
	return NULL;
}

void qos_rules_queue_free(struct qos_rules_queue *queue)
{
	if (!queue)
		return;
	kvfree(queue->event);
	kvfree(queue);
}

/* --- notes --- */

static struct qos_raised *note(struct qos_thread *thread, enum qos_dwcs_hook hook)
{
	struct qos_rules_queue *queue = thread->cpu->rules;
	struct qos_contract *contract = thread->stream->contract;
	struct qos_raised *raised;

	if (!queue || !thread->state_key || !READ_ONCE(thread->stream->hook[hook]))
		return NULL;
	if (queue->tail - queue->head >= QOS_RAISED) {
		atomic64_inc(&contract->dropped);
		return NULL;
	}
	raised = &queue->raised[queue->tail++ % QOS_RAISED];
	*raised = (struct qos_raised){
		.thread = thread,
		.hook = hook,
		.latency = thread->latency_ns,
		.deadline = thread->params.deadline_ns,
	};
	return raised;
}

/* false: nobody is told. */
static bool note_job(struct qos_thread *thread, enum qos_dwcs_hook hook, u64 response, u64 used)
{
	struct qos_raised *raised = note(thread, hook);

	if (!raised)
		return false;
	raised->response = response;
	raised->used = used;
	return true;
}

/* Its deadline passed, and that was not told. */
static bool is_late(const struct qos_thread *thread, u64 response)
{
	return response > thread->params.deadline_ns && thread->late_of_ns != thread->release_ns;
}

void qos_rules_job(struct qos_thread *thread, u64 response, u64 used)
{
	if (is_late(thread, response))
		note_job(thread, QOS_DWCS_HOOK_LATE, response, used);
	note_job(thread, QOS_DWCS_HOOK_JOB, response, used);
}

/* Asleep, it may have completed in time: that is known when it wakes, and told with the job. */
void qos_rules_late(struct qos_thread *thread, u64 now)
{
	if (thread->doing == QOS_DOES_SLEEP || !thread->release_ns || now <= thread->release_ns ||
	    !is_late(thread, now - thread->release_ns))
		return;
	thread->late_of_ns = thread->release_ns;
	note_job(thread, QOS_DWCS_HOOK_LATE, now - thread->release_ns,
		 thread->total_ns - thread->job_from_ns);
}

void qos_rules_overrun(struct qos_thread *thread, u64 now)
{
	if (thread->release_ns && note_job(thread, QOS_DWCS_HOOK_OVERRUN, now - thread->release_ns,
					   thread->total_ns - thread->job_from_ns))
		WRITE_ONCE(thread->cpu->rules->overran, true);
}

void qos_rules_window(struct qos_thread *thread, u32 lost)
{
	struct qos_raised *raised = note(thread, QOS_DWCS_HOOK_WINDOW);

	if (!raised)
		return;
	raised->lost = lost;
	raised->served = thread->dwcs.y - lost;
	raised->violation = lost > thread->dwcs.x;
}

bool qos_rules_wait(const struct qos_cpu *cpu)
{
	return cpu->rules && cpu->rules->head != cpu->rules->tail;
}

bool qos_rules_overran(const struct qos_cpu *cpu)
{
	return cpu->rules && READ_ONCE(cpu->rules->overran);
}

void qos_rules_forget(struct qos_thread *thread)
{
	struct qos_rules_queue *queue = thread->cpu->rules;
	u32 i;

	for (i = 0; queue && i < QOS_RAISED; i++) {
		if (queue->raised[i].thread == thread)
			queue->raised[i].thread = NULL;
	}
}

/* --- events --- */

static bool take(struct qos_cpu *cpu, struct qos_raised *raised)
{
	unsigned long flags;
	bool found = false;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	while (!found && qos_rules_wait(cpu)) {
		*raised = cpu->rules->raised[cpu->rules->head++ % QOS_RAISED];
		found = raised->thread;
	}
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	return found;
}

static void fill(struct qos_rules_event *event, const struct qos_raised *raised)
{
	struct qos_thread *thread = raised->thread;
	struct qos_stream *stream = thread->stream;
	s64 *word = event->input.stream[0].word;

	event->contract = stream->contract;
	event->input.state = thread->state_key;
	event->input.contract = READ_ONCE(stream->contract->rules);
	event->input.program = READ_ONCE(stream->hook[raised->hook]);
	event->input.index = READ_ONCE(stream->index);
	memset(word, 0, sizeof(event->input.stream[0]));
	word[QOS_RULES_ATTRIBUTE] = READ_ONCE(stream->params.runtime_ns);
	if (raised->hook == QOS_DWCS_HOOK_WINDOW) {
		word[QOS_RULES_SERVED] = raised->served;
		word[QOS_RULES_LOST] = raised->lost;
		word[QOS_RULES_VIOLATIONS] = raised->violation;
		return;
	}
	word[QOS_RULES_USED] = qos_rules_time(raised->used);
	word[QOS_RULES_RESPONSE] = qos_rules_time(raised->response);
	word[QOS_RULES_SLACK] = qos_rules_time(raised->deadline) - word[QOS_RULES_RESPONSE];
	word[QOS_RULES_LATENCY] = qos_rules_time(raised->latency);
	word[QOS_RULES_LATE] = raised->response > raised->deadline;
}

void qos_rules_raise(struct qos_rules_event *event)
{
	struct qos_contract *contract = event->contract;
	u64 begin = ktime_get_ns();

	event->input.now_ns = begin;
	atomic64_inc(&contract->raised);
	trace_qos_dwcs_event(&event->input);
	atomic64_add(ktime_get_ns() - begin, &contract->run_ns);
}

/* No more than wait at once: what comes meanwhile has kicked the dispatcher again. */
void qos_rules_drain(struct qos_cpu *cpu)
{
	struct qos_raised raised;
	int i;

	WRITE_ONCE(cpu->rules->overran, false);
	for (i = 0; i < QOS_RAISED && take(cpu, &raised); i++) {
		struct qos_rules_event *event = cpu->rules->event;

		fill(event, &raised);
		if (!event->input.contract || !event->input.program)
			continue; /* the rules were taken off */
		qos_rules_raise(event);
		if (raised.hook == QOS_DWCS_HOOK_OVERRUN)
			qos_cpu_raised(raised.thread);
	}
}
