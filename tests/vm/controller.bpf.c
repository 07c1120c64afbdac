// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each job of one of the module's streams: what it used, for a controller that is told by event, as of a job that uses up
 * what it has and goes on; and for who measures,
 * the request in which it ended, and the runtime that was in force for that.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define GRANTS	65536
#define MORE_NS 1000000000 /* whatever it is: the top of the range */

struct qos_params___here {
	__u64 runtime_ns;
} __attribute__((preserve_access_index));

struct qos_stream___here {
	__u32 id;
} __attribute__((preserve_access_index));

struct qos_stats___here {
	__u64 jobs;
} __attribute__((preserve_access_index));

struct qos_thread___here {
	struct qos_stream___here *stream;
	struct qos_params___here params;
	__u64 grid_ns;
	struct qos_stats___here stats;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} jobs SEC(".maps");

const volatile __u32 wanted; /* the stream's number */
__u64 n;
__u64 grants[GRANTS][2]; /* its grid point, runtime; of the last so many jobs */

/* Or NULL: it is another stream's. */
static __always_inline struct qos_thread___here *thread_of(void *stats)
{
	struct qos_thread___here *thread =
		stats - bpf_core_field_offset(struct qos_thread___here, stats);

	return BPF_CORE_READ(thread, stream, id) == wanted ? thread : NULL;
}

SEC("fentry/qos_stats_job")
int BPF_PROG(job, void *stats, __u64 deadline, __u64 response, __u64 used)
{
	if (thread_of(stats))
		bpf_ringbuf_output(&jobs, &used, sizeof(used), 0);
	return 0;
}

SEC("fentry/qos_stats_overrun")
int BPF_PROG(overrun, void *stats)
{
	__u64 more = MORE_NS;

	if (thread_of(stats))
		bpf_ringbuf_output(&jobs, &more, sizeof(more), 0);
	return 0;
}

SEC("fentry/qos_stats_job")
int BPF_PROG(grant, void *stats)
{
	struct qos_thread___here *thread = thread_of(stats);

	if (thread) {
		__u64 *entry = grants[n++ & (GRANTS - 1)];

		entry[0] = BPF_CORE_READ(thread, grid_ns);
		entry[1] = BPF_CORE_READ(thread, params.runtime_ns);
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
