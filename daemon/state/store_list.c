/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rule of all .d directories: every layer is listed, then sorted by name with the last layer
 * winning. Listing first and sorting once keeps 10,000 files at n log n.
 *
 * Names that editors and package managers leave behind (x.yaml~, x.yaml.dpkg-new, x.yaml.rpmsave)
 * do not end in .yaml, so the suffix alone keeps them out.
 */
#include "state/store_list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/text.h"

char *qos_store_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	char *path;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return asprintf(&path, "%.*s%s%s", (int)len, dir, dir[len - 1] == '/' ? "" : "/", name) < 0
		       ? NULL
		       : path;
}

bool qos_store_has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len > tail && strcmp(name + len - tail, suffix) == 0;
}

void qos_store_list_reset(struct qos_store_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->names[i].name);
		free(list->names[i].path);
	}
	free(list->names);
	list->names = NULL;
	list->n = 0;
}

/* Doubles at powers of two, so that 10,000 names are not moved 10,000 times. */
static int reserve(struct qos_store_list *list)
{
	struct qos_store_name *wider;

	if (list->n == list->max)
		return -E2BIG;
	if (list->n & (list->n - 1) || list->n == 1)
		return 0;
	wider = reallocarray(list->names, list->n ? list->n * 2 : 2, sizeof(*wider));
	if (!wider)
		return -ENOMEM;
	list->names = wider;
	return 0;
}

/* Takes the path over. */
static int take(struct qos_store_list *list, const char *name, char *path, bool unsafe)
{
	struct qos_store_name item = {
		.name = strdup(name), .path = path, .unsafe = unsafe, .seq = list->n};
	int r = item.name && path ? reserve(list) : -ENOMEM;

	if (r < 0) {
		free(item.name);
		free(item.path);
		return r;
	}
	list->names[list->n++] = item;
	return 0;
}

int qos_store_list_put(struct qos_store_list *list, const char *name, const char *path)
{
	return take(list, name, strdup(path), false);
}

static int refuse(struct qos_diag *diag, const char *dir, int error)
{
	struct qos_loc loc = {.file = dir};

	if (error == ENOENT)
		return 0;
	qos_diag_error(diag, &loc, "the directory cannot be read: %s", strerror(error));
	if (error == ENOTDIR)
		qos_diag_hint(diag, "only NAME.yaml.d directories hold overlays");
	else if (error == EACCES || error == EPERM)
		qos_diag_hint(diag, "run as a user who may read it");
	return -error;
}

/* A directory that was read in part must not pass for the whole. */
static int refuse_unless_done(struct qos_diag *diag, const char *dir, int error)
{
	return error ? refuse(diag, dir, error) : 0;
}

static bool is_utf8(const char *name)
{
	const unsigned char *at = (const unsigned char *)name;
	uint32_t code;
	size_t n;

	for (; *at; at += n) {
		n = qos_text_decode(at, &code);
		if (!n)
			return false;
	}
	return true;
}

/* JSON has no words for it, so nothing could tell what became of such a contract. */
static void warn_of_letters(struct qos_diag *diag, const char *dir, const char *name)
{
	struct qos_loc loc = {.file = dir};

	qos_diag_warning(diag, &loc, "%s is not read: its name is no UTF-8", name);
	qos_diag_hint(diag, "rename it; ls -b shows its letters");
}

static void warn_of_yml(struct qos_diag *diag, const char *dir, const char *name)
{
	_cleanup_free_ char *path = qos_store_join(dir, name);
	struct qos_loc loc = {.file = path};

	qos_diag_warning(diag, &loc, "not read: the name of a contract ends in .yaml");
	qos_diag_hint(diag, "rename it to %.*s.yaml", (int)strlen(name) - 4, name);
}

int qos_store_list_add(struct qos_store_list *list, const char *dir, const char *suffix,
		       struct qos_diag *diag)
{
	_cleanup_closedir_ DIR *stream = opendir(dir);
	const struct dirent *entry;
	struct stat st;
	bool unsafe;
	int r = 0;

	if (!stream)
		return refuse(diag, dir, errno);
	unsafe = fstat(dirfd(stream), &st) < 0 || st.st_uid != 0 || st.st_mode & 022;
	while (r == 0) {
		errno = 0;
		entry = readdir(stream);
		if (!entry)
			return refuse_unless_done(diag, dir, errno);
		if (entry->d_name[0] == '.')
			continue;
		if (!is_utf8(entry->d_name))
			warn_of_letters(diag, dir, entry->d_name);
		else if (qos_store_has_suffix(entry->d_name, suffix))
			r = take(list, entry->d_name, qos_store_join(dir, entry->d_name), unsafe);
		else if (qos_store_has_suffix(entry->d_name, ".yml"))
			warn_of_yml(diag, dir, entry->d_name);
	}
	return r;
}

bool qos_store_is_there(const char *dir)
{
	return access(dir, F_OK) == 0 || errno != ENOENT;
}

static int by_name(const void *a, const void *b)
{
	const struct qos_store_name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

void qos_store_list_settle(struct qos_store_list *list)
{
	size_t kept = 0;

	if (!list->n)
		return;
	qsort(list->names, list->n, sizeof(*list->names), by_name);
	for (size_t i = 0; i < list->n; i++) {
		if (i + 1 < list->n && strcmp(list->names[i].name, list->names[i + 1].name) == 0) {
			free(list->names[i].name);
			free(list->names[i].path);
			continue;
		}
		list->names[kept++] = list->names[i];
	}
	list->n = kept;
}

static int compare_key(const void *key, const void *item)
{
	return strcmp(key, ((const struct qos_store_name *)item)->name);
}

const struct qos_store_name *qos_store_list_find(const struct qos_store_list *list,
						 const char *name)
{
	return list->n ? bsearch(name, list->names, list->n, sizeof(*list->names), compare_key)
		       : NULL;
}
