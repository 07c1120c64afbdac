// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which level each thread of a CPU should have, and which change is to be made next.
 *
 *   ARMED  band + 1  asleep and going to win when it wakes up: it then preempts with nobody's help
 *   FIRST  band      the chosen one
 *   READY  band - 1  has a budget, but was not chosen; or asleep and not going to win
 *   OTHER            SCHED_OTHER: used up its budget and runs on; or does spare work while the CPU
 *		      is ahead of its pace (request.c); or everything, when the cap is reached
 *
 * A change costs more than a choice, so as few are made as possible. What counts is that the chosen
 * one stands strictly above every other runnable managed thread of its CPU, not on which of the
 * three levels: who woke up at ARMED and won stays there, asleep too, and whom it preempted goes on
 * at FIRST without a change. A thread at OTHER that has a budget again is raised when it is chosen,
 * not before.
 *
 * A sleeper gets a level ahead of its wakeup only if it may wake up while the present choice still
 * has service to get; what it would do then is predicted by the orderings alone (wins()). A wrong
 * prediction costs one change and the time until the dispatcher made it.
 *
 * A thread that sleeps is never left at OTHER: timers that it arms there expire later, and so does
 * its preemption. But once a period only, or a thread that overran and sleeps for moments would
 * keep the dispatcher busy. A thread that waits for a lock stays as it is.
 */
#include "qos.h"

#define ARM_MAX 4 /* sleepers looked at for one decision */

static bool is_exhausted(const struct qos_thread *thread)
{
	return thread->params.overrun != QOS_DWCS_OVERRUN_ALLOW && qos_request_exhausted(thread);
}

static bool is_asleep(const struct qos_thread *thread)
{
	return thread->doing == QOS_DOES_SLEEP || thread->doing == QOS_DOES_NEW;
}

/* Is its level wrong, whoever is chosen? NONE: no. */
static u8 must_be(const struct qos_thread *thread)
{
	if (qos_is_runnable(thread) && is_exhausted(thread))
		return thread->level != QOS_DWCS_LEVEL_OTHER ? QOS_DWCS_LEVEL_OTHER
							     : QOS_DWCS_LEVEL_NONE;
	if (qos_is_runnable(thread) && thread->cpu->lean && qos_request_is_spare(thread))
		return thread->level != QOS_DWCS_LEVEL_OTHER ? QOS_DWCS_LEVEL_OTHER
							     : QOS_DWCS_LEVEL_NONE;
	if (thread->level == QOS_DWCS_LEVEL_NONE)
		return QOS_DWCS_LEVEL_READY;
	if (is_asleep(thread) && thread->level == QOS_DWCS_LEVEL_OTHER && !thread->raised)
		return QOS_DWCS_LEVEL_READY;
	return QOS_DWCS_LEVEL_NONE;
}

void qos_levels_remove(struct qos_thread *thread)
{
	list_del_init(&thread->in_level);
	list_del_init(&thread->in_todo);
	if (thread->in_grids)
		timerqueue_del(&thread->cpu->grids, &thread->grid);
	if (thread->in_sleepers)
		timerqueue_del(&thread->cpu->sleepers, &thread->grid);
	thread->in_grids = false;
	thread->in_sleepers = false;
}

/* What it does, its request or its level changed: puts it where it belongs. */
void qos_levels_place(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	bool runnable = qos_is_runnable(thread);

	qos_levels_remove(thread);
	if (!thread->managed || thread->doing == QOS_DOES_END)
		return;
	if (runnable)
		list_add_tail(&thread->in_level, &cpu->runnable[thread->level]);
	if (must_be(thread) != QOS_DWCS_LEVEL_NONE)
		list_add_tail(&thread->in_todo, &cpu->todo);
	thread->grid.expires = ns_to_ktime(qos_request_grid_next(thread));
	thread->in_grids = runnable && thread->current_request;
	thread->in_sleepers = thread->doing == QOS_DOES_SLEEP && thread->grid_ns;
	if (thread->in_grids)
		timerqueue_add(&cpu->grids, &thread->grid);
	if (thread->in_sleepers)
		timerqueue_add(&cpu->sleepers, &thread->grid);
}

/*
 * What all depends on changed. As long as the number of runnable threads, and as rare as
 * keep_pace().
 */
void qos_levels_place_all(struct qos_cpu *cpu)
{
	struct qos_thread *thread, *next;
	LIST_HEAD(all);
	int i;

	for (i = 0; i < ARRAY_SIZE(cpu->runnable); i++)
		list_splice_tail_init(&cpu->runnable[i], &all);
	list_for_each_entry_safe(thread, next, &all, in_level)
		qos_levels_place(thread);
}

/*
 * If `thread` released its next request at `at`, would it go before the chosen one, served until
 * then?
 */
