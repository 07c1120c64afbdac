/* SPDX-License-Identifier: GPL-2.0-only */
/* Loads bpf/record.bpf.c and reads what it tells. Weakness: between two polls the ring holds some
 * 80,000 bursts; what a storm makes beyond that is counted and lost. */
#include "kern/record.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "kern/probe.h"
#include "qos_abi.h"
#include "record.skel.h"

struct qos_record {
	struct record_bpf *skeleton;
	struct ring_buffer *ring;
	int (*handle)(void *data, const struct qos_record_burst *burst); /* while it polls */
	void *data;
};

static int complain(struct qos_diag *diag, const char *call, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, -error);

	qos_diag_error(diag, NULL, "nothing can be observed: %s: %s: %s", call, strerror(-error),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

static int on_burst(void *data, void *record_data, size_t size)
{
	struct qos_record *record = data;

	return size < sizeof(struct qos_record_burst) ? 0
						      : record->handle(record->data, record_data);
}

int qos_record_new(struct qos_diag *diag, struct qos_record **ret)
{
	_cleanup_record_ struct qos_record *record = calloc(1, sizeof(*record));
	int r;

	if (!record)
		return -ENOMEM;
	libbpf_set_print(NULL);
	record->skeleton = record_bpf__open();
	if (!record->skeleton)
		return complain(diag, "bpf(PROG_LOAD)", -errno);
	r = record_bpf__load(record->skeleton);
	if (r < 0)
		return complain(diag, "bpf(PROG_LOAD)", r);
	record->ring = ring_buffer__new(bpf_map__fd(record->skeleton->maps.bursts), on_burst,
					record, NULL);
	if (!record->ring)
		return complain(diag, "mmap(ring buffer)", -errno);
	r = record_bpf__attach(record->skeleton);
	if (r < 0)
		return complain(diag, "bpf(LINK_CREATE)", r);
	*ret = TAKE_PTR(record);
	return 0;
}

void qos_record_free(struct qos_record *record)
{
	if (!record)
		return;
	ring_buffer__free(record->ring);
	record_bpf__destroy(record->skeleton);
	free(record);
}

int qos_record_process(struct qos_record *record, pid_t tgid)
{
	uint32_t key = (uint32_t)tgid, bit = key % QOS_PREFILTER_BITS;
	static const uint8_t one = 1;

	if (bpf_map_update_elem(bpf_map__fd(record->skeleton->maps.processes), &key, &one,
				BPF_ANY) < 0)
		return -errno;
	__atomic_fetch_or(&record->skeleton->bss->prefilter[bit / 64], UINT64_C(1) << bit % 64,
			  __ATOMIC_RELAXED);
	return 0;
}

int qos_record_poll(struct qos_record *record,
		    int (*handle)(void *data, const struct qos_record_burst *burst), void *data)
{
	int r;

	record->handle = handle;
	record->data = data;
	r = ring_buffer__consume(record->ring);
	return r < 0 ? r : 0;
}

int qos_record_threads(const struct qos_record *record,
		       int (*visit)(void *data, pid_t tid, const struct qos_record_thread *thread),
		       void *data)
{
	int fd = bpf_map__fd(record->skeleton->maps.threads);
	struct qos_record_thread thread;
	uint32_t key, *last = NULL;
	int r;

	while (bpf_map_get_next_key(fd, last, &key) == 0) {
		last = &key;
		if (bpf_map_lookup_elem(fd, &key, &thread) < 0)
			continue;
		r = visit(data, (pid_t)key, &thread);
		if (r)
			return r;
	}
	return 0;
}

void qos_record_counters(const struct qos_record *record, struct qos_record_counters *ret)
{
	*ret = record->skeleton->bss->counters;
}
