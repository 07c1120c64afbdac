// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events on their way from where they happen to the family's groups: a ring for each CPU, and one
 * ordinary thread, the worker, which empties them. It also does what follows from events and must
 * not be done where they happen: it frees threads that ended, sets forked children right, tells what
 * rules did, sends telemetry.
 *
 * An event that anything can cause by the thousand is told at most ten times a second a contract
 * and kind. What is left out is counted in the next that is told.
 */
#include <linux/kthread.h>

#include "qos.h"
#include "rules.h"

static struct task_struct *worker;
static bool work;

/*
 * Under the lock of the CPU. May it be told? Several CPUs may ask at once: who moves `next` on
 * tells.
 */
static bool may_tell(struct qos_rate *rate, u32 kind, u64 now)
{
	s64 next = atomic64_read(&rate->next);

	if (kind == QOS_DWCS_EVENT_GONE || kind == QOS_DWCS_EVENT_EXEC ||
	    kind == QOS_DWCS_EVENT_UNPROVEN)
		return true;
	if ((s64)now >= next &&
	    atomic64_cmpxchg(&rate->next, next, now + NSEC_PER_SEC / QOS_DWCS_EVENTS_SECOND) ==
		    next)
		return true;
	atomic_inc(&rate->muted);
	return false;
}

/*
 * The place for an event of that thread, to be filled; NULL: it is not to be told, or finds no
 * room.
 */
struct qos_event *qos_event_begin(struct qos_cpu *cpu, struct qos_thread *thread, u32 kind, u64 now)
{
	struct qos_contract *contract = thread->stream->contract;
	struct qos_ring *ring = cpu->ring;
	struct qos_event *event;

	if (!ring || !may_tell(&contract->rates[kind], kind, now))
		return NULL;
	/* The place was read out: pairs with the release in qos_events_drain(). */
	if (ring->head - smp_load_acquire(&ring->tail) >= QOS_RING) {
		qos_count(cpu, RING_FULL);
		return NULL;
	}
	event = &ring->event[ring->head % QOS_RING];
	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->muted = atomic_xchg(&contract->rates[kind].muted, 0);
	event->time_ns = now;
	memcpy(event->contract, contract->name, sizeof(event->contract));
	event->stream = thread->stream->id;
	event->tid = thread->task->pid;
	event->cpu = cpu->id;
	return event;
}

void qos_event_end(struct qos_cpu *cpu)
{
	/* The event is whole: pairs with the acquire in qos_events_drain(). */
	smp_store_release(&cpu->ring->head, cpu->ring->head + 1);
	cpu->tells = true;
}

/* qos_mutex. */
void qos_events_drain(struct qos_cpu *cpu)
{
	struct qos_ring *ring = cpu->ring;

	if (!ring)
		return;
	/* Pairs with the release in qos_event_end(). */
	while (ring->tail != smp_load_acquire(&ring->head)) {
		qos_genl_send_event(&ring->event[ring->tail % QOS_RING]);
		/* Pairs with the acquire in qos_event_begin(). */
		smp_store_release(&ring->tail, ring->tail + 1);
	}
}

/* From any context but under a run-queue lock. */
void qos_event_wake(void)
{
	WRITE_ONCE(work, true);
	if (worker)
		wake_up_process(worker);
}

/* Jiffies until more is to be told of rules. */
static long tell_rules(void)
{
	u64 wait;

	if (!qos_rules_marked())
		return MAX_SCHEDULE_TIMEOUT; /* without the mutex, which may be held for long */
	mutex_lock(&qos_mutex);
	wait = qos_rules_tell(ktime_get_ns());
	mutex_unlock(&qos_mutex);
	return wait ? nsecs_to_jiffies(wait) + 1 : MAX_SCHEDULE_TIMEOUT;
}

static void settle(void)
{
	int id;

	mutex_lock(&qos_mutex);
	for_each_possible_cpu(id) {
		struct qos_cpu *cpu = per_cpu_ptr(&qos_cpus, id);

		if (!cpu->up)
			continue;
		qos_events_drain(cpu);
		qos_thread_settle(cpu);
	}
	mutex_unlock(&qos_mutex);
}

/* Jiffies until telemetry is to be sent again, which is done here if its time has come. */
static long telemetry(u64 *next)
{
	u64 interval = READ_ONCE(qos_config.telemetry_ns), now = ktime_get_ns();

	if (!interval) {
		*next = 0;
		return MAX_SCHEDULE_TIMEOUT;
	}
	if (now >= *next) {
		*next = *next && now - *next < interval ? *next + interval : now + interval;
		mutex_lock(&qos_mutex);
		qos_genl_send_telemetry();
		mutex_unlock(&qos_mutex);
	}
	if (*next > now + interval)
		*next = now + interval; /* it was made shorter */
	return nsecs_to_jiffies(*next - now) + 1;
}

static int run(void *data)
{
	u64 next = 0;

	while (!kthread_should_stop()) {
		long timeout = telemetry(&next);

		if (qos_family_settle())
			timeout = min_t(long, timeout, nsecs_to_jiffies(QOS_FAMILY_NS));
		timeout = min(timeout, tell_rules());
		set_current_state(TASK_IDLE);
		if (!READ_ONCE(work) && !kthread_should_stop())
			schedule_timeout(timeout);
		__set_current_state(TASK_RUNNING);
		if (xchg(&work, false))
			settle();
	}
	return 0;
}

int qos_worker_start(void)
{
	struct task_struct *task = kthread_run(run, NULL, "qos_dwcs");

	if (IS_ERR(task))
		return PTR_ERR(task);
	worker = task;
	return 0;
}

/* Nobody wakes it any more. */
void qos_worker_stop(void)
{
	kthread_stop(worker);
	worker = NULL;
	qos_family_forget();
}
