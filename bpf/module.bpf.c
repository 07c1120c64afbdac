// SPDX-License-Identifier: GPL-2.0-only
/* What is attached to the module's tracepoint while rules run there. Loaded by daemon/kern/chain_module.c. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "module.bpf.h"

char _license[] SEC("license") = "GPL";
