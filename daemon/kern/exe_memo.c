/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By a hash of the path. Of two paths with one hash only the first is remembered, and where memory is
 * short none is: they are looked up each time.
 */
#include "kern/exe_memo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern/proc.h"
#include "util/table.h"

struct resolved {
	bool found;
	uint64_t dev;
	uint64_t ino;
	char path[];
};

struct qos_exe_memo {
	struct qos_table paths; /* of struct resolved, by hash_of() */
};

int qos_exe_memo_new(struct qos_exe_memo **ret)
{
	struct qos_exe_memo *memo = calloc(1, sizeof(*memo));

	if (!memo)
		return -ENOMEM;
	*ret = memo;
	return 0;
}

void qos_exe_memo_free(struct qos_exe_memo *memo)
{
	size_t pos = 0;
	void *resolved;

	if (!memo)
		return;
	while ((resolved = qos_table_next(&memo->paths, &pos)))
		free(resolved);
	qos_table_reset(&memo->paths);
	free(memo);
}

/* FNV-1a. */
static uint32_t hash_of(const char *path)
{
	uint32_t hash = 2166136261U;

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * 16777619U;
	return hash;
}

static struct resolved *remember(struct qos_exe_memo *memo, uint32_t hash, const char *path)
{
	_cleanup_free_ struct resolved *resolved = calloc(1, sizeof(*resolved) + strlen(path) + 1);

	if (!resolved)
		return NULL;
	strcpy(resolved->path, path);
	resolved->found = qos_proc_resolve_exe(NULL, path, &resolved->dev, &resolved->ino);
	if (qos_table_set(&memo->paths, hash, resolved) < 0)
		return NULL;
	return TAKE_PTR(resolved);
}

bool qos_exe_memo_resolve(void *data, const char *path, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct qos_exe_memo *memo = data;
	uint32_t hash = hash_of(path);
	const struct resolved *resolved = memo ? qos_table_get(&memo->paths, hash) : NULL;

	if (memo && !resolved)
		resolved = remember(memo, hash, path);
	if (!resolved || strcmp(resolved->path, path))
		return qos_proc_resolve_exe(NULL, path, ret_dev, ret_ino);
	*ret_dev = resolved->dev;
	*ret_ino = resolved->ino;
	return resolved->found;
}

bool qos_exe_memo_holds(const struct qos_exe_memo *memo)
{
	const struct resolved *resolved;
	size_t pos = 0;

	while ((resolved = qos_table_next(&memo->paths, &pos))) {
		uint64_t dev = 0, ino = 0;
		bool found = qos_proc_resolve_exe(NULL, resolved->path, &dev, &ino);

		if (found != resolved->found || dev != resolved->dev || ino != resolved->ino)
			return false;
	}
	return true;
}
