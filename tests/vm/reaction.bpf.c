// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long from a job that shows another demand to another runtime in force. A job shows it if it used
 * half as much again as the last one, and more than is in force; in force is what the module has put into its
 * stream, whoever asked.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define SAMPLES 4096

struct qos_params___here {
	__u64 runtime_ns;
} __attribute__((preserve_access_index));

struct qos_stream___here {
	struct qos_params___here params;
} __attribute__((preserve_access_index));

__u64 shown_ns; /* 0: nothing waits for a reaction */
__u64 last_used;
__u64 last_runtime;
__u64 steps;
__u64 n;
__u64 samples[SAMPLES];

SEC("fentry/qos_stats_job")
int BPF_PROG(job, void *stats, __u64 deadline, __u64 response, __u64 used)
{
	if (last_runtime && used > last_runtime && used > last_used + last_used / 2) {
		shown_ns = bpf_ktime_get_ns();
		steps++;
	}
	last_used = used;
	return 0;
}

static __always_inline void in_force(void *stream)
{
	__u64 runtime = BPF_CORE_READ((struct qos_stream___here *)stream, params.runtime_ns);

	if (shown_ns && runtime > last_runtime && n < SAMPLES) {
		samples[n++ & (SAMPLES - 1)] = bpf_ktime_get_ns() - shown_ns;
		shown_ns = 0;
	}
	last_runtime = runtime;
}

/* by a rule */
SEC("fentry/qos_rules_changed")
int BPF_PROG(changed, void *stream)
{
	in_force(stream);
	return 0;
}

/* by the daemon */
SEC("fexit/qos_guard_grant")
int BPF_PROG(granted, void *stream, void *params)
{
	in_force(stream);
	return 0;
}

char _license[] SEC("license") = "GPL";
