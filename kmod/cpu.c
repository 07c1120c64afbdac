// SPDX-License-Identifier: GPL-2.0-only
/*
 * One CPU: its events come in here, from the scheduler's probes, the timer and the control path;
 * what follows from them is decided here, and whoever has to act is woken.
 *
 * Every way in is the same: take the lock, let time go on to now, do what happened, decide, let the
 * lock go, kick. The dispatcher cannot be woken under a run-queue lock, so probes do it by way of a
 * hard interrupt: irq_work on the CPU itself, a call to it from any other, since the timer can be
 * set by its own CPU only.
 *
 * The timer is set for the earliest of: the running thread's end of budget, the next deadline, the
 * next grid point of a runnable thread, the end of what the cap allows, the end of the cap's
 * interval, the time when a change of levels has waited long enough. It is moved later only where it
 * is about to expire, into the first moments of whoever got the CPU: setting it costs more than an
 * expiry with nothing to do now and then.
 */
#include "compat.h"
#include "qos.h"
#include "rules.h"

#define SOON_NS (50 * NSEC_PER_USEC)

DEFINE_PER_CPU(struct qos_cpu, qos_cpus);

/* Under the CPU's lock. */
void qos_cpu_choose(struct qos_cpu *cpu, u64 now)
{
	struct dwcs_stream *picked = dwcs_pick(&cpu->queue, now);
	struct qos_thread *thread = picked ? container_of(picked, struct qos_thread, dwcs) : NULL;

	if (thread && cpu->lean && qos_request_is_spare(thread))
		thread = NULL;
	cpu->dirty = false;
	qos_count(cpu, PICKS);
	if (thread != cpu->chosen) {
		qos_count(cpu, CHOICES);
		cpu->settled = false;
	}
	cpu->chosen = thread;
}

/* When pace-keeping may have to begin or to end. */
static u64 next_pace(const struct qos_cpu *cpu, const struct qos_thread *running)
{
	s64 credit = qos_request_pace(cpu, cpu->since_ns);

	if (cpu->lean)
		return cpu->since_ns + max_t(s64, -credit, 0) + qos_config.pace_slack_ns;
	if (!running || running->level < QOS_DWCS_LEVEL_READY || !qos_request_is_spare(running))
		return U64_MAX;
	return cpu->since_ns + max_t(s64, credit + qos_config.pace_slack_ns, 0) + 1000;
}

static u64 next_timer(const struct qos_cpu *cpu)
{
	const struct dwcs_stream *due = dwcs_next_due(&cpu->queue);
	struct timerqueue_node *grid = timerqueue_getnext((struct timerqueue_head *)&cpu->grids);
	const struct qos_thread *running = cpu->running;
	u64 at = due ? due->due : U64_MAX;

	if (grid)
		at = min_t(u64, at, ktime_to_ns(grid->expires));
	if (cpu->capped)
		at = min(at, cpu->cap_end_ns);
	if (cpu->threads_n)
		at = min(at, next_pace(cpu, running));
	if (!running)
		return at;
	if (running->current_request && !qos_request_exhausted(running))
		at = min(at, cpu->since_ns + running->dwcs.cost - running->got_ns);
	if (cpu->deferred && running == cpu->chosen)
		at = min(at, qos_levels_wait(cpu));
	if (running->level >= QOS_DWCS_LEVEL_READY && !cpu->capped)
		at = min(at, cpu->since_ns + qos_config.cap_ns - cpu->cap_used_ns);
	return at;
}

/* On this CPU only. */
static void arm(struct qos_cpu *cpu, u64 now)
{
	u64 at = next_timer(cpu);

	if (!cpu->up || at == cpu->armed_ns)
		return;
	if (at > cpu->armed_ns && (at == U64_MAX || cpu->armed_ns > now + SOON_NS))
		return;
	cpu->armed_ns = at;
	hrtimer_start(&cpu->timer, ns_to_ktime(at), HRTIMER_MODE_ABS_PINNED_HARD);
}

