/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contract files, read whole and judged by nobody here. Each is opened as a path first (O_PATH),
 * which neither blocks on a FIFO nor wakes a device; only when it turns out to be a regular file of
 * a fit size is that very file opened for reading. So owner and mode are those of the bytes that
 * are used, whatever happens to the name meanwhile, and links are followed on purpose: enabling a
 * policy is a link into /usr/share.
 *
 * Weakness: the directories above the last one are not checked; whoever can write there has the
 * machine anyway.
 */
#include "state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "contract/doc.h"
#include "contract/parse.h"
#include "state/store_list.h"
#include "util/file.h"

#define SUFFIX	       ".yaml"
#define OVERLAY_SUFFIX ".yaml.d"

const char *const qos_store_default_path[] = {
	"/usr/lib/qosd/contracts.d",
	"/run/qosd/contracts.d",
	"/etc/qosd/contracts.d",
	NULL,
};

/* While reading. */
struct reader {
	struct qos_store *store;
	struct qos_diag *diag;
	const struct qos_store_extras *extras; /* may be NULL */
	size_t bytes;			       /* of all texts so far */
};

static void entry_reset(struct qos_store_entry *entry)
{
	for (size_t i = 0; i < entry->n_texts; i++) {
		free(entry->texts[i].path);
		free(entry->texts[i].bytes);
	}
	free(entry->texts);
	free(entry->name);
}

void qos_store_free(struct qos_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->n_entries; i++)
		entry_reset(&store->entries[i]);
	free(store->entries);
	free(store);
}

/* --- one file --- */

static int complain(struct qos_diag *diag, const char *path, const char *text, const char *hint)
{
	struct qos_loc loc = {.file = path};

	qos_diag_error(diag, &loc, "%s", text);
	qos_diag_hint(diag, "%s", hint);
	return -EINVAL;
}

static int complain_errno(struct qos_diag *diag, const char *path, int error)
{
	switch (error) {
	case ENOENT:
		return complain(diag, path, "no such file, or a link to one that does not exist",
				"to mask a contract, link its name to /dev/null");
	case EACCES:
	case EPERM:
		return complain(diag, path, "the file may not be read",
				"run as a user who may read it");
	case ELOOP:
		return complain(diag, path, "the links lead in a circle", "remove the link");
	default:
		return complain(diag, path, strerror(error), "look at the file system");
	}
}

/* Type and size, before a byte is read. */
static int check_kind(struct reader *reader, const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return complain(reader->diag, path, "is a directory",
				"a contract is a file; overlays lie in NAME.yaml.d");
	if (!S_ISREG(st->st_mode))
		return complain(reader->diag, path, "is no regular file",
				"remove it; to mask a contract, link its name to /dev/null");
	if (st->st_size > QOS_DOC_BYTES_MAX)
		return complain(reader->diag, path, "is larger than 1 MiB",
				"a contract has a few dozen lines: this is something else");
	if (reader->bytes + (size_t)st->st_size > QOS_STORE_BYTES_MAX)
		return complain(reader->diag, path, "all contracts together are larger than 64 MiB",
				"remove what is not needed");
	return 0;
}

static bool is_dev_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* fd is a path only; through its link in /proc the very same file is opened for reading. */
static int read_bytes(int fd, struct reader *reader, struct qos_store_text *text)
{
	char link[64];
	int r;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = qos_file_read(AT_FDCWD, link, QOS_DOC_BYTES_MAX, &text->bytes, &text->len);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return complain_errno(reader->diag, text->path, -r);
	reader->bytes += text->len;
	return 0;
}

/* Outcomes of read_text beside 0, -EINVAL (said in diag) and -ENOMEM. */
#define E_MASKED 1

static const struct qos_store_extra *find_extra(const struct reader *reader, const char *path)
{
	for (size_t i = 0; reader->extras && i < reader->extras->n; i++) {
		if (!strcmp(reader->extras->items[i].path, path))
			return &reader->extras->items[i];
	}
	return NULL;
}

static int copy_extra(const struct qos_store_extra *extra, struct qos_store_text *text)
{
	text->bytes = malloc(extra->len + 1);
	if (!text->bytes)
		return -ENOMEM;
	memcpy(text->bytes, extra->bytes, extra->len);
	text->bytes[extra->len] = '\0';
	text->len = extra->len;
	return 0;
}

