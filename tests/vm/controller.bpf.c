// SPDX-License-Identifier: GPL-2.0-only
/* What each job used, for a controller that is told by event: of the only stream that there is. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} jobs SEC(".maps");

SEC("fentry/qos_stats_job")
int BPF_PROG(job, void *stats, __u64 deadline, __u64 response, __u64 used)
{
	bpf_ringbuf_output(&jobs, &used, sizeof(used), 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