/* Sets the timer; true: the dispatcher or the worker is to be woken, or the CPU to look itself. */
static bool decide(struct qos_cpu *cpu, u64 now)
{
	struct qos_thread *thread;
	bool here = cpu->id == smp_processor_id(), kick = false;
	u8 level;

	if (cpu->dirty)
		qos_cpu_choose(cpu, now);
	if (!cpu->kicked && (qos_rules_wait(cpu) || qos_levels_next(cpu, now, &thread, &level))) {
		WRITE_ONCE(cpu->kicked, true);
		kick = true;
	}
	if (here)
		arm(cpu, now);
	else
		kick |= next_timer(cpu) < cpu->armed_ns;
	return kick || cpu->tells;
}

/* Not under the lock; perhaps under the run-queue's. */
static void kick(struct qos_cpu *cpu)
{
	if (cpu->id == smp_processor_id())
		irq_work_queue(&cpu->kick);
	else
		smp_call_function_single_async(cpu->id, &cpu->call);
}

/* Interrupts stay off until the end: still on the CPU for which decide() judged. */
static void leave(struct qos_cpu *cpu, unsigned long flags, bool kicks) __releases(&cpu->lock)
{
	raw_spin_unlock(&cpu->lock);
	if (kicks)
		kick(cpu);
	local_irq_restore(flags);
}

/* Hard interrupt on the CPU itself. */
static void wake(struct qos_cpu *cpu)
{
	struct task_struct *dispatcher = READ_ONCE(cpu->dispatcher);

	if (READ_ONCE(cpu->kicked) && dispatcher)
		wake_up_process(dispatcher);
	if (READ_ONCE(cpu->tells)) {
		WRITE_ONCE(cpu->tells, false);
		qos_event_wake();
	}
}

static void look(struct qos_cpu *cpu)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	arm(cpu, ktime_get_ns());
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	wake(cpu);
}

static void kicked_by_work(struct irq_work *work)
{
	look(container_of(work, struct qos_cpu, kick));
}

static void kicked_by_call(void *cpu)
{
	look(cpu);
}

static enum hrtimer_restart timer_expired(struct hrtimer *timer)
{
	struct qos_cpu *cpu = container_of(timer, struct qos_cpu, timer);
	unsigned long flags;
	u64 now;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	now = ktime_get_ns();
	qos_count(cpu, TIMERS);
	if (next_timer(cpu) > now)
		qos_count(cpu, TIMERS_EARLY);
	cpu->armed_ns = U64_MAX;
	qos_request_advance(cpu, now);
	if (cpu->running)
		qos_request_overrun(cpu->running, now);
	decide(cpu, now);
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	wake(cpu);
	return HRTIMER_NORESTART;
}

/* --- the scheduler's events --- */

/*
 * Its last event: it stays for the worker to bury. One that is being detached is buried already,
 * and its stream perhaps gone.
 */
static void end(struct qos_thread *thread, u64 now)
{
	struct qos_cpu *cpu = thread->cpu;

	if (thread->detached || thread->ended)
		return;
	thread->ended = true;
	if (thread->managed)
		qos_request_drop(thread);
	qos_levels_remove(thread);
	thread->managed = false;
	thread->doing = QOS_DOES_END;
	list_move_tail(&thread->in_dead, &cpu->dead);
	if (qos_event_begin(cpu, thread, QOS_DWCS_EVENT_GONE, now))
		qos_event_end(cpu);
	cpu->tells = true;
}

/* Under the run-queue lock of this CPU. Both threads are of this CPU. */
void qos_cpu_switch(struct qos_thread *out, struct qos_thread *in, enum qos_doing doing)
{
	struct qos_cpu *cpu = out ? out->cpu : in->cpu;
	unsigned long flags;
	bool kicks;
	u64 now;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	now = ktime_get_ns();
	if (out && cpu->running == out)
		qos_evidence_slice(cpu, out, now);
	qos_request_advance(cpu, now);
	qos_count(cpu, SWITCHES);
	if (out && out->managed)
		qos_request_leave(out, doing, now);
	if (out && doing == QOS_DOES_END)
		end(out, now);
	if (in && in->managed && !qos_drift_seen(in, now)) {
		qos_request_enter(in, now);
		cpu->slice_ns = now;
	}
	kicks = decide(cpu, now);
	leave(cpu, flags, kicks);
}

/*
 * sched_wakeup, not sched_waking: it comes under the run-queue lock, when the thread is queued, so
 * it is ordered with the thread's switches. sched_waking may come while the thread is still on its
 * way to sleep. (Only a thread that wakes itself before it slept comes here without that lock, and
 * it is running.)
 */
