/* SPDX-License-Identifier: GPL-2.0-only */
/* How functions are marked that are compiled into BPF programs and, as plain C, elsewhere. */
#pragma once

#define QOS_INLINE static inline __attribute__((always_inline))

/* A global function: the verifier judges it once, for any arguments, and not again on every path
 * that leads to it. Without these the million instructions that it looks at do not suffice. It knows
 * nothing of the arguments, so pointers are tested for NULL. */
#define QOS_GLOBAL __attribute__((noinline))

/* Hides a value from the compiler, so that a bound check right after it stays in the code, where
 * the verifier must see it. */
#define QOS_OPAQUE(value) asm volatile("" : "+r"(value))

QOS_INLINE void count(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}
