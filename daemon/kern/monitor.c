/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads bpf/monitor_task.bpf.c and keeps its streams. Events are in monitor_rings.c, threads in
 * monitor_threads.c, user probes in monitor_probes.c.
 *
 * libbpf reports by a callback without user data that the whole process shares. So its words are
 * kept in one static buffer while the programs load, and are dropped at all other times: libraries
 * never log. Weakness: two monitors that load at once, in two threads, would mix their words.
 */
#include "kern/monitor.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "kern/map.h"
#include "kern/monitor_parts.h"
#include "kern/probe.h"
#include "kern/proc.h"
#include "monitor_task.skel.h"
#include "util/file.h"

#define PERIOD_MIN_NS	 1000ULL
#define PERIOD_MAX_NS	 (1ULL << 60)
#define MILLIHERTZ_TO_NS 1000000000000ULL
#define LIBBPF_WORDS_MAX 256

static char libbpf_words[LIBBPF_WORDS_MAX];

/* Keeps the last line that says something: the verifier's last word, not its statistics. */
static void keep_last_line(const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		bool dull = !len || !strncmp(text, "processed ", 10) || !strncmp(text, "-- ", 3) ||
			    strstr(text, "failed to load object") == text;

		if (!dull)
			snprintf(libbpf_words, sizeof(libbpf_words), "%.*s", (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static int keep_words(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL;

	if (level != LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	/* "... failed to load: -22" after the log only repeats the errno. */
	if (!strstr(text, "failed to load"))
		keep_last_line(text);
	free(text);
	return 0;
}

static int complain(struct qos_diag *diag, const char *call, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, -error);

	qos_diag_error(diag, NULL, "the monitor cannot start: %s: %s: %s%s%s", call,
		       strerror(-error), advice->cause, *libbpf_words ? "; the kernel says: " : "",
		       libbpf_words);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

/* Where these cannot be had (doctor says so), the slow loop sees at its next turn what was changed. */
static void prepare_drift(struct qos_monitor *monitor)
{
	struct monitor_task_bpf *skeleton = monitor->skeleton;
	struct bpf_program *const programs[] = {skeleton->progs.qos_set_policy,
						skeleton->progs.qos_set_affinity};

	monitor->drift = qos_probe_drift_loads();
	for (size_t i = 0; i < QOS_ARRAY_SIZE(programs); i++) {
		bpf_program__set_autoload(programs[i], monitor->drift == QOS_PRESENT);
		bpf_program__set_autoattach(programs[i], false);
	}
	skeleton->bss->own_tgid = (uint32_t)getpid();
}

static int hook(struct bpf_program *program, struct bpf_link **link)
{
	if (!*link)
		*link = bpf_program__attach(program);
	return *link ? 0 : -errno;
}

static void hook_drift(struct qos_monitor *monitor)
{
	struct monitor_task_bpf *skeleton = monitor->skeleton;
	int r;

	if (monitor->drift != QOS_PRESENT)
		return;
	r = hook(skeleton->progs.qos_set_policy, &skeleton->links.qos_set_policy);
	if (r == 0)
		r = hook(skeleton->progs.qos_set_affinity, &skeleton->links.qos_set_affinity);
	if (r == 0)
		return;
	bpf_link__destroy(TAKE_PTR(skeleton->links.qos_set_policy));
	monitor->drift = QOS_ABSENT;
}

enum qos_feature_state qos_monitor_drift(const struct qos_monitor *monitor)
{
	return monitor->drift;
}

static int load(struct qos_monitor *monitor, int stats_fd, struct qos_diag *diag)
{
	int r = 0;

	monitor->skeleton = monitor_task_bpf__open();
	if (!monitor->skeleton)
		return complain(diag, "bpf(PROG_LOAD)", -errno);
	bpf_program__set_autoattach(monitor->skeleton->progs.qos_sched_switch, false);
	bpf_program__set_autoattach(monitor->skeleton->progs.qos_sched_waking, false);
	bpf_program__set_autoattach(monitor->skeleton->progs.qos_guard, false);
	prepare_drift(monitor);
	if (stats_fd >= 0)
		r = bpf_map__reuse_fd(monitor->skeleton->maps.stats, stats_fd);
	if (r < 0)
		return complain(diag, "bpf(OBJ_GET_INFO)", r);
	r = monitor_task_bpf__load(monitor->skeleton);
	if (r < 0)
		return complain(diag, "bpf(PROG_LOAD)", r);
	hook_drift(monitor);
	r = monitor_task_bpf__attach(monitor->skeleton);
	if (r == 0)
		r = qos_monitor_hook(monitor);
	return r < 0 ? complain(diag, "bpf(LINK_CREATE)", r) : 0;
}

int qos_monitor_hook(struct qos_monitor *monitor)
{
	struct monitor_task_bpf *skeleton = monitor->skeleton;
	int r = hook(skeleton->progs.qos_sched_waking, &skeleton->links.qos_sched_waking);

	return r < 0 ? r
		     : hook(skeleton->progs.qos_sched_switch, &skeleton->links.qos_sched_switch);
}

void qos_monitor_rest(struct qos_monitor *monitor)
{
	struct monitor_task_bpf *skeleton = monitor->skeleton;

	if (monitor->threads.n)
		return;
	bpf_link__destroy(TAKE_PTR(skeleton->links.qos_sched_switch));
	bpf_link__destroy(TAKE_PTR(skeleton->links.qos_sched_waking));
}

/* What of [at, at + size) is whole pages. */
static void whole_pages(void **at, size_t *size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip = -(uintptr_t)*at % page;

	*at = (char *)*at + skip;
	*size = *size > skip ? (*size - skip) / page * page : 0;
}

/* The object that the programs were loaded from lies in our own image, and is not needed again. */
static void forget_object(const struct monitor_task_bpf *skeleton)
{
	void *at = (void *)skeleton->skeleton->data;
	size_t size = skeleton->skeleton->data_sz;

	whole_pages(&at, &size);
	madvise(at, size, MADV_DONTNEED);
}

/* Pages of a map are resident as soon as they are mapped, and these are many and nobody's until a
 * contract has rules. Their place is kept. */
static int hide_tables(const struct monitor_task_bpf *skeleton)
{
	void *at = &skeleton->bss->tables;
	size_t size = sizeof(skeleton->bss->tables);

	whole_pages(&at, &size);
	at = mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return at == MAP_FAILED ? -errno : 0;
}

int qos_monitor_map_tables(const struct qos_monitor *monitor)
{
	const struct monitor_task_bpf *skeleton = monitor->skeleton;
	void *at = &skeleton->bss->tables;
	size_t size = sizeof(skeleton->bss->tables);

	whole_pages(&at, &size);
	at = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  bpf_map__fd(skeleton->maps.bss), (char *)at - (char *)skeleton->bss);
	return at == MAP_FAILED ? -errno : 0;
}

static int start(struct qos_monitor *monitor, int stats_fd, struct qos_diag *diag)
{
	struct monitor_task_bpf *skeleton;
	int r = load(monitor, stats_fd, diag);

	if (r < 0)
		return r;
	skeleton = monitor->skeleton;
	monitor->tasks_fd = bpf_map__fd(skeleton->maps.tasks);
	monitor->task_clock_fd = bpf_program__fd(skeleton->progs.qos_task_clock);
	monitor->prefilter = skeleton->bss->prefilter;
	monitor->probe_programs[0][0] = skeleton->progs.qos_uprobe_begin;
	monitor->probe_programs[0][1] = skeleton->progs.qos_uprobe_end;
	monitor->probe_programs[1][0] = skeleton->progs.qos_usdt_begin;
	monitor->probe_programs[1][1] = skeleton->progs.qos_usdt_end;
	r = qos_monitor_rings_new(monitor, bpf_map__fd(skeleton->maps.events),
				  bpf_map__fd(skeleton->maps.urgent));
	if (r == 0)
		r = hide_tables(skeleton);
	return r < 0 ? complain(diag, "mmap(ring buffer)", r) : 0;
}

int qos_monitor_new(int stats_fd, struct qos_diag *diag, struct qos_monitor **ret)
{
	_cleanup_monitor_ struct qos_monitor *monitor = calloc(1, sizeof(*monitor));
	libbpf_print_fn_t printer;
	int r;

	if (!monitor)
		return -ENOMEM;
	monitor->epoll_fd = monitor->pause_fd = -1;
	monitor->sharers = calloc(QOS_PREFILTER_BITS, sizeof(*monitor->sharers));
	if (!monitor->sharers)
		return -ENOMEM;
	*libbpf_words = '\0';
	printer = libbpf_set_print(keep_words);
	r = start(monitor, stats_fd, diag);
	libbpf_set_print(NULL);
	/* The kernel's BTF was read, 10 MB and more, and is not needed again. */
	malloc_trim(0);
	if (r < 0) {
		libbpf_set_print(printer);
		return r;
	}
	forget_object(monitor->skeleton);
	*ret = TAKE_PTR(monitor);
	return 0;
}

void qos_monitor_free(struct qos_monitor *monitor)
{
	if (!monitor)
		return;
	qos_monitor_threads_free(monitor);
	qos_monitor_probes_free(monitor);
	qos_monitor_rings_free(monitor);
	monitor_task_bpf__destroy(monitor->skeleton);
	free(monitor->sharers);
	free(monitor);
}

static bool is_valid(const struct qos_stream_config *config)
{
	return config->period_ns >= PERIOD_MIN_NS && config->period_ns <= PERIOD_MAX_NS &&
	       config->deadline_ns && config->deadline_ns <= config->period_ns &&
	       config->runtime_ns && config->runtime_ns <= config->deadline_ns &&
	       config->window_x <= config->window_y && config->job <= QOS_ABI_JOB_PROBES &&
	       (config->budget_ns || !(config->flags & QOS_STREAM_WATCH_BUDGET));
}

int qos_monitor_stream_set(struct qos_monitor *monitor, uint32_t id,
			   const struct qos_stream_config *config)
{
	static const struct qos_stream_stats zero;
	struct qos_stream_config mine = *config, old = {};
	int stats_fd = bpf_map__fd(monitor->skeleton->maps.stats);
	int streams_fd = bpf_map__fd(monitor->skeleton->maps.streams), r;

	qos_monitor_stream_config(monitor, id, &old);
	mine.hooks = old.hooks;

	if (mine.period_mhz)
		mine.period_ns = MILLIHERTZ_TO_NS / mine.period_mhz;
	mine.period_rem = mine.period_mhz ? MILLIHERTZ_TO_NS % mine.period_mhz : 0;
	if (!is_valid(&mine))
		return -EINVAL;
	/* The statistics first: a program needs both, and a thread may be attached already. */
	r = qos_map_set(stats_fd, &id, &zero, BPF_NOEXIST);
	if (r < 0 && r != -EEXIST)
		return r;
	return qos_map_set(streams_fd, &id, &mine, BPF_ANY);
}

int qos_monitor_stream_config(struct qos_monitor *monitor, uint32_t id,
			      struct qos_stream_config *ret)
{
	int fd = bpf_map__fd(monitor->skeleton->maps.streams);

	return bpf_map_lookup_elem(fd, &id, ret) < 0 ? -errno : 0;
}

int qos_monitor_stream_hooks(struct qos_monitor *monitor, uint32_t id,
			     const struct qos_stream_hooks *hooks)
{
	int fd = bpf_map__fd(monitor->skeleton->maps.streams);
	struct qos_stream_config config;
	int r = qos_monitor_stream_config(monitor, id, &config);

	if (r < 0)
		return r;
	config.hooks = *hooks;
	return qos_map_set(fd, &id, &config, BPF_EXIST);
}

int qos_monitor_stream_remove(struct qos_monitor *monitor, uint32_t id)
{
	int r;

	qos_monitor_probes_remove(monitor, id);
	r = bpf_map_delete_elem(bpf_map__fd(monitor->skeleton->maps.streams), &id) < 0 ? -errno : 0;
	bpf_map_delete_elem(bpf_map__fd(monitor->skeleton->maps.stats), &id);
	return r;
}

int qos_monitor_stream_read(struct qos_monitor *monitor, uint32_t id, struct qos_stream_stats *ret)
{
	struct qos_stream_stats stats;

	if (bpf_map_lookup_elem(bpf_map__fd(monitor->skeleton->maps.stats), &id, &stats) < 0)
		return -errno;
	*ret = stats;
	return 0;
}

int qos_monitor_watch(struct qos_monitor *monitor, pid_t tgid)
{
	static const uint8_t one = 1;
	uint32_t key = (uint32_t)tgid;

	return qos_map_set(bpf_map__fd(monitor->skeleton->maps.watched), &key, &one, BPF_ANY);
}

int qos_monitor_unwatch(struct qos_monitor *monitor, pid_t tgid)
{
	uint32_t key = tgid;

	return bpf_map_delete_elem(bpf_map__fd(monitor->skeleton->maps.watched), &key) < 0 ? -errno
											   : 0;
}

void qos_monitor_forget_gone(struct qos_monitor *monitor)
{
	int fd = bpf_map__fd(monitor->skeleton->maps.watched);
	uint32_t key, next;
	pid_t tgid;
	int r = bpf_map_get_next_key(fd, NULL, &next);

	while (r == 0) {
		key = next;
		/* The next one first: after a key that is not there the walk would begin anew. */
		r = bpf_map_get_next_key(fd, &key, &next);
		if (qos_proc_tgid((pid_t)key, &tgid) == -ESRCH)
			bpf_map_delete_elem(fd, &key);
	}
}

void qos_monitor_watch_flags(struct qos_monitor *monitor, uint32_t flags)
{
	__atomic_store_n(&monitor->skeleton->bss->watch_flags, flags, __ATOMIC_RELAXED);
}

uint64_t qos_monitor_ring_full(const struct qos_monitor *monitor)
{
	return __atomic_load_n(&monitor->skeleton->bss->counters.ring_full, __ATOMIC_RELAXED);
}

void qos_monitor_chain_parts(const struct qos_monitor *monitor, struct qos_chain_parts *ret)
{
	const struct monitor_task_bpf *skeleton = monitor->skeleton;

	*ret = (struct qos_chain_parts){
		.tables = &monitor->skeleton->bss->tables,
		.extensions_fd = bpf_map__fd(skeleton->maps.extensions),
		.extensions_raw_fd = bpf_map__fd(skeleton->maps.extensions_raw),
		.frame_fd = bpf_map__fd(skeleton->maps.frame),
		.frame_raw_fd = bpf_map__fd(skeleton->maps.frame_raw),
		.guard_fd = bpf_map__fd(skeleton->maps.guard),
		.guard_raw_fd = bpf_map__fd(skeleton->maps.guard_raw),
		.keys_fd = bpf_map__fd(skeleton->maps.keys),
		.changes_fd = bpf_map__fd(skeleton->maps.changes),
		.switch_program_fd = bpf_program__fd(skeleton->progs.qos_sched_switch),
		.raise_program_fd = bpf_program__fd(skeleton->progs.qos_raise_raw),
	};
}

void qos_monitor_counters(const struct qos_monitor *monitor, struct qos_monitor_counters *ret)
{
	*ret = monitor->skeleton->bss->counters;
}

uint64_t qos_monitor_memory(const struct qos_monitor *monitor)
{
	uint64_t bytes = 0;
	struct bpf_map *map;

	bpf_object__for_each_map(map, monitor->skeleton->obj)
	{
		_cleanup_free_ char *text = NULL;
		const char *line;
		char path[48];
		size_t len;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", bpf_map__fd(map));
		if (qos_file_read(AT_FDCWD, path, 4096, &text, &len) < 0)
			continue;
		line = strstr(text, "memlock:");
		bytes += line ? strtoull(line + strlen("memlock:"), NULL, 10) : 0;
	}
	return bytes;
}

void qos_monitor_cost(struct qos_monitor *monitor, uint64_t *ret_runs, uint64_t *ret_ns)
{
	struct bpf_program *program;

	*ret_runs = *ret_ns = 0;
	bpf_object__for_each_program(program, monitor->skeleton->obj)
	{
		struct bpf_prog_info info = {};
		uint32_t size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
			continue;
		*ret_runs += info.run_cnt;
		*ret_ns += info.run_time_ns;
	}
}