void qos_cpu_wakeup(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	bool kicks = false;
	u64 now;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	if (thread->managed && !qos_is_runnable(thread)) {
		now = ktime_get_ns();
		qos_request_advance(cpu, now);
		qos_count(cpu, WAKEUPS);
		qos_request_wake(thread, now);
		qos_request_overrun(thread, now);
		kicks = decide(cpu, now);
	}
	leave(cpu, flags, kicks);
}

/*
 * A thread leaves or gets another CPU than its own: its affinity was changed, or it is left
 * alone.
 */
void qos_cpu_stray(struct qos_thread *thread, enum qos_doing doing)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	bool kicks = false;
	u64 now;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	if (thread->managed || doing == QOS_DOES_END) {
		now = ktime_get_ns();
		qos_request_advance(cpu, now);
		if (doing == QOS_DOES_END)
			end(thread, now);
		else
			qos_drift_strayed(thread, now);
		kicks = decide(cpu, now);
	}
	leave(cpu, flags, kicks);
}

/* It runs a new program, by another tid perhaps. */
void qos_cpu_exec(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	bool kicks;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	if (!thread->detached && qos_event_begin(cpu, thread, QOS_DWCS_EVENT_EXEC, ktime_get_ns()))
		qos_event_end(cpu);
	kicks = cpu->tells;
	leave(cpu, flags, kicks);
}

/* --- the control path --- */

/* Events that wait still have the thread, and so the new key. */
void qos_cpu_set_key(struct qos_thread *thread, u32 state_key)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&thread->cpu->lock, flags);
	WRITE_ONCE(thread->state_key, state_key);
	raw_spin_unlock_irqrestore(&thread->cpu->lock, flags);
}

static unsigned long enter(struct qos_cpu *cpu, u64 *now) __acquires(&cpu->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	*now = ktime_get_ns();
	qos_request_advance(cpu, *now);
	return flags;
}

/* What a thread that is managed anew does now. */
static void begin(struct qos_thread *thread, u64 now)
{
	thread->managed = true;
	thread->level = QOS_DWCS_LEVEL_NONE;
	thread->urgent = false;
	thread->doing = QOS_DOES_NEW;
	dwcs_reset(&thread->dwcs);
	if (READ_ONCE(thread->task->__state) == TASK_RUNNING) {
		thread->doing = QOS_DOES_WAIT;
		qos_request_anchor(thread, now);
	}
	qos_levels_place(thread);
}

/*
 * The thread is scheduled from now on. It is hashed already, so every sleep and wakeup from here on
 * is seen; one that is found to be running is runnable, whatever else is on its way to us. Its last
 * switch may have come before it was hashed: then it is found dead here; or after that: then it is
 * at its end.
 */
void qos_cpu_begin(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	/* Hash, then state: pairs with do_task_dead(), whose switch looks at the hash after that. */
	smp_mb();
	if (READ_ONCE(thread->task->__state) & TASK_DEAD)
		end(thread, now);
	else if (!thread->ended)
		begin(thread, now);
	leave(cpu, flags, decide(cpu, now));
}

/* Not any more. Dispatcher and worker may still know it: see qos_thread_detach(). */
void qos_cpu_end(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	qos_table_off(thread, QOS_DWCS_UNPROVEN_CHANGE, now);
	qos_rules_forget(thread);
	list_del_init(&thread->in_bundled);
	if (thread->managed)
		qos_request_drop(thread);
	thread->managed = false;
	thread->detached = true;
	qos_levels_remove(thread);
	list_del_init(&thread->in_dead);
	if (cpu->running == thread)
		cpu->running = NULL;
	if (cpu->armed == thread)
		cpu->armed = NULL;
	if (cpu->urgent == thread)
		cpu->urgent = NULL;
	leave(cpu, flags, decide(cpu, now));
}

/*
 * New parameters. Anew: from the next request on, windows and grid included; else only the
 * runtime.
 */
