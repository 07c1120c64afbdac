/* SPDX-License-Identifier: GPL-2.0-only */
/* Elements of BPF maps. */
#pragma once

#include <stdint.h>

/* Sets an element of a hash that is not preallocated. Such memory comes from an allocator that the
 * kernel refills by irq_work (kernel/bpf/memalloc.c); under PREEMPT_RT that is a thread of low
 * priority, and a burst of ours may be ahead of it: so ENOMEM is tried again, for up to 50 ms.
 * 0 or -errno. */
int qos_map_set(int fd, const void *key, const void *value, uint64_t flags);
