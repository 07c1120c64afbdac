/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two pinned maps: the monitor's own map of counters, and the names behind its numbers. The programs count where
 * the next daemon finds it, so a SIGKILL at any moment loses nothing that was counted, nothing has to be saved, and
 * nobody adds up what an older file says and a newer one. What the next daemon finds under the same names goes
 * on; what is of no stream in force after its first reload is forgotten.
 *
 * Weaknesses: what threads do while no daemon runs is not counted, and the window that was open is begun anew. A contract
 * that is refused, or waits, when a daemon starts has lost its counters when it comes into force later.
 */
#include "state/counters.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contract/contract.h"
#include "kern/map.h"
#include "qos_abi.h"
#include "state/pins.h"

/* Another layout may have the same size, so the version is part of the names. */
#define TEXT_(number) #number
#define TEXT(number)  TEXT_(number)
#define VERSION	      "_v" TEXT(QOS_ABI_VERSION)

struct name {
	char contract[QOS_CONTRACT_NAME_MAX + 1];
	char stream[QOS_CONTRACT_NAME_MAX + 1];
};

struct known {
	uint32_t number;
	struct name name;
};

struct qos_counters {
	int stats_fd;
	int names_fd;
	struct known *before; /* what the last daemon had, by name */
	size_t n;
	uint32_t last; /* the largest of its numbers */
};

/* --- the maps --- */

static bool is_ours(int fd, uint32_t value_size)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_MAP_TYPE_HASH &&
	       info.key_size == sizeof(uint32_t) && info.value_size == value_size &&
	       info.max_entries == QOS_STREAMS_MAX && info.map_flags == BPF_F_NO_PREALLOC;
}

static int create(const char *path, const char *name, uint32_t value_size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, name, sizeof(uint32_t),
						value_size, QOS_STREAMS_MAX, &opts);

	if (fd < 0)
		return -errno;
	unlink(path); /* what is there is not ours */
	return bpf_obj_pin(fd, path) < 0 ? -errno : TAKE_FD(fd);
}

/* The descriptor, or -errno. */
static int get_or_create(const char *dir, const char *pin, const char *name, uint32_t value_size)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&path, "%s/%s", dir, pin) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = bpf_obj_get(path);
	if (fd >= 0 && is_ours(fd, value_size))
		return TAKE_FD(fd);
	return create(path, name, value_size);
}

/* --- what the last daemon had --- */

static int by_name(const void *a, const void *b)
{
	const struct name *x = &((const struct known *)a)->name;
	const struct name *y = &((const struct known *)b)->name;
	int order = strcmp(x->contract, y->contract);

	return order ? order : strcmp(x->stream, y->stream);
}

static struct name name_of(const char *contract, const char *stream)
{
	struct name name = {};

	snprintf(name.contract, sizeof(name.contract), "%s", contract);
	snprintf(name.stream, sizeof(name.stream), "%s", stream);
	return name;
}

static int add_known(struct qos_counters *counters, uint32_t number)
{
	struct known *more = reallocarray(counters->before, counters->n + 1, sizeof(*more));
	struct known *one;

	if (!more)
		return -ENOMEM;
	counters->before = more;
	one = &more[counters->n];
	one->number = number;
	if (bpf_map_lookup_elem(counters->names_fd, &number, &one->name) < 0)
		return 0; /* counters without a name: forgotten with the rest */
	one->name.contract[QOS_CONTRACT_NAME_MAX] = '\0';
	one->name.stream[QOS_CONTRACT_NAME_MAX] = '\0';
	counters->n++;
	if (number > counters->last)
		counters->last = number;
	return 0;
}

static int read_names(struct qos_counters *counters)
{
	uint32_t key, next;
	int r = 0, more = bpf_map_get_next_key(counters->names_fd, NULL, &next);

	for (; r == 0 && more == 0; more = bpf_map_get_next_key(counters->names_fd, &key, &next)) {
		key = next;
		r = add_known(counters, key);
	}
	if (counters->n)
		qsort(counters->before, counters->n, sizeof(*counters->before), by_name);
	return r;
}

int qos_counters_open(const char *dir, struct qos_counters **ret)
{
	_cleanup_counters_ struct qos_counters *counters = calloc(1, sizeof(*counters));
	int r;

	if (!counters)
		return -ENOMEM;
	counters->stats_fd = counters->names_fd = -1;
	qos_pins_drop_others(dir, QOS_PINS_COUNTERS, VERSION);
	r = get_or_create(dir, QOS_PINS_COUNTERS "stats" VERSION, "qos_stats",
			  sizeof(struct qos_stream_stats));
	if (r < 0)
		return r;
	counters->stats_fd = r;
	r = get_or_create(dir, QOS_PINS_COUNTERS "names" VERSION, "qos_names", sizeof(struct name));
	if (r < 0)
		return r;
	counters->names_fd = r;
	r = read_names(counters);
	if (r == 0)
		*ret = TAKE_PTR(counters);
	return r;
}

void qos_counters_close(struct qos_counters *counters)
{
	if (!counters)
		return;
	qos_closep(&counters->stats_fd);
	qos_closep(&counters->names_fd);
	free(counters->before);
	free(counters);
}

int qos_counters_fd(const struct qos_counters *counters)
{
	return counters ? counters->stats_fd : -1;
}

uint32_t qos_counters_last(const struct qos_counters *counters)
{
	return counters ? counters->last : 0;
}

uint32_t qos_counters_find(const struct qos_counters *counters, const char *contract,
			   const char *stream)
{
	const struct known wanted = {.name = name_of(contract, stream)}, *found = NULL;

	if (counters && counters->n)
		found = bsearch(&wanted, counters->before, counters->n, sizeof(wanted), by_name);
	return found ? found->number : 0;
}

/* --- whose they are --- */

int qos_counters_note(struct qos_counters *counters, uint32_t number, const char *contract,
		      const char *stream)
{
	const struct name name = name_of(contract, stream);

	if (!counters)
		return 0;
	return qos_map_set(counters->names_fd, &number, &name, BPF_ANY);
}

void qos_counters_drop(struct qos_counters *counters, uint32_t number)
{
	if (counters)
		bpf_map_delete_elem(counters->names_fd, &number);
}

/* A walk may begin anew behind a key that is deleted, so the next one is asked for before. */
static void keep_in(int fd, bool (*is_known)(const void *data, uint32_t number), const void *data)
{
	uint32_t key, next;
	int more = bpf_map_get_next_key(fd, NULL, &next);

	while (more == 0) {
		key = next;
		more = bpf_map_get_next_key(fd, &key, &next);
		if (!is_known(data, key))
			bpf_map_delete_elem(fd, &key);
	}
}

void qos_counters_keep(struct qos_counters *counters,
		       bool (*is_known)(const void *data, uint32_t number), const void *data)
{
	if (!counters)
		return;
	keep_in(counters->names_fd, is_known, data);
	keep_in(counters->stats_fd, is_known, data);
	free(counters->before);
	counters->before = NULL;
	counters->n = 0;
}