void qos_cpu_change(struct qos_thread *thread, const struct qos_params *params, bool anew)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	if (thread->table && (anew || params->runtime_ns > thread->table->runtime_ns))
		qos_table_off(thread, QOS_DWCS_UNPROVEN_CHANGE, now);
	thread->params = *params;
	if (anew) {
		qos_request_drop(thread);
		qos_thread_shape(thread);
		dwcs_reset(&thread->dwcs);
		thread->grid_ns = 0;
		thread->outcomes_n = 0;
		if (thread->managed && qos_is_runnable(thread))
			qos_request_anchor(thread, now);
		qos_levels_place(thread);
	}
	qos_request_raised(thread);
	leave(cpu, flags, decide(cpu, now));
}

/* The runtime of its stream may have been raised while its request goes on. */
void qos_cpu_raised(struct qos_thread *thread)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	qos_request_raised(thread);
	leave(cpu, flags, decide(cpu, now));
}

void qos_cpu_table(struct qos_thread *thread, struct qos_table **table)
{
	struct qos_cpu *cpu = thread->cpu;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	if (thread->table && thread->table->bundle &&
	    (!*table || thread->table->bundle != (*table)->bundle))
		qos_table_off(thread, QOS_DWCS_UNPROVEN_CHANGE, now); /* with all of its bundle */
	swap(thread->table, *table);
	qos_table_join(thread);
	qos_levels_urgent(thread);
	if (thread->table && thread->table->epoch_ns)
		qos_request_align(thread, thread->table->epoch_ns, now);
	leave(cpu, flags, decide(cpu, now));
}

/* What its tables were charged with is not enough any more. */
void qos_cpu_unprove(struct qos_cpu *cpu)
{
	struct qos_thread *thread;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	list_for_each_entry(thread, &cpu->threads, in_cpu)
		qos_table_off(thread, QOS_DWCS_UNPROVEN_CHANGE, now);
	leave(cpu, flags, decide(cpu, now));
}

/* All live requests are ordered anew: out of the queue, and in again as they are. */
void qos_cpu_order(struct qos_cpu *cpu, enum dwcs_ordering ordering)
{
	struct qos_thread *thread;
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	list_for_each_entry(thread, &cpu->threads, in_cpu) {
		if (dwcs_is_live(&thread->dwcs) && !thread->parked)
			qos_request_park(thread);
	}
	cpu->queue.ordering = ordering;
	list_for_each_entry(thread, &cpu->threads, in_cpu) {
		if (thread->parked && qos_is_runnable(thread))
			qos_request_unpark(thread);
	}
	qos_levels_place_all(cpu);
	leave(cpu, flags, decide(cpu, now));
}

/* A new cap is in force at once. */
void qos_cpu_reset_cap(struct qos_cpu *cpu)
{
	unsigned long flags;
	u64 now;

	flags = enter(cpu, &now);
	cpu->cap_end_ns = now;
	leave(cpu, flags, decide(cpu, now));
}

/* The worker's: the next thread that ended or drifted. qos_mutex. */
struct qos_thread *qos_cpu_next_dead(struct qos_cpu *cpu)
{
	struct qos_thread *thread;
	unsigned long flags;

	raw_spin_lock_irqsave(&cpu->lock, flags);
	thread = list_first_entry_or_null(&cpu->dead, struct qos_thread, in_dead);
	if (thread)
		list_del_init(&thread->in_dead);
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	return thread;
}

static void init(struct qos_cpu *cpu, int id)
{
	int i;

	raw_spin_lock_init(&cpu->lock);
	mutex_init(&cpu->act);
	cpu->id = id;
	cpu->queue.ordering = DWCS_FIN;
	timerqueue_init_head(&cpu->grids);
	timerqueue_init_head(&cpu->sleepers);
	for (i = 0; i < ARRAY_SIZE(cpu->runnable); i++)
		INIT_LIST_HEAD(&cpu->runnable[i]);
	INIT_LIST_HEAD(&cpu->todo);
	INIT_LIST_HEAD(&cpu->dead);
	INIT_LIST_HEAD(&cpu->bundled);
	INIT_LIST_HEAD(&cpu->threads);
	qos_hrtimer_setup(&cpu->timer, timer_expired);
	cpu->kick = IRQ_WORK_INIT_HARD(kicked_by_work);
	INIT_CSD(&cpu->call, kicked_by_call, cpu);
}

void qos_cpus_init(void)
{
	int id;

	for_each_possible_cpu(id)
		init(per_cpu_ptr(&qos_cpus, id), id);
}
