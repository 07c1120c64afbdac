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
 * Two threads at ARMED cannot preempt each other. So where the next request of a sleeper is
 * mandatory that level is for it alone: others are neither armed nor raised so high. That costs
 * more changes, which is why it is not done for all.
 *
 * A thread of the kernel that expires timers (helpers.c) stands above ARMED, and would go before a sleeper
 * that wakes up with it. One stream of each CPU may be URGENT, which is ARMED above that: what it does is
 * mandatory, and so short that timers can wait for it (is_brief()). It is one alone, or many that follow
 * each other would keep timers back for long.
 *
 * What does not help the chosen one onto the CPU can wait: a dispatcher that ran for it would run
 * before the chosen one, which stands above the others already. So it waits until that one has had
 * the CPU for SETTLE_NS, or has left it: a short job meets no dispatcher at all.
 *
 * A thread that sleeps is never left at OTHER: timers that it arms there expire later, and so does
 * its preemption. But once a period only, or a thread that overran and sleeps for moments would
 * keep the dispatcher busy. A thread that waits for a lock stays as it is.
 */
#include "qos.h"

#define ARM_MAX	  4 /* sleepers looked at for one decision */
#define SETTLE_NS (100 * NSEC_PER_USEC)
#define BRIEF_NS  (250 * NSEC_PER_USEC)
#define BRIEF_OF  4 /* and no more than that part of its period */

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
	if (thread->urgent && thread->cpu->urgent != thread)
		return QOS_DWCS_LEVEL_READY;
	if (qos_is_runnable(thread) && thread->cpu->lean && qos_request_is_spare(thread))
		return thread->level != QOS_DWCS_LEVEL_OTHER ? QOS_DWCS_LEVEL_OTHER
							     : QOS_DWCS_LEVEL_NONE;
	if (thread->level == QOS_DWCS_LEVEL_NONE)
		return QOS_DWCS_LEVEL_READY;
	if (qos_is_runnable(thread) && thread->level == QOS_DWCS_LEVEL_OTHER && thread->more)
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

static bool is_brief(const struct qos_thread *thread)
{
	const struct qos_table *table = thread->table;
	const struct qos_params *params = &thread->params;

	return table && table->on && !table->bundle && table->runtime_ns <= BRIEF_NS &&
	       table->runtime_ns <= params->period_ns / BRIEF_OF &&
	       params->overrun != QOS_DWCS_OVERRUN_ALLOW;
}

/* Its table came, went, or ended. The first that may be urgent is, as long as its table holds. */
void qos_levels_urgent(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	bool brief = thread->managed && is_brief(thread);

	if (brief == (cpu->urgent == thread) || (brief && cpu->urgent))
		return;
	cpu->urgent = brief ? thread : NULL;
	qos_levels_place(thread);
}

/* A request, and where it would wait. */
struct contender {
	struct dwcs_stream dwcs;
	enum dwcs_heap heap;
};

/* The thread's next request, released at `at`. */
static struct contender next_of(const struct qos_thread *thread, u64 at)
{
	struct contender next = {.dwcs = thread->dwcs};

	next.dwcs.release = at;
	next.dwcs.due = at + next.dwcs.deadline;
	next.dwcs.left = next.dwcs.cost;
	next.heap = qos_table_will_ask(thread) ? DWCS_MUST
					       : dwcs_heap_of(&thread->cpu->queue, &next.dwcs);
	return next;
}

/* What the chosen one has now, served until `at`. */
static struct contender rest_of(const struct qos_thread *chosen, u64 now, u64 at)
{
	struct contender rest = {.dwcs = chosen->dwcs};

	rest.dwcs.left -= min(rest.dwcs.left, at - now);
	rest.heap = chosen->mandatory ? DWCS_MUST : dwcs_heap_of(&chosen->cpu->queue, &rest.dwcs);
	return rest;
}

/* At `at`, would a go before b, which may be started? */
static bool wins(const struct dwcs_queue *queue, const struct contender *a,
		 const struct contender *b, u64 at)
{
	if (a->heap != b->heap)
		return a->heap < b->heap;
	if (a->heap != DWCS_RANK || queue->ordering == DWCS_EDF)
		return dwcs_by_due(&a->dwcs, &b->dwcs) < 0;
	if (dwcs_order(queue->ordering, &a->dwcs, &b->dwcs) >= 0)
		return false;
	/* fin: what is started and due earlier finishes first, if there is room for it. */
	return !dwcs_finishes(queue->ordering) || dwcs_by_due(&b->dwcs, &a->dwcs) > 0 ||
	       (s64)b->dwcs.left > (s64)(a->dwcs.due - at) - (s64)a->dwcs.left;
}

static bool wins_over_chosen(const struct qos_thread *thread, u64 now, u64 at)
{
	struct contender next = next_of(thread, at), rest = rest_of(thread->cpu->chosen, now, at);

	return wins(&thread->cpu->queue, &next, &rest, at);
}

