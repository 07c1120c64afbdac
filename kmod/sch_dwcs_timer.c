// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer that lets a qdisc go on when its link is free again. The kernel's own for that (qdisc_watchdog)
 * expires in soft context, and the sending that follows is a soft interrupt: on PREEMPT_RT both are threads
 * that any managed real-time thread starves. So the timer here expires in hard interrupt context and
 * wakes a thread of the qdisc's, which stands above the band (QOS_PRIO_HELPERS) and sends by itself: the soft
 * interrupt that it raises is run at its own local_bh_enable(). Other soft interrupts that wait on that
 * CPU are run there too.
 *
 * Weakness: a thread a paced qdisc; and it runs on the CPU that the scheduler finds for it.
 */
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <uapi/linux/sched/types.h>

#include "compat.h"
#include "qos.h"
#include "sch_dwcs.h"

#define LATE_NS (100 * NSEC_PER_USEC)

static enum hrtimer_restart expired(struct hrtimer *hrtimer)
{
	struct qos_sch_timer *timer = container_of(hrtimer, struct qos_sch_timer, timer);

	WRITE_ONCE(timer->fired, true);
	wake_up_process(timer->thread);
	return HRTIMER_NORESTART;
}

/* The root of the device's queue, as the kernel's watchdog does; while that is shut down, a dummy. */
void qos_sch_run(struct Qdisc *sch)
{
	local_bh_disable();
	rcu_read_lock();
	__netif_schedule(qdisc_root(sch));
	rcu_read_unlock();
	local_bh_enable();
}

static void send(struct qos_sch_timer *timer)
{
	struct qos_sch *q = qdisc_priv(timer->sch);
	s64 late = ktime_get_ns() - READ_ONCE(timer->armed_ns);

	q->stats.timers++;
	q->stats.timers_late += late > LATE_NS;
	if (late > (s64)q->stats.timer_late_ns)
		q->stats.timer_late_ns = late;
	qos_sch_run(timer->sch);
}

static int sender(void *data)
{
	struct qos_sch_timer *timer = data;

	for (;;) {
		set_current_state(TASK_IDLE);
		if (kthread_should_stop())
			break;
		if (!READ_ONCE(timer->fired)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		WRITE_ONCE(timer->fired, false);
		send(timer);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

void qos_sch_timer_init(struct qos_sch_timer *timer, struct Qdisc *sch)
{
	timer->sch = sch;
	qos_hrtimer_setup(&timer->timer, expired);
}

/* RTNL. 0, or why there is no thread; nothing if there is one already. */
int qos_sch_timer_start(struct qos_sch_timer *timer)
{
	struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = QOS_PRIO_HELPERS,
	};
	struct task_struct *task;

	if (timer->thread)
		return 0;
	task = kthread_create(sender, timer, "qos_sch/%s", qdisc_dev(timer->sch)->name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	sched_setattr_nocheck(task, &attr);
	timer->thread = task;
	wake_up_process(task);
	return 0;
}

/* RTNL; nobody arms it any more. */
void qos_sch_timer_stop(struct qos_sch_timer *timer)
{
	if (!timer->thread)
		return;
	hrtimer_cancel(&timer->timer);
	kthread_stop(timer->thread);
	timer->thread = NULL;
}

/* The root's lock. */
void qos_sch_timer_arm(struct qos_sch_timer *timer, u64 ns)
{
	if (timer->armed_ns == ns && hrtimer_is_queued(&timer->timer))
		return;
	WRITE_ONCE(timer->armed_ns, ns);
	hrtimer_start(&timer->timer, ns_to_ktime(ns), HRTIMER_MODE_ABS_PINNED_HARD);
}

/* The root's lock, which the interrupt does not take. */
void qos_sch_timer_cancel(struct qos_sch_timer *timer)
{
	hrtimer_cancel(&timer->timer);
}
