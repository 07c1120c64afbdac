/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place that knows kernel versions, as a module outside of the kernel must (checkpatch
 * warns of each LINUX_VERSION_CODE, and takes KERNEL_VERSION() for a constant on the wrong side).
 * Supported: PREEMPT_RT 6.1 and 6.12; what is newer is made to build on a best effort.
 */
#pragma once

#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/version.h>

/* skb_gso_segment(): before, <linux/netdevice.h> */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "qos_dwcs needs Linux 6.1 or newer"
#endif

#ifndef CONFIG_PREEMPT_RT
#warning "qos_dwcs is made for PREEMPT_RT; elsewhere soft interrupts delay what it schedules"
#endif

/* What a family's pre_doit() is told of the command. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define QOS_GENL_OPS const struct genl_split_ops
#else
#define QOS_GENL_OPS const struct genl_ops
#endif

/* A policy points to its range; older ones say that they might change it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define QOS_RANGE const struct netlink_range_validation
#else
#define QOS_RANGE struct netlink_range_validation
#endif

/* Words that last as long as the module; NL_SET_ERR_MSG() takes only a literal. */
static inline void qos_refuse(struct netlink_ext_ack *extack, const char *why)
{
	if (extack)
		extack->_msg = why;
}

static inline void qos_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*expired)(struct hrtimer *timer))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	timer->function = expired;
#endif
}

/* It runs at once. */
static inline struct kthread_worker *qos_kthread_worker(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 14, 0)
	return kthread_run_worker(0, "%s", name);
#else
	return kthread_create_worker(0, "%s", name);
#endif
}

/*
 * Functions that BPF programs may call need the kernel's macros of 6.9, and its type information for
 * modules; without them rules act through the daemon.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0) && defined(CONFIG_DEBUG_INFO_BTF_MODULES)
#define QOS_HAVE_KFUNCS
#endif

/* Does it wait for a lock whose owner may be boosted? */
static inline bool qos_task_waits_for_lock(const struct task_struct *task)
{
#ifdef CONFIG_RT_MUTEXES
	return task->pi_blocked_on;
#else
	return false;
#endif
}