/* Who of two sleepers would go first if both woke up together? */
static bool wins_over_sleeper(const struct qos_thread *thread, const struct qos_thread *other,
			      u64 now)
{
	u64 at = max3(now, qos_request_grid_next(thread), qos_request_grid_next(other));
	struct contender a = next_of(thread, at), b = next_of(other, at);

	return wins(&thread->cpu->queue, &a, &b, at);
}

/* The sleeper at ARMED whose next request is mandatory. */
static struct qos_thread *armed_sleeper(const struct qos_cpu *cpu)
{
	struct qos_thread *t = cpu->armed;

	if (!t || t->level != QOS_DWCS_LEVEL_ARMED || !is_asleep(t) || !qos_table_will_ask(t))
		return NULL;
	return t;
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

/* A sleeper is to stand above the chosen one: the next change on the way there, or none. */
static bool arm(struct qos_thread *t, u64 now, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *armed = armed_sleeper(t->cpu), *chosen = t->cpu->chosen, *other;

	*thread = t;
	*level = QOS_DWCS_LEVEL_ARMED;
	if (armed && armed != t) {
		*thread = armed;
		*level = QOS_DWCS_LEVEL_READY;
		return wins_over_sleeper(t, armed, now);
	}
	if (chosen->level == QOS_DWCS_LEVEL_ARMED) {
		if (!qos_table_will_ask(t))
			return false; /* the dispatcher will be needed */
		other = other_at(t->cpu, QOS_DWCS_LEVEL_FIRST);
		*thread = other ?: chosen;
		*level = other ? QOS_DWCS_LEVEL_READY : QOS_DWCS_LEVEL_FIRST;
	}
	return true;
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
		if (t->level < QOS_DWCS_LEVEL_READY || wins_over_chosen(t, now, at) == above)
			continue;
		*thread = t;
		*level = QOS_DWCS_LEVEL_READY;
		if (above || arm(t, now, thread, level))
			return true;
	}
	return false;
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

/* How high a runnable thread may stand: a sleeper that goes before it must find it below. */
static u8 ceiling(const struct qos_cpu *cpu, u64 now)
{
	const struct qos_thread *armed = armed_sleeper(cpu);
	u64 at = armed ? max(now, qos_request_grid_next(armed)) : now;

	return armed && wins_over_chosen(armed, now, at) ? QOS_DWCS_LEVEL_FIRST
							 : QOS_DWCS_LEVEL_ARMED;
}

/*
 * The chosen one above the others: by one change, unless there is nothing above them. Who has to
 * leave his level anyway does so first.
 */
static bool next_chosen(struct qos_cpu *cpu, u64 now, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *chosen = cpu->chosen, *other = NULL;
	int top;

	for (top = QOS_DWCS_LEVEL_ARMED; top >= QOS_DWCS_LEVEL_READY && !other; top--)
		other = other_at(cpu, top);
	top = other ? other->level : QOS_DWCS_LEVEL_OTHER;
	if (chosen->level > top)
		return false;
	*thread = chosen;
	*level = max_t(int, top + 1, QOS_DWCS_LEVEL_FIRST);
	if (!other)
		return true;
	if (must_be(other) != QOS_DWCS_LEVEL_NONE) {
		*thread = other;
		*level = must_be(other);
	} else if (*level > ceiling(cpu, now)) {
		*thread = other;
		*level = QOS_DWCS_LEVEL_READY;
	}
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

/* Nobody is chosen: the urgent one still has to go before the helpers. */
static bool next_urgent(struct qos_cpu *cpu, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *t = cpu->urgent;

	if (!t || t->urgent || !is_asleep(t) || !qos_table_will_ask(t))
		return false;
	*thread = t;
	*level = QOS_DWCS_LEVEL_ARMED;
	return true;
}

/* Until when a change that is no help to the chosen one waits. 0: it does not. */
u64 qos_levels_wait(const struct qos_cpu *cpu)
{
	const struct qos_thread *chosen = cpu->chosen;

	if (!cpu->deferred || !chosen || cpu->settled)
		return 0;
	return chosen == cpu->running ? cpu->slice_ns + SETTLE_NS : U64_MAX;
}

/* The next change to make now, if any. Asked until there is none. */
bool qos_levels_next(struct qos_cpu *cpu, u64 now, struct qos_thread **thread, u8 *level)
{
	struct qos_thread *chosen = cpu->chosen;

	cpu->deferred = false;
	if (cpu->capped)
		return next_capped(cpu, thread, level);
	if (!chosen)
		return next_todo(cpu, thread, level) ||
		       (qos_config.arm && next_urgent(cpu, thread, level));
	if (must_be(chosen) == QOS_DWCS_LEVEL_NONE && next_chosen(cpu, now, thread, level))
		return true;
	if (!next_todo(cpu, thread, level) &&
	    !(qos_config.arm && next_sleeper(cpu, now, thread, level)))
		return false;
	cpu->deferred = must_be(chosen) == QOS_DWCS_LEVEL_NONE;
	if (qos_levels_wait(cpu) > now)
		return false;
	cpu->deferred = false;
	cpu->settled = true;
	return true;
}
