/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contract files on disk: search path, masks, overlays. Later directories win; NAME.yaml in two of
 * them: the later replaces; a link to /dev/null masks; NAME.yaml.d/<x>.yaml of every directory are
 * laid over in order of file name. Names ending in ~ or .dpkg-*, .rpm* and hidden ones are skipped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/diag.h"

struct qos_text;

struct qos_store_text {
	char *path; /* as shown to people: directory as given + "/" + name */
	char *bytes;
	size_t len;
};

/* One contract's texts: the file and its overlays. */
struct qos_store_entry {
	char *name; /* file name, "camera.yaml" */
	struct qos_store_text *texts;
	size_t n_texts;
	bool unsafe; /* a text or its directory is not root's, or others than root can write it */
	bool unreadable; /* the reason stands in diag */
};

struct qos_store {
	struct qos_store_entry *entries; /* by name */
	size_t n_entries;
};

#define QOS_STORE_ENTRIES_MAX  10000
#define QOS_STORE_OVERLAYS_MAX 64	/* of one contract */
#define QOS_STORE_BYTES_MAX    67108864 /* of all texts */

extern const char *const qos_store_default_path[]; /* /usr/lib, /run, /etc; NULL-terminated */

/* Reads all. `paths` (NULL-terminated) are directories, which are laid over each other, or single
 * files (as `check FILE`), each an entry of its own. What does not exist is an empty directory,
 * unless its name ends in .yaml: then it is a missing file. A file that cannot be read (missing, too
 * large, no regular file) becomes an entry with `unreadable`, so does one with such an overlay, and
 * the reason is an error in diag. A directory that is there and cannot be read fails the whole: what
 * is not seen must not pass for gone. 0, -EINVAL (more than QOS_STORE_ENTRIES_MAX files), -errno. */
int qos_store_read(const char *const *paths, struct qos_diag *diag, struct qos_store **ret);

/* A text that is to be, as if it stood under `name` in one more directory, the last; overlays are laid
 * over it as over any. `path` is what people are shown, `bytes` are the caller's. */
struct qos_store_extra {
	const char *name;
	const char *path;
	const char *bytes;
	size_t len;
};
struct qos_store_extras {
	const struct qos_store_extra *items;
	size_t n;
};
/* The same with extras, which may be NULL. */
int qos_store_read_with(const char *const *paths, const struct qos_store_extras *extras,
			struct qos_diag *diag, struct qos_store **ret);
void qos_store_free(struct qos_store *store);

/* The texts as the parser takes them, n_texts of them: an array that the caller frees, whose bytes stay
 * the entry's. NULL: no memory. */
struct qos_text *qos_store_texts(const struct qos_store_entry *entry);
QOS_DEFINE_CLEANUP(struct qos_store *, qos_store_free)
#define _cleanup_store_ QOS_CLEANUP(qos_store_freep)