static int read_text(struct reader *reader, struct qos_store_text *text, bool *unsafe)
{
	const struct qos_store_extra *extra = find_extra(reader, text->path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (extra)
		return copy_extra(extra, text);
	fd = open(text->path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return complain_errno(reader->diag, text->path, errno);
	if (is_dev_null(&st))
		return E_MASKED;
	r = check_kind(reader, text->path, &st);
	if (r < 0)
		return r;
	*unsafe |= st.st_uid != 0 || st.st_mode & 022;
	return read_bytes(fd, reader, text);
}

/* --- one contract --- */

/* A masked text is dropped again; one that cannot be read stays as a path without bytes. */
static int add_text(struct reader *reader, struct qos_store_entry *entry, const char *path)
{
	struct qos_store_text *wider, *text;
	int r;

	wider = reallocarray(entry->texts, entry->n_texts + 1, sizeof(*wider));
	if (!wider)
		return -ENOMEM;
	entry->texts = wider;
	text = &wider[entry->n_texts];
	*text = (struct qos_store_text){.path = strdup(path)};
	if (!text->path)
		return -ENOMEM;
	r = read_text(reader, text, &entry->unsafe);
	if (r == E_MASKED) {
		free(text->path);
		return r;
	}
	entry->n_texts++;
	if (r == -EINVAL)
		entry->unreadable = true;
	return r == -EINVAL ? 0 : r;
}

static int add_overlays(struct reader *reader, struct qos_store_entry *entry,
			const char *const *paths)
{
	_cleanup_store_list_ struct qos_store_list list = {.max = QOS_STORE_OVERLAYS_MAX};
	_cleanup_free_ char *name = NULL;
	int r = 0;

	if (asprintf(&name, "%s.d", entry->name) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; r >= 0 && paths[i]; i++) {
		_cleanup_free_ char *dir = qos_store_join(paths[i], name);

		r = dir ? qos_store_list_add(&list, dir, SUFFIX, reader->diag) : -ENOMEM;
	}
	if (r < 0 && r != -ENOMEM) {
		entry->unreadable = true;
		if (r == -E2BIG)
			complain(reader->diag, entry->texts[0].path, "has more than 64 overlays",
				 "merge some of them");
		else
			complain(reader->diag, entry->texts[0].path, "its overlays cannot be read",
				 "without them it may say something else, so it is not used");
		return 0;
	}
	qos_store_list_settle(&list);
	for (size_t i = 0; r >= 0 && i < list.n; i++) {
		entry->unsafe |= list.names[i].unsafe;
		r = add_text(reader, entry, list.names[i].path);
	}
	return r < 0 ? r : 0;
}

/* `overlaid`: NULL-terminated directories with overlays, or NULL. */
static int add_entry(struct reader *reader, const char *name, const char *path, bool unsafe,
		     const char *const *overlaid)
{
	struct qos_store *store = reader->store;
	struct qos_store_entry *entry = &store->entries[store->n_entries];
	int r;

	*entry = (struct qos_store_entry){.unsafe = unsafe, .name = strdup(name)};
	if (!entry->name)
		return -ENOMEM;
	store->n_entries++;
	r = add_text(reader, entry, path);
	if (r == 0 && overlaid)
		return add_overlays(reader, entry, overlaid);
	if (r == E_MASKED) {
		store->n_entries--;
		entry_reset(entry);
		r = 0;
	}
	return r;
}

/* --- all of it --- */

/* A name that is looked for is a file if it is one, or if it should be. */
static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? qos_store_has_suffix(path, SUFFIX) : !S_ISDIR(st.st_mode);
}

/* An overlay for which there is no contract does nothing, which nobody wants. */
static void warn_of_orphans(struct reader *reader, const struct qos_store_list *files,
			    const struct qos_store_list *overlays)
{
	for (size_t i = 0; i < overlays->n; i++) {
		_cleanup_free_ char *name = strdup(overlays->names[i].name);
		struct qos_loc loc = {.file = overlays->names[i].path};

		if (!name)
			continue;
		name[strlen(name) - strlen(".d")] = '\0';
		if (qos_store_list_find(files, name))
			continue;
		qos_diag_warning(reader->diag, &loc, "overlays of a contract that does not exist");
		qos_diag_hint(reader->diag, "they are laid over %s, of any directory", name);
	}
}

static int list_all(const struct reader *reader, const char *const *dirs,
		    struct qos_store_list *files, struct qos_store_list *overlays)
{
	const struct qos_store_extras *extras = reader->extras;
	int r = 0;

	for (size_t i = 0; r == 0 && dirs[i]; i++) {
		r = qos_store_list_add(files, dirs[i], SUFFIX, reader->diag);
		if (r == 0)
			r = qos_store_list_add(overlays, dirs[i], OVERLAY_SUFFIX, NULL);
	}
	for (size_t i = 0; r == 0 && extras && i < extras->n; i++)
		r = qos_store_list_put(files, extras->items[i].name, extras->items[i].path);
	qos_store_list_settle(files);
	qos_store_list_settle(overlays);
	return r;
}

static int too_many(struct qos_diag *diag)
{
	qos_diag_error(diag, NULL, "more than %d contract files", QOS_STORE_ENTRIES_MAX);
	qos_diag_hint(diag, "nothing was read: look for what fills the directories");
	return -EINVAL;
}

static int read_directories(struct reader *reader, const char *const *dirs)
{
	_cleanup_store_list_ struct qos_store_list files = {.max = QOS_STORE_ENTRIES_MAX};
	_cleanup_store_list_ struct qos_store_list overlays = {.max = QOS_STORE_ENTRIES_MAX};
	int r;

	r = list_all(reader, dirs, &files, &overlays);
	if (r == -E2BIG || reader->store->n_entries + files.n > QOS_STORE_ENTRIES_MAX)
		return too_many(reader->diag);
	if (r < 0)
		return r;
	warn_of_orphans(reader, &files, &overlays);
	for (size_t i = 0; r == 0 && i < files.n; i++) {
		_cleanup_free_ char *overlay = NULL;

		if (asprintf(&overlay, "%s.d", files.names[i].name) < 0) {
			overlay = NULL;
			return -ENOMEM;
		}
		r = add_entry(reader, files.names[i].name, files.names[i].path,
			      files.names[i].unsafe,
			      qos_store_list_find(&overlays, overlay) ? dirs : NULL);
	}
	return r;
}

static int read_file(struct reader *reader, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	if (reader->store->n_entries == QOS_STORE_ENTRIES_MAX)
		return too_many(reader->diag);
	return add_entry(reader, basename(copy), path, false, NULL);
}

static int by_name(const void *a, const void *b)
{
	const struct qos_store_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int read_all(struct reader *reader, const char *const *paths)
{
	_cleanup_free_ const char **dirs = NULL;
	size_t n = 0, n_dirs = 0;
	int r = 0;

	while (paths[n])
		n++;
	dirs = calloc(n + 1, sizeof(*dirs));
	if (!dirs)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (is_file(paths[i]))
			r = read_file(reader, paths[i]);
		else
			dirs[n_dirs++] = paths[i];
	}
	if (r == 0)
		r = read_directories(reader, dirs);
	return r;
}

int qos_store_read_with(const char *const *paths, const struct qos_store_extras *extras,
			struct qos_diag *diag, struct qos_store **ret)
{
	_cleanup_store_ struct qos_store *store = calloc(1, sizeof(*store));
	struct reader reader = {.store = store, .diag = diag, .extras = extras};
	struct qos_store_entry *fitted;
	int r;

	if (!store)
		return -ENOMEM;
	store->entries = calloc(QOS_STORE_ENTRIES_MAX, sizeof(*store->entries));
	if (!store->entries)
		return -ENOMEM;
	r = read_all(&reader, paths);
	if (r < 0)
		return r;
	qsort(store->entries, store->n_entries, sizeof(*store->entries), by_name);
	fitted = reallocarray(store->entries, store->n_entries + 1, sizeof(*store->entries));
	if (fitted)
		store->entries = fitted;
	*ret = TAKE_PTR(store);
	return 0;
}

int qos_store_read(const char *const *paths, struct qos_diag *diag, struct qos_store **ret)
{
	return qos_store_read_with(paths, NULL, diag, ret);
}

struct qos_text *qos_store_texts(const struct qos_store_entry *entry)
{
	struct qos_text *texts = calloc(entry->n_texts + 1, sizeof(*texts));

	for (size_t i = 0; texts && i < entry->n_texts; i++)
		texts[i] = (struct qos_text){.file = entry->texts[i].path,
					     .bytes = entry->texts[i].bytes,
					     .len = entry->texts[i].len};
	return texts;
}
