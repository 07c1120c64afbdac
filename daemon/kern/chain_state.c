/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State of rules: a map for each contract with a value a thread, and beside it one that says whose they are.
 * Both are pinned under the contract's name, so that a daemon that starts after a kill goes on with them:
 * the maps if the rules have the same shape (the map's name carries it), a value if it is the same
 * thread, told by its start time. Other values are zeroed before they are given to a thread.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kern/chain_parts.h"
#include "kern/map.h"
#include "kern/monitor.h"
#include "kern/proc.h"

/* Value of the map `owner-...`, by key; all zeroes: nobody. */
struct owner {
	uint64_t start_time;
	uint32_t tid;
	uint32_t pad;
};

static char *pin_path(const struct qos_chain *chain, const char *kind, const char *name)
{
	char *path = NULL;

	if (!chain->pin_dir || !name || asprintf(&path, "%s/%s-%s", chain->pin_dir, kind, name) < 0)
		return NULL;
	return path;
}

static void map_name(char name[static BPF_OBJ_NAME_LEN], uint32_t shape)
{
	snprintf(name, BPF_OBJ_NAME_LEN, "qos_%08x", shape);
}

/* The pinned map if it is such a one, else -1. */
static int adopt(const char *path, const char *name, size_t value_size, size_t n, uint32_t flags)
{
	struct bpf_map_info info = {};
	uint32_t size = sizeof(info);
	_cleanup_close_ int fd = -1;

	fd = path ? bpf_obj_get(path) : -1;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.type != BPF_MAP_TYPE_ARRAY || info.key_size != sizeof(uint32_t) ||
	    info.value_size != value_size || info.max_entries != n || info.map_flags != flags ||
	    strcmp(info.name, name))
		return -1;
	return TAKE_FD(fd);
}

/* Not to be pinned costs the state at a restart, nothing else. */
static int make(const char *path, const char *name, size_t value_size, size_t n, uint32_t flags)
{
	struct bpf_map_create_opts opts = {.sz = sizeof(opts), .map_flags = flags};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(uint32_t), (uint32_t)value_size,
				(uint32_t)n, &opts);

	if (fd < 0)
		return -errno;
	if (path) {
		unlink(path);
		bpf_obj_pin(fd, path);
	}
	return fd;
}

/* Both or none are adopted. */
static int open_maps(struct qos_chain_entry *entry, const struct qos_chain_contract *plan,
		     const char *state_path, const char *owner_path)
{
	size_t size = plan->n_state * sizeof(uint64_t), n = plan->n_keys + 1;
	uint32_t flags = plan->mappable ? BPF_F_MMAPABLE : 0;
	char name[BPF_OBJ_NAME_LEN];

	map_name(name, plan->shape);
	entry->state_fd = adopt(state_path, name, size, n, flags);
	entry->owner_fd = adopt(owner_path, name, sizeof(struct owner), n, 0);
	if (entry->state_fd >= 0 && entry->owner_fd >= 0)
		return 0;
	qos_closep(&entry->state_fd);
	qos_closep(&entry->owner_fd);
	entry->owner_fd = -1;
	entry->state_fd = make(state_path, name, size, n, flags);
	if (entry->state_fd >= 0)
		entry->owner_fd = make(owner_path, name, sizeof(struct owner), n, 0);
	return entry->state_fd < 0 ? entry->state_fd : entry->owner_fd < 0 ? entry->owner_fd : 0;
}

/* Pins belong to the newest entry of a name. */
static void take_name(struct qos_chain *chain, struct qos_chain_entry *entry, const char *name)
{
	for (size_t i = 0; i < QOS_GUARD_CONTRACTS; i++) {
		struct qos_chain_entry *other = &chain->entries[i];

		if (other != entry && other->name && !strcmp(other->name, name))
			free(TAKE_PTR(other->name));
	}
}

int qos_chain_state_new(struct qos_chain *chain, struct qos_chain_entry *entry,
			const struct qos_chain_contract *plan)
{
	_cleanup_free_ char *state_path = pin_path(chain, "state", plan->name);
	_cleanup_free_ char *owner_path = pin_path(chain, "owner", plan->name);
	int r = 0;

	*entry = (struct qos_chain_entry){.state_fd = -1,
					  .owner_fd = -1,
					  .ring_fd = -1,
					  .n_state = plan->n_state,
					  .n_keys = plan->n_keys};
	entry->keys = calloc(plan->n_keys + 1, 1);
	if (plan->name && state_path)
		entry->name = strdup(plan->name);
	if (!entry->keys || (plan->name && state_path && !entry->name))
		r = -ENOMEM;
	if (r == 0 && entry->name)
		take_name(chain, entry, entry->name);
	if (r == 0 && plan->n_state)
		r = open_maps(entry, plan, state_path, owner_path);
	if (r < 0)
		qos_chain_entry_reset(chain, entry);
	return r;
}

static void unpin(const struct qos_chain *chain, const char *kind, const char *name)
{
	_cleanup_free_ char *path = pin_path(chain, kind, name);

	if (path)
		unlink(path);
}

void qos_chain_entry_reset(struct qos_chain *chain, struct qos_chain_entry *entry)
{
	if (entry->name) {
		unpin(chain, "state", entry->name);
		unpin(chain, "owner", entry->name);
	}
	qos_closep(&entry->state_fd);
	qos_closep(&entry->owner_fd);
	qos_closep(&entry->ring_fd);
	free(entry->name);
	free(entry->keys);
	free(entry->slots);
	*entry = (struct qos_chain_entry){.state_fd = -1, .owner_fd = -1, .ring_fd = -1};
}