static bool wins(const struct qos_thread *thread, const struct qos_thread *chosen, u64 now, u64 at)
{
	const struct dwcs_queue *queue = &thread->cpu->queue;
	struct dwcs_stream next = thread->dwcs, rival = chosen->dwcs;
	enum dwcs_heap a, b;

	rival.left -= min(rival.left, at - now);
	next.release = at;
	next.due = at + next.deadline;
	next.left = next.cost;
	a = dwcs_heap_of(queue, &next);
	b = chosen->mandatory ? DWCS_MUST : dwcs_heap_of(queue, &rival);
	if (a != b)
		return a < b;
	if (a == DWCS_SPARE || queue->ordering == DWCS_EDF)
		return dwcs_by_due(&next, &rival) < 0;
	if (dwcs_order(queue->ordering, &next, &rival) >= 0)
		return false;
	/* fin: what is started and due earlier finishes first, if there is room for it. */
	return !dwcs_finishes(queue->ordering) || dwcs_by_due(&rival, &next) > 0 ||
	       (s64)rival.left > (s64)(next.due - at) - (s64)next.left;
}

/* A sleeper whose level would be wrong if it woke up before the chosen one is done. */
static bool next_sleeper(struct qos_cpu *cpu, u64 now, struct qos_thread **thread, u8 *level)
{
	struct timerqueue_node *node = timerqueue_getnext(&cpu->sleepers);
	struct qos_thread *chosen = cpu->chosen;
	u64 until = now + chosen->dwcs.left;
	int i;

	for (i = 0; node && i < ARM_MAX; i++, node = timerqueue_iterate_next(node)) {
		struct qos_thread *t = container_of(node, struct qos_thread, grid);
		u64 at = max_t(u64, ktime_to_ns(node->expires), now);
		bool above = t->level > chosen->level;

		if (ktime_to_ns(node->expires) > until)
			return false;
		if (t->level < QOS_DWCS_LEVEL_READY || wins(t, chosen, now, at) == above)
			continue;
		if (!above && chosen->level == QOS_DWCS_LEVEL_ARMED)
			continue; /* there is nothing above that; the dispatcher will be needed */
		*thread = t;
		*level = above ? QOS_DWCS_LEVEL_READY : QOS_DWCS_LEVEL_ARMED;
		return true;
	}
	return false;
}

/* Is a runnable thread other than the chosen one at that level? */
static struct qos_thread *other_at(struct qos_cpu *cpu, u8 level)
{
	struct qos_thread *t;

	list_for_each_entry(t, &cpu->runnable[level], in_level) {
		if (t != cpu->chosen)
			return t;
	}
	return NULL;
}

static bool next_capped(struct qos_cpu *cpu, struct qos_thread **thread, u8 *level)
{
	int i;

	for (i = QOS_DWCS_LEVEL_ARMED; i >= QOS_DWCS_LEVEL_NONE; i--) {
		if (i == QOS_DWCS_LEVEL_OTHER || list_empty(&cpu->runnable[i]))
			continue;
		*thread = list_first_entry(&cpu->runnable[i], struct qos_thread, in_level);
		*level = QOS_DWCS_LEVEL_OTHER;
		return true;
	}
	return false;
}

/* The chosen one above the others: by one change, but if somebody else is at ARMED. */
static bool next_chosen(struct qos_cpu *cpu, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *chosen = cpu->chosen, *other = NULL;
	int top;

	for (top = QOS_DWCS_LEVEL_ARMED; top >= QOS_DWCS_LEVEL_READY && !other; top--)
		other = other_at(cpu, top);
	top = other ? other->level : QOS_DWCS_LEVEL_OTHER;
	if (chosen->level > top)
		return false;
	*thread = top == QOS_DWCS_LEVEL_ARMED ? other : chosen;
	*level = top == QOS_DWCS_LEVEL_ARMED ? QOS_DWCS_LEVEL_READY
					     : max_t(int, top + 1, QOS_DWCS_LEVEL_FIRST);
	return true;
}

/* What put a thread on the list may have passed. */
static bool next_todo(struct qos_cpu *cpu, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *t;

	while ((t = list_first_entry_or_null(&cpu->todo, struct qos_thread, in_todo))) {
		*thread = t;
		*level = must_be(t);
		if (*level != QOS_DWCS_LEVEL_NONE)
			return true;
		list_del_init(&t->in_todo);
	}
	return false;
}

/* The next change to make, if any. Asked until there is none. */
bool qos_levels_next(struct qos_cpu *cpu, u64 now, struct qos_thread **thread, u8 *level)
{
	if (cpu->capped)
		return next_capped(cpu, thread, level);
	if (next_todo(cpu, thread, level))
		return true;
	if (!cpu->chosen)
		return false;
	return next_chosen(cpu, thread, level) ||
	       (qos_config.arm && next_sleeper(cpu, now, thread, level));
}
