/* SPDX-License-Identifier: GPL-2.0-only */
/* The first stage of a reload: what is on disk, as drafts beside what rules. */
#include <errno.h>
#include <string.h>

#include "reload.h"
#include "state/store_list.h"

void qos_plan_reset(struct qos_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		qos_diag_reset(&plan->drafts[i].refusal);
	free(plan->drafts);
	qos_loaded_free(plan->loaded);
}

struct qos_live *qos_plan_find_file(const struct qos_supervisor *supervisor, const char *file)
{
	size_t lo = 0, hi = supervisor->n_lives;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strcmp(supervisor->lives[mid]->file, file);

		if (!order)
			return supervisor->lives[mid];
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static struct qos_contract *known_of(const void *data, const char *file, uint64_t *ret_fingerprint)
{
	const struct qos_live *live = qos_plan_find_file(data, file);

	*ret_fingerprint = live ? live->fingerprint : 0;
	return qos_in_force(live);
}

static int by_importance(const void *a, const void *b)
{
	const struct qos_draft *left = a, *right = b;
	const struct qos_contract *x = left->file->contract, *y = right->file->contract;

	if (!x || !y)
		return !x - !y;
	if (x->importance != y->importance)
		return x->importance < y->importance ? 1 : -1;
	return strcmp(x->name, y->name);
}

static bool is_in(const char *dir, const char *path)
{
	const char *name = strrchr(path, '/');

	return name && strlen(dir) == (size_t)(name - path) && !strncmp(dir, path, strlen(dir));
}

/* One that lies there, or NULL. */
static const struct qos_live *find_of(const struct qos_supervisor *supervisor, const char *dir)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (is_in(dir, supervisor->lives[i]->path))
			return supervisor->lives[i];
	}
	return NULL;
}

/* Whoever removes all contracts leaves the directory: one that is not there is not mounted, or has another name for a
 * moment. */
static int check_directories(const struct qos_supervisor *supervisor, struct qos_diag *diag)
{
	for (const char *const *dir = supervisor->options.contract_paths; *dir; dir++) {
		const struct qos_live *live = find_of(supervisor, *dir);
		struct qos_loc loc = {.file = *dir};

		if (!live || qos_store_is_there(*dir))
			continue;
		qos_diag_error(diag, &loc,
			       "the directory is gone, and %s with it; all goes on as it is",
			       live->file);
		qos_diag_hint(diag, "to remove its contracts make an empty one and reload");
		return -ENOENT;
	}
	return 0;
}

int qos_plan_read(struct qos_supervisor *supervisor, const struct qos_host *host,
		  const struct qos_store_extras *extras, struct qos_diag *diag,
		  struct qos_plan *plan)
{
	const struct qos_known known = {.of = known_of, .data = supervisor};
	int r;

	r = qos_load(supervisor->options.front, supervisor->options.contract_paths, extras, &known,
		     host, supervisor->options.trust, diag, &plan->loaded);
	if (r == 0)
		r = check_directories(supervisor, diag);
	if (r < 0)
		return r;
	plan->drafts = calloc(plan->loaded->n_files + 1, sizeof(*plan->drafts));
	if (!plan->drafts)
		return -ENOMEM;
	plan->n = plan->loaded->n_files;
	for (size_t i = 0; i < plan->n; i++) {
		plan->drafts[i].file = &plan->loaded->files[i];
		plan->drafts[i].valid = plan->loaded->files[i].contract;
		plan->drafts[i].old = qos_plan_find_file(supervisor, plan->loaded->files[i].file);
	}
	qsort(plan->drafts, plan->n, sizeof(*plan->drafts), by_importance);
	return 0;
}