/* --- keys --- */

static bool is_owner(const struct qos_chain_entry *entry, uint32_t key, const struct owner *wanted)
{
	struct owner owner;

	return entry->owner_fd >= 0 && bpf_map_lookup_elem(entry->owner_fd, &key, &owner) == 0 &&
	       !memcmp(&owner, wanted, sizeof(owner));
}

/* A value that nobody had, for a thread that had none; who reads the map sees it zeroed first. */
static int give(const struct qos_chain_entry *entry, uint32_t key, const struct owner *owner)
{
	_cleanup_free_ uint64_t *zero = calloc(entry->n_state + 1, sizeof(*zero));

	if (!zero)
		return -ENOMEM;
	if (entry->state_fd < 0)
		return 0;
	if (bpf_map_update_elem(entry->state_fd, &key, zero, BPF_ANY) < 0 ||
	    bpf_map_update_elem(entry->owner_fd, &key, owner, BPF_ANY) < 0)
		return -errno;
	return 0;
}

/* The key that the thread had under an earlier daemon, else the one that it has now, else one that nobody
 * has. Those that others may still come back for are given last. */
static uint32_t find_key(const struct qos_chain_entry *entry, const struct owner *owner,
			 uint32_t now, bool *ret_is_own)
{
	const struct owner nobody = {};
	uint32_t fresh = 0, any = 0;

	*ret_is_own = false;
	for (uint32_t i = 1; i <= entry->n_keys; i++) {
		if (entry->keys[i])
			continue;
		*ret_is_own = is_owner(entry, i, owner);
		if (*ret_is_own)
			return i;
		if (!fresh && is_owner(entry, i, &nobody))
			fresh = i;
		any = any ? any : i;
	}
	if (now && now <= entry->n_keys && !entry->keys[now])
		return now;
	return fresh ? fresh : any;
}

static int put_key(const struct qos_chain *chain, pid_t tid, const struct qos_chain_thread *thread,
		   uint64_t late_of_ns)
{
	const struct qos_thread_key value = {
		.key = thread->key, .contract = thread->number, .late_of_ns = late_of_ns};

	return qos_map_set(chain->parts.keys_fd, &tid, &value, BPF_ANY);
}

bool qos_chain_late(struct qos_chain *chain, pid_t tid, uint64_t release_ns)
{
	const struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);

	return thread && put_key(chain, tid, thread, release_ns) == 0;
}

int qos_chain_thread(struct qos_chain *chain, uint32_t number, pid_t tid)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);
	uint32_t key, before = thread ? thread->key : 0;
	struct owner owner = {.tid = (uint32_t)tid};
	bool is_own;
	int r;

	if (!entry)
		return -ENOENT;
	if (thread && thread->number == number)
		return 0;
	qos_chain_thread_gone(chain, tid);
	r = qos_proc_start_time(tid, &owner.start_time);
	if (r < 0)
		return r;
	key = find_key(entry, &owner, before, &is_own);
	if (!key)
		return -ENOSPC;
	r = is_own ? 0 : give(entry, key, &owner);
	if (r < 0)
		return r;
	thread = malloc(sizeof(*thread));
	if (!thread || qos_table_set(&chain->threads, (uint32_t)tid, thread) < 0) {
		free(thread);
		return -ENOMEM;
	}
	*thread = (struct qos_chain_thread){.tid = tid, .number = number, .key = key};
	entry->keys[key] = 1;
	r = put_key(chain, tid, thread, 0);
	if (r < 0)
		qos_chain_thread_gone(chain, tid);
	return r;
}

void qos_chain_thread_gone(struct qos_chain *chain, pid_t tid)
{
	struct qos_chain_thread *thread = qos_table_remove(&chain->threads, (uint32_t)tid);
	struct qos_chain_entry *entry;
	uint32_t map_key = (uint32_t)tid;

	if (!thread)
		return;
	bpf_map_delete_elem(chain->parts.keys_fd, &map_key);
	entry = qos_chain_entry(chain, thread->number);
	if (entry)
		entry->keys[thread->key] = 0;
	free(thread);
}

uint32_t qos_chain_key(struct qos_chain *chain, pid_t tid)
{
	const struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);

	return thread ? thread->key : 0;
}

/* --- words --- */

/* The map and the key of the thread's words, or -ENOENT. */
static int find_words(struct qos_chain *chain, uint32_t number, pid_t tid, uint32_t *ret_key)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	const struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);

	if (!entry || entry->state_fd < 0 || (tid && (!thread || thread->number != number)))
		return -ENOENT;
	*ret_key = tid ? thread->key : 0;
	return entry->state_fd;
}

int qos_chain_state_read(struct qos_chain *chain, uint32_t number, pid_t tid, uint64_t *words)
{
	uint32_t key;
	int fd = find_words(chain, number, tid, &key);

	if (fd < 0)
		return fd;
	return bpf_map_lookup_elem(fd, &key, words) < 0 ? -errno : 0;
}

int qos_chain_state_write(struct qos_chain *chain, uint32_t number, pid_t tid,
			  const uint64_t *words)
{
	uint32_t key;
	int fd = find_words(chain, number, tid, &key);

	if (fd < 0)
		return fd;
	return bpf_map_update_elem(fd, &key, words, BPF_ANY) < 0 ? -errno : 0;
}
