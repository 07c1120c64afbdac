// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPU has while it has managed threads: queue, rings, dispatcher, raised helpers. It is made before
 * the first thread and goes after the last. All under qos_mutex.
 */
#include <linux/slab.h>

#include "qos.h"
#include "rules.h"

static void queue_free(struct dwcs_queue *queue)
{
	int i;

	for (i = 0; i < DWCS_HEAPS; i++) {
		kvfree(queue->slot[i]);
		queue->slot[i] = NULL;
	}
}

static int queue_make(struct dwcs_queue *queue)
{
	int i;

	for (i = 0; i < DWCS_HEAPS; i++) {
		queue->slot[i] =
			kvcalloc(QOS_DWCS_CPU_THREADS_MAX, sizeof(*queue->slot[i]), GFP_KERNEL);
		if (!queue->slot[i]) {
			queue_free(queue);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Before the first thread; the CPU is online, and cpus_read_lock() held. */
int qos_cpu_up(struct qos_cpu *cpu)
{
	int error;

	if (cpu->up)
		return 0;
	error = queue_make(&cpu->queue);
	if (error)
		return error;
	cpu->ring = kvzalloc(sizeof(*cpu->ring), GFP_KERNEL);
	cpu->rules = qos_rules_queue_new();
	error = cpu->ring && cpu->rules ? qos_dispatch_start(cpu) : -ENOMEM;
	if (error) {
		qos_rules_queue_free(cpu->rules);
		cpu->rules = NULL;
		kvfree(cpu->ring);
		cpu->ring = NULL;
		queue_free(&cpu->queue);
		return error;
	}
	qos_helpers_raise(cpu->id);
	cpu->armed_ns = U64_MAX;
	cpu->since_ns = ktime_get_ns();
	cpu->up = true;
	return 0;
}

static void nothing(void *data)
{
}

/* No interrupt of ours is under way to the CPU, if nobody starts one. */
void qos_cpu_quiesce(struct qos_cpu *cpu)
{
	irq_work_sync(&cpu->kick);
	smp_call_function_single(cpu->id, nothing, NULL, true);
}

/*
 * After the last thread. No probe comes here any more but those that are on their way: a thread's
 * last one waits for a grace period in qos_thread_detach(). A call that is under way is over when a
 * later one is.
 */
void qos_cpu_down(struct qos_cpu *cpu)
{
	struct qos_rules_queue *rules;
	struct qos_ring *ring;
	unsigned long flags;

	if (!cpu->up)
		return;
	raw_spin_lock_irqsave(&cpu->lock, flags);
	cpu->up = false;
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	hrtimer_cancel(&cpu->timer);
	qos_cpu_quiesce(cpu);
	qos_dispatch_stop(cpu);
	qos_helpers_restore(cpu->id);
	qos_events_drain(cpu);
	raw_spin_lock_irqsave(&cpu->lock, flags);
	ring = cpu->ring;
	cpu->ring = NULL;
	rules = cpu->rules;
	cpu->rules = NULL;
	cpu->chosen = NULL;
	cpu->running = NULL;
	cpu->kicked = false;
	raw_spin_unlock_irqrestore(&cpu->lock, flags);
	queue_free(&cpu->queue);
	kvfree(ring);
	qos_rules_queue_free(rules);
}
