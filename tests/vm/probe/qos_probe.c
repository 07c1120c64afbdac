// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that does on purpose what the lab must notice, one parameter a fault, so that the lab's
 * judgement is tested on the kernel's real words. With no parameter it does nothing wrong, and shows
 * that a module with a kfunc builds, gets its type information and loads.
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

static bool leak, atomic, deadlock, overrun, warn, oops;
module_param(leak, bool, 0);
module_param(atomic, bool, 0);
module_param(deadlock, bool, 0);
module_param(overrun, bool, 0);
module_param(warn, bool, 0);
module_param(oops, bool, 0);

/* 6.1 spells kfuncs otherwise, and its headers have no type information to build them from. */
#ifdef BTF_KFUNCS_START
__bpf_kfunc_start_defs();

__bpf_kfunc int qos_probe_answer(void)
{
	return 42;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(kfunc_ids)
BTF_ID_FLAGS(func, qos_probe_answer)
BTF_KFUNCS_END(kfunc_ids)

static const struct btf_kfunc_id_set kfuncs = {.owner = THIS_MODULE, .set = &kfunc_ids};

static int register_kfuncs(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &kfuncs);
}
#else
static int register_kfuncs(void)
{
	return 0;
}
#endif

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_both(struct mutex *outer, struct mutex *inner)
{
	mutex_lock(outer);
	mutex_lock(inner);
	mutex_unlock(inner);
	mutex_unlock(outer);
}

static void do_deadlock(void)
{
	lock_both(&first, &second);
	lock_both(&second, &first);
}

static void do_atomic(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

/* Several, because a stale register may still point at the last one. */
static void do_leak(void)
{
	for (int i = 0; i < 8; i++) {
		void *lost = kmalloc(200, GFP_KERNEL);

		OPTIMIZER_HIDE_VAR(lost);
	}
}

static void do_overrun(void)
{
	size_t size = 40;
	char *buffer;

	OPTIMIZER_HIDE_VAR(size);
	buffer = kmalloc(size, GFP_KERNEL);
	if (buffer)
		((volatile char *)buffer)[size] = 1;
	kfree(buffer);
}

static int __init probe_init(void)
{
	if (leak)
		do_leak();
	if (atomic)
		do_atomic();
	if (deadlock)
		do_deadlock();
	if (overrun)
		do_overrun();
	WARN(warn, "qos_probe was asked to warn\n");
	if (oops)
		*(volatile int *)8 = 1;
	return register_kfuncs();
}

static void __exit probe_exit(void)
{
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Faults on purpose, to test the lab");
